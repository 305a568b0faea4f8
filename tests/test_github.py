"""A GitHub organisation without SCIM at its twin; every call and answer of the REST API is held to its description."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from connectors.base import Grants, Outcome, Owns, Prepares, Sessions, Tokens
from connectors.catalogue import connect
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.sandbox import Sandbox, TwinControl
from connectors.sandbox.vendors import github
from flows import presets
from mappings.vocabulary import AppRules
from tests.vendor_specs import Differs, Held, described, hold

RULES = presets.rules("github")
ANA, BEN = "ana.simic@juniperfinch.example", "ben.ode@juniperfinch.example"
HEADERS = {
    "Authorization": f"Bearer {github.TOKEN}",
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}
ORG = "/orgs/{org}"


class House:
    """The twin, and the app that reaches it; `again` makes another one with other options."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.twin: TwinControl = sandbox.control("github")
        self.root = f"{sandbox.url}/github"
        self.twin.reset()
        self.twin.limits(100_000)
        self.app, self.held = self.again()

    def again(self, rules: AppRules = RULES, **options: Any) -> tuple[Any, Held]:
        rules = rules.model_copy(update={"limits": (), "options": rules.options | options})
        app: Any = connect("github", rules, github.environment(self.root))
        api = described("github/github-ghec.json")  # which has no GraphQL
        return app, hold(app.http.client, api, under="/github", headers=HEADERS, besides="POST /graphql")

    def by_login(self, **options: Any) -> Any:
        """The app of a company that knows its people's logins."""
        rules = RULES.model_copy(update={"key": "login", "attributes": {"login": "{extra.github_login}"}})
        return self.again(rules, identity="login", **options)[0]

    def member(self, address: str = ANA) -> str:
        """Somebody who was invited and has accepted."""
        self.app.create({"email": address})
        return str(self.twin.sign_in(address)["login"])

    def table(self, name: str) -> list[dict[str, Any]]:
        return self.twin.state()[name]

    def logins(self) -> set[str]:
        return {row["login"] for row in self.table("members")}

    def teams_of(self, login: str) -> set[str]:
        names = {str(team["id"]): team["name"] for team in self.table("teams")}
        return {names[row["team"]] for row in self.table("team_members") if row["login"] == login}

    def lines(self) -> list[str]:
        return [f"{line['method']} {line['path'].removeprefix('/github')}" for line in self.twin.log()]

    def api(self, verb: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(verb, self.root + path, json=body, headers=HEADERS)


@pytest.fixture
def house(sandbox: Sandbox) -> House:
    return House(sandbox)


def test_a_whole_life_is_as_github_describes_it(house: House) -> None:
    app = house.app
    assert RULES.title in app.check()
    assert app.create({"email": ANA}) == (Outcome.DONE, ANA) and app.create({"email": ANA}) == (Outcome.ALREADY, ANA)
    assert app.read(ANA).active and app.find(ANA.upper()).id == ANA
    assert [app.grant(ANA, "Staff"), app.grant(ANA, "Staff")] == [Outcome.DONE, Outcome.ALREADY]
    login = house.twin.sign_in(ANA)["login"]
    assert login == "ana-simic" and house.teams_of(login) == {"Staff"}
    for number in range(105):
        app.create({"email": f"person.{number}@juniperfinch.example"})
    assert len({account.id for account in app.accounts()}) == 107
    found = app.find(ANA)
    assert (found.id, found.key, found.entitlements) == (login, ANA, {"Staff"})
    assert [app.grant(login, "Engineering"), app.revoke(login, "Staff")] == [Outcome.DONE, Outcome.DONE]
    assert app.read(ANA) == app.read(login) and app.read(login).entitlements == {"Engineering"}
    house.twin.give("credentials", login, {"credential_type": "SSH key", "title": "laptop"})
    assert [app.revoke_tokens(login), list(app.tokens(login))] == [Outcome.DONE, []]
    assert [app.disable(login), app.disable(login), app.read(login)] == [Outcome.DONE, Outcome.ALREADY, None]
    assert login not in house.logins() and house.teams_of(login) == set()
    assert {
        f"GET {ORG}/members", f"GET {ORG}/memberships/{{username}}", f"DELETE {ORG}/memberships/{{username}}",
        f"GET {ORG}/invitations", f"POST {ORG}/invitations", f"DELETE {ORG}/invitations/{{invitation_id}}",
        f"GET {ORG}/invitations/{{invitation_id}}/teams", f"GET {ORG}/teams", f"GET {ORG}/teams/{{team_slug}}/members",
        f"PUT {ORG}/teams/{{team_slug}}/memberships/{{username}}", f"GET {ORG}/credential-authorizations",
        f"DELETE {ORG}/teams/{{team_slug}}/memberships/{{username}}",
        f"DELETE {ORG}/outside_collaborators/{{username}}", f"POST {ORG}/credential-authorizations/{{username}}/revoke",
    } <= set(house.held.calls)  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "path", "sent", "why"),
    [
        ("POST", "/orgs/juniper-finch/invitations", {"json": {"mail": ANA}}, "not described: mail"),
        ("POST", "/orgs/juniper-finch/invitations", {"json": {"email": ANA, "role": "member"}}, "'member' is not one"),
        (
            "POST",
            "/orgs/juniper-finch/invitations",
            {"json": {"email": ANA, "team_ids": ["x"]}},
            "not of type 'integer'",
        ),
        ("GET", "/orgs/juniper-finch/members", {"params": {"limit": "5"}}, "no query parameter limit"),
        ("GET", "/orgs/juniper-finch/people", {}, "is not in github"),
        ("PATCH", "/orgs/juniper-finch/memberships/x", {}, "is not in github"),
        ("GET", "/orgs/juniper-finch/teams", {"headers": {"Authorization": "token x"}}, "the header Authorization"),
    ],
)
def test_the_check_of_requests_notices_wrong_ones(
    house: House, verb: str, path: str, sent: dict[str, Any], why: str
) -> None:
    with pytest.raises(Differs, match=why):
        house.app.http.client.request(verb, path, **sent)


def test_keeps_what_it_can_do(house: House) -> None:
    assert all(isinstance(house.app, kind) for kind in (Grants, Prepares, Tokens, Owns))
    assert not isinstance(house.app, Sessions)
    assert RULES.leaving.disable_deletes and RULES.leaving.hand_over_first


def test_the_limits_of_the_preset_are_those_that_github_enforces() -> None:
    seconds = {"minute": 60.0, "hour": 3600.0}

    assert {(limit.requests, seconds[limit.per], limit.calls) for limit in RULES.limits} == {
        (limit.requests, limit.per_seconds, limit.calls) for limit in github.PUBLISHED
    }


# who is who


def test_an_identity_among_many_is_found_though_the_filter_is_ignored(house: House) -> None:
    for number in range(120):
        house.member(f"person.{number}@juniperfinch.example")
    login = house.member()
    house.twin.faults([{"match": "graphql", "kind": "wrong-first-hit"}])

    assert house.app.find(ANA).id == login and house.app.find(BEN) is None


def test_who_is_a_member_by_another_address_is_not_invited_again(house: House) -> None:
    house.by_login().create({"login": "anasimic"})
    house.twin.sign_in("anasimic")  # whose account at GitHub has a private address

    assert house.app.create({"email": "anasimic@juniperfinch.example"}) == (Outcome.ALREADY, "anasimic")
    assert house.table("invitations") == []


def test_a_member_without_an_identity_is_not_guessed(house: House) -> None:
    house.twin.options(saml=False)
    house.api("POST", "/orgs/juniper-finch/invitations", {"email": ANA})
    house.twin.sign_in(ANA)
    house.twin.options(saml=True)

    with pytest.raises(Refused, match="already a part of this organization; which login it is.*through the SSO once"):
        house.app.create({"email": ANA})
    assert house.app.find(ANA) is None


def test_an_organisation_without_saml_says_what_to_do(house: House) -> None:
    house.twin.options(saml=False)

    with pytest.raises(Refused, match="no SAML identities.*match people by login"):
        house.app.find(ANA)


def test_the_identities_may_be_the_enterprises(house: House) -> None:
    login = house.member()
    house.twin.options(enterprise_saml=True)
    app, _ = house.again(enterprise="juniper-and-finch")
    app.grant(login, "Staff")

    found = app.find(ANA)

    assert (found.id, found.key, found.entitlements) == (login, ANA, {"Staff"})
    assert {(account.id, account.key) for account in app.accounts()} >= {(login, ANA)}
    with pytest.raises(Refused, match="the organization has no SAML identities.*name the `enterprise`"):
        house.app.find(ANA)


def test_people_may_be_known_by_their_logins(house: House) -> None:
    house.twin.options(saml=False)
    app = house.by_login()

    assert [app.create({"login": "anasimic"}), app.create({"login": "AnaSimic"})] == [
        (Outcome.DONE, "anasimic"),
        (Outcome.ALREADY, "AnaSimic"),
    ]
    assert app.read("anasimic").active and app.grant("anasimic", "Staff") == Outcome.DONE
    house.twin.sign_in("anasimic")
    assert app.find("ANASIMIC").entitlements == {"Staff"}
    assert {account.id for account in app.accounts()} == {"anasimic", "ops-owner"}
    assert [app.disable("anasimic"), app.find("anasimic")] == [Outcome.DONE, None]


def test_who_has_told_no_login_is_asked_for_it(house: House) -> None:
    with pytest.raises(NeedsHuman, match="Ask the person for their GitHub login"):
        house.by_login().create({"login": ""})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"key": "login", "attributes": {"login": "{user_name}"}}, "Write key: email"),
        ({"attributes": {"email": "{work_email}", "company": "{company}"}}, "GitHub has no company"),
    ],
)
def test_a_file_that_cannot_work_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        connect("github", RULES.model_copy(update=change), github.environment("http://127.0.0.1:9"))


# invitations


def test_an_invitation_without_an_answer_is_found_and_not_sent_twice(house: House) -> None:
    house.twin.faults([{"match": "POST /github/orgs/juniper-finch/invitations", "kind": "lost-answer", "times": 1}])

    assert house.app.create({"email": ANA}) == (Outcome.DONE, ANA)
    assert len(house.table("invitations")) == 1


@pytest.mark.parametrize("verb", ["DELETE", "POST"])
def test_a_new_invitation_without_an_answer_holds_the_teams(house: House, verb: str) -> None:
    house.app.create({"email": ANA})
    house.app.grant(ANA, "Staff")
    house.twin.faults([{"match": f"{verb} /github/orgs/juniper-finch/invit", "kind": "lost-answer", "times": 1}])

    assert house.app.grant(ANA, "Engineering") == Outcome.DONE
    assert house.app.read(ANA).entitlements == {"Staff", "Engineering"} and len(house.table("invitations")) == 1
    assert house.app.revoke(ANA, "Staff") == Outcome.DONE
    assert house.app.read(ANA).entitlements == {"Engineering"}


def test_who_must_not_be_mailed_again_waits_for_a_person(house: House) -> None:
    app, _ = house.again(reinvite=False)
    app.create({"email": ANA})

    with pytest.raises(NeedsHuman, match=f"Wait until {ANA} has accepted"):
        app.grant(ANA, "Staff")
    assert [row["team_ids"] for row in house.table("invitations")] == [[]]


def test_a_leavers_invitation_is_taken_back(house: House) -> None:
    house.app.create({"email": ANA})

    assert [house.app.disable(ANA), house.app.disable(ANA)] == [Outcome.DONE, Outcome.ALREADY]
    assert house.table("invitations") == [] and house.app.find(ANA) is None


# teams


def test_a_stranger_is_never_invited_by_way_of_a_team(house: House) -> None:
    with pytest.raises(Refused, match="no member and not invited"):
        house.app.grant("some-stranger", "Staff")
    with pytest.raises(Refused, match="no member and not invited"):
        house.app.grant(BEN, "Staff")

    assert house.table("invitations") == []


def test_a_team_that_an_identity_provider_fills_is_refused_with_the_reason(house: House) -> None:
    login = house.member()

    with pytest.raises(Refused, match="managed by an identity provider.*give the group there") as caught:
        house.app.grant(login, "From the IdP")
    assert caught.value.status == 403


def test_an_unknown_team_is_named(house: House) -> None:
    with pytest.raises(Refused, match="there is no team 'Enginering'"):
        house.app.grant(house.member(), "Enginering")


def test_teams_that_only_a_leaver_maintains_get_another_maintainer(house: House) -> None:
    ana, ben = house.member(ANA), house.member(BEN)
    for team, logins in {"staff": [ana], "engineering": [ana, ben]}.items():
        for login in logins:
            path = f"/orgs/juniper-finch/teams/{team}/memberships/{login}"
            house.api("PUT", path, {"role": "maintainer"})

    assert [(thing.kind, thing.name) for thing in house.app.owned(ana)] == [("team", "Staff")]
    assert house.app.hand_over(ANA, BEN) == Outcome.DONE
    assert list(house.app.owned(ana)) == [] and house.app.hand_over(ana, ben) == Outcome.ALREADY
    with pytest.raises(Refused, match="nobody else"):
        house.app.hand_over(ana, ANA)


# leaving


def test_tokens_are_told_by_kind_and_only_the_leavers(house: House) -> None:
    ana, ben = house.member(ANA), house.member(BEN)
    kinds = ("personal access token", "SSH key", "OAuth app token", "GitHub app token")
    house.twin.give("credentials", ana, *[{"credential_type": kind, "title": kind} for kind in kinds])
    house.twin.give("credentials", ben, *[{"title": f"ci {number}"} for number in range(105)])

    assert sorted((t.kind, t.name) for t in house.app.tokens(ANA)) == [
        ("api_key", "personal access token"),
        ("oauth", "GitHub app token"),
        ("oauth", "OAuth app token"),
        ("ssh_key", "SSH key"),
    ]
    assert len(list(house.app.tokens(ben))) == 105
    assert house.app.revoke_tokens(ana) == Outcome.DONE and len(house.table("credentials")) == 105
    assert house.app.revoke_tokens(ana) == Outcome.ALREADY


def test_fine_grained_tokens_are_for_github_apps(house: House) -> None:
    login = house.member()
    house.twin.give("fine_grained", login, {"token_name": "deploy"})
    app, held = house.again(fine_grained=True)

    with pytest.raises(Refused, match="not permitted"):
        list(app.tokens(login))
    house.twin.options(apps=True)
    assert [t.name for t in app.tokens(login)] == ["deploy"]
    assert [app.revoke_tokens(login), app.revoke_tokens(login)] == [Outcome.DONE, Outcome.ALREADY]
    assert held.calls[f"POST {ORG}/personal-access-tokens/{{pat_id}}"] == 1


def test_access_to_single_repositories_ends_with_the_membership(house: House) -> None:
    login = house.member()

    house.app.disable(login)

    assert f"DELETE /orgs/juniper-finch/outside_collaborators/{login}" in house.lines()


def test_a_membership_by_an_enterprise_team_is_for_people_to_end(house: House) -> None:
    login = house.member()
    house.twin.options(enterprise=True)

    with pytest.raises(NeedsHuman, match=f"Take {login} out of the enterprise's teams"):
        house.app.disable(login)
    assert login in house.logins()


def test_the_last_owner_stays_and_it_says_so(house: House) -> None:
    with pytest.raises(Refused, match="last owner"):
        house.app.disable("ops-owner")
    assert house.logins() == {"ops-owner"}


# how GitHub says wait


def waits(house: House, act: Any) -> list[float]:
    """The pauses that a call made before it went through."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        house.twin.limits(100_000)

    house.app.http.sleep = sleep
    act()
    return pauses


def test_a_used_up_hour_is_waited_out_until_its_reset(house: House) -> None:
    house.twin.limits(1, 3600)
    house.app.check()

    with pytest.raises(Retryable, match="rate limit is used up") as caught:
        house.app.check()

    assert 3500 < (caught.value.after or 0) <= 3605


@pytest.mark.parametrize("silent", [True, False])
def test_a_secondary_limit_is_waited_out_with_and_without_its_header(house: House, silent: bool) -> None:
    house.twin.options(silent_limits=silent)
    house.twin.limits(1, 40)
    house.app.check()

    pauses = waits(house, house.app.check)

    assert len(pauses) == 1 and (60 <= pauses[0] <= 64 if silent else 38 <= pauses[0] <= 44)


def test_a_refusal_is_no_limit(house: House) -> None:
    login = house.member()

    pauses = waits(house, lambda: pytest.raises(Refused, house.app.grant, login, "From the IdP"))

    assert pauses == []


def test_a_graphql_error_in_an_answer_of_200_is_an_error(house: House) -> None:
    app, _ = house.again(org="another-org")

    with pytest.raises(Refused, match="Could not resolve to organization") as caught:
        app.people.login_of(ANA, "find somebody")
    assert caught.value.status == 404


def test_a_query_that_fails_is_asked_again(house: House) -> None:
    login = house.member()
    house.twin.faults([{"match": "graphql", "kind": "500", "times": 1}])

    assert house.app.people.login_of(ANA, "find somebody") == login


def test_what_is_sent_as_a_query_changes_nothing(house: House) -> None:
    sent: list[dict[str, Any]] = []
    hooks = house.app.http.client.event_hooks
    wanted = [
        lambda request: sent.append(json.loads(request.content)) if request.url.path.endswith("graphql") else None
    ]
    house.app.http.client.event_hooks = hooks | {"request": [*hooks["request"], *wanted]}

    house.app.find(ANA)
    house.app.read(house.member())

    assert all("mutation" not in each["query"] and each["variables"]["org"] == "juniper-finch" for each in sent)
    assert {name for each in sent for name in each["variables"]} == {"org", "after", "userName", "login"}
