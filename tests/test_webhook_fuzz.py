"""Each vendor's events, bent in every way and signed all the same: what lies behind the signature bears any bytes."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlmodel import select

from connectors.hr.base import Signals
from connectors.hr.bearer import Bearer
from connectors.sandbox import Sandbox
from connectors.sandbox.deliveries import Letter
from flows.record.database import Database
from flows.record.tables import SignalRow
from flows.webhook_app import Door, usable
from flows.webhook_inbox import Inbox
from flows.webhook_line import Line
from tests.drills.engine import until
from tests.hr_house import connected
from tests.webhook_door import TOKEN
from tests.webhook_vendors import VENDORS, Vendor

SURE = "117"
ODD = [b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"0.1", b"-1", b'""', b'" "', b"[]", b"{}", b'{"id": 1}']
ODD += [b'["a", 1]', rb'"\ud800"', rb'"\u0000"', b'"\xff"', b"1" * 5000, b"[" * 60_000 + b"]" * 60_000]
ODD += [b'"' + b"9" * 300 + b'"', '"١١٧"'.encode(), b'"' + b"a" * 500_000 + b'"', b"17", b'{"a":' * 30_000 + b"1"]


class Fuzzed(NamedTuple):
    """A vendor and its door."""

    vendor: Vendor
    client: httpx.Client
    db: Database
    event: bytes
    """One that is right."""


@pytest.fixture(scope="module", params=VENDORS)
def fuzzed(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: Any) -> Iterator[Fuzzed]:
    vendor, folder = VENDORS[request.param], tmp_path_factory.mktemp(request.param)
    source = Bearer("hr", SecretStr(TOKEN)) if vendor.name == "signals" else known(sandbox, vendor)
    db = Database(f"sqlite:///{folder / 'record.db'}")
    db.migrate()
    door = Door(lambda name: source if name == vendor.name else None, Inbox(db), folder)
    server = uvicorn.Server(uvicorn.Config(door.app(), http=Line, port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    until(lambda: server.started, "the door is open")
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        yield Fuzzed(vendor, client, db, vendor.letter(SURE).body)
    server.should_exit = True
    thread.join()
    db.close()


def known(sandbox: Sandbox, vendor: Vendor) -> Signals:
    """The vendor's source with the secret of the twin."""
    source = connected(sandbox.environment, vendor.hr)
    assert isinstance(source, Signals)
    return source


def marks(text: bytes) -> list[int]:
    """Where a value of a JSON text begins: behind each colon."""
    return [at + 1 for at, each in enumerate(text) if each == ord(":") and text[at - 1 : at] == b'"']


@st.composite
def bent(draw: st.DrawFn, body: bytes) -> bytes:
    """An event of which something is wrong."""
    how = draw(st.sampled_from(["value", "twice", "cut", "flip", "encoded", "wrapped", "replaced", "bytes"]))
    if how == "value" and marks(body):
        at = draw(st.sampled_from(marks(body)))
        end = min(e for e in (body.find(b",", at), body.find(b"}", at), len(body)) if e >= at)
        return body[:at] + draw(st.sampled_from(ODD)) + body[end:]
    if how == "twice":
        names = [name.encode() for name in named(body)] or [b"a"]
        return b'{"' + draw(st.sampled_from(names)) + b'":' + draw(st.sampled_from(ODD)) + b"," + body[1:]
    if how == "cut":
        return body[: draw(st.integers(0, len(body)))]
    if how == "flip":
        at = draw(st.integers(0, len(body) - 1))
        return body[:at] + draw(st.binary(min_size=1, max_size=3)) + body[at + 1 :]
    if how == "encoded":
        return body.decode().encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037"])))
    if how == "wrapped":
        return draw(st.sampled_from([b"[", b" ", b"\n\n{", b"{" * 5000])) + body
    return draw(st.sampled_from(ODD)) if how == "replaced" else draw(st.binary(max_size=200))


def named(body: bytes) -> list[str]:
    """The names at the top of an object."""
    try:
        return list(json.loads(body))
    except ValueError:
        return []


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_signed_event_however_bent_is_no_fault_of_ours(
    fuzzed: Fuzzed, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    vendor = fuzzed.vendor
    body = data.draw(bent(fuzzed.event))

    answer = fuzzed.client.post(vendor.path, content=body, headers=vendor.proof(body))

    assert answer.status_code in (200, 400, 401)
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_event_that_nobody_signed_is_never_believed(fuzzed: Fuzzed, data: st.DataObject) -> None:
    vendor = fuzzed.vendor
    body = data.draw(bent(vendor.bare(Letter("", fuzzed.event, {})).body))
    names = st.sampled_from([*vendor.proof(b""), "Content-Type", "X-Forwarded-For", "Cookie"])
    values = st.binary(max_size=40).map(lambda each: bytes(c for c in each if c > 32 and c != 127))
    headers = data.draw(st.dictionaries(names, values, max_size=4))
    before = number(fuzzed.db)

    answer = fuzzed.client.post(vendor.path, content=body, headers=headers)  # type: ignore[arg-type]

    assert answer.status_code in (400, 401) or body.strip() in PINGS
    assert number(fuzzed.db) == before


PINGS = (b"Ping test", b'{"text":"Ping test"}')


def number(db: Database) -> int:
    with db.session() as session:
        return len(session.exec(select(SignalRow.id)).all())


def test_only_ids_that_can_be_ids_were_kept(fuzzed: Fuzzed) -> None:
    with fuzzed.db.session() as session:
        rows = session.exec(select(SignalRow.people)).all()

    assert [each for people in rows for each in people if not usable(each)] == []
    assert fuzzed.client.get("/health").status_code == 200
