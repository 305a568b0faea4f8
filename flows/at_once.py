"""A leaver's SSO account and its sessions end before any other app is read: a slow app must not put that off."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from prefect.futures import PrefectFuture, wait

from connectors.errors import ConnectorError
from flows.case import Case, NotInHr, RowHeld
from flows.loose_ends import look_well
from flows.record import history, holds
from flows.record.tables import StepOutcome
from flows.site import Site
from flows.taskgraph import OK, named, submit_steps
from mappings.order import CUTS_OFF
from mappings.plan import Plan, Step


@dataclass(frozen=True)
class Early:
    """What was done before the look at everything."""

    case: Case
    results: Mapping[str, StepOutcome]
    """Step -> outcome, of those that worked: the others are planned again."""
    tasks: Sequence[PrefectFuture[Any]]
    """What did it."""

    def and_then(self, case: Case) -> Case:
        """The case of the look at everything, with what was done before it."""
        done = tuple(s for s in self.case.plan.steps if s.id in self.results)
        rest = tuple(s for s in case.plan.steps if s.id not in self.results)
        return replace(case, plan=case.plan.model_copy(update={"steps": (*done, *rest)}), kind=self.case.kind)

    def close(self, case: Case, run_id: str) -> None:
        """The plan of the first steps is over once that of everything, `case`, is in the record: a run that dies
        before has one that was never closed, so that the next run proves what it did."""
        if case.plan.hash != self.case.plan.hash:
            history.close_plan(case.site.db, self.case.plan.hash, run_id, "cut off at the SSO first")


async def cut_off(
    site: Site, person_id: str, moment: datetime | date | None, leaving: str, run_id: str
) -> Early | None:
    """End the SSO account of a leaver; None where that is not possible by itself: then the whole plan does it.

    With `leaving`, which says why all access ends at once, what HR said last is enough; otherwise HR is read.
    """
    what = "read the SSO" if leaving else "read HR and the SSO"
    first = named(what, lambda: look_well(site, person_id, moment, leaving, at_once=True), retries=0).submit()
    try:
        case: Case = await asyncio.to_thread(first.result)
    except (ConnectorError, NotInHr, RowHeld):
        return None
    steps = ready(case.plan) if case.leaving else ()
    if not steps:
        return None
    case = replace(case, plan=case.plan.model_copy(update={"steps": steps}))
    await asyncio.to_thread(open_plan, case, run_id, leaving)
    results: dict[str, StepOutcome] = {}
    tasks = list(submit_steps(case, run_id, first, results, retries=0).values())
    await asyncio.to_thread(wait, tasks)
    return Early(case, {i: outcome for i, outcome in results.items() if outcome in OK}, tasks)


def ready(plan: Plan) -> tuple[Step, ...]:
    """The steps that end an account and wait for nothing but each other."""
    found: dict[str, Step] = {}
    for step in plan.steps:
        if step.verb in CUTS_OFF and found.keys() >= {*step.needs, *step.after}:
            found[step.id] = step
    return tuple(found.values())


def open_plan(case: Case, run_id: str, leaving: str) -> None:
    """Into the record before anything is done; what ends at once stays so whatever runs next (see holds.SENT_AWAY)."""
    if leaving:
        holds.place(case.site.db, case.person.employee_id, holds.SENT_AWAY, leaving)
    body, person = case.plan.model_dump(mode="json"), case.person.employee_id
    history.open_plan(case.site.db, case.plan.hash, person, case.user_name, case.kind, case.on, run_id, body)
