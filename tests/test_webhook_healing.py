"""What signals do not tell, or tell too early: a call that is lost, HR that does not answer, a sync meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from connectors.sandbox import Sandbox
from flows.daily_sync import classify, keep, read_anew
from flows.due import due
from flows.gate import believed, read
from flows.record import signals
from flows.record.signals import Signal
from flows.signalled import look
from flows.webhook_dispatch import LONGEST, try_again
from tests.lives import Lives, company
from tests.stage import DOMAIN, Stage, until
from tests.test_webhook_people import hear, yesterday
from tests.webhook_faults import called, on_stage

WHY = "bamboohr: read employee 117: no answer"


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    with company(sandbox, tmp_path) as lives:
        lives.hire("200", "Ann", "Oak")
        lives.hire("201", "Ben", "Elm")
        lives.sync(datetime.now(UTC))
        yield lives


def test_whoever_is_signalled_while_hr_is_read_is_read_once_more(lives: Lives) -> None:
    """The sync has the old row in its hands when the signal's run has ended the access."""
    begun = datetime.now(UTC)
    feed = read(lives.site, begun.date())
    lives.say("200", last=yesterday())
    hear(lives, "200")

    keep(lives.site, feed, classify(lives.site, feed, begun), believed(lives.site, feed, begun), begun)
    again = read_anew(lives.site, feed, begun)
    who = due(lives.site, feed.people, begun)

    assert again == ["200"] and list(who["person_id"]) == ["200"]  # by the old row it would be given all back
    told = signals.open_now(lives.site.db, datetime.now(UTC))
    assert [row.people for row in told] == [["200"]]
    assert look(lives.site, ["200"], datetime.now(UTC)).who.empty
    known = signals.people_now(lives.site.db, "csv")
    assert known is not None
    assert known.set_index("employee_id")["last_day"].notna()["200"]


def test_a_signal_that_is_put_off_ends_once_the_sync_has_read_hr_and_says_why(lives: Lives) -> None:
    site, at = lives.site, datetime.now(UTC) - LONGEST - timedelta(minutes=1)
    signals.store(site.db, [Signal("csv", uuid4().hex, ["200"], None, at)])

    for _ in range(2):
        try_again(site, signals.open_now(site.db, datetime.now(UTC) + timedelta(hours=1)), WHY)

    row = signals.heard(site.db, at)[0]
    assert row.done_at and row.tries == 1
    assert row.result == f"left to the daily sync, which has read HR since ({WHY})"


def test_a_lost_call_heals_at_the_next_daily_sync(stage: Stage, tmp_path: Path) -> None:
    email = f"lo.lost@{DOMAIN}"
    person = stage.hire("Lo", "Lost", "Operations")
    stage.started_by(stage.play("daily_sync"))
    receiver = on_stage(stage, tmp_path / "receiver")
    with called(stage, receiver):  # which was never started
        stage.leave(person)
    before = stage.user(email)["active"]

    stage.started_by(stage.play("daily_sync"))

    assert before is True and stage.user(email)["active"] is False


def test_while_hr_does_not_answer_it_is_tried_again_and_the_operator_sees_why(stage: Stage, tmp_path: Path) -> None:
    email = f"un.reached@{DOMAIN}"
    person = stage.hire("Un", "Reached", "Operations")
    stage.started_by(stage.play("daily_sync"))
    receiver = on_stage(stage, tmp_path / "receiver")
    with called(stage, receiver):
        receiver.start()
        stage.twin("bamboohr").faults([{"match": f"GET .*/employees/{person}", "kind": "503"}])
        try:
            stage.leave(person)
            said = until(lambda: [row for row in shown(stage, person) if row["tries"]], "it was tried in vain")
            assert said[0]["done_at"] is None and "bamboohr" in str(said[0]["result"])
        finally:
            stage.twin("bamboohr").faults([])
        until(lambda: stage.user(email)["active"] is False, "the leaver is out")
        until(lambda: signals.number_open(stage.db) == 0, "the signal is done")

    assert "offboard_user" in str(shown(stage, person)[0]["result"])


def shown(stage: Stage, person: str) -> list[dict[str, object]]:
    """What `rollcall signals` says about somebody."""
    told = stage.rollcall("signals", "--person", person, "--json")
    assert told.status == 0, told.err
    found: list[dict[str, object]] = json.loads(told.out)
    return found


def test_leavers_signalled_during_a_sync_are_offboarded_once(stage: Stage, tmp_path: Path) -> None:
    people = {stage.hire("Si", f"Multan{n}", "Operations"): f"si.multan{n}@{DOMAIN}" for n in range(3)}
    stage.started_by(stage.play("daily_sync"))
    receiver = on_stage(stage, tmp_path / "receiver")
    with called(stage, receiver):
        receiver.start()
        stage.twin("bamboohr").latency(300)
        try:
            sync = stage.start("daily_sync")
            for person in people:
                stage.leave(person)
            stage.end(sync)
        finally:
            stage.twin("bamboohr").latency(0)
        for email in people.values():
            until(lambda: stage.user(email)["active"] is False, f"{email} is out")  # noqa: B023
        until(lambda: signals.number_open(stage.db) == 0, "all signals are done")
    stage.started_by(sync)

    for person, email in people.items():
        runs = [run.name for run in stage.runs(f"person:{person}") if run.name.startswith("offboard")]
        assert runs == [f"offboard {email.partition('@')[0]}"]
        assert stage.user(email)["active"] is False
