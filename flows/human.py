"""What a human's answer to a manual task changes: the task, what is believed to be in place, the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import select

from connectors.errors import ConnectorError
from flows import hr_entry
from flows.proof import task_of
from flows.record import emails, evidence, holdings, marks, tasks
from flows.record.database import Database
from flows.record.packet import HrEvent, controls_for
from flows.record.tables import PlanRow, TaskRow, TaskState
from flows.site import Site
from flows.steps import evidence_of, seen, shows
from mappings.access import Account
from mappings.plan import Plan, Step, Verb

VISIBLE = (Verb.CREATE, Verb.ENABLE, Verb.UPDATE, Verb.GRANT, Verb.REVOKE, Verb.DISABLE, Verb.DELETE)
"""Steps whose effect an app shows when it is read."""


class NotShown(ValueError):
    """The app does not show what somebody says was done: the task stays open."""


def answered(
    site: Site,
    task_id: int,
    state: TaskState,
    by: str,
    statement: str,
    since: datetime,
    proof: Mapping[str, Any] | None = None,
) -> TaskRow:
    """Close a task; a done one counts as in place from now on. The answer is signed. A second one changes nothing.

    Where the app can be read, it must show it: NotShown otherwise. `proof`: an attachment.
    """
    before = tasks.task(site.db, task_id)
    if before is None or before.state != TaskState.OPEN:
        return tasks.close_task(site.db, task_id, state, by, statement)
    drawn = plan_of(site, before)
    step = next((s for s in drawn.steps if (s.app, s.verb, s.entitlement or "") == which(before)), None)
    account, shown = None, dict[str, Any]()
    if before.verb == Verb.EMAIL and state is TaskState.DONE:
        shown = entered(site, before, attached=bool(proof))
    elif step and state is TaskState.DONE:
        account, shown = borne_out(site, before, step, attached=bool(proof))
    with site.db.writing():
        row = tasks.close_task(site.db, task_id, state, by, statement, dict(proof or {}) | shown)
        if step and state is TaskState.DONE:
            believe_by_hand(site, drawn, step, account)
    prove_answer(site, row, drawn, since)
    return row


def which(row: TaskRow) -> tuple[str, str, str]:
    """What a task is about."""
    return row.app, row.verb, row.entitlement


def borne_out(site: Site, row: TaskRow, step: Step, attached: bool) -> tuple[Account | None, dict[str, Any]]:
    """The account as the app shows it, and what of it goes into the record; nothing where it cannot show the step.

    NotShown where it shows something else, or cannot be read now and nothing is attached.
    """
    rules = site.rules.apps.get(step.app)
    if rules is None or rules.connector == "manual" or step.verb not in VISIBLE:
        return None, {}
    try:
        account = look_up(site, row.person_id, step)
    except ConnectorError as error:
        if attached:
            return None, {"not read back": str(error)}
        raise NotShown(f"task {row.id} stays open: {error} Try again later, or attach a proof.") from None
    if not shows(account, step):
        raise NotShown(f"task {row.id} stays open: {rules.title} shows {seen(account, step)}.")
    return account, evidence_of(account)


def entered(site: Site, row: TaskRow, attached: bool) -> dict[str, Any]:
    """What HR shows of an address that somebody says was entered there; NotShown as above."""
    why, there = hr_entry.shown(site, row)
    if why and not (attached and "not read back" in there):
        raise NotShown(f"task {row.id} stays open: {why}")
    return there


def look_up(site: Site, person_id: str, step: Step) -> Account | None:
    """The person's account as it is now: by id where one is known, else by key."""
    app, link = site.app(step.app), holdings.links(site.db, person_id).get(step.app)
    if link and link.external_id and (account := app.read(link.external_id)):
        return account
    key = step.attributes.get(site.rules.apps[step.app].key) or (link.key if link else "")
    found = app.find(key) if key else None
    return app.read(found.id) if found else None


def refuse(db: Database, task_id: int, what: str) -> None:
    """Count an answer to the form that was not accepted, with what was seen."""
    marks.set(db, f"task {task_id}: not accepted", [refusals(db, task_id)[0] + 1, what])


def refusals(db: Database, task_id: int) -> tuple[int, str]:
    """How many answers were not accepted, and what was seen at the last."""
    found = marks.get(db, f"task {task_id}: not accepted")
    return (int(str(found[0])), str(found[1])) if isinstance(found, list) else (0, "")


def plan_of(site: Site, row: TaskRow) -> Plan:
    """The plan that asked."""
    with site.db.session() as session:
        found = session.exec(select(PlanRow).where(PlanRow.plan_hash == row.plan_hash)).first()
    return Plan.model_validate(found.body) if found else Plan(person_id=row.person_id, user_name=row.person_id)


def believe_by_hand(site: Site, drawn: Plan, step: Step, account: Account | None) -> None:
    """Note what somebody says is in place now."""
    db, person = site.db, drawn.person_id
    if step.verb is Verb.EMAIL:
        emails.told_hr(db, person, step.attributes["work_email"])
        return
    if step.verb in (Verb.DISABLE, Verb.DELETE, Verb.REVOKE):
        holdings.end(db, person, step.app, step.entitlement, step.why, drawn.hash)
    else:
        for name in (step.entitlement, *step.entitlements):
            holdings.hold(db, person, step.app, name, step.why, drawn.hash)
    if step.verb is Verb.DELETE:
        holdings.unlink(db, person, step.app)
    elif step.verb is not Verb.GRANT and step.verb is not Verb.REVOKE:
        link_by_hand(site, person, step, account.id if account else "")


def link_by_hand(site: Site, person: str, step: Step, ident: str) -> None:
    """An account made or changed by hand; '' where its id cannot be known."""
    old = holdings.links(site.db, person).get(step.app)
    attributes = (old.attributes if old else {}) | step.attributes
    key = attributes.get(site.rules.apps[step.app].key, old.key if old else person)
    active = step.verb is not Verb.DISABLE
    holdings.link(site.db, person, step.app, ident or (old.external_id if old else ""), key, active, attributes)


def prove_answer(site: Site, row: TaskRow, drawn: Plan, since: datetime) -> None:
    """A packet of its own: who answered what, and when."""
    packet = evidence.Evidence(
        run_id=row.run_id,
        hr_event=HrEvent(kind="manual task", person_id=row.person_id, user_name=drawn.user_name),
        plan_hash=row.plan_hash,
        rules_hash=site.rules.hash,
        started_at=min(since, row.opened_at),
        finished_at=row.closed_at or since,
        tasks=(task_of(row),),
        controls=controls_for("manual task"),
    )
    evidence.append(site.db, site.signer, packet)
