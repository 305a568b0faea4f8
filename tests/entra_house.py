"""The Entra tests' ground: the twin, and a connector whose every request is held to Graph's own description.

Requests inside a `$batch` are checked one by one as if they had come alone. The stored description is a part of
Graph's; what is added to it here, or let pass, is named with its source.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

import httpx
import pytest

from connectors.catalogue import connect
from connectors.sandbox import Sandbox, TwinControl
from connectors.sandbox.vendors import entra
from flows import presets
from tests.vendor_specs import SPECS, Description, Held, hold

FILE = "msgraph/graph-v1.0-users-groups.json"
RULES = presets.rules("entra")
BEARER = re.compile(r"Bearer [\w-]{20,}")
METHODS = "(phone|email|fido2|microsoftAuthenticator|softwareOath|temporaryAccessPass|windowsHelloForBusiness)Methods"
BESIDES = "|".join(
    (
        r"POST /[\w-]+/oauth2/v2\.0/token",  # entra/identity-platform/v2-oauth2-client-creds-grant-flow
        r"POST /v1\.0/\$batch",  # graph/json-batching; what is in it is checked below
        r"DELETE /v1\.0/oauth2PermissionGrants/[^/]+",  # graph/api/oauth2permissiongrant-delete
        rf"DELETE /v1\.0/users/[^/]+/authentication/{METHODS}/[^/]+",  # graph/api/fido2authenticationmethod-delete, …
        r"(GET|POST) /v1\.0/applications/[^/]+/owners(/\$ref)?",  # graph/api/application-list-owners, -post-owners
        r"DELETE /v1\.0/applications/[^/]+/owners/[^/]+/\$ref",  # graph/api/application-delete-owners
    )
)
OPAQUE = {"$skiptoken", "$deltatoken"}
"""Parameters of addresses that Graph itself makes (graph/paging, graph/delta-query-overview)."""
BIND = {"members@odata.bind": {"type": "array", "items": {"type": "string"}, "maxItems": 20}}
"""What PATCH /groups/{id} takes besides the group's properties (graph/api/group-post-members)."""
ANA = {
    "userPrincipalName": "ana.simic@juniperfinch.example",
    "displayName": "Ana Šimić",
    "givenName": "Ana",
    "surname": "Šimić",
    "jobTitle": "Buyer",
    "department": "Sales",
    "officeLocation": "Leeds",
    "employeeId": "0101",
    "employeeType": "employee",
}


def person(number: int) -> dict[str, str]:
    """Somebody else, different where people must be."""
    name = f"p{number}"
    return ANA | {
        "userPrincipalName": f"{name}@juniperfinch.example",
        "displayName": name,
        "employeeId": f"{number:05}",
    }


@cache
def graph() -> Description:
    """The description, with what is opaque and what it lacks."""
    found = Description(FILE)
    parts = found.document["components"]["schemas"]["microsoft.graph.group"]["allOf"]
    next(part for part in parts if "properties" in part)["properties"].update(BIND)
    found.operations = [
        (path, verb, operation._replace(parameters=operation.parameters | OPAQUE) if verb == "get" else operation)
        for path, verb, operation in found.operations
    ]
    return found


class Batches:
    """Hooks that look into batches."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.requests: dict[str, httpx.Request] = {}

    def before(self, request: httpx.Request) -> None:
        if request.url.path.endswith("/$batch"):
            request.read()
            asked = json.loads(request.content)["requests"]
            assert 0 < len(asked) <= 20
            for one in asked:
                self.requests[one["id"]] = inner = alone(request, one)
                self.held.before(inner)

    def after(self, response: httpx.Response) -> None:
        if response.request.url.path.endswith("/$batch") and response.is_success:
            response.read()
            for one in response.json()["responses"]:
                body = {"json": one["body"]} if one.get("body") is not None else {}
                asked = self.requests[one["id"]]
                self.held.after(httpx.Response(one["status"], headers=one["headers"], request=asked, **body))


def alone(request: httpx.Request, one: dict[str, Any]) -> httpx.Request:
    """A request of a batch as a request of its own."""
    root = str(request.url).removesuffix("/$batch")
    headers = {"Authorization": request.headers["Authorization"], **one.get("headers", {})}
    body = json.dumps(one["body"]).encode() if "body" in one else None
    return httpx.Request(one["method"], root + one["url"], headers=headers, content=body)


class House:
    """The twin, and the app that reaches it; `again` makes another one, with other options."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.twin: TwinControl = sandbox.control("entra")
        self.root = f"{sandbox.url}/entra"
        self.environment = entra.environment(self.root)
        self.twin.reset()
        self.twin.faults([])
        self.twin.limits(1_000_000)
        self.app = self.again()

    def again(self, fields: dict[str, str] | None = None, key: str = "", **options: Any) -> Any:
        """The app in another process: nothing remembered."""
        more = {"limits": (), "options": RULES.options | options, "attributes": RULES.attributes | (fields or {})}
        rules = RULES.model_copy(update=more | ({"key": key} if key else {}))
        app: Any = connect("entra", deepcopy(rules), self.environment)
        if (SPECS / FILE).exists():
            self.held = hold(
                app.http.client, graph(), under="/entra", headers={"Authorization": BEARER}, besides=BESIDES
            )
            batches = Batches(self.held)
            for when, hook in (("request", batches.before), ("response", batches.after)):
                app.http.client.event_hooks[when].append(hook)
            app.http.client.event_hooks = app.http.client.event_hooks
        return app

    def user(self, id: str) -> dict[str, Any]:
        return next(user for user in self.twin.state()["users"] if user["id"] == id)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [user for user in self.twin.state()["users"] if user["userPrincipalName"] == name]

    def group(self, name: str) -> str:
        return str(next(group["id"] for group in self.twin.state()["groups"] if group["displayName"] == name))

    def members(self, name: str) -> set[str]:
        return {row["user"] for row in self.twin.state()["members"] if row["group"] == self.group(name)}

    def lines(self, *verbs: str) -> list[str]:
        """`VERB /path` of the calls that were sent, without the token's."""
        found = [f"{line['method']} {line['path'].removeprefix('/entra/v1.0')}" for line in self.twin.log()]
        return [line for line in found if "oauth2/v2.0/token" not in line and (not verbs or line.startswith(verbs))]


@pytest.fixture
def house(sandbox: Sandbox) -> House:
    return House(sandbox)
