"""What the SCIM connector sends to PagerDuty, Atlassian, GitHub and Sentry, and what their twins answer, is as the
vendors describe it. The apps are the presets, as a company copies them.

Where a description contradicts its own examples, it is amended here, and only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from connectors.base import Grants, Outcome
from connectors.catalogue import connect
from connectors.sandbox import Sandbox
from connectors.sandbox.kinds import twins
from connectors.scim import Scim
from flows import presets
from tests.vendor_specs import SPECS, Description, Differs, Held, hold

Document = dict[str, Any]
VALUES = {
    "work_email": "ines.duarte@juniperfinch.example",
    "employee_id": "0042",
    "given_name": "Inês",
    "family_name": "Duarte",
    "display_name": "Inês Duarte",
    "title": "Clerk",
    "department": "Sales",
}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def as_it_is(document: Document) -> None:
    """Nothing to amend."""


def github_patches(document: Document) -> None:
    """The schema says that a value is text; the examples beside it send false, and lists of members."""
    document["components"]["schemas"]["patch-schema"]["properties"]["Operations"]["items"]["properties"]["value"] = {}


def pagerduty_keys(document: Document) -> None:
    """It asks for a key and a token at once; the texts beside them say that either will do."""
    document["security"] = [{"apiKey": []}, {"bearerToken": []}]


def atlassian_quirks(document: Document) -> None:
    """PATCH: the list is spelt `operations` and its values have no type; RFC 7644 and the example beside it say
    `Operations`, and values of all kinds. `schemas` and `externalId` are read-only by their schema, and required or
    the client's own by the texts beside it. What the server tells of itself is a text. Of credentials OAuth alone is
    named; the examples have the directory's key as bearer token, which the test asserts."""
    for kind in ("ScimUser", "ScimGroup"):
        for name in ("schemas", "externalId", "members"):
            document["components"]["schemas"][kind]["properties"].get(name, {}).pop("readOnly", None)
    document["security"] = []
    for page in ("ServiceProviderConfig", "Schemas", "ResourceTypes"):
        answer = document["paths"][f"/scim/directory/{{directoryId}}/{page}"]["get"]["responses"]["200"]
        for content in answer["content"].values():
            content["schema"] = {}
    for path in document["paths"].values():
        for call in path.values():
            call.pop("security", None) if isinstance(call, dict) else None
    patches = [
        (schema, schema["properties"].pop("operations"))
        for schema in document["components"]["schemas"].values()
        if "operations" in schema.get("properties", {})
    ]
    assert patches
    for schema, listed in patches:
        operation = {name: {"type": "string"} for name in ("op", "path")} | {"value": {}}
        schema["properties"]["Operations"] = listed | {"items": {"type": "object", "properties": operation}}


def sentry_bodies(document: Document) -> None:
    """The schemas leave out what every SCIM request has (schemas, active), and say that a group's members are an
    object where the example beside it sends a list."""
    users = document["paths"]["/api/0/organizations/{organization_id_or_slug}/scim/v2/Users"]["post"]
    groups = document["paths"]["/api/0/organizations/{organization_id_or_slug}/scim/v2/Groups"]["post"]
    one = "/api/0/organizations/{organization_id_or_slug}/scim/v2"
    user = document["paths"][f"{one}/Users/{{member_id}}"]["patch"]
    group = document["paths"][f"{one}/Groups/{{team_id_or_slug}}"]["patch"]
    for call in (users, groups, user, group):
        call["requestBody"]["content"]["application/json"]["schema"]["properties"] |= {"schemas": {}}
    users["requestBody"]["content"]["application/json"]["schema"]["properties"] |= {"active": {}}
    body = group["requestBody"]["content"]["application/json"]["schema"]["properties"]
    body["Operations"]["items"]["properties"]["value"] = {}


class Case(NamedTuple):
    """A preset and the description of what it talks to."""

    preset: str
    file: str
    authorization: str
    """Without the secret, which the twin names."""
    before: str = ""
    """What of the vendor's own path comes before the path of the twin."""
    amend: Callable[[Document], None] = as_it_is
    group: str = "Staff"


CASES = (
    Case("pagerduty_scim", "pagerduty/pagerduty-scim.json", "Token token={}", amend=pagerduty_keys),
    Case("atlassian", "atlassian/atlassian-user-provisioning-scim.json", "Bearer {}", amend=atlassian_quirks),
    Case("github_emu", "github/github-ghec.json", "Bearer {}", amend=github_patches),
    Case("github_org_scim", "github/github-ghec.json", "Bearer {}"),
    Case("sentry", "sentry/sentry.json", "Bearer {}", amend=sentry_bodies, group="engineering"),
)
SECRET = {
    "pagerduty_scim": "PAGERDUTY_SCIM_TOKEN",
    "atlassian": "ATLASSIAN_SCIM_KEY",
    "github_emu": "GITHUB_SCIM_TOKEN",
    "github_org_scim": "GITHUB_ORG_SCIM_TOKEN",
    "sentry": "SENTRY_SCIM_TOKEN",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Watched(NamedTuple):
    """An app whose every call is held to the description."""

    app: Any
    held: Held
    case: Case


@pytest.fixture(params=CASES, ids=lambda case: case.preset)
def watched(request: pytest.FixtureRequest, sandbox: Sandbox) -> Watched:
    case: Case = request.param
    if not (SPECS / case.file).exists():
        pytest.skip(f"../shared/specs/{case.file} is not here")
    sandbox.control(case.preset).reset()
    environment = twins()[case.preset].environment(f"{sandbox.url}/{case.preset}")
    rules = presets.rules(case.preset).model_copy(update={"limits": ()})
    app = connect(case.preset, rules, environment)
    assert isinstance(app, Scim)
    description = Description(case.file, case.amend)
    headers = {"Authorization": case.authorization.format(environment[SECRET[case.preset]])}
    besides = r"GET .*/(ServiceProviderConfig|Schemas|ResourceTypes)"  # asked for, and not there
    held = hold(app.http.client, description, under=f"/{case.preset}", headers=headers, besides=besides)
    return Watched(app, held, case)


def attributes(app: Scim) -> dict[str, str]:
    """Inês, by the preset's templates."""
    return {field: template.format(**VALUES) for field, template in presets.rules(app.name).attributes.items()}


def test_a_whole_life_is_as_the_vendor_describes_it(watched: Watched) -> None:
    app, held, case = watched
    app.check()
    outcome, id = app.create(attributes(app))
    assert outcome is Outcome.DONE
    assert app.create(attributes(app)) == (Outcome.ALREADY, id)
    for number in range(3):
        others = {k: v.replace("ines", f"p{number}").replace("0042", str(number)) for k, v in attributes(app).items()}
        app.create(others, looked=True)
    app.style = type(app.style)(**app.style.model_dump() | {"per": 2})
    assert len(list(app.accounts())) == 4
    if isinstance(app, Grants):
        assert app.grant(id, case.group) is Outcome.DONE and app.read(id).entitlements == {case.group}
        assert case.group in set(app.entitlements())
        assert app.revoke(id, case.group) is Outcome.DONE and app.read(id).entitlements == set()
    if "update" not in app.undeclared:
        changed = {k: v.replace("Duarte", "Finch") for k, v in attributes(app).items()}
        app.update(id, changed)
        assert app.read(id).attributes == changed
    assert [app.disable(id), app.disable(id)] == [Outcome.DONE, Outcome.ALREADY]
    if "enable" not in app.undeclared:
        assert app.enable(id) is Outcome.DONE and app.read(id).active
    if "delete" not in app.undeclared:
        assert app.delete(app.find(others[app.key]).id) is Outcome.DONE

    assert {line.split()[0] for line in held.calls} >= {"GET", "POST"} and held.calls.total() >= 10


WRONG: dict[str, list[tuple[str, str, Any]]] = {
    "no such call": [("GET", "/User", None)],
    "an unknown parameter": [("GET", "/Users?page=2", None)],
    "a body of the wrong type": [("POST", "/Users", {"userName": 5})],
}


@pytest.mark.parametrize("way", WRONG)
def test_a_wrong_request_does_not_pass(watched: Watched, way: str) -> None:
    for method, path, body in WRONG[way]:
        with pytest.raises(Differs):
            watched.app.http.client.request(method, path, json=body)


def test_a_wrong_token_does_not_pass(watched: Watched) -> None:
    with pytest.raises(Differs, match="Authorization"):
        watched.app.http.client.get("/Users", headers={"Authorization": "Bearer somebody-elses"})
