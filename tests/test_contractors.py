"""Contractors take their own path: nothing before a yes to exactly what they get, an end date, an end by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from connectors.sandbox import Sandbox
from flows import approval
from flows.case import look
from flows.record import approvals, holds
from flows.record.decided import ApprovalRow, Decision
from tests.lives import Lives, company

DAY, LATER, AFTER = date(2026, 3, 2), date(2026, 3, 3), date(2026, 7, 1)
RIGHTS = {"sso", "sso:All Staff", "sso:Sales", "sso:External Partners", "crm", "crm:Sales Rep", "desk", "desk:Support"}


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    with company(sandbox, tmp_path, contractors={"approver": "security@juniperfinch.example"}) as lives:
        lives.hire("2", "Cora", "Contract", start=str(DAY), contract="contractor", last="2026-06-30")
        lives.sync(DAY)
        yield lives


def asked(lives: Lives, on: date = DAY) -> ApprovalRow:
    """The question that the person's own run puts."""
    return approval.ask(look(lives.site, "2", on), "run")[0]


def test_nothing_is_given_before_somebody_said_yes(lives: Lives) -> None:
    assert lives.access_of("2") == set()
    assert "| sso | create account | Everyone: everybody |" in asked(lives).body
    assert asked(lives).approver == "security@juniperfinch.example"


def test_a_yes_gives_exactly_what_was_asked_about(lives: Lives) -> None:
    approvals.answer(lives.site.db, asked(lives).id or 0, Decision.APPROVED, "sec", "known agency")

    lives.run("zero_touch_onboarding", "2", DAY)

    assert lives.access_of("2") == RIGHTS


def test_a_yes_to_another_plan_gives_nothing(lives: Lives) -> None:
    approvals.answer(lives.site.db, asked(lives).id or 0, Decision.APPROVED, "sec", "known agency")
    lives.say("2", department="Finance")
    lives.write()

    lives.run("zero_touch_onboarding", "2", DAY)

    assert lives.access_of("2") == set()


def test_a_no_gives_nothing_and_is_not_asked_again(lives: Lives) -> None:
    approvals.answer(lives.site.db, asked(lives).id or 0, Decision.REFUSED, "sec", "unknown agency")

    ended = lives.sync(LATER)

    assert lives.access_of("2") == set()
    assert "2" not in {e.person_id for e in ended}


def test_the_contract_ends_by_itself(lives: Lives) -> None:
    approvals.answer(lives.site.db, asked(lives).id or 0, Decision.APPROVED, "sec", "known agency")
    lives.run("zero_touch_onboarding", "2", DAY)

    lives.sync(AFTER)

    assert lives.access_of("2") == set()


def test_without_an_end_date_the_person_is_held(lives: Lives) -> None:
    lives.hire("3", "Nora", "Endless", start=str(DAY), contract="contractor")

    lives.sync(LATER)

    assert "last day" in holds.reason(lives.site.db, "3", holds.TRUST)
    assert lives.access_of("3") == set()
