"""What a person's HR row, status and the rules were at the last run that left nothing undone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import col

from flows.record.database import Database, asking, now
from flows.record.tables import SettledRow


def settle(db: Database, person_id: str, fingerprint: int, next_look: datetime | None = None) -> None:
    """Note that everything that follows from this fingerprint is in place, until the next look."""
    row = SettledRow(person_id=person_id, fingerprint=text(fingerprint), at=now(), next_look=next_look)
    with db.writing() as session:
        session.merge(row)


def to_be_looked_at(db: Database, at: datetime) -> set[str]:
    """People for whom something changes by then although HR says nothing new."""
    with db.session() as session:
        return set(session.scalars(select(SettledRow.person_id).where(col(SettledRow.next_look) <= at)))  # type: ignore[call-overload]


def look_again(db: Database, person_id: str) -> None:
    """Let the next look at everybody find this person due, whatever HR says."""
    mine = update(SettledRow).where(col(SettledRow.person_id) == person_id)
    with db.writing() as session:
        session.execute(mine.values(next_look=now()))


def known(db: Database, person_id: str) -> bool:
    """Whether the person ever had a run that left nothing undone."""
    with db.session() as session:
        return session.get(SettledRow, person_id) is not None


def all_of(db: Database, people: Iterable[str] | None = None) -> dict[str, str]:
    """person_id -> fingerprint, as text, of everybody or of these people."""
    wanted = select(SettledRow.person_id, SettledRow.fingerprint)  # type: ignore[call-overload]
    with db.session() as session:
        rows = (row for query in asking(wanted, col(SettledRow.person_id), people) for row in session.execute(query))
        return {person_id: fingerprint for person_id, fingerprint in rows}


def text(fingerprint: int) -> str:
    """A 64-bit number as the record keeps it."""
    return f"{int(fingerprint):016x}"
