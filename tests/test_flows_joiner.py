"""Joiners: the accounts, the order, the open tasks, the address that is made, and what a run leaves behind."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from connectors.catalogue import SECRET_NAME
from connectors.sandbox.sso import TOKEN
from flows.record import holdings, tasks
from flows.record.tables import TaskRow
from tests.stage import DOMAIN, Stage, message, one, upstream


class Joined:
    """Three people who were onboarded at the same time."""

    def __init__(self, stage: Stage) -> None:
        self.berliner = stage.hire("Nele", "Kamp", "Sales", "Berlin")
        self.first = stage.hire("Ada", "Byron", "Finance", workEmail="", homeEmail="ada@mailbox.example")
        self.second = stage.hire("Ada", "Byron", "Engineering", workEmail="")
        stage.twin("sso").clear_log()
        stage.twin("crm").clear_log()
        people = (self.berliner, self.first, self.second)
        started = [stage.start("zero_touch_onboarding", person_id=person) for person in people]
        self.runs: dict[str, FlowRun] = {p: stage.end(run) for p, run in zip(people, started, strict=True)}
        self.writes = stage.writes("sso", "crm")


@pytest.fixture(scope="module")
def joined(stage: Stage) -> Joined:
    return Joined(stage)


def test_a_joiner_has_the_account_the_groups_and_the_role(stage: Stage, joined: Joined) -> None:
    user, sales = stage.user(f"nele.kamp@{DOMAIN}"), stage.sales(f"nele.kamp@{DOMAIN}")
    assert user["active"] is True
    assert user["externalId"] == joined.berliner
    assert sorted(user["groups"]) == ["All Staff", "Sales"]
    assert (sales["status"], sales["roles"]) == ("active", ["Sales Rep"])


def test_the_order_is_account_then_groups_then_apps(stage: Stage, joined: Joined) -> None:
    sales = stage.sales(f"nele.kamp@{DOMAIN}")
    found = stage.tasks(joined.runs[joined.berliner])
    names = ("sso: create account", "sso: grant Sales", "crm: create account", "crm: grant Sales Rep")
    started = [found[name].start_time for name in names]
    assert started == sorted(started, key=str)
    lines = [f"{w['method']} {w['path']}" for w in joined.writes]
    assert lines.index("POST /sso/scim/v2/Users") < lines.index("POST /crm/api/v2/users")
    role = next(n for n, line in enumerate(lines) if line.startswith(f"PUT /crm/api/v2/users/{sales['id']}/roles/"))
    assert lines.index("POST /crm/api/v2/users") < role


def test_a_run_that_waits_for_a_human_says_so(stage: Stage, joined: Joined) -> None:
    run = joined.runs[joined.berliner]
    asked = {t.title: t for t in open_tasks(stage, joined.berliner)}
    task = asked["Badge Office: create account for nele.kamp"]
    waiting = stage.end(one(stage.runs(f"task:{task.id}")))
    assert run.state_name == "Completed with open tasks"
    assert message(run) == "badges create account"
    assert (waiting.state_name, waiting.name) == ("Suspended", f"task {task.id}: {task.title}")
    assert "Nele Kamp (Berlin)" in task.instructions


def test_a_run_with_nothing_open_is_completed(joined: Joined) -> None:
    assert joined.runs[joined.first].state_name == "Completed"
    assert joined.runs[joined.second].state_name == "Completed"


def test_two_of_a_name_on_one_day_get_an_address_each_and_hr_is_told(stage: Stage, joined: Joined) -> None:
    people = (joined.first, joined.second)
    addresses = {person: stage.shown(person)["workEmail"] for person in people}
    assert sorted(addresses.values()) == [f"ada.byron2@{DOMAIN}", f"ada.byron@{DOMAIN}"]
    for person, address in addresses.items():
        assert stage.user(address)["externalId"] == person
    assert stage.user("ada@mailbox.example") == {}


def test_running_it_again_writes_nothing(stage: Stage, joined: Joined) -> None:
    before, count = stage.state(), len(stage.writes())
    again = stage.play("zero_touch_onboarding", person_id=joined.first)
    assert (again.state_name, message(again)) == ("Completed", "nothing to do")
    assert len(stage.writes()) == count
    assert stage.state() == before


def test_runs_and_tasks_are_named_for_people(stage: Stage, joined: Joined) -> None:
    run = joined.runs[joined.berliner]
    assert run.name == "onboard nele.kamp"
    assert sorted(stage.tasks(run)) == [
        "badges: create account",
        "crm: create account",
        "crm: grant Sales Rep",
        "desk: create account",
        "desk: grant Support",
        "evidence",
        "read HR and apps, plan",
        "sso: create account",
        "sso: grant All Staff",
        "sso: grant Sales",
        "verify",
    ]


def test_the_graph_shows_the_three_layers(stage: Stage, joined: Joined) -> None:
    found = stage.tasks(joined.runs[joined.berliner])
    names = {task.id: name for name, task in found.items()}
    edges = {name: {names[i] for i in upstream(task)} for name, task in found.items()}
    groups = {"sso: grant All Staff", "sso: grant Sales"}
    assert edges["sso: create account"] == {"read HR and apps, plan"}
    assert edges["sso: grant Sales"] == {"sso: create account"}
    for app in ("crm", "desk", "badges"):
        assert edges[f"{app}: create account"] == groups
    assert edges["crm: grant Sales Rep"] == {"crm: create account"}
    assert {"crm: grant Sales Rep", "desk: grant Support", "badges: create account"} <= edges["verify"]
    assert edges["evidence"] == {"verify"}


def test_the_artifact_tells_plan_reasons_outcomes_and_what_is_open(stage: Stage, joined: Joined) -> None:
    told = stage.artifact(joined.runs[joined.berliner])
    rows = {cells[1]: cells for line in told.splitlines() if len(cells := cells_of(line)) == 5}
    assert f"nele.kamp ({joined.berliner}): joiner" in told
    assert rows["sso grant Sales"] == ["idp", "sso grant Sales", "Everyone: everybody", "done", ""]
    assert rows["crm grant Sales Rep"][2:4] == ["Sales Onboarding Playbook: department = Sales", "done"]
    assert rows["badges create account"][2:4] == ["Berlin Office: location = Berlin", "task"]
    assert "Badge Office: create account for nele.kamp" in told.partition("## Open")[2]


def test_the_record_says_who_has_what_and_why(stage: Stage, joined: Joined) -> None:
    held = holdings.access(stage.db, person_id=joined.berliner)
    why = {(row.app, row.entitlement): row.why for row in held.itertuples()}
    assert why["crm", "Sales Rep"] == "Sales Onboarding Playbook: department = Sales"
    assert why["sso", "All Staff"] == "Everyone: everybody"
    assert ("badges", "") not in why


def test_prefect_keeps_ids_and_no_secrets(stage: Stage, joined: Joined) -> None:
    secrets = [value for name, value in stage.sandbox.environment.items() if SECRET_NAME.search(name)]
    assert TOKEN in secrets
    for run in joined.runs.values():
        assert set(run.parameters) == {"person_id"}
    home = stage.settings.home
    assert files_with(home, "nele.kamp") & {"prefect.db", "prefect.db-wal"}
    assert files_with(home, *secrets) == set()
    assert not files_with(home, "ada@mailbox.example") & {"prefect.db", "prefect.db-wal"}


def files_with(folder: Path, *words: str) -> set[str]:
    """Names of the files that have one of these words in them. Another process looks: closing a SQLite file that
    this process has open elsewhere would give up its locks (https://www.sqlite.org/howtocorrupt.html, 2.2)."""
    wanted = [part for word in words for part in ("-e", word)]
    found = subprocess.run(["grep", "-rlaF", *wanted, str(folder)], capture_output=True, text=True)
    assert found.returncode in (0, 1), found.stderr
    return {Path(line).name for line in found.stdout.splitlines()}


def open_tasks(stage: Stage, person: str) -> Sequence[TaskRow]:
    return tasks.open_tasks(stage.db, person)


def cells_of(line: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
