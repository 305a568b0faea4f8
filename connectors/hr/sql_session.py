"""One transaction at a database: read only and rolled back, or of exactly one row; cells as text, errors as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from connectors.errors import Refused, Retryable
from connectors.redaction import Redaction

AT_ONCE = 10_000
"""Rows fetched at a time."""
READING: Mapping[str, tuple[str, ...]] = {
    "postgresql": (
        "SET TRANSACTION READ ONLY",
        "SET LOCAL TIME ZONE 'UTC'",
        "SET LOCAL statement_timeout = {milliseconds}",
    ),
    "mysql": (
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION time_zone = '+00:00'",
        "SET SESSION max_execution_time = {milliseconds}",
    ),
    "mariadb": (
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION time_zone = '+00:00'",
        "SET SESSION max_statement_time = {seconds}",
    ),
    "oracle": ("SET TRANSACTION READ ONLY",),
    "sqlite": ("PRAGMA query_only = 1",),
}
"""Dialect -> what a reading transaction begins with, by their manuals; tried here on PostgreSQL and SQLite."""
WRITING = {"postgresql": READING["postgresql"][1:], "mysql": READING["mysql"][1:], "mariadb": READING["mariadb"][1:]}
REFUSALS = ("syntax", "no such", "denied", "authentication failed", "does not exist", "read-only", "readonly")
"""In the words of errors that are otherwise those of a lost connection or a lock."""


class Table(NamedTuple):
    """What a query found."""

    names: list[str]
    cells: list[list[str | None]]


class Session:
    """The database. Each transaction has a connection of its own: minutes or hours are between them."""

    def __init__(self, name: str, url: sa.URL, seconds: int, redaction: Redaction) -> None:
        self.name, self.url, self.redaction = name, url, redaction
        self.limits = {"seconds": seconds, "milliseconds": seconds * 1000}
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    def read(self, query: str, doing: str, **said: Any) -> Table:
        """All rows, in a transaction that can change nothing and is rolled back."""
        with self.transaction(READING, doing) as connection:
            result = connection.execution_options(stream_results=True).execute(sa.text(query), said)
            names = list(result.keys())
            cells = [[told(value) for value in row] for some in result.partitions(AT_ONCE) for row in some]
            connection.rollback()
        return Table(names, cells)

    def change(self, statement: str, doing: str, **said: Any) -> None:
        """Exactly one row, or none at all."""
        with self.transaction(WRITING, doing) as connection:
            done = connection.execute(sa.text(statement), said)
            if done.rowcount != 1:
                connection.rollback()
                why = f"the statement would change {done.rowcount} rows; nothing was changed"
                raise Refused(self.name, doing, why, "Mend options.write.")
            connection.commit()

    @contextmanager
    def transaction(self, settings: Mapping[str, tuple[str, ...]], doing: str) -> Iterator[sa.Connection]:
        """A connection with the settings of its dialect."""
        self.refuse_missing_file(doing)
        try:
            with self.engine.connect() as connection:
                for setting in settings.get(self.dialect, ()):
                    connection.execute(sa.text(setting.format(**self.limits)))
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise self.error(error, doing) from None

    def refuse_missing_file(self, doing: str) -> None:
        """SQLite would make an empty database of a wrong path."""
        file = self.url.database or ":memory:"
        plain = self.dialect == "sqlite" and file != ":memory:" and "uri" not in self.url.query
        if plain and not Path(file).is_file():
            raise Refused(self.name, doing, f"there is no database file {file}", "Mend options.url.")

    def error(self, error: sa.exc.SQLAlchemyError, doing: str) -> Retryable | Refused:
        """Lost connections, locks and time run out may be tried again; the rest is for whoever wrote the query."""
        why = self.redaction.mask(" ".join(str(getattr(error, "orig", None) or error).split())[:300])
        passing = isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))
        if passing and not any(word in why.lower() for word in REFUSALS):
            return Retryable(self.name, doing, why, "Check options.url, the database and its network.")
        return Refused(self.name, doing, why, "Mend the query, the credentials, or grant what it needs.")


def told(value: Any) -> str | None:
    """A cell as text, nothing guessed: days and moments by ISO 8601, numbers as the database has them."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, memoryview)):
        return spelled(bytes(value))
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def spelled(value: bytes) -> str:
    """Bytes that are text as text, others in hexadecimal."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
