"""`rollcall hr` and `rollcall init --hr`: each ready file is tried as it is copied, at the twin of its vendor."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.catalogue import variables
from connectors.sandbox import Sandbox, company, environment
from flows import hr_files
from flows.doors.hr import hr_app
from mappings.folder import read_folder
from tests.stage import COMMAND

VENDORS = [name for name in hr_files.names() if {*variables(hr_files.rules(hr_files.text(name)))} <= {*environment(1)}]
"""HR systems that the sandbox has a twin of."""
CSV = """Employee number,First name,Last name,Known as,Work e-mail,Private e-mail,Department,Job title,Office,\
Manager number,Contract,Start date,Last day
0001,Ada,Ferris,,ada@juniperfinch.example,,Operations,Lead,Berlin,,Permanent,2020-01-01,
0002,Ben,Ode,,ben@juniperfinch.example,,Sales,Seller,Atlantis,0009,Temp,2020-02-01,
0003,Cleo,Marsh,,cleo@juniperfinch.example,,Sales,Seller,Lisbon,0001,Permanent,soon,
"""


class Place:
    """A company's folder that uses one HR system; commands run in this process."""

    def __init__(self, folder: Path, name: str, values: dict[str, str]) -> None:
        self.folder, self.company = folder, folder / "company"
        self.environment = {**values, "ROLLCALL_HOME": str(folder / "home"), "COLUMNS": "200"}
        subprocess.run([COMMAND, "init", str(self.company), "--hr", name], cwd=folder, check=True, capture_output=True)
        self.environment["ROLLCALL_MAPPINGS"] = str(self.company)

    def hr(self, *words: str) -> Result:
        """`rollcall hr …`."""
        told = CliRunner().invoke(hr_app, words, env=self.environment)
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told

    def tried(self) -> tuple[int, dict[str, Any]]:
        """Exit status and what `hr try` says."""
        told = self.hr("try", "--json")
        return told.exit_code, json.loads(told.stdout)


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export.csv").write_text(CSV)
    return Place(tmp_path, "csv", {"HR_CSV": str(tmp_path / "export.csv")})


@pytest.mark.parametrize("name", VENDORS)
def test_a_ready_file_reads_its_vendors_twin(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    sandbox.reset()

    status, told = Place(tmp_path, name, sandbox.environment).tried()

    assert status == 0 and told["people"] == len(company.population()) and told["held"] == []
    filled = {field["attribute"]: field["filled"] for field in told["fields"]}
    needed = ("employee_id", "given_name", "family_name", "hire_date", "department", "manager_id")
    assert min(filled[each] for each in needed) > 0, filled
    assert not any(field["strange"] for field in told["fields"])


def test_what_a_feed_lacks_is_said_and_rows_that_cannot_be_used_are_named(exported: Place) -> None:
    status, told = exported.tried()

    assert status == 1 and told["people"] == 2 and told["status"] == {"active": 2}
    assert told["held"] == ["row 4 (0003): Start date: found 'soon', expected a date like %Y-%m-%d or %d/%m/%Y"]
    said = "\n".join(told["doubts"])
    assert "location 'Atlantis'" in said and "worker_type 'Temp'" in said
    assert "1 people have a manager who is not in the feed" in said and "nobody has left" in said


def test_a_person_reads_the_same_as_a_program(exported: Place) -> None:
    told = exported.hr("try")

    assert told.exit_code == 1 and "2 people today: 2 active" in told.stdout
    assert "Atlantis(?) 1" in told.stdout and "Held: row 4 (0003)" in told.stdout
    assert "a task for HR each time" in told.stdout
    assert not (exported.folder / "home" / "record.db").exists()


def test_init_takes_the_hr_system_that_was_named(exported: Place) -> None:
    assert read_folder(exported.company).company.hr == "csv"
    assert [path.name for path in (exported.company / "hr").iterdir()] == ["csv.yaml"]
    assert "HR_CSV=" in (exported.folder / ".env").read_text()


def test_another_system_is_added_beside_it_and_nothing_is_written_over(exported: Place) -> None:
    told = exported.hr("add", "keka")
    again = exported.hr("add", "keka")

    assert told.exit_code == 0 and "Set in .env: KEKA_URL" in told.stdout and "Decide: keka.yaml:" in told.stdout
    assert again.exit_code == 1 and "stays as it is" in again.stderr
    listed = {row["hr"]: row["is"] for row in json.loads(exported.hr("list", "--json").stdout)}
    assert listed["csv"] == "in use" and listed["keka"] == "there" and listed["workday"] == "ready to add"


def test_a_system_that_nobody_knows_is_wrong_usage(exported: Place) -> None:
    told = exported.hr("add", "workdy")

    assert told.exit_code == 2 and "did you mean 'workday'?" in told.stderr
