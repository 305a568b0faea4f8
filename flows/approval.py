"""Who may say yes to a plan, and what becomes of it until somebody does: the run suspends itself with a form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from prefect import get_client
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError
from sqlmodel import col, select

from flows.case import Case
from flows.record import approvals, history
from flows.record.database import Database, now
from flows.record.decided import ApprovalRow, Decision
from flows.record.settled import text
from flows.record.tables import StepOutcome, StepRow
from flows.report import escape, table
from flows.site import Site
from flows.waiting import end_waiting, lives
from mappings.plan import Plan, Step

MARGIN = timedelta(days=7)
"""For how much longer than the question the run waits: `reminders` ends it, with words of its own, before that."""
GOOD = (StepOutcome.DONE.value, StepOutcome.ALREADY.value)


class Verdict(RunInput):
    """The form. The decision has no default: one click on Resume must not give it."""

    decision: Literal["approve", "refuse"]
    reason: str = Field(min_length=3, description="Why; it stands in the signed evidence")
    by: str = Field(min_length=2, description="Your name or address")


STATES = {"approve": Decision.APPROVED, "refuse": Decision.REFUSED}


@dataclass(frozen=True)
class Gate:
    """Which steps may not be done now, and the answer that counts for them, if there is one."""

    waiting: frozenset[str] = frozenset()
    answer: ApprovalRow | None = None

    @property
    def asks(self) -> bool:
        """Whether somebody must be asked."""
        return bool(self.waiting) and self.answer is None


def weigh(case: Case) -> Gate:
    """What of the plan must wait: the gated steps and whatever needs them, unless this very plan was approved."""
    answer = standing(case.site.db, case.plan) if case.plan.gated else None
    drop_others(case, answer)
    if not case.plan.gated:
        return Gate()
    approved = answer is not None and answer.state == Decision.APPROVED
    return Gate(frozenset() if approved else held_back(case.plan), answer)


def drop_others(case: Case, answer: ApprovalRow | None) -> None:
    """A yes to what is not the plan any more does not apply, now or later."""
    for row in approvals.answers(case.site.db, case.person.employee_id):
        if row.state == Decision.APPROVED and (answer is None or row.id != answer.id):
            approvals.not_applied(case.site.db, row.id or 0, "the plan had changed when it was approved")


def held_back(plan: Plan) -> frozenset[str]:
    """Ids of the gated steps and of those that cannot be done without them."""
    found = {step.id for step in plan.gated}
    for step in plan.steps:  # in an order that may be carried out: what a step needs comes before it
        if found & set(step.needs):
            found.add(step.id)
    return frozenset(found)


def standing(db: Database, plan: Plan) -> ApprovalRow | None:
    """The answer given to these very steps, or an approval of these and of others that were done since."""
    for row in reversed(approvals.answers(db, plan.person_id)):
        if row.plan_hash == plan.gated_hash or (row.state == Decision.APPROVED and is_rest(db, plan, row)):
            return row
    return None


def is_rest(db: Database, plan: Plan, row: ApprovalRow) -> bool:
    """Whether the gated steps are those of the approved plan without the ones that were carried out since."""
    approved = {step.id: bare(step) for step in approved_steps(db, row)}
    left = {step.id: bare(step) for step in plan.gated}
    if not left or any(approved.get(ident) != body for ident, body in left.items()):
        return False
    return set(approved) - set(left) <= done_since(db, row)


def bare(step: Step) -> dict[str, Any]:
    """A step without its edges, which change as others are done."""
    return step.model_dump(mode="json", exclude={"needs", "after"})


def approved_steps(db: Database, row: ApprovalRow) -> tuple[Step, ...]:
    """What was approved, from the plan that the asking run had taken up."""
    plans = (Plan.model_validate(taken.body) for taken in history.plans_of_run(db, row.run_id))
    return next((plan.gated for plan in plans if plan.gated_hash == row.plan_hash), ())


def done_since(db: Database, row: ApprovalRow) -> set[str]:
    """Ids of the person's steps that succeeded after the answer."""
    mine = (StepRow.person_id == row.person_id, col(StepRow.outcome).in_(GOOD))
    with db.session() as session:
        return set(session.exec(select(StepRow.step_id).where(*mine, col(StepRow.finished_at) >= row.answered_at)))


def refusal(gate: Gate) -> str:
    """Who said no to what, and why: for the run's final state."""
    row, what = gate.answer, ", ".join(sorted(gate.waiting))
    assert row is not None
    if row.state == Decision.EXPIRED:
        return f"not done: {what}: nobody answered approval {row.id} in time, which counts as refused"
    return f"not done: {what}: refused by {row.by} (approval {row.id}): {row.reason}"


def used(case: Case, gate: Gate, results: Mapping[str, StepOutcome]) -> None:
    """An approval whose steps are all done counts no more."""
    done = (StepOutcome.DONE, StepOutcome.ALREADY, StepOutcome.TASK)
    if gate.answer and not gate.waiting and all(results.get(step.id) in done for step in case.plan.gated):
        approvals.use_up(case.site.db, gate.answer.id or 0)


def ask(case: Case, run_id: str) -> tuple[ApprovalRow, bool]:
    """Put the question of the case's gated steps into the record; False where it is there already."""
    names = sorted({step.approver for step in case.plan.gated})
    days = case.site.rules.company.contractors.expires_days
    return approvals.ask(
        case.site.db,
        case.person.employee_id,
        case.plan.gated_hash,
        text(case.fingerprint),
        ", ".join(names),
        f"{case.user_name}: {len(case.plan.gated)} steps need an approval",
        body(case),
        run_id,
        now() + timedelta(days=days),
    )


def body(case: Case) -> str:
    """What would be done, where and why, for the approver's eyes."""
    rows = [(step.app, named(step), step.why) for step in case.plan.gated]
    about = f"Person {escape(case.person.employee_id)}, {escape(case.user_name)}."
    return f"{about}\n\n{table(('app', 'step', 'why'), rows)}"


def named(step: Step) -> str:
    """`grant Admins`."""
    return f"{step.verb} {step.entitlement or ', '.join(step.entitlements)}".strip()


def question(row: ApprovalRow) -> str:
    """What stands above the form: what is asked, and what happens if nobody answers."""
    return (
        f"**{escape(row.title)}** (approval {row.id}, for {escape(row.approver)})\n\n{row.body}\n\n"
        f"Your answer counts for exactly this, `{row.plan_hash[:12]}`: if it changes meanwhile, you are asked again. "
        f"Without an answer until {row.expires_at:%Y-%m-%d %H:%M} UTC it counts as **refused**."
    )


def key_of(row: ApprovalRow) -> str:
    """The suspension's key: an answer is good for one question about one plan."""
    return f"approval-{row.id}-{row.plan_hash[:16]}"


def seconds_left(row: ApprovalRow) -> int:
    """How long the run may wait."""
    return max(1, int((row.expires_at + MARGIN - now()).total_seconds()))


async def hear(site: Site, row: ApprovalRow) -> None:
    """Suspend this run until the question is answered; run again after that, note the answer."""
    form = Verdict.with_initial_data(description=question(row))
    try:
        said = await asuspend_flow_run(wait_for_input=form, key=key_of(row), timeout=seconds_left(row))
    except ValidationError:  # started again by hand, with no answer
        why = "the run that asked was started again without an answer"
        await asyncio.to_thread(approvals.withdraw, site.db, row.person_id, why)
        return
    with suppress(ValueError):  # answered by command, withdrawn or expired meanwhile: that stands
        await asyncio.to_thread(
            approvals.answer, site.db, row.id or 0, STATES[said.decision], said.by.strip(), said.reason.strip()
        )


async def hear_first(site: Site, run_id: str) -> None:
    """Take in the answer that let this run go on, where it had asked something."""
    for row in await asyncio.to_thread(approvals.of_run, site.db, run_id):
        if row.state == Decision.OPEN:
            await hear(site, row)


async def tidy(case: Case, gate: Gate, run_id: str) -> None:
    """Withdraw what nothing asks for any more, and end the runs that waited for it."""
    db, person = case.site.db, case.person.employee_id
    keep = case.plan.gated_hash if gate.asks else ""
    why = case.leaving or (approvals.NEWER if keep else "nothing asks for it any more")
    await asyncio.to_thread(approvals.withdraw, db, person, why, keep)
    rows = await asyncio.to_thread(approvals.closed, db, person, Decision.WITHDRAWN)
    still = {row.run_id for row in await asyncio.to_thread(approvals.open_ones, db, person)}
    if idle := {row.run_id for row in rows} - still - {run_id}:
        async with get_client() as client:
            await end_waiting(client, f"withdrawn: {why}", ids=idle)


async def mine(site: Site, row: ApprovalRow, run_id: str) -> bool:
    """Whether this run is to wait for the answer: it asked, or the run that asked is no more."""
    if row.run_id != run_id:
        async with get_client() as client:
            if await lives(client, row.run_id):
                return False
        await asyncio.to_thread(approvals.take_over, site.db, row.id or 0, run_id)
    return True
