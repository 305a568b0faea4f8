"""Holds: people for whom nothing is done until somebody has looked."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from flows.record import settled
from flows.record.database import Database, now, rows_changed
from flows.record.tables import HoldRow

SENT_AWAY = "offboard --now"
"""Source of a hold on somebody who was offboarded at once, whatever HR says: nobody gives such a person anything."""
LEGAL = "legal hold"
"""Source of a hold on what a person had: access ends as for anybody, but nothing is deleted."""
TRUST, VANISHED = "trust gate", "vanished"
"""Sources of holds on people whose row in HR is not believed, and on people who have none any more."""
CHANGED = "the reason changed"
OPEN = col(HoldRow.lifted_at).is_(None)


def place(db: Database, person_id: str, source: str, reason: str) -> bool:
    """Hold a person; True when it is news. Another reason from the same source replaces the former one."""
    with db.writing() as session:
        row = session.exec(select(HoldRow).where(*mine(person_id, source))).first()
        if row is not None and row.reason == reason:
            return False
        lift(db, person_id, source, CHANGED)
        values = {"person_id": person_id, "source": source, "reason": reason, "placed_at": now()}
        return db.insert_new(session, HoldRow, values)


def lift(db: Database, person_id: str, source: str | None = None, why: str = "") -> int:
    """Lift the person's hold from this source, or from all; returns how many there were."""
    with db.writing() as session:
        lifted = update(HoldRow).where(*mine(person_id, source)).values(lifted_at=now(), lifted_why=why)
        return rows_changed(session, lifted)


def end_legal_hold(db: Database, person_id: str, why: str) -> int:
    """Lift it; what it withheld is due at the next look. Returns how many there were."""
    with db.writing():
        settled.look_again(db, person_id)
        return lift(db, person_id, LEGAL, why)


def mine(person_id: str, source: str | None) -> list[ColumnElement[bool]]:
    """Criteria of a person's open holds."""
    criteria = [col(HoldRow.person_id) == person_id, OPEN]
    return criteria if source is None else [*criteria, col(HoldRow.source) == source]


def reason(db: Database, person_id: str, source: str) -> str:
    """Why this source holds the person; empty where it does not."""
    with db.session() as session:
        return session.exec(select(HoldRow.reason).where(*mine(person_id, source))).first() or ""


def people(db: Database, source: str) -> set[str]:
    """Ids of everybody this source holds."""
    with db.session() as session:
        return set(session.exec(select(HoldRow.person_id).where(OPEN, HoldRow.source == source)))


def held(db: Database) -> Sequence[HoldRow]:
    """All open holds, the oldest first."""
    with db.session() as session:
        return session.exec(select(HoldRow).where(OPEN).order_by(col(HoldRow.id))).all()
