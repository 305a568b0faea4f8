"""Leases: one runner per person at a time, on whatever host; a dead runner's lease is taken over at once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import psutil
from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from flows.record import marks
from flows.record.database import Database, chunks, now, rows_changed
from flows.record.tables import LeaseRow, MarkRow

LASTS = timedelta(seconds=90)  # hosts whose clocks differ by more than this must not share a database
WAITS = timedelta(minutes=3)  # a wish older than this is of a run that is no more
WANTED = "wanted person "
HEARS = 0.2  # seconds between two looks for wishes
BEATS = 4  # of a lease, while it lasts
SAME_START = 2.0  # seconds; how far apart two readings of one process's start may be


class Busy(Exception):
    """Somebody else works on the person: `lease` says who, where and until when."""

    def __init__(self, lease: LeaseRow) -> None:
        self.lease = lease
        where = f"{lease.host.split('/')[0]}, process {lease.pid}"
        super().__init__(
            f"{lease.person_id} is being worked on by {lease.holder} ({where}, since {lease.taken_at:%H:%M:%S} UTC)"
        )


class Lease:
    """A lease that is held. `lost` is set when it was taken over, as after a host slept for minutes."""

    def __init__(self, row: LeaseRow) -> None:
        self.row = row
        self.lost = threading.Event()


@contextmanager
def lease(
    db: Database,
    person_id: str,
    holder: str,
    wait_seconds: float = 0,
    lasts: timedelta = LASTS,
    urgent: bool = False,
) -> Iterator[Lease]:
    """Be the only one who works on the person; Busy where the one who does has not ended in time.

    `holder` is for people to read: the run's name or id. A thread renews the lease until the block ends.
    `urgent`: a run that has many people is asked to give this one back.
    """
    try:
        mine = Lease(take(db, person_id, holder, lasts))
    except Busy:
        with asking_for(db, person_id, holder) if urgent else nullcontext():
            mine = Lease(wait_for(db, person_id, holder, wait_seconds, lasts))
    try:
        with beating(lasts.total_seconds() / BEATS, lambda: renew(db, mine, lasts)):
            yield mine
    finally:
        release(db, mine.row)


@contextmanager
def asking_for(db: Database, person_id: str, holder: str) -> Iterator[None]:
    """Let a run that has many people know that this one is waited for."""
    marks.set(db, WANTED + person_id, holder)
    try:
        yield
    finally:
        marks.set(db, WANTED + person_id, None)


@dataclass(frozen=True)
class Leases:
    """Many people's leases that one run holds."""

    db: Database
    token: str
    people: set[str]
    """Ids of those whose lease is still held."""
    gave: set[str] = field(default_factory=set)
    """Ids of those who were given back to an urgent run."""

    def wanted(self) -> set[str]:
        """Ids of those of the people whom an urgent run waits for."""
        lately = col(MarkRow.updated_at) > now() - WAITS
        with self.db.session() as session:
            found = session.exec(select(MarkRow.name).where(col(MarkRow.name).startswith(WANTED), lately))
            return {name.removeprefix(WANTED) for name in found} & self.people

    def give_back(self, person_id: str) -> None:
        """Work on the person no more: an urgent run does."""
        self.gave.add(person_id)
        self.end([person_id])

    def give_way(self) -> None:
        """Give back whomever an urgent run waits for: no call about any of the people may be under way."""
        for person in self.wanted():
            self.give_back(person)

    def giving_way(self) -> AbstractContextManager[None]:
        """Until the block ends, in which nothing is written about the people, a thread gives way."""
        return beating(HEARS, self.give_way)

    def end(self, people: Iterable[str]) -> None:
        """Hold these leases no more."""
        over = set(people)
        self.people.difference_update(over)
        with self.db.writing() as session:
            for part in chunks(over):
                mine = (col(LeaseRow.person_id).in_(part), col(LeaseRow.token) == self.token)
                session.execute(delete(LeaseRow).where(*mine))


@contextmanager
def leases(db: Database, people: Iterable[str], holder: str, lasts: timedelta = LASTS) -> Iterator[Leases]:
    """Be the only one who works on those of the people on whom nobody works now."""
    token = uuid4().hex
    with db.writing() as session:
        mine = {person for person in people if insert(db, session, row_of(person, holder, token, lasts))}
    try:
        with beating(lasts.total_seconds() / BEATS, lambda: renew_all(db, token, lasts)):
            yield Leases(db, token, mine)
    finally:
        with db.writing() as session:
            session.execute(delete(LeaseRow).where(col(LeaseRow.token) == token))


@contextmanager
def beating(seconds: float, beat: Callable[[], object]) -> Iterator[None]:
    """Let a thread do this every so many seconds, until the block ends.

    A database that cannot be reached now is asked again at the next beat.
    """
    ended = threading.Event()

    def beats() -> None:
        while not ended.wait(seconds):
            with suppress(OperationalError):
                beat()

    thread = threading.Thread(target=beats, name="beating", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def renew_all(db: Database, token: str, lasts: timedelta) -> None:
    """Put off the end of all leases with this token."""
    with db.writing() as session:
        session.execute(update(LeaseRow).where(col(LeaseRow.token) == token).values(until=now() + lasts))


def wait_for(db: Database, person_id: str, holder: str, wait_seconds: float, lasts: timedelta) -> LeaseRow:
    """Take the lease, trying until the time is over."""
    attempts = Retrying(
        retry=retry_if_exception_type(Busy),
        stop=stop_after_delay(wait_seconds),
        wait=wait_random(0.02, 0.2),
        reraise=True,
    )
    return attempts(take, db, person_id, holder, lasts)


def take(db: Database, person_id: str, holder: str, lasts: timedelta) -> LeaseRow:
    """Take the lease or raise Busy."""
    row = row_of(person_id, holder, uuid4().hex, lasts)
    with db.writing() as session:
        taken = insert(db, session, row)
        present = None if taken else session.get(LeaseRow, person_id)
    if taken:
        return row
    if present is None:  # another one took it and gave it back meanwhile
        return take(db, person_id, holder, lasts)
    raise Busy(present)


def row_of(person_id: str, holder: str, token: str, lasts: timedelta) -> LeaseRow:
    """A lease of this process from now on."""
    return LeaseRow(
        person_id=person_id,
        holder=holder,
        token=token,
        host=this_host(),
        pid=os.getpid(),
        process_started=psutil.Process().create_time(),
        taken_at=now(),
        until=now() + lasts,
    )


def insert(db: Database, session: Session, row: LeaseRow) -> bool:
    """Take the lease if nobody who still works has it."""
    return drop_abandoned(session, row.person_id) is None and db.insert_new(session, LeaseRow, row.model_dump())


def drop_abandoned(session: Session, person_id: str) -> LeaseRow | None:
    """The person's lease if its holder still works; an abandoned one is removed, unless it has just changed."""
    row = session.get(LeaseRow, person_id)
    if row is None or not abandoned(row):
        return row
    session.expunge(row)
    session.execute(delete(LeaseRow).where(*same(row)))
    return None


def abandoned(row: LeaseRow) -> bool:
    """Run out, or held by a process of this host that is no more."""
    return row.until < now() or (row.host == this_host() and not lives(row.pid, row.process_started))


def lives(pid: int, started: float) -> bool:
    """Whether this very process still runs; a killed one that nobody has waited for does not."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < SAME_START
    except psutil.NoSuchProcess:
        return False


def this_host() -> str:
    """Where a pid has its meaning: the host's name and, on Linux, its process namespace (containers)."""
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{socket.gethostname()}/{namespace}"


def renew(db: Database, mine: Lease, lasts: timedelta) -> None:
    """Put off the lease's end, unless the lease is somebody else's."""
    if not mine.lost.is_set() and not put_off(db, mine.row, lasts):
        mine.lost.set()


def put_off(db: Database, row: LeaseRow, lasts: timedelta) -> bool:
    """Renew the lease; False where it is not there any more."""
    with db.writing() as session:
        renewed = update(LeaseRow).where(*same(row)).values(until=now() + lasts)
        return rows_changed(session, renewed) == 1


def release(db: Database, row: LeaseRow) -> None:
    """Give the lease back, if it is still the same one."""
    with db.writing() as session:
        session.execute(delete(LeaseRow).where(*same(row)))


def same(row: LeaseRow) -> tuple[ColumnElement[bool], ...]:
    """Criteria of this very lease."""
    return (col(LeaseRow.person_id) == row.person_id, col(LeaseRow.token) == row.token)
