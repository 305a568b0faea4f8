"""Broken feeds through the real sync: what the SSO holds afterwards, and what the run and the command say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.record.database import Database
from tests.stage import Stage, Told, message
from tests.test_flows_gate import HEADER, export

TEAM = range(7001, 7013)  # twelve people; no other test's


class Company:
    """Twelve people in a CSV file who have an account at the SSO and nothing else; a record of its own."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.file = stage, folder / "people.csv"
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, folder / "company")
        for path in [*folder.glob("company/apps/*"), *folder.glob("company/playbooks/*")]:
            if path.stem not in ("sso", "everyone"):
                path.unlink()
        company = folder / "company" / "company.yaml"
        company.write_text(company.read_text().replace("hr: bamboohr", "hr: csv"))
        self.environment = {
            "HR_CSV": str(self.file),
            "ROLLCALL_MAPPINGS": str(folder / "company"),
            "ROLLCALL_DATABASE_URL": f"sqlite:///{folder / 'record.db'}",
            "ROLLCALL_SIGNING_KEY_PATH": str(folder / "signing-key.pem"),  # the stage's key has signed for its record
        }
        self.db = Database(self.environment["ROLLCALL_DATABASE_URL"])
        self.db.migrate()

    def sync(self, text: str) -> FlowRun:
        """HR's file says this, and the sync is run."""
        self.file.write_text(text)
        return self.stage.end(self.stage.start("daily_sync", self.environment))

    def done(self, run: FlowRun) -> dict[str, str]:
        """Names of the runs that a sync started -> how they ended. A run of a sync has the stage's company."""
        return {each.name: str(each.state_name) for each in self.stage.runs(f"by:{run.id}")}

    def carry_out(self, run: FlowRun) -> None:
        """What the runs that the sync started would do, with this company's file and record."""
        for each in self.stage.runs(f"by:{run.id}"):
            flow = {"onboard": "zero_touch_onboarding", "move": "change_access", "offboard": "offboard_user"}
            name = flow[each.name.partition(" ")[0]]
            mine = self.stage.start(name, self.environment, person_id=each.parameters["person_id"])
            assert str(self.stage.end(mine).state_name).startswith("Completed"), message(self.stage.end(mine))

    def active(self) -> set[str]:
        """Employee numbers of those of us whose SSO account is active."""
        users = self.stage.twin("sso").state()["users"]
        mine = {f"p{n}@juniperfinch.example": str(n) for n in range(7001, 7100)}
        return {mine[u["userName"]] for u in users if u["userName"] in mine and u["active"]}

    def rollcall(self, *words: str) -> Told:
        return self.stage.rollcall(*words, **self.environment)


@pytest.fixture(scope="module")
def company(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    company = Company(stage, tmp_path_factory.mktemp("company"))
    company.carry_out(company.sync(export(TEAM)))
    yield company
    company.db.close()


def test_everybody_begins(company: Company) -> None:
    assert company.active() == {str(n) for n in TEAM}


def columns_shifted(text: str) -> str:
    return text.replace(",Sales,Clerk,Lisbon,", ",Clerk,Lisbon,Sales,")


def hire_dates_moved(text: str) -> str:
    return text.replace("2020-01-06", "2126-01-06")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda _: export(range(7001, 7007)), "had 12: 6 (50 %) are missing; allowed are 2"),
        (lambda text: text.replace(",Sales,", ",,"), "12 (100 %) have lost their department; allowed are 3"),
        (columns_shifted, "12 (100 %) have another department"),
        (hire_dates_moved, "12 (100 %) would have stopped working here; allowed are 5"),
        (
            lambda _: export(range(8001, 8013)),
            "12 (100 %) are missing; allowed are 2; 12 (100 %) are people whom nobody",
        ),
        (lambda text: text + export(range(7001, 7007)).removeprefix(HEADER), "6 (50 %) have rows that cannot be used"),
    ],
    ids=["half", "no department", "shifted", "hire dates", "wrong company", "twice"],
)
def test_nobody_loses_the_account_through_a_broken_file(
    company: Company, fault: Callable[[str], str], said: str
) -> None:
    before = company.active()
    run = company.sync(fault(export(TEAM)))
    assert run.state_name == "Failed"
    assert said in message(run) and "Nothing was changed." in message(run)
    assert company.done(run) == {}
    assert company.active() == before


def test_good_people_in_a_partly_bad_file_are_served(company: Company) -> None:
    """7002 leaves, 7020 begins; 7003 has no department any more, 7004's date is no date, 7005 is not there."""
    yesterday = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
    text = export(TEAM, _7002={"last": yesterday}, _7003={"department": ""}, _7004={"start": "soon"})
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("7005,")]
    lines += export(range(7020, 7021)).splitlines(keepends=True)[1:]
    before = company.active()
    run = company.sync("".join(lines))
    company.carry_out(run)
    told = company.stage.artifact(run)
    assert message(run) == "2 people due of 11, 1 rows held, 2 people held"
    assert set(company.done(run)) == {"offboard p7002", "onboard p7020"}
    assert company.active() == (before - {"7002"}) | {"7020"}
    assert "| 7003 | HR has no department any more |" in told
    assert "| 7005 | HR has no record of 7005 any more; a record that vanishes is not a leaver |" in told

    listed = {row["person_id"]: row for row in json.loads(company.rollcall("held", "--json").out)}
    assert {key: row["held_by"] for key, row in listed.items()} == {
        "7003": "trust gate",
        "7004": "csv",
        "7005": "vanished",
    }
    assert company.rollcall("held", "release", "7001", "--why", "x").status == 1
    assert company.rollcall("held", "release", "7003", "--why", "the department was closed").status == 0
    assert "7003" not in company.rollcall("held").out
    later = company.sync("".join(lines))
    assert "move p7003" in company.done(later)
