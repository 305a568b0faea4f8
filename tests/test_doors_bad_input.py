"""Bad input at the doors: one clear message (what, where, what to do), never a traceback, nothing half done."""

from __future__ import annotations

import os
import shutil
import socket
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from connectors.sandbox import Sandbox
from tests.drills.engine import free_port
from tests.stage import TWINS, Told, rollcall

HEADER = "Employee number,First name,Last name,Known as,Work e-mail,Private e-mail,Department,Job title,Office,"
HEADER += "Manager number,Contract,Start date,Last day\n"
CANARY = "canary-token-5f1d"


def row(number: str, given: str, start: str = "2024-01-08") -> str:
    """A line of the export."""
    return f"{number},{given},Tester,,{given.lower()}@juniperfinch.example,,Sales,Clerk,Lisbon,,Permanent,{start},\n"


class Bench:
    """A fresh installation against a sandbox, without a stack: a company that reads a CSV file."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.mappings, self.export = folder / "company", folder / "people.csv"
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, self.mappings)
        self.export.write_text(HEADER + row("0001", "Ana") + row("0002", "Bea"))
        self.edit("company.yaml", "hr: bamboohr", "hr: csv")
        self.environment = sandbox.environment | {
            "HOME": str(folder),
            "HR_CSV": str(self.export),
            "ROLLCALL_HOME": str(folder / "home"),
            "ROLLCALL_MAPPINGS": str(self.mappings),
            "ROLLCALL_PREFECT_PORT": str(free_port()),
        }

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the mappings."""
        path = self.mappings / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def rollcall(self, *words: str, **environment: str) -> Told:
        """The command; whatever it says, it says it plainly and the vendors notice nothing."""
        before = self.state()
        told = rollcall(*words, folder=self.folder, environment=self.environment | environment)
        assert "Traceback" not in told.all
        assert self.state() == before
        return told

    def refused(self, *words: str, **environment: str) -> str:
        """What a command says that could do nothing: on stderr, once."""
        told = self.rollcall(*words, **environment)
        assert told.status == 1, told.all
        assert told.out == ""
        return told.err.strip()

    def state(self) -> dict[str, object]:
        return {name: self.sandbox.control(name).state() for name in TWINS}


@pytest.fixture
def bench(sandbox: Sandbox, tmp_path: Path) -> Bench:
    return Bench(sandbox, tmp_path)


def test_a_good_file_is_planned(bench: Bench) -> None:
    told = bench.rollcall("plan")
    assert told.status == 0, told.all
    assert "2 people" in told.out


# the HR file


def test_a_missing_column(bench: Bench) -> None:
    bench.export.write_text(HEADER.replace("Start date", "Begin") + row("0001", "Ana"))
    said = bench.refused("plan")
    assert f"{bench.export}: no column 'Start date' (for hire_date)" in said
    assert "columns are Employee number, First name" in said


def test_an_empty_file(bench: Bench) -> None:
    bench.export.write_text("")
    assert bench.refused("plan") == (
        f"csv: read {bench.export}: the file is empty. Export it again; an empty file removes nobody."
    )


def test_a_wrong_encoding(bench: Bench) -> None:
    bench.edit("hr/csv.yaml", "options:\n", "options:\n  encoding: utf-8\n")
    bench.export.write_bytes((HEADER + row("0001", "Zoë")).encode("cp1252"))
    said = bench.refused("plan")
    assert "not utf-8: byte 0xeb" in said
    assert "(line 2)" in said
    assert "set options.encoding" in said


def test_a_wrong_date_holds_its_person_and_nobody_else(bench: Bench) -> None:
    bench.export.write_text(HEADER + row("0001", "Ana", "31.02.2024") + row("0002", "Bea"))
    told = bench.rollcall("plan")
    assert told.status == 0, told.all
    assert "held: row 2 (0001): Start date: found '31.02.2024', expected a date like" in told.out
    assert "bea (0002): joiner" in told.out
    assert "ana (0001)" not in told.out


def test_a_duplicate_key_holds_both_and_nobody_else(bench: Bench) -> None:
    bench.export.write_text(HEADER + row("0001", "Ana") + row("0001", "Eva") + row("0002", "Bea"))
    told = bench.rollcall("plan")
    assert told.status == 0, told.all
    for number in (2, 3):
        assert f"held: row {number} (0001): Employee number: found '0001', expected each id once" in told.out
    assert "bea (0002): joiner" in told.out


def test_a_plan_for_somebody_who_is_held(bench: Bench) -> None:
    bench.export.write_text(HEADER + row("0001", "Ana", "soon") + row("0002", "Bea"))
    told = bench.rollcall("plan", "0001")
    assert told.status == 1
    assert "0001 is held: row 2 (0001): Start date: found 'soon'" in told.all


def test_a_file_in_which_everybody_is_held(bench: Bench) -> None:
    bench.export.write_text(HEADER + row("0001", "Ana", "soon"))
    said = bench.refused("plan")
    assert said.startswith("HR sent no usable people (this would be the first). Nothing was changed.")
    assert "row 2 (0001): Start date: found 'soon', expected a date like" in said


# the company's YAML


def test_a_misspelt_word(bench: Bench) -> None:
    bench.edit("apps/crm.yaml", "owner:", "ownr:")
    said = bench.refused("plan")
    assert "apps/crm.yaml:4: unknown word 'ownr'" in said
    assert "did you mean 'owner'?" in said


def test_an_unknown_app(bench: Bench) -> None:
    bench.edit("playbooks/sales.yaml", "crm:Sales Rep", "crn:Sales Rep")
    said = bench.refused("plan")
    assert "playbooks/sales.yaml:4: give: unknown app 'crn'" in said
    assert "did you mean 'crm'?" in said


def test_a_circle_of_needs(bench: Bench) -> None:
    bench.edit("apps/crm.yaml", "tier: app", "tier: app\nneeds: [desk]")
    bench.edit("apps/desk.yaml", "tier: app", "tier: app\nneeds: [crm]")
    said = bench.refused("plan")
    assert "needs: a circle:" in said
    assert "take one out" in said


def test_a_folder_without_a_company(bench: Bench) -> None:
    said = bench.refused("plan", ROLLCALL_MAPPINGS=str(bench.folder / "nowhere"))
    assert "company.yaml: no such file" in said
    assert "`rollcall init`" in said


@pytest.mark.parametrize("words", [["access"], ["task", "list"], ["up"]])
def test_every_door_says_what_is_wrong_with_the_rules(bench: Bench, words: list[str]) -> None:
    bench.edit("apps/crm.yaml", "owner:", "ownr:")
    assert "unknown word 'ownr'" in bench.refused(*words)


# connections and secrets


def test_an_unreachable_sso(bench: Bench) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    said = bench.refused("plan", SSO_URL=f"{address}/scim/v2")
    assert said.startswith("sso: ")
    assert f"cannot reach {address}" in said
    assert "Check SSO_URL" in said
    assert len(said.splitlines()) == 1


def test_a_wrong_token_at_the_sso(bench: Bench) -> None:
    said = bench.refused("plan", SSO_TOKEN=CANARY)
    assert said.startswith("sso: ")
    assert "SSO_TOKEN was refused (401)" in said
    assert "Check SSO_TOKEN." in said
    assert CANARY not in said


def test_a_wrong_key_at_hr(bench: Bench) -> None:
    bench.edit("company.yaml", "hr: csv", "hr: bamboohr")
    said = bench.refused("plan", BAMBOOHR_API_KEY=CANARY)
    assert said.startswith("bamboohr: ")
    assert "BAMBOOHR_API_KEY" in said
    assert CANARY not in said


@pytest.mark.parametrize("name", ["SSO_TOKEN", "HR_CSV"])
def test_a_variable_that_is_not_set(bench: Bench, name: str) -> None:
    said = bench.refused("plan", **{name: ""})
    assert name in said
    assert "et it in the environment or in .env" in said


def test_a_setting_that_cannot_be(bench: Bench) -> None:
    said = bench.refused("plan", ROLLCALL_PREFECT_PORT="ninety")
    assert "ROLLCALL_PREFECT_PORT" in said


def test_a_database_that_cannot_be(bench: Bench) -> None:
    said = bench.refused("plan", ROLLCALL_DATABASE_URL="mysql://someone:secret@db.example/record")
    assert "'mysql' is not known; known ones are sqlite, postgresql" in said
    assert "secret" not in said


def test_an_env_file_that_others_can_read(bench: Bench) -> None:
    path = bench.folder / ".env"
    path.write_text(f"SSO_TOKEN={CANARY}\n")
    path.chmod(0o644)
    said = bench.refused("plan")
    assert "chmod 600 .env" in said
    assert CANARY not in said


def test_an_env_file_that_cannot_be_read(bench: Bench) -> None:
    if os.geteuid() == 0:
        (bench.folder / ".env").write_bytes(b"SSO_TOKEN=\xff\xfe\n")
        (bench.folder / ".env").chmod(0o600)
    else:
        (bench.folder / ".env").touch(mode=0o000)
    assert ".env" in bench.refused("plan")


# doctor


def test_doctor_names_each_thing_that_is_wrong(bench: Bench) -> None:
    told = bench.rollcall("doctor", SSO_TOKEN=CANARY, DESK_KEY="")
    assert told.status == 1
    bad = [line for line in told.out.splitlines() if line.startswith("BAD")]
    assert any("app sso: " in line and "SSO_TOKEN was refused" in line for line in bad)
    assert any("app desk: " in line and "DESK_KEY" in line for line in bad)
    assert any("Prefect: no answer" in line and "rollcall up" in line for line in bad)
    assert not any("app crm" in line for line in bad)
    assert CANARY not in told.all


# Prefect


@pytest.mark.parametrize("words", [["sync"], ["offboard", "0001", "--now"]])
def test_without_a_server(bench: Bench, words: list[str]) -> None:
    said = bench.refused(*words)
    assert "Prefect's server does not answer" in said
    assert "rollcall up" in said


def test_a_port_in_use(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = bench.refused("up", ROLLCALL_PREFECT_PORT=str(port))
    assert f"Port {port} is in use by another program" in said
    assert f"ROLLCALL_PREFECT_PORT={port + 1} rollcall up" in said


# what is asked for


def test_a_person_nobody_knows(bench: Bench) -> None:
    told = bench.rollcall("plan", "9999")
    assert told.status == 1
    assert "HR (csv) has nobody with id 9999. Nothing was changed" in told.all


def test_a_date_that_is_none(bench: Bench) -> None:
    told = bench.rollcall("plan", "--on", "2024-13-01")
    assert told.status == 2
    assert "2024-13-01" in told.err
    assert "%Y-%m-%d" in told.err


def test_a_task_nobody_knows(bench: Bench) -> None:
    said = bench.refused("task", "done", "77", "--statement", "I did it")
    assert said == "there is no task 77; `rollcall task list` shows those that are open"


def test_a_folder_of_evidence_that_is_not_there(bench: Bench) -> None:
    assert "nowhere: no such folder" in bench.refused("evidence", "verify", "nowhere")


def test_init_never_writes_over_a_folder(bench: Bench) -> None:
    said = bench.refused("init", str(bench.mappings))
    assert "is there already and is not empty" in said


def test_a_wrong_word_is_wrong_usage(bench: Bench) -> None:
    assert bench.rollcall("onboard").status == 2
