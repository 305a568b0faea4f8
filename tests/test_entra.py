"""Microsoft 365 at its twin; every request and every answer is held to Graph's own description."""

from __future__ import annotations

import httpx
import pytest

from connectors.base import Bulk, Grants, Mailboxes, Outcome, Owns, Prepares, Sessions, Tokens
from connectors.catalogue import connect
from connectors.errors import NeedsHuman, Refused
from mappings.access import Account
from tests.entra_house import ANA, FILE, RULES, House, house, person
from tests.vendor_specs import SPECS, Differs

__all__ = ["house"]
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
described = pytest.mark.skipif(not (SPECS / FILE).exists(), reason="../shared/specs/msgraph is not here")


@described
def test_a_whole_life_is_as_graph_describes_it(house: House) -> None:
    app = house.app
    assert "Microsoft 365" in app.check()
    _, boss = app.create(person(1))
    outcome, id = app.create(ANA)
    assert outcome == DONE and app.create(ANA) == (ALREADY, id)
    assert app.find(ANA["userPrincipalName"].upper()).id == id and app.find("nobody@juniperfinch.example") is None
    assert app.update(id, {"jobTitle": "Head of Buying", "manager": person(1)["userPrincipalName"]}) == DONE
    assert [app.grant(id, "Staff"), app.grant(id, "Staff"), app.grant(id, "Sales Team")] == [DONE, ALREADY, DONE]
    assert app.read(id).attributes == ANA | {"jobTitle": "Head of Buying"}
    assert app.read(id).entitlements == {"Staff", "Sales Team"}
    assert next(a for a in app.accounts() if a.id == id).entitlements == {"Staff", "Sales Team"}
    assert app.holds_address(ANA["userPrincipalName"]) and app.holds_address("sales.team@juniperfinch.example")
    assert not app.holds_address("nobody@juniperfinch.example")
    house.twin.sign_in(ANA["userPrincipalName"])
    house.twin.give("oauth2PermissionGrants", ANA["userPrincipalName"], {"clientId": "x"})
    house.twin.give("groups", ANA["userPrincipalName"], {"displayName": "Tea Tasters", "groupTypes": ["Unified"]})
    assert [app.disable(id), app.disable(id), app.end_sessions(id)] == [DONE, ALREADY, DONE]
    assert house.twin.state()["sessions"] == [] and len(list(app.tokens(id))) == 1
    assert [app.revoke_tokens(id), app.revoke_tokens(id), list(app.tokens(id))] == [DONE, ALREADY, []]
    assert [app.hand_over(id, boss), app.hand_over(id, boss), list(app.owned(id))] == [DONE, ALREADY, []]
    assert [app.enable(id), app.enable(id), app.revoke(id, "Staff")] == [DONE, ALREADY, DONE]
    assert [app.delete(id), app.delete(id), app.read(id)] == [DONE, ALREADY, None]
    assert app.create(ANA) == (DONE, id) and app.read(id).entitlements == {"Sales Team"}
    assert {
        "POST /users", "GET /users", "GET /users/{user-id}", "PATCH /users/{user-id}", "DELETE /users/{user-id}",
        "GET /groups", "POST /groups/{group-id}/members/$ref", "GET /users/{user-id}/memberOf",
        "DELETE /groups/{group-id}/members/{directoryObject-id}/$ref", "PUT /users/{user-id}/manager/$ref",
        "GET /groups/{group-id}/members", "POST /users/{user-id}/revokeSignInSessions",
        "GET /users/{user-id}/oauth2PermissionGrants", "POST /users/getByIds", "GET /users/{user-id}/ownedObjects",
        "GET /groups/{group-id}/owners", "POST /groups/{group-id}/owners/$ref",
        "DELETE /groups/{group-id}/owners/{directoryObject-id}/$ref",
        "GET /directory/deletedItems/microsoft.graph.user", "POST /directory/deletedItems/{directoryObject-id}/restore",
    } <= set(house.held.calls)  # fmt: skip


@described
@pytest.mark.parametrize(
    ("verb", "path", "sent"),
    [
        ("POST", "/users", {"json": {"displayName": 7}}),
        ("POST", "/users", {"json": {"displayname": "ana"}}),
        ("PATCH", "/users/7", {"json": {"accountEnabled": "false"}}),
        ("GET", "/users", {"params": {"$select": "id,shoeSize"}}),
        ("GET", "/users", {"params": {"select": "id"}}),
        ("GET", "/user", {}),
        ("PUT", "/groups/7/members/$ref", {"json": {"@odata.id": "x"}}),
        ("POST", "/users/7/assignLicense", {"json": {"addLicenses": [{"skuId": "E3"}], "removeLicenses": []}}),
        ("POST", "/$batch", {"json": {"requests": [{"id": "1", "method": "GET", "url": "/user"}]}}),
    ],
)
def test_the_check_sees_wrong_requests(house: House, verb: str, path: str, sent: dict[str, object]) -> None:
    with pytest.raises(Differs):
        house.app.http.client.request(verb, path, **sent)


@described
def test_the_check_sees_a_request_that_nobody_signed(house: House) -> None:
    with pytest.raises(Differs, match="Security not found"):
        house.app.http.client.get("/users", auth=None)


def test_keeps_every_protocol(house: House) -> None:
    for protocol in (Grants, Prepares, Mailboxes, Sessions, Tokens, Owns, Bulk):
        assert isinstance(house.app, protocol)


def test_reads_what_comes_only_when_asked_for(house: House) -> None:
    fields = {"employeeHireDate": "{hire_date}", "employeeOrgData.costCenter": "{cost_center}", "businessPhones": "1"}
    app = house.again(
        {**fields, "manager": "{manager_email}", "onPremisesExtensionAttributes.extensionAttribute1": "x"}
    )
    app.create(person(1))
    more = {
        "employeeHireDate": "2026-03-02",
        "employeeOrgData.costCenter": "4711",
        "businessPhones": "+44 113 496 0000",
        "manager": person(1)["userPrincipalName"],
        "onPremisesExtensionAttributes.extensionAttribute1": "tea",
    }

    _, id = app.create(ANA | more)

    assert app.read(id).attributes == app.find(ANA["userPrincipalName"]).attributes == ANA | more
    assert house.user(id)["employeeHireDate"] == "2026-03-02T00:00:00Z"


def test_empties_what_is_to_be_empty(house: House) -> None:
    app = house.again({"manager": "{manager_email}", "businessPhones": "1"})
    _, boss = app.create(person(1))
    _, id = app.create(ANA | {"manager": person(1)["userPrincipalName"], "businessPhones": "1"})

    app.update(id, {"jobTitle": "", "manager": "", "businessPhones": ""})
    app.update(id, {"manager": ""})

    user = house.user(id)
    assert (user["jobTitle"], user["manager"], user["businessPhones"]) == (None, None, [])


def test_a_manager_without_an_account_is_named(house: House) -> None:
    _, id = house.app.create(ANA)

    with pytest.raises(Refused, match="the manager nobody@juniperfinch.example has no account") as caught:
        house.app.update(id, {"manager": "nobody@juniperfinch.example"})
    assert "then run this again" in caught.value.todo


def test_a_manager_whose_account_was_made_anew_is_looked_up_again(house: House) -> None:
    app = house.again(restore=False)
    boss = person(1)["userPrincipalName"]
    _, old = app.create(person(1))
    _, id = app.create(ANA | {"manager": boss})
    house.app.delete(old)
    _, new = house.again(restore=False).create(person(1))
    app.users.born.clear()  # long ago

    app.update(id, {"manager": boss})

    assert old != new and house.user(id)["manager"] == new


def test_finds_names_with_quotes_and_strange_signs(house: House) -> None:
    names = ["miles.o'brien@juniperfinch.example", "a+b#c@juniperfinch.example", "50%_off&more@juniperfinch.example"]
    made = {name: house.app.create(person(n) | {"userPrincipalName": name})[1] for n, name in enumerate(names)}

    for name, id in made.items():
        assert house.app.find(name).id == id and house.app.create(person(9) | {"userPrincipalName": name})[1] == id


def test_lists_members_only_and_guests_where_asked(house: House) -> None:
    _, id = house.app.create(ANA)
    _, guest = house.app.create(person(2))
    house.app.http.request("PATCH", f"/users/{guest}", doing="make a guest", json={"userType": "Guest"})

    assert [a.id for a in house.app.accounts()] == [id]
    assert {a.id for a in house.again(guests=True).accounts()} == {id, guest}


@pytest.mark.parametrize(
    ("name", "why"),
    [("All Company", "its rule"), ("Domain Printers", "synced from Active Directory"), ("Announcements", "Exchange")],
)
def test_groups_that_others_decide_about_are_refused_with_the_reason(house: House, name: str, why: str) -> None:
    _, id = house.app.create(ANA)
    house.twin.give("memberships", ANA["userPrincipalName"], {"of": name})
    house.twin.clear_log()

    for verb in (house.app.grant, house.app.revoke):
        with pytest.raises(Refused, match=why) as caught:
            verb(id, name)
        assert caught.value.todo
    assert house.lines("POST", "DELETE") == []
    assert house.app.read(id).entitlements == frozenset() and name not in set(house.app.entitlements())


def test_two_groups_of_one_name_are_not_guessed_at(house: House) -> None:
    _, id = house.app.create(ANA)
    house.twin.give("groups", ANA["userPrincipalName"], {"displayName": "Staff"})

    with pytest.raises(Refused, match="2 groups are called 'Staff'"):
        house.app.grant(id, "Staff")


def test_roles_are_told_and_left_to_people(house: House) -> None:
    _, id = house.app.create(ANA)
    house.twin.give("memberships", ANA["userPrincipalName"], {"of": "User Administrator"})

    assert house.app.read(id).entitlements == {"role:User Administrator"}
    for verb in (house.app.grant, house.app.revoke):
        with pytest.raises(NeedsHuman) as caught:
            verb(id, "role:User Administrator")
        assert "User Administrator" in caught.value.todo


def test_a_licence_is_given_and_taken(house: House) -> None:
    _, id = house.again({"usageLocation": "GB"}).create(ANA | {"usageLocation": "GB"})

    assert [house.app.grant(id, "licence:SPE_E3"), house.app.grant(id, "licence:SPE_E3")] == [DONE, ALREADY]
    assert house.again().read(id).entitlements == {"licence:SPE_E3"}
    assert "licence:SPE_E3" in set(house.app.entitlements())
    assert [house.app.revoke(id, "licence:SPE_E3") for _ in range(2)] == [DONE, ALREADY]
    assert house.user(id)["assignedLicenses"] == []
    with pytest.raises(Refused, match="there is no licence 'NOPE'; there are SPB, SPE_E3"):
        house.app.grant(id, "licence:NOPE")


def test_what_a_licence_lacks_is_said_with_what_to_do(house: House) -> None:
    app = house.again({"usageLocation": "GB"})
    _, nowhere = app.create(ANA)
    ids = [app.create(person(n) | {"usageLocation": "GB"})[1] for n in (1, 2)]

    with pytest.raises(Refused, match="Map `usageLocation`"):
        app.grant(nowhere, "licence:SPE_E3")
    assert app.grant(ids[0], "licence:VISIOCLIENT") == DONE
    with pytest.raises(Refused, match="Buy a licence or free one"):
        app.grant(ids[1], "licence:VISIOCLIENT")


def test_a_group_that_cannot_give_its_licence_is_refused(house: House) -> None:
    """Entra would take the member in, and only note the failure at the user."""
    ids = [house.app.create(person(n))[1] for n in (1, 2)]
    house.app.grant(ids[0], "Visio")

    with pytest.raises(Refused, match="no licence VISIOCLIENT is left, which the group 'Visio' gives"):
        house.app.grant(ids[1], "Visio")
    assert house.app.grant(ids[0], "Visio") == ALREADY
    assert house.members("Visio") == {ids[0]} and house.app.read(ids[0]).entitlements == {"Visio"}
    assert house.user(ids[0])["licenseAssignmentStates"][0]["error"] == "None"


def test_whoever_comes_back_gets_the_old_account(house: House) -> None:
    _, id = house.app.create(ANA)
    house.app.grant(id, "Staff")
    house.app.disable(id)
    house.app.delete(id)

    outcome, back = house.app.create(ANA | {"jobTitle": "Consultant"})

    assert (outcome, back) == (DONE, id)
    assert house.app.read(id) == Account(
        id=id, key=ANA["userPrincipalName"], active=True, attributes=ANA | {"jobTitle": "Consultant"},
        entitlements=frozenset({"Staff"}),
    )  # fmt: skip
    assert house.twin.state()["deleted"] == []


def test_somebody_else_of_that_name_does_not(house: House) -> None:
    _, old = house.app.create(ANA)
    house.app.delete(old)

    _, id = house.app.create(ANA | {"employeeId": "0999"})

    assert id != old and [row["id"] for row in house.twin.state()["deleted"]] == [old]


def test_nobody_is_restored_where_the_file_says_so(house: House) -> None:
    app = house.again(restore=False)
    _, old = app.create(ANA)
    app.delete(old)

    assert app.create(ANA)[1] != old


def test_changes_are_told_since_a_moment(house: House) -> None:
    _, id = house.app.create(ANA)
    _, gone = house.app.create(person(1))
    begin = house.app.changes()
    house.app.create(person(2))
    house.app.update(id, {"jobTitle": "Head"})
    house.app.delete(gone)

    seen = house.app.changes(begin.since)

    assert begin.ids == begin.gone == ()
    assert set(seen.ids) == {id, house.named(person(2)["userPrincipalName"])[0]["id"]} and seen.gone == (gone,)
    assert house.app.changes(seen.since).ids == ()
    with pytest.raises(Refused) as caught:
        house.app.changes(begin.since.replace("deltatoken=2", "deltatoken=999"))
    assert caught.value.status == 410


def test_sign_in_methods_are_forgotten_where_the_file_says_so(house: House) -> None:
    _, id = house.app.create(ANA)
    phone = {"kind": "phone", "phoneType": "mobile", "default": True}
    key = {"kind": "fido2", "displayName": "Blue key"}
    house.twin.give("methods", ANA["userPrincipalName"], phone, key)
    app = house.again(sign_in_methods=True)

    assert list(house.app.tokens(id)) == []
    assert [token.name for token in app.tokens(id)] == ["phone mobile", "fido2 Blue key"]
    assert [app.revoke_tokens(id), app.revoke_tokens(id)] == [DONE, ALREADY]
    assert house.twin.state()["methods"] == []


def test_grants_to_other_apps_are_named_by_the_app(house: House) -> None:
    _, id = house.app.create(ANA)
    service = house.twin.state()["servicePrincipals"][0]
    house.twin.give("oauth2PermissionGrants", ANA["userPrincipalName"], {"clientId": service["id"]})

    (token,) = house.app.tokens(id)

    assert (token.kind, token.name) == ("oauth", service["displayName"])
    assert house.app.revoke_tokens("00000000-0000-4000-8000-00000000dead") == ALREADY


def test_only_what_nobody_else_owns_is_handed_over(house: House) -> None:
    _, id = house.app.create(ANA)
    _, boss = house.app.create(person(1))
    house.twin.give("groups", ANA["userPrincipalName"], {"displayName": "Tea Tasters", "groupTypes": ["Unified"]})
    house.twin.give("groups", ANA["userPrincipalName"], {"displayName": "Shared"})
    house.twin.give("applications", ANA["userPrincipalName"], {"displayName": "Stock report"})
    house.app.http.request(
        "POST", f"/groups/{house.group('Shared')}/owners/$ref", doing="own it too", json=house.app.groups.link(boss)
    )

    assert {(o.kind, o.name) for o in house.app.owned(id)} == {
        ("group", "Tea Tasters"),
        ("application", "Stock report"),
    }
    assert house.app.hand_over(id, boss) == DONE
    owners = {
        row["object"]: row["user"] for row in house.twin.state()["owners"] if row["object"] != house.group("Shared")
    }
    assert set(owners.values()) == {boss} and house.members("Tea Tasters") == {boss}
    with pytest.raises(Refused, match="nobody else is named"):
        house.app.hand_over(id, id)


def test_an_account_of_active_directory_is_changed_there(house: House) -> None:
    _, id = house.app.create(ANA)
    house.twin.give("onPremises", ANA["userPrincipalName"], {})

    for call in (lambda: house.app.update(id, {"jobTitle": "x"}), lambda: house.app.disable(id)):
        with pytest.raises(Refused, match="Change it in Active Directory"):
            call()
    assert house.app.grant(id, "Staff") == DONE and house.app.end_sessions(id) == DONE


def test_a_file_without_the_user_principal_name_is_refused() -> None:
    rules = RULES.model_copy(update={"key": "mail", "attributes": {"mail": "{work_email}"}})
    values = dict.fromkeys(("ENTRA_URL", "ENTRA_TOKEN_URL"), "http://127.0.0.1:9")
    values |= {"ENTRA_CLIENT_ID": "x", "ENTRA_CLIENT_SECRET": "y"}

    with pytest.raises(Refused, match="userPrincipalName is missing"):
        connect("entra", rules, values)


def test_the_twin_refuses_what_graph_refuses(house: House) -> None:
    """So that the connector is not proved at a server that takes anything."""
    token = httpx.post(
        house.environment["ENTRA_TOKEN_URL"],
        data={
            "grant_type": "client_credentials", "client_id": house.environment["ENTRA_CLIENT_ID"],
            "client_secret": house.environment["ENTRA_CLIENT_SECRET"], "scope": "https://graph.microsoft.com/.default",
        },
    ).json()["access_token"]  # fmt: skip
    raw = httpx.Client(base_url=house.environment["ENTRA_URL"], headers={"Authorization": f"Bearer {token}"})
    ask = {"id": "1", "method": "GET", "url": "/users"}
    good = {
        "accountEnabled": True,
        "displayName": "x",
        "mailNickname": "x",
        "userPrincipalName": "x@juniperfinch.example",
    }
    good |= {"passwordProfile": {"password": "Aa1-Aa1-Aa1"}}

    refused = [
        raw.get("/users", params={"$top": "1000"}),
        raw.get("/users", params={"$filter": "endsWith(userPrincipalName,'x')"}),
        raw.get("/users", params={"$filter": "displayName eq 'O'Brien'"}),
        raw.get("/users", params={"$select": "shoeSize"}),
        raw.post("/users", json={**good, "passwordProfile": {"password": "short"}}),
        raw.post("/users", json={**good, "userPrincipalName": "x@elsewhere.example"}),
        raw.post("/users", json={**good, "mailNickname": "a b"}),
        raw.post("/users", json={**good, "employeeHireDate": "2026-03-02"}),
        raw.post("/users", json={**good, "jobTitle": ""}),
        raw.post("/users", json={k: v for k, v in good.items() if k != "mailNickname"}),
        raw.post("/$batch", json={"requests": [ask | {"id": str(n)} for n in range(21)]}),
        raw.post("/$batch", json={"requests": [ask, ask]}),
    ]
    failed = ask | {"id": "2", "url": "/users/nobody"}
    batch = raw.post("/$batch", json={"requests": [failed, ask | {"dependsOn": ["2"]}]}).json()["responses"]
    raw.close()

    assert {answer.status_code for answer in refused} == {400}
    assert {one["id"]: one["status"] for one in batch} == {"2": 404, "1": 424}
    assert house.twin.state()["users"] == []
