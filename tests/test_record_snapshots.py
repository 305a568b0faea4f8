"""HR snapshots come back exactly as they were saved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from record_databases import KINDS, fresh_database
from sqlmodel import select

from flows.record import snapshots
from flows.record.database import Database
from flows.record.tables import SnapshotRow
from mappings.people import Person, frame_of, tidy

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
ANA = Person(employee_id="007", given_name="Ana", family_name="Łuczak", hire_date=date(2026, 3, 2))
BO = Person(employee_id="12", given_name="Bo", family_name='O"Neil, Jr.', last_day=date(9999, 12, 31))
CY = Person(employee_id="13", given_name="Cy", family_name="", department="Sales", extras={"badge": "A1"})


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


@pytest.mark.parametrize("people", [[ANA, BO], [CY, ANA], []], ids=["plain", "extras", "nobody"])
def test_people_come_back_exactly(db: Database, people: list[Person]) -> None:
    frame = frame_of(people)

    snapshots.save(db, "hr", frame, MONDAY)

    found = snapshots.latest(db, "hr")
    assert found is not None
    pd.testing.assert_frame_equal(found[1], frame)


def test_a_hundred_thousand_people_come_back_exactly(db: Database) -> None:
    ids = pd.Series(range(100_000)).astype(str)
    frame = tidy(pd.DataFrame({"employee_id": ids, "family_name": ids + "ł", "hire_date": "2026-03-02"}))

    row = snapshots.save(db, "hr", frame, MONDAY)

    found = snapshots.latest(db, "hr")
    assert found is not None
    pd.testing.assert_frame_equal(found[1], frame)
    assert row.count == 100_000


def test_counts_are_kept_beside_the_people(db: Database) -> None:
    row = snapshots.save(db, "hr", frame_of([ANA, BO, CY]), MONDAY)

    assert row.count == 3
    assert row.filled["employee_id"] == 3
    assert row.filled["department"] == 1
    assert row.filled["extra.badge"] == 1


def test_the_same_people_in_another_order_are_only_seen_again(db: Database) -> None:
    first = snapshots.save(db, "hr", frame_of([ANA, BO]), MONDAY)

    again = snapshots.save(db, "hr", frame_of([BO, ANA]), MONDAY + timedelta(days=1))

    assert again.id == first.id
    assert (again.read_at, again.seen_at) == (MONDAY, MONDAY + timedelta(days=1))
    with db.session() as session:
        assert len(session.exec(select(SnapshotRow.id)).all()) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ANA, ANA.model_copy(update={"department": ""})),  # nothing, or an empty text
        (ANA, ANA.model_copy(update={"hire_date": date(2026, 3, 3)})),
        (ANA, ANA.model_copy(update={"extras": {"badge": "1"}})),
        (
            ANA.model_copy(update={"title": "a,b", "location": None}),
            ANA.model_copy(update={"title": "a", "location": "b"}),
        ),
    ],
)
def test_different_people_have_different_hashes(db: Database, one: Person, other: Person) -> None:
    first = snapshots.save(db, "hr", frame_of([one]), MONDAY)

    second = snapshots.save(db, "hr", frame_of([other]), MONDAY + timedelta(hours=1))

    assert second.hash != first.hash


def test_what_was_said_before_a_moment_can_be_asked(db: Database) -> None:
    snapshots.save(db, "hr", frame_of([ANA]), MONDAY)
    snapshots.save(db, "hr", frame_of([ANA, BO]), MONDAY + timedelta(days=1))
    snapshots.save(db, "hr", frame_of([ANA]), MONDAY + timedelta(days=2))

    found = [snapshots.latest(db, "hr", MONDAY + timedelta(days=n)) for n in range(3)]

    assert found[0] is None
    assert [len(people) for _, people in filter(None, found)] == [1, 2]


def test_sources_are_kept_apart(db: Database) -> None:
    snapshots.save(db, "hr", frame_of([ANA]), MONDAY)

    assert snapshots.latest(db, "contractors") is None
