"""Questions of runs, answered at the command, by nobody, or overtaken; and tasks that close on proof."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun

from flows.gate import batch_now
from flows.held_batch import start_batch
from flows.record import approvals, tasks
from flows.record.database import now
from flows.site import Site
from mappings.folder import read_folder
from tests.approval_house import BOSS, approvals_in_evidence, asked, gated_stage, gone_on
from tests.stage import DOMAIN, Stage, message, one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with gated_stage(tmp_path_factory.mktemp("house")) as stage:
        yield stage


def waiting(stage: Stage, given: str) -> tuple[str, FlowRun]:
    """Somebody new in Finance whose run waits for the boss."""
    person = stage.hire(given, "Wait", "Finance")
    return person, stage.play("zero_touch_onboarding", person_id=person)


def test_what_waits_is_listed_and_answered_at_the_command(house: Stage) -> None:
    person, run = waiting(house, "Ada")
    row = asked(house, person)
    listed = json.loads(house.rollcall("approve", "--json").out)
    shown = house.rollcall("approve", str(row.id))
    told = house.rollcall("approve", str(row.id), "--yes", "--why", "she is the auditor", "--by", "grace")
    ended = gone_on(house, run)
    assert [(r["id"], r["approver"]) for r in listed if r["person_id"] == person] == [(row.id, BOSS)]
    assert "grant Finance Viewer" in shown.out
    assert (told.status, told.out.strip()) == (0, f"approval {row.id}: approved by grace")
    assert ended.state_name == "Completed"
    assert house.sales(f"ada.wait@{DOMAIN}")["roles"] == ["Finance Viewer"]
    assert [a["by"] for a in approvals_in_evidence(house, run)] == ["grace"]


def test_the_command_says_what_it_misses(house: Stage) -> None:
    wrong = [house.rollcall("approve", *words) for words in (("x",), ("1", "--yes"), ("999", "--no", "--why", "no no"))]
    assert [told.status for told in wrong] == [2, 2, 1]
    assert "there is no approval 999" in wrong[2].err


def test_a_no_ends_the_run_and_is_not_asked_again(house: Stage) -> None:
    person, run = waiting(house, "Bea")
    house.rollcall("approve", str(asked(house, person).id), "--no", "--why", "not in this quarter", "--by", "grace")
    ended = gone_on(house, run)
    again = house.play("zero_touch_onboarding", person_id=person)
    sync = house.play("daily_sync")
    assert ended.state_name == again.state_name == "Completed"
    assert "refused by grace" in message(ended)
    assert "not in this quarter" in message(again)
    assert [r.name for r in house.runs(f"by:{sync.id}") if "bea.wait" in r.name] == []
    assert house.sales(f"bea.wait@{DOMAIN}") == {}
    assert sorted(house.user(f"bea.wait@{DOMAIN}")["groups"]) == ["All Staff", "Finance"]
    assert [a["decision"] for a in approvals_in_evidence(house, run)] == ["refused"]


def test_without_an_answer_it_counts_as_refused(house: Stage) -> None:
    person, run = waiting(house, "Cleo")
    house.play("reminders", now=(now() + timedelta(days=15)).isoformat())
    ended = gone_on(house, run)
    assert ended.state_name == "Completed"
    assert "nobody answered" in message(ended)
    assert house.sales(f"cleo.wait@{DOMAIN}") == {}
    assert approvals.open_ones(house.db, person) == []


def test_a_suspended_run_holds_nothing_up_and_a_leaver_ends_it(house: Stage) -> None:
    person, run = waiting(house, "Dora")
    row = asked(house, person)
    second = house.play("change_access", person_id=person)
    house.leave(person)
    left = house.play("offboard_user", person_id=person)
    ended = house.client.read_flow_run(run.id)
    closed: Any = approvals.get(house.db, row.id or 0)
    assert (second.state_name, left.state_name) == ("Waits for approval", "Completed")
    assert house.user(f"dora.wait@{DOMAIN}")["active"] is False
    assert closed.state == "withdrawn"
    assert (ended.state_name, message(ended).partition(":")[0]) == ("Completed", "withdrawn")


# manual tasks


class Asked:
    """The CRM cannot make an account; the owner says that it was done by hand before it was."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.twin("crm").faults([{"match": "POST /crm/api/v2/users$", "kind": "403"}])
        self.person = stage.hire("Eva", "Hand", "Sales")
        self.run = stage.play("zero_touch_onboarding", person_id=self.person)
        stage.twin("crm").faults([])
        self.task = find_task(stage, self.person)
        self.waits = stage.end(one(stage.runs(f"task:{self.task.id}")))

    def say_done(self) -> FlowRun:
        """What the form sends, and the run's next rest."""
        answer = {"decision": "done", "statement": "invited by hand", "by": "sales-ops"}
        self.stage.client.resume_flow_run(self.waits.id, run_input=answer)
        self.waits = gone_on(self.stage, self.waits)
        return self.waits


def find_task(stage: Stage, person: str) -> Any:
    return one([row for row in tasks.open_tasks(stage.db, person) if row.app == "crm"])


def test_a_task_at_an_app_that_can_be_read_closes_when_the_app_shows_it(house: Stage) -> None:
    case = Asked(house)
    made_by_worker = house.client.read_flow_run(case.waits.id).infrastructure_pid
    first = case.say_done()
    told = house.rollcall("task", "done", str(case.task.id), "--statement", "done, really")
    still = tasks.task(house.db, case.task.id)
    account = {
        "email": f"eva.hand@{DOMAIN}",
        "first_name": "Eva",
        "last_name": "Hand",
        "title": "Clerk",
        "team": "Sales",
    }
    crm = house.sandbox.environment
    headers = {"Authorization": f"Bearer {crm['CRM_TOKEN']}"}
    httpx.post(f"{crm['CRM_URL']}/users", json=account, headers=headers).raise_for_status()
    second = case.say_done()
    closed: Any = tasks.task(house.db, case.task.id)
    assert made_by_worker is None
    assert first.state_name == "Suspended"
    assert told.status == 1
    assert "shows no account" in told.err
    assert still and still.state == "open"
    assert second.state_name == "Completed"
    assert (closed.state, closed.closed_by) == ("done", "sales-ops")
    assert closed.proof["active"] is True


def test_an_attachment_is_kept_with_its_digest(house: Stage) -> None:
    person = house.hire("Gus", "Gate", "People", "Berlin")
    house.play("zero_touch_onboarding", person_id=person)
    task = one(tasks.open_tasks(house.db, person))
    (house.folder / "receipt.txt").write_text("badge 0815")
    told = house.rollcall("task", "done", str(task.id), "--statement", "printed", "--attach", "receipt.txt")
    closed: Any = tasks.task(house.db, task.id or 0)
    assert told.status == 0, told.all
    assert (closed.proof["attachment"], len(closed.proof["sha256"])) == ("receipt.txt", 64)


# batches


def batch(stage: Stage, given: str, digest: str = "") -> tuple[str, FlowRun, Any]:
    """Somebody due, in a batch that waits; asked about as what it is, or as something else."""
    site = Site(stage.settings, stage.sandbox.environment, read_folder(stage.settings.mappings_folder), stage.db)
    person = stage.hire(given, "Batch", "Sales")
    who, body, real = batch_now(site, [person])
    run_id = asyncio.run(start_batch(site, who, "1 person", body, digest or real))
    again = asyncio.run(start_batch(site, who, "1 person", body, digest or real))
    assert again == run_id
    return person, stage.client.read_flow_run(UUID(run_id)), one(approvals.open_ones(stage.db, ""))


def test_a_batch_starts_when_it_is_approved(house: Stage) -> None:
    person, run, row = batch(house, "Hal")
    house.rollcall("approve", str(row.id), "--yes", "--why", "agreed", "--by", "grace")
    ended = gone_on(house, run)
    assert run.state_name == "Suspended"
    assert (ended.state_name, message(ended)) == ("Completed", "1 runs started, approved by grace")
    assert [r.state_name for r in house.started_by(run)] == ["Completed"]
    assert house.sales(f"hal.batch@{DOMAIN}")["roles"] == ["Sales Rep"]
    assert person not in str(run.parameters)


def test_a_batch_that_changed_is_asked_about_again(house: Stage) -> None:
    _, run, row = batch(house, "Ian", "0" * 64)
    house.rollcall("approve", str(row.id), "--yes", "--why", "agreed", "--by", "grace")
    waits = gone_on(house, run)
    new = one(approvals.open_ones(house.db, ""))
    first: Any = approvals.get(house.db, row.id)
    assert (waits.state_name, first.state) == ("Suspended", "withdrawn")
    assert (new.run_id, new.plan_hash != row.plan_hash) == (str(run.id), True)
    assert house.user(f"ian.batch@{DOMAIN}") == {}
    house.rollcall("approve", str(new.id), "--no", "--why", "no longer", "--by", "grace")
    assert message(gone_on(house, waits)) == "not started: refused by grace: no longer"
