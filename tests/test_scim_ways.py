"""connectors.scim in the ways that its options declare, at scim2-server (PyPI) and at servers as odd as vendors'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from connectors_servers import Asked, Said, Scripted, emptied, listed, scim2_server

from connectors.base import Grants, Outcome
from connectors.catalogue import capabilities, connect
from connectors.errors import NeedsHuman
from connectors.scim import Scim
from mappings.vocabulary import AppRules

TOKEN = "scim-token-4711"
ATTRIBUTES = {"userName": "{work_email}", "title": "{title}", "emails.work": "{work_email}"}
ADA = {"userName": "ada@juniperfinch.example", "title": "Clerk", "emails.work": "ada@juniperfinch.example"}


def app_at(url: str, **options: Any) -> Any:
    words = {"url": "${SSO_URL}", "auth": {"bearer": "${SSO_TOKEN}"}, "create_groups": True, **options}
    rules = AppRules.model_validate(
        {"title": "SSO", "tier": "sso", "connector": "scim", "owner": "it", "attributes": ATTRIBUTES, "options": words}
    )
    app = connect("sso", rules, {"SSO_URL": url, "SSO_TOKEN": TOKEN})
    assert isinstance(app, Scim)
    app.http.sleep = lambda seconds: None
    return app


# a server that has no PATCH


@pytest.fixture(scope="module")
def without_patch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = tmp_path_factory.mktemp("scim2") / "config.json"
    no, yes = {"supported": False}, {"supported": True}
    told = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": no,
        "bulk": no | {"maxOperations": 0, "maxPayloadSize": 0},
        "filter": yes | {"maxResults": 200},
        "changePassword": no,
        "sort": yes,
        "etag": yes,
        "authenticationSchemes": [],
    }
    config.write_text(json.dumps(told))
    with scim2_server(TOKEN, "--service-provider-config", str(config)) as base:
        yield base


@pytest.fixture
def raw(without_patch: str) -> Iterator[httpx.Client]:
    """Another client of that server, which is emptied afterwards."""
    with emptied(without_patch, TOKEN) as client:
        yield client


def test_a_server_without_patch_gets_put_unasked(without_patch: str, raw: httpx.Client) -> None:
    app = app_at(without_patch)
    _, id = app.create(ADA)

    app.update(id, {"title": "Chief"})
    app.grant(id, "Sales")
    app.disable(id)

    seen = raw.get(f"/Users/{id}").json()
    assert (seen["title"], seen["active"], seen["userName"]) == ("Chief", False, ADA["userName"])
    assert app.read(id).entitlements == {"Sales"}
    assert [app.revoke(id, "Sales"), app.revoke(id, "Sales")] == [Outcome.DONE, Outcome.ALREADY]
    assert app.read(id).entitlements == set()


def test_changes_to_one_group_from_many_sides_are_all_kept_where_it_is_put_whole(
    without_patch: str, raw: httpx.Client
) -> None:
    workers = [app_at(without_patch) for _ in range(4)]
    people = [{k: v.replace("ada", f"p{n}") for k, v in ADA.items()} for n in range(12)]
    ids = [workers[0].create(each)[1] for each in people]
    workers[0].grant(ids[0], "Sales")

    def join(n: int) -> None:
        for _ in range(6):
            try:
                workers[n % 4].grant(ids[n], "Sales")
                return
            except Exception as error:  # six times in a row somebody was faster
                assert getattr(error, "status", None) == 412

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(join, range(12)))

    assert {m["value"] for g in listed(raw, "Groups") for m in g["members"]} == set(ids)


# servers in their own ways


class House:
    """Users and groups in two dicts; remembers what it was sent."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {"1": {"id": "1", "userName": ADA["userName"], "active": True}}
        self.groups: dict[str, dict[str, Any]] = {"g1": {"id": "g1", "displayName": "Sales", "members": []}}
        self.sent = list[Asked]()
        self.pages = dict[str, Any]()

    def __call__(self, asked: Asked) -> Said:
        self.sent.append(asked)
        kind, _, id = asked.path.strip("/").partition("/")
        rows = self.users if kind == "Users" else self.groups if kind == "Groups" else {}
        if kind not in ("Users", "Groups"):
            return Said(200, self.pages[kind]) if kind in self.pages else Said(404)
        if id:
            return Said(200, rows[id]) if id in rows else Said(404)
        if asked.method == "POST":
            rows["2"] = asked.json | {"id": "2"}
            return Said(201, rows["2"])
        return self.page(asked, list(rows.values()))

    def page(self, asked: Asked, rows: list[Any]) -> Said:
        return Said(200, {"totalResults": len(rows), "Resources": rows})

    def bodies(self, method: str) -> list[Any]:
        return [asked.json for asked in self.sent if asked.method == method]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def server(house: House) -> Iterator[Scripted]:
    with Scripted(house) as running:
        yield running


@pytest.mark.parametrize(
    ("options", "operation"),
    [
        ({}, {"op": "replace", "path": "active", "value": False}),
        ({"active_as": "text"}, {"op": "replace", "path": "active", "value": "False"}),
        ({"switch": "whole"}, {"op": "replace", "value": {"active": False}}),
        ({"update": "put", "switch": "patch"}, {"op": "replace", "path": "active", "value": False}),
    ],
)
def test_active_is_written_as_the_server_wants_it(
    house: House, server: Scripted, options: dict[str, Any], operation: dict[str, Any]
) -> None:
    app_at(server.url, **options).disable("1")

    assert house.bodies("PATCH")[-1]["Operations"] == [operation]


def test_what_only_the_server_writes_is_not_sent_back(house: House, server: Scripted) -> None:
    house.users["1"] |= {"meta": {"version": 'W/"7"'}, "badge": "blue"}

    app_at(server.url, update="put", read_only=["meta", "groups", "id"]).update("1", {"title": "Chief"})

    assert house.bodies("PUT") == [{"userName": ADA["userName"], "active": True, "badge": "blue", "title": "Chief"}]
    assert house.sent[-1].headers["If-Match"] == 'W/"7"'


def test_members_may_be_told_by_reference_alone(house: House, server: Scripted) -> None:
    house.groups["g1"]["members"] = [{"$ref": "https://sso.example/scim/v2/Users/1"}]
    house.groups["g2"] = {"id": "g2", "displayName": "Staff", "members": [{"$ref": "../Users/1"}]}

    assert app_at(server.url).read("1").entitlements == {"Sales", "Staff"}


def test_groups_may_go_by_their_ids(house: House, server: Scripted) -> None:
    house.users["1"]["groups"] = [{"value": "g1", "display": "Sales"}]
    house.groups["g7"] = {"id": "g7", "displayName": "Sales", "members": []}
    app = app_at(server.url, groups_by="id")

    app.grant("1", "g7")

    assert house.sent[-1].path == "/Groups/g7" and house.sent[-1].method == "PATCH"
    assert app.read("1").entitlements == {"g1"} and set(app.entitlements()) == {"g1", "g7"}
    assert app.grant("1", "g1") == Outcome.ALREADY


def test_lists_may_be_paged_by_cursor(house: House, server: Scripted) -> None:
    everybody = [{"id": str(n), "userName": f"p{n}@juniperfinch.example"} for n in range(5)]
    house.users = {row["id"]: row for row in everybody}

    def by_cursor(asked: Asked, rows: list[Any]) -> Said:
        start, count = int(asked.query.get("cursor") or 0), int(asked.query["count"])
        more = {"nextCursor": str(start + count)} if start + count < len(rows) else {}
        return Said(200, {"Resources": rows[start : start + count], **more})

    house.page = by_cursor  # type: ignore[method-assign]

    accounts = list(app_at(server.url, paging="cursor", page_size=2, groups=False).accounts())

    assert [account.id for account in accounts] == list("01234")


def test_a_server_that_never_lists_members_is_asked_group_by_group(house: House, server: Scripted) -> None:
    house.groups = {f"g{n}": {"id": f"g{n}", "displayName": f"Team {n}"} for n in range(3)}

    def one_question(asked: Asked, rows: list[Any]) -> Said:
        asked_for = asked.query.get("filter", "")
        if "members" in asked_for:
            rows = [r for r in rows if f'id eq "{r["id"]}"' in asked_for and r["id"] == "g1"]
        return Said(200, {"totalResults": len(rows), "Resources": rows})

    house.page = one_question  # type: ignore[method-assign]
    app = app_at(server.url, member_test='id eq "{group}" and members eq "{user}"', groups_on_users=False)

    assert app.read("1").entitlements == {"Team 1"} and app.lists_entitlements is False
    assert app.grant("1", "Team 1") == Outcome.ALREADY and app.revoke("1", "Team 2") == Outcome.ALREADY
    assert next(app.accounts()).entitlements == frozenset()


def test_what_a_server_cannot_is_for_people(house: House, server: Scripted) -> None:
    app = app_at(server.url, cannot=["update", "enable", "delete"], groups=False)

    assert {"update", "enable", "delete"}.isdisjoint(capabilities(app)) and not isinstance(app, Grants)
    for verb, arguments in {"update": [{"title": "x"}], "enable": [], "delete": []}.items():
        with pytest.raises(NeedsHuman, match=f"cannot {verb}"):
            getattr(app, verb)("1", *arguments)
    assert house.sent == []


def test_a_server_that_has_no_filter_is_not_asked_for_one(house: House, server: Scripted) -> None:
    assert app_at(server.url, filter=False, groups=False).find(ADA["userName"].upper()).id == "1"
    assert all("filter" not in asked.query for asked in house.sent)


def test_the_doctor_is_told_what_the_server_announces(house: House, server: Scripted, without_patch: str) -> None:
    assert app_at(server.url).check() == "SSO answers as SCIM, shows 1 accounts, announces nothing."
    assert "announces filters." in app_at(without_patch).check()


def test_the_doctor_is_told_what_the_server_does_not_know(house: House, server: Scripted) -> None:
    core = "urn:ietf:params:scim:schemas:core:2.0:User"
    emails = {"name": "Emails", "subAttributes": [{"name": "value"}, {"name": "type"}]}
    house.pages = {
        "Schemas": {"Resources": [{"id": core, "attributes": [{"name": "userName"}, emails]}]},
        "ResourceTypes": [{"id": "User", "endpoint": "/Users"}],
    }

    told = app_at(server.url).check()

    assert told.endswith("; its schemas do not have title; it names no /Groups (say `groups: false`).")


@pytest.mark.parametrize("page", [{}, [], "nonsense", {"Resources": "nonsense"}, {"Resources": [{"id": 7}]}])
def test_pages_of_another_shape_raise_no_doubts(house: House, server: Scripted, page: Any) -> None:
    house.pages = dict.fromkeys(("ServiceProviderConfig", "Schemas", "ResourceTypes"), page)

    assert "do not have" not in app_at(server.url).check()
