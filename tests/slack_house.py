"""The Slack tests' ground: the twin, a connector at it, and the description that holds what it sends.

The description of 2021 is amended where it says less than Slack does: the token travels in the Authorization header
(docs.slack.dev/authentication) and not as the argument that it requires; an error comes with the status 200; and there
are errors (no_such_subteam) that it does not name, but the methods' pages do.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
from openapi_core import OpenAPI

from connectors.apps.slack import Slack
from connectors.base import App, Write, Written
from connectors.catalogue import connect
from connectors.sandbox import Sandbox, TwinControl
from connectors.sandbox.vendors import slack
from flows import presets
from mappings.rules import attributes_of
from tests.vendor_specs import SPECS, Description, Held, hold

FILE = "slack/slack-web-v2-oas3-apisguru.json"
RULES = presets.rules("slack")
PLENTY = 100_000
BEARER = {"Authorization": f"Bearer {slack.TOKEN}"}
CHANNELS, WORKSPACES = ["sales", "tea-room"], ["Juniper", "Finch"]


@cache
def description() -> Description:
    """Slack's Web API; skips where its description is not there."""
    if not (SPECS / FILE).exists():
        pytest.skip(f"../shared/specs/{FILE} is not here")
    made = Description(FILE)
    for item in made.document["paths"].values():
        for operation in (item[verb] for verb in ("get", "post") if verb in item):
            amend(operation)
    made.api = OpenAPI.from_dict(made.document)
    return made


def amend(operation: dict[str, Any]) -> None:
    """Take the token out of the arguments, and let an error come with 200, whatever its name."""
    operation["parameters"] = [p for p in operation.get("parameters", ()) if p.get("name") != "token"]
    operation.pop("security", None)
    answers = operation["responses"]
    fine, error = (answers[status]["content"]["application/json"] for status in ("200", "default"))
    error["schema"]["properties"].get("error", {}).pop("enum", None)
    fine["schema"] = {"anyOf": [fine["schema"], error["schema"]]}


class House:
    """An organisation at Slack and an app at it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.twin: TwinControl = sandbox.control("slack")
        self.environment = slack.environment(f"{sandbox.url}/slack")
        self.twin.reset()
        self.twin.faults([])
        self.twin.limits(PLENTY)
        self.app = self.connected()

    def connected(self, token: str = slack.TOKEN, limits: bool = False, **options: Any) -> Any:
        """An app that remembers nothing, with these options besides the preset's."""
        words = RULES.options | {"channels": CHANNELS, "workspaces": WORKSPACES} | options
        rules = RULES.model_copy(update={"limits": RULES.limits if limits else (), "options": words})
        app: App = connect("slack", rules, self.environment | {"SLACK_TOKEN": token})
        assert isinstance(app, Slack)
        return app

    def held(self, app: Slack) -> Held:
        """Its requests to the Web API are as Slack describes them from now on; those to SCIM carry the token."""

        def signed(request: httpx.Request) -> None:
            assert request.headers["Authorization"] == BEARER["Authorization"]

        app.people.http.client.event_hooks["request"] = [signed]
        return hold(app.http.client, description(), under="/slack", headers=BEARER)

    def make(self, number: int = 1) -> str:
        return str(self.app.create(person(number))[1])

    def written(self, writes: list[Write]) -> list[Written]:
        """Many writes, batch by batch."""
        return [told for batch in self.app.batches(writes) for told in self.app.write_many(batch)]

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """A table of the twin by name or handle."""
        return {str(row.get("handle") or row.get("name")): row for row in self.twin.state()[table]}

    def fault(self, match: str, kind: str, times: int | None = 1, seconds: float = 0.02) -> None:
        self.twin.faults([{"match": match, "kind": kind, "times": times, "seconds": seconds}])


def person(number: int = 1) -> dict[str, str]:
    """Attributes of a made-up person."""
    values = {
        "work_email": f"person.{number}@juniperfinch.example",
        "user_name": f"person.{number}",
        "employee_id": f"{number:04}",
        "given_name": f"Given {number}",
        "family_name": "Family",
        "display_name": f"Given {number} Family",
        "title": "Buyer",
    }
    return attributes_of(RULES, values)


@pytest.fixture
def house(sandbox: Sandbox) -> House:
    return House(sandbox)
