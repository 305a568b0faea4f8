"""Slack's twin, asked past the connector: 200 for every no, 429 with a time, lists that are replaced."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.slack_house import House, house, person

__all__ = ["house"]
SLOWLY = 0.001
"""A minute at the twin takes most of a day: nothing refills while a test runs, however slow the machine."""


def said(house: House, method: str, headers: dict[str, str] | None = None, **sent: Any) -> dict[str, Any]:
    """One method; its answer is 200 whatever it says."""
    answer: httpx.Response = house.app.http.client.request(
        "POST" if {"data", "content", "json"} & set(sent) else "GET", f"/{method}", headers=headers, **sent
    )
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.parametrize(
    ("method", "sent", "error"),
    [
        ("users.unknown", {}, "unknown_method"),
        ("auth.test", {"headers": {"Authorization": ""}}, "not_authed"),
        ("auth.test", {"headers": {"Authorization": "Bearer xoxp-wrong"}}, "invalid_auth"),
        ("usergroups.create", {"data": {"handle": "x"}}, "invalid_name"),
        ("usergroups.users.update", {"data": {"usergroup": "S1", "users": "W1"}}, "no_such_subteam"),
        ("conversations.invite", {"data": {"channel": "C1", "users": "W1"}}, "channel_not_found"),
        ("conversations.kick", {"data": {"channel": "C0SALES00", "user": "W1"}}, "user_not_found"),
        ("conversations.list", {"params": {"cursor": "2"}}, "invalid_cursor"),
        ("admin.users.assign", {"data": {"team_id": "T1", "user_id": "W1"}}, "team_not_found"),
        ("auth.test", {"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}, "invalid_post_type"),
    ],
)
def test_a_no_comes_with_200(house: House, method: str, sent: dict[str, Any], error: str) -> None:
    answer = said(house, method, **sent)

    assert (answer["ok"], answer["error"]) == (False, error)


def test_arguments_come_as_form_or_json(house: House) -> None:
    id = house.make()
    made = said(house, "usergroups.create", json={"name": "Buyers", "handle": "buyers"})["usergroup"]["id"]

    by_form = said(house, "usergroups.users.update", data={"usergroup": made, "users": id})
    empty = said(house, "usergroups.users.update", json={"usergroup": made, "users": ""})

    assert by_form["usergroup"]["users"] == [id] and empty["error"] == "no_users_provided"
    assert said(house, "usergroups.create", json={"name": "Buyers"})["error"] == "name_already_exists"


def test_channels_come_page_by_page(house: House) -> None:
    names, cursor = [], ""
    while True:
        page = said(house, "conversations.list", params={"limit": "3", "cursor": cursor})
        names.append([row["name"] for row in page["channels"]])
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break

    assert [len(each) for each in names] == [3, 1]


def test_an_assignment_makes_a_deactivated_account_active(house: House) -> None:
    id = house.make()
    house.app.disable(id)

    said(house, "admin.users.assign", data={"team_id": "T0JUNIPER", "user_id": id})

    assert house.app.read(id).active  # which is why the connector refuses


def test_too_many_calls_of_one_method_are_told_how_long_to_wait(house: House) -> None:
    house.twin.faster(SLOWLY)
    answers = [house.app.http.client.get("/usergroups.list") for _ in range(21)]
    other = house.app.http.client.get("/users.info?user=W0ADMIN00x")

    assert [each.status_code for each in answers] == [200] * 20 + [429] and other.status_code == 200
    assert answers[-1].json() == {"ok": False, "error": "ratelimited"} and int(answers[-1].headers["Retry-After"]) > 60


def test_scim_has_its_own_burst(house: House) -> None:
    house.twin.faster(SLOWLY)
    client = house.app.people.http.client
    body = {"userName": "x", "emails": [{"value": person()["emails.work"]}]}
    answers = [client.post("/Users", json=body | {"userName": f"x{n}"}) for n in range(24)]

    early = next(each for each in answers if each.status_code == 429)
    assert answers.index(early) == 20 and int(early.headers["Retry-After"]) > 1
    assert early.json()["Errors"]["code"] == 429
