"""What strangers can do with a connection: heads without end, calls that drip, more connections than there is room."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import text

from connectors.hr.bearer import Bearer
from flows import webhook_line
from flows.record import signals
from flows.record.database import Database
from flows.record.signals import Signal
from flows.webhook_app import LONG_AT_ONCE, MOST_BYTES, SMALL, Door
from flows.webhook_inbox import Inbox
from tests.drills.engine import until

TOKEN = "token-of-the-tests"
POST = b"POST /signals HTTP/1.1"
CHUNKED = b"\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'record.db'}")
    found.migrate()
    yield found
    found.close()


@pytest.fixture
def port(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A door in this process, with little room."""
    monkeypatch.setattr(webhook_line, "CONNECTIONS", 20)
    door = Door(lambda name: Bearer("hr", SecretStr(TOKEN)) if name == "signals" else None, Inbox(db), tmp_path)
    config = uvicorn.Config(door.app(), http=webhook_line.Line, port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    until(lambda: server.started, "the door is open")
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_line, "SECONDS", 0.5)


def line(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def ended(stranger: socket.socket) -> bytes:
    """What was answered before the line was closed; it raises where nobody closes it."""
    came = b""
    try:
        while piece := stranger.recv(65536):
            came += piece
    except ConnectionError:
        pass
    return came


def pour(stranger: socket.socket, begin: bytes, piece: bytes, times: int) -> int:
    """Send without end; how many pieces were taken until the line was cut."""
    stranger.sendall(begin)
    for number in range(times):
        try:
            stranger.sendall(piece)
        except ConnectionError:
            return number
    return times


def answers(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        POST + b"\r\n",
        POST + b"\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea",
        b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
    ],
    ids=["nothing", "a head", "a body", "a second call", "a call that was answered"],
)
@pytest.mark.usefixtures("impatient")
def test_a_call_that_does_not_end_is_ended(port: int, begin: bytes) -> None:
    with line(port) as stranger:
        stranger.sendall(begin)
        ended(stranger)

    assert answers(port)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (POST + b"\r\nHost: x\r\nX: ", b"a" * 65536),
        (POST + b"\r\nHost: x\r\n", b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000),
        (b"POST /" + b"a" * 1000, b"a" * 65536),
        (POST + CHUNKED + b"0\r\nX: ", b"a" * 65536),
        (POST + CHUNKED + b"1;x=", b"a" * 65536),
        (
            b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"10000\r\n" + b"a" * 65536 + b"\r\n",
        ),
    ],
    ids=["a header", "headers", "a path", "a trailer", "a chunk's extension", "a body that nobody reads"],
)
def test_what_comes_without_end_is_cut_off(port: int, begin: bytes, piece: bytes) -> None:
    with line(port) as stranger:
        assert pour(stranger, begin, piece, 1000) < 1000  # 64 MB

    assert answers(port)


def test_a_long_head_is_told_so(port: int) -> None:
    with line(port) as stranger:
        stranger.sendall(POST + b"\r\nHost: x\r\nX: " + b"a" * webhook_line.HEAD_BYTES)
        assert ended(stranger).startswith((b"HTTP/1.1 431", b""))

    assert answers(port)


@pytest.mark.parametrize(
    "call",
    [
        b"\x00\xff\xfe\r\n\r\n",
        b"POST /signals\r\n\r\n",
        b"POST /signals HTTP/9.9\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST http://elsewhere/signals HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /%ff%00%2e%2e/signals HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /signals\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /signals?%ff=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        POST + b"\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        POST + b"\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        POST + CHUNKED + b"zz\r\n",
        POST + b"\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_no_call_however_broken_is_a_fault_of_ours(port: int, call: bytes) -> None:
    with line(port) as stranger:
        stranger.sendall(call)
        stranger.shutdown(socket.SHUT_WR)
        answer = ended(stranger)

    assert not answer or 400 <= int(answer.split(b" ", 2)[1]) < 500
    assert answers(port)


@pytest.mark.usefixtures("impatient")
def test_more_connections_than_there_is_room_for_are_dropped_and_the_rest_is_served(port: int) -> None:
    strangers = [line(port) for _ in range(30)]
    for stranger in strangers:
        ended(stranger)  # at once, or when its time is over
        stranger.close()

    assert answers(port)


def test_long_bodies_have_a_place_for_a_few_at_once_and_short_ones_always(port: int, db: Database) -> None:
    assert SMALL * webhook_line.CONNECTIONS + MOST_BYTES * LONG_AT_ONCE < 128 << 20
    body = b'{"id": "42"}' + b" " * (MOST_BYTES // 2)
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    assert httpx.post(f"http://127.0.0.1:{port}/signals", content=body, headers=bearer, trust_env=False).json() == {
        "stored": True
    }
    assert [row.people for row in signals.open_now(db, signals.now())] == [["42"]]


def test_what_is_answered_is_on_the_disk(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite syncs its log at each commit where synchronous is 2, FULL (sqlite.org/pragma.html#pragma_synchronous)."""
    seen: list[tuple[int, str]] = []
    plain = db.insert_all_new

    def looking(session, table, rows, key):  # type: ignore[no-untyped-def]
        ask = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")]
        seen.append((ask[0], ask[1]))
        return plain(session, table, rows, key)

    monkeypatch.setattr(db, "insert_all_new", looking)
    assert asyncio.run(Inbox(db).put(Signal("hr", "key", ["42"])))
    assert asyncio.run(Inbox(db).put(Signal("hr", "key", ["42"]))) is False
    assert seen == [(2, "wal")] * 2
