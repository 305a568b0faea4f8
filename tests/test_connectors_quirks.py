"""connectors.scim at servers that do not do what the RFC says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from connectors_servers import Asked, Said, Scripted

from connectors.base import Outcome
from connectors.catalogue import connect
from connectors.errors import Refused, Retryable
from connectors.scim import Scim
from mappings.vocabulary import AppRules

RULES = {
    "title": "Odd",
    "tier": "sso",
    "connector": "scim",
    "owner": "it",
    "attributes": {"userName": "{work_email}", "enterprise.department": "{department}"},
}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Odd:
    """A SCIM server as small as can be; tests replace what it does with a filter, a POST, a PATCH."""

    def __init__(self) -> None:
        self.users: list[dict[str, Any]] = [{"id": str(n), "userName": f"u{n}@x.example"} for n in range(5)]
        self.groups: list[dict[str, Any]] = []
        self.on: dict[str, Callable[[Asked], Said | None]] = {}

    def __call__(self, asked: Asked) -> Said:
        special = self.on.get(f"{asked.method} filter" if "filter" in asked.query else asked.method)
        return (special and special(asked)) or self.plain(asked)

    def plain(self, asked: Asked) -> Said:
        kind, _, id = asked.path.strip("/").partition("/")
        rows = self.users if kind == "Users" else self.groups
        if asked.method == "POST":
            rows.append(asked.json | {"id": str(len(rows))})
            return Said(201, rows[-1])
        if id:
            return Said(200, next((r for r in rows if r["id"] == id), None)) if self.has(rows, id) else Said(404)
        return Said(200, {"totalResults": len(rows), "Resources": rows})

    @staticmethod
    def has(rows: list[dict[str, Any]], id: str) -> bool:
        return any(r["id"] == id for r in rows)


@pytest.fixture
def odd() -> Odd:
    return Odd()


@pytest.fixture
def server(odd: Odd) -> Iterator[Scripted]:
    with Scripted(odd) as server:
        yield server


@pytest.fixture
def app(server: Scripted) -> Scim:
    return app_at(server)


def app_at(server: Scripted, **options: Any) -> Scim:
    rules = AppRules.model_validate(RULES | {"options": {"url": "${ODD_URL}", **options}})
    app = connect("odd", rules, {"ODD_URL": server.url})
    assert isinstance(app, Scim)
    app.http.sleep = lambda seconds: None
    return app


@pytest.mark.parametrize(
    "answer",
    [
        Said(400, {"detail": "unsupported filter"}),
        Said(501),
        None,
        Said(200, {"totalResults": 1, "Resources": [{"id": "0", "userName": "u0@x.example"}]}),
    ],
    ids=["refused", "not implemented", "ignored", "somebody else"],
)
def test_a_filter_that_does_not_filter_is_not_believed(odd: Odd, app: Scim, answer: Said | None) -> None:
    odd.on["GET filter"] = lambda asked: answer

    found = app.find("U3@x.example")

    assert found is not None and found.id == "3"
    assert app.find("u9@x.example") is None


def test_a_hidden_duplicate_is_found_after_a_409(odd: Odd, app: Scim) -> None:
    odd.on["GET filter"] = lambda asked: Said(200, {"totalResults": 0})
    odd.on["POST"] = lambda asked: Said(409, {"detail": "taken"})

    assert app.create({"userName": "u2@x.example"}) == (Outcome.ALREADY, "2")
    with pytest.raises(Refused, match="409: taken"):
        app.create({"userName": "nobody@x.example"})


@pytest.mark.parametrize("location", ["{url}/Users/77", "/Users/77", "Users/77/"])
def test_the_id_of_a_new_account_may_stand_in_location(odd: Odd, server: Scripted, app: Scim, location: str) -> None:
    odd.on["POST"] = lambda asked: Said(201, None, {"Location": location.format(url=server.url)})

    assert app.create({"userName": "new@x.example"}) == (Outcome.DONE, "77")


def test_a_new_account_without_an_id_is_looked_up(odd: Odd, app: Scim) -> None:
    def bodiless(asked: Asked) -> Said:
        odd.plain(asked)
        return Said(201)

    odd.on["POST"] = bodiless

    assert app.create({"userName": "new@x.example"}) == (Outcome.DONE, "5")


@pytest.mark.parametrize(("value", "active"), [("True", True), ("False", False), ("false", False), (False, False)])
def test_active_may_be_text(odd: Odd, app: Scim, value: Any, active: bool) -> None:
    odd.users[1]["active"] = value

    account = app.read("1")

    assert account is not None and account.active is active


def test_names_of_attributes_compare_without_case(odd: Odd, app: Scim) -> None:
    odd.users[1] = {"id": "1", "username": "u1@x.example", ENTERPRISE.upper(): {"Department": "Sales"}}

    account = app.find("u1@x.example")

    assert account is not None and account.attributes["enterprise.department"] == "Sales"


def test_groups_of_a_user_without_names_are_looked_up(odd: Odd, app: Scim) -> None:
    odd.groups = [{"id": "g1", "displayName": "Sales"}, {"id": "g2", "displayName": "Staff"}]
    indirect = {"value": "g2", "display": "Staff", "type": "indirect"}
    odd.users[1]["groups"] = [{"value": "g1"}, indirect]

    account = app.read("1")

    assert account is not None and account.entitlements == {"Sales"}


@pytest.mark.parametrize(
    "answer", [None, Said(400), Said(200, {"totalResults": 0})], ids=["ignored", "refused", "empty"]
)
def test_a_member_filter_that_lies_is_found_out(odd: Odd, app: Scim, answer: Said | None) -> None:
    odd.groups = [
        {"id": "g1", "displayName": "Sales", "members": [{"value": "1"}]},
        {"id": "g2", "displayName": "Staff", "members": [{"value": "1"}, {"value": "2"}]},
    ]
    odd.on["GET filter"] = lambda asked: answer

    two, three = app.read("2"), app.read("3")

    assert two is not None and two.entitlements == {"Staff"}
    assert three is not None and three.entitlements == frozenset()


def test_a_server_without_filters_in_patch_paths_still_revokes(odd: Odd, app: Scim) -> None:
    odd.groups = [{"id": "g1", "displayName": "Sales", "members": [{"value": "1"}]}]
    sent: list[Any] = []

    def patch(asked: Asked) -> Said:
        sent.append(asked.json["Operations"][0])
        return Said(400) if "[" in sent[-1]["path"] else Said(204)

    odd.on["PATCH"] = patch

    assert app.revoke("1", "Sales") == Outcome.DONE
    assert sent[-1] == {"op": "remove", "path": "members", "value": [{"value": "1"}]}


def test_a_total_that_is_wrong_can_be_declared_so(odd: Odd, server: Scripted) -> None:
    wrong = {"totalResults": 50, "Resources": odd.users}
    odd.on["GET"] = lambda asked: Said(200, wrong if asked.query.get("startIndex") == "1" else {"totalResults": 50})

    with pytest.raises(Retryable, match="5 of 50"):
        list(app_at(server).accounts())

    assert len(list(app_at(server, trust_total=False).accounts())) == 5


def test_a_failure_while_looking_again_does_not_hide_the_first(odd: Odd, app: Scim) -> None:
    gone = iter([Said(200, {"totalResults": 0})])
    odd.on["GET filter"] = lambda asked: next(gone, Said(500))
    odd.on["POST"] = lambda asked: Said(0)

    with pytest.raises(Retryable) as caught:
        app.create({"userName": "new@x.example"})

    assert caught.value.doing == "create account for new@x.example"
