"""Signals: HR said that something is new of somebody. Stored before HR is answered, open until done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Table, bindparam, delete, func, update
from sqlmodel import col, select

from flows.record import facts, snapshots
from flows.record.database import Database, now
from flows.record.tables import FactRow, SignalRow
from mappings.people import tidy

TABLE: Table = SignalRow.__table__  # type: ignore[attr-defined]  # SQLModel does not say so
KEPT = timedelta(days=90)
"""How long a signal that is done is kept, and a delivery told from its replay where the vendor signs no time."""


@dataclass(frozen=True)
class Signal:
    """A delivery that is believed, as it is stored."""

    source: str
    key: str
    people: list[str]
    at: datetime | None = None
    received_at: datetime = field(default_factory=now)

    def row(self) -> dict[str, object]:
        """The columns it fills. Where it is about nobody there is nothing to do."""
        done = None if self.people else self.received_at
        return {
            "source": self.source,
            "key": self.key,
            "people": self.people,
            "at": self.at,
            "received_at": self.received_at,
            "tries": 0,
            "next_try": self.received_at,
            "done_at": done,
            "result": None if self.people else "it is about nobody",
            "effects": [],
        }


def store(db: Database, signals: Sequence[Signal]) -> list[bool]:
    """Keep them all, or none, so that a power cut loses none; False for those that were there already."""
    rows = [each.row() for each in signals]
    with db.writing(durable=True) as session:
        new = db.insert_all_new(session, SignalRow, rows, ("source", "key"))
    first = {(each.source, each.key): number for number, each in reversed(list(enumerate(signals)))}
    return [(each.source, each.key) in new and first[each.source, each.key] == n for n, each in enumerate(signals)]


def open_now(db: Database, moment: datetime, most: int = 1000) -> Sequence[SignalRow]:
    """The open signals whose time has come, the oldest first."""
    wanted = select(SignalRow).where(col(SignalRow.done_at).is_(None), col(SignalRow.next_try) <= moment)
    with db.session() as session:
        return session.exec(wanted.order_by(col(SignalRow.id)).limit(most)).all()


def heard(db: Database, since: datetime) -> Sequence[SignalRow]:
    """What came since then or is still open, the newest first."""
    wanted = select(SignalRow).where((col(SignalRow.received_at) >= since) | col(SignalRow.done_at).is_(None))
    with db.session() as session:
        return session.exec(wanted.order_by(col(SignalRow.id).desc())).all()


def waiting_since(db: Database) -> SignalRow | None:
    """The oldest open signal that was tried in vain."""
    wanted = select(SignalRow).where(col(SignalRow.done_at).is_(None), col(SignalRow.tries) > 0)
    with db.session() as session:
        return session.exec(wanted.order_by(col(SignalRow.id)).limit(1)).first()


def number_open(db: Database) -> int:
    """How many are open."""
    with db.session() as session:
        return session.exec(select(func.count()).where(col(SignalRow.done_at).is_(None))).one()


def finish(db: Database, results: Mapping[int, str]) -> None:
    """These are done; id -> what came of it."""
    done = now()
    change(db, {each: {"done_at": done, "result": result} for each, result in results.items()})


def weigh(db: Database, effects: Mapping[int, list[list[str]]]) -> None:
    """id -> what its runs take away, noted before they are started."""
    change(db, {each: {"effects": rows} for each, rows in effects.items()})


def put_off(db: Database, whens: Mapping[int, tuple[datetime, str]]) -> None:
    """These are tried again; id -> then, and why."""
    tries = TABLE.c.tries + 1
    change(db, {each: {"next_try": then, "result": why} for each, (then, why) in whens.items()}, tries=tries)


def change(db: Database, values: Mapping[int, Mapping[str, object]], **of_all: ColumnElement[int]) -> None:
    """id -> columns to set, the same of each: one quick statement, since who answers HR waits for the lock."""
    if not values:
        return
    names: dict[str, ColumnElement[Any]] = {name: bindparam(f"new_{name}") for name in next(iter(values.values()))}
    wanted = update(TABLE).where(TABLE.c.id == bindparam("which")).values(**names, **of_all)
    rows = [{"which": key} | {f"new_{name}": value for name, value in row.items()} for key, row in values.items()]
    with db.writing() as session:
        session.execute(wanted, rows)


def effects_since(db: Database, moment: datetime) -> pd.DataFrame:
    """What runs that signals have started since take away: person_id, kind, what."""
    wanted = select(SignalRow.effects).where(col(SignalRow.received_at) >= moment)
    with db.session() as session:
        rows = [row for effects in session.exec(wanted) for row in effects]
    return pd.DataFrame(rows, columns=["person_id", "kind", "what"], dtype="string").drop_duplicates()


def forget(db: Database, moment: datetime) -> None:
    """Delete those that were done before the moment."""
    with db.writing() as session:
        session.execute(delete(SignalRow).where(col(SignalRow.done_at) < moment))


def people_now(db: Database, source: str) -> pd.DataFrame | None:
    """The last good feed with what signals have told of people since; None where there never was a feed."""
    last = snapshots.latest(db, source)
    if last is None:
        return None
    news = told_since(db, source, last[0].seen_at)
    return with_rows(last[1], news) if len(news) else last[1]


def told_since(db: Database, source: str, moment: datetime) -> pd.DataFrame:
    """The latest row of each person of whom something was learnt since."""
    wanted = select(FactRow).where(FactRow.source == source, col(FactRow.known_since) > moment)
    with db.session() as session:
        rows = session.exec(wanted.order_by(col(FactRow.known_since), col(FactRow.id))).all()
    return facts.frame_of(list({row.person_id: row.body for row in rows if row.body is not None}.values()))


def with_rows(people: pd.DataFrame, rows: pd.DataFrame, without: Iterable[str] = ()) -> pd.DataFrame:
    """People with these rows in place of theirs or added, and without those."""
    gone = {*rows["employee_id"], *without}
    kept = people[~people["employee_id"].isin(gone)]
    return tidy(pd.concat([kept, rows], ignore_index=True))


def differing(people: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Those of whom something else is known, or nothing."""
    names = list(people.columns)
    old = known[known["employee_id"].isin(people["employee_id"])].reindex(columns=names).astype("string").fillna("")
    new = people.astype("string").fillna("")
    same = {tuple(row) for row in old.to_numpy().tolist()}
    fresh = [tuple(row) not in same for row in new.to_numpy().tolist()]
    return people[pd.array(fresh, dtype="boolean").to_numpy(dtype=bool)]
