"""Approvals in the record: one open question a person, one answer each, and what an answer is good for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows.record import approvals
from flows.record.database import Database, now
from flows.record.decided import ApprovalRow

PLAN, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/record.db")
    made.migrate()
    yield made
    made.close()


def ask(db: Database, plan: str = PLAN, person: str = "7", run: str = "run-1", days: float = 14) -> ApprovalRow:
    due = now() + timedelta(days=days)
    return approvals.ask(db, person, plan, "f", "boss", "a title", "a table", run, due)[0]


def states(db: Database) -> list[str]:
    return [row.state for row in approvals.found(db)]


def test_the_same_question_is_asked_once(db: Database) -> None:
    first, again = ask(db), ask(db, run="run-2")
    assert first.id == again.id
    assert again.run_id == "run-1"


def test_another_plan_withdraws_the_question_about_the_first(db: Database) -> None:
    ask(db)
    ask(db, person="8")
    ask(db, OTHER)
    assert states(db) == ["withdrawn", "open", "open"]


def test_a_yes_is_for_this_person_and_this_plan(db: Database) -> None:
    row = approvals.answer(db, ask(db).id or 0, "approved", "grace", "fine")
    assert (row.by, row.reason, row.state) == ("grace", "fine", "approved")
    assert approvals.approved(db, "7", PLAN)
    assert not approvals.approved(db, "7", OTHER)
    assert not approvals.approved(db, "8", PLAN)


def test_a_yes_that_was_carried_out_is_used_up(db: Database) -> None:
    row = approvals.answer(db, ask(db).id or 0, "approved", "grace")
    approvals.use_up(db, row.id or 0)
    assert not approvals.approved(db, "7", PLAN)


def test_a_second_and_different_answer_is_refused(db: Database) -> None:
    ident = ask(db).id or 0
    approvals.answer(db, ident, "refused", "grace", "no")
    assert approvals.answer(db, ident, "refused", "somebody").by == "grace"
    with pytest.raises(ValueError, match="refused already, by grace"):
        approvals.answer(db, ident, "approved", "somebody")


def test_an_answer_after_its_time_does_not_count(db: Database) -> None:
    ident = ask(db, days=-1).id or 0
    with pytest.raises(ValueError, match="expired already"):
        approvals.answer(db, ident, "approved", "grace")
    assert states(db) == ["expired"]


def test_there_is_no_answer_to_what_was_not_asked(db: Database) -> None:
    with pytest.raises(KeyError):
        approvals.answer(db, 99, "approved", "grace")
    with pytest.raises(ValueError, match="approved or refused"):
        approvals.answer(db, ask(db).id or 0, "withdrawn", "grace")


def test_a_no_stands_until_it_is_taken_back(db: Database) -> None:
    ident = ask(db).id or 0
    approvals.answer(db, ident, "refused", "grace", "no")
    assert [row.id for row in approvals.answers(db, "7")] == [ident]
    approvals.ask_again(db, ident, "ops")
    assert approvals.answers(db, "7") == []
    with pytest.raises(ValueError, match="not one that was refused"):
        approvals.ask_again(db, ident, "ops")


def test_a_yes_to_what_has_changed_does_not_apply_and_stays_told(db: Database) -> None:
    ident = ask(db).id or 0
    approvals.answer(db, ident, "approved", "grace", "fine")
    approvals.not_applied(db, ident, "the plan had changed")
    row = approvals.get(db, ident)
    assert row and (row.state, row.reason) == ("withdrawn", "the plan had changed; grace had said: fine")
