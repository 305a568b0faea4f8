"""All twins in one process: the ASGI app that picks the twin by its prefix, and the server around it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from datetime import date
from pathlib import Path

import uvicorn

from connectors.sandbox.archive import Archive
from connectors.sandbox.control import Control
from connectors.sandbox.crm import Crm
from connectors.sandbox.kinds import twins
from connectors.sandbox.twin import Clock, Receive, Scope, Send, Twin

COPIES = 50
CLOCK = "_clock"


class House:
    """The company's vendors under one roof."""

    def __init__(self, state: Path | None = None, latency: float = 0.0) -> None:
        self.clock, self.latency = Clock(), latency
        self.kinds: dict[str, type[Twin]] = {name: module.TWIN for name, module in twins().items()}
        self.archive = Archive(state)
        self.twins: dict[str, Twin] = {}
        self.control = Control(self).app()
        for name in [*self.kinds, *self.archive.twins()]:
            self.twin(name)
        for _, _, row in self.archive.rows(CLOCK):
            self.clock.set_to = date.fromisoformat(row["today"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = scope["path"].split("/", 3)
        name = f"app-{parts[2]}" if parts[1] == "app" and len(parts) > 2 else parts[1]
        twin = self.twins.get(name) or self.twin(name)
        await (twin or self.control)(scope, receive, send)

    def twin(self, name: str) -> Twin | None:
        """The twin of this name, made when first asked for."""
        if name in self.twins:
            return self.twins[name]
        made = self.make(name)
        if made:
            self.twins[name] = made
        return made

    def make(self, name: str) -> Twin | None:
        kind, _, copy = name.partition("-")
        if name in self.kinds:
            twin = self.kinds[name](name, f"/{name}", self.clock)
        elif kind == "app" and copy.isdigit() and name == f"app-{int(copy)}" and 1 <= int(copy) <= COPIES:
            twin = Crm(name, f"/app/{copy}", self.clock)
        else:
            return None
        twin.latency = self.latency
        self.fill(twin)
        return twin

    def fill(self, twin: Twin) -> None:
        """Give a new twin what the state file has of it, or its seed."""
        known = list(self.archive.rows(twin.name))
        for table, key, row in known:
            twin.store[table].set(key, row)
        if self.archive.kept:
            twin.store.save_with(self.archive.saver(twin.name))
        if not known:
            twin.seed()

    def names(self) -> list[str]:
        return list(self.twins)

    def reset(self, name: str) -> None:
        self.archive.forget(name)
        fresh = self.make(name)
        if fresh:
            self.twins[name] = fresh

    def keep_clock(self) -> None:
        row = {"today": self.clock.set_to.isoformat()} if self.clock.set_to else None
        self.archive.saver(CLOCK)("clock", "today", row)


class Server(uvicorn.Server):
    """Says in one line where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()
        sys.stdout.write(f"sandbox listening on http://{host}:{port}\n")
        sys.stdout.flush()


def serve(port: int, state: Path | None, latency: float, until_stdin_closes: bool) -> None:
    """Serve on loopback until a signal comes (or the parent is gone)."""
    # asyncio turns Nagle off only where it sees the protocol; with it on, each answer takes 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        House(state, latency),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=2048,
    )
    server = Server(config)
    if until_stdin_closes:
        threading.Thread(target=stop_with_stdin, args=(server,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises the signal once more after it has stopped
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        server.run(sockets=[listener])


def stop_with_stdin(server: uvicorn.Server) -> None:
    """Stop when the pipe from the parent closes, which it does however the parent ends."""
    with suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin, whose lock a daemon thread would hold at exit
            pass
    server.should_exit = True
