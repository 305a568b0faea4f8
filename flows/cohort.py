"""Many people in one run: the same steps, proof and record as in a run of one's own, without a task for each step."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from connectors.errors import ConnectorError, Retryable
from flows import approval, notify
from flows.case import Case, NotInHr, RowHeld
from flows.graph import LEASE_WAIT, OutOfPlace, check_place, close, open_plan, verification
from flows.loose_ends import look_well
from flows.manual_task import start_manual_tasks
from flows.many.together import bring_in_line
from flows.proof import prove
from flows.record import holds, tasks
from flows.record.lease import Busy, lease
from flows.record.tables import StepOutcome
from flows.report import table
from flows.site import Site
from flows.steps import apply, ask, block
from flows.taskgraph import OK, RETRY_DELAYS
from mappings.feed import FeedError
from mappings.folder import RulesError
from mappings.plan import Step

AT_ONCE = 8  # people worked on side by side, of those who need a look of their own
TOGETHER = 5000  # people of one look at HR and the apps
MOST = 99.0  # per cent that is told before those are done who need a look of their own
POLITE = 10  # how much lower than others' the process's priority is
TOLD = 200  # failed people named in the artifact

log = logging.getLogger("prefect.rollcall.cohort")
Tell = Callable[["Ended | float"], None]
"""Told of each person's end, and of how much is done, in per cent."""


@dataclass(frozen=True)
class Ended:
    """How it went with one person."""

    person_id: str
    state: str
    message: str
    good: bool


@flow(name="cohort", persist_result=False)
async def cohort(people: dict[str, str], on: date | None = None) -> State[Any]:
    """Bring many people in line at once, as in a reorganisation or after a first import.

    `people`: employee_id -> verb (onboard, move, offboard). Leavers who cannot wait have runs of their own, which
    go first: this one is polite about processor and quotas.
    """
    os.nice(POLITE)
    site = await asyncio.to_thread(Site.open)
    run_id, shown = str(runtime.flow_run.id), await acreate_progress_artifact(0.0, key="cohort")
    ended: list[Ended] = []
    async for one in as_they_end(site, people, on or datetime.now(UTC), run_id):
        if isinstance(one, float):
            await aupdate_progress_artifact(shown, one)
        else:
            ended.append(one)
    await acreate_markdown_artifact(markdown=told(ended), key="cohort-report")
    await start_tasks(site, run_id)
    bad = [e for e in ended if not e.good]
    counts = ", ".join(f"{n} {state}" for state, n in Counter(e.state for e in ended).most_common())
    if bad:
        names = ", ".join(e.person_id for e in bad[:20])
        return Failed(message=f"{counts}. Not in line: {names}{' …' if len(bad) > 20 else ''}; they are due again.")
    return Completed(message=counts or "nobody")


async def start_tasks(site: Site, run_id: str) -> None:
    """What humans were asked gets runs that wait, and one message."""
    if rows := [row for row in await asyncio.to_thread(tasks.tasks_of_run, site.db, run_id) if row.state == "open"]:
        await start_manual_tasks(rows)
        await notify.tasks_wait(site, rows, run_id)


async def as_they_end(
    site: Site, people: Mapping[str, str], moment: datetime | date, run_id: str
) -> AsyncIterator[Ended | float]:
    """Each person's end, as it comes, and in between how much is done, in per cent."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Ended | float | Exception]()

    def tell(one: Ended | float) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, one)

    def work() -> None:
        try:
            carry_all(site, people, moment, run_id, tell)
        except Exception as error:  # the loop below would wait for ever
            loop.call_soon_threadsafe(queue.put_nowait, error)

    thread, left = loop.run_in_executor(None, work), len(people)
    while left:
        one = await queue.get()
        if isinstance(one, Exception):
            raise one
        left -= isinstance(one, Ended)
        yield one
    await thread


def carry_all(site: Site, people: Mapping[str, str], moment: datetime | date, run_id: str, tell: Tell) -> None:
    """Everybody: first what can be done together, then the others, some side by side."""
    rest = dict(people)
    plain = [person for person, verb in people.items() if verb != "offboard"]
    for first in range(0, len(plain), TOGETHER):
        part = plain[first : first + TOGETHER]
        for ended in in_line(site, part, moment, run_id, Progress(tell, first, len(part), len(plain))):
            del rest[ended.person_id]
            tell(ended)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(see_through, site, verb, who, moment, run_id) for who, verb in rest.items()]
        for future in as_completed(futures):
            tell(future.result())


class Progress:
    """How much of all is done, told in small parts."""

    def __init__(self, tell: Tell, before: int, now: int, all: int) -> None:
        self.tell, self.before, self.now, self.all, self.said = tell, before, now, all, 0.0

    def __call__(self, done: int, of: int) -> None:
        share = MOST * (self.before + self.now * done / max(of, 1)) / self.all
        if share - self.said > 2:
            self.said = share
            self.tell(share)


def in_line(site: Site, people: list[str], moment: datetime | date, run_id: str, progress: Progress) -> list[Ended]:
    """Those whom one look at HR and the apps brought in line."""
    try:
        outcome = bring_in_line(site, people, moment, run_id, log.info, progress)
    except (ConnectorError, FeedError) as error:  # what is wrong is told of each person
        log.warning("%s", error)
        return []
    return [Ended(person, name, message, True) for person, (name, message) in outcome.ended.items()]


def see_through(
    site: Site,
    verb: str,
    person_id: str,
    moment: datetime | date | None,
    run_id: str,
    leaving: str = "",
    putting_back: bool = False,
) -> Ended:
    """One person from the first look to the signed packet; never raises what a run of one's own would report."""
    try:
        with lease(site.db, person_id, f"{verb} in run {run_id}", wait_seconds=LEASE_WAIT):
            state = carry_out(site, verb, person_id, moment, run_id, leaving, putting_back)
    except (ConnectorError, NotInHr, RowHeld, RulesError, Busy, OutOfPlace) as error:
        return Ended(person_id, "not begun", str(error), False)
    except Exception as error:  # one person's trouble must not end the others' run
        log.exception("%s", person_id)
        return Ended(person_id, "cut off", type(error).__name__, False)
    return Ended(person_id, state.name or "", state.message or "", state.is_completed())


def carry_out(
    site: Site,
    verb: str,
    person_id: str,
    moment: datetime | date | None,
    run_id: str,
    leaving: str,
    putting_back: bool,
) -> State[Any]:
    """The steps one after another in the plan's order, then verification and evidence."""
    started = datetime.now(UTC)
    case = look_well(site, person_id, moment, leaving, putting_back)
    check_place(verb, case)
    if leaving:
        holds.place(site.db, person_id, holds.SENT_AWAY, leaving)
    open_plan(case, run_id)
    results: dict[str, StepOutcome] = {}
    gate = approval.weigh(case)  # what needs a human's yes is left to a run of the person's own, which asks
    for step in case.plan.steps:
        if step.id not in gate.waiting:
            results[step.id] = attempt(case, step, run_id, results)
    wrong = verification(case, results)
    prove(case, run_id, started)
    return close(case, run_id, results, wrong, Completed(), gate)


def attempt(case: Case, step: Step, run_id: str, results: Mapping[str, StepOutcome]) -> StepOutcome:
    """One step, tried again where that can help; what fails for good is asked of a human."""
    if missing := [i for i in step.needs if results.get(i) not in OK]:
        block(case, step, run_id, missing)
        return StepOutcome.BLOCKED
    try:
        for number in attempts():
            with number:
                return apply(case, step, run_id, again=number.retry_state.attempt_number > 1)
    except ConnectorError as error:
        ask(case, step, run_id, str(error), error)
    return StepOutcome.FAILED


def attempts() -> Iterator[Any]:
    """As often, and as far apart, as the tasks of a run of one's own."""
    return iter(
        Retrying(
            retry=retry_if_exception_type(Retryable),
            stop=stop_after_attempt(len(RETRY_DELAYS) + 1),
            wait=pause,
            reraise=True,
        )
    )


def pause(state: RetryCallState) -> float:
    """Seconds until the next attempt."""
    return RETRY_DELAYS[min(state.attempt_number, len(RETRY_DELAYS)) - 1]


def told(ended: list[Ended]) -> str:
    """The artifact's text."""
    bad = [e for e in ended if not e.good]
    rows = [(e.person_id, e.state, e.message) for e in bad[:TOLD]]
    counts = Counter(e.state for e in ended)
    parts = [f"# {len(ended)} people", table(("state", "people"), counts.most_common())]
    parts += ["## Not in line", table(("person", "state", "why"), rows)] if bad else []
    return "\n\n".join(parts) + "\n"
