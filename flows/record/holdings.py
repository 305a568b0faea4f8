"""Holdings: what Rollcall knows to be in place at the apps and why, with its history."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlmodel import Session, col

from flows.record.database import Database, asking, now, rows_changed
from flows.record.tables import HeldRow, LinkRow

OPEN = col(HeldRow.ended).is_(None)
ACCESS_COLUMNS = ("person_id", "app", "entitlement", "why", "plan_hash", "since", "until", "ended")
TIMES = ("since", "until", "ended")
HELD_COLUMNS = ("person_id", "app", "entitlement", "why", "attributes_hash", "active")


class LinkedElsewhere(ValueError):
    """The account belongs to another person already."""


def link(
    db: Database,
    person_id: str,
    app: str,
    external_id: str,
    key: str,
    active: bool,
    attributes: Mapping[str, str],
) -> None:
    """Record which account is the person's and what it looks like now. LinkedElsewhere if it is another's."""
    values = {"external_id": external_id, "key": key, "active": active, "attributes": dict(attributes)}
    values |= {"attributes_hash": attributes_hash(attributes), "updated_at": now()}
    mine = (col(LinkRow.person_id) == person_id, col(LinkRow.app) == app)
    with db.writing() as session:
        refuse_anothers(session, person_id, app, external_id)
        if rows_changed(session, update(LinkRow).where(*mine).values(**values)) == 0:
            session.execute(insert(LinkRow).values(person_id=person_id, app=app, linked_at=now(), **values))


def refuse_anothers(session: Session, person_id: str, app: str, external_id: str) -> None:
    """Raise LinkedElsewhere where another person has this account. The unique index backs it up."""
    same = (col(LinkRow.app) == app, col(LinkRow.external_id) == external_id, col(LinkRow.external_id) != "")
    owner = session.scalar(select(col(LinkRow.person_id)).where(*same, col(LinkRow.person_id) != person_id))
    if owner is not None:
        raise LinkedElsewhere(f"{app}: account {external_id} is {owner}'s; it cannot be linked to {person_id}")


def unlink(db: Database, person_id: str, app: str) -> None:
    """Forget the account: it was deleted, or goes to the person's new HR record."""
    with db.writing() as session:
        session.execute(delete(LinkRow).where(col(LinkRow.person_id) == person_id, col(LinkRow.app) == app))


def links(db: Database, person_id: str) -> dict[str, LinkRow]:
    """The person's accounts by app."""
    with db.session() as session:
        rows = session.scalars(select(LinkRow).where(col(LinkRow.person_id) == person_id))
        return {row.app: row for row in rows}


def all_links(db: Database, people: Iterable[str] | None = None) -> dict[tuple[str, str], LinkRow]:
    """The accounts that the record knows, of everybody or of these people, by person and app."""
    return {(row.person_id, row.app): row for row in rows_of(db, select(LinkRow), col(LinkRow.person_id), people)}


def all_open(db: Database, people: Iterable[str] | None = None) -> dict[tuple[str, str], dict[str, HeldRow]]:
    """All that is in place, of everybody or of these people, by person and app, then by entitlement."""
    found: dict[tuple[str, str], dict[str, HeldRow]] = {}
    for row in rows_of(db, select(HeldRow).where(OPEN), col(HeldRow.person_id), people):
        found.setdefault((row.person_id, row.app), {})[row.entitlement] = row
    return found


def rows_of(db: Database, wanted: Any, person: Any, people: Iterable[str] | None) -> list[Any]:
    """The rows that a query finds, or those of them whose column `person` names one of the people."""
    with db.session() as session:
        return [row for query in asking(wanted, person, people) for row in session.scalars(query)]


def attributes_in(db: Database, app: str, people: Iterable[str] | None = None) -> dict[str, dict[str, str]]:
    """person_id -> what was last written to the account in this app, of everybody or of these people."""
    wanted = select(col(LinkRow.person_id), col(LinkRow.attributes)).where(col(LinkRow.app) == app)
    with db.session() as session:
        rows = (row for query in asking(wanted, col(LinkRow.person_id), people) for row in session.execute(query))
        return {person_id: attributes for person_id, attributes in rows}


def hold(
    db: Database,
    person_id: str,
    app: str,
    entitlement: str | None,
    why: str,
    plan_hash: str,
    at: datetime | None = None,
) -> bool:
    """Record that this is in place since `at` (now). Another reason than before ends the old row and begins one.

    True when something changed. No entitlement means the account itself.
    """
    since = at or now()
    values = {"person_id": person_id, "app": app, "entitlement": entitlement or "", "why": why}
    with db.writing() as session:
        row = open_row(session, person_id, app, entitlement)
        if row is not None and row.why == why:
            return False
        if row is not None:
            close(session, row, "the reason changed", plan_hash, since)
        return db.insert_new(session, HeldRow, values | {"plan_hash": plan_hash, "since": since})


def end(
    db: Database,
    person_id: str,
    app: str,
    entitlement: str | None,
    why: str,
    plan_hash: str,
    at: datetime | None = None,
) -> bool:
    """Record that this is in place no more since `at` (now), and why. True when it was until then."""
    with db.writing() as session:
        row = open_row(session, person_id, app, entitlement)
        if row is not None:
            close(session, row, why, plan_hash, at or now())
        return row is not None


def open_row(session: Session, person_id: str, app: str, entitlement: str | None) -> HeldRow | None:
    """The row that says this is in place now."""
    same = (col(HeldRow.person_id) == person_id, col(HeldRow.app) == app)
    return session.scalar(select(HeldRow).where(*same, col(HeldRow.entitlement) == (entitlement or ""), OPEN))


def open_rows(db: Database, person_id: str, app: str) -> dict[str, HeldRow]:
    """What of the app the person has now, by entitlement; '' is the account."""
    same = (col(HeldRow.person_id) == person_id, col(HeldRow.app) == app)
    with db.session() as session:
        return {row.entitlement: row for row in session.scalars(select(HeldRow).where(*same, OPEN))}


def end_later(db: Database, person_id: str, app: str, entitlement: str, until: datetime | None) -> None:
    """Note when what is in place ends by itself; None: it does so no more."""
    same = (col(HeldRow.person_id) == person_id, col(HeldRow.app) == app, col(HeldRow.entitlement) == entitlement)
    with db.writing() as session:
        session.execute(update(HeldRow).where(*same, OPEN).values(until=until))


def account_ended(db: Database, person_id: str, app: str) -> datetime | None:
    """When the account was last seen to be ended."""
    same = (col(HeldRow.person_id) == person_id, col(HeldRow.app) == app, col(HeldRow.entitlement) == "")
    with db.session() as session:
        return session.scalar(select(func.max(HeldRow.ended)).where(*same))


def close(session: Session, row: HeldRow, why: str, plan_hash: str, at: datetime) -> None:
    """End a row, never before it began."""
    values = {"ended": max(at, row.since), "ended_why": why, "ended_plan_hash": plan_hash}
    session.execute(update(HeldRow).where(col(HeldRow.id) == row.id).values(**values))


def access(
    db: Database,
    on: datetime | None = None,
    person_id: str | None = None,
    app: str | None = None,
) -> pd.DataFrame:
    """Who had which access at that instant (now), and why: a frame of ACCESS_COLUMNS, one row per access."""
    criteria: list[ColumnElement[bool]] = [OPEN if on is None else in_place_at(on)]
    if person_id is not None:
        criteria.append(col(HeldRow.person_id) == person_id)
    if app is not None:
        criteria.append(col(HeldRow.app) == app)
    columns = [getattr(HeldRow, name) for name in ACCESS_COLUMNS]
    order = (col(HeldRow.person_id), col(HeldRow.app), col(HeldRow.entitlement))
    frame = frame_of(db, select(*columns).where(*criteria).order_by(*order), ACCESS_COLUMNS)
    return frame.astype(dict.fromkeys(TIMES, "datetime64[us, UTC]"))


def in_place_at(on: datetime) -> ColumnElement[bool]:
    """Begun by then and not ended by then."""
    return and_(col(HeldRow.since) <= on, or_(OPEN, col(HeldRow.ended) > on))


def held_frame(db: Database, people: Iterable[str] | None = None) -> pd.DataFrame:
    """All that is in place now, for everybody or these people: HELD_COLUMNS, entitlement '' for the account.

    The last two are the account's; they are missing where no account is linked.
    """
    account = and_(col(LinkRow.person_id) == HeldRow.person_id, col(LinkRow.app) == HeldRow.app)
    columns = [getattr(HeldRow, name) for name in HELD_COLUMNS[:4]] + [LinkRow.attributes_hash, LinkRow.active]
    wanted = select(*columns).join(LinkRow, account, isouter=True).where(OPEN)
    frame = frame_of(db, wanted, HELD_COLUMNS, people)
    return frame.astype({"active": "boolean"})


def people_with_access(db: Database, people: Iterable[str] | None = None) -> set[str]:
    """Ids of those who have anything in place now, among everybody or these people."""
    return set(rows_of(db, select(col(HeldRow.person_id)).where(OPEN).distinct(), col(HeldRow.person_id), people))


def frame_of(db: Database, wanted: Any, columns: tuple[str, ...], people: Iterable[str] | None = None) -> pd.DataFrame:
    """The rows of a query, of everybody or of these people, as a frame; texts as pandas strings."""
    with db.session() as session:
        through = session.connection()  # past the ORM: twice as fast for half a million rows
        queries = asking(wanted, col(HeldRow.person_id), people)
        rows = [row for query in queries for row in through.execute(query)]
    series = zip(*rows, strict=True) if rows else [()] * len(columns)
    frame = pd.DataFrame(dict(zip(columns, map(list, series), strict=True)))
    texts = [name for name in columns if name not in (*TIMES, "active")]
    return frame.astype(dict.fromkeys(texts, "string"))


def attributes_hash(attributes: Mapping[str, str]) -> str:
    """sha256 of the attributes as JSON, sorted, without blanks, in UTF-8."""
    text = json.dumps(dict(attributes), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
