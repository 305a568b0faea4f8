"""The database: migrations, transactions, times."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from record_databases import KINDS, fresh_database, fresh_url
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from flows.record import database, emails, history, holdings, marks
from flows.record.database import Database
from flows.record.tables import HeldRow, PlanRow, Row, StepRow


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


def test_models_and_migrations_agree(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Row.metadata)

    assert differences == []


def test_the_newest_migration_is_known_by_name(db: Database) -> None:
    newest = max(p.name[:4] for p in (Path(database.__file__).parent / "migrations" / "versions").glob("0*.py"))

    assert db.version() == newest == database.NEWEST


def migrate_elsewhere(url: str) -> int:
    db = Database(url)
    db.migrate()
    with db.session() as session:
        return session.execute(text("SELECT count(*) FROM alembic_version")).scalar_one()


@pytest.mark.parametrize("kind", KINDS)
def test_several_processes_may_migrate_at_once(kind: str, tmp_path: Path) -> None:
    url = fresh_url(kind, tmp_path)

    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        versions = list(pool.map(migrate_elsewhere, [url] * 4))

    assert versions == [1, 1, 1, 1]


def test_migrating_again_keeps_what_is_there(db: Database) -> None:
    marks.set(db, "kept", 1)

    db.migrate()

    assert marks.get(db, "kept") == 1


def test_the_sqlite_file_is_in_wal_mode_and_its_owners_alone(tmp_path: Path) -> None:
    with fresh_database("sqlite", tmp_path) as db, db.session() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert session.execute(text("PRAGMA busy_timeout")).scalar_one() >= 10_000
        assert session.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        assert session.execute(text("PRAGMA synchronous")).scalar_one() == 1
    assert stat.S_IMODE((tmp_path / "record.db").stat().st_mode) == 0o600


def test_a_nested_transaction_is_undone_with_the_outer_one(db: Database) -> None:
    with pytest.raises(RuntimeError), db.writing():
        holdings.hold(db, "p1", "slack", None, "Everybody", "h1")
        emails.reserve(db, "ana@acme.example", "p1")
        raise RuntimeError("the process had a bad day")

    assert holdings.access(db).empty
    assert emails.of_person(db, "p1") == []


def test_reads_inside_a_transaction_see_its_writes(db: Database) -> None:
    with db.writing():
        holdings.hold(db, "p1", "slack", None, "Everybody", "h1")

        assert list(holdings.access(db)["app"]) == ["slack"]


def test_a_transaction_can_be_opened_after_a_failed_one(db: Database) -> None:
    with pytest.raises(RuntimeError), db.writing():
        raise RuntimeError

    holdings.hold(db, "p1", "slack", None, "Everybody", "h1")

    assert len(holdings.access(db)) == 1


def test_times_come_back_aware_and_in_utc(db: Database) -> None:
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=5)))

    holdings.hold(db, "p1", "slack", None, "Everybody", "h1", at=at)

    with db.session() as session:
        since = session.exec(select(HeldRow)).one().since
    assert since == at
    assert since.tzinfo is UTC


def test_times_without_a_zone_are_refused(db: Database) -> None:
    with pytest.raises(Exception, match="no time zone"):
        holdings.hold(db, "p1", "slack", None, "Everybody", "h1", at=datetime(2026, 3, 1))


def test_foreign_keys_are_kept(db: Database) -> None:
    history.open_plan(db, "h1", "p1", "ana", "joiner", date(2026, 3, 1), "r1", {})
    history.intend(db, "h1", "r1", "s1", "slack", "create account")

    with pytest.raises(IntegrityError), db.writing() as session:
        session.delete(session.exec(select(PlanRow)).one())

    with db.session() as session:
        assert session.exec(select(StepRow)).one().app == "slack"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/record", "known ones are sqlite, postgresql"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
    ],
)
def test_other_databases_are_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Database(url)


FORK = """
import os, sys
from flows.record import marks
from flows.record.database import Database
db = Database(sys.argv[1])
marks.set(db, "parent", 1)
inherited = db.engine.pool
child = os.fork()
if child == 0:
    assert db.engine.pool is not inherited
    marks.set(db, "child", marks.get(db, "parent"))
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert marks.get(db, "child") == 1
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_opens_its_own_connections(kind: str, tmp_path: Path) -> None:
    url = fresh_url(kind, tmp_path)
    with closing(Database(url)) as db:
        db.migrate()

    subprocess.run([sys.executable, "-c", FORK, url], check=True)
