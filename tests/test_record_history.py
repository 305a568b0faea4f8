"""Plans and steps, written ahead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from record_databases import KINDS, fresh_database

from flows.record import history
from flows.record.database import Database
from mappings.plan import Verb

TODAY = date(2026, 3, 2)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        history.open_plan(fresh, "h1", "p1", "ana", "joiner", TODAY, "r1", {"steps": ["s1"]})
        yield fresh


def test_a_step_is_on_record_before_and_after(db: Database) -> None:
    row_id = history.intend(db, "h1", "r1", "s1", "slack", Verb.GRANT, "general", {"groups": []})
    (intended,) = history.unfinished(db, "p1")

    history.finish(db, row_id, "done", {"groups": ["general"]})

    assert (intended.id, intended.outcome, intended.before) == (row_id, None, {"groups": []})
    (step,) = history.steps(db, "r1")
    assert (step.app, step.verb, step.entitlement, step.attempt) == ("slack", "grant", "general", 1)
    assert (step.outcome, step.after, step.error) == ("done", {"groups": ["general"]}, None)
    assert step.finished_at is not None
    assert step.finished_at >= step.intended_at
    assert history.unfinished(db, "p1") == []


def test_attempts_are_counted_across_runs(db: Database) -> None:
    history.open_plan(db, "h1", "p1", "ana", "joiner", TODAY, "r2", {})
    first = history.intend(db, "h1", "r1", "s1", "slack", "create account")
    history.finish(db, first, "failed", error="slack: 503")

    history.intend(db, "h1", "r2", "s1", "slack", "create account")
    history.intend(db, "h1", "r2", "s2", "slack", "grant", "general")

    assert [(s.step_id, s.attempt) for s in history.steps(db, "r2")] == [("s1", 2), ("s2", 1)]


def test_an_outcome_stays(db: Database) -> None:
    row_id = history.intend(db, "h1", "r1", "s1", "slack", "create account")
    history.finish(db, row_id, "done", {"active": True})

    history.finish(db, row_id, "done", {"active": False})
    with pytest.raises(ValueError, match="ended as done"):
        history.finish(db, row_id, "failed")

    (step,) = history.steps(db, "r1")
    assert (step.outcome, step.after) == ("done", {"active": True})


@pytest.mark.parametrize(("row_id", "outcome", "error"), [(99, "done", KeyError), (1, "great", ValueError)])
def test_nonsense_is_refused(db: Database, row_id: int, outcome: str, error: type[Exception]) -> None:
    history.intend(db, "h1", "r1", "s1", "slack", "create account")

    with pytest.raises(error):
        history.finish(db, row_id, outcome)

    assert len(history.unfinished(db, "p1")) == 1


def test_a_step_of_a_plan_that_was_not_opened_is_refused(db: Database) -> None:
    with pytest.raises(KeyError, match="has not opened plan h9"):
        history.intend(db, "h9", "r1", "s1", "slack", "create account")


def test_a_plan_is_opened_once_per_run(db: Database) -> None:
    again = history.open_plan(db, "h1", "p1", "ana", "joiner", TODAY, "r1", {"other": 1})
    history.open_plan(db, "h1", "p1", "ana", "joiner", TODAY, "r2", {})
    history.close_plan(db, "h1", "r2", "completed")

    newest, oldest = history.runs_of(db, "p1")
    assert (oldest.id, oldest.body, oldest.result) == (again.id, {"steps": ["s1"]}, None)
    assert (newest.run_id, newest.result) == ("r2", "completed")
    assert newest.closed_at is not None
    assert history.runs_of(db, "p2") == []
