"""The door for HR's calls: what comes in is proved, stored and answered; what it says is not used but to look again.

POST /webhooks/SOURCE   a vendor's webhook, proved by the vendor's own scheme
POST /signals           {"ids": ["117"]} from anything else, with `Authorization: Bearer TOKEN`
GET  /health
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.hr.base import NotBelieved, Signals
from flows.record.signals import Signal
from flows.webhook_inbox import Inbox

MOST_BYTES = 1 << 20
"""Of a body; the vendors' are a few kilobytes."""
MOST_PEOPLE = 10_000
LONGEST_ID = 200  # characters
READ_SECONDS = 10.0
STORE_SECONDS = 2.5  # Personio wants its answer within 3; a delivery that is sent again is dropped as a duplicate
SMALL = 64 << 10
"""Up to here every body has its place; of longer ones so many at once, since nobody has proved anything yet."""
LONG_AT_ONCE = 32
MOST_SETUP = 4096  # bytes of a set-up call; longer ones are not looked at before they are proved
KEPT_WORDS = 20  # of set-up calls, in the file for the operator
FRESH = 1.0  # seconds for which a source is used before it is looked for again
LOG = logging.getLogger("rollcall.webhook")
STRANGERS = logging.getLogger("rollcall.webhook.strangers")
"""What anybody can cause to be written; it must not fill the disk."""
LINES_A_MINUTE = 100
Find = Callable[[str], Signals | None]


class Seldom(logging.Filter):
    """The first lines of each minute."""

    minute, written = 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        minute = int(record.created // 60)
        self.written = 1 if minute != self.minute else self.written + 1
        self.minute = minute
        return self.written <= LINES_A_MINUTE


STRANGERS.addFilter(Seldom())


class Door:
    """The routes. `find`: the source of a name, `signals` for the generic one; None where there is no such."""

    def __init__(self, find: Find, inbox: Inbox, home: Path) -> None:
        self.find, self.inbox, self.home = find, inbox, home
        self.found: dict[str, tuple[float, Signals]] = {}
        self.long = 0
        """Long bodies that are being read."""
        self.keeping = threading.Lock()

    def app(self) -> Starlette:
        """The ASGI app."""
        routes = [
            Route("/health", self.health, methods=["GET"]),
            Route("/webhooks/{source}", self.vendor, methods=["POST"]),
            Route("/signals", self.anybody, methods=["POST"]),
        ]
        app = Starlette(routes=routes, exception_handlers={HTTPException: refusal, Exception: trouble})
        app.router.redirect_slashes = False
        return app

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def vendor(self, request: Request) -> Response:
        return await self.receive(request, request.path_params["source"])

    async def anybody(self, request: Request) -> Response:
        return await self.receive(request, "signals")

    async def receive(self, request: Request, name: str) -> Response:
        """Read, prove, store, answer."""
        source = await self.source(name)
        body = await self.body_of(request)
        headers = dict(request.headers)
        now = datetime.now(UTC)
        try:
            if len(body) <= MOST_SETUP and (reply := source.handshake(headers, body)):
                await asyncio.to_thread(self.keep, name, reply.keep)
                STRANGERS.info("%s: a set-up call was answered with %d", name, reply.status)
                return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)
            delivery = source.verify_webhook(headers, body, now)
        except NotBelieved as error:
            STRANGERS.warning("%s: a call was not believed: %s", name, error)
            raise HTTPException(401, "not believed") from None
        except Exception as error:  # what a stranger sends must not look like our fault; details only by type
            STRANGERS.warning("%s: a call was not understood: %s", name, type(error).__name__)
            raise HTTPException(400, "not understood") from None
        people = people_of(name, source, body)
        signal = Signal(name, delivery.key or uuid.uuid4().hex, people, delivery.at, now)
        return await self.store(signal)

    async def source(self, name: str) -> Signals:
        """Who proves calls to this name; 404 where there is nobody."""
        until, known = self.found.get(name, (0.0, None))
        if known is None or time.monotonic() > until:
            known = await asyncio.to_thread(self.find, name)
            if known is None:
                self.found.pop(name, None)
                raise HTTPException(404, "no such source of webhooks", CLOSE)
            self.found[name] = time.monotonic() + FRESH, known
        return known

    async def body_of(self, request: Request) -> bytes:
        """The raw body, not more than is allowed of it, and not for longer."""
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise HTTPException(415, "no content encoding is taken", CLOSE)
        said = request.headers.get("content-length", "")
        if said.isascii() and said.isdigit() and (len(said) > 12 or int(said) > MOST_BYTES):
            raise HTTPException(413, f"at most {MOST_BYTES} bytes are taken", CLOSE)
        body = bytearray()
        try:
            await asyncio.wait_for(self.read(request, body), READ_SECONDS)
        except TimeoutError:
            raise HTTPException(408, "the body did not come in time", CLOSE) from None
        except ClientDisconnect:
            raise HTTPException(400, "the body ended early", CLOSE) from None
        finally:
            self.long -= len(body) > SMALL
        return bytes(body)

    async def read(self, request: Request, body: bytearray) -> None:
        """Fill the body piece by piece; 413 as soon as it is too long, 503 where too many are long."""
        async for piece in request.stream():
            if len(body) <= SMALL < len(body) + len(piece):
                self.long += 1
            body += piece
            if len(body) > MOST_BYTES:
                raise HTTPException(413, f"at most {MOST_BYTES} bytes are taken", CLOSE)
            if len(body) > SMALL and self.long > LONG_AT_ONCE:
                raise HTTPException(503, "too many long calls at once; send it again", AGAIN | CLOSE)

    async def store(self, signal: Signal) -> Response:
        """The answer, once the signal is stored; 503 where that takes too long: then HR sends it again."""
        try:
            new = await asyncio.wait_for(self.inbox.put(signal), STORE_SECONDS)
        except Exception as error:
            LOG.error("%s: a call could not be stored: %s", signal.source, type(error).__name__)
            raise HTTPException(503, "not stored; send it again", AGAIN) from None
        LOG.info("%s: %d people%s", signal.source, len(signal.people), "" if new else ", a duplicate")
        return JSONResponse({"stored": new}, 200)

    def keep(self, name: str, words: str) -> None:
        """What the operator needs for the set-up, in a file that only its owner reads."""
        if not words:
            return
        file, line = self.home / "webhooks" / f"{name}.setup", " ".join(words.split())[:1000]
        line.encode()  # raises before the file is touched
        with self.keeping:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            lines = [each for each in file.read_text().splitlines() if each != line]
            file.write_text("\n".join([*lines, line][-KEPT_WORDS:]) + "\n")
        STRANGERS.warning("%s: what the set-up needs is in %s", name, file)


def people_of(name: str, source: Signals, body: bytes) -> list[str]:
    """The ids that a believed body names; 400 where it cannot be read."""
    try:
        ids = list(dict.fromkeys(str(each) for each in source.changed_ids(body)))
    except Exception as error:  # as above; the daily sync sees whoever it was about
        LOG.warning("%s: a believed call was not understood: %s", name, type(error).__name__)
        raise HTTPException(400, "not understood") from None
    if len(ids) > MOST_PEOPLE or not all(usable(each) for each in ids):
        raise HTTPException(400, "too many ids, or one that cannot be an id")
    return ids


def usable(person_id: str) -> bool:
    """Whether a text can be somebody's id."""
    return 0 < len(person_id) <= LONGEST_ID and person_id.isprintable() and person_id == person_id.strip()


CLOSE = {"Connection": "close"}
"""After an answer to a call that was not read whole."""
AGAIN = {"Retry-After": "30"}


async def refusal(request: Request, error: Exception) -> Response:
    """What is wrong, in a word."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def trouble(request: Request, error: Exception) -> Response:
    """A fault of ours: HR may send it again."""
    LOG.error("a call failed: %s", type(error).__name__)
    return JSONResponse({"error": "not stored; send it again"}, 503, AGAIN)
