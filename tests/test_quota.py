"""Rate limits that all workers keep together, and the share that only leavers may use."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from pydantic import ValidationError
from record_databases import fresh_database

from connectors.quota import COUNT, JITTER, MOMENT, SLACK, Files, Memory, Shelf, Turns, reserve, window
from flows.quota import Rows
from flows.record.database import Database
from mappings.vocabulary import Limits

PER_MINUTE = Limits(requests=20, per="minute")


class Hand:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def turns(
    clock: Hand, *limits: Limits, shelf: Shelf | None = None, urgent: bool = True, patience: float = 10_000
) -> Turns:
    return Turns("crm", limits, shelf or Memory(), urgent, patience, clock.now, clock.sleep)


def moments(clock: Hand, mine: Turns, count: int, call: str = "GET /Users") -> list[float]:
    """When each of so many calls was let out, from the first on."""
    begin, out = clock.at, []
    for _ in range(count):
        assert mine.take(call)
        out.append(clock.at - begin)
    return out


def most_in(out: list[float], seconds: float) -> int:
    """The most calls in any window of this length."""
    return max(sum(start <= at < start + seconds for at in out) for start in out)


def test_no_window_holds_more_than_the_limit_and_none_is_left_empty() -> None:
    out = moments(clock := Hand(), turns(clock, PER_MINUTE), 100)

    assert most_in(out, 60) == 20
    assert out[-1] < 4 * 60 * (1 + SLACK) + 5 * JITTER  # 100 calls fill five windows; the fifth begins after four


def test_a_burst_refills_at_the_pace_of_the_limit() -> None:
    out = moments(clock := Hand(), turns(clock, Limits(requests=600, per="minute", burst=180)), 600)

    assert most_in(out, 0.001) == 180
    assert most_in(out, 60) <= 600
    assert out[-1] < 3 * 18 * (1 + SLACK) + 4 * JITTER  # 180 calls refill in 18 s


def test_only_the_calls_it_is_about_count() -> None:
    clock = Hand()
    mine = turns(clock, Limits(requests=2, per="hour", calls="^POST /Users"))

    assert moments(clock, mine, 50, "GET /Users")[-1] == 0
    assert moments(clock, mine, 3, "POST /Users")[-1] >= 3600


def test_patience_ends_without_a_reservation() -> None:
    clock = Hand()
    shelf, hourly = Memory(), Limits(requests=1, per="hour")
    hasty, patient = (turns(clock, hourly, shelf=shelf, patience=seconds) for seconds in (3599, 3700))

    assert hasty.take("GET /") and not hasty.take("GET /")
    assert patient.take("GET /") and clock.at - 1_000_000 < 3700


def test_a_share_is_left_for_leavers() -> None:
    clock, shelf = Hand(), Memory()
    others, leaver = (turns(clock, PER_MINUTE, shelf=shelf, urgent=urgent, patience=0) for urgent in (False, True))

    taken = sum(others.take("GET /") for _ in range(100))

    assert taken == 19
    assert sum(leaver.take("GET /") for _ in range(100)) == 1
    assert clock.at == 1_000_000


def test_a_clock_set_back_stops_nobody() -> None:
    part = window("crm", 0, Limits(requests=1, per="minute"))
    ring = bytearray(COUNT.size + MOMENT.size)

    assert reserve(ring, part, 5000.0, 5000.0) == 5000.0
    assert reserve(ring, part, 1000.0, 1000.0) == 1000.0  # an hour and more before the last call
    assert reserve(ring, part, 1001.0, 1001.0) is None


def test_a_limit_that_is_changed_begins_anew(tmp_path: Path) -> None:
    clock, shelf = Hand(), Files(tmp_path)

    assert moments(clock, turns(clock, PER_MINUTE, shelf=shelf), 20)[-1] == 0
    assert moments(clock, turns(clock, Limits(requests=30), shelf=shelf), 30)[-1] == 0


def test_a_look_keeps_limits_that_are_kept_and_makes_no_file(tmp_path: Path) -> None:
    look = Turns("crm", [Limits(requests=2, per="hour")], Files(tmp_path, looking=True), True, 0)
    assert [look.take("GET /") for _ in range(3)] == [True, True, False]
    assert not list(tmp_path.iterdir())

    worker = Turns("crm", [Limits(requests=2, per="hour")], Files(tmp_path), True, 0)
    assert worker.take("GET /")
    assert [look.take("GET /") for _ in range(2)] == [True, False]


def test_threads_share_it(tmp_path: Path) -> None:
    workers = [Turns("crm", [Limits(requests=50, per="hour")], Files(tmp_path), True, 0) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda n: workers[n % 8].take("GET /"), range(200)))

    assert taken == 50


def grab(shelf: Callable[[], Shelf], calls: int, start: Barrier, out: multiprocessing.Queue[int]) -> None:
    """How many of so many calls one process may make, where that is the limit of three."""
    mine = Turns("crm", [Limits(requests=calls, per="hour")], shelf(), True, 0)
    start.wait(60)
    out.put(sum(mine.take("GET /") for _ in range(calls)))


def together(shelf: Callable[[], Shelf], calls: int) -> int:
    """Calls that three processes may make in all, at the same time."""
    spawn = multiprocessing.get_context("spawn")
    out, start = spawn.Queue(), spawn.Barrier(3)
    workers = [spawn.Process(target=grab, args=(shelf, calls, start, out)) for _ in range(3)]
    for worker in workers:
        worker.start()
    taken = sum(out.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    return taken


def on_rows(url: str) -> Shelf:
    return Rows(Database(url))


def test_processes_share_it(tmp_path: Path) -> None:
    assert together(partial(Files, tmp_path), 4000) == 4000


def test_hosts_share_it_through_postgresql(tmp_path: Path) -> None:
    with fresh_database("postgres", tmp_path) as db:
        assert together(partial(on_rows, db.url.render_as_string(hide_password=False)), 300) == 300


def test_a_limit_without_sense_is_refused() -> None:
    with pytest.raises(ValidationError, match="no regular expression"):
        Limits(requests=1, calls="(")
