"""The receiver is killed between a call and its run: afterwards there is exactly one run, and nobody is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from flows.record import signals
from flows.record.tables import SignalRow
from tests.stage import DOMAIN, Stage, until
from tests.webhook_door import Receiver
from tests.webhook_faults import FAULTS, called, mortal, on_stage

MADE = {"after the start, before it is noted", "while it is noted"}
"""Where the run is there already when the receiver dies."""


@pytest.fixture(scope="module")
def people(stage: Stage) -> Iterator[dict[str, str]]:
    """Fault -> somebody who works here."""
    hired = {fault: stage.hire("Kay", f"Kill{n}", "Operations") for n, fault in enumerate(FAULTS)}
    stage.started_by(stage.play("daily_sync"))
    yield hired


def mine(stage: Stage, person: str) -> list[SignalRow]:
    """What was signalled about somebody."""
    with stage.db.session() as session:
        return [row for row in session.exec(select(SignalRow)) if person in row.people]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_kill_loses_nobody_and_starts_nobody_twice(
    stage: Stage, people: dict[str, str], tmp_path: Path, fault: str
) -> None:
    person, email = people[fault], f"kay.kill{list(FAULTS).index(fault)}@{DOMAIN}"
    receiver = on_stage(stage, tmp_path / "receiver")
    receiver.command = mortal(receiver.folder, fault)
    with called(stage, receiver):
        receiver.start()
        stage.leave(person)
        until(lambda: receiver.process and receiver.process.poll() is not None, "the receiver is dead")

        told = mine(stage, person)  # more than one, where HR's call was answered late and sent again
        assert told and all(row.done_at is None for row in told)
        assert len(stage.runs("by:webhook", f"person:{person}")) == (fault in MADE)

        receiver.command = Receiver.command
        receiver.start()
        until(lambda: stage.user(email)["active"] is False, "the leaver is out")
        until(lambda: signals.number_open(stage.db) == 0, "all signals are done")
    runs = stage.runs("by:webhook", f"person:{person}")
    assert [run.name for run in runs] == [f"offboard kay.kill{list(FAULTS).index(fault)}"]
    assert effects_of(stage, person).count("leavers") == 1


def effects_of(stage: Stage, person: str) -> list[str]:
    """The kinds of what signals have taken from somebody, as the next look weighs it."""
    for row in mine(stage, person):
        assert len(row.effects) == len({tuple(line) for line in row.effects})
    lately = signals.effects_since(stage.db, datetime.now(UTC) - timedelta(hours=1))
    return [str(kind) for kind in lately.loc[lately["person_id"] == person, "kind"]]
