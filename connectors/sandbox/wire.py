"""One call to a twin and its answer, as plain as ASGI allows: this is the hot path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.routing import compile_path

from connectors.sandbox.store import Row, Store, Table


class Answer(NamedTuple):
    """What goes back. `headers` are name and value."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        listed = [(b"content-length", str(len(self.body)).encode())]
        if self.body:
            listed.append((b"content-type", self.content_type.encode()))
        return listed + [(name.encode(), value.encode("latin-1", "replace")) for name, value in self.headers]


def json_answer(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(status, orjson.dumps(value), "application/json", headers)


class Rejection(Exception):
    """A call that a twin refuses, with the answer that says so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(slots=True)
class Call:
    """One request, as a handler sees it."""

    method: str
    path: str
    """Below the twin's prefix."""
    query_string: str
    headers: Mapping[bytes, bytes]
    body: bytes
    store: Store
    today: date
    base: str
    """Address of the twin, for links."""
    params: dict[str, str] = field(default_factory=dict)
    wrong_first_hit: bool = False
    """Whether a search must put a stranger first."""

    def __getitem__(self, table: str) -> Table:
        return self.store[table]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def json(self) -> Row:
        """The body as a JSON object; ValueError where it is none."""
        value = orjson.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")
        return value

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


Handler = Callable[[Call], Answer]


class Route(NamedTuple):
    pattern: re.Pattern[str]
    methods: Mapping[str, Handler]


def route(path: str, **methods: Handler) -> Route:
    """A path as Starlette writes them (`/users/{id}`) and its handlers by method, in lower case."""
    return Route(compile_path(path)[0], {name.upper(): handler for name, handler in methods.items()})


def matched(routes: Sequence[Route], path: str) -> tuple[Route, dict[str, str]] | None:
    """The first route for a path, with the values in it."""
    for candidate in routes:
        if found := candidate.pattern.match(path):
            return candidate, found.groupdict()
    return None


def page_number(text: str | None, default: int, most: int, least: int = 1) -> int:
    """A page size or number from a query, kept within bounds; ValueError where it is no number."""
    return max(least, min(most, int(text))) if text else default
