"""Receivers that share a record take signals up one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from flows import webhook_dispatch
from flows.record import signals
from flows.record.database import Database, now
from flows.record.signals import Signal
from flows.record.tables import SignalRow
from flows.webhook_dispatch import Dispatcher
from flows.webhook_site import Sites
from tests.record_databases import KINDS, fresh_database


class Place:
    """As much of an installation as a dispatcher needs that takes nothing up."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def now(self) -> Place:
        return self


@pytest.mark.parametrize("kind", KINDS)
def test_while_one_takes_signals_up_the_other_leaves_them(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_database(kind, tmp_path) as db:
        signals.store(db, [Signal("csv", "1", ["200"])])
        assert asyncio.run(side_by_side(db, monkeypatch)) == [1, 0, 1]


async def side_by_side(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many signals two dispatchers took up: the first; the second meanwhile; the second afterwards."""
    busy, over = asyncio.Event(), asyncio.Event()

    async def slowly(site: object, rows: Sequence[SignalRow], moment: datetime) -> None:
        if not busy.is_set():
            busy.set()
            await over.wait()

    monkeypatch.setattr(webhook_dispatch, "take_up", slowly)
    other = Database(db.url)
    one, two = (Dispatcher(cast(Sites, cast(Any, Place(each)))) for each in (db, other))
    first = asyncio.create_task(one.once(now()))
    await busy.wait()
    meanwhile = await two.once(now())
    over.set()
    found = [await first, meanwhile, await two.once(now())]
    other.close()
    return found
