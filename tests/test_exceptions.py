"""Overrides, grants for a time and legal holds through runs; what HR said when; and what the commands refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, update
from typer.testing import CliRunner

from connectors.sandbox import Sandbox
from flows.cli import app
from flows.record import facts, holds, overrides
from flows.record.database import Database
from flows.record.decided import Effect, OverrideRow
from flows.site import Site
from mappings.people import tidy
from tests.lives import DOMAIN, Lives, company
from tests.stage import Stage, message, one

RITA = f"rita.sales@{DOMAIN}"
NOW = datetime.now(UTC) + timedelta(days=1)  # overrides hold from the real present on, which is later than this import
SOON = NOW + timedelta(minutes=5)
"""A moment after everything that a test enters now."""


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    with company(sandbox, tmp_path) as lives:
        lives.hire("2", "Rita", "Sales")
        lives.sync(NOW - timedelta(days=1))
        yield lives


def override(lives: Lives, effect: Effect, name: str, value: str = "", days: float = 3) -> OverrideRow:
    return overrides.add(lives.site.db, "2", effect, name, "ticket 7", "ann", NOW + timedelta(days=days), value)


def due_then(lives: Lives, moment: datetime) -> list[str]:
    return [ended.person_id for ended in lives.sync(moment)]


# through runs


def test_what_is_given_is_there_and_ends_by_itself(lives: Lives) -> None:
    before = lives.access(RITA)
    override(lives, Effect.GIVE, "crm:Sales Manager")

    assert due_then(lives, SOON) == ["2"]
    given = lives.access(RITA)
    assert due_then(lives, NOW + timedelta(days=2)) == []
    assert due_then(lives, NOW + timedelta(days=3, minutes=1)) == ["2"]

    assert given == before | {"crm:Sales Manager"} and lives.access(RITA) == before
    assert due_then(lives, NOW + timedelta(days=4)) == []


def test_an_app_that_no_rule_gives_can_be_given(lives: Lives) -> None:
    lives.hire("3", "Finn", "Anders", department="Finance")
    lives.sync(NOW - timedelta(hours=3))
    overrides.add(lives.site.db, "3", Effect.GIVE, "desk", "helps out", "ann", NOW + timedelta(days=1))
    address = f"finn.anders@{DOMAIN}"
    assert "desk" not in lives.access(address)

    lives.sync(SOON)
    assert "desk" in lives.access(address)

    lives.sync(NOW + timedelta(days=1, minutes=1))
    assert "desk" not in lives.access(address)


def test_what_is_denied_is_gone_and_comes_back(lives: Lives) -> None:
    before = lives.access(RITA)
    override(lives, Effect.DENY, "crm:Sales Rep")
    override(lives, Effect.DENY, "desk")

    lives.sync(SOON)
    denied = lives.access(RITA)
    lives.sync(NOW + timedelta(days=3, minutes=1))

    assert denied == before - {"crm:Sales Rep", *(a for a in before if a.startswith("desk"))}
    assert lives.access(RITA) == before


def test_a_value_that_is_set_counts_instead_of_hrs(lives: Lives) -> None:
    before = lives.access(RITA)
    override(lives, Effect.SET, "department", "Finance")

    lives.sync(SOON)
    as_set = lives.access(RITA)
    lives.sync(NOW + timedelta(days=3, minutes=1))

    assert "sso:Finance" in as_set and "crm:Sales Rep" not in as_set
    assert lives.access(RITA) == before


def test_a_last_day_that_is_set_keeps_somebody_and_then_lets_go(lives: Lives) -> None:
    before = lives.access(RITA)
    override(lives, Effect.SET, "last_day", str((NOW + timedelta(days=30)).date()))
    lives.say("2", last=str((NOW - timedelta(days=2)).date()))

    lives.sync(SOON)
    kept = lives.access(RITA)
    assert due_then(lives, NOW + timedelta(days=3, minutes=1)) == ["2"]

    assert kept == before and lives.access(RITA) == set()


def test_an_override_that_hr_makes_needless_ends_by_itself(lives: Lives) -> None:
    row = override(lives, Effect.SET, "department", "Finance")
    still = override(lives, Effect.SET, "title", "Controller")
    lives.sync(SOON)
    access, runs = lives.access(RITA), lives.runs

    lives.say("2", department="Finance")
    lives.sync(SOON + timedelta(minutes=5))

    ended = {r.id: r.ended_why for r in overrides.listed(lives.site.db, closed=True)}
    assert ended == {row.id: "HR says the same now", still.id: ""}
    assert lives.access(RITA) == access and lives.runs == runs
    lives.say("2", department="Sales")
    lives.sync(SOON + timedelta(minutes=10))
    assert "crm:Sales Rep" in lives.access(RITA)


def test_an_override_that_is_ended_early_is_over_at_the_next_look(lives: Lives) -> None:
    before = lives.access(RITA)
    row = override(lives, Effect.GIVE, "crm:Sales Manager")
    lives.sync(SOON)
    overrides.end(lives.site.db, row.id or 0, "no longer needed")

    assert due_then(lives, SOON + timedelta(minutes=1)) == ["2"]
    assert lives.access(RITA) == before


def test_nobody_who_has_left_is_given_anything(lives: Lives) -> None:
    override(lives, Effect.GIVE, "crm:Sales Manager")
    lives.say("2", last=str((NOW - timedelta(days=2)).date()))

    lives.sync(SOON)

    assert lives.access(RITA) == set()


# at the command


class Door:
    """The commands in this process, at the site of a test; runs that they would start are noted."""

    def __init__(self, lives: Lives, patch: pytest.MonkeyPatch) -> None:
        self.started: list[Any] = []
        patch.setattr(Site, "open", lambda *_, **__: lives.site)
        patch.setattr("flows.doors.exceptions.end_run", self.note)
        patch.setattr("flows.doors.exceptions.person_run", lambda flow, words, *_: self.started.append((flow, words)))

    async def note(self, row: OverrideRow) -> None:
        self.started.append(row.id)

    def say(self, *words: str, status: int = 0) -> str:
        """What the command prints."""
        told = CliRunner().invoke(app, list(words), env={"COLUMNS": "220"})
        assert told.exit_code == status, told.output
        return told.output


@pytest.fixture
def door(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(lives, monkeypatch)


ADD = ("override", "add", "2", "--why", "w")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("grant", "2", "crn:Sales Rep", "--for", "8h", "--why", "w"), 2, "did you mean 'crm'?"),
        (("grant", "2", "crm:Sales Rap", "--for", "8h", "--why", "w"), 2, "did you mean 'Sales Rep'?"),
        (("grant", "2", "crm", "--for", "-8h", "--why", "w"), 2, "--for '-8h': write it like 8h, 3d or 2w"),
        (("grant", "2", "crm", "--for", "0h", "--why", "w"), 2, "the end must lie ahead, and within a year"),
        (("grant", "2", "crm", "--for", "54w", "--why", "w"), 2, "the end must lie ahead, and within a year"),
        (("grant", "2", "crm", "--for", "99999999w", "--why", "w"), 2, "--for"),
        (("grant", "2", "crm", "--for", "soon", "--why", "w"), 2, "--for 'soon': write it like 8h, 3d or 2w"),
        (("grant", "2", "crm", "--for", "nat", "--why", "w"), 2, "--for 'nat': write it like 8h, 3d or 2w"),
        (("grant", "2", "crm", "--for", "8", "--why", "w"), 2, "--for '8': write it like 8h, 3d or 2w"),
        (("grant", "2", "crm", "--for", "8h"), 2, "Missing option '--why'"),
        (("grant", "2", "crm", "--for", "8h", "--why", " "), 2, "--why"),
        (("grant", "99", "crm", "--for", "8h", "--why", "w"), 1, "HR (csv) has nobody with id 99"),
        ((*ADD, "--for", "1d"), 2, "say exactly one of --give, --deny, --set"),
        ((*ADD, "--for", "1d", "--give", "crm", "--deny", "desk"), 2, "say exactly one of --give, --deny, --set"),
        ((*ADD, "--give", "crm"), 2, "say one of --until and --for"),
        ((*ADD, "--give", "crm", "--until", "2020-01-01"), 2, "the end must lie ahead, and within a year"),
        ((*ADD, "--for", "1d", "--deny", "wiki"), 2, "unknown app 'wiki'"),
        ((*ADD, "--for", "1d", "--set", "last_day=31.12.2026"), 2, "a date is needed, like last_day=2026-12-31"),
        ((*ADD, "--for", "1d", "--set", "departmnt=Sales"), 2, "did you mean 'department'?"),
        ((*ADD, "--for", "1d", "--set", "department"), 2, "write attribute=value"),
        ((*ADD, "--for", "1d", "--set", "employee_id=3"), 2, "write attribute=value"),
        (("override", "end", "99", "--why", "w"), 1, "there is no open override 99"),
        (("legal-hold", "2"), 2, "a legal hold needs a reason: --why"),
        (("legal-hold", "99", "--why", "case 12"), 1, "HR (csv) has nobody with id 99"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_changes_nothing(
    door: Door, lives: Lives, words: tuple[str, ...], status: int, said: str
) -> None:
    told = door.say(*words, status=status)

    assert said in " ".join(told.replace("│", " ").split())
    assert list(overrides.listed(lives.site.db, closed=True)) == [] and door.started == []
    assert holds.people(lives.site.db, holds.LEGAL) == set()


def test_overrides_are_listed_until_they_end(door: Door) -> None:
    door.say(
        "override", "add", "2", "--set", "department=Finance", "--for", "2w", "--why", "HR ticket 77", "--by", "ann"
    )
    listed = door.say("override", "list")
    [row] = json.loads(door.say("override", "list", "--json"))
    door.say("override", "end", str(row["id"]), "--why", "HR has mended it")

    assert "set department = Finance" in listed and "HR ticket 77" in listed and "ann" in listed
    assert (row["person_id"], row["value"], row["ended_at"]) == ("2", "Finance", None)
    assert json.loads(door.say("override", "list", "--json")) == []
    assert "HR has mended it" in door.say("override", "list", "--all")


def test_until_is_the_last_day_on_which_it_holds(door: Door, lives: Lives) -> None:
    day = NOW.date() + timedelta(days=4)
    door.say("override", "add", "2", "--give", "desk", "--until", str(day), "--why", "w")

    [row] = overrides.listed(lives.site.db)
    assert row.until == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def test_a_legal_hold_is_placed_and_released(door: Door, lives: Lives) -> None:
    placed = door.say("legal-hold", "2", "--why", "case 12/2026")
    reason = holds.reason(lives.site.db, "2", holds.LEGAL)
    released = door.say("legal-hold", "2", "--release")
    again = door.say("legal-hold", "2", "--release")

    assert "nothing will be deleted until" in placed and reason == "legal hold: case 12/2026"
    assert "released" in released and "there was no legal hold" in again
    assert holds.people(lives.site.db, holds.LEGAL) == set()


# what HR said when


def test_history_tells_a_correction_from_what_was_believed_before(door: Door, lives: Lives) -> None:
    monday, friday = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 6, 12, tzinfo=UTC)
    lives.say("2", department="Finance")
    lives.sync(monday)
    lives.say("2", department="Operations")
    lives.sync(friday)

    on = {
        day: json.loads(door.say("history", "2", "--valid-on", day, "--json")) for day in ("2026-03-03", "2026-03-07")
    }
    rows = json.loads(door.say("history", "2", "--json"))

    assert [on[day]["department"] for day in on] == ["Finance", "Operations"]
    assert json.loads(door.say("history", "2", "--valid-on", "2026-03-03", "--known-on", "2020-01-01", "--json")) == {}
    assert len(rows) == 3
    assert "department: Operations" in door.say("history", "2")


DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 6))
HOURS = st.integers(0, 9).map(lambda n: datetime(2026, 1, 1, n, tzinfo=UTC))
FACTS = st.dictionaries(
    st.tuples(st.sampled_from("ab"), DAYS, HOURS),
    st.none() | st.sampled_from(["Sales", "Finance", "People"]),
    max_size=10,
)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('facts') / 'record.db'}")
    made.migrate()
    yield made
    made.close()


def tell(db: Database, source: str, key: tuple[str, date, datetime], department: str | None) -> None:
    """One fact into the record."""
    person, valid, known = key
    if department is None:
        facts.withdraw(db, source, person, valid, known)
    else:
        row = tidy(pd.DataFrame([{"employee_id": person, "department": department}]))
        facts.keep(db, source, row, valid, known)


def model(told: dict[tuple[str, date, datetime], str | None], on: date, known_at: datetime) -> dict[str, str]:
    """Of each person the department by the latest date for which something stands that was not taken back."""
    found: dict[str, str] = {}
    for person in "ab":
        dates = sorted({valid for who, valid, known in told if who == person and valid <= on and known <= known_at})
        for day in dates:
            last = max(known for who, valid, known in told if (who, valid) == (person, day) and known <= known_at)
            if (word := told[person, day, last]) is not None:
                found[person] = word
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=FACTS, on=DAYS, known_at=HOURS, data=st.data())
def test_neither_order_nor_repetition_of_facts_matters(
    db: Database, told: dict[tuple[str, date, datetime], str | None], on: date, known_at: datetime, data: st.DataObject
) -> None:
    source = str(uuid4())
    for key in data.draw(st.permutations([*told, *[key for key in told if data.draw(st.booleans())]])):
        tell(db, source, key, told[key])

    frame = facts.said(db, source, on, known_at)

    assert dict(zip(frame["employee_id"], frame["department"], strict=True)) == model(told, on, known_at)


# on the stage


def test_a_grant_for_hours_is_given_by_the_command_and_ended_by_its_run(stage: Stage) -> None:
    person = stage.hire("Gil", "Granted", "Finance")
    address = f"gil.granted@{DOMAIN}"
    stage.play("zero_touch_onboarding", person_id=person)
    assert "Sales Manager" not in stage.sales(address).get("roles", [])

    told = stage.rollcall("grant", person, "crm:Sales Manager", "--for", "8h", "--why", "month-end close")
    given = stage.sales(address)["roles"]
    row = one([r for r in overrides.listed(stage.db) if r.person_id == person])
    ending = one(stage.runs(f"override:{row.id}"))

    assert told.status == 0 and f"override {row.id}: crm:Sales Manager until" in told.out, told.all
    assert "Sales Manager" in given
    assert ending.state_name == "Scheduled"
    assert ending.next_scheduled_start_time and row.until < ending.next_scheduled_start_time < row.until + timedelta(
        minutes=1
    )

    with stage.db.writing() as session:  # eight hours later
        session.execute(update(OverrideRow).where(col(OverrideRow.id) == row.id).values(until=datetime.now(UTC)))
    ended = stage.end(begin_now(stage, str(ending.id)))

    assert ended.state_name == "Completed", message(ended)
    assert "Sales Manager" not in stage.sales(address).get("roles", [])
    assert json.loads(stage.rollcall("override", "list", "--json").out) == []


def begin_now(stage: Stage, run_id: str) -> Any:
    """Move a run's schedule to now."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
    url = f"{stage.settings.api_url}/flow_runs/{run_id}/set_state"
    httpx.post(url, json={"state": state, "force": True}).raise_for_status()
    return stage.client.read_flow_run(UUID(run_id))
