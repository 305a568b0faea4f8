"""The record of many people's steps: the same rows as one person's run writes, many in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, update
from sqlmodel import col, select

from connectors.base import Write
from flows.case import Case
from flows.proof import Origin, body
from flows.record import evidence, facts, history, holdings, settled, snapshots, tasks
from flows.record.database import Database, chunks, now
from flows.record.tables import HeldRow, LinkRow, PlanRow, StepOutcome, StepRow
from flows.site import Site
from flows.steps import before_of, believe
from mappings.plan import Step, Verb


@dataclass(eq=False)
class Work:
    """One person's plan on its way."""

    case: Case
    hash: str
    plan_id: int = 0
    results: dict[str, StepOutcome] = field(default_factory=dict)
    failed: str = ""
    """Why the rest of the plan is left to a look of the person's own."""
    given: bool = False
    """Whether an urgent run waits for the person: no further call is made."""

    @property
    def person_id(self) -> str:
        """Whose plan it is."""
        return self.case.person.employee_id


@dataclass(eq=False)
class Job:
    """One step on its way."""

    work: Work
    step: Step
    row: int = 0
    """Of its intent."""
    id: str = ""
    """Of the account, once it is known."""
    looked: bool = True
    """Whether what the look saw can be built upon: no earlier attempt may still be under way."""
    calling: bool = False
    """Whether calls about it are made just now."""
    write: Write | None = None
    """The same for an app that takes many at once."""
    written_at: float = 0.0
    """Monotonic seconds."""
    look_at: float = 0.0
    """When it is worth reading it back (again)."""
    outcome: StepOutcome = StepOutcome.DONE


def open_plans(db: Database, cases: Sequence[Case], run_id: str) -> list[Work]:
    """Record that the run takes up these plans."""
    works = [Work(case, case.plan.hash) for case in cases]
    rows = [plan_values(work, run_id) for work in works]
    with db.writing() as session:
        for row in rows:
            db.insert_new(session, PlanRow, row)
        mine = select(PlanRow.plan_hash, PlanRow.id).where(PlanRow.run_id == run_id)
        ids = dict(session.exec(mine).all())
    for work in works:
        work.plan_id = ids[work.hash] or 0
    return works


def plan_values(work: Work, run_id: str) -> dict[str, Any]:
    """The plan as a row."""
    case = work.case
    who = {"plan_hash": work.hash, "run_id": run_id, "person_id": work.person_id, "user_name": case.user_name}
    what = {"kind": case.kind, "on": case.on, "body": case.plan.model_dump(mode="json"), "opened_at": now()}
    return who | what


def attempts(db: Database, works: Sequence[Work]) -> dict[tuple[str, str], int]:
    """How often each step of these plans was tried before, by plan hash and step id."""
    found: dict[tuple[str, str], int] = {}
    with db.session() as session:
        for part in chunks({work.hash for work in works}):
            tried = select(StepRow.plan_hash, StepRow.step_id, func.count()).where(col(StepRow.plan_hash).in_(part))
            for plan_hash, step_id, count in session.exec(tried.group_by(StepRow.plan_hash, StepRow.step_id)):
                found[(plan_hash, step_id)] = count
    return found


def intend(db: Database, jobs: Sequence[Job], run_id: str, tried: Mapping[tuple[str, str], int]) -> None:
    """Write down that these steps are about to be tried."""
    at = now()
    with db.writing() as session:
        values = [intent(job, run_id, at, tried.get((job.work.hash, job.step.id), 0) + 1) for job in jobs]
        ids = session.scalars(insert(StepRow).returning(col(StepRow.id), sort_by_parameter_order=True), values)
        for job, row in zip(jobs, ids.all(), strict=True):
            job.row = row or 0


def intent(job: Job, run_id: str, at: datetime, attempt: int) -> dict[str, Any]:
    """An intent as a row."""
    step = job.step
    return {
        "plan_id": job.work.plan_id,
        "plan_hash": job.work.hash,
        "run_id": run_id,
        "person_id": job.work.person_id,
        "step_id": step.id,
        "app": step.app,
        "verb": str(step.verb),
        "entitlement": step.entitlement or "",
        "attempt": attempt,
        "intended_at": at,
        "before": before_of(job.work.case, step),
    }


OUTCOME = (
    update(StepRow)
    .where(col(StepRow.id) == bindparam("row"), col(StepRow.outcome).is_(None))
    .values(
        outcome=bindparam("said"),
        after=bindparam("shown"),
        error=bindparam("told"),
        finished_at=bindparam("at"),
    )
)


def finish(db: Database, jobs: Sequence[tuple[Job, dict[str, Any]]]) -> None:
    """Write down what these steps came to and what was read back, and what is in place now."""
    if not jobs:
        return
    with db.writing():
        outcomes(db, [(job, job.outcome, after, None) for job, after in jobs])
        new = [job for job, _ in jobs if is_new(job)]
        hold_all(db, new)
        for job, after in jobs:
            if not is_new(job):
                job.work.case.ids.setdefault(job.step.app, job.id)
                believe(job.work.case, job.step, after)
    for job, _ in jobs:
        job.work.results[job.step.id] = job.outcome


def fail(db: Database, jobs: Sequence[tuple[Job, str]]) -> None:
    """Write down that these steps failed, and why."""
    if not jobs:
        return
    with db.writing():
        outcomes(db, [(job, StepOutcome.FAILED, None, why) for job, why in jobs])
    for job, why in jobs:
        job.work.results[job.step.id] = StepOutcome.FAILED
        job.work.failed = job.work.failed or why


def outcomes(db: Database, ends: Sequence[tuple[Job, StepOutcome, dict[str, Any] | None, str | None]]) -> None:
    """The outcomes of attempts."""
    at = now()
    values = [
        {"row": job.row, "said": outcome.value, "shown": after, "told": error, "at": at}
        for job, outcome, after, error in ends
    ]
    with db.writing() as session:
        session.connection().execute(OUTCOME, values)


def is_new(job: Job) -> bool:
    """Whether the record knows nothing of what the step gave: then many rows go in at once."""
    here = job.work.case.known[job.step.app]
    if job.step.verb is Verb.CREATE:
        return not here.granted and here.active_by_us is None
    return job.step.verb is Verb.GRANT and (job.step.entitlement or "") not in here.granted


def hold_all(db: Database, jobs: Sequence[Job]) -> None:
    """Note new accounts and entitlements."""
    if not jobs:
        return
    at = now()
    accounts = [link_values(job, at) for job in jobs if job.step.verb is Verb.CREATE]
    held = [held_values(job, at) for job in jobs]
    with db.writing() as session:
        if accounts:
            session.execute(insert(LinkRow), accounts)
        session.execute(insert(HeldRow), held)


def link_values(job: Job, at: datetime) -> dict[str, Any]:
    """A new account as a row."""
    key = job.work.case.site.rules.apps[job.step.app].key
    attributes = dict(job.step.attributes)
    return {
        "person_id": job.work.person_id,
        "app": job.step.app,
        "external_id": job.id,
        "key": attributes.get(key, ""),
        "active": True,
        "attributes": attributes,
        "attributes_hash": holdings.attributes_hash(attributes),
        "linked_at": at,
        "updated_at": at,
    }


def held_values(job: Job, at: datetime) -> dict[str, Any]:
    """A new holding as a row."""
    who = {"person_id": job.work.person_id, "app": job.step.app, "entitlement": job.step.entitlement or ""}
    return who | {"why": job.step.why, "plan_hash": job.work.hash, "since": at}


def prove_all(site: Site, works: Sequence[Work], run_id: str, started: datetime) -> None:
    """The signed packets of these people, at most as many as one query takes."""
    people = [work.person_id for work in works]
    steps = by_person(history.steps(site.db, run_id, *people))
    asked = by_person(tasks.tasks_of_run(site.db, run_id, *people))
    latest = snapshots.latest_row(site.db, site.rules.company.hr)
    news = facts.all_known_since(site.db, people)
    said = []
    for work in works:
        if rows := steps.get(work.person_id):
            origin = Origin(latest.hash if latest else None, news.get(work.person_id))
            why = {step.id: step.why for step in work.case.plan.steps}
            said.append(body(work.case, run_id, started, rows, why, origin, asked.get(work.person_id, ())))
    evidence.append_all(site.db, site.signer, said)


def by_person(rows: Iterable[Any]) -> dict[str, list[Any]]:
    """Rows of the record by whom they are about."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.person_id, []).append(row)
    return found


def settle_all(db: Database, works: Sequence[Work]) -> None:
    """Nothing is left to do for them until HR says something new."""
    with db.writing():
        for work in works:
            settled.settle(db, work.person_id, work.case.fingerprint, work.case.plan.next_look)


def close_all(db: Database, ends: Mapping[str, str], run_id: str) -> None:
    """Record how carrying out these plans ended: plan hash -> word."""
    with db.writing():
        for plan_hash, word in ends.items():
            history.close_plan(db, plan_hash, run_id, word)
