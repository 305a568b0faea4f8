"""Somebody at a desk in HR: what a vendor's calls are made of. See tests/hr_calls.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.hr_house import connected

Desk = Any
"""What HR works with: a client that is signed in, or a file."""
State = dict[str, list[dict[str, Any]]]
"""What a twin holds."""


class Hr(NamedTuple):
    """One vendor's calls. Dates are ISO texts; the person goes by the id that HR gave."""

    desk: Callable[[Mapping[str, str]], AbstractContextManager[Desk]]
    hire: Callable[[Desk, str], str]
    """The first day."""
    move: Callable[[Desk, str], None]
    leave: Callable[[Desk, str, str], None]
    """The last day."""
    come_back: Callable[[Desk, str, str], None]
    """The first day again."""
    subscribe: Callable[[Desk, str, Path], None] | None = None
    """Have a URL called; the file is where the receiver leaves what the set-up needs."""
    empty: Callable[[Desk], None] | None = None
    """Everybody else left long ago: for systems that are read whole, whose daily sync would be about everybody."""
    enter: Callable[[Desk, str, str], None] | None = None
    """The work e-mail by hand, where nothing else can write it."""
    email: Callable[[State, str], str] = lambda state, key: str(row(state["people"], key).get("workEmail") or "")
    """The person's work e-mail as the twin holds it."""


def row(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next((each for each in rows if str(each["id"]) == key), {})


def client(name: str) -> Callable[[Mapping[str, str]], AbstractContextManager[httpx.Client]]:
    """A client with the credentials of the sample's hr/<name>.yaml."""

    @contextmanager
    def opened(values: Mapping[str, str]) -> Iterator[httpx.Client]:
        http = connected(values, name).http
        yield http.client
        http.close()

    return opened


def post(hr: httpx.Client, path: str, **body: Any) -> Any:
    """What is answered; httpx.HTTPStatusError where the vendor refuses."""
    return said(hr.post(path, json=body))


def put(hr: httpx.Client, path: str, **body: Any) -> Any:
    return said(hr.put(path, json=body))


def said(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    return answer.json() if "json" in answer.headers.get("content-type", "") else None


def today() -> date:
    """The date in UTC, by which the twins go: it has come in Lisbon, where she works, too."""
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)
