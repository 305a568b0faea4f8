"""What a person's HR row, status and the rules were at the last run that left nothing undone."""

from __future__ import annotations

from sqlalchemy import select

from flows.record.database import Database, now
from flows.record.tables import SettledRow


def settle(db: Database, person_id: str, fingerprint: int) -> None:
    """Note that everything that follows from this fingerprint is in place."""
    with db.writing() as session:
        session.merge(SettledRow(person_id=person_id, fingerprint=text(fingerprint), at=now()))


def known(db: Database, person_id: str) -> bool:
    """Whether the person ever had a run that left nothing undone."""
    with db.session() as session:
        return session.get(SettledRow, person_id) is not None


def all_of(db: Database) -> dict[str, str]:
    """person_id -> fingerprint, as text."""
    with db.session() as session:
        return dict(session.execute(select(SettledRow.person_id, SettledRow.fingerprint)).tuples().all())  # type: ignore[call-overload]


def text(fingerprint: int) -> str:
    """A 64-bit number as the record keeps it."""
    return f"{int(fingerprint):016x}"
