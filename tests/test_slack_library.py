"""Slack's own Python library at the twin: it sees what the connector did, and the connector what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.sandbox.vendors import slack
from tests.slack_house import House, house

slack_sdk = pytest.importorskip("slack_sdk")
errors = pytest.importorskip("slack_sdk.errors")

__all__ = ["house"]
SLOWLY = 0.001


@pytest.fixture
def web(house: House) -> Any:
    return slack_sdk.WebClient(slack.TOKEN, base_url=f"{house.environment['SLACK_URL']}/")


def test_the_library_reads_what_the_connector_wrote(house: House, web: Any) -> None:
    id = house.make()
    for name in ("@buyers", "#sales", "workspace:Finch"):
        house.app.grant(id, name)

    group = next(row for row in web.usergroups_list(include_users=True)["usergroups"] if row["handle"] == "buyers")
    channels = [row["name"] for row in web.users_conversations(user=id)["channels"]]
    teams = web.users_info(user=id)["user"]["enterprise_user"]["teams"]

    assert group["users"] == [id] and channels == ["sales"] and teams == ["T0FINCH00"]


def test_the_connector_reads_what_the_library_wrote(house: House, web: Any) -> None:
    ids = [house.make(1), house.make(2)]
    group = web.usergroups_create(name="Buyers", handle="buyers")["usergroup"]["id"]
    web.usergroups_users_update(usergroup=group, users=ids)
    web.conversations_invite(channel="C0SALES00", users=ids)
    web.admin_users_assign(team_id="T0JUNIPER", user_id=ids[0])

    assert house.app.read(ids[0]).entitlements == {"@buyers", "#sales", "workspace:Juniper"}
    assert house.app.revoke(ids[0], "@buyers") == "done"
    assert web.usergroups_users_list(usergroup=group)["users"] == [ids[1]]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda web: web.conversations_invite(channel="C0TEAROOM", users=[slack_user(web)]), "not_in_channel"),
        (lambda web: web.usergroups_users_update(usergroup="S1", users=["W1"]), "no_such_subteam"),
        (lambda web: web.admin_users_session_reset(user_id="W1"), "user_not_found"),
    ],
)
def test_the_library_understands_what_is_refused(
    house: House, web: Any, call: Callable[[Any], Any], error: str
) -> None:
    house.make()

    with pytest.raises(errors.SlackApiError) as caught:
        call(web)
    assert caught.value.response["error"] == error


def slack_user(web: Any) -> str:
    """The admin, whom the twin knows without SCIM."""
    return str(web.auth_test()["user_id"])


def test_the_library_is_told_how_long_to_wait(house: House, web: Any) -> None:
    house.twin.faster(SLOWLY)

    with pytest.raises(errors.SlackApiError) as caught:
        for _ in range(21):
            web.usergroups_list()
    assert caught.value.response["error"] == "ratelimited" and int(caught.value.response.headers["Retry-After"]) > 1
