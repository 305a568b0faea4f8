"""The way of a believed delivery into the record: those that come at once share a transaction, and wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flows.record import signals
from flows.record.database import Database
from flows.record.signals import Signal

AT_ONCE = 500  # signals in one transaction


class Inbox:
    """`await inbox.put(signal)` returns once the signal is in the record for good."""

    def __init__(self, db: Database, stored: Callable[[], None] = lambda: None) -> None:
        """`stored` is called after each transaction."""
        self.db, self.stored = db, stored
        self.waiting: list[tuple[Signal, asyncio.Future[bool]]] = []
        self.writer: asyncio.Task[None] | None = None
        self.thread = ThreadPoolExecutor(1, "inbox")  # of its own: no other work is in its way

    async def put(self, signal: Signal) -> bool:
        """False where the same delivery was stored before. Raises what the database raises."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append((signal, done))
        if self.writer is None or self.writer.done():
            self.writer = asyncio.create_task(self.write())
        return await done

    async def write(self) -> None:
        """Write until nothing waits."""
        loop = asyncio.get_running_loop()
        while self.waiting:
            batch, self.waiting = self.waiting[:AT_ONCE], self.waiting[AT_ONCE:]
            new = [signal for signal, _ in batch]
            try:
                results = await loop.run_in_executor(self.thread, signals.store, self.db, new)
            except Exception as error:  # whoever waits must hear of it, whatever it is
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (_, done), is_new in zip(batch, results, strict=True):
                if not done.done():
                    done.set_result(is_new)
            self.stored()
