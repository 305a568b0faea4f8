"""Where all workers of one installation keep the apps' rate limits: files in home, or PostgreSQL for several hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlmodel import Session, col, select

from connectors.quota import Files, Ring, Shelf
from flows.record.database import Database
from flows.record.tables import RingRow
from flows.settings import Settings


class Rows:
    """Rings as rows of the record, which all hosts share. Their clocks must agree within a second or so."""

    def __init__(self, db: Database) -> None:
        self.db = db

    @contextmanager
    def ring(self, name: str, size: int) -> Iterator[Ring]:
        """See Shelf. One transaction, apart from what its thread may be writing."""
        key = f"{name}-{size}"
        with Session(self.db.engine) as session, session.begin():
            self.db.insert_new(session, RingRow, {"name": key, "ring": bytes(size)})
            row = session.exec(select(RingRow).where(col(RingRow.name) == key).with_for_update()).one()
            ring = bytearray(row.ring)
            yield ring
            row.ring = bytes(ring)


def shelf(settings: Settings, db: Database, looking: bool = False) -> Shelf:
    """Files where the record is one too: then all workers are on this machine. `looking`: none is made."""
    return Files(settings.home / "limits", looking) if db.sqlite else Rows(db)
