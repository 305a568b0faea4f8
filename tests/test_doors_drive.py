"""`rollcall test-drive`: a dummy joins, moves and leaves on the apps; HR and the record are left alone."""

from __future__ import annotations

import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from connectors.sandbox import Sandbox
from flows.doors.drive import test_drive as drive

DUMMY = "rollcall.trial@juniperfinch.example"
APPS = {"sso": "users", "crm": "users", "desk": "agents"}
door = typer.Typer()
door.command()(drive)


class Road:
    """An installation with the sample company, and the sandbox."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, folder / "mappings")
        self.environment = sandbox.environment | {"ROLLCALL_HOME": str(folder / "home")}

    def driven(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit status, and the steps as `phase: step`."""
        told = CliRunner().invoke(door, ["--json", *words], env=self.environment)
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told.exit_code, {f"{p['phase']}: {p['step']}": p for p in json.loads(told.stdout or "[]")}

    def accounts(self) -> dict[str, list[Any]]:
        """Whether each account in each app is usable."""
        states = {app: self.sandbox.control(app).state()[table] for app, table in APPS.items()}
        return {app: [row.get("active", row.get("status")) for row in rows] for app, rows in states.items()}


@pytest.fixture
def road(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Road:
    monkeypatch.chdir(tmp_path)
    sandbox.reset()
    for name in APPS:
        sandbox.control(name).faults([])
    return Road(tmp_path, sandbox)


def test_a_dummy_joins_moves_and_leaves(road: Road) -> None:
    status, steps = road.driven("--department", "Sales", "--then", "Finance")

    outcomes = {name: step["outcome"] for name, step in steps.items()}
    assert status == 0, steps
    assert outcomes["join: sso create account"] == outcomes["join: crm grant Sales Rep"] == "done"
    assert outcomes["move: sso grant Finance"] == outcomes["move: sso revoke Sales"] == "done"
    assert outcomes["leave: sso disable account"] == outcomes["leave: sso end sessions"] == "done"
    assert road.accounts() == {"sso": [], "crm": [], "desk": [False]}  # Parcel Desk deletes nobody


def test_hr_and_the_record_are_left_alone(road: Road) -> None:
    road.sandbox.control("bamboohr").clear_log()

    road.driven()

    assert road.sandbox.control("bamboohr").log() == []
    assert not list((road.folder / "home").glob("record*")) and not (road.folder / "home" / "signing-key.pem").exists()


def test_an_account_that_cannot_be_deleted_serves_the_next_drive(road: Road) -> None:
    first, _ = road.driven("--department", "Engineering")
    left = road.accounts()
    second, steps = road.driven("--department", "Engineering")

    assert (first, second) == (0, 0), steps
    assert left == {"sso": [], "crm": [], "desk": [False]} == road.accounts()


def test_somebody_elses_accounts_are_not_driven(road: Road) -> None:
    road.driven("--keep", "--department", "Sales", "--key", "ann@juniperfinch.example")
    for note in road.folder.rglob("trial.json"):
        note.unlink()
    before = road.accounts()

    status, steps = road.driven("--department", "Sales", "--key", "ann@juniperfinch.example")

    assert (status, steps) == (1, {}) and road.accounts() == before and before["sso"] == [False]


def test_a_step_that_does_nothing_fails_and_holds_up_what_needs_it(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.steps.READ_BACK_SECONDS", 1)
    road.sandbox.control("crm").faults([{"match": "^POST /crm/api/v2/users", "kind": "silent-noop"}])

    status, steps = road.driven("--department", "Sales")

    assert status == 1
    assert steps["join: crm create account"]["outcome"] == "failed"
    assert steps["join: crm grant Sales Rep"]["outcome"] == "blocked"
    assert road.accounts() == {"sso": [], "crm": [], "desk": [False]}  # Parcel Desk deletes nobody
