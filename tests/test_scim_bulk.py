"""Many writes in few requests, at scim2-server (PyPI) and at servers that do bulk in their own way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from connectors_servers import Asked, Said, Scripted, emptied, listed, scim2_server

from connectors.base import Bulk, Outcome, Write, Written
from connectors.catalogue import connect
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.scim import Scim
from mappings.vocabulary import AppRules

TOKEN = "scim-token-4711"
RULES = {
    "title": "SSO",
    "tier": "sso",
    "connector": "scim",
    "owner": "it@juniperfinch.example",
    "attributes": {"userName": "{work_email}", "title": "{title}", "externalId": "{employee_id}"},
}
CONFIG: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": True},
    "bulk": {"supported": True, "maxOperations": 10, "maxPayloadSize": 1048576},
    "filter": {"supported": True, "maxResults": 200},
    "changePassword": {"supported": False},
    "sort": {"supported": True},
    "etag": {"supported": True},
    "authenticationSchemes": [],
}


def app_at(url: str, **options: Any) -> Scim:
    words = {"url": "${SSO_URL}", "auth": {"bearer": "${SSO_TOKEN}"}, "create_groups": True, **options}
    app = connect("sso", AppRules.model_validate(RULES | {"options": words}), {"SSO_URL": url, "SSO_TOKEN": TOKEN})
    assert isinstance(app, Scim) and isinstance(app, Bulk)
    app.http.sleep = lambda seconds: None
    return app


class Counted:
    """What an app sends, `VERB /path`."""

    def __init__(self, app: Scim) -> None:
        self.sent = list[str]()
        app.http.client.event_hooks = {"request": [self.note]}

    def note(self, request: httpx.Request) -> None:
        self.sent.append(f"{request.method} /{request.url.path.split('/')[2]}")


def somebody(number: int) -> dict[str, str]:
    return {"userName": f"p{number}@juniperfinch.example", "title": "Clerk", "externalId": str(number)}


def creates(*numbers: int) -> list[Write]:
    return [Write("create", attributes=somebody(n)) for n in numbers]


def written(app: Scim, writes: list[Write]) -> list[Written]:
    """All of them, batch by batch."""
    return [done for batch in app.batches(writes) for done in app.write_many(batch, looked=True)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """scim2-server, which takes ten operations in one bulk request."""
    config = tmp_path_factory.mktemp("scim2") / "config.json"
    config.write_text(json.dumps(CONFIG))
    with scim2_server(TOKEN, "--service-provider-config", str(config)) as base:
        yield base


@pytest.fixture
def raw(url: str) -> Iterator[httpx.Client]:
    """Another client of the same server, which is emptied afterwards."""
    with emptied(url, TOKEN) as client:
        yield client


def test_a_cohort_is_made_in_as_few_requests_as_the_server_allows(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    counted = Counted(app)

    done = written(app, creates(*range(25)))

    assert counted.sent == ["GET /ServiceProviderConfig", "POST /Bulk", "POST /Bulk", "POST /Bulk"]
    assert {d.outcome for d in done} == {Outcome.DONE}
    users = {u["id"]: u for u in listed(raw, "Users")}
    assert {d.id: d.write.attributes["userName"] for d in done} == {i: u["userName"] for i, u in users.items()}
    assert all(u["active"] for u in users.values())


def test_a_cohort_is_changed_switched_off_and_on_and_deleted(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    ids = [d.id for d in written(app, creates(*range(8)))]

    written(app, [Write("update", id, {"title": "Chief"}) for id in ids[:4]] + [Write("disable", id) for id in ids[4:]])
    titles = {u["id"]: (u["title"], u["active"]) for u in listed(raw, "Users")}
    written(app, [Write("enable", id) for id in ids[4:]] + [Write("delete", id) for id in ids[:4]])

    assert titles == {i: ("Chief", True) for i in ids[:4]} | {i: ("Clerk", False) for i in ids[4:]}
    assert {u["id"]: u["active"] for u in listed(raw, "Users")} == dict.fromkeys(ids[4:], True)


def test_many_join_and_leave_a_group_by_one_patch(url: str, raw: httpx.Client) -> None:
    app = app_at(url, members_per_call=20)
    ids = [d.id for d in written(app, creates(*range(30)))]
    app.grant(ids[0], "Staff")
    counted = Counted(app)

    done = written(app, [Write("grant", id, entitlement="Staff") for id in ids])
    joined = {m["value"] for g in listed(raw, "Groups") for m in g["members"]}
    written(app, [Write("revoke", id, entitlement="staff") for id in ids[:15]])

    assert counted.sent[:2] == ["PATCH /Groups"] * 2 and {d.outcome for d in done} == {Outcome.DONE}
    assert joined == set(ids)
    assert {m["value"] for g in listed(raw, "Groups") for m in g["members"]} == set(ids[15:])


def test_what_fails_among_many_fails_alone_with_its_own_error(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    _, there = app.create(somebody(1))
    app.create(somebody(2) | {"externalId": "another"})

    done = written(app, [*creates(1, 2, 3), Write("disable", "nobody"), Write("update", "nobody", {"title": "x"})])

    found = {d.write.attributes.get("userName", d.write.verb): d for d in done}
    assert (found["p1@juniperfinch.example"].outcome, found["p1@juniperfinch.example"].id) == (Outcome.ALREADY, there)
    assert isinstance(found["p2@juniperfinch.example"].outcome, Refused)
    assert found["p3@juniperfinch.example"].outcome is Outcome.DONE and found["disable"].outcome is Outcome.ALREADY
    assert len(listed(raw, "Users")) == 3
    assert isinstance(next(d for d in done if d.write.verb == "update").outcome, Refused)


def test_one_unknown_member_does_not_keep_the_others_out(url: str, raw: httpx.Client) -> None:
    app = app_at(url)
    ids = [d.id for d in written(app, creates(1, 2))]

    done = {d.id: d.outcome for d in written(app, [Write("grant", i, entitlement="Staff") for i in [*ids, "nobody"]])}

    assert {m["value"] for g in listed(raw, "Groups") for m in g.get("members", [])} >= set(ids)
    assert all(not isinstance(done[id], ConnectorError) for id in ids)


@pytest.mark.parametrize(
    "changed",
    [{"bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}}, {"patch": {"supported": False}}],
)
def test_a_server_that_announces_less_is_served_all_the_same(tmp_path: Path, changed: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changed))
    with scim2_server(TOKEN, "--service-provider-config", str(tmp_path / "config.json")) as base:
        app = app_at(base)
        ids = [d.id for d in written(app, creates(*range(3)))]
        app.update(ids[0], {"title": "Chief"})
        written(app, [Write("disable", id) for id in ids[1:]] + [Write("grant", id, entitlement="Staff") for id in ids])
        written(app, [Write("revoke", ids[2], entitlement="Staff")])
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}) as raw:
            users = {u["id"]: (u["title"], u["active"]) for u in listed(raw, "Users")}
            members = {m["value"] for g in listed(raw, "Groups") for m in g.get("members", [])}

    assert users == {ids[0]: ("Chief", True), ids[1]: ("Clerk", False), ids[2]: ("Clerk", False)}
    assert members == set(ids[:2])


# servers that do bulk in their own way


class Loose:
    """A server whose answers to bulk requests a test shapes; without that they are right."""

    def __init__(self) -> None:
        self.users = dict[str, dict[str, Any]]()
        self.config: Any = CONFIG
        self.bulks = list[int]()
        self.shape = lambda answers: Said(200, {"Operations": answers})

    def __call__(self, asked: Asked) -> Said:
        kind = asked.path.strip("/").partition("/")[0]
        if kind == "ServiceProviderConfig":
            return Said(200, self.config) if self.config else Said(404)
        if kind == "Bulk":
            self.bulks.append(len(asked.json["Operations"]))
            return self.shape([self.one(each) for each in asked.json["Operations"]])
        if asked.method == "POST":
            return Said(201, self.made(asked.json))
        return Said(200, {"totalResults": len(self.users), "Resources": list(self.users.values())})

    def made(self, body: dict[str, Any]) -> dict[str, Any]:
        id = str(len(self.users) + 1)
        self.users[id] = body | {"id": id}
        return self.users[id]

    def one(self, operation: dict[str, Any]) -> dict[str, Any]:
        made = self.made(operation["data"])
        return {"bulkId": operation["bulkId"], "method": "POST", "status": "201", "location": f"/Users/{made['id']}"}


@pytest.fixture
def loose() -> Loose:
    return Loose()


@pytest.fixture
def server(loose: Loose) -> Iterator[Scripted]:
    with Scripted(loose) as running:
        yield running


STRANGE = {
    "the status a number": lambda a: a | {"status": 201},
    "the status an object": lambda a: a | {"status": {"code": "201"}},
    "absolute locations": lambda a: a | {"location": f"https://sso.example/scim{a['location']}"},
    "no location": lambda a: {k: v for k, v in a.items() if k != "location"},
    "no bulkId, no location, in order": lambda a: {"status": "201", "response": {"id": a["location"][7:]}},
    "other letters": lambda a: {k.title() if k != "bulkId" else "BulkID": v for k, v in a.items()},
}


@pytest.mark.parametrize("way", STRANGE)
def test_answers_in_bulk_are_understood_however_they_are_written(loose: Loose, server: Scripted, way: str) -> None:
    loose.shape = lambda answers: Said(200, {"Operations": [STRANGE[way](a) for a in answers]})

    done = written(app_at(server.url), creates(1, 2, 3))

    assert [(d.id, d.outcome) for d in done] == [(str(n), Outcome.DONE) for n in (1, 2, 3)]


def test_answers_out_of_order_go_to_their_own_writes(loose: Loose, server: Scripted) -> None:
    loose.shape = lambda answers: Said(200, {"Operations": answers[::-1]})

    done = written(app_at(server.url), creates(1, 2, 3))

    assert {d.write.attributes["externalId"]: d.id for d in done} == {"1": "1", "2": "2", "3": "3"}


def test_a_write_that_no_answer_tells_of_is_not_taken_for_done(loose: Loose, server: Scripted) -> None:
    loose.shape = lambda answers: Said(200, {"Operations": answers[:2]})

    done = written(app_at(server.url), creates(1, 2, 3))

    assert [d.outcome for d in done[:2]] == [Outcome.DONE] * 2
    assert isinstance(done[2].outcome, Retryable) and "does not say what became of it" in str(done[2].outcome)


def test_after_a_lost_answer_every_write_is_unsure_and_none_is_sent_again(loose: Loose, server: Scripted) -> None:
    loose.shape = lambda answers: Said(0)

    done = written(app_at(server.url), creates(1, 2, 3))

    assert all(isinstance(d.outcome, Retryable) for d in done) and loose.bulks == [3] and len(loose.users) == 3


def test_a_request_that_is_too_large_after_all_is_halved(loose: Loose, server: Scripted) -> None:
    loose.one = lambda operation: operation  # type: ignore[method-assign]
    right = Loose.one

    def at_most_two(operations: list[dict[str, Any]]) -> Said:
        return Said(413) if len(operations) > 2 else Said(200, {"Operations": [right(loose, o) for o in operations]})

    loose.shape = at_most_two

    done = written(app_at(server.url), creates(*range(5)))

    assert {d.outcome for d in done} == {Outcome.DONE} and len(loose.users) == 5


def test_payloads_stay_below_what_is_announced(loose: Loose, server: Scripted) -> None:
    loose.config = CONFIG | {"bulk": {"supported": "true", "maxOperations": "1000", "maxPayloadSize": 700}}
    sizes = list[int]()
    plain = server.script

    def measured(asked: Asked) -> Said:
        sizes.append(len(asked.text.encode()) if asked.path == "/Bulk" else 0)
        return plain(asked)

    server.script = measured
    done = written(app_at(server.url), creates(*range(7)))

    assert len(done) == 7 and 0 < max(sizes) <= 700 and len(loose.bulks) >= 3


@pytest.mark.parametrize("config", [None, {"bulk": {"supported": False}}, ["nonsense"], {"bulk": "yes"}])
def test_without_an_announcement_there_is_no_bulk(loose: Loose, server: Scripted, config: Any) -> None:
    loose.config = config

    done = written(app_at(server.url), creates(1, 2))

    assert [d.outcome for d in done] == [Outcome.DONE] * 2 and loose.bulks == []


def test_bulk_that_is_announced_and_not_there_costs_one_try(loose: Loose, server: Scripted) -> None:
    loose.one = lambda operation: operation  # type: ignore[method-assign]
    loose.shape = lambda answers: Said(501)
    app = app_at(server.url)

    done = written(app, creates(1, 2)) + written(app, creates(3, 4))

    assert [d.outcome for d in done] == [Outcome.DONE] * 4 and loose.bulks == [2]
