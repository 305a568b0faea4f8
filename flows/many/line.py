"""One app's share of the work: what waits to be written there, what is being written, what is to be read back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connectors.base import App, Bulk, Outcome, Write
from connectors.errors import ConnectorError
from flows.many.ledger import Job, Work
from flows.many.view import tells
from flows.record.tables import StepOutcome
from flows.steps import WRITES, refuse_anothers, shows
from mappings.access import Account
from mappings.plan import Verb

WRITERS = 4  # calls of one kind to one app at a time
HAND = 16  # single writes given to a writer at once
PER_PAGE = 100  # accounts on a page of a listing, about: what reading everybody costs
WORTH = 10  # reading everybody is worth it for so many writes a page
AT_ONCE: dict[Verb, Any] = {
    Verb.CREATE: "create",
    Verb.ENABLE: "enable",
    Verb.UPDATE: "update",
    Verb.DISABLE: "disable",
    Verb.GRANT: "grant",
    Verb.REVOKE: "revoke",
}
"""Verbs whose effect a reading shows; the others are done one person at a time."""


class End(NamedTuple):
    """What became of a write."""

    job: Job
    error: str = ""


@dataclass
class Lane:
    """Writes of one verb. They have limits of their own at many apps, and the first people should not wait with their
    groups until the last have their accounts."""

    app: App
    waiting: deque[Job] = field(default_factory=deque)
    batches: deque[list[Job]] = field(default_factory=deque)
    writers: int = 0

    def hand(self) -> list[Job]:
        """What the next writer gets; empty where there is nothing, or enough is under way."""
        if self.writers >= WRITERS:
            return []
        if isinstance(self.app, Bulk) and self.waiting:
            self.batches.extend(in_batches(self.app, list(self.waiting)))
            self.waiting.clear()
        if self.batches:
            return self.batches.popleft()
        return [self.waiting.popleft() for _ in range(min(HAND, len(self.waiting)))]

    def drop(self, work: Work) -> None:
        """Begin nothing more of this plan."""
        self.waiting = deque(job for job in self.waiting if job.work is not work)
        left = ([job for job in batch if job.work is not work] for batch in self.batches)
        self.batches = deque(batch for batch in left if batch)

    @property
    def idle(self) -> bool:
        """Whether nothing is to be written and nothing is being written."""
        return not (self.waiting or self.batches or self.writers)


@dataclass
class Line:
    """The work of one app."""

    app: App
    size: int
    """How many accounts the app has."""
    lanes: dict[Verb, Lane] = field(default_factory=dict)
    written: list[Job] = field(default_factory=list)
    """To be read back."""
    reading: bool = False

    def lane(self, job: Job) -> Lane:
        """Where a job's like are."""
        return self.lanes.setdefault(job.step.verb, Lane(self.app))

    def hands(self) -> Iterator[list[Job]]:
        """What free writers get, one hand after another; counted as under way."""
        for lane in self.lanes.values():
            while jobs := lane.hand():
                lane.writers += 1
                yield jobs

    def to_read(self) -> list[Job]:
        """What is read back now: as soon as it is worth reading everybody, or nothing else is to be done here."""
        if self.reading or not self.written:
            return []
        idle = all(lane.idle for lane in self.lanes.values())
        if not idle and len(self.written) < WORTH * self.pages:
            return []
        at = time.monotonic()
        due = [job for job in self.written if job.look_at <= at]
        self.written = [job for job in self.written if job.look_at > at]
        return due

    @property
    def pages(self) -> int:
        """About what a listing costs."""
        return max(1, -(-self.size // PER_PAGE))


def in_batches(app: Bulk, jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """The jobs as the app takes them, many in a call."""
    writes = {id(write): (write, job) for job in jobs for write in [write_of(job)]}
    for batch in app.batches([write for write, _ in writes.values()]):
        chosen = [writes[id(write)][1] for write in batch]
        for write, job in (writes[id(write)] for write in batch):
            job.write = write
        yield chosen


def write_of(job: Job) -> Write:
    """The step as a write."""
    return Write(AT_ONCE[job.step.verb], job.id, job.step.attributes, job.step.entitlement or "")


def write(app: App, jobs: Sequence[Job]) -> list[End]:
    """Carry out a hand of writes, but for people who were given back meanwhile; in a thread of its own."""
    if isinstance(app, Bulk) and jobs[0].write is not None:
        with calling(jobs) as mine:
            return written_together(app, mine) if mine else []
    ends: list[End] = []
    for job in jobs:
        with calling([job]) as mine:
            ends += [written_alone(app, one) for one in mine]
    return ends


@contextmanager
def calling(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Those of the jobs about which calls may be made until the block ends.

    Marked first and looked at then; who gives people back looks for the mark after `given` is set.
    """
    for job in jobs:
        job.calling = True
    try:
        yield [job for job in jobs if not job.work.given]
    finally:
        for job in jobs:
            job.calling = False


def written_together(app: Any, jobs: Sequence[Job]) -> list[End]:
    """A batch in the app's own way."""
    by_write = {id(job.write): job for job in jobs}
    ends = []
    looked = all(job.looked for job in jobs)
    for answer in app.write_many([job.write for job in jobs], looked):
        job = by_write.pop(id(answer.write))
        if isinstance(answer.outcome, ConnectorError):
            ends.append(End(job, str(answer.outcome)))
        else:
            ends.append(settled(app, job, answer.outcome, answer.id or job.id))
    return [*ends, *(End(job, f"{app.name}: no answer for {job.step.id}") for job in by_write.values())]


def written_alone(app: Any, job: Job) -> End:
    """One write in one call."""
    try:
        if job.step.verb is Verb.CREATE:
            outcome, ident = app.create(job.step.attributes, job.looked)
        else:
            outcome, ident = WRITES[job.step.verb](app, job.id, job.step, job.looked), job.id
    except ConnectorError as error:
        return End(job, str(error))
    return settled(app, job, outcome, ident)


def settled(app: Any, job: Job, outcome: Outcome, ident: str) -> End:
    """A write that worked; an account that was there already must be this person's, and is brought up to date."""
    job.id, job.outcome, job.written_at = ident, StepOutcome(outcome.value), time.monotonic()
    if job.step.verb is Verb.CREATE and outcome is Outcome.ALREADY:
        try:
            refuse_anothers(job.work.case, job.step, app, ident)
            app.enable(ident)
            app.update(ident, job.step.attributes)
        except ConnectorError as error:
            return End(job, str(error))
    return End(job)


def read(app: App, jobs: Sequence[Job], pages: int) -> dict[str, Account | None]:
    """The accounts of these jobs as the app shows them now, by id; in a thread of its own."""
    alone = {j.id for j in jobs if not tells(app) and j.step.verb in (Verb.GRANT, Verb.REVOKE)}
    ids = {job.id for job in jobs} - alone
    if len(ids) <= pages:
        alone |= ids
        ids = set()
    shown: dict[str, Account | None] = dict.fromkeys(ids)
    if ids:
        shown |= {account.id: account for account in app.accounts() if account.id in ids}
    return shown | {ident: app.read(ident) for ident in alone}


def there(job: Job, shown: dict[str, Account | None]) -> bool:
    """Whether the app shows the job's effect."""
    return shows(shown.get(job.id), job.step)
