"""The SSO twin speaks SCIM 2.0 as the RFCs do, and ends sessions."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sandbox_clients import GROUP_URN, clients, patch, scim_user

from connectors.sandbox import Sandbox

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.fixture(scope="module")
def house() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(house: Sandbox) -> Sandbox:
    house.reset()
    house.control("sso").limits(100_000)
    return house


@pytest.fixture
def sso(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with clients(sandbox) as made:
        yield made["sso"]


def new_user(sso: httpx.Client, mailbox: str, **more: object) -> str:
    answer = sso.post("/Users", json=scim_user(mailbox) | more)
    assert answer.status_code == 201
    return str(answer.json()["id"])


def new_group(sso: httpx.Client, name: str, *users: str) -> str:
    body = {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": user} for user in users]}
    return str(sso.post("/Groups", json=body).raise_for_status().json()["id"])


def members(sso: httpx.Client, group: str) -> set[str]:
    return {member["value"] for member in sso.get(f"/Groups/{group}").json().get("members", [])}


def test_the_tester_of_python_scim_finds_nothing(sandbox: Sandbox) -> None:
    httpx2 = pytest.importorskip("httpx2", reason="scim2-client[httpx2] is not installed")
    tester = pytest.importorskip("scim2_tester", reason="scim2-tester is not installed")
    from scim2_client.engines.httpx2 import SyncSCIMClient

    env = sandbox.environment
    with httpx2.Client(base_url=env["SSO_URL"], headers={"Authorization": f"Bearer {env['SSO_TOKEN']}"}) as client:
        scim = SyncSCIMClient(client)
        scim.discover()
        results = tester.check_server(scim)

    good = {tester.Status.SUCCESS, tester.Status.COMPLIANT, tester.Status.ACCEPTABLE}
    assert results
    assert [f"{r.title}: {r.reason}" for r in results if r.status not in good] == []


def test_a_taken_user_name_is_409_uniqueness_whatever_its_case(sso: httpx.Client) -> None:
    new_user(sso, "ada")

    answer = sso.post("/Users", json=scim_user("ADA"))

    assert answer.status_code == 409
    assert answer.json()["scimType"] == "uniqueness"
    assert answer.headers["content-type"] == "application/scim+json"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('userName eq "ADA@juniperfinch.example"', ["ada"]),
        ('externalId eq "7"', ["bo"]),
        ('displayName eq "bo b"', ["bo"]),
        ('name.familyName sw "b" and active eq true', ["bo"]),
        ('not (externalId pr) or userName co "bo@"', ["ada", "bo"]),
        ('emails[type eq "work" and value ew ".example"]', ["bo"]),
        (f'{ENTERPRISE}:department eq "sales"', ["bo"]),
        ('userName eq "nobody"', []),
    ],
)
def test_filters(sso: httpx.Client, text: str, found: list[str]) -> None:
    new_user(sso, "ada", displayName="Ada A")
    mail = [{"value": "bo@juniperfinch.example", "type": "work"}]
    more = {"displayName": "Bo B", "name": {"familyName": "Bell"}, "externalId": "7", "emails": mail}
    new_user(sso, "bo", **more, **{ENTERPRISE: {"department": "Sales"}})

    answer = sso.get("/Users", params={"filter": text}).json()

    assert [user["userName"].partition("@")[0] for user in answer["Resources"]] == found
    assert answer["totalResults"] == len(found)


def test_pages_hold_a_hundred_at_most(sso: httpx.Client) -> None:
    for number in range(103):
        new_user(sso, f"u{number}")

    first = sso.get("/Users", params={"count": 500}).json()
    second = sso.get("/Users", params={"startIndex": 101, "count": 500}).json()

    assert (first["itemsPerPage"], second["itemsPerPage"], second["totalResults"]) == (100, 3, 103)
    assert len({u["id"] for u in first["Resources"] + second["Resources"]}) == 103


@pytest.mark.parametrize("status", [200, 204])
def test_a_patched_user_is_changed_whatever_the_answer(sandbox: Sandbox, sso: httpx.Client, status: int) -> None:
    sandbox.control("sso").options(patch_status=status)
    key = new_user(sso, "ada", title="Buyer", emails=[{"value": "a@x.example", "type": "work"}])
    operations = patch(
        {"op": "Replace", "path": "active", "value": False},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "b@x.example"},
        {"op": "add", "value": {"name": {"givenName": "Ada"}, ENTERPRISE: {"department": "Sales"}}},
        {"op": "remove", "path": "title"},
    )

    answer = sso.patch(f"/Users/{key}", json=operations)

    user = sso.get(f"/Users/{key}").json()
    assert answer.status_code == status
    assert (user["active"], user["name"], user.get("title")) == (False, {"givenName": "Ada"}, None)
    assert user["emails"][0]["value"] == "b@x.example"
    assert user[ENTERPRISE] == {"department": "Sales"}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "replace", "path": "shoeSize", "value": 42}, "invalidPath"),
        ({"op": "replace", "path": "active", "value": "no"}, "invalidValue"),
        ({"op": "replace", "path": 'emails[type eq "home"].value', "value": "x"}, "noTarget"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "groups", "value": []}, "mutability"),
        ({"op": "burn", "path": "title"}, "invalidSyntax"),
    ],
)
def test_a_wrong_patch_says_why_and_changes_nothing(sso: httpx.Client, operation: dict[str, object], kind: str) -> None:
    key = new_user(sso, "ada")
    before = sso.get(f"/Users/{key}").json()

    answer = sso.patch(f"/Users/{key}", json=patch({"op": "add", "path": "title", "value": "x"}, operation))

    assert (answer.status_code, answer.json()["scimType"]) == (400, kind)
    assert sso.get(f"/Users/{key}").json() == before


def test_members_come_and_go_by_path(sso: httpx.Client) -> None:
    a, b, c = (new_user(sso, name) for name in "abc")
    group = new_group(sso, "All Staff", a)

    sso.patch(f"/Groups/{group}", json=patch({"op": "add", "path": "members", "value": [{"value": b}, {"value": a}]}))
    assert members(sso, group) == {a, b}
    sso.patch(f"/Groups/{group}", json=patch({"op": "remove", "path": f'members[value eq "{a}"]'}))
    assert members(sso, group) == {b}
    sso.patch(f"/Groups/{group}", json=patch({"op": "replace", "value": {"members": [{"value": c}]}}))
    assert members(sso, group) == {c}
    assert [g["display"] for g in sso.get(f"/Users/{c}").json()["groups"]] == ["All Staff"]
    sso.delete(f"/Users/{c}")
    assert members(sso, group) == set()


def test_an_unknown_member_is_refused_whole(sso: httpx.Client) -> None:
    a = new_user(sso, "a")
    group = new_group(sso, "All Staff")
    operations = patch({"op": "add", "path": "members", "value": [{"value": a}, {"value": "nobody"}]})

    answer = sso.patch(f"/Groups/{group}", json=operations)

    assert answer.status_code == 400
    assert members(sso, group) == set()


def test_an_old_version_is_refused(sso: httpx.Client) -> None:
    key = new_user(sso, "ada")
    old = sso.get(f"/Users/{key}").headers["ETag"]
    change = patch({"op": "add", "path": "title", "value": "x"})

    first = sso.patch(f"/Users/{key}", json=change, headers={"If-Match": old})
    second = sso.patch(f"/Users/{key}", json=change, headers={"If-Match": old})

    assert (first.status_code, second.status_code) == (200, 412)


def test_sessions_outlive_the_account_until_they_are_ended(sandbox: Sandbox, sso: httpx.Client) -> None:
    key = new_user(sso, "ada")
    url = f"{sandbox.environment['SSO_API_URL']}/users/{key}/sessions"
    sandbox.control("sso").sign_in("ada@juniperfinch.example")
    sso.patch(f"/Users/{key}", json=patch({"op": "replace", "path": "active", "value": False}))
    assert len(sso.get(url).json()) == 1

    ended = sso.delete(url)

    assert ended.status_code == 204
    assert sso.get(url).json() == []
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        sandbox.control("sso").sign_in("ada@juniperfinch.example")


def test_strangers_and_wrong_doors(sso: httpx.Client) -> None:
    assert sso.get("/Users", headers={"Authorization": "Bearer x"}).status_code == 401
    assert sso.get("/Users/none").status_code == 404
    assert sso.put("/Users").status_code == 405
    assert sso.get("/Users", params={"filter": "userName is x"}).json()["scimType"] == "invalidFilter"
    assert sso.post("/Users", content=b"{").status_code == 400
    assert sso.post("/Users", json={"userName": "x"}).status_code == 400
