"""An approval given in a real browser after two restarts, and one of a plan that has changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from flows.record import approvals
from flows.record.lease import lease
from tests.approval_house import BOSS, answer_in_ui, approvals_in_evidence, asked, gated_stage, gone_on, restart
from tests.stage import DOMAIN, Stage
from tests.test_ui import picture, start_browser

WHY = "agreed with the auditors"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("gated")
    with gated_stage(folder) as stage:
        yield stage


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = start_browser(playwright)
        yield browser.new_page(viewport={"width": 1500, "height": 1150}, color_scheme="light")
        browser.close()


def sso_writes(stage: Stage) -> list[str]:
    """What was written at the SSO."""
    return [f"{w['method']} {w['path']}" for w in stage.writes("sso")]


class Approved:
    """Fay of Finance, whose boss answers in the browser after server and worker were restarted twice."""

    def __init__(self, stage: Stage, page: Page) -> None:
        self.person = stage.hire("Fay", "Funds", "Finance")
        stage.twin("sso").clear_log()
        self.suspended = stage.play("zero_touch_onboarding", person_id=self.person)
        self.question = asked(stage, self.person)
        self.before = {"crm": stage.sales(f"fay.funds@{DOMAIN}"), "sso": stage.user(f"fay.funds@{DOMAIN}")}
        self.writes = sso_writes(stage)
        with lease(stage.db, self.person, "a test that looks whether anybody holds it"):
            pass
        restart(stage)
        restart(stage)
        self.packets = len(approvals_in_evidence(stage, self.suspended))
        answer_in_ui(stage, page, self.suspended, "approve", WHY, "grace.cfo")
        self.run = gone_on(stage, self.suspended)
        picture(page, "approval-answered")


@pytest.fixture(scope="module")
def approved(house: Stage, page: Page) -> Approved:
    return Approved(house, page)


def test_the_run_waits_with_the_ungated_steps_done(approved: Approved) -> None:
    assert approved.suspended.state_name == "Suspended"
    assert sorted(approved.before["sso"]["groups"]) == ["All Staff", "Finance"]
    assert approved.before["crm"] == {}
    assert (approved.question.approver, approved.question.run_id) == (BOSS, str(approved.suspended.id))
    assert "Finance Playbook: department = Finance" in approved.question.body


def test_after_the_answer_the_gated_steps_are_done(house: Stage, approved: Approved) -> None:
    account = house.sales(f"fay.funds@{DOMAIN}")
    assert approved.run.state_name == "Completed"
    assert (account["status"], account["roles"]) == ("active", ["Finance Viewer"])


def test_what_was_done_before_is_not_done_again(house: Stage, approved: Approved) -> None:
    assert len(approved.writes) >= 3
    assert sso_writes(house) == approved.writes


def test_the_evidence_names_who_approved_what(house: Stage, approved: Approved) -> None:
    said = approvals_in_evidence(house, approved.run)
    assert approved.packets == 0
    assert [(a["by"], a["decision"], a["reason"], a["plan_hash"]) for a in said] == [
        ("grace.cfo", "approved", WHY, approved.question.plan_hash)
    ]


def test_an_approval_serves_once(house: Stage, approved: Approved) -> None:
    assert not approvals.approved(house.db, approved.person, approved.question.plan_hash)


class Changed:
    """Ivo of Finance, whose title HR changes while his boss thinks."""

    def __init__(self, stage: Stage, page: Page) -> None:
        self.person = stage.hire("Ivo", "Income", "Finance")
        self.run = stage.play("zero_touch_onboarding", person_id=self.person)
        self.first = asked(stage, self.person)
        stage.move(self.person, "Finance", "Chief Clerk")
        answer_in_ui(stage, page, self.run, "approve", WHY, "grace.cfo")
        self.again = gone_on(stage, self.run)
        self.second = asked(stage, self.person)
        self.crm = stage.sales(f"ivo.income@{DOMAIN}")


@pytest.fixture(scope="module")
def changed(house: Stage, page: Page) -> Changed:
    return Changed(house, page)


def test_a_changed_plan_is_asked_about_again(house: Stage, changed: Changed) -> None:
    first: Any = approvals.get(house.db, changed.first.id or 0)
    assert changed.again.state_name == "Suspended"
    assert changed.second.plan_hash != changed.first.plan_hash
    assert first.state == "withdrawn"
    assert "had changed" in first.reason
    assert "grace.cfo" in first.reason


def test_nothing_gated_was_done_for_the_old_yes(changed: Changed) -> None:
    assert changed.crm == {}


def test_the_second_answer_counts(house: Stage, page: Page, changed: Changed) -> None:
    answer_in_ui(house, page, changed.run, "refuse", "not before the audit", "grace.cfo")
    run = gone_on(house, changed.again)
    assert run.state_name == "Completed"
    assert "refused by grace.cfo" in (run.state.message if run.state else "")
    assert house.sales(f"ivo.income@{DOMAIN}") == {}
