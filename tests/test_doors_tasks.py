"""Answering a manual task at the door: the task, the waiting run, what counts as in place, and the proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.record import chain, evidence, tasks
from tests.stage import Stage, Told, message, one, until

STATEMENT = "badge 0815 printed and handed over"


class Answered:
    """A joiner whose badge was printed by somebody who then said so."""

    def __init__(self, stage: Stage) -> None:
        self.person = stage.hire("Ulla", "Berg", "People", "Berlin")
        self.run = stage.play("zero_touch_onboarding", person_id=self.person)
        self.asked = one(tasks.open_tasks(stage.db, self.person))
        self.waiting = stage.end(one(stage.runs(f"task:{self.asked.id}")))
        self.listed = json.loads(stage.rollcall("task", "list", "--json").out)
        words = ("task", "done", str(self.asked.id), "--statement", STATEMENT, "--by", "front-desk")
        self.told: Told = stage.rollcall(*words)
        self.again: Told = stage.rollcall(*words[:-1], "somebody else")


@pytest.fixture(scope="module")
def answered(stage: Stage) -> Answered:
    return Answered(stage)


def test_an_open_task_is_listed(answered: Answered) -> None:
    mine = [row for row in answered.listed if row["person_id"] == answered.person]
    assert [(r["app"], r["owner"]) for r in mine] == [("badges", "front-desk@juniperfinch.example")]


def test_done_closes_it_and_lets_its_run_end(stage: Stage, answered: Answered) -> None:
    row = tasks.task(stage.db, answered.asked.id or 0)
    assert answered.told.status == 0, answered.told.all
    assert answered.told.out.strip() == f"task {answered.asked.id}: done by front-desk"
    assert row and (row.state, row.closed_by, row.statement) == ("done", "front-desk", STATEMENT)
    ended = until(lambda: completed(stage, answered.waiting), "the run that asked has ended")
    assert message(ended) == "closed as done by front-desk"


def test_a_second_answer_changes_nothing(stage: Stage, answered: Answered) -> None:
    row = tasks.task(stage.db, answered.asked.id or 0)
    assert row and row.closed_by == "front-desk"
    assert "Traceback" not in answered.again.all


def test_what_was_done_by_hand_counts_as_in_place(stage: Stage, answered: Answered) -> None:
    told = json.loads(stage.rollcall("access", "--person", answered.person, "--app", "badges", "--json").out)
    assert [(r["entitlement"], r["why"]) for r in told] == [("", "Berlin Office: location = Berlin")]


def test_the_answer_is_signed(stage: Stage, answered: Answered, tmp_path: Path) -> None:
    packets = evidence.packets_of(stage.db, str(answered.run.id))
    out = stage.rollcall("evidence", "export", str(tmp_path / "evidence"))
    verified = stage.rollcall("evidence", "verify", str(tmp_path / "evidence"))
    assert len(packets) == 2
    assert out.status == 0, out.all
    assert STATEMENT in str(chain.payload_of(packets[-1].envelope))
    assert verified.status == 0, verified.all
    assert "chain intact" in verified.out


def test_the_next_run_asks_no_more(stage: Stage, answered: Answered) -> None:
    again = stage.play("zero_touch_onboarding", person_id=answered.person)
    assert again.state_name == "Completed"
    assert tasks.open_tasks(stage.db, answered.person) == []


def completed(stage: Stage, run: FlowRun) -> FlowRun | None:
    """The run if it has completed."""
    found = stage.client.read_flow_run(run.id)
    return found if found.state_name == "Completed" else None
