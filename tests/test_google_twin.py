"""Google's twin, asked past the connector: it refuses what Google refuses, in its words, and pages as it does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.google_house import House, house, person

__all__ = ["house"]
pytestmark = pytest.mark.filterwarnings("ignore:Unsupported scheme type")  # OAuth: the header is asserted instead
V1 = "/admin/directory/v1"
NEW = {
    "primaryEmail": "new@juniperfinch.example",
    "name": {"givenName": "New", "familyName": "Comer"},
    "password": "long enough",
}


def asked(house: House, verb: str, path: str, body: Any = None, **query: str) -> httpx.Response:
    """One call with the connector's token; errors too are held to the description."""
    app = house.connected()
    house.held(app)
    return app.http.client.request(verb, path, json=body, params=query or None)


def reason(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error["code"] == response.status_code and error["message"] == error["errors"][0]["message"]
    return response.status_code, error["errors"][0]["reason"]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"password": None}, (400, "required")),
        ({"password": "short"}, (400, "invalid")),
        ({"name": {"givenName": "New"}}, (400, "invalid")),
        ({"primaryEmail": "new@elsewhere.example"}, (404, "notFound")),
        ({"primaryEmail": "ADMIN@juniperfinch.example"}, (409, "duplicate")),
        ({"primaryEmail": "cyclists@juniperfinch.example"}, (409, "duplicate")),
        ({"orgUnitPath": "/Nowhere"}, (400, "invalid")),
    ],
)
def test_a_user_that_is_not_as_google_wants_it(house: House, changed: dict[str, Any], wanted: tuple[int, str]) -> None:
    body = {name: value for name, value in (NEW | changed).items() if value is not None}

    assert reason(asked(house, "POST", f"{V1}/users", body)) == wanted
    assert len(house.twin.state()["users"]) == 1


def test_names_and_kinds_of_fields_are_checked(house: House) -> None:
    client = house.app.http.client  # not held: these are no requests that the description allows
    for body in ({"departement": "Sales"}, {"organizations": {"title": "Clerk"}}, {"suspended": "yes"}):
        assert reason(client.post(f"{V1}/users", json=NEW | body)) == (400, "invalid")


def test_a_list_goes_on_by_token_and_shows_what_is_asked_for(house: House) -> None:
    ids = [house.make(number) for number in range(1, 6)]
    query = {"customer": "my_customer", "orderBy": "email", "fields": "nextPageToken,users(id,name/givenName)"}
    pages, token = [], ""
    while token is not None:
        body = asked(
            house, "GET", f"{V1}/users", maxResults="2", **query, **({"pageToken": token} if token else {})
        ).json()
        pages.append(body["users"])
        token = body.get("nextPageToken")

    users = [user for page in pages for user in page]
    assert [len(page) for page in pages] == [2, 2, 2] and {user["id"] for user in users} >= set(ids)
    assert users[1] == {"id": ids[0], "name": {"givenName": "Given 1"}}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, (400, "invalid")),
        ({"customer": "C0somebody"}, (400, "invalid")),
        ({"customer": "my_customer", "pageToken": "2"}, (400, "invalid")),
        ({"customer": "my_customer", "query": "shoeSize=43"}, (400, "invalid")),
        ({"customer": "my_customer", "query": "email"}, (400, "invalid")),
    ],
)
def test_a_list_that_cannot_be_asked_for(house: House, query: dict[str, str], wanted: tuple[int, str]) -> None:
    assert reason(asked(house, "GET", f"{V1}/users", **query)) == wanted


def test_searches_are_exact_or_by_beginning(house: House) -> None:
    ids = {number: house.make(number) for number in (1, 11)}

    def found(query: str) -> list[str]:
        body = asked(house, "GET", f"{V1}/users", customer="my_customer", query=query).json()
        return [user["id"] for user in body.get("users", [])]

    assert found("email='person.1@juniperfinch.example'") == [ids[1]] == found("externalId=0001")
    assert found("email:person.1*") == [ids[1], ids[11]] == found("familyName:Fam orgUnitPath='/'")
    assert found("givenName='Given 1' externalId=0011") == []


def test_custom_fields_show_in_the_full_projection_alone(house: House) -> None:
    id = house.make()
    house.raw("PATCH", f"/users/{id}", {"customSchemas": {"HR": {"grade": "7"}}})

    basic, full = (asked(house, "GET", f"{V1}/users/{id}", projection=each).json() for each in ("basic", "full"))

    assert "customSchemas" not in basic and full["customSchemas"] == {"HR": {"grade": "7"}}
    assert "password" not in full


def test_groups_have_no_circles_and_no_member_twice(house: House) -> None:
    house.make()
    for name in ("a", "b"):
        house.raw("POST", "/groups", {"email": f"{name}@juniperfinch.example"})
    inside = {"email": "b@juniperfinch.example"}

    assert asked(house, "POST", f"{V1}/groups/a@juniperfinch.example/members", inside).json()["type"] == "GROUP"
    again = asked(house, "POST", f"{V1}/groups/a@juniperfinch.example/members", inside)
    circle = asked(house, "POST", f"{V1}/groups/b@juniperfinch.example/members", {"email": "a@juniperfinch.example"})
    nobody = asked(house, "POST", f"{V1}/groups/b@juniperfinch.example/members", {"email": "x@juniperfinch.example"})

    assert [reason(each)[0] for each in (again, circle, nobody)] == [409, 412, 404]
    assert reason(again)[1] == "duplicate"


def test_a_deleted_user_takes_everything_along_and_comes_back_by_id_alone(house: House) -> None:
    id, address = house.make(), person()["primaryEmail"]
    house.app.grant(id, "Cyclists")
    house.twin.give("files", address, {})
    house.app.delete(id)

    by_address = asked(house, "POST", f"{V1}/users/{address}/undelete", {"orgUnitPath": "/"})
    by_id = asked(house, "POST", f"{V1}/users/{id}/undelete", {"orgUnitPath": "/Leavers"})

    state = house.twin.state()
    assert reason(by_address) == (404, "notFound") and by_id.status_code == 204
    assert state["members"] == state["files"] == [] and house.user(id)["orgUnitPath"] == "/Leavers"


def test_the_quota_is_said_with_403_and_no_time(house: House) -> None:
    client = house.app.http.client
    client.get(f"{V1}/users?customer=my_customer")
    house.twin.limits(1, 3600)
    answers = [client.get(f"{V1}/users?customer=my_customer") for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 403]
    assert reason(answers[1])[1] == "userRateLimitExceeded" and "Retry-After" not in answers[1].headers
