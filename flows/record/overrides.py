"""Overrides in the record: added and ended by people, and ended by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import update
from sqlmodel import col, select

from flows.record.database import Database, now, rows_changed
from flows.record.decided import Effect, OverrideRow
from mappings.exceptions import Override, mended

MENDED = "HR says the same now"


def add(
    db: Database, person_id: str, effect: Effect, name: str, why: str, by: str, until: datetime, value: str = ""
) -> OverrideRow:
    """Note an exception that holds from now until then."""
    with db.writing() as session:
        row = OverrideRow(
            person_id=person_id,
            effect=effect.value,
            name=name,
            value=value,
            why=why,
            by=by,
            since=now(),
            until=until,
        )
        session.add(row)
        session.flush()
        return row


def end(db: Database, override_id: int, why: str) -> bool:
    """End it before its time; False where there is none that is open."""
    mine = (col(OverrideRow.id) == override_id, col(OverrideRow.ended_at).is_(None))
    with db.writing() as session:
        return rows_changed(session, update(OverrideRow).where(*mine).values(ended_at=now(), ended_why=why)) == 1


def in_force(db: Database, at: datetime, person_id: str | None = None) -> list[Override]:
    """Those that hold at that instant, the oldest first."""
    wanted = select(OverrideRow).where(
        col(OverrideRow.since) <= at,
        col(OverrideRow.until) > at,
        col(OverrideRow.ended_at).is_(None) | (col(OverrideRow.ended_at) > at),
    )
    if person_id is not None:
        wanted = wanted.where(OverrideRow.person_id == person_id)
    with db.session() as session:
        return [as_override(row) for row in session.exec(wanted.order_by(col(OverrideRow.id)))]


def end_mended(db: Database, people: pd.DataFrame, at: datetime) -> list[Override]:
    """End those whose value HR has itself by now; returns them."""
    found = mended(people, in_force(db, at))
    return [override for override in found if end(db, override.id, MENDED)]


def as_override(row: OverrideRow) -> Override:
    """A row as what planning knows."""
    same = ("person_id", "effect", "name", "value", "why", "by", "until")
    return Override(id=row.id or 0, **{name: getattr(row, name) for name in same})


def listed(db: Database, closed: bool = False) -> Sequence[OverrideRow]:
    """All that have not ended, or all there ever were."""
    wanted = select(OverrideRow).order_by(col(OverrideRow.id))
    if not closed:
        wanted = wanted.where(col(OverrideRow.ended_at).is_(None), col(OverrideRow.until) > now())
    with db.session() as session:
        return session.exec(wanted).all()
