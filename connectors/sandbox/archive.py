"""The state file: every row as JSON in SQLite, written with the request that changed it, so a kill loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import orjson

from connectors.sandbox.store import Row, Save

SCHEMA = "CREATE TABLE IF NOT EXISTS row (twin TEXT, kept TEXT, key TEXT, json TEXT, PRIMARY KEY (twin, kept, key))"


class Archive:
    """Rows of all twins on disk. Order of making is kept: a changed row stays in its place."""

    def __init__(self, path: Path | None) -> None:
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")  # survives a kill of the process, which is what is asked
        self.db.execute(SCHEMA)
        self.kept = path is not None

    def saver(self, twin: str) -> Save:
        """What a twin's tables call after each write."""

        def save(table: str, key: str, row: Row | None) -> None:
            if row is None:
                self.db.execute("DELETE FROM row WHERE twin = ? AND kept = ? AND key = ?", (twin, table, key))
            else:
                self.db.execute(
                    "INSERT INTO row VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json",
                    (twin, table, key, orjson.dumps(row)),
                )

        return save

    def rows(self, twin: str) -> Iterator[tuple[str, str, Row]]:
        """Table, key and row of everything a twin had."""
        query = "SELECT kept, key, json FROM row WHERE twin = ? ORDER BY rowid"
        for table, key, json in self.db.execute(query, (twin,)):
            yield table, key, orjson.loads(json)

    def twins(self) -> list[str]:
        return [twin for (twin,) in self.db.execute("SELECT DISTINCT twin FROM row")]

    def forget(self, twin: str) -> None:
        self.db.execute("DELETE FROM row WHERE twin = ?", (twin,))
