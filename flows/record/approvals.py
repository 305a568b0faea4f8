"""Approvals: questions about one exact plan. At most one is open for a person, and at most one batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from flows.record import marks
from flows.record.database import Database, now
from flows.record.decided import ApprovalRow, Decision

ANSWERS = (Decision.APPROVED, Decision.REFUSED, Decision.EXPIRED)
"""What stands until the plan changes."""
NEWER = "another plan is asked about instead"


def ask(
    db: Database,
    person_id: str,
    plan_hash: str,
    fingerprint: str,
    approver: str,
    title: str,
    body: str,
    run_id: str,
    expires_at: datetime,
) -> tuple[ApprovalRow, bool]:
    """Ask about this plan; False with the question that is open already where one is.

    What was asked about another plan of the same person (or another batch, `person_id` '') is withdrawn.
    """
    same = {"person_id": person_id, "plan_hash": plan_hash}
    words = {"fingerprint": fingerprint, "approver": approver, "title": title, "body": body, "run_id": run_id}
    times = {"asked_at": now(), "expires_at": expires_at}
    with db.writing() as session:
        withdraw(db, person_id, NEWER, keep=plan_hash)
        created = db.insert_new(session, ApprovalRow, same | words | times | {"state": Decision.OPEN.value})
        wanted = [getattr(ApprovalRow, name) == value for name, value in same.items()]
        return session.exec(select(ApprovalRow).where(*wanted, is_open())).one(), created


def is_open() -> ColumnElement[bool]:
    """The criterion of a question nobody has answered."""
    return col(ApprovalRow.state) == Decision.OPEN.value


def answer(db: Database, approval_id: int, decision: Decision | str, by: str, reason: str = "") -> ApprovalRow:
    """Close a question as approved or refused. The same answer twice changes nothing.

    KeyError where there is no such question; ValueError where it was closed otherwise, or its time is over.
    """
    decision = Decision(decision)
    if decision not in (Decision.APPROVED, Decision.REFUSED):
        raise ValueError("an approval is answered with approved or refused")
    expire(db, now())
    close(db, [col(ApprovalRow.id) == approval_id], decision, by, reason)
    row = get(db, approval_id)
    if row is None:
        raise KeyError(f"there is no approval {approval_id}")
    if row.state != decision:
        raise ValueError(f"approval {approval_id} is {row.state} already, by {row.by}; it cannot become {decision}")
    return row


def expire(db: Database, moment: datetime) -> Sequence[ApprovalRow]:
    """Close the questions whose time is over, which counts as refused; returns them."""
    over = [is_open(), col(ApprovalRow.expires_at) <= moment]
    with db.writing() as session:
        rows = session.exec(select(ApprovalRow).where(*over)).all()
        close(db, over, Decision.EXPIRED, "rollcall", "nobody answered in time")
    return rows


def withdraw(db: Database, person_id: str, why: str, keep: str = "") -> None:
    """Nobody need answer what is open about the person, but for the plan with the hash `keep`."""
    with db.writing():
        others = [col(ApprovalRow.person_id) == person_id, col(ApprovalRow.plan_hash) != keep]
        close(db, others, Decision.WITHDRAWN, "rollcall", why)


def withdraw_one(db: Database, approval_id: int, why: str) -> None:
    """Nobody need answer this one."""
    close(db, [col(ApprovalRow.id) == approval_id], Decision.WITHDRAWN, "rollcall", why)


def expired_since(db: Database, moment: datetime) -> Sequence[ApprovalRow]:
    """Questions that nobody answered in time."""
    return found(db, col(ApprovalRow.state) == Decision.EXPIRED.value, col(ApprovalRow.answered_at) >= moment)


def close(db: Database, which: list[ColumnElement[bool]], state: Decision, by: str, reason: str) -> None:
    """Close those that are open."""
    values = {"state": state.value, "answered_at": now(), "by": by, "reason": reason}
    with db.writing() as session:
        session.execute(update(ApprovalRow).where(*which, is_open()).values(**values))


def not_applied(db: Database, approval_id: int, why: str) -> None:
    """An approval of something that is another thing by now: it is withdrawn, and who had given it stays told."""
    with db.writing() as session:
        row = session.get(ApprovalRow, approval_id)
        if row is not None and row.state == Decision.APPROVED:
            row.state, row.reason = Decision.WITHDRAWN.value, f"{why}; {row.by} had said: {row.reason}"
            session.add(row)


def take_over(db: Database, approval_id: int, run_id: str) -> None:
    """From now on this run is the one that waits for the answer."""
    with db.writing() as session:
        session.execute(update(ApprovalRow).where(col(ApprovalRow.id) == approval_id).values(run_id=run_id))


def ask_again(db: Database, approval_id: int, by: str) -> ApprovalRow:
    """Take back a refusal, so that the next run that wants the same asks anew. ValueError where there is none."""
    refused = col(ApprovalRow.state).in_([Decision.REFUSED.value, Decision.EXPIRED.value])
    with db.writing() as session:
        row = session.exec(select(ApprovalRow).where(col(ApprovalRow.id) == approval_id, refused)).first()
        if row is None:
            raise ValueError(f"approval {approval_id} is not one that was refused")
        row.state, row.reason = Decision.WITHDRAWN.value, f"to be asked again, says {by}; was {row.state} by {row.by}"
        session.add(row)
        return row


def get(db: Database, approval_id: int) -> ApprovalRow | None:
    """One question, open or closed."""
    with db.session() as session:
        return session.get(ApprovalRow, approval_id, populate_existing=True)


def open_ones(db: Database, person_id: str | None = None) -> Sequence[ApprovalRow]:
    """What waits for an answer, the oldest first."""
    return found(db, is_open(), *([] if person_id is None else [col(ApprovalRow.person_id) == person_id]))


def of_run(db: Database, run_id: str) -> Sequence[ApprovalRow]:
    """What a run has asked, the oldest first."""
    return found(db, col(ApprovalRow.run_id) == run_id)


def answers(db: Database, person_id: str) -> Sequence[ApprovalRow]:
    """What was answered about the person and still stands, the oldest first: approvals that were used up do not."""
    states = [state.value for state in ANSWERS]
    rows = found(db, col(ApprovalRow.person_id) == person_id, col(ApprovalRow.state).in_(states))
    return [row for row in rows if row.state != Decision.APPROVED or not marks.get(db, used_mark(row.id or 0))]


def approved(db: Database, person_id: str, plan_hash: str) -> bool:
    """Whether this very plan was approved, and has not been carried out since."""
    mine = [row for row in answers(db, person_id) if row.plan_hash == plan_hash]
    return bool(mine) and mine[-1].state == Decision.APPROVED


def use_up(db: Database, approval_id: int) -> None:
    """It was carried out: the same wish at another time is asked anew."""
    marks.set(db, used_mark(approval_id), True)


def used_mark(approval_id: int) -> str:
    """Where it is kept that an approval was used up."""
    return f"approval {approval_id}: carried out"


def found(db: Database, *criteria: ColumnElement[bool]) -> Sequence[ApprovalRow]:
    """Questions, the oldest first."""
    with db.session() as session:
        return session.exec(select(ApprovalRow).where(*criteria).order_by(col(ApprovalRow.id))).all()


def closed(db: Database, person_id: str, state: Decision) -> Sequence[ApprovalRow]:
    """What was asked about the person and closed like this."""
    return found(db, col(ApprovalRow.person_id) == person_id, col(ApprovalRow.state) == state.value)
