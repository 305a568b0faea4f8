"""Marks: small named values, e.g. when the hire-date check looked last."""

from __future__ import annotations

import rfc8785
from pydantic import JsonValue, TypeAdapter
from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from flows.record.database import Database, now, rows_changed
from flows.record.tables import MarkRow

JSON = TypeAdapter[JsonValue](JsonValue)


def get(db: Database, name: str) -> JsonValue:
    """The value, or None where there is none."""
    with db.session() as session:
        text = session.exec(select(MarkRow.value).where(MarkRow.name == name)).first()
    return None if text is None else JSON.validate_json(text)


def set(db: Database, name: str, value: JsonValue) -> None:
    """Write the value, whatever was there; None removes it."""
    with db.writing() as session:
        if value is None:
            session.execute(delete(MarkRow).where(col(MarkRow.name) == name))
        elif not insert(db, session, name, value):
            session.execute(update(MarkRow).where(col(MarkRow.name) == name).values(**written(value)))


def swap(db: Database, name: str, expected: JsonValue, value: JsonValue) -> bool:
    """Write the value only where the present one equals `expected` (None: there is none). True when written."""
    with db.writing() as session:
        if expected is None:
            return get(db, name) is None if value is None else insert(db, session, name, value)
        same = (col(MarkRow.name) == name, col(MarkRow.value) == canonical(expected))
        if value is None:
            return rows_changed(session, delete(MarkRow).where(*same)) == 1
        return rows_changed(session, update(MarkRow).where(*same).values(**written(value))) == 1


def insert(db: Database, session: Session, name: str, value: JsonValue) -> bool:
    """Write the value where there is none."""
    return db.insert_new(session, MarkRow, {"name": name} | written(value))


def written(value: JsonValue) -> dict[str, object]:
    """The columns a value fills."""
    return {"value": canonical(value), "updated_at": now()}


def canonical(value: JsonValue) -> str:
    """Equal values, equal texts."""
    return rfc8785.dumps(value).decode()
