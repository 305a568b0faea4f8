"""Carrying out many people's plans: each app's steps together, each person's in their order, the apps side by side."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from connectors.errors import ConnectorError, Mismatch
from flows.many import ledger
from flows.many.ledger import Job, Work
from flows.many.line import AT_ONCE, End, Line, calling, read, there, write
from flows.record.lease import Leases
from flows.record.tables import StepOutcome
from flows.site import Site
from flows.steps import READ_BACK_SECONDS, apply, evidence_of, told
from flows.taskgraph import OK
from mappings.access import Account
from mappings.order import by_hand
from mappings.plan import Step

THREADS = 64
ALONE = 4  # steps done one at a time, as a run of one's own does them, at once
FINISHED = 100  # outcomes written at once, while an urgent run's first words wait for the database
PAUSE = 0.25  # seconds between two readings of what an app does not show yet
Tell = Callable[[int, int], None]
"""Told how many steps are done, of how many."""


class Together:
    """The steps of these plans. `carry_out` returns when each is done, has failed, or is left to a run of one's own."""

    def __init__(
        self, site: Site, works: Sequence[Work], run_id: str, sizes: Mapping[str, int], tell: Tell, mine: Leases
    ) -> None:
        self.site, self.works, self.run_id, self.tell, self.mine = site, works, run_id, tell, mine
        self.tried = ledger.attempts(site.db, works)
        self.lines = {name: Line(site.app(name), size) for name, size in sizes.items()}
        self.alone: deque[Job] = deque()
        self.running: dict[Future[Any], tuple[str, list[Job]]] = {}
        self.left = {work.hash: edges(work) for work in works}
        self.asked_at = 0.0
        self.total, self.over = sum(len(work.case.plan.steps) for work in works), 0

    def carry_out(self) -> None:
        """Everything, from the first write to the last reading."""
        for work in self.works:
            self.release(work)
        with ThreadPoolExecutor(THREADS) as pool:
            while self.start(pool) or self.running or any(line.written for line in self.lines.values()):
                self.collect()
                self.hear()
        self.give_way()

    def hear(self) -> None:
        """Give way, if it is a while since the last time."""
        if time.monotonic() - self.asked_at > PAUSE:
            self.give_way()

    def give_way(self) -> None:
        """Give people back whom an urgent run waits for, as soon as no call of theirs is under way.

        What was written and not read back yet stays an intent without an outcome, as after a kill: who has the
        person's lease next finds out what came of it.
        """
        self.asked_at = time.monotonic()
        wanted = self.mine.wanted()
        for work in (w for w in self.works if w.person_id in wanted):
            work.failed, work.given = work.failed or "given back", True
            self.left[work.hash].clear()
            self.alone = deque(job for job in self.alone if job.work is not work)
            for line in self.lines.values():
                for lane in line.lanes.values():
                    lane.drop(work)
            calls = (jobs for kind, jobs in self.running.values() if kind != "read")
            if not any(job.calling and job.work is work for jobs in calls for job in jobs):
                for line in self.lines.values():
                    line.written = [job for job in line.written if job.work is not work]
                self.mine.give_back(work.person_id)
        for person in wanted - {work.person_id for work in self.works}:
            self.mine.give_back(person)

    def held(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of the jobs whose people were not given back meanwhile."""
        return [job for job in jobs if job.work.person_id in self.mine.people]

    # what is ready

    def release(self, work: Work) -> None:
        """Hand on the person's steps that nothing is in the way of any more."""
        open_steps = self.left[work.hash]
        if work.failed:
            open_steps.clear()
            return
        for step in work.case.plan.steps:
            if step.id in open_steps and not open_steps[step.id]:
                del open_steps[step.id]
                self.queue(work, step)

    def queue(self, work: Work, step: Step) -> None:
        """Put a step into its line."""
        again = (work.hash, step.id) in self.tried
        job = Job(work, step, id=work.case.ids.get(step.app, ""), looked=step.app in work.case.read and not again)
        if step.verb in AT_ONCE and step.app in self.lines and not by_hand(self.site.rules, step.app):
            self.lines[step.app].lane(job).waiting.append(job)
        else:
            self.alone.append(job)

    # what is under way

    def start(self, pool: ThreadPoolExecutor) -> bool:
        """Give work to free hands; whether there was any."""
        begun = False
        for line in self.lines.values():
            for jobs in line.hands():
                ledger.intend(self.site.db, jobs, self.run_id, self.tried)
                self.running[pool.submit(write, line.app, jobs)] = ("write", jobs)
                begun = True
            if jobs := line.to_read():
                line.reading = True
                self.running[pool.submit(read, line.app, jobs, line.pages)] = ("read", jobs)
                begun = True
        while self.alone and sum(kind == "alone" for kind, _ in self.running.values()) < ALONE:
            job = self.alone.popleft()
            self.running[pool.submit(by_itself, job, self.run_id)] = ("alone", [job])
            begun = True
        return begun

    def collect(self) -> None:
        """Take in what has ended."""
        if not self.running:
            time.sleep(PAUSE / 5)  # only readings that are not due yet
            return
        done, _ = wait(self.running, timeout=PAUSE, return_when=FIRST_COMPLETED)
        for future in done:
            kind, jobs = self.running.pop(future)
            take: dict[str, Callable[[list[Job], Future[Any]], None]]
            take = {"write": self.wrote, "read": self.looked, "alone": self.did}
            take[kind](jobs, future)
        self.tell(self.over, self.total)

    def wrote(self, jobs: list[Job], future: Future[list[End]]) -> None:
        """A hand of writes has ended."""
        line = self.lines[jobs[0].step.app]
        line.lane(jobs[0]).writers -= 1
        ends = [End(job, told(error)) for job in jobs] if (error := of(future)) else future.result()
        ends = [end for end in ends if end.job.work.person_id in self.mine.people]
        self.fail([(end.job, end.error) for end in ends if end.error])
        good = [end.job for end in ends if not end.error]
        for job in good:
            job.work.case.ids[job.step.app] = job.id
        line.size += sum(job.step.verb.value.startswith("create") for job in good)
        line.written += good

    def looked(self, jobs: list[Job], future: Future[dict[str, Account | None]]) -> None:
        """Accounts were read back."""
        line = self.lines[jobs[0].step.app]
        line.reading = False
        error = of(future)
        shown = {} if error else future.result()
        good = [job for job in jobs if not error and there(job, shown)]
        for first in range(0, len(good), FINISHED):
            part = self.held(good[first : first + FINISHED])
            ledger.finish(self.site.db, [(job, evidence_of(shown.get(job.id))) for job in part])
            self.after(part)
            self.hear()
        late = set(self.held(jobs)) - set(good)
        now = time.monotonic()
        lost = [job for job in late if now - job.written_at > READ_BACK_SECONDS]
        self.fail([(job, told(error) if error else str(mismatch(job))) for job in lost])
        for job in late - set(lost):
            job.look_at = now + max(PAUSE, (now - job.written_at) / 2)
            line.written.append(job)

    def did(self, jobs: list[Job], future: Future[StepOutcome]) -> None:
        """One step in the way of a run of one's own has ended; it is in the record."""
        error = of(future)
        if not self.held(jobs):
            return
        (job,) = jobs
        outcome = StepOutcome.FAILED if error else future.result()
        job.work.results[job.step.id] = outcome
        if error:
            job.work.failed = job.work.failed or told(error)
        self.after(jobs)

    def fail(self, ends: Sequence[tuple[Job, str]]) -> None:
        """These failed: the rest of the person's plan is left to a look of its own."""
        ledger.fail(self.site.db, ends)
        self.after([job for job, _ in ends])

    def after(self, jobs: Sequence[Job]) -> None:
        """What was waiting for these steps may go on, or may not."""
        self.over += len(jobs)
        for job in jobs:
            self.settle(job)
        for work in {job.work.hash: job.work for job in jobs}.values():
            self.release(work)

    def settle(self, job: Job) -> None:
        """Take the step out of what others wait for."""
        work, outcome = job.work, job.work.results[job.step.id]
        for step in work.case.plan.steps:
            if job.step.id in self.left[work.hash].get(step.id, ()):
                self.left[work.hash][step.id].discard(job.step.id)
                if job.step.id in step.needs and outcome not in OK:
                    work.failed = work.failed or f"{step.id} needs {job.step.id}"


def edges(work: Work) -> dict[str, set[str]]:
    """Step id -> the steps it waits for."""
    return {step.id: {*step.needs, *step.after} for step in work.case.plan.steps}


def by_itself(job: Job, run_id: str) -> StepOutcome:
    """A step as a run of one's own does it; what fails for good is asked of a human by that run."""
    with calling([job]) as mine:
        return apply(job.work.case, job.step, run_id, again=not job.looked) if mine else StepOutcome.BLOCKED


def of(future: Future[Any]) -> Exception | None:
    """What the thread raised."""
    error = future.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return error


def mismatch(job: Job) -> ConnectorError:
    """The app said yes and shows something else."""
    doing = f"{job.step.verb} {job.step.entitlement or ''}".strip() + f" for {job.work.case.user_name}"
    why = f"it answered that this was done, but {READ_BACK_SECONDS} s later it does not show it"
    return Mismatch(job.step.app, doing, why, "Look at the account in the app; running this again tries it again.")
