"""Slack: accounts by SCIM, everything else by a Web API that answers 200 to whatever it is asked."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connectors.apps.slack import SlackGrid
from connectors.apps.slack_http import SlackHttp
from connectors.base import Outcome, Sessions, Write
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.http import Throttled, client
from connectors.sandbox.vendors import slack
from tests.connectors_servers import Said, Scripted
from tests.slack_house import RULES, House, house, person
from tests.vendor_specs import Differs

__all__ = ["house"]
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
CALLS = {
    "GET /auth.test",
    "GET /usergroups.list",
    "GET /usergroups.users.list",
    "POST /usergroups.create",
    "POST /usergroups.enable",
    "POST /usergroups.disable",
    "POST /usergroups.users.update",
    "GET /conversations.list",
    "GET /conversations.members",
    "POST /conversations.invite",
    "POST /conversations.kick",
    "GET /users.conversations",
    "GET /users.info",
    "GET /admin.teams.list",
    "GET /admin.users.list",
    "POST /admin.users.assign",
    "POST /admin.users.remove",
    "POST /admin.users.session.reset",
    "POST /admin.conversations.invite",
}
"""All that the connector ever sends to the Web API."""


def test_a_whole_life_is_as_slack_describes_it(house: House) -> None:
    small, app = house.connected(grid=False), house.connected()
    calls = [house.held(each).calls for each in (small, app)]
    assert "takes the token as ada of Juniper & Finch" in app.check()
    ids = [house.make(1), house.make(2)]

    small.grant(ids[1], "#sales")
    for name in ("Staff", "@buyers", "#tea-room", "workspace:Finch"):
        assert [app.grant(ids[0], name), app.grant(ids[0], name)][0] == DONE
    held = app.read(ids[0]).entitlements
    listed = {account.id: account.entitlements for account in app.accounts()}
    assert held == {"Staff", "@buyers", "#tea-room", "workspace:Finch"} == listed[ids[0]]
    assert listed[ids[1]] == {"#sales"} and held | {"#sales"} <= set(app.entitlements())
    for name in sorted(held):
        assert [app.revoke(ids[0], name), app.revoke(ids[0], name)] == [DONE, ALREADY]
    assert app.grant(ids[0], "@buyers") == DONE  # enabled again
    house.twin.sign_in("person.1")
    assert app.end_sessions(ids[0]) == DONE and app.disable(ids[0]) == DONE

    assert house.twin.state()["sessions"] == [] and not app.read(ids[0]).active
    assert set(calls[0]) | set(calls[1]) == CALLS


@pytest.mark.parametrize(
    ("verb", "path", "sent", "wrong"),
    [
        ("POST", "/usergroups.users.update", {"data": {"usergroup": "S0000001"}}, "'users' is a required property"),
        ("POST", "/admin.users.session.reset", {"data": {"user": "W0000001"}}, "user_id"),
        ("POST", "/admin.users.session.reset", {"json": {"user_id": "W0000001"}}, "application/json"),
        ("GET", "/usergroups.users.list", {}, "usergroup"),
        ("GET", "/usergroups.list", {"params": {"users": "true"}}, "no query parameter users"),
        ("POST", "/usergroups.list", {}, "is not in"),
    ],
)
def test_the_check_of_requests_notices_wrong_ones(
    house: House, verb: str, path: str, sent: dict[str, Any], wrong: str
) -> None:
    house.held(house.app)

    with pytest.raises(Differs, match=wrong):
        house.app.http.client.request(verb, path, **sent)


def test_a_token_in_the_wrong_place_is_noticed(house: House) -> None:
    house.held(house.app)

    with pytest.raises(Differs, match="the header Authorization is not as it has to be"):
        house.app.http.client.get("/auth.test", headers={"Authorization": slack.TOKEN})


# what 200 means


def scripted(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Scripted:
    return Scripted(lambda asked: Said(status, body, headers or {}))


def asked_of(server: Scripted) -> SlackHttp:
    return SlackHttp("slack", client(server.url), patience=0.2, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("error", "kind", "status", "said"),
    [
        ("invalid_auth", Refused, 401, "was refused"),
        ("account_inactive", Refused, 401, "was refused"),
        ("not_an_admin", Refused, 403, "Let an owner or admin"),
        ("user_not_found", Refused, 404, "Slack said user_not_found"),
        ("name_already_exists", Refused, 400, "Slack said name_already_exists"),
        ("internal_error", Retryable, None, "read back before trying again"),
        ("ratelimited", Throttled, None, "ratelimited"),
    ],
)
def test_an_error_in_a_200_is_an_error(error: str, kind: type[Exception], status: int | None, said: str) -> None:
    with scripted({"ok": False, "error": error}) as server, pytest.raises(kind, match=said) as caught:
        asked_of(server).tell("admin.users.remove", "remove somebody", user_id="W1")

    assert getattr(caught.value, "status", None) == status


def test_a_method_that_comes_too_early_waits_as_long_as_slack_says() -> None:
    waited: list[float] = []
    turns = [Said(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"}), Said(200, {"ok": True})]
    with Scripted(lambda asked: turns.pop(0)) as server:
        http = SlackHttp("slack", client(server.url), sleep=waited.append)
        http.tell("usergroups.enable", "enable it", usergroup="S1")

    assert len(waited) == 1 and 7 <= waited[0] < 8


def test_a_scope_that_is_missing_is_named(house: House) -> None:
    id = house.make()
    house.app.grant(id, "@buyers")
    house.twin.options(missing_scope="usergroups:write")

    with pytest.raises(Refused, match="SLACK_TOKEN lacks the scope usergroups:write; it has .*Add the scope") as caught:
        house.app.revoke(id, "@buyers")
    assert caught.value.status == 403


def test_a_wrong_token_is_refused_by_both_apis_and_never_shown(house: House) -> None:
    app = house.connected(token="canary-in-a-token")

    for call in (app.check, lambda: app.http.ask("auth.test", "check the token")):
        with pytest.raises(Refused, match="SLACK_TOKEN") as caught:
            call()
        assert caught.value.status == 401 and "canary" not in str(caught.value)


# user groups


def test_a_list_that_is_replaced_as_a_whole_loses_nobody(house: House) -> None:
    apps = [house.app, house.app, house.connected()]
    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(house.make, range(1, 13)))
        house.app.grant(ids[0], "@buyers")
        list(pool.map(lambda n: apps[n % 2].grant(ids[n], "@buyers"), range(1, 12)))

    assert set(house.rows("usergroups")["buyers"]["users"]) == set(ids)


def test_a_write_that_somebody_else_wrote_over_is_made_again(house: House) -> None:
    ids = [house.make(1), house.make(2), house.make(3)]
    house.app.grant(ids[0], "@buyers")
    group = house.rows("usergroups")["buyers"]["id"]
    usergroups = house.app.usergroups
    write, rivals = usergroups.write, [ids[2]]

    def overwritten(*given: Any) -> None:
        """Another process writes the list it had read before ours came."""
        write(*given)
        if rivals:
            users = f"{ids[0]},{rivals.pop()}"
            house.app.http.tell("usergroups.users.update", "write over it", usergroup=group, users=users)

    usergroups.write = overwritten

    assert house.app.grant(ids[1], "@buyers") == DONE
    assert set(house.rows("usergroups")["buyers"]["users"]) == set(ids)


def test_many_are_let_in_and_out_in_few_calls(house: House) -> None:
    ids = [house.make(number) for number in range(1, 31)]
    names = ("@buyers", "#sales", "workspace:Finch", "Staff")
    house.app.grant(ids[0], "@buyers")
    house.twin.clear_log()

    given = [Write("grant", id, entitlement=name) for name in names[:2] for id in ids]
    few = house.written(given)
    calls = len([line for line in house.twin.log() if line["method"] == "POST"])
    rest = house.written([Write("grant", id, entitlement=name) for name in names[2:] for id in ids[:3]])
    taken = house.written([Write("revoke", id, entitlement="@buyers") for id in ids[1:]])

    assert {each.outcome for each in (*few, *rest, *taken)} <= {DONE, ALREADY} and calls <= 3
    assert len(few) == 60 and len(rest) == 6 and len(taken) == 29
    assert house.app.read(ids[0]).entitlements == set(names) and house.app.read(ids[9]).entitlements == {"#sales"}


def test_one_among_many_that_cannot_be_let_in_stops_nobody_else(house: House) -> None:
    ids = [house.make(number) for number in range(1, 4)]

    told = house.written([Write("grant", id, entitlement="@buyers") for id in (*ids, "W0NOBODY")])

    outcomes = {each.id: each.outcome for each in told}
    assert [outcomes[id] for id in ids] == [DONE] * 3 and isinstance(outcomes["W0NOBODY"], Refused)
    assert set(house.rows("usergroups")["buyers"]["users"]) == set(ids)


def test_the_last_one_out_of_a_user_group_disables_it(house: House) -> None:
    ids = [house.make(1), house.make(2)]
    house.app.grant(ids[0], "@buyers")

    assert house.app.revoke(ids[0], "@buyers") == DONE
    assert house.rows("usergroups")["buyers"]["date_delete"] and house.app.read(ids[0]).entitlements == set()
    assert house.app.grant(ids[1], "@buyers") == DONE

    group = house.rows("usergroups")["buyers"]
    assert group["users"] == [ids[1]] and not group["date_delete"]  # the first one did not come back with it


def test_a_user_group_that_is_missing_is_named_where_it_may_not_be_made(house: House) -> None:
    id = house.make()

    with pytest.raises(Refused, match="there is no user group @nobody. Make the user group"):
        house.connected(create_groups=False).grant(id, "@nobody")
    assert house.app.revoke(id, "@nobody") == ALREADY


def test_reading_many_accounts_stays_within_the_tier_of_user_groups(house: House) -> None:
    ids = [house.make(number) for number in range(1, 9)]
    house.twin.clear_log()

    for id in ids:
        house.app.read(id)

    lines = [line for line in house.twin.log() if line["path"].endswith("usergroups.list")]
    assert len(lines) < len(ids)


def test_a_kind_that_is_switched_off_never_becomes_a_scim_group(house: House) -> None:
    id, small = house.make(), house.connected(usergroups=False, grid=False)

    for name, option in {"@buyers": "usergroups", "workspace:Finch": "grid"}.items():
        with pytest.raises(Refused, match=f"Say `{option}: true`"):
            small.grant(id, name)
        told = [each for batch in small.batches([Write("grant", id, entitlement=name)] * 2) for each in batch]
        assert [type(w.outcome) for w in small.write_many(told)] == [Refused, Refused]
    assert house.rows("groups") == {}


# channels and workspaces


def test_a_channel_that_the_app_is_not_in_says_what_to_do(house: House) -> None:
    id, small = house.make(), house.connected(grid=False)

    assert [small.grant(id, "#sales"), small.grant(id, "#sales")] == [DONE, ALREADY]
    with pytest.raises(Refused, match="not_in_channel. Add the app's user to the channel"):
        small.grant(id, "#tea-room")
    assert house.app.grant(id, "#tea-room") == DONE  # the organisation's own way
    assert house.app.read(id).entitlements == {"#sales", "#tea-room"}


def test_channels_that_the_yaml_does_not_name_are_left_alone(house: House) -> None:
    id = house.make()
    house.app.http.tell("conversations.invite", "join by oneself", channel="C0GENERAL", users=id)

    assert house.app.read(id).entitlements == set()
    with pytest.raises(Refused, match="Add general to `options.channels`"):
        house.app.grant(id, "#general")
    with pytest.raises(Refused, match="no channel #old-news can be seen"):
        house.connected(channels=["old-news"]).grant(id, "#old-news")


def test_a_workspace_does_not_bring_a_deactivated_account_back(house: House) -> None:
    id = house.make()
    house.app.disable(id)

    with pytest.raises(Refused, match="the account is deactivated. Enable the account first"):
        house.app.grant(id, "workspace:Juniper")
    assert not house.app.read(id).active


def test_without_an_enterprise_plan_there_are_no_sessions_and_no_workspaces(house: House) -> None:
    house.twin.options(grid=False)
    small, id = house.connected(grid=False), house.make()

    assert isinstance(house.app, SlackGrid) and isinstance(house.app, Sessions) and not isinstance(small, Sessions)
    with pytest.raises(Refused, match="feature_not_enabled.*say `grid: false`"):
        house.app.end_sessions(id)
    assert small.grant(id, "#sales") == DONE and small.read(id).entitlements == {"#sales"}


def test_nobody_is_deleted_there(house: House) -> None:
    with pytest.raises(NeedsHuman):
        house.app.delete(house.make())


# quota


def test_the_limits_in_the_yaml_are_those_that_slack_keeps(house: House) -> None:
    """Paths are shorter on our side: SCIM's hang on `url`."""
    lines = {
        "POST /Users": "POST /scim/v2/Users",
        "PATCH /Users/W1": "PATCH /scim/v2/Users/W1",
        "GET /Users/W1": "GET /scim/v2/Users/W1",
        "GET /Users": "GET /scim/v2/Users",
        "PATCH /Groups/S1": "PATCH /scim/v2/Groups/S1",
        **{call: call.replace(" /", " /api/") for call in CALLS if "auth.test" not in call},
    }

    for ours, theirs in lines.items():
        stated = {(n.requests, n.burst or n.requests) for n in RULES.limits if re.search(n.calls, ours)}
        kept = {(n.requests, n.burst or n.requests) for n in slack.Slack.quotas if re.search(n.calls, theirs)}
        assert stated == kept != set(), ours


def test_a_crowd_gets_in_however_small_scims_burst(house: House) -> None:
    house.twin.faster(60)
    app = house.connected()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: app.create(person(n)), range(1, 31)))

    assert len(house.twin.state()["users"]) == 30
