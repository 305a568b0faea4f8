"""Servers for the connector tests: one that answers as a test scripts it, and scim2-server as its own process."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text) if self.text else None


@dataclass
class Said:
    """One answer. Status 0 hangs up without a word."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[Asked], Said]


class Scripted:
    """A real HTTP server whose answers are a function of the request."""

    def __init__(self, script: Script) -> None:
        self.script, self.asked = script, list[Asked]()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def parse_request(self) -> bool:
                whole = super().parse_request()
                if whole:
                    self.answer()
                    self.command = "DONE"
                return whole

            def do_DONE(self) -> None:  # noqa: N802
                """Answered while parsing, whatever the verb."""

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                sent = self.rfile.read(length).decode()
                asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), self.headers, sent)
                owner.asked.append(asked)
                self.say(owner.script(asked))

            def say(self, said: Said) -> None:
                if not said.status:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                raw = said.body if isinstance(said.body, str) else "" if said.body is None else json.dumps(said.body)
                self.send_response_only(said.status)
                kind = "text/html" if isinstance(said.body, str) else "application/json"
                for name, value in ({"Content-Type": kind} | said.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw.encode())))
                self.end_headers()
                self.wfile.write(raw.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler

    def __enter__(self) -> Scripted:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def scim2_server(token: str, *words: str) -> Iterator[str]:
    """The SCIM server of python-scim, started as its own process with these further words; gives its base URL."""
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("scim2-server")),
        "--port",
        str(port),
        "--bearer-token",
        token,
        *words,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_up(f"http://127.0.0.1:{port}/v2/Users", process)
        yield f"http://127.0.0.1:{port}/v2"
    finally:
        process.terminate()
        process.wait(10)


def until_up(url: str, process: subprocess.Popen[bytes], patience: float = 20.0) -> None:
    """Return once the server answers anything at all."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.05)
    raise RuntimeError("the server did not start")


@contextlib.contextmanager
def emptied(url: str, token: str) -> Iterator[httpx.Client]:
    """Another client of a SCIM server, which is emptied afterwards."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client
        for kind in ("Users", "Groups"):
            for each in listed(client, kind):
                client.delete(f"/{kind}/{each['id']}")


def listed(raw: httpx.Client, kind: str) -> list[dict[str, Any]]:
    """All resources of a kind, straight from the server."""
    return list(raw.get(f"/{kind}", params={"count": 1000}).json().get("Resources", []))
