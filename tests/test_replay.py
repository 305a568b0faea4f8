"""The real table, cut to some sixty people with everybody who ever moved, replayed by date against scim2-server."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from bench.replay import CSV, Replay, Sso, replay, twice
from bench.stints import Table
from tests.connectors_servers import Asked, Said, Scripted

EVERY = 6  # of those who never moved, one in so many stays in the cut
SAMPLED = 12

pytestmark = pytest.mark.skipif(not CSV.is_file(), reason="../shared/data/adventureworks is not here")


def cut(path: Path) -> Path:
    """A copy of the table with all who moved, the first who was hired, and one in EVERY of the others."""
    table = Table(CSV)
    kept = {move.person for move in table.moves()} | set(table.users(table.sampled(1)[0]))
    with CSV.open(encoding="utf-8", newline="") as file, path.open("w", encoding="utf-8", newline="") as copy:
        rows = csv.DictReader(file)
        writer = csv.DictWriter(copy, rows.fieldnames or [])
        writer.writeheader()
        writer.writerows(row for n, row in enumerate(rows) if n % EVERY == 0 or row["EmployeeNumber"] in kept)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("table") / "employees.csv")


@pytest.fixture(scope="module")
def replayed(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    yield replay(tmp_path_factory.mktemp("replay"), table, Table(table).dates(SAMPLED), print)


def test_the_timeline_reaches_from_2006_to_2014_with_the_day_of_each_move(table: Path) -> None:
    dates = Table(table).dates(SAMPLED)
    assert (dates[0].year, dates[-1].year) == (2006, 2014)
    assert len(dates) >= SAMPLED
    assert {move.on for move in Table(table).moves()} <= set(dates)


def test_every_stint_that_a_move_ends_is_seen_before(table: Path) -> None:
    dates = Table(table).dates(2)
    for stints in Table(table).by_person().values():
        assert all(any(stint.covers(day) for day in dates) for stint in stints[:-1])


def test_on_every_date_the_server_holds_what_the_table_says(replayed: Replay) -> None:
    assert {day.on: day.wrong for day in replayed.days} == {day.on: [] for day in replayed.days}
    assert [day.people for day in replayed.days] == sorted(day.people for day in replayed.days)


def test_every_run_is_completed(replayed: Replay) -> None:
    assert {state for day in replayed.days for state in day.states} == {"Completed"}


def test_each_of_the_six_moves_is_a_mover_run(replayed: Replay) -> None:
    assert [(moved.move.person, moved.wrong) for moved in replayed.moves] == [
        (person, "") for person in ("AW0016", "AW0004", "AW0250", "AW0224", "AW0250", "AW0234")
    ]
    assert all("change_access" in moved.run for moved in replayed.moves)


def test_the_evidence_is_intact(replayed: Replay) -> None:
    assert replayed.evidence_ok
    assert replayed.evidence.endswith("packets, chain intact")
    assert replayed.ok


def test_only_those_who_are_due_get_a_run(replayed: Replay, table: Path) -> None:
    runs = sum(sum(day.states.values()) - 1 for day in replayed.days)
    assert runs == len(Table(table).by_person()) + 6


def test_the_comparison_sees_what_is_wrong() -> None:
    users = [
        {"id": "1", "userName": "ann", "externalId": "A", "active": True},
        {"id": "2", "userName": "ben", "externalId": "B", "active": False},
        {"id": "3", "userName": "ANN", "externalId": "A", "active": True},
    ]
    groups = [{"id": "g", "displayName": "Sales", "members": [{"value": "1"}, {"value": "2"}]}]

    def script(asked: Asked) -> Said:
        found = users if asked.path == "/Users" else groups
        return Said(body={"totalResults": len(found), "Resources": found})

    with Scripted(script) as server:
        sso = Sso(server.url, "token")
        with sso.client:
            wrong = sso.differences({"A": "ann", "B": "ben"}, {"Sales": {"A"}})

    assert wrong == [
        "users: A: the table says ann, the server shows ANN",
        "users: B: the table says ben, the server shows nothing",
        "groups: Sales: the table says A, the server shows A, B",
        "account ann is there 2 times",
        "employee A is there 2 times",
    ]


def test_dates_are_spread_evenly() -> None:
    days = Table(CSV).sampled(12)
    gaps = {(b - a).days for a, b in zip(days, days[1:], strict=False)}
    assert max(gaps) - min(gaps) <= 1
    assert days[-1] - days[0] > timedelta(days=2700)
    assert twice("day", [str(day) for day in days]) == []
    assert days[0] == date(2006, 6, 30)
