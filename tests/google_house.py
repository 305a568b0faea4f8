"""The Google tests' ground: the twin, a connector at it, and the descriptions that hold what it sends.

The descriptions were made from Google's discovery documents, which have `fields` for every method and no place for it
in each: it is put back here.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

from connectors.apps.google import Google
from connectors.base import App
from connectors.catalogue import connect
from connectors.sandbox import Sandbox, TwinControl
from flows import presets
from mappings.rules import attributes_of
from tests.vendor_specs import SPECS, Description, Held, hold

RULES = presets.rules("google")
PLENTY = 100_000
BEARER = {"Authorization": re.compile(r"Bearer ya29\.[0-9a-f]{32}")}
LICENCES = ["Google-Apps/1010020025", "Google-Apps/1010020028", "Google-Vault/Google-Vault"]
PLUS, STANDARD, VAULT = (f"licence:{name}" for name in LICENCES)
PHONES = " ".join(f"https://www.googleapis.com/auth/admin.directory.device.mobile{end}" for end in ("", ".action"))
FILES = {
    "admin-directory-openapi.json": "admin.directory_v1.json",
    "admin-datatransfer-openapi.json": "admin.datatransfer_v1.json",
    "licensing-openapi.json": "licensing.v1.json",
}
"""Description -> the discovery document that it was made from."""


@cache
def descriptions() -> tuple[Description, ...]:
    """Directory, Data Transfer and Licensing API; skips where they are not there."""
    return tuple(whole(openapi, discovery) for openapi, discovery in FILES.items())


def whole(openapi: str, discovery: str) -> Description:
    """A description whose methods have the parameters that all of Google's have."""
    if not (SPECS / "google" / openapi).exists():
        pytest.skip(f"../shared/specs/google/{openapi} is not here")
    description = Description(f"google/{openapi}")
    everywhere = json.loads((SPECS / "google" / discovery).read_text(encoding="utf-8"))["parameters"]
    description.operations = [
        (pattern, verb, op._replace(parameters=op.parameters | {"fields"} & set(everywhere)))
        for pattern, verb, op in description.operations
    ]
    return description


class House:
    """A Google Workspace and an app at it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.twin: TwinControl = sandbox.control("google")
        self.environment = sandbox.environment
        self.twin.reset()
        self.twin.faults([])
        self.twin.limits(PLENTY)
        self.app = self.connected()

    def connected(self, values: dict[str, str] | None = None, key: str = RULES.key, **options: Any) -> Any:
        """An app that remembers nothing, with these options besides the preset's."""
        words = RULES.options | {"licences": LICENCES} | options
        rules = RULES.model_copy(update={"limits": (), "key": key, "options": words})
        app: App = connect("google", rules, self.environment | (values or {}))
        assert isinstance(app, Google)
        return app

    def held(self, app: Google) -> Held:
        """Its requests and their answers are as Google describes them from now on."""
        return hold(app.http.client, *descriptions(), under="/google", headers=BEARER, besides="POST /token")

    def make(self, number: int = 1, **changed: str) -> str:
        return str(self.app.create(person(number) | changed)[1])

    def user(self, id: str) -> dict[str, Any]:
        """The user as the twin has it."""
        return next(row for row in self.twin.state()["users"] if row["id"] == id)

    def raw(self, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call of the Directory API past the connector's verbs."""
        return self.app.http.json(verb, f"/admin/directory/v1{path}", doing="set the scene", json=body)

    def fault(self, match: str, kind: str, times: int | None = 1, seconds: float = 0.02) -> None:
        self.twin.faults([{"match": match, "kind": kind, "times": times, "seconds": seconds}])


def signing(*scopes: str) -> dict[str, Any]:
    """The preset's way to sign in, with further scopes."""
    words = RULES.options["auth"]["assertion"]
    return {"assertion": words | {"scope": " ".join([words["scope"], *scopes])}}


def person(number: int = 1) -> dict[str, str]:
    """Attributes of a made-up person with a manager."""
    values = {
        "work_email": f"person.{number}@juniperfinch.example",
        "employee_id": f"{number:04}",
        "title": "Buyer",
        "department": "Sales",
        "cost_center": "4711",
        "manager_email": "boss@juniperfinch.example",
        "given_name": f"Given {number}",
        "family_name": "Family",
    }
    return attributes_of(RULES, values)


@pytest.fixture
def house(sandbox: Sandbox) -> House:
    return House(sandbox)
