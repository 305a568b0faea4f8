"""Which HR records are one human: what was asked and answered, and how what is in place goes from one to the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, delete, true, update
from sqlmodel import Session, col, select

from flows.record import holdings, holds
from flows.record.database import Database, now, rows_changed
from flows.record.decided import IdentityRow, OverrideRow
from flows.record.tables import EmailRow, HeldRow, HoldRow, LinkRow, SettledRow, StepRow, TaskRow, TaskState
from mappings.identity import humans

SOURCE = "identity"
"""Source of the holds on people of whom it is not known whether they are new."""
QUESTION, SAME, DIFFERENT = "question", "same", "different"


class TwoAccounts(ValueError):
    """Both records have an account in one app: somebody must say which one is the person's."""

    def __init__(self, old: str, new: str, apps: Sequence[str]) -> None:
        self.apps = tuple(apps)
        super().__init__(
            f"{old} and {new} are one human, and both have an account in {', '.join(apps)}. Nothing was moved. "
            f"Say `rollcall link {new} --different {old}`: then each account ends with its own record."
        )


def ask(db: Database, person_id: str, same_as: str, how: str) -> bool:
    """Note the question whether two records are one human; False where it was asked or answered before."""
    row = {"person_id": person_id, "same_as": same_as, "how": how, "asked_at": now()}
    with db.writing() as session:
        return db.insert_new(session, IdentityRow, row | {"state": QUESTION, "by": ""})


def answer(db: Database, person_id: str, same_as: str, state: str, by: str, how: str = "") -> bool:
    """Say that two records are one human, or two; True when it was not said before. The last answer counts.

    A record that continues one older record continues no other: its further questions are answered by it.
    ValueError where the answer would make a record its own predecessor.
    """
    if state not in (SAME, DIFFERENT):
        raise ValueError(f"{state!r} is no answer; known ones are {SAME}, {DIFFERENT}")
    with db.writing() as session:
        if state == SAME and (person_id == same_as or person_id in former_ids(db, same_as)):
            raise ValueError(f"{person_id} cannot continue {same_as}, which continues {person_id} itself")
        ask(db, person_id, same_as, how or "said by hand")
        mine = (col(IdentityRow.person_id) == person_id, col(IdentityRow.same_as) == same_as)
        said = {"state": state, "by": by, "answered_at": now()} | ({"how": how} if how else {})
        news = rows_changed(session, update(IdentityRow).where(*mine, col(IdentityRow.state) != state).values(**said))
        if state == SAME:
            session.execute(settled_by(person_id, same_as, by))
        if not any(q.person_id == person_id for q in questions(db)):
            holds.lift(db, person_id, SOURCE, f"answered by {by}")
    return bool(news)


def settled_by(person_id: str, same_as: str, by: str) -> Update:
    """The update that answers a record's other questions."""
    others = (col(IdentityRow.person_id) == person_id, col(IdentityRow.same_as) != same_as)
    still = col(IdentityRow.state) == QUESTION
    return update(IdentityRow).where(*others, still).values(state=DIFFERENT, by=by, answered_at=now())


def questions(db: Database) -> Sequence[IdentityRow]:
    """What waits for an answer, the oldest first."""
    waiting = select(IdentityRow).where(IdentityRow.state == QUESTION)
    with db.session() as session:
        return session.exec(waiting.order_by(col(IdentityRow.asked_at), col(IdentityRow.same_as))).all()


def asked(db: Database) -> set[tuple[str, str]]:
    """All pairs that were ever asked or answered: newer, older."""
    with db.session() as session:
        return {(r.person_id, r.same_as) for r in session.exec(select(IdentityRow))}


def links(db: Database) -> set[tuple[str, str]]:
    """Pairs that are one human: newer, older."""
    with db.session() as session:
        return {(r.person_id, r.same_as) for r in session.exec(select(IdentityRow).where(IdentityRow.state == SAME))}


def human(db: Database, person_id: str) -> list[str]:
    """The ids of all records of the human whom this record means, itself among them."""
    return next((group for group in humans(links(db)) if person_id in group), [person_id])


def former_ids(db: Database, person_id: str) -> list[str]:
    """The older records that this one continues, the newest first."""
    older: dict[str, list[str]] = {}
    for new, old in sorted(links(db)):
        older.setdefault(new, []).append(old)
    found: list[str] = []
    left = list(older.get(person_id, ()))
    while left:
        following = left.pop(0)
        if following not in (*found, person_id):
            found.append(following)
            left += older.get(following, ())
    return found


def holder(db: Database, person_id: str) -> str:
    """Which of the human's records has the accounts now; the record itself where none has."""
    ids = human(db, person_id)
    if len(ids) == 1:
        return person_id
    with db.session() as session:
        rows = session.exec(select(LinkRow.person_id).where(col(LinkRow.person_id).in_(ids))).all()
    return max(sorted(set(rows)), key=lambda id: (rows.count(id), id == person_id), default=person_id)


def hand_over(db: Database, old: str, new: str, stays: Collection[str] = ()) -> int:
    """Move what is in place from one record of a human to the other; returns how many things there were.

    Accounts, addresses, what is held (the old rows end and new ones begin at one instant, so that the past stays as
    it was), unfinished steps, open tasks, overrides, and holds but those of SOURCE and of the sources in `stays`,
    which are about a row in HR. All or nothing. TwoAccounts where both have an account in one app.
    """
    with db.writing() as session:
        if both := in_both(session, old, new):
            raise TwoAccounts(old, new, both)
        moved = sum(moved_rows(session, table, old, new) for table in (LinkRow, EmailRow, StepRow, OverrideRow))
        moved += hold_anew(db, session, old, new) + move_tasks(session, old, new)
        moved += move_holds(db, session, old, new, {SOURCE, *stays})
        if moved:
            session.execute(delete(SettledRow).where(col(SettledRow.person_id).in_([old, new])))
    return moved


def with_anything(db: Database, ids: Collection[str]) -> set[str]:
    """Those of the records under which anything is in place that `hand_over` would move."""
    still: dict[Any, ColumnElement[bool]] = {
        LinkRow: true(),
        EmailRow: true(),
        HeldRow: holdings.OPEN,
        TaskRow: col(TaskRow.state) == TaskState.OPEN.value,
        OverrideRow: col(OverrideRow.ended_at).is_(None),
        StepRow: col(StepRow.outcome).is_(None),
        HoldRow: and_(holds.OPEN, col(HoldRow.source) == holds.SENT_AWAY),
    }
    found: set[str] = set()
    with db.session() as session:
        for table, criterion in still.items():
            found |= set(session.exec(select(table.person_id).where(col(table.person_id).in_(ids), criterion)))
    return found


def in_both(session: Session, old: str, new: str) -> list[str]:
    """Apps in which both have an account."""
    rows = session.exec(select(LinkRow.app).where(col(LinkRow.person_id).in_([old, new]))).all()
    return sorted({app for app in rows if rows.count(app) > 1})


def moved_rows(session: Session, table: type, old: str, new: str) -> int:
    """Give a table's rows to the new record, as far as they are still open."""
    mine = [table.person_id == old]  # type: ignore[attr-defined]
    mine += [col(StepRow.outcome).is_(None)] if table is StepRow else []
    mine += [col(OverrideRow.ended_at).is_(None)] if table is OverrideRow else []
    return rows_changed(session, update(table).where(*mine).values(person_id=new))


def hold_anew(db: Database, session: Session, old: str, new: str) -> int:
    """End what the old record holds and let the new one hold it from the same instant on."""
    at, why = now(), f"goes on under {new}, the same human"
    rows = session.scalars(select(HeldRow).where(HeldRow.person_id == old, holdings.OPEN)).all()
    for row in rows:
        same = row.model_dump(include={"app", "entitlement", "why", "plan_hash", "until"})
        since = max(at, row.since)
        holdings.close(session, row, why, row.plan_hash, since)
        db.insert_new(session, HeldRow, same | {"person_id": new, "since": since})
    return len(rows)


def move_tasks(session: Session, old: str, new: str) -> int:
    """Open questions about the old record become the new one's; those it has already are void."""
    still = TaskRow.state == TaskState.OPEN.value
    rows = session.exec(select(TaskRow).where(TaskRow.person_id == old, still)).all()
    there = {thing(r) for r in session.exec(select(TaskRow).where(TaskRow.person_id == new, still))}
    for row in rows:
        if thing(row) in there:
            row.state, row.closed_at, row.closed_by = TaskState.VOID.value, now(), "rollcall"
            row.statement = f"{new}, the same human, has the same task"
        else:
            row.person_id = new
        session.add(row)
    return len(rows)


def thing(row: TaskRow) -> tuple[str, str, str]:
    """What a task is about."""
    return row.app, row.verb, row.entitlement


def move_holds(db: Database, session: Session, old: str, new: str, stays: Collection[str]) -> int:
    """Holds on the human, whatever the record, go along."""
    rows = session.exec(select(HoldRow).where(HoldRow.person_id == old, holds.OPEN)).all()
    going = [row for row in rows if row.source not in stays]
    for row in going:
        holds.lift(db, old, row.source, f"goes on under {new}, the same human")
        holds.place(db, new, row.source, row.reason)
    return len(going)


def doubt(db: Database, one: str, other: str, why: str) -> set[tuple[str, str]]:
    """Make a question of a link again; returns the pairs that were linked."""
    pairs = {(new, old) for new, old in links(db) if {new, old} == {one, other}}
    with db.writing() as session:
        for new, old in pairs:
            mine = (col(IdentityRow.person_id) == new, col(IdentityRow.same_as) == old)
            session.execute(update(IdentityRow).where(*mine).values(state=QUESTION, how=why, by="", answered_at=None))
    return pairs
