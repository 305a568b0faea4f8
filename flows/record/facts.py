"""What HR said of a person, by the date from which it holds and by the instant since which we know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import func
from sqlmodel import Session, col, select

from flows.record.database import Database, chunks
from flows.record.tables import FactRow
from mappings.people import tidy


def keep(db: Database, source: str, people: pd.DataFrame, valid_from: date, known_since: datetime) -> int:
    """Note what is news of these people; returns how many facts were. Order and repetition do not matter."""
    texts = people.astype("string")
    with db.writing() as session:
        return sum(
            note(db, session, source, str(row["employee_id"]), valid_from, known_since, filled(row))
            for row in texts.to_dict("records")
        )


def filled(row: Mapping[Any, Any]) -> dict[str, str]:
    """The cells that say something."""
    return {str(name): str(value) for name, value in row.items() if pd.notna(value)}


def withdraw(db: Database, source: str, person_id: str, valid_from: date, known_since: datetime) -> bool:
    """HR takes back what it said would hold from that date on."""
    with db.writing() as session:
        return note(db, session, source, person_id, valid_from, known_since, None)


def note(
    db: Database,
    session: Session,
    source: str,
    person_id: str,
    valid_from: date,
    known_since: datetime,
    body: dict[str, str] | None,
) -> bool:
    """Insert a fact unless it is there."""
    key = {"source": source, "person_id": person_id, "valid_from": valid_from, "known_since": known_since}
    return db.insert_new(session, FactRow, key | {"body": body})


def history(db: Database, person_id: str) -> Sequence[FactRow]:
    """All that HR ever said of a person, in the order in which it was learnt."""
    wanted = select(FactRow).where(FactRow.person_id == person_id)
    with db.session() as session:
        return session.exec(wanted.order_by(col(FactRow.known_since), col(FactRow.valid_from))).all()


def said(db: Database, source: str, on: date, known_at: datetime, person_id: str | None = None) -> pd.DataFrame:
    """What held on the date by all that was known at the instant, as a frame of people.

    Of each person the fact that holds from the latest date; of several for one date the one learnt last.
    """
    wanted = select(FactRow).where(
        FactRow.source == source, col(FactRow.valid_from) <= on, col(FactRow.known_since) <= known_at
    )
    if person_id is not None:
        wanted = wanted.where(FactRow.person_id == person_id)
    with db.session() as session:
        rows = session.exec(wanted.order_by(col(FactRow.valid_from), col(FactRow.known_since))).all()
    return frame_of(standing(rows))


def standing(rows: Sequence[FactRow]) -> list[dict[str, str]]:
    """The bodies that count, from rows ordered by validity, then by knowledge. What was taken back counts no more."""
    of_date: dict[tuple[str, date], dict[str, str] | None] = {}
    for row in rows:
        of_date[row.person_id, row.valid_from] = row.body
    latest = {person: body for (person, _), body in of_date.items() if body is not None}
    return list(latest.values())


def frame_of(bodies: list[dict[str, str]]) -> pd.DataFrame:
    """Bodies as a frame of people."""
    frame = pd.DataFrame(bodies)
    for name in ("hire_date", "last_day"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    return tidy(frame)


def all_known_since(db: Database, ids: Iterable[str]) -> dict[str, datetime]:
    """When the latest news of each of these people came."""
    newest = select(FactRow.person_id, func.max(FactRow.known_since)).group_by(FactRow.person_id)
    with db.session() as session:
        rows = [r for part in chunks(ids) for r in session.exec(newest.where(col(FactRow.person_id).in_(part)))]
    return {person_id: at for person_id, at in rows}


def known_since(db: Database, person_id: str) -> datetime | None:
    """When the latest news of the person came."""
    wanted = select(FactRow.known_since).where(FactRow.person_id == person_id)
    with db.session() as session:
        return session.exec(wanted.order_by(col(FactRow.known_since).desc()).limit(1)).first()
