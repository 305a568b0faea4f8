"""Verification and evidence of one carried-out plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

from flows.approval import standing
from flows.case import Case
from flows.record import approvals, evidence, facts, history, snapshots, tasks
from flows.record.decided import ApprovalRow
from flows.record.packet import Approval, HrEvent, NothingFound, StepDone, Task, controls_for
from flows.record.tables import PacketRow, PlanRow, StepRow, TaskRow
from flows.seeing import AT_ONCE
from flows.steps import shows
from mappings.plan import FAREWELL, Plan, Step, Verb


def still_wrong(case: Case, steps: list[Step]) -> list[str]:
    """Ids of steps whose effect is not there, each app read once."""
    by_app: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        if step.verb not in (Verb.EMAIL, *FAREWELL):
            by_app[step.app].append(step)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [i for found in pool.map(lambda item: absent(case, *item), by_app.items()) for i in found]


def absent(case: Case, app: str, steps: list[Step]) -> list[str]:
    """Ids of the steps that this app does not show."""
    account = case.site.app(app).read(case.ids[app])
    return [s.id for s in steps if not shows(account, s)]


def prove(case: Case, run_id: str, started: datetime) -> PacketRow | None:
    """Append the signed packet of this run, and of runs for the person that were cut off before they had one.

    A run that found nothing to do proves nothing new.
    """
    db = case.site.db
    cut_off = history.cut_off(db, case.person.employee_id, run_id)
    runs = dict.fromkeys([*(plan.run_id for plan in cut_off), run_id])
    rows = [row for run in runs for row in history.steps(db, run, case.person.employee_id)]
    decided = decisions(case, runs)
    packet = None
    if rows or decided:
        asked = tasks.tasks_of_run(db, run_id, case.person.employee_id)
        why, origin = reasons(case, cut_off), origin_of(case)
        said = body(case, run_id, started, rows, why, origin, asked, decided or earlier(case))
        packet = evidence.append(db, case.site.signer, said)
    for plan in cut_off:
        history.close_plan(db, plan.plan_hash, plan.run_id, f"Cut off; carried on by run {run_id}")
    return packet


def reasons(case: Case, cut_off: Sequence[PlanRow]) -> dict[str, str]:
    """Step id -> why it was asked for, by this plan or the ones before it."""
    drawn = [*(Plan.model_validate(row.body) for row in cut_off), case.plan]
    return {step.id: step.why for plan in drawn for step in plan.steps}


def decisions(case: Case, runs: Iterable[str]) -> tuple[Approval, ...]:
    """What humans answered to these runs."""
    rows = [row for run in runs for row in approvals.of_run(case.site.db, run)]
    return tuple(approval_of(row) for row in rows if row.answered_at)


def earlier(case: Case) -> tuple[Approval, ...]:
    """What an earlier run was told about the same steps."""
    row = standing(case.site.db, case.plan) if case.plan.gated else None
    return (approval_of(row),) if row else ()


def approval_of(row: ApprovalRow) -> Approval:
    """A closed question as evidence."""
    at = row.answered_at or row.asked_at
    return Approval(plan_hash=row.plan_hash, by=row.by, at=at, decision=row.state, reason=row.reason)


class Origin(NamedTuple):
    """Where HR's word about a person stands in the record."""

    snapshot_hash: str | None
    known_since: datetime | None


def origin_of(case: Case) -> Origin:
    """The last snapshot, and when the latest news of the person came."""
    latest = snapshots.latest_row(case.site.db, case.site.rules.company.hr)
    return Origin(latest.hash if latest else None, facts.known_since(case.site.db, case.person.employee_id))


def body(
    case: Case,
    run_id: str,
    started: datetime,
    rows: Sequence[StepRow],
    why: dict[str, str],
    origin: Origin,
    asked: Iterable[TaskRow] = (),
    decided: tuple[Approval, ...] = (),
) -> evidence.Evidence:
    """What the packet of these attempts says."""
    return evidence.Evidence(
        run_id=run_id,
        hr_event=HrEvent(
            kind=case.kind,
            person_id=case.person.employee_id,
            user_name=case.user_name,
            snapshot_hash=origin.snapshot_hash,
            known_since=origin.known_since,
            effective=case.person.last_day if case.leaving else case.person.hire_date,
        ),
        plan_hash=case.plan.hash,
        rules_hash=case.site.rules.hash,
        started_at=started,
        finished_at=datetime.now(UTC),
        steps=tuple(step_done(row, why.get(row.step_id, "an earlier plan of this run")) for row in rows),
        approvals=decided,
        tasks=tuple(map(task_of, asked)),
        nothing_found=tuple(NothingFound(app=a, looked_for=k, checked_at=t) for a, k, t in case.searched),
        controls=controls_for(case.kind),
    )


def step_done(row: StepRow, why: str) -> StepDone:
    """A step's row as evidence."""
    same = ("app", "verb", "intended_at", "finished_at", "outcome", "before", "after", "error")
    values = {name: getattr(row, name) for name in same}
    return StepDone(id=row.step_id, entitlement=row.entitlement or None, why=why, **values)


def task_of(row: TaskRow) -> Task:
    """A manual task's row as evidence."""
    same = ("app", "verb", "owner", "state", "opened_at", "closed_at", "closed_by", "statement", "proof")
    return Task(id=row.id or 0, entitlement=row.entitlement or None, **{name: getattr(row, name) for name in same})
