"""Google Workspace: a whole life as Google describes it, and what its users, groups, units and licences are like."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Outcome
from connectors.errors import Refused
from tests.google_house import PHONES, PLUS, STANDARD, VAULT, House, descriptions, house, person, signing
from tests.vendor_specs import Differs

__all__ = ["house"]
pytestmark = pytest.mark.filterwarnings("ignore:Unsupported scheme type")  # OAuth: the header is asserted instead
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
CALLS = {
    "POST /admin/directory/v1/users",
    "GET /admin/directory/v1/users",
    "GET /admin/directory/v1/users/{userKey}",
    "PATCH /admin/directory/v1/users/{userKey}",
    "DELETE /admin/directory/v1/users/{userKey}",
    "POST /admin/directory/v1/users/{userKey}/undelete",
    "DELETE /admin/directory/v1/users/{userKey}/aliases/{alias}",
    "POST /admin/directory/v1/users/{userKey}/signOut",
    "GET /admin/directory/v1/users/{userKey}/tokens",
    "DELETE /admin/directory/v1/users/{userKey}/tokens/{clientId}",
    "GET /admin/directory/v1/users/{userKey}/asps",
    "DELETE /admin/directory/v1/users/{userKey}/asps/{codeId}",
    "POST /admin/directory/v1/users/{userKey}/verificationCodes/invalidate",
    "GET /admin/directory/v1/groups",
    "POST /admin/directory/v1/groups",
    "GET /admin/directory/v1/groups/{groupKey}",
    "GET /admin/directory/v1/groups/{groupKey}/members",
    "POST /admin/directory/v1/groups/{groupKey}/members",
    "DELETE /admin/directory/v1/groups/{groupKey}/members/{memberKey}",
    "GET /admin/directory/v1/groups/{groupKey}/hasMember/{memberKey}",
    "POST /admin/directory/v1/customer/{customerId}/orgunits",
    "GET /admin/directory/v1/customers/{customerKey}",
    "GET /admin/directory/v1/customer/{customerId}/devices/mobile",
    "POST /admin/directory/v1/customer/{customerId}/devices/mobile/{resourceId}/action",
    "POST /apps/licensing/v1/product/{productId}/sku/{skuId}/user",
    "GET /apps/licensing/v1/product/{productId}/sku/{skuId}/user/{userId}",
    "PATCH /apps/licensing/v1/product/{productId}/sku/{skuId}/user/{userId}",
    "DELETE /apps/licensing/v1/product/{productId}/sku/{skuId}/user/{userId}",
    "GET /apps/licensing/v1/product/{productId}/sku/{skuId}/users",
    "GET /admin/datatransfer/v1/transfers",
    "POST /admin/datatransfer/v1/transfers",
    "GET /admin/datatransfer/v1/transfers/{dataTransferId}",
}
"""All that the connector ever sends."""


def test_a_whole_life_is_as_google_describes_it(house: House) -> None:
    app = house.connected(auth=signing(PHONES), create_org_units=True, devices="account_wipe")
    held = house.held(app)

    app.check()
    manager = app.create(person(2))[1]
    id = app.create(person() | {"orgUnitPath": "/Staff/Buying"})[1]
    joins_and_moves(app, id)
    house.twin.sign_in("person.1@juniperfinch.example")
    for what in ("tokens", "asps", "devices", "files"):
        house.twin.give(what, "person.1@juniperfinch.example", {})
    leaves_and_returns(app, id, manager)

    assert set(held.calls) == CALLS


def joins_and_moves(app: Any, id: str) -> None:
    """Everything while somebody works here."""
    assert app.create(person() | {"orgUnitPath": "/Staff/Buying"}) == (ALREADY, id)
    for name in ("Staff", PLUS, STANDARD, VAULT):
        assert app.grant(id, name) == DONE and app.grant(id, name) == ALREADY
    assert app.read(id).entitlements == {"Staff", STANDARD, VAULT}
    app.update(id, {"organizations.title": "Head of buying", "relations.manager": ""})
    app.update(id, {"primaryEmail": "person.married@juniperfinch.example"})
    app.update(id, {"primaryEmail": "person.1@juniperfinch.example"})
    assert app.find("PERSON.1@juniperfinch.example").id == id and app.holds_address("staff@juniperfinch.example")
    assert len(list(app.accounts())) == 3 and "Staff" in set(app.entitlements())
    assert [app.revoke(id, name) for name in ("Staff", "Staff", VAULT)] == [DONE, ALREADY, DONE]


def leaves_and_returns(app: Any, id: str, manager: str) -> None:
    """The end of the account, and its return."""
    assert [app.disable(id), app.end_sessions(id), app.revoke_tokens(id)] == [DONE] * 3
    assert list(app.tokens(id)) == []
    assert [each.name for each in app.owned(id)] == ["Drive and Docs", "Calendar"]
    assert app.hand_over(id, manager) == DONE and app.hand_over(id, manager) == ALREADY
    assert [app.delete(id), app.delete(id)] == [DONE, ALREADY]
    assert app.create(person()) == (DONE, id) and app.read(id).active


@pytest.mark.parametrize(
    ("verb", "path", "sent", "wrong"),
    [
        ("PATCH", "/admin/directory/v1/users/1", {"json": {"suspended": "yes"}}, "'yes' is not of type 'boolean'"),
        ("PATCH", "/admin/directory/v1/users/1", {"json": {"isSuspended": True}}, "isSuspended"),
        ("GET", "/admin/directory/v1/users", {"params": {"maxResults": "501"}}, "501"),
        ("GET", "/admin/directory/v1/users", {"params": {"limit": "5"}}, "no query parameter limit"),
        ("POST", "/admin/directory/v1/users/1/suspend", {}, "is not in"),
        ("POST", "/admin/datatransfer/v1/transfers", {"json": {"from": "1"}}, "from"),
        ("GET", "/apps/licensing/v1/product/Google-Apps/sku/1010020025/users", {}, "customerId"),
    ],
)
def test_the_check_of_requests_notices_wrong_ones(
    house: House, verb: str, path: str, sent: dict[str, Any], wrong: str
) -> None:
    house.held(house.app)

    with pytest.raises(Differs, match=wrong):
        house.app.http.client.request(verb, path, **sent)


def test_a_call_without_the_token_is_noticed(house: House) -> None:
    house.held(house.app)

    with pytest.raises(Differs, match="the header Authorization is not as it has to be"):
        house.app.http.client.get("/admin/directory/v1/users?customer=my_customer", auth=None)
    assert len(descriptions()) == 3


def test_nobody_knows_the_first_password(house: House) -> None:
    id = house.make()

    assert "password" not in house.user(id) and house.user(id)["changePasswordAtNextLogin"]
    assert "password" not in str(house.app.read(id))


def test_an_entry_of_a_list_changes_and_the_others_stay(house: House) -> None:
    id = house.make()
    house.raw("PATCH", f"/users/{id}", {"phones": [{"type": "home", "value": "1"}, {"type": "work", "value": "2"}]})

    house.app.update(id, {"organizations.department": "Buying", "phones.work": "3", "relations.manager": ""})

    user = house.user(id)
    assert user["organizations"] == [{"primary": True, "title": "Buyer", "department": "Buying", "costCenter": "4711"}]
    assert user["phones"] == [{"type": "home", "value": "1"}, {"type": "work", "value": "3"}]
    assert user["relations"] == [] and user["externalIds"] == [{"type": "organization", "value": "0001"}]


def test_an_org_unit_that_is_missing_is_named_or_made(house: House) -> None:
    somewhere = person() | {"orgUnitPath": "/Staff/Leeds/Buying"}

    with pytest.raises(Refused, match="no org unit /Staff/Leeds/Buying. Make the org unit"):
        house.app.create(somewhere)
    id = house.connected(create_org_units=True).create(somewhere)[1]

    assert house.user(id)["orgUnitPath"] == "/Staff/Leeds/Buying"
    assert house.app.update(id, {"orgUnitPath": "/Leavers"}) == DONE and house.user(id)["orgUnitPath"] == "/Leavers"


def test_the_old_address_stays_an_alias_and_can_be_taken_back(house: House) -> None:
    id = house.make()

    house.app.update(id, {"primaryEmail": "person.married@juniperfinch.example"})
    alias = house.app.holds_address("person.1@juniperfinch.example")
    by_alias = house.app.find("person.1@juniperfinch.example")
    house.app.update(id, {"primaryEmail": "person.1@juniperfinch.example"})

    assert alias and by_alias is None  # found by its address alone
    assert house.app.find("person.1@juniperfinch.example").id == id
    assert house.app.holds_address("person.married@juniperfinch.example")


def test_an_address_that_is_not_free_says_whose_it_is(house: House) -> None:
    id = house.make()
    house.app.update(id, {"primaryEmail": "old.hand@juniperfinch.example"})
    house.raw("POST", "/groups", {"email": "team@juniperfinch.example", "name": "Team"})
    alias, group = person(3) | {"primaryEmail": "person.1@juniperfinch.example"}, "team@juniperfinch.example"

    with pytest.raises(Refused, match="belongs to old.hand@juniperfinch.example, as an alias"):
        house.app.create(alias)
    with pytest.raises(Refused, match="belongs to a group"):
        house.app.create(person(3) | {"primaryEmail": group})
    with pytest.raises(Refused, match=r"belongs to another employee \(0001\)"):
        house.app.create(person(3) | {"primaryEmail": "old.hand@juniperfinch.example"})
    with pytest.raises(Refused, match="belongs to old.hand@juniperfinch.example"):
        house.app.update(house.make(4), {"primaryEmail": "person.1@juniperfinch.example"})


def test_a_rehire_gets_the_deleted_account_back(house: House) -> None:
    id = house.make()
    house.app.delete(id)

    again = house.connected().create(person() | {"primaryEmail": "person.married@juniperfinch.example"})

    assert again == (DONE, id) and house.user(id)["primaryEmail"] == "person.married@juniperfinch.example"
    assert house.app.read(id).active


def test_somebody_else_never_gets_a_deleted_account(house: House) -> None:
    id = house.make()
    house.app.delete(id)

    stranger = house.connected().create(person() | {"externalIds.organization": "0099"})[1]

    assert stranger != id


def test_the_employee_id_can_be_the_key(house: House) -> None:
    id = house.make()
    app = house.connected(key="externalIds.organization")
    house.fault("", "wrong-first-hit", times=None)

    assert app.find("0001").id == id and app.find("0002") is None
    assert app.create(person()) == (ALREADY, id)


def test_disabling_can_archive(house: House) -> None:
    app = house.connected(archive=True)
    id = house.make()

    assert [app.disable(id), app.disable(id)] == [DONE, ALREADY]
    assert house.user(id)["archived"] and not app.read(id).active
    assert app.enable(id) == DONE and app.read(id).active and not house.user(id)["archived"]
