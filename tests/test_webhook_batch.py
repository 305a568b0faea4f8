"""Many leavers told one by one, and two receivers on one record: a small company whose record is on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlmodel import col, select

from bench.boundless import ANY, boundless
from flows.held_batch import BATCH
from flows.record import signals
from flows.record.decided import ApprovalRow, Decision
from flows.record.tables import SignalRow
from tests.record_databases import fresh_url
from tests.stage import DOMAIN, Stage, days_ago, one, set_up, until
from tests.webhook_door import TOKEN, Receiver
from tests.webhook_faults import called, on_stage

LIMIT = 2
TEAM = range(6)


def careful(folder: Path) -> Path:
    """The sample's rules with two leavers a day at most."""
    rules = boundless(folder)
    company = rules / "company.yaml"
    head, words, tail = company.read_text().rpartition(f"  leavers: {ANY}")
    company.write_text(f"{head}  leavers: {{count: {LIMIT}, percent: 0}}{tail}" if words else "")
    return rules


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("house")
    with set_up(folder, careful, database_url=fresh_url("postgres", folder)) as stage:
        yield stage


@pytest.fixture(scope="module")
def team(house: Stage) -> list[str]:
    """Ids of people who work here."""
    hired = [house.hire("Bo", f"Batch{number}", "Operations") for number in TEAM]
    house.started_by(house.play("daily_sync"))
    return hired


@pytest.fixture
def door(house: Stage, team: list[str], tmp_path: Path) -> Iterator[Receiver]:
    receiver = on_stage(house, tmp_path / "receiver")
    with called(house, receiver):
        receiver.start()
        yield receiver


def active(stage: Stage) -> set[int]:
    """The numbers of those of the team whose SSO account is active."""
    return {number for number in TEAM if stage.user(f"bo.batch{number}@{DOMAIN}")["active"]}


def questions(stage: Stage) -> list[ApprovalRow]:
    """What is asked about batches now."""
    wanted = select(ApprovalRow).where(ApprovalRow.person_id == BATCH, col(ApprovalRow.state) == Decision.OPEN.value)
    with stage.db.session() as session:
        return list(session.exec(wanted))


def seen_to(stage: Stage, person: str, times: int = 1) -> bool:
    """Whether somebody was signalled so often, nothing is open, and no run that a signal started is at work."""
    with stage.db.session() as session:
        told = [row for row in session.exec(select(SignalRow)) if person in row.people]
    going = [run for run in stage.runs("by:webhook") if run.state and not run.state.is_final()]
    return len(told) >= times and signals.number_open(stage.db) == 0 and not going


def approve(stage: Stage, row: ApprovalRow) -> None:
    """Somebody says yes to it."""
    words = ("approve", str(row.id), "--yes", "--why", "agreed with the team lead")
    told = stage.rollcall(*words, ROLLCALL_DATABASE_URL=stage.settings.database_url)
    assert told.status == 0, told.err


def test_leavers_told_one_by_one_end_in_one_question(house: Stage, team: list[str], door: Receiver) -> None:
    for person in team[:5]:
        house.leave(person)
        until(lambda: seen_to(house, person), "the signal is done")  # noqa: B023
    house.move(team[5], "Sales")
    until(lambda: "Sales" in house.user(f"bo.batch5@{DOMAIN}")["groups"], "the mover has changed groups")

    assert active(house) == {2, 3, 4, 5}
    asked = one(questions(house))
    assert asked.title == f"5 people would lose everything (limit {LIMIT})"
    assert all(f"| {person} |" in asked.body for person in team[2:5]) and f"| {team[0]} |" not in asked.body


def test_a_plan_that_has_changed_is_asked_about_again_and_then_let_through(
    house: Stage, team: list[str], door: Receiver
) -> None:
    before = one(questions(house))
    house.leave(team[2], days_ago(-30))
    until(lambda: seen_to(house, team[2], 2), "the signal is done")

    approve(house, before)
    until(lambda: [row for row in questions(house) if row.id != before.id], "it is asked again")
    assert active(house) == {2, 3, 4, 5}

    after = one(questions(house))
    assert "changed since it was approved" in after.title and f"| {team[2]} |" not in after.body
    approve(house, after)
    until(lambda: active(house) == {2, 5}, "those who were approved are out, and nobody else")


def test_two_receivers_start_nobody_twice(house: Stage, team: list[str], tmp_path: Path) -> None:
    """Each of them is told of every joiner, at the same moment."""
    doors = [on_stage(house, tmp_path / name) for name in ("one", "two")]
    people = [house.hire("Two", f"Doors{number}", "Operations") for number in range(3)]
    try:
        for each in doors:
            each.start()
        for person in people:
            tell(doors, person)
            until(lambda: seen_to(house, person, 2), "both signals are done")  # noqa: B023
    finally:
        for each in doors:
            each.kill()
            each.db.close()

    runs = {person: [run.name for run in house.runs("by:webhook", f"person:{person}")] for person in people}
    assert runs == {person: [f"onboard two.doors{number}"] for number, person in enumerate(people)}


def tell(doors: list[Receiver], person: str) -> None:
    """A signal to each, at once."""

    def say(door: Receiver) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{door.url}/signals", headers=headers, json={"ids": [person]}, trust_env=False)
        answer.raise_for_status()

    with ThreadPoolExecutor(len(doors)) as pool:
        list(pool.map(say, doors))
