"""The record's database: SQLite in a file, or PostgreSQL by URL; its transactions and its migrations."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event, literal_column, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlmodel import Session
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

NEWEST = "0004"
"""The last file under migrations/versions; looking there takes longer than all else at the start of a run."""
BUSY_SECONDS = 30
FEW = 2000  # people up to whom asking for them alone is faster than reading everybody
IN_ONE_QUERY = 500  # SQLite allows 32,766 parameters, older ones 999
MIGRATION_LOCK = 0x726F6C6C  # any constant; PostgreSQL's advisory locks go by number
CHAIN_LOCK = MIGRATION_LOCK + 1


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


class Database:
    """`sqlite:///path/to/file` or `postgresql://…`. Call `migrate()` once before anything else.

    Functions of this package that write join the transaction their thread is in, so that
    `with db.writing(): finish(db, …); hold(db, …)` is carried out whole or not at all.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = normal(make_url(url))
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = connect_sqlite(self.url) if self.sqlite else create_engine(self.url, pool_pre_ping=True)
        self._writer = self.engine.execution_options(begin="IMMEDIATE")
        self._durable = self.engine.execution_options(begin="IMMEDIATE", synchronous="FULL")
        self._open = threading.local()
        forget_connections_in_children(self.engine)
        weakref.finalize(self, self.engine.dispose)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session to read with; inside `writing` it is the writing one, which sees its own writes."""
        outer: Session | None = getattr(self._open, "session", None)
        if outer is not None:
            yield outer
            return
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self, durable: bool = False) -> Iterator[Session]:
        """A transaction to write in, committed at the end, rolled back on an exception; nested ones join it.

        On SQLite it takes the write lock at once, so that what is read in it stays true until the commit.
        `durable` also survives a power cut (see `connect_sqlite`); it has no effect on a nested one.
        Never keep it open across an `await`: the transaction belongs to the thread.
        """
        outer: Session | None = getattr(self._open, "session", None)
        if outer is not None:
            yield outer
            outer.flush()
            return
        with Session(self._durable if durable else self._writer, expire_on_commit=False) as session:
            self._open.session = session
            try:
                yield session
                session.commit()
            finally:
                self._open.session = None

    def insert_new(self, session: Session, table: Any, values: Mapping[str, Any]) -> bool:
        """Insert a row unless a unique index already has one like it; True when it was inserted."""
        dialect = sqlite.insert if self.sqlite else postgresql.insert
        insert = dialect(table).values(**values).on_conflict_do_nothing()
        found = session.execute(insert.returning(literal_column("1")))  # the driver gives no row count here
        return found.first() is not None

    def insert_all_new(
        self, session: Session, table: Any, rows: Sequence[Mapping[str, Any]], key: Sequence[str]
    ) -> set[tuple[Any, ...]]:
        """Insert those rows that no unique index has one like, in few statements; returns their values of `key`."""
        dialect, columns = sqlite.insert if self.sqlite else postgresql.insert, table.__table__.c
        insert = dialect(table.__table__).on_conflict_do_nothing().returning(*(columns[name] for name in key))
        return {tuple(row) for row in session.execute(insert, list(rows))} if rows else set()

    def lock_chain(self, session: Session) -> None:
        """Let nobody else append evidence until this transaction ends. On SQLite `writing` did that already."""
        if not self.sqlite:
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})

    def migrate(self) -> None:
        """Bring the tables to this version. Any number of processes may call it at once; one of them works."""
        if self.version() == NEWEST:
            return
        if self.sqlite:
            switch_to_wal(self.engine)
        with self._writer.begin() as connection:
            if not self.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            command.upgrade(alembic_config(connection), "head")

    def version(self) -> str | None:
        """The newest migration that the tables have seen; None where there are none."""
        try:
            with self.engine.connect() as connection:
                return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
        except (OperationalError, ProgrammingError):  # no such table
            return None

    def close(self) -> None:
        """Close all connections of this process."""
        self.engine.dispose()


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """The ids, as many at a time as one query takes."""
    listed = sorted(set(ids))
    return (listed[first : first + IN_ONE_QUERY] for first in range(0, len(listed), IN_ONE_QUERY))


def few(ids: Iterable[str]) -> list[str] | None:
    """The ids, where it pays to ask for these people alone; None: better read everybody."""
    listed = list(ids)
    return listed if len(listed) <= FEW else None


def asking(wanted: Any, person: Any, people: Iterable[str] | None) -> list[Any]:
    """The query about everybody, or the queries about these people, whom the column `person` names."""
    return [wanted] if people is None else [wanted.where(person.in_(part)) for part in chunks(people)]


def exists(url: str | URL) -> bool:
    """Whether there is a record to look at: a SQLite file that is there, or any PostgreSQL database."""
    found = normal(make_url(url))
    return found.get_backend_name() != "sqlite" or Path(str(found.database)).is_file()


def rows_changed(session: Session, statement: Any) -> int:
    """Execute an insert, update or delete and say how many rows it touched."""
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]  # a CursorResult


def normal(url: URL) -> URL:
    """The URL with the driver this project ships; refuses other databases."""
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ValueError(f"database URL: {backend!r} is not known; known ones are sqlite, postgresql")
    if url.database in (None, "", ":memory:"):
        raise ValueError("database URL: the record must be a file, e.g. sqlite:////var/lib/rollcall/record.db")
    return url


def connect_sqlite(url: URL) -> Engine:
    """An engine whose file only its owner can read, and whose transactions begin when they are told to.

    synchronous=NORMAL: in WAL mode a commit is handed to the operating system before it returns, so killing
    the process loses nothing and the file is never torn; only a power cut may lose the last commits
    (https://www.sqlite.org/pragma.html#pragma_synchronous). A lost intent is harmless, for the app is read
    first anyway; evidence is appended with FULL.
    """
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # never open one that is there: closing it would drop this process's locks on it,
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # sqlite.org/howtocorrupt.html, 2.2
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", prepare_sqlite)
    event.listen(engine, "begin", begin_sqlite)
    return engine


def prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    """Take BEGIN out of sqlite3's hands, and keep foreign keys."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def begin_sqlite(connection: Connection) -> None:
    """BEGIN as the engine's options say; synchronous can only be set outside a transaction."""
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA synchronous={options.get('synchronous', 'NORMAL')}")
    connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")


@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_random(0.01, 0.1),
    reraise=True,
)
def switch_to_wal(engine: Engine) -> None:
    """Readers and a writer side by side. The switch wants the file for itself and does not heed the timeout."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def alembic_config(connection: Connection) -> Config:
    """Alembic pointed at the migrations shipped in this package, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def forget_connections_in_children(engine: Engine) -> None:
    """A forked child must not use its parent's connections; it opens its own."""
    reference = weakref.ref(engine)

    def forget() -> None:
        if (inherited := reference()) is not None:
            inherited.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
