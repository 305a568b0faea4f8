"""Answers of systems without a description, spoilt in any one place: told or read, never a crash."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError
from mappings.feed import FeedError, people_of
from tests.canned import places, put
from tests.hr_house import connected

SCALARS = st.none() | st.booleans() | st.integers(-2, 10**6) | st.floats(allow_nan=False) | st.text(max_size=12)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)
PAGES = {"greythr": {"page_size": 7}}
SOMEBODY = {"darwinbox": "00117", "greythr": "117"}


class Replay:
    """What the twin answered, given again; one answer of a question may have anything in any one place."""

    def __init__(self, source: Any) -> None:
        old = source.http.client
        headers = {name: value for name, value in old.headers.items() if name != "accept-encoding"}
        self.real, self.kept = httpx.Client(), dict[tuple[str, str, bytes], tuple[int, Any]]()
        self.turn, self.place, self.value = 0, 0, None
        transport = httpx.MockTransport(self.answer)
        source.http.client = httpx.Client(transport=transport, base_url=old.base_url, headers=headers, auth=old.auth)
        source.http.sleep = lambda seconds: None

    def spoil(self, turn: int, place: int, value: Any) -> None:
        """From now on, in the answer of this turn: its n-th place, counted as often around as it takes."""
        self.turn, self.place, self.value = turn, place, value

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = (request.method, str(request.url), request.read())
        if asked not in self.kept:
            real = self.real.send(request)
            self.kept[asked] = real.status_code, real.json()
        status, said = copy.deepcopy(self.kept[asked])
        self.turn -= 1
        if self.turn == 0:
            ways = sorted(places(said), key=lambda way: (len(way), repr(way)))
            said = put(said, ways[self.place % len(ways)], self.value)
        return httpx.Response(status, json=said)


@pytest.fixture(params=sorted(SOMEBODY))
def replayed(request: pytest.FixtureRequest, sandbox: Any) -> Iterator[tuple[Any, Replay]]:
    sandbox.control(request.param).reset()
    source = connected(sandbox.environment, request.param, **PAGES.get(request.param, {}))
    replay = Replay(source)
    try:
        assert len(source.read()) == 24 and len(source.read_one(SOMEBODY[request.param])) == 1
        yield source, replay
    finally:
        replay.real.close()
        source.http.client.close()


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alone=st.booleans(), turn=st.integers(1, 20), place=st.integers(0, 10**4), value=ANYTHING)
def test_a_spoilt_answer_is_told_or_read(
    replayed: tuple[Any, Replay], alone: bool, turn: int, place: int, value: Any
) -> None:
    source, replay = replayed
    replay.spoil(turn, place, value)
    try:
        frame = source.read_one(SOMEBODY[source.name]) if alone else source.read()
        feed = people_of(frame, source.rules)
    except (ConnectorError, FeedError) as error:
        assert str(error).startswith((f"{source.name}: ", source.title))
    else:
        assert all(frame[column].dtype == "string" for column in frame)
        assert {*feed.people["employee_id"], *(row.employee_id for row in feed.held)} or alone
