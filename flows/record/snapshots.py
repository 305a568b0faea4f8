"""HR snapshots: what HR said, and when it was last seen to say so."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet
from sqlalchemy import ColumnElement
from sqlalchemy.orm import defer
from sqlalchemy.orm.interfaces import ORMOption
from sqlmodel import Session, col, select

from flows.record.database import Database
from flows.record.tables import SnapshotRow
from mappings.guard import filled_in
from mappings.people import tidy


def save(db: Database, source: str, people: pd.DataFrame, read_at: datetime) -> SnapshotRow:
    """Keep what HR said at `read_at`; where it is what it said last time, only note that it was seen again."""
    people = tidy(people)
    table = pa.Table.from_pandas(people, preserve_index=False)
    digest = content_hash(table)
    with db.writing() as session:
        row = newest(session, col(SnapshotRow.source) == source)
        if row is None or row.hash != digest:
            row = new_row(source, people, table, digest, read_at)
        row.seen_at = max(row.seen_at, read_at)
        session.add(row)
    return row


def latest(db: Database, source: str, before: datetime | None = None) -> tuple[SnapshotRow, pd.DataFrame] | None:
    """The last snapshot of this source, or the last one first read before that instant."""
    criteria = [col(SnapshotRow.source) == source]
    if before is not None:
        criteria.append(col(SnapshotRow.read_at) < before)
    with db.session() as session:
        row = newest(session, *criteria)
    return None if row is None else (row, people_of(row))


def latest_row(db: Database, source: str) -> SnapshotRow | None:
    """The last snapshot's row; its people are left in the database."""
    people = col(SnapshotRow.people)
    without_people = defer(people, raiseload=True)  # type: ignore[arg-type]  # sqlmodel tells too little of a column
    with db.session() as session:
        return newest(session, col(SnapshotRow.source) == source, options=(without_people,))


def newest(session: Session, *criteria: ColumnElement[bool], options: Sequence[ORMOption] = ()) -> SnapshotRow | None:
    """The snapshot read last among those that meet the criteria."""
    order = (col(SnapshotRow.read_at).desc(), col(SnapshotRow.id).desc())
    return session.exec(select(SnapshotRow).options(*options).where(*criteria).order_by(*order).limit(1)).first()


def new_row(source: str, people: pd.DataFrame, table: pa.Table, digest: str, read_at: datetime) -> SnapshotRow:
    """A row with the people packed into it."""
    blob = io.BytesIO()
    parquet.write_table(table, blob, compression="zstd")
    return SnapshotRow(
        source=source,
        read_at=read_at,
        seen_at=read_at,
        hash=digest,
        count=len(people),
        filled=filled_in(people),
        people=blob.getvalue(),
    )


def people_of(row: SnapshotRow) -> pd.DataFrame:
    """The people as they were saved, in the order in which they were saved; a frame of the caller's own."""
    return unpacked(row.people).copy(deep=False)


@lru_cache(maxsize=2)  # a process that lives on looks at the same feed again and again
def unpacked(people: bytes) -> pd.DataFrame:
    """A packed feed."""
    return tidy(parquet.read_table(pa.BufferReader(people)).to_pandas())


def hash_of(people: pd.DataFrame) -> str:
    """What `save` would note as the hash of a frame of people."""
    return content_hash(pa.Table.from_pandas(tidy(people), preserve_index=False))


def content_hash(table: pa.Table) -> str:
    """sha256 of the people as CSV: sorted by employee_id, values quoted, nothing between the commas for none.

    It does not depend on the order of the feed, nor on how a version of parquet packs it.
    """
    ordered = table.sort_by("employee_id")
    text = io.BytesIO()
    csv.write_csv(ordered, text, csv.WriteOptions(quoting_style="all_valid"))
    return hashlib.sha256(text.getbuffer()).hexdigest()
