"""Manual tasks: steps for a human, at most one open for the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from flows.record.database import Database, now
from flows.record.tables import TaskRow, TaskState


def open_task(
    db: Database,
    person_id: str,
    app: str,
    verb: str,
    entitlement: str | None,
    title: str,
    instructions: str,
    owner: str,
    plan_hash: str,
    run_id: str,
    due: datetime | None = None,
) -> tuple[TaskRow, bool]:
    """Ask a human for this step; False with the task that is open already where one is."""
    same = {"person_id": person_id, "app": app, "verb": str(verb), "entitlement": entitlement or ""}
    words = {"title": title, "instructions": instructions, "owner": owner}
    origin = {"plan_hash": plan_hash, "run_id": run_id, "due": due, "opened_at": now()}
    with db.writing() as session:
        created = db.insert_new(session, TaskRow, same | words | origin | {"state": TaskState.OPEN.value})
        wanted = [getattr(TaskRow, name) == value for name, value in same.items()]
        return session.exec(select(TaskRow).where(*wanted, TaskRow.state == TaskState.OPEN.value)).one(), created


def close_task(
    db: Database,
    task_id: int,
    state: TaskState | str,
    by: str,
    statement: str | None = None,
    proof: Mapping[str, Any] | None = None,
) -> TaskRow:
    """Close a task as done, declined or void. Done needs a statement or proof; a closed task stays as it is.

    ValueError on anything else, also when it was closed with another state before.
    """
    state = TaskState(state)
    if state is TaskState.OPEN:
        raise ValueError("a task is closed as done, declined or void")
    if state is TaskState.DONE and not statement and not proof:
        raise ValueError(f"task {task_id}: done needs a statement or proof of what was done")
    values = {"state": state.value, "closed_at": now(), "closed_by": by, "statement": statement}
    still_open = (col(TaskRow.id) == task_id, col(TaskRow.state) == TaskState.OPEN.value)
    with db.writing() as session:
        session.execute(update(TaskRow).where(*still_open).values(**values, proof=dict(proof) if proof else None))
        return closed(session, task_id, state)


def closed(session: Session, task_id: int, state: TaskState) -> TaskRow:
    """The task, which must be in that state now."""
    row = session.get(TaskRow, task_id, populate_existing=True)
    if row is None:
        raise KeyError(f"there is no task {task_id}")
    if row.state != state:
        raise ValueError(f"task {task_id} was closed as {row.state} by {row.closed_by}; it cannot become {state}")
    return row


def task(db: Database, task_id: int) -> TaskRow | None:
    """One task, open or closed."""
    with db.session() as session:
        return session.get(TaskRow, task_id)


def open_tasks(db: Database, person_id: str | None = None) -> Sequence[TaskRow]:
    """What humans still have to do, the oldest first."""
    wanted = select(TaskRow).where(TaskRow.state == TaskState.OPEN.value)
    if person_id is not None:
        wanted = wanted.where(TaskRow.person_id == person_id)
    with db.session() as session:
        return session.exec(wanted.order_by(col(TaskRow.id))).all()


def asked_since(db: Database, person_id: str, app: str, verb: str, since: datetime) -> bool:
    """Whether a human was asked for this since then, whatever became of it."""
    same = (TaskRow.person_id == person_id, TaskRow.app == app, TaskRow.verb == verb, col(TaskRow.opened_at) >= since)
    with db.session() as session:
        return session.exec(select(TaskRow.id).where(*same).limit(1)).first() is not None


def answered(db: Database, person_id: str, app: str, verb: str) -> bool:
    """Whether a human has said that it is done, or cannot be."""
    same = (TaskRow.person_id == person_id, TaskRow.app == app, TaskRow.verb == verb)
    said = col(TaskRow.state).in_([TaskState.DONE.value, TaskState.DECLINED.value])
    with db.session() as session:
        return session.exec(select(TaskRow.id).where(*same, said).limit(1)).first() is not None


def void_tasks(db: Database, person_id: str) -> Sequence[TaskRow]:
    """What humans were asked about the person and need not do any more."""
    wanted = select(TaskRow).where(TaskRow.person_id == person_id, TaskRow.state == TaskState.VOID.value)
    with db.session() as session:
        return session.exec(wanted.order_by(col(TaskRow.id))).all()


def people_asked_about(db: Database, verbs: Iterable[str]) -> set[str]:
    """Ids of the people about whom a task with one of these verbs is open."""
    wanted = select(TaskRow.person_id).where(col(TaskRow.verb).in_(list(verbs)), TaskRow.state == TaskState.OPEN.value)
    with db.session() as session:
        return set(session.exec(wanted.distinct()))


def tasks_of_run(db: Database, run_id: str, *people: str) -> Sequence[TaskRow]:
    """What a run asked humans for, the oldest first; about some of those who share it, where any are named: at most
    `IN_ONE_QUERY`.
    """
    wanted = select(TaskRow).where(TaskRow.run_id == run_id)
    wanted = wanted.where(col(TaskRow.person_id).in_(people)) if people else wanted
    with db.session() as session:
        return session.exec(wanted.order_by(col(TaskRow.id))).all()
