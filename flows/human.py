"""What a human's answer to a manual task changes: the task, what is believed to be in place, the evidence."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import select

from flows.proof import task_of
from flows.record import evidence, holdings, tasks
from flows.record.packet import HrEvent, controls_for
from flows.record.tables import PlanRow, TaskRow, TaskState
from flows.site import Site
from mappings.plan import Plan, Step, Verb


def answered(site: Site, task_id: int, state: TaskState, by: str, statement: str, since: datetime) -> TaskRow:
    """Close a task; a done one counts as in place from now on. The answer is signed. A second one changes nothing."""
    before = tasks.task(site.db, task_id)
    row = tasks.close_task(site.db, task_id, state, by, statement)
    if before is None or before.state != TaskState.OPEN:
        return row
    drawn = plan_of(site, row)
    step = next(
        (s for s in drawn.steps if (s.app, s.verb, s.entitlement or "") == (row.app, row.verb, row.entitlement)), None
    )
    if step and state is TaskState.DONE:
        believe_by_hand(site, drawn, step)
    prove_answer(site, row, drawn, since)
    return row


def plan_of(site: Site, row: TaskRow) -> Plan:
    """The plan that asked."""
    with site.db.session() as session:
        found = session.exec(select(PlanRow).where(PlanRow.plan_hash == row.plan_hash)).first()
    return Plan.model_validate(found.body) if found else Plan(person_id=row.person_id, user_name=row.person_id)


def believe_by_hand(site: Site, drawn: Plan, step: Step) -> None:
    """Note what somebody says is in place now."""
    db, person = site.db, drawn.person_id
    if step.verb in (Verb.DISABLE, Verb.DELETE, Verb.REVOKE):
        holdings.end(db, person, step.app, step.entitlement, step.why, drawn.hash)
    else:
        for name in (step.entitlement, *step.entitlements):
            holdings.hold(db, person, step.app, name, step.why, drawn.hash)
    if step.verb is Verb.DELETE:
        holdings.unlink(db, person, step.app)
    elif step.verb is not Verb.GRANT and step.verb is not Verb.REVOKE:
        link_by_hand(site, person, step)


def link_by_hand(site: Site, person: str, step: Step) -> None:
    """An account without an id that can be known."""
    old = holdings.links(site.db, person).get(step.app)
    attributes = (old.attributes if old else {}) | step.attributes
    key = attributes.get(site.rules.apps[step.app].key, old.key if old else person)
    active = step.verb is not Verb.DISABLE
    holdings.link(site.db, person, step.app, old.external_id if old else "", key, active, attributes)


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
