"""What a twin remembers: tables of rows with indexes, forked for make-believe writes, lagged for replicas."""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Row = dict[str, Any]
Save = Callable[[str, str, Row | None], None]
"""Called with table, key and the row (None where it was dropped) after each write."""
KeyOf = Callable[[Row], str]


class Index:
    """Rows by a value that several may share, compared without case; for prefix searches kept sorted."""

    def __init__(self, key_of: KeyOf, prefixes: bool = False) -> None:
        self.key_of, self.prefixes = key_of, prefixes
        self.keys: dict[str, dict[str, None]] = {}
        self.sorted: list[str] = []

    def add(self, key: str, row: Row) -> None:
        value = self.key_of(row).casefold()
        if value not in self.keys and self.prefixes:
            insort(self.sorted, value)
        self.keys.setdefault(value, {})[key] = None

    def remove(self, key: str, row: Row) -> None:
        value = self.key_of(row).casefold()
        held = self.keys[value]
        del held[key]
        if not held:
            del self.keys[value]
            if self.prefixes:
                del self.sorted[bisect_left(self.sorted, value)]

    def starting_with(self, prefix: str) -> Iterator[str]:
        """Keys of all rows whose value starts with `prefix`, by value."""
        wanted = prefix.casefold()
        for value in self.sorted[bisect_left(self.sorted, wanted) :]:
            if not value.startswith(wanted):
                return
            yield from self.keys[value]


class Table:
    """Rows by key, in the order of their making. A row is never changed in place: `put` another one."""

    def __init__(self, name: str, indexes: Mapping[str, Index]) -> None:
        self.name = name
        self.rows: dict[str, Row] = {}
        self.indexes = dict(indexes)
        self.save: Save | None = None
        self.replica: Replica | None = None
        self.last_number = 0

    def put(self, key: str, row: Row) -> Row:
        """Make or replace a row."""
        self.set(key, row)
        self.published(key, row)
        return row

    def drop(self, key: str) -> None:
        """Remove a row that is there."""
        self.set(key, None)
        self.published(key, None)

    def set(self, key: str, row: Row | None) -> None:
        """Write without telling anyone."""
        old = self.rows.get(key)
        for index in self.indexes.values() if old is not None else ():
            index.remove(key, old or {})
        if row is None:
            del self.rows[key]
            return
        for index in self.indexes.values():
            index.add(key, row)
        self.rows[key] = row
        if key.isdigit():
            self.last_number = max(self.last_number, int(key))

    def published(self, key: str, row: Row | None) -> None:
        if self.save:
            self.save(self.name, key, row)
        if self.replica:
            self.replica.follow(key, row)

    def next_number(self) -> int:
        """A number that no row of this table has had since the start."""
        return self.last_number + 1

    def by(self, index: str, value: str) -> list[Row]:
        """Rows whose indexed value equals `value`, without case."""
        return [self.rows[key] for key in self.indexes[index].keys.get(value.casefold(), ())]

    def fork(self) -> Table:
        """A copy whose writes nobody sees."""
        copy = Table(self.name, {n: Index(i.key_of, i.prefixes) for n, i in self.indexes.items()})
        for key, row in self.rows.items():
            copy.set(key, row)
        copy.last_number = self.last_number
        return copy


class Replica:
    """A read replica of a table that learns of each write `lag` seconds later."""

    def __init__(self, table: Table, lag: float) -> None:
        self.copy, self.lag = table.fork(), lag
        self.coming: deque[tuple[float, str, Row | None]] = deque()

    def follow(self, key: str, row: Row | None) -> None:
        self.coming.append((time.monotonic() + self.lag, key, row))

    def now(self) -> Table:
        """The table as the replica shows it at this moment."""
        while self.coming and self.coming[0][0] <= time.monotonic():
            _, key, row = self.coming.popleft()
            if row is not None or key in self.copy.rows:
                self.copy.set(key, row)
        return self.copy


class Store:
    """The tables of one twin."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = dict(tables)

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def save_with(self, save: Save) -> None:
        for table in self.tables.values():
            table.save = save

    def fork(self) -> Store:
        return Store({name: table.fork() for name, table in self.tables.items()})

    def lag(self, seconds: float) -> None:
        """Start, restart or (0) stop serving reads from a replica."""
        for table in self.tables.values():
            table.replica = Replica(table, seconds) if seconds else None

    def replica(self) -> Store:
        """What a lagging reader sees now."""
        return Store({n: t.replica.now() if t.replica else t for n, t in self.tables.items()})
