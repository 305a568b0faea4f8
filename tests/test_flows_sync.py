"""Finding who is due: the daily sync, the hourly check, and those for whom nothing may be started."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.record import holdings, holds, snapshots
from flows.record.database import Database
from tests.stage import DOMAIN, Stage, find, message

FUTURE = "2031-03-03"  # a Monday; Berlin and Lisbon have winter time, Auckland summer time, Denver winter time
HEADER = "Employee number,First name,Last name,Known as,Work e-mail,Private e-mail,Department,Job title,Office,"
HEADER += "Manager number,Contract,Start date,Last day\n"


@pytest.fixture(scope="module")
def synced(stage: Stage) -> tuple[str, FlowRun, list[FlowRun]]:
    """One new person, found by a sync; and everybody else's runs of that sync at their ends."""
    person = stage.hire("Maj", "Ek", "Operations", workEmail="")
    run = stage.play("daily_sync")
    return person, run, stage.started_by(run)


def test_a_sync_starts_a_run_for_who_is_new(stage: Stage, synced: tuple[str, FlowRun, list[FlowRun]]) -> None:
    person, run, runs = synced
    mine = find([{"p": r.parameters["person_id"], "state": r.state_name, "name": r.name} for r in runs], "p", person)
    assert run.state_name == "Completed"
    assert (mine["name"], mine["state"]) == ("onboard maj.ek", "Completed")
    assert sorted(stage.user(f"maj.ek@{DOMAIN}")["groups"]) == ["All Staff", "Operations"]


def test_the_artifact_says_what_changed_and_what_was_started(
    stage: Stage, synced: tuple[str, FlowRun, list[FlowRun]]
) -> None:
    person, run, _ = synced
    told = stage.artifact(run)
    assert f"| {person} | joiner |" in told
    assert f"| {person} | onboard {person} | zero_touch_onboarding |" in told


def test_a_second_sync_starts_nothing(stage: Stage, synced: tuple[str, FlowRun, list[FlowRun]]) -> None:
    before = stage.state()
    again = stage.play("daily_sync")
    assert message(again).startswith("0 people due of ")
    assert stage.runs(f"by:{again.id}") == []
    assert "None: everything agrees." in stage.artifact(again)
    assert stage.state() == before


def test_two_syncs_at_once_do_nobody_twice(stage: Stage, synced: tuple[str, FlowRun, list[FlowRun]]) -> None:
    stage.hire("Per", "Ek", "Operations")
    for run in [stage.start("daily_sync"), stage.start("daily_sync")]:
        for each in stage.started_by(stage.end(run)):
            assert each.state_name == "Completed"
    names = [u["userName"] for u in stage.twin("sso").state()["users"]]
    assert names.count(f"per.ek@{DOMAIN}") == 1


# the hourly check


class Hours:
    """Three who begin on one day in three places, one who leaves that day; and a look now and then."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.people = {
            "Auckland": stage.hire("Awhi", "H", "Operations", "Auckland", hireDate=FUTURE),
            "Berlin": stage.hire("Bodo", "H", "Operations", "Berlin", hireDate=FUTURE),
            "Denver": stage.hire("Dale", "H", "Operations", "Denver", hireDate=FUTURE),
            "leaver": stage.hire("Lina", "H", "Operations", "Lisbon"),
        }
        stage.edit(self.people["leaver"], terminationDate=FUTURE)
        stage.started_by(stage.play("daily_sync"))
        self.looks = {at: self.look(at) for at in ("02 18:00", "02 18:35", "02 19:35", "03 09:00")}
        twice = [stage.start("hire_date_check", now=instant("03 15:05")) for _ in range(2)]
        self.looks |= {f"03 15:05, {n}": self.found(stage.end(run)) for n, run in enumerate(twice)}
        self.looks |= {at: self.look(at) for at in ("03 17:55", "03 18:05", "03 19:05")}

    def look(self, at: str) -> set[str]:
        """Whom the check at this time in March 2031 (UTC) starts a run for."""
        return self.found(self.stage.play("hire_date_check", now=instant(at)))

    def found(self, run: FlowRun) -> set[str]:
        ids = {person: name for name, person in self.people.items()}
        self.stage.started_by(run)
        return {f"{r.name.partition(' ')[0]} {ids[r.parameters['person_id']]}" for r in self.stage.runs(f"by:{run.id}")}


def instant(at: str) -> str:
    return f"2031-03-{at}:00+00:00"


@pytest.fixture(scope="module")
def hours(stage: Stage) -> Hours:
    return Hours(stage)


def test_people_begin_at_the_start_of_their_own_day(hours: Hours) -> None:
    assert hours.looks["02 18:00"] == set()
    assert hours.looks["02 18:35"] == {"onboard Auckland"}  # 07:35 there


def test_whoever_was_found_is_not_found_again(hours: Hours) -> None:
    assert hours.looks["02 19:35"] == set()


def test_checks_that_did_not_take_place_miss_nobody(hours: Hours) -> None:
    assert hours.looks["03 09:00"] == {"onboard Berlin"}


def test_two_checks_at_once_start_one_run(hours: Hours) -> None:
    both = [hours.looks[f"03 15:05, {n}"] for n in range(2)]
    assert set().union(*both) == {"onboard Denver"}
    started = [r for r in hours.stage.runs(f"person:{hours.people['Denver']}")]
    assert len(started) == 1


def test_people_leave_at_the_cut_off_of_their_last_day(hours: Hours) -> None:
    assert hours.looks["03 17:55"] == set()
    assert hours.looks["03 18:05"] == {"offboard leaver"}
    assert hours.looks["03 19:05"] == set()


# those for whom nothing may be started


@pytest.fixture
def csv_company(stage: Stage, tmp_path: Path) -> Iterator[tuple[Path, Database, dict[str, str]]]:
    """A company with a CSV file and a record of its own; its syncs run on the stage."""
    with as_file(files("mappings") / "sample") as sample:
        shutil.copytree(sample, tmp_path / "company")
    company = tmp_path / "company" / "company.yaml"
    company.write_text(company.read_text().replace("hr: bamboohr", "hr: csv"))
    environment = {
        "HR_CSV": str(tmp_path / "people.csv"),
        "ROLLCALL_MAPPINGS": str(tmp_path / "company"),
        "ROLLCALL_DATABASE_URL": f"sqlite:///{tmp_path / 'record.db'}",
    }
    db = Database(environment["ROLLCALL_DATABASE_URL"])
    db.migrate()
    yield tmp_path / "people.csv", db, environment
    db.close()


def row(number: str, name: str, start: str = "2031-01-06") -> str:
    return f"{number},{name},Tester,,{name}@juniperfinch.example,,Sales,Clerk,Lisbon,,Permanent,{start},\n"


def test_a_record_that_vanishes_is_no_leaver(stage: Stage, csv_company: tuple[Path, Database, dict[str, str]]) -> None:
    export, db, environment = csv_company
    export.write_text(HEADER + row("v1", "ana") + row("v2", "bea"))
    first = stage.end(stage.start("daily_sync", environment))
    holdings.hold(db, "v2", "sso", None, "Everyone: everybody", "0" * 64)
    export.write_text(HEADER + row("v1", "ana"))
    second = stage.end(stage.start("daily_sync", environment))
    assert (first.state_name, second.state_name) == ("Completed", "Completed")
    assert "| v2 | vanished |" in stage.artifact(second)
    assert stage.runs(f"by:{second.id}") == []
    assert list(holdings.access(db)["person_id"]) == ["v2"]


def test_bad_rows_are_held_and_the_others_go_on(
    stage: Stage, csv_company: tuple[Path, Database, dict[str, str]]
) -> None:
    export, db, environment = csv_company
    export.write_text(HEADER + row("w1", "ana", "soon") + row("w2", "bea"))
    run = stage.end(stage.start("daily_sync", environment))
    latest = snapshots.latest(db, "csv")
    assert message(run) == "0 people due of 1, 1 rows held"
    assert "row 2 (w1): Start date: found 'soon', expected a date like" in stage.artifact(run)
    assert [(h.person_id, h.source) for h in holds.held(db)] == [("w1", "csv")]
    assert latest and list(latest[1]["employee_id"]) == ["w2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER.replace("Start date", "Begin") + row("x1", "ana"), "no column 'Start date' (for hire_date)"),
        ("", "the file is empty. Export it again; an empty file removes nobody."),
        (HEADER + row("x1", "ana", "soon"), "HR sent no usable people"),
    ],
)
def test_a_feed_that_fails_as_a_whole_stops_everything(
    stage: Stage, csv_company: tuple[Path, Database, dict[str, str]], content: str, said: str
) -> None:
    export, db, environment = csv_company
    export.write_text(content)
    run = stage.end(stage.start("daily_sync", environment))
    assert run.state_name == "Failed"
    assert said in message(run)
    assert snapshots.latest(db, "csv") is None
    assert stage.runs(f"by:{run.id}") == []


def test_somebody_hr_does_not_know_is_left_alone(stage: Stage) -> None:
    before = stage.state()
    told = stage.rollcall("offboard", "99999")
    assert told.status == 1
    assert "HR (bamboohr) has nobody with id 99999. Nothing was changed" in told.out
    assert "Traceback" not in told.all
    assert stage.state() == before


# somebody who was sent away at once


def test_who_was_sent_away_stays_away_until_hr_or_a_human_says_otherwise(stage: Stage) -> None:
    person, email = stage.hire("Zeno", "X", "People"), f"zeno.x@{DOMAIN}"
    stage.play("zero_touch_onboarding", person_id=person)
    stage.play("offboard_user", person_id=person, immediate=True)
    stage.edit(person, jobTitle="Senior Clerk")
    sync = stage.play("daily_sync")
    assert person not in {r.parameters["person_id"] for r in stage.started_by(sync)}
    assert stage.user(email)["active"] is False
    told = stage.rollcall("onboard", person, "--readmit")
    assert told.status == 0, told.all
    assert stage.user(email)["active"] is True


def test_hr_ends_the_ban_by_ending_the_job(stage: Stage) -> None:
    person, email = stage.hire("Yara", "X", "People"), f"yara.x@{DOMAIN}"
    stage.play("zero_touch_onboarding", person_id=person)
    stage.play("offboard_user", person_id=person, immediate=True)
    stage.leave(person)
    stage.play("daily_sync")
    assert holds.reason(stage.db, person, holds.SENT_AWAY) == ""
    stage.come_back(person)
    runs = {r.parameters["person_id"]: r for r in stage.started_by(stage.play("daily_sync"))}
    assert runs[person].state_name == "Completed"
    assert stage.user(email)["active"] is True


def test_the_clock_of_these_tests_is_not_in_the_past() -> None:
    assert datetime.now(UTC).year < 2031, "choose a later FUTURE"


def test_ending_all_access_at_once_does_not_hang_on_hr(stage: Stage) -> None:
    person = stage.hire("Nora", "Gone", "Sales")
    stage.started_by(stage.play("daily_sync"))
    active = stage.user(f"nora.gone@{DOMAIN}")["active"]
    nowhere = {"BAMBOOHR_URL": "http://127.0.0.1:9/api/v1"}
    run = stage.end(stage.start("offboard_user", nowhere, person_id=person, immediate=True))
    assert active
    assert run.state_name == "Completed"
    assert not stage.user(f"nora.gone@{DOMAIN}")["active"]
    assert stage.sales(f"nora.gone@{DOMAIN}")["status"] == "deactivated"
