"""Somebody who must go at once: the SSO account and its sessions end before anything else is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from prefect.futures import wait

from connectors.errors import ConnectorError
from flows.case import Case, NotInHr, RowHeld, look
from flows.record import history, holds
from flows.record.tables import StepOutcome
from flows.site import Site
from flows.taskgraph import OK, named, submit_steps
from mappings.order import CUTS_OFF


@dataclass(frozen=True)
class Early:
    """What was done before the look at everything."""

    case: Case
    results: Mapping[str, StepOutcome]
    """Step -> outcome, of those that worked: the others are planned again."""

    def and_then(self, case: Case) -> Case:
        """The case of the look at everything, with what was done before it."""
        done = tuple(s for s in self.case.plan.steps if s.id in self.results)
        rest = tuple(s for s in case.plan.steps if s.id not in self.results)
        return replace(case, plan=case.plan.model_copy(update={"steps": (*done, *rest)}), kind=self.case.kind)


async def cut_off(
    site: Site, person_id: str, moment: datetime | date | None, leaving: str, run_id: str
) -> Early | None:
    """End the SSO account by what HR said last; None where that is not possible: then the whole plan does it."""
    first = named("read the SSO", lambda: look(site, person_id, moment, leaving, at_once=True), retries=0).submit()
    try:
        case: Case = await asyncio.to_thread(first.result)
    except (ConnectorError, NotInHr, RowHeld):
        return None
    steps = tuple(s for s in case.plan.steps if s.verb in CUTS_OFF)
    if not steps:
        return None
    case = replace(case, plan=case.plan.model_copy(update={"steps": steps}))
    await asyncio.to_thread(open_plan, case, run_id, leaving)
    results: dict[str, StepOutcome] = {}
    futures = submit_steps(case, run_id, first, results, retries=0)
    await asyncio.to_thread(wait, list(futures.values()))
    await asyncio.to_thread(history.close_plan, site.db, case.plan.hash, run_id, "cut off at the SSO first")
    return Early(case, {i: outcome for i, outcome in results.items() if outcome in OK})


def open_plan(case: Case, run_id: str, leaving: str) -> None:
    """Into the record before anything is done; from here on nothing gives back what is taken (see holds.SENT_AWAY)."""
    holds.place(case.site.db, case.person.employee_id, holds.SENT_AWAY, leaving)
    body, person = case.plan.model_dump(mode="json"), case.person.employee_id
    history.open_plan(case.site.db, case.plan.hash, person, case.user_name, case.kind, case.on, run_id, body)
