"""Answers of systems without a description, with something else in each place in turn: told or read, never a crash."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connectors.errors import ConnectorError
from mappings.feed import FeedError, people_of
from tests.canned import places, put
from tests.hr_house import connected

SOMEBODY = {"darwinbox": "00117", "greythr": "117"}
STRANGE = (None, 5, {"a": [None]})
Asked = tuple[str, str, bytes]


class Replay:
    """What the twin answered, given again, but for one place in one answer."""

    def __init__(self, source: Any) -> None:
        old = source.http.client
        headers = {name: value for name, value in old.headers.items() if name != "accept-encoding"}
        self.real, self.kept = httpx.Client(), dict[Asked, tuple[int, Any]]()
        self.spoilt: tuple[Asked, tuple[Any, ...], Any] | None = None
        transport = httpx.MockTransport(self.answer)
        source.http.client = httpx.Client(transport=transport, base_url=old.base_url, headers=headers, auth=old.auth)
        source.http.sleep = lambda seconds: None

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = (request.method, str(request.url), request.read())
        if asked not in self.kept:
            real = self.real.send(request)
            self.kept[asked] = real.status_code, real.json()
        status, said = copy.deepcopy(self.kept[asked])
        if self.spoilt and self.spoilt[0] == asked:
            said = put(said, *self.spoilt[1:])
        return httpx.Response(status, json=said)

    def spoils(self) -> Iterator[tuple[Asked, tuple[Any, ...], Any]]:
        """Every kind of place of every answer, with each strange value; rows of a list are of one kind."""
        for asked, (_, said) in list(self.kept.items()):
            kinds = {tuple("*" if isinstance(name, int) else name for name in way): way for way in places(said)}
            yield from ((asked, way, value) for way in kinds.values() for value in STRANGE)


@pytest.fixture(params=sorted(SOMEBODY))
def replayed(request: pytest.FixtureRequest, sandbox: Any) -> Iterator[tuple[Any, Replay]]:
    sandbox.control(request.param).reset()
    source = connected(sandbox.environment, request.param)
    replay = Replay(source)
    yield source, replay
    replay.real.close()
    source.http.client.close()


@pytest.mark.parametrize("alone", [False, True])
def test_something_else_in_any_place_is_told_or_read(replayed: tuple[Any, Replay], alone: bool) -> None:
    source, replay = replayed

    def ask() -> int:
        frame = source.read_one(SOMEBODY[source.name]) if alone else source.read()
        assert all(frame[column].dtype == "string" for column in frame)
        feed = people_of(frame, source.rules)
        return len(feed.people) + len({row.row for row in feed.held})

    assert ask() == (1 if alone else 24)
    outcomes = []
    for spoilt in replay.spoils():
        replay.spoilt = spoilt
        try:
            outcomes.append(ask())
        except (ConnectorError, FeedError) as error:
            assert str(error).startswith((f"{source.name}: ", source.title))
            outcomes.append(-1)

    assert {-1, 1 if alone else 24} <= set(outcomes) <= {-1, 0, 1, 24, 25}  # one whose id is another is one more
