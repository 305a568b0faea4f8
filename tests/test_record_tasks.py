"""Manual tasks, holds, marks and work addresses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from record_databases import KINDS, fresh_database

from flows.record import emails, holds, marks, tasks
from flows.record.database import Database
from flows.record.tables import TaskRow

DUE = datetime(2026, 3, 9, 17, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


def ask(db: Database, entitlement: str | None = None, person_id: str = "p1") -> tuple[TaskRow, bool]:
    words = ("Make a badge", "Ask the front desk", "facilities@acme.example")
    return tasks.open_task(db, person_id, "badges", "create account", entitlement, *words, "h1", "r1", DUE)


def test_a_task_is_open_once_for_the_same_thing(db: Database) -> None:
    first, created = ask(db)
    again, created_again = ask(db)
    other, created_other = ask(db, "garage")

    assert (created, created_again, created_other) == (True, False, True)
    assert again.id == first.id != other.id
    assert (first.due, first.owner) == (DUE, "facilities@acme.example")
    assert [t.id for t in tasks.open_tasks(db)] == [first.id, other.id]


def test_open_tasks_of_one_person(db: Database) -> None:
    ask(db)
    theirs, _ = ask(db, person_id="p2")

    assert [t.id for t in tasks.open_tasks(db, "p2")] == [theirs.id]


def test_a_done_task_can_be_asked_for_again(db: Database) -> None:
    row, _ = ask(db)

    done = tasks.close_task(db, row.id or 0, "done", "facilities@acme.example", "badge 17 handed out")
    again, created = ask(db)

    assert (done.state, done.closed_by, done.statement) == ("done", "facilities@acme.example", "badge 17 handed out")
    assert done.closed_at is not None
    assert created
    assert again.id != row.id


def test_done_needs_a_statement_or_proof(db: Database) -> None:
    row, _ = ask(db)

    with pytest.raises(ValueError, match="needs a statement or proof"):
        tasks.close_task(db, row.id or 0, "done", "somebody")
    assert len(tasks.open_tasks(db)) == 1
    tasks.close_task(db, row.id or 0, "done", "read-back", proof={"badge": "17"})

    assert tasks.open_tasks(db) == []


def test_a_closed_task_stays_closed_as_it_was(db: Database) -> None:
    row, _ = ask(db)
    tasks.close_task(db, row.id or 0, "declined", "first@acme.example", "not our badge")

    tasks.close_task(db, row.id or 0, "declined", "second@acme.example")
    with pytest.raises(ValueError, match="closed as declined by first@acme.example"):
        tasks.close_task(db, row.id or 0, "done", "second@acme.example", "I did it")

    kept = tasks.task(db, row.id or 0)
    assert kept is not None
    assert (kept.state, kept.closed_by) == ("declined", "first@acme.example")


@pytest.mark.parametrize(("task_id", "state", "error"), [(99, "void", KeyError), (1, "open", ValueError)])
def test_nonsense_is_refused(db: Database, task_id: int, state: str, error: type[Exception]) -> None:
    ask(db)

    with pytest.raises(error):
        tasks.close_task(db, task_id, state, "somebody")


def test_a_hold_stays_until_it_is_lifted(db: Database) -> None:
    placed = [holds.place(db, "p1", "feed", reason) for reason in ("no name", "no name", "no date")]
    holds.place(db, "p1", "human", "on a hunch")

    assert placed == [True, False, True]
    assert [(h.source, h.reason) for h in holds.held(db)] == [("feed", "no date"), ("human", "on a hunch")]
    assert [holds.lift(db, "p1", "feed", "mended"), holds.lift(db, "p1", "feed")] == [1, 0]
    assert [h.source for h in holds.held(db)] == ["human"]
    assert holds.lift(db, "p1") == 1
    assert holds.held(db) == []


def test_a_mark_is_what_was_set_last(db: Database) -> None:
    assert marks.get(db, "hire_date_check") is None
    for value in ({"looked": "2026-03-02T08:00:00Z", "n": [1, 2.5, None]}, "text", 0, False):
        marks.set(db, "hire_date_check", value)
        assert marks.get(db, "hire_date_check") == value
    marks.set(db, "hire_date_check", None)
    assert marks.get(db, "hire_date_check") is None


def test_a_mark_is_swapped_only_from_what_was_expected(db: Database) -> None:
    steps: list[tuple[Any, Any]] = [(None, {"b": 1, "a": 2}), (None, 1), ({"a": 2, "b": 1}, 2), (1, 3), (2, None)]

    assert [marks.swap(db, "m", *step) for step in steps] == [True, False, True, False, True]
    assert marks.get(db, "m") is None


def test_an_address_is_the_first_ones(db: Database) -> None:
    assert emails.reserve(db, "Ana.Łuczak@acme.example", "p1")
    assert emails.reserve(db, "ana.łuczak@ACME.example", "p1")
    assert not emails.reserve(db, "ana.łuczak@acme.example", "p2")
    assert emails.of_person(db, "p1") == ["Ana.Łuczak@acme.example"]
    assert emails.of_person(db, "p2") == []


def test_taken_addresses_are_told_as_they_were_asked(db: Database) -> None:
    emails.reserve(db, "ana@acme.example", "p1")
    many = [f"n{i}@acme.example" for i in range(1200)]

    assert emails.taken(db, ["ANA@acme.example", "bo@acme.example", *many]) == {"ANA@acme.example"}


def reserve_elsewhere(work: tuple[str, str]) -> list[str]:
    url, person = work
    db = Database(url)
    return [address for i in range(30) if emails.reserve(db, address := f"ana{i}@acme.example", person)]


def test_processes_never_get_the_same_address(db: Database) -> None:
    url = db.url.render_as_string(hide_password=False)

    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        got = list(pool.map(reserve_elsewhere, [(url, f"p{i}") for i in range(3)]))

    together = [address for addresses in got for address in addresses]
    assert sorted(together) == sorted(f"ana{i}@acme.example" for i in range(30))
    assert [sorted(emails.of_person(db, f"p{i}")) for i in range(3)] == [sorted(addresses) for addresses in got]
