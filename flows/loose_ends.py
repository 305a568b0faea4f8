"""What the record does not know yet although an app shows it: writes of a run that was cut off before it could note
them, and accounts and entitlements that were there before Rollcall."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any

import pandas as pd
from sqlmodel import select

from flows.case import Case, look
from flows.farewells import END_ACCESS, ask_shadow
from flows.hr_entry import lacking, not_shown_yet
from flows.record import history, holdings, tasks
from flows.record.tables import PlanRow, StepOutcome, StepRow, TaskState
from flows.site import Site
from flows.steps import ask_hr, believe, evidence_of, shows
from mappings.access import Account
from mappings.order import by_hand
from mappings.plan import FAREWELL, Plan, Step, Verb

log = logging.getLogger("prefect.rollcall")
LOST = "the run was cut off before the outcome was known; the app does not show it"
UNSEEN = "the run was cut off before the outcome was known, and it cannot be read back"


def look_well(
    site: Site,
    person_id: str,
    moment: datetime | date | None,
    leaving: str,
    putting_back: bool = False,
    said: pd.DataFrame | None = None,
    at_once: bool = False,
) -> Case:
    """Look; where an earlier run was cut off, note what it did and plan again from the same look: a write of its
    that lands meanwhile must not be called lost here and be found there. The arguments are those of `look`."""
    again = partial(look, site, person_id, moment, leaving, not at_once, putting_back=putting_back, at_once=at_once)
    case = again(said=said)
    return again(before=case) if tie_up(case, at_once) else case


def tie_up(case: Case, at_once: bool = False) -> bool:
    """Give every intent without an outcome the one that the app shows; True where there was one.

    Only for who holds the person's lease: nobody else is in the middle of a step. `at_once`: of the apps read alone.
    """
    rows = history.unfinished(case.site.db, case.person.employee_id)
    return any([settle(case, row) for row in rows if row.app in case.read or not at_once])


def settle(case: Case, row: StepRow) -> bool:
    """End one intent; False where its app could not be read."""
    drawn = plan_of(case, row)
    step = next(s for s in drawn.steps if s.id == row.step_id)
    there = shown(case, step)
    if there is None:
        return False
    with case.site.db.writing():
        if there:
            after = proof_of(case, step)
            history.finish(case.site.db, row.id or 0, StepOutcome.DONE, after)
            believe(replace(case, plan=drawn), step, after)
        else:
            why = UNSEEN if step.verb in FAREWELL else LOST
            history.finish(case.site.db, row.id or 0, StepOutcome.FAILED, error=why)
    return True


def plan_of(case: Case, row: StepRow) -> Plan:
    """The plan that a step belongs to."""
    with case.site.db.session() as session:
        return Plan.model_validate(session.exec(select(PlanRow.body).where(PlanRow.id == row.plan_id)).one())


def shown(case: Case, step: Step) -> bool | None:
    """Whether the effect of a step is there; None where that could not be looked up."""
    if step.verb is Verb.EMAIL:
        return (case.person.work_email or "").casefold() == step.attributes["work_email"].casefold()
    if step.verb in FAREWELL or by_hand(case.site.rules, step.app):
        return False
    if step.app not in case.read:
        return None
    account = case.known[step.app].account
    known_before = step.app in holdings.links(case.site.db, case.person.employee_id)
    if account is None and not known_before:  # nothing to disable is no proof of having disabled it
        return False
    return shows(account, step)


def proof_of(case: Case, step: Step) -> dict[str, Any]:
    """What the app shows of it."""
    if step.verb is Verb.EMAIL:
        return {"work_email": case.person.work_email, "in_hr": True}
    return evidence_of(case.known[step.app].account)


def adopt(case: Case) -> None:
    """Note what is wanted and in place already, so that it is known who holds it, why, and when it is to go."""
    for app, target in case.wanted.items():
        here = case.known[app]
        if here.account is None or app not in case.read or by_hand(case.site.rules, app):
            continue
        held = {n: why for n, why in target.entitlements.items() if n in here.account.entitlements}
        new = {n: why for n, why in held.items() if n not in here.granted}
        if here.active_by_us is None or new or (target.active and "" not in here.granted):
            with suppress(holdings.LinkedElsewhere):  # it stays the other person's
                note(case, app, here.account, target.why, new)


def note_ends(case: Case) -> None:
    """Note from when on grace days run, and where they run no more."""
    for keep in case.plan.keeps:
        holdings.end_later(case.site.db, case.person.employee_id, keep.app, keep.entitlement, keep.until)


def ask_beyond(case: Case, run_id: str) -> None:
    """A leaver's access to apps that nobody manages, as far as it is known of."""
    if case.leaving and case.plan.steps:
        for note in ask_shadow(case, run_id):
            log.warning("%s", note)


def ask_late(case: Case, run_id: str) -> None:
    """The work e-mail that HR lacks, where the run that made it was cut off before it could ask."""
    if step := lacking(case):
        ask_hr(case, step, run_id)


def asked_beyond(case: Case, run_id: str) -> list[str]:
    """What of that the run asked humans for and is still open; no step of the plan stands for it."""
    mine = tasks.tasks_of_run(case.site.db, run_id, case.person.employee_id)
    apart = (END_ACCESS, Verb.EMAIL)
    return [f"{row.app} {row.verb}" for row in mine if row.verb in apart and row.state == TaskState.OPEN]


def drop_moot(case: Case) -> None:
    """Close what humans were asked and the plan asks no more, as a badge for somebody who has left since.

    Left open where the app could not be read: then nobody knows.
    """
    steps = {(s.app, str(s.verb), s.entitlement or "") for s in case.plan.steps}
    for row in tasks.open_tasks(case.site.db, case.person.employee_id):
        unknown = row.app in case.known and row.app not in case.read
        alone = row.verb == END_ACCESS and case.leaving  # no step: nobody manages the app
        asked_apart = bool(alone) or not_shown_yet(case, row)
        if (row.app, row.verb, row.entitlement) not in steps and not unknown and not asked_apart:
            tasks.close_task(case.site.db, row.id or 0, "void", "rollcall", "nothing asks for it any more")


def note(case: Case, app: str, account: Account, why: str, entitlements: dict[str, str]) -> None:
    """Link the account and hold what it has."""
    db, person, plan = case.site.db, case.person.employee_id, case.plan.hash
    with db.writing():
        if app not in holdings.links(db, person):
            holdings.link(db, person, app, account.id, account.key, account.active, account.attributes)
        if account.active:
            holdings.hold(db, person, app, None, why, plan)
        for name, reason in entitlements.items():
            holdings.hold(db, person, app, name, reason, plan)
