"""What REST apps in YAML send to vendors, and what the twins answer, is as the vendors describe it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from connectors.base import Outcome
from connectors.catalogue import capabilities, connect
from connectors.sandbox import Sandbox
from connectors.sandbox.kinds import twins
from flows import presets
from mappings.rules import attributes_of
from mappings.vocabulary import AppRules
from tests.vendor_specs import Description, Differs, Held, described, hold, loaded

SPECS: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {}
"""Preset -> the vendor's description, and what in it is amended because it contradicts itself."""
VALUES = {
    "work_email": "ines.duarte@juniperfinch.example",
    "employee_id": "0042",
    "given_name": "Inês",
    "family_name": "Duarte",
    "display_name": "Inês Duarte",
    "title": "Clerk",
    "department": "Sales",
}


class Vendor(NamedTuple):
    """A preset at its twin, every request and answer held to the description."""

    name: str
    rules: AppRules
    app: Any
    held: Held
    twin: Any

    def make(self) -> str:
        outcome, id = self.app.create(attributes_of(self.rules, VALUES))
        assert outcome == Outcome.DONE
        return str(id)


def as_it_is(document: dict[str, Any]) -> None:
    """Nothing to amend."""


def no_oauth(document: dict[str, Any]) -> None:
    """openapi-core knows no OAuth; the test asserts the header itself."""
    document["security"] = []
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)


SPECS["datadog"] = ("datadog/datadog-v2.json", as_it_is)
SPECS["box"] = ("box/box-2.0-users-groups.json", no_oauth)
SPECS["zoom"] = ("zoom/zoom-users-groups.json", no_oauth)
HEADERS = {
    "box": {"Authorization": re.compile("Bearer [0-9a-f]{32}")},
    "zoom": {"Authorization": re.compile("Bearer [0-9a-f]{32}")},
    "datadog": {
        "DD-API-KEY": "datadog-api-key-of-the-sandbox",
        "DD-APPLICATION-KEY": "datadog-application-key-of-the-sandbox",
    },
}
GIVEN = {"datadog": ("application_keys", {"name": "ci"})}
"""What is put there for tokens to be found."""
FURTHER = {"datadog": "team Platform", "zoom": "Sales", "box": "Sales"}
"""An entitlement of another kind."""
WRONG = {
    "box": ("POST", "/users", {"name": "Ann", "login": "ann@x.example", "jobtitle": "Clerk"}),
    "zoom": ("POST", "/users", {"action": "make", "user_info": {"email": "x", "type": 1}}),
    "datadog": ("POST", "/api/v2/users", {"data": {"type": "users", "attributes": {"mail": "x"}}}),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(params=SPECS)
def vendor(request: pytest.FixtureRequest, sandbox: Sandbox) -> Vendor:
    name = request.param
    file, amend = SPECS[name]
    described(file)
    description = loaded(file) if amend is as_it_is else Description(file, amend)
    control, rules = sandbox.control(name), presets.rules(name).model_copy(update={"limits": ()})
    control.reset()
    control.limits(100_000)
    app: Any = connect(name, rules, twins()[name].environment(f"{sandbox.url}/{name}"))
    held = hold(app.http.client, description, under=f"/{name}", headers=HEADERS[name], besides=BESIDES.get(name, ""))
    return Vendor(name, rules, app, held, control)


BESIDES: dict[str, str] = {
    "zoom": "POST /oauth/token",
    "box": "POST /oauth2/token|DELETE /2.0/group_memberships/[0-9]+",  # the latter is left out of the extract
}
"""Calls that the vendor has and the description has not."""


def test_a_whole_life_is_as_described(vendor: Vendor) -> None:
    app, can = vendor.app, capabilities(vendor.app)

    assert vendor.rules.title in app.check()
    id = vendor.make()
    key = attributes_of(vendor.rules, VALUES)[vendor.rules.key]
    assert app.find(key).id == id and app.create(attributes_of(vendor.rules, VALUES)) == (Outcome.ALREADY, id)
    assert id in [account.id for account in app.accounts()]
    field = next(f for f, t in vendor.rules.attributes.items() if t in ("{title}", "{department}", "{display_name}"))
    app.update(id, {field: "Head Clerk"})
    assert app.read(id).attributes[field] == "Head Clerk"
    if "grant" in can:
        for name in [(vendor.rules.entitlements or ("",))[0], FURTHER.get(vendor.name)]:
            if name:
                assert [app.grant(id, name), app.grant(id, name)] == [Outcome.DONE, Outcome.ALREADY]
                assert name in app.read(id).entitlements
                assert [app.revoke(id, name), app.revoke(id, name)] == [Outcome.DONE, Outcome.ALREADY]
    if "revoke_tokens" in can:
        what, item = GIVEN[vendor.name]
        vendor.twin.give(what, key, item)
        assert len(list(app.tokens(id))) == 1
        assert [app.revoke_tokens(id), app.revoke_tokens(id)] == [Outcome.DONE, Outcome.ALREADY]
    if "end_sessions" in can:
        app.end_sessions(id)
    if "disable" in can:
        assert [app.disable(id), app.disable(id)] == [Outcome.DONE, Outcome.ALREADY]
    if "enable" in can:
        assert [app.enable(id), app.enable(id)] == [Outcome.DONE, Outcome.ALREADY]
    if "delete" in can:
        assert [app.delete(id), app.delete(id)] == [Outcome.DONE, Outcome.ALREADY]
        assert app.read(id) is None
    assert sum(vendor.held.calls.values()) > 10


def test_a_wrong_request_is_seen(vendor: Vendor) -> None:
    verb, path, body = WRONG[vendor.name]

    with pytest.raises(Differs):
        vendor.app.http.client.request(verb, path, json=body)
    with pytest.raises(Differs, match="no query parameter"):
        vendor.app.http.client.get(vendor.app.users.list[0].path, params={"offset_wrong": 1})
