"""One runner per person at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from record_databases import KINDS, fresh_database
from sqlalchemy import update
from sqlmodel import Session, select

from flows.record import marks
from flows.record.database import Database, now
from flows.record.lease import Busy, asking_for, lease, this_host
from flows.record.lease import leases as many_leases
from flows.record.tables import LeaseRow, MarkRow

HOLD = """
import sys, time
from flows.record.database import Database
from flows.record.lease import lease
with lease(Database(sys.argv[1]), "p1", "run of the other process"):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys
from flows.record import marks
from flows.record.database import Database
from flows.record.lease import lease
db = Database(sys.argv[1])
for _ in range(10):
    with lease(db, "p1", "counter", wait_seconds=60):
        marks.set(db, "n", marks.get(db, "n") + 1)
"""


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


def url_of(db: Database) -> str:
    return db.url.render_as_string(hide_password=False)


@pytest.fixture
def holder(db: Database) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds p1's lease until its input is closed."""
    command = [sys.executable, "-c", HOLD, url_of(db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def leases(db: Database) -> list[LeaseRow]:
    with db.session() as session:
        return list(session.exec(select(LeaseRow)))


def write(db: Database, **changes: object) -> None:
    """Put a lease of p1 there, held by this process but for the changes."""
    mine = psutil.Process()
    row = LeaseRow(
        person_id="p1",
        holder="somebody",
        token="t",
        host=this_host(),
        pid=mine.pid,
        process_started=mine.create_time(),
        taken_at=now(),
        until=now() + timedelta(minutes=1),
    )
    for name, value in changes.items():
        setattr(row, name, value)
    with db.writing() as session:
        session.add(row)


def test_a_second_runner_is_told_who_is_at_work(db: Database, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Busy, match=f"run of the other process .*process {holder.pid}"), lease(db, "p1", "me"):
        raise AssertionError("got a lease that is held")


def test_other_people_are_free(db: Database, holder: subprocess.Popen[str]) -> None:
    with lease(db, "p2", "me"):
        assert {row.person_id for row in leases(db)} == {"p1", "p2"}


def test_waiting_gets_it_when_the_holder_is_done(db: Database, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    threading.Timer(0.3, holder.stdin.close).start()

    with lease(db, "p1", "me", wait_seconds=60):
        assert [row.holder for row in leases(db)] == ["me"]


def test_a_killed_holders_lease_is_taken_over_at_once(db: Database, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    with lease(db, "p1", "me"):
        assert [row.holder for row in leases(db)] == ["me"]


def test_so_it_is_before_anybody_has_waited_for_the_killed_one(db: Database, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    process = psutil.Process(holder.pid)
    while process.status() != psutil.STATUS_ZOMBIE:
        pass

    with lease(db, "p1", "me"):
        assert [row.holder for row in leases(db)] == ["me"]


def test_a_pid_given_to_another_process_does_not_keep_a_lease(db: Database) -> None:
    write(db, process_started=psutil.Process().create_time() - 3600)

    with lease(db, "p1", "me"):
        assert [row.holder for row in leases(db)] == ["me"]


def test_a_holder_on_another_host_keeps_it_until_it_runs_out(db: Database) -> None:
    write(db, host="elsewhere/", pid=2**22 + 1)
    with pytest.raises(Busy, match="elsewhere"), lease(db, "p1", "me"):
        pass
    with db.writing() as session:
        session.exec(select(LeaseRow)).one().until = now() - timedelta(seconds=1)

    with lease(db, "p1", "me"):
        assert [row.holder for row in leases(db)] == ["me"]


def test_a_thread_of_the_same_process_is_another_runner(db: Database) -> None:
    with lease(db, "p1", "me"), pytest.raises(Busy), lease(db, "p1", "me too"):
        pass

    assert leases(db) == []


def test_it_is_given_back_when_the_work_fails(db: Database) -> None:
    with pytest.raises(RuntimeError), lease(db, "p1", "me"):
        raise RuntimeError

    assert leases(db) == []


def test_it_is_renewed_while_the_work_lasts(db: Database) -> None:
    short = timedelta(seconds=0.4)
    with lease(db, "p1", "me", lasts=short) as mine:
        end = mine.row.until + 2 * short
        while leases(db)[0].until < end:
            assert now() < end + timedelta(minutes=1)

        assert not mine.lost.is_set()
        with pytest.raises(Busy), lease(db, "p1", "me too"):
            pass


def test_a_runner_learns_that_it_lost_its_lease_and_leaves_the_new_one(db: Database) -> None:
    with lease(db, "p1", "me", lasts=timedelta(seconds=0.4)) as mine:
        with db.writing() as session:
            steal(session)

        assert mine.lost.wait(60)
    assert [row.token for row in leases(db)] == ["another"]


def steal(session: Session) -> None:
    session.exec(select(LeaseRow)).one().token = "another"


def test_processes_take_turns(db: Database) -> None:
    marks.set(db, "n", 0)

    runners = [subprocess.Popen([sys.executable, "-c", COUNT, url_of(db)]) for _ in range(3)]
    statuses = [runner.wait(120) for runner in runners]

    assert statuses == [0, 0, 0]
    assert marks.get(db, "n") == 30


def test_of_many_leases_one_is_given_back_to_who_waits_urgently(db: Database) -> None:
    with many_leases(db, ["p1", "p2"], "a reorganisation") as mine:
        with asking_for(db, "p1", "urgent"), asking_for(db, "p3", "urgent"):
            assert mine.wanted() == {"p1"}
            mine.give_back("p1")
            assert mine.wanted() == set()
        with lease(db, "p1", "urgent"):
            assert {row.person_id: row.holder for row in leases(db)} == {"p1": "urgent", "p2": "a reorganisation"}


def test_the_wish_of_a_run_that_is_no_more_is_not_heard(db: Database) -> None:
    with many_leases(db, ["p1"], "a reorganisation") as mine, asking_for(db, "p1", "urgent"):
        with db.writing() as session:
            session.execute(update(MarkRow).values(updated_at=now() - timedelta(minutes=5)))
        assert mine.wanted() == set()
