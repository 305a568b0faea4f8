"""Plans and their steps, written ahead: the intent before the call, the outcome after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from flows.record.database import Database, asking, now
from flows.record.tables import PlanRow, StepOutcome, StepRow


def open_plan(
    db: Database,
    plan_hash: str,
    person_id: str,
    user_name: str,
    kind: str,
    on: date,
    run_id: str,
    body: Mapping[str, Any],
) -> PlanRow:
    """Record that a run takes up a plan. Opening it again in the same run changes nothing."""
    who = {"plan_hash": plan_hash, "run_id": run_id, "person_id": person_id, "user_name": user_name}
    what = {"kind": kind, "on": on, "body": dict(body), "opened_at": now()}
    with db.writing() as session:
        db.insert_new(session, PlanRow, who | what)
        return plan_row(session, plan_hash, run_id)


def close_plan(db: Database, plan_hash: str, run_id: str, result: str) -> None:
    """Record how carrying out the plan ended, in the run's own word."""
    mine = (col(PlanRow.plan_hash) == plan_hash, col(PlanRow.run_id) == run_id)
    with db.writing() as session:
        session.execute(update(PlanRow).where(*mine).values(closed_at=now(), result=result))


def plan_row(session: Session, plan_hash: str, run_id: str) -> PlanRow:
    """The plan as this run took it up; KeyError where it did not."""
    wanted = select(PlanRow).where(PlanRow.plan_hash == plan_hash, PlanRow.run_id == run_id)
    row = session.exec(wanted).first()
    if row is None:
        raise KeyError(f"run {run_id} has not opened plan {plan_hash}")
    return row


def intend(
    db: Database,
    plan_hash: str,
    run_id: str,
    step_id: str,
    app: str,
    verb: str,
    entitlement: str | None = None,
    before: Mapping[str, Any] | None = None,
) -> int:
    """Record that a step is about to be tried, and what the app showed before it; returns the row's id."""
    with db.writing() as session:
        plan = plan_row(session, plan_hash, run_id)
        row = StepRow(
            plan_id=plan.id or 0,
            plan_hash=plan_hash,
            run_id=run_id,
            person_id=plan.person_id,
            step_id=step_id,
            app=app,
            verb=str(verb),
            entitlement=entitlement or "",
            attempt=attempts(session, plan_hash, step_id) + 1,
            intended_at=now(),
            before=None if before is None else dict(before),
        )
        session.add(row)
        session.flush()
        return row.id or 0


def attempts(session: Session, plan_hash: str, step_id: str) -> int:
    """How often this step of this plan was tried so far, by any run."""
    same = (StepRow.plan_hash == plan_hash, StepRow.step_id == step_id)
    return session.exec(select(func.count()).select_from(StepRow).where(*same)).one()


def finish(
    db: Database,
    row_id: int,
    outcome: StepOutcome | str,
    after: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Record how the step ended and what was read back. An outcome once written stays: ValueError on another."""
    word = StepOutcome(outcome).value
    values = {"outcome": word, "after": None if after is None else dict(after), "error": error}
    mine = (col(StepRow.id) == row_id, col(StepRow.outcome).is_(None))
    with db.writing() as session:
        session.execute(update(StepRow).where(*mine).values(**values, finished_at=now()))
        row = session.get(StepRow, row_id, populate_existing=True)
        if row is None:
            raise KeyError(f"step row {row_id} was never written")
        if row.outcome != word:
            raise ValueError(f"step row {row_id} ended as {row.outcome}; that cannot become {word}")


def steps(db: Database, run_id: str, *people: str) -> Sequence[StepRow]:
    """What a run tried, in order; for some of those who share it, at most `IN_ONE_QUERY`, where any are named."""
    plans = select(PlanRow.id).where(PlanRow.run_id == run_id)
    plans = plans.where(col(PlanRow.person_id).in_(people)) if people else plans
    with db.session() as session:
        return session.exec(select(StepRow).where(col(StepRow.plan_id).in_(plans)).order_by(col(StepRow.id))).all()


def unfinished(db: Database, person_id: str) -> Sequence[StepRow]:
    """Intents without an outcome: whether they happened is for the app to say."""
    open_steps = select(StepRow).where(StepRow.person_id == person_id, col(StepRow.outcome).is_(None))
    with db.session() as session:
        return session.exec(open_steps.order_by(col(StepRow.id))).all()


def tried_before(db: Database, person_id: str, step_id: str, row_id: int) -> bool:
    """Whether this step was tried for the person, by any run, before the attempt with this row."""
    same = (StepRow.person_id == person_id, StepRow.step_id == step_id, col(StepRow.id) < row_id)
    with db.session() as session:
        return session.exec(select(StepRow.id).where(*same).limit(1)).first() is not None


def last_done(db: Database, person_id: str, app: str, verb: str) -> int:
    """The row of the last attempt that succeeded or was given to a human; 0 where there is none."""
    over = (StepOutcome.DONE.value, StepOutcome.ALREADY.value, StepOutcome.TASK.value)
    same = (
        StepRow.person_id == person_id,
        StepRow.app == app,
        StepRow.verb == str(verb),
        col(StepRow.outcome).in_(over),
    )
    with db.session() as session:
        return session.exec(select(func.max(StepRow.id)).where(*same)).one() or 0


def last_kind(db: Database, person_id: str) -> str:
    """What the last plan of the person that ended was: joiner, leave, …; '' where there was none."""
    mine = select(PlanRow.kind).where(PlanRow.person_id == person_id, col(PlanRow.closed_at).is_not(None))
    with db.session() as session:
        return session.exec(mine.where(PlanRow.kind != "same").order_by(col(PlanRow.id).desc()).limit(1)).first() or ""


def cut_off(db: Database, person_id: str, run_id: str) -> Sequence[PlanRow]:
    """Plans that other runs took up for the person and never closed. Only for who holds the person's lease."""
    never_closed = (PlanRow.person_id == person_id, PlanRow.run_id != run_id, col(PlanRow.closed_at).is_(None))
    with db.session() as session:
        return session.exec(select(PlanRow).where(*never_closed).order_by(col(PlanRow.id))).all()


def loose(db: Database) -> set[str]:
    """Ids of the people of whom an intent has no outcome, or a plan no end."""
    steps = select(StepRow.person_id).where(col(StepRow.outcome).is_(None))
    plans = select(PlanRow.person_id).where(col(PlanRow.closed_at).is_(None))
    with db.session() as session:
        return set(session.exec(steps.distinct())) | set(session.exec(plans.distinct()))


def left_undone(db: Database, people: Iterable[str] | None = None) -> set[str]:
    """Ids of those, among everybody or these people, whose last plan failed or was cut off."""
    newest = select(func.max(PlanRow.id)).group_by(col(PlanRow.person_id))
    bad = col(PlanRow.result).is_(None) | (col(PlanRow.result) == "Failed")
    with db.session() as session:
        plans = asking(newest, col(PlanRow.person_id), people)
        found = (select(PlanRow.person_id).where(col(PlanRow.id).in_(each), bad) for each in plans)
        return {person for query in found for person in session.exec(query)}


def runs_of(db: Database, person_id: str) -> Sequence[PlanRow]:
    """The plans taken up for a person, the newest first."""
    with db.session() as session:
        mine = select(PlanRow).where(PlanRow.person_id == person_id)
        return session.exec(mine.order_by(col(PlanRow.id).desc())).all()


def plans_of_run(db: Database, run_id: str) -> Sequence[PlanRow]:
    """The plans a run took up, the newest last: more than one after a retry."""
    with db.session() as session:
        return session.exec(select(PlanRow).where(PlanRow.run_id == run_id).order_by(col(PlanRow.id))).all()
