"""connectors.scim against scim2-server (PyPI), a server somebody else wrote; state is read back by raw HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from connectors_servers import emptied, listed, scim2_server

from connectors.base import App, Grants, Outcome, Sessions
from connectors.catalogue import capabilities, connect
from connectors.errors import Refused
from connectors.scim import Scim
from mappings.vocabulary import AppRules

TOKEN = "scim-token-4711"
ATTRIBUTES = {
    "userName": "{work_email}",
    "externalId": "{employee_id}",
    "name.givenName": "{given_name}",
    "name.familyName": "{family_name}",
    "displayName": "{display_name}",
    "emails.work": "{work_email}",
    "title": "{title}",
    "enterprise.department": "{department}",
}
ADA = {
    "userName": "ada.finch@juniperfinch.example",
    "externalId": "0042",
    "name.givenName": "Ada",
    "name.familyName": "Finch",
    "displayName": "Ada Finch",
    "emails.work": "ada.finch@juniperfinch.example",
    "title": "Engineer",
    "enterprise.department": "Engineering",
}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def rules(**options: Any) -> AppRules:
    given = {"url": "${SSO_URL}", "auth": {"bearer": "${SSO_TOKEN}"}, "create_groups": True, **options}
    return AppRules(
        title="SSO", tier="sso", connector="scim", attributes=ATTRIBUTES, owner="it@x.example", options=given
    )


def app_at(url: str, token: str = TOKEN, **options: Any) -> Scim:
    app = connect("sso", rules(**options), {"SSO_URL": url, "SSO_TOKEN": token})
    assert isinstance(app, Scim)
    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with scim2_server(TOKEN) as base:
        yield base


@pytest.fixture
def raw(url: str) -> Iterator[httpx.Client]:
    """Another client of the same server, which is emptied afterwards."""
    with emptied(url, TOKEN) as client:
        yield client


def members(raw: httpx.Client, name: str) -> set[str]:
    groups = [g for g in listed(raw, "Groups") if g["displayName"] == name]
    assert len(groups) == 1
    return {m["value"] for m in groups[0].get("members", [])}


def someone(number: int) -> dict[str, str]:
    return ADA | {"userName": f"p{number}@x.example", "emails.work": f"p{number}@x.example", "externalId": str(number)}


def test_joiner_mover_leaver_as_another_client_sees_it(url: str, raw: httpx.Client) -> None:
    app = app_at(url)

    outcome, id = app.create(ADA)
    granted = app.grant(id, "Engineering")
    seen = raw.get(f"/Users/{id}").json()
    assert (outcome, granted) == (Outcome.DONE, Outcome.DONE)
    assert seen["userName"] == ADA["userName"] and seen["externalId"] == "0042" and seen["active"] is True
    assert seen["emails"] == [{"type": "work", "value": ADA["emails.work"], "primary": True}]
    assert seen[ENTERPRISE]["department"] == "Engineering" and seen["name"]["familyName"] == "Finch"
    assert members(raw, "Engineering") == {id}

    app.update(id, {"enterprise.department": "Sales", "title": "Account Executive", "emails.work": "a@x.example"})
    assert app.grant(id, "Sales") == Outcome.DONE
    assert app.revoke(id, "Engineering") == Outcome.DONE
    seen = raw.get(f"/Users/{id}").json()
    assert seen[ENTERPRISE]["department"] == "Sales" and seen["title"] == "Account Executive"
    assert [e["value"] for e in seen["emails"]] == ["a@x.example"] and seen["displayName"] == "Ada Finch"
    assert members(raw, "Sales") == {id} and members(raw, "Engineering") == set()

    assert app.disable(id) == Outcome.DONE
    assert raw.get(f"/Users/{id}").json()["active"] is False
    assert app.enable(id) == Outcome.DONE
    assert raw.get(f"/Users/{id}").json()["active"] is True
    assert app.delete(id) == Outcome.DONE
    assert raw.get(f"/Users/{id}").status_code == 404


def test_every_write_may_be_sent_twice(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    _, id = app.create(ADA)
    app.grant(id, "Engineering")

    assert app.create(ADA | {"userName": ADA["userName"].upper()}) == (Outcome.ALREADY, id)
    assert app.grant(id, "Engineering") == Outcome.ALREADY
    assert app.enable(id) == Outcome.ALREADY
    assert [app.disable(id), app.disable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert [app.revoke(id, "Engineering"), app.revoke(id, "Engineering")] == [Outcome.DONE, Outcome.ALREADY]
    assert [app.delete(id), app.delete(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert app.disable(id) == Outcome.ALREADY and app.revoke(id, "Engineering") == Outcome.ALREADY
    assert listed(raw, "Users") == []


def test_reads_what_it_wrote_with_entitlements(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    _, id = app.create(ADA)
    for group in ("Engineering", "All staff"):
        app.grant(id, group)

    account = app.read(id)

    assert account is not None
    assert account.attributes == ADA and account.key == ADA["userName"] and account.active
    assert account.entitlements == {"Engineering", "All staff"}
    assert set(app.entitlements()) == {"Engineering", "All staff"}
    assert app.read("nobody") is None and app.find("nobody@x.example") is None


def test_lists_all_accounts_over_pages_with_their_groups(url: str, raw: httpx.Client) -> None:
    app = app_at(url, page_size=3)
    ids = [app.create(someone(n))[1] for n in range(7)]
    app.grant(ids[5], "Sales")

    accounts = {a.id: a for a in app.accounts()}

    assert set(accounts) == set(ids)
    assert {a.id for a in accounts.values() if "Sales" in a.entitlements} == {ids[5]}


def test_finds_keys_that_need_escaping(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    odd = someone(1) | {"userName": 'o"brien\\x@x.example'}
    _, id = app.create(odd)

    found = app.find('O"BRIEN\\X@x.example')

    assert found is not None and found.id == id


def test_a_name_taken_by_somebody_else_is_refused(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    app.create(ADA)

    with pytest.raises(Refused, match="belongs to somebody else"):
        app.create(ADA | {"externalId": "0043"})


def test_an_email_of_a_type_not_yet_there_is_added(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    _, id = app.create({k: v for k, v in ADA.items() if k != "emails.work"})

    app.update(id, {"emails.work": "new@x.example", "title": "CTO"})

    seen = raw.get(f"/Users/{id}").json()
    assert [e["value"] for e in seen["emails"]] == ["new@x.example"] and seen["title"] == "CTO"


def test_updates_by_put_keep_what_was_not_named(url: str, raw: httpx.Client) -> None:
    app = app_at(url, update="put")
    _, id = app.create(ADA)

    app.update(id, {"title": "CTO"})
    app.disable(id)

    account = app.read(id)
    assert account is not None and account.attributes == ADA | {"title": "CTO"} and not account.active


def test_groups_made_and_joined_at_once_from_many_workers_are_made_once(url: str, raw: httpx.Client) -> None:
    workers = [app_at(url) for _ in range(4)]  # as many processes would have it: no shared memory
    ids = [workers[0].create(someone(n))[1] for n in range(12)]

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(lambda n: workers[n % 4].grant(ids[n], "New team"), range(12)))

    assert outcomes == [Outcome.DONE] * 12
    assert members(raw, "New team") == set(ids)


def test_a_group_made_anew_behind_our_back_is_found_again(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    _, ada = app.create(ADA)
    _, bob = app.create(someone(1))
    app.grant(ada, "Sales")
    old = next(g for g in listed(raw, "Groups") if g["displayName"] == "Sales")
    raw.delete(f"/Groups/{old['id']}")
    raw.post("/Groups", json={"schemas": old["schemas"], "displayName": "Sales"})

    assert app.grant(bob, "Sales") == Outcome.DONE

    assert members(raw, "Sales") == {bob}


def test_a_missing_group_is_refused_where_none_may_be_made(url: str, raw: httpx.Client) -> None:
    app = app_at(url, create_groups=False)
    _, id = app.create(ADA)

    with pytest.raises(Refused, match="there is no group 'Typo'.*create_groups"):
        app.grant(id, "Typo")

    assert listed(raw, "Groups") == []


def test_a_wrong_token_names_its_variable_and_not_its_value(url: str) -> None:
    app = app_at(url, token="wrong-token-canary")

    with pytest.raises(Refused, match="token in SSO_TOKEN was refused") as caught:
        app.check()

    assert caught.value.status == 401 and "canary" not in str(caught.value)


def test_says_what_it_can(url: str, raw: httpx.Client) -> None:
    app = app_at(url)

    assert "shows 0 accounts" in app.check()
    assert isinstance(app, App) and isinstance(app, Grants) and not isinstance(app, Sessions)
    assert {"create", "grant", "disable"} <= capabilities(app) and "end_sessions" not in capabilities(app)
