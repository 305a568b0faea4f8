"""A plan as a Prefect task graph: SSO, then IdP groups, then department apps, then verification and evidence."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

from prefect import get_client, runtime
from prefect.client.schemas.objects import State
from prefect.futures import wait
from prefect.states import Completed, Failed

from connectors.errors import ConnectorError
from flows import approval, notify, report
from flows.at_once import cut_off
from flows.case import Case, NotInHr, RowHeld
from flows.loose_ends import adopt, ask_beyond, ask_late, asked_beyond, drop_moot, look_well, note_ends
from flows.manual_task import start_manual_tasks, withdraw
from flows.proof import prove, still_wrong
from flows.record import history, holds, identities, settled, tasks
from flows.record.decided import ApprovalRow
from flows.record.lease import Busy, lease
from flows.record.tables import StepOutcome
from flows.site import Site
from flows.taskgraph import OK, after, ends, named, submit_steps
from mappings.folder import RulesError

LEASE_WAIT = 120.0  # seconds a run waits for another run of the same person


async def run_person(
    verb: str, person_id: str, moment: datetime | date | None, leaving: str = "", putting_back: bool = False
) -> State[Any]:
    """Look, plan, carry out, verify, prove: the body of the three person flows. Returns the run's final state.

    Where steps wait for an approval, the run suspends itself, without the lease, and runs again from the top later.
    """
    site = await asyncio.to_thread(Site.open, None, False, bool(leaving) or verb == "offboard")
    person_id = identities.holder(site.db, person_id) if leaving else person_id  # the record that has the accounts
    run_id = str(runtime.flow_run.id)
    await approval.hear_first(site, run_id)
    while True:
        try:
            with lease(site.db, person_id, f"{verb} run {run_id}", LEASE_WAIT, urgent=verb == "offboard"):
                end = await carry_out(site, verb, person_id, moment, leaving, run_id, putting_back)
        except (ConnectorError, NotInHr, RowHeld, RulesError, Busy, OutOfPlace) as error:
            await report.refused(verb, person_id, str(error))
            return Failed(message=str(error))
        if isinstance(end, State):
            return end
        await approval.hear(site, end)


async def carry_out(
    site: Site,
    verb: str,
    person_id: str,
    moment: datetime | date | None,
    leaving: str,
    run_id: str,
    putting_back: bool,
) -> State[Any] | ApprovalRow:
    """The graph for one person, from the first read to the signed packet; a question where steps need an approval."""
    started = datetime.now(UTC)
    early = await cut_off(site, person_id, moment, leaving, run_id) if verb == "offboard" else None
    said = early.case.frame if early and not leaving else None  # whom HR's word cut off is not read again
    whole = named("read HR and apps, plan", lambda: look_well(site, person_id, moment, leaving, putting_back, said))
    first = whole.submit(wait_for=after(early.tasks if early else ()))
    case: Case = await asyncio.to_thread(first.result)
    check_place(verb, case)
    if leaving:  # whatever runs next, by hand or by schedule, must not give it all back
        await asyncio.to_thread(holds.place, site.db, person_id, holds.SENT_AWAY, leaving)
    case = early.and_then(case) if early else case
    await asyncio.gather(name_run(f"{verb} {case.user_name}"), asyncio.to_thread(open_plan, case, run_id))
    if early:
        await asyncio.to_thread(early.close, case, run_id)
    gate = await asyncio.to_thread(approval.weigh, case)
    results = dict(early.results) if early else {}
    futures = submit_steps(case, run_id, first, results, gate.waiting)
    last = ends(case, futures) or [first]
    check = named("verify", lambda: verification(case, results)).submit(wait_for=after(last))
    proof = named("evidence", lambda: prove(case, run_id, started)).submit(wait_for=after([check]))
    await asyncio.to_thread(wait, [*last, check, proof])
    wrong = check.result(raise_on_failure=False)
    await asyncio.gather(
        report.carried_out(verb, case, run_id), start_tasks(case, run_id), approval.tidy(case, gate, run_id)
    )
    state = await asyncio.to_thread(close, case, run_id, results, wrong, proof.state, gate)
    return state if state.is_failed() or not gate.asks else await put_question(case, run_id)


async def put_question(case: Case, run_id: str) -> State[Any] | ApprovalRow:
    """Ask for the approval; where another run waits for the same answer, this one is over."""
    row, _ = await asyncio.to_thread(approval.ask, case, run_id)
    if await approval.mine(case.site, row, run_id):
        await notify.approval_waits(case.site, row)
        return row
    return Completed(name="Waits for approval", message=f"approval {row.id}, which run {row.run_id} waits for")


class OutOfPlace(ValueError):
    """The run was asked for the opposite of what HR says."""


def check_place(verb: str, case: Case) -> None:
    """An onboarding never ends anybody's access, and offboarding needs HR's word, or `immediate`."""
    who = f"{case.user_name} ({case.person.employee_id})"
    if verb == "offboard" and not case.leaving:
        until = f" until {case.person.last_day}" if case.person.last_day else ""
        raise OutOfPlace(
            f"HR counts {who} as working here{until}. Nothing was changed. To end all access whatever HR says: "
            f"`rollcall offboard {case.person.employee_id} --now`, or `immediate` in the UI."
        )
    if verb != "offboard" and case.leaving and case.plan.steps:
        raise OutOfPlace(
            f"{who} should have no access ({case.leaving}). Nothing was changed. "
            f"To end it: `rollcall offboard {case.person.employee_id}`."
        )


def open_plan(case: Case, run_id: str) -> None:
    """The plan goes into the record before anything is done, and what is in place without it."""
    body = case.plan.model_dump(mode="json")
    history.open_plan(
        case.site.db, case.plan.hash, case.person.employee_id, case.user_name, case.kind, case.on, run_id, body
    )
    adopt(case)
    note_ends(case)
    drop_moot(case)
    ask_late(case, run_id)
    ask_beyond(case, run_id)


def verification(case: Case, results: dict[str, StepOutcome]) -> list[str]:
    """Read every app once more; what is not as planned although its step succeeded."""
    succeeded = {i for i, outcome in results.items() if outcome in OK}
    return still_wrong(case, [s for s in case.plan.steps if s.id in succeeded])


async def start_tasks(case: Case, run_id: str) -> None:
    """Each human question gets a run of its own, also one whose asker was cut off before it could start it.

    The runs of questions that need no answer any more end.
    """
    db, person_id = case.site.db, case.person.employee_id
    if rows := tasks.open_tasks(db, person_id):
        await start_manual_tasks(rows)
        await notify.tasks_wait(case.site, rows, run_id)
    if void := tasks.void_tasks(db, person_id):
        await withdraw(row.id or 0 for row in void)


def close(
    case: Case, run_id: str, results: dict[str, StepOutcome], wrong: Any, evidence: State[Any], gate: approval.Gate
) -> State[Any]:
    """The final state tells the truth: Completed, Completed with open tasks, or Failed naming the steps."""
    bad = [i for i, outcome in results.items() if outcome is StepOutcome.FAILED]
    blocked = [i for i, outcome in results.items() if outcome is StepOutcome.BLOCKED]
    asked = [i for i, outcome in results.items() if outcome is StepOutcome.TASK] + asked_beyond(case, run_id)
    lacking = [s.id for s in case.plan.steps if s.id not in results and s.id not in gate.waiting]
    unproved = wrong if isinstance(wrong, list) else [f"verification: {wrong}"]
    state: State[Any]
    if bad or blocked or lacking or unproved or not evidence.is_completed():
        parts = [("failed", bad), ("blocked", blocked), ("not reached", lacking), ("not verified", unproved)]
        told = [f"{word}: {', '.join(steps)}" for word, steps in parts if steps]
        if not evidence.is_completed():
            told.append(f"no evidence: {evidence.message}")
        state = Failed(message="; ".join(told) + ". Retry this run, or wait for the next daily sync.")
    else:
        if not gate.asks:
            settled.settle(case.site.db, case.person.employee_id, case.fingerprint, case.plan.next_look)
        approval.used(case, gate, results)
        state = well(results, asked, gate)
    history.close_plan(case.site.db, case.plan.hash, run_id, state.name or "")
    return state


def well(results: dict[str, StepOutcome], asked: list[str], gate: approval.Gate) -> State[Any]:
    """The state of a run in which nothing went wrong."""
    if gate.asks:
        return Completed(name="Waits for approval", message=f"{len(gate.waiting)} steps wait for an approval")
    message = f"{len(results)} steps" if results else "nothing to do"
    told = [", ".join(asked) or message]
    if gate.waiting and gate.answer:
        told.append(approval.refusal(gate))
    name = "Completed with open tasks" if asked else "Completed"
    return Completed(name=name, message="; ".join(told))


async def name_run(name: str) -> None:
    """Runs are known by verb and user name."""
    if runtime.flow_run.name != name:
        async with get_client() as client:
            await client.update_flow_run(runtime.flow_run.id, name=name)
