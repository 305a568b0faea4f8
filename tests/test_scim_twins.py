"""The twins of SCIM vendors say no where the vendors do, and mean by `active` what the vendors mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.sandbox import Sandbox, TwinControl
from connectors.sandbox.kinds import twins

SAMPLES = Path(__file__).parents[1].parent / "shared" / "specs" / "scim"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
ADDRESS = "ines.duarte@juniperfinch.example"
INES: dict[str, Any] = {
    "schemas": [USER],
    "userName": ADDRESS,
    "externalId": "0042",
    "name": {"givenName": "Inês", "familyName": "Duarte"},
    "displayName": "Inês Duarte",
    "emails": [{"type": "work", "value": ADDRESS, "primary": True}],
    "active": True,
}
URL_AND_TOKEN = {
    "sso": ("SSO_URL", "Bearer", "SSO_TOKEN"),
    "slack_scim": ("SLACK_SCIM_URL", "Bearer", "SLACK_SCIM_TOKEN"),
    "atlassian": ("ATLASSIAN_SCIM_URL", "Bearer", "ATLASSIAN_SCIM_KEY"),
    "aws_identity_center": ("AWS_SCIM_URL", "Bearer", "AWS_SCIM_TOKEN"),
    "datadog_scim": ("DATADOG_SCIM_URL", "Bearer", "DATADOG_SCIM_TOKEN"),
    "pagerduty_scim": ("PAGERDUTY_SCIM_URL", "Token", "PAGERDUTY_SCIM_TOKEN"),
    "notion": ("NOTION_SCIM_URL", "Bearer", "NOTION_SCIM_TOKEN"),
    "github_emu": ("GITHUB_SCIM_URL", "Bearer", "GITHUB_SCIM_TOKEN"),
    "github_org_scim": ("GITHUB_ORG_SCIM_URL", "Bearer", "GITHUB_ORG_SCIM_TOKEN"),
    "sentry": ("SENTRY_SCIM_URL", "Bearer", "SENTRY_SCIM_TOKEN"),
}


class Vendor:
    """A twin, with a plain HTTP client of it."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.control: TwinControl = sandbox.control(name)
        self.control.reset()
        values = twins()[name].environment(f"{sandbox.url}/{name}")
        url, scheme, token = URL_AND_TOKEN[name]
        secret = f"token={values[token]}" if scheme == "Token" else values[token]
        self.http = httpx.Client(base_url=values[url], headers={"Authorization": f"{scheme} {secret}"})

    def make(self, **changed: Any) -> httpx.Response:
        body = {k: v for k, v in (INES | changed).items() if v is not None}
        return self.http.post("/Users", json=body)

    def made(self, **changed: Any) -> str:
        return str(self.make(**changed).raise_for_status().json()["id"])

    def patch(self, id: str, *operations: dict[str, Any], kind: str = "Users") -> httpx.Response:
        return self.http.patch(f"/{kind}/{id}", json={"schemas": [PATCH], "Operations": list(operations)})

    def inactive(self, id: str) -> httpx.Response:
        return self.patch(id, {"op": "replace", "path": "active", "value": False})

    def users(self) -> list[dict[str, Any]]:
        return self.control.state()["users"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def at(sandbox: Sandbox) -> Iterator[Any]:
    opened = list[Vendor]()

    def vendor(name: str) -> Vendor:
        opened.append(Vendor(sandbox, name))
        return opened[-1]

    yield vendor
    for each in opened:
        each.http.close()


@pytest.mark.parametrize("name", ["pagerduty_scim", "notion", "github_org_scim", "sentry"])
def test_whoever_is_set_inactive_is_gone_for_good(at: Any, name: str) -> None:
    vendor = at(name)
    id = vendor.made()

    assert vendor.inactive(id).is_success

    assert vendor.users() == [] and vendor.http.get(f"/Users/{id}").status_code == 404
    assert vendor.made() != id


@pytest.mark.parametrize("name", ["slack_scim", "atlassian", "aws_identity_center", "datadog_scim", "github_emu"])
def test_whoever_is_set_inactive_can_come_back(at: Any, name: str) -> None:
    vendor = at(name)
    id = vendor.made()

    assert vendor.inactive(id).is_success
    back = vendor.patch(id, {"op": "replace", "path": "active", "value": True})

    assert back.is_success and [(u["id"], u["active"]) for u in vendor.users()] == [(id, True)]


@pytest.mark.parametrize(("name", "kept"), [("slack_scim", True), ("datadog_scim", True), ("atlassian", False)])
def test_what_deleting_leaves(at: Any, name: str, kept: bool) -> None:
    vendor = at(name)
    id = vendor.made()

    assert vendor.http.delete(f"/Users/{id}").status_code == 204

    assert [u["active"] for u in vendor.users()] == ([False] if kept else [])
    assert vendor.http.get(f"/Users/{id}").status_code == (200 if kept else 404)


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [
        ("slack_scim", 409, "username_taken"),
        ("atlassian", 409, "uniqueness"),
        ("aws_identity_center", 409, "ConflictException"),
        ("pagerduty_scim", 400, "uniqueness"),
        ("github_emu", 409, "taken"),
        ("sentry", 409, "already exists"),
    ],
)
def test_nobody_is_made_twice(at: Any, name: str, status: int, word: str) -> None:
    vendor = at(name)
    vendor.made()

    again = vendor.make()

    assert again.status_code == status and word in again.text and len(vendor.users()) == 1


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("slack_scim", {"emails": None}),
        ("atlassian", {"emails": None}),
        ("atlassian", {"emails": [{"value": "ines@somebody-elses.test"}]}),
        ("aws_identity_center", {"displayName": None}),
        ("aws_identity_center", {"name": {"givenName": "Inês"}}),
        ("aws_identity_center", {"emails": [{"value": "a@x.example", "primary": True}, {"value": "b@x.example"}]}),
        ("aws_identity_center", {"emails": [{"value": ADDRESS, "type": "work"}]}),
        ("pagerduty_scim", {"displayName": None}),
        ("pagerduty_scim", {"active": False}),
        ("github_emu", {"externalId": None}),
        ("github_emu", {"emails": [{"value": ADDRESS}]}),
        ("github_org_scim", {"name": None}),
        ("sentry", {"sentryOrgRole": "king"}),
    ],
)
def test_what_a_vendor_needs_is_needed(at: Any, name: str, lacking: dict[str, Any]) -> None:
    vendor = at(name)

    assert vendor.make(**lacking).status_code == 400 and vendor.users() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("atlassian", f'emails.value eq "{ADDRESS}"'),
        ("aws_identity_center", 'userName sw "ines"'),
        ("datadog_scim", 'externalId eq "0042"'),
        ("pagerduty_scim", 'displayName eq "Inês Duarte"'),
        ("github_emu", 'userName eq "a" or userName eq "b"'),
        ("sentry", 'id eq "1"'),
    ],
)
def test_filters_that_a_vendor_does_not_know_are_refused(at: Any, name: str, text: str) -> None:
    vendor = at(name)
    vendor.made()

    assert vendor.http.get("/Users", params={"filter": f'userName eq "{ADDRESS}"'}).json()["Resources"]
    assert vendor.http.get("/Users", params={"filter": text}).status_code == 400


def test_slack_makes_its_own_user_names_and_counts_for_the_whole_organisation(at: Any) -> None:
    slack = at("slack_scim")

    long = slack.make(userName="Maria.Wilhelmina.of-Aachen@juniperfinch.example").json()

    assert long["userName"] == "maria.wilhelmina.of-a"
    answers = [slack.make(userName=f"p{n}", emails=[{"value": f"p{n}@x.example"}]) for n in range(25)]
    assert {a.status_code for a in answers} == {201, 429} and len(slack.users()) == 1 + sum(
        a.status_code == 201 for a in answers
    )
    assert int(next(a for a in answers if a.status_code == 429).headers["Retry-After"]) >= 1
    assert slack.http.get("/Users").status_code == 200


def test_atlassian_takes_its_operations_in_small_letters_too(at: Any) -> None:
    atlassian = at("atlassian")
    id = atlassian.made(title="Clerk")
    body = {"schemas": [PATCH], "operations": [{"op": "replace", "path": "title", "value": "Chief"}]}

    assert atlassian.http.patch(f"/Users/{id}", json=body).json()["title"] == "Chief"


def test_aws_lists_nobodys_groups_and_changes_a_hundred_members_at_the_most(at: Any) -> None:
    aws = at("aws_identity_center")
    aws.control.limits(100_000)
    id = aws.made()
    group = aws.http.post("/Groups", json={"schemas": [GROUP], "displayName": "Staff"}).json()["id"]
    ids = [{"value": id}] * 101

    assert aws.patch(group, {"op": "add", "path": "members", "value": ids[:1]}, kind="Groups").is_success
    assert aws.patch(group, {"op": "add", "path": "members", "value": ids}, kind="Groups").status_code == 400
    assert aws.patch(group, {"op": "remove", "path": "members"}, kind="Groups").status_code == 400
    assert aws.patch(group, {"op": "replace", "path": "members", "value": []}, kind="Groups").status_code == 400
    assert "members" not in aws.http.get(f"/Groups/{group}").json()
    assert "groups" not in aws.http.get(f"/Users/{id}").json()
    asked = {"filter": f'id eq "{group}" and members eq "{id}"'}
    assert [g["id"] for g in aws.http.get("/Groups", params=asked).json()["Resources"]] == [group]


def test_aws_pages_by_cursor(at: Any) -> None:
    aws = at("aws_identity_center")
    aws.control.limits(100_000)
    for n in range(5):
        aws.made(userName=f"p{n}@juniperfinch.example", externalId=str(n))

    first = aws.http.get("/Users", params={"cursor": "", "count": 3}).json()
    last = aws.http.get("/Users", params={"cursor": first["nextCursor"], "count": 3}).json()

    assert [len(first["Resources"]), len(last["Resources"])] == [3, 2]
    assert "nextCursor" not in last and "totalResults" not in first


def test_github_hides_the_handle_of_the_suspended_and_shows_it_again(at: Any) -> None:
    emu = at("github_emu")
    id = emu.made()
    before = emu.users()[0]["login"]

    emu.inactive(id)
    hidden = emu.users()[0]["login"]
    emu.patch(id, {"op": "replace", "path": "active", "value": True})

    assert before == emu.users()[0]["login"] == "ines-duarte_jfinch" and "ines" not in hidden


@pytest.mark.parametrize("name", ["github_emu", "github_org_scim"])
def test_github_ignores_filters_in_paths_in_silence(at: Any, name: str) -> None:
    github = at(name)
    id = github.made()

    answer = github.patch(id, {"op": "replace", "path": 'emails[type eq "work"].value', "value": "new@x.example"})

    assert answer.status_code == 200 and github.users()[0]["emails"][0]["value"] == ADDRESS


def test_sentry_changes_nothing_of_a_member_and_makes_slugs_of_teams(at: Any) -> None:
    sentry = at("sentry")
    id = sentry.made()

    answer = sentry.patch(id, {"op": "replace", "path": "userName", "value": "new@x.example"})
    team = sentry.http.post("/Groups", json={"schemas": [GROUP], "displayName": "Tea & Paper"}).json()

    assert answer.status_code == 400 and sentry.http.put(f"/Users/{id}", json=INES).status_code == 405
    shown = sentry.http.get(f"/Users/{id}").json()
    assert (shown["userName"], shown["name"]["givenName"], team["displayName"]) == (ADDRESS, "N/A", "tea-paper")


def test_zoom_wants_its_media_type_and_a_token_of_its_account(sandbox: Sandbox) -> None:
    values = twins()["zoom_scim"].environment(f"{sandbox.url}/zoom_scim")
    client = values["ZOOM_CLIENT_ID"], values["ZOOM_CLIENT_SECRET"]
    form = {"grant_type": "account_credentials", "account_id": values["ZOOM_ACCOUNT_ID"]}

    wrong = httpx.post(values["ZOOM_OAUTH_URL"], data=form, auth=(client[0], "guessed"))
    token = httpx.post(values["ZOOM_OAUTH_URL"], data=form, auth=client).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    assert wrong.status_code == 401
    assert httpx.get(f"{values['ZOOM_SCIM_URL']}/Users", headers=headers).status_code == 406
    right = headers | {"Accept": "application/scim+json"}
    assert httpx.get(f"{values['ZOOM_SCIM_URL']}/Users", headers=right).status_code == 200


# Keyring's bulk


def bulk(sso: Vendor, *operations: dict[str, Any], **more: Any) -> httpx.Response:
    return sso.http.post("/Bulk", json={"schemas": [BULK], "Operations": list(operations), **more})


def post(number: str, name: str) -> dict[str, Any]:
    body = {"schemas": [USER], "userName": name}
    return {"method": "POST", "path": "/Users", "bulkId": number, "data": body}


def test_bulk_resolves_references_to_what_it_has_made(at: Any) -> None:
    sso = at("sso")
    if not SAMPLES.exists():
        pytest.skip("../shared/specs/scim is not here")
    asked = json.loads((SAMPLES / "rfc7644-3.7.2-bulk_request-temporary_identifier.json").read_text())

    told = sso.http.post("/Bulk", json=asked).json()["Operations"]

    assert [each["status"] for each in told] == ["201", "201"]
    alice = sso.http.get(told[0]["location"]).json()
    assert [m["value"] for m in sso.http.get(told[1]["location"]).json()["members"]] == [alice["id"]]
    assert told[0]["bulkId"] == asked["Operations"][0]["bulkId"]


def test_bulk_tells_each_failure_and_goes_on_or_stops_as_asked(at: Any) -> None:
    sso = at("sso")
    mixed = [post("1", "a"), post("2", "a"), {"method": "DELETE", "path": "/Users/nobody"}, post("3", "b")]

    told = bulk(sso, *mixed).json()["Operations"]
    stopped = bulk(sso, post("4", "c"), *mixed, failOnErrors=2).json()["Operations"]

    assert [each["status"] for each in told] == ["201", "409", "404", "201"]
    assert told[1]["response"]["scimType"] == "uniqueness"
    assert [each["status"] for each in stopped] == ["201", "409", "409"]
    assert {user["userName"] for user in sso.users()} == {"a", "b", "c"}


def test_bulk_has_bounds(at: Any) -> None:
    sso = at("sso")

    many = bulk(sso, *(post(str(n), f"p{n}") for n in range(1001)))
    large = bulk(sso, post("1", "x" * 1_100_000))

    assert (many.status_code, large.status_code) == (413, 413) and sso.users() == []
    assert bulk(sso, {"method": "POST", "path": "/Users", "data": {}}).json()["Operations"][0]["status"] == "400"
