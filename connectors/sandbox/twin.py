"""What all twins have in common: authentication, limits, faults, latency and a log around their handlers."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, cast

from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.possessions import Possessions, given, tables
from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.store import Row, Store, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, matched

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
LOG_LENGTH = 200_000
PAUSES = {"timeout", "lost-answer"}


class Clock:
    """The date the company's HR system believes in; the real one until it is set."""

    def __init__(self) -> None:
        self.set_to: date | None = None

    def today(self) -> date:
        return self.set_to or datetime.now(UTC).date()


class Seen(NamedTuple):
    """One request in the log. `at` is in monotonic seconds, `wall` in seconds since 1970."""

    at: float
    wall: float
    method: str
    path: str
    query: str
    status: int
    duration: float
    fault: str | None

    def shown(self) -> Row:
        iso = datetime.fromtimestamp(self.wall, UTC).isoformat()
        return self._asdict() | {"iso": iso, "time": self.at}


class Twin:
    """A vendor's server as one ASGI app. A twin is its tables, its routes, and how it says no."""

    name: str
    quotas: Sequence[Limit] = (Limit(50),)
    """Published limits, in the vendor's own terms; a request must fit into all that count it."""
    settable: Mapping[str, Sequence[Any]] = {}
    """Attribute that tests may set -> the values it may have."""
    possessions: Possessions = {}
    """Table -> what of it belongs to accounts."""

    def __init__(self, name: str, prefix: str, clock: Clock) -> None:
        self.name, self.prefix, self.clock = name, prefix, clock
        self.routes: Sequence[Route] = self.make_routes()
        self.store = Store(self.make_tables() | tables(self.possessions))
        self.faults = Faults()
        self.log: deque[Seen] = deque(maxlen=LOG_LENGTH)
        self.latency = 0.0
        self.keep_to(self.quotas)

    # what each twin says for itself

    def make_tables(self) -> dict[str, Table]:
        raise NotImplementedError

    def make_routes(self) -> Sequence[Route]:
        raise NotImplementedError

    def seed(self) -> None:
        """Put in what the vendor or the company has there from the first day."""

    def authorise(self, call: Call) -> None:
        """Reject a call without the right credentials."""

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        """The vendor's shape of an error."""
        return Answer(status, message.encode(), "text/plain", headers)

    def malformed(self, error: ValueError) -> Answer:
        """The answer to a request that cannot be read."""
        return self.problem(400, f"malformed request: {error}")

    def state(self) -> dict[str, list[Row]]:
        """All objects by table, as control shows them."""
        return {name: list(table.rows.values()) for name, table in self.store.tables.items()}

    def account_id(self, key: str) -> str | int | None:
        """The id of the account with this key (user name, address, login); None where there is none."""
        return None

    def give(self, what: str, to: str, items: list[Row]) -> list[Row]:
        """Let an account own things: `what` is one of `possessions`. ValueError where that cannot be."""
        account = self.account_id(to)
        if what not in self.possessions or account is None:
            known = ", ".join(self.possessions) or "nothing"
            raise ValueError(f"{self.name} has {known} to give, to accounts that are there")
        return given(self.store[what], self.possessions[what], account, items)

    # the way of a call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, wall = time.monotonic(), time.time()
        body = await read_body(receive)
        query = scope["query_string"].decode("latin-1")
        fault = self.faults.hitting(scope["method"], scope["path"], query)
        if self.latency:
            await asyncio.sleep(self.latency)
        answer = self.answer(self.call_of(scope, query, body), fault)
        if fault and fault.kind in PAUSES:
            await drop(receive, send, fault.seconds if fault.kind == "timeout" else 0)
        took = time.monotonic() - started
        status = 0 if fault and fault.kind in PAUSES else answer.status
        kind = fault.kind if fault else None
        self.log.append(Seen(started, wall, scope["method"], scope["path"], query, status, took, kind))
        if status:
            await send({"type": "http.response.start", "status": status, "headers": answer.raw_headers()})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def call_of(self, scope: Scope, query: str, body: bytes) -> Call:
        headers = dict(scope["headers"])
        base = f"http://{headers.get(b'host', b'localhost').decode('latin-1')}{self.prefix}"
        path = scope["path"][len(self.prefix) :]
        return Call(scope["method"], path, query, headers, body, self.store, self.clock.today(), base)

    def answer(self, call: Call, fault: Fault | None) -> Answer:
        """The answer to a call, and the write it asks for, as far as the fault lets it happen."""
        try:
            self.authorise(call)
            self.count(call)
            if fault:
                self.spoil(call, fault)
            return self.dispatch(call)
        except Rejection as no:
            return no.answer
        except ValueError as error:
            return self.malformed(error)

    def keep_to(self, quotas: Sequence[Limit]) -> None:
        """Count from now on, and by these limits."""
        self.meters = [Meter(limit) for limit in quotas]

    def count(self, call: Call) -> None:
        """Keep to the limits; one that is used up does not spare the others."""
        line = f"{call.method} {call.path}"
        waits = [(meter.wait(), meter) for meter in self.meters if meter.counts(line)]
        wait, meter = max(waits, key=lambda each: each[0], default=(0.0, None))
        if wait and meter:
            raise Rejection(self.over(meter, wait))

    def over(self, meter: Meter, wait: float) -> Answer:
        """The vendor's answer to a request beyond a limit, `wait` seconds too early."""
        return self.problem(429, "rate limit exceeded", ("Retry-After", str(max(1, math.ceil(wait)))))

    def sign_in(self, user_name: str) -> Row | None:
        """A session of this user, where the vendor has sessions and lets the user in."""
        return None

    def spoil(self, call: Call, fault: Fault) -> None:
        """Do what the fault asks before the handler runs."""
        if fault.kind.isdigit():
            wait = (("Retry-After", f"{fault.seconds:g}"),) if fault.kind == "429" else ()
            raise Rejection(self.problem(int(fault.kind), "injected fault", *wait))
        if fault.kind == "429-no-retry-after":
            raise Rejection(self.problem(429, "rate limit exceeded"))
        if fault.kind == "over":
            raise Rejection(self.over(self.meters[0], fault.seconds))
        if fault.kind == "timeout":
            raise Rejection(Answer(0))
        if fault.kind == "silent-noop":
            call.store = self.store.fork()
        if fault.kind == "slow-replica" and call.method in ("GET", "HEAD"):
            call.store = self.store.replica()
        call.wrong_first_hit = fault.kind == "wrong-first-hit"

    def dispatch(self, call: Call) -> Answer:
        found = matched(self.routes, call.path)
        if not found:
            raise Rejection(self.problem(404, f"no such resource: {call.path}"))
        handlers, call.params = found[0].methods, found[1]
        handler = handlers.get("GET" if call.method == "HEAD" else call.method)
        if not handler:
            allow = ("Allow", ", ".join(handlers))
            raise Rejection(self.problem(405, f"{call.method} is not allowed here", allow))
        return handler(call)


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def drop(receive: Receive, send: Send, hold: float) -> None:
    """Cut the connection after `hold` seconds without a word, as a broken network does."""
    await asyncio.sleep(hold)
    cast(Any, send).__self__.transport.abort()  # uvicorn's request cycle; ASGI has no word for this
    while (await receive())["type"] != "http.disconnect":
        pass
