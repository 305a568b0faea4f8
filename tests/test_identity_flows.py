"""One human, several records, at the sandbox: who is asked about, and accounts that go on without a gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from desks import DOMAIN, Hr, a_site, carry_out, keep_snapshot, quick_sandbox, with_company
from typer.testing import CliRunner

from connectors.sandbox import Sandbox
from flows.case import RowHeld, look
from flows.due import due
from flows.identities import resolve
from flows.record import holdings, holds, identities, settled
from flows.site import Site

PRIVATE = "maria@mail.example"
NOON = datetime(2026, 1, 9, 12, tzinfo=UTC)  # a Friday
SUNDAY = NOON + timedelta(days=2)
MONDAY = NOON + timedelta(days=3)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with quick_sandbox() as running:
        yield running


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    sandbox.reset()
    site = a_site(sandbox, tmp_path)
    site.rules = with_company(site.rules, correlation={"keys": ["work_email", "personal_email"]})
    yield site
    site.db.close()


@pytest.fixture
def hr(sandbox: Sandbox) -> Iterator[Hr]:
    hr = Hr(sandbox)
    yield hr
    hr.close()


def user(sandbox: Sandbox, email: str) -> dict[str, object]:
    users = [u for u in sandbox.control("sso").state()["users"] if u["userName"] == email]
    assert len(users) == 1, users
    return users[0]


def contractor(hr: Hr, **fields: str) -> str:
    """Maria works here since 2025, until Friday, as a contractor."""
    known = {"workEmail": f"maria.garcia@{DOMAIN}", "customWorkerType": "Contractor", "terminationDate": "2026-01-09"}
    known |= {"homeEmail": PRIVATE}
    return hr.hire("Maria", "García", hireDate="2025-03-03", **(known | fields))


def employee(hr: Hr, **fields: str) -> str:
    """Maria again, from Monday. BambooHR lets no two records have one work e-mail."""
    return hr.hire("María", "Garcia", **({"hireDate": "2026-01-12", "homeEmail": PRIVATE} | fields))


def known_contractor(site: Site, hr: Hr, **fields: str) -> str:
    """The contractor, onboarded, and known to the last feed."""
    old = contractor(hr, **fields)
    resolve(site, keep_snapshot(site), NOON - timedelta(days=1))
    carry_out(site, old, NOON - timedelta(days=1))
    return old


def seen_by_sync(site: Site, moment: datetime) -> list[str]:
    """What a sync plans for at the moment."""
    from mappings.feed import people_of

    people = people_of(site.hr.read(), site.rules.hr).people
    return resolve(site, people, moment)["employee_id"].tolist()


def test_a_contractor_becomes_an_employee_and_keeps_the_account(site, hr, sandbox):
    old = known_contractor(site, hr)
    new = employee(hr)
    before = user(sandbox, f"maria.garcia@{DOMAIN}")

    planned = seen_by_sync(site, NOON)
    keep_snapshot(site)

    assert identities.links(site.db) == {(new, old)}
    assert old in planned and new not in planned
    weekend = look(site, old, SUNDAY)
    assert not weekend.leaving and not weekend.plan.steps  # the account goes on as it is
    with pytest.raises(RowHeld, match=f"the same human as {old}"):
        look(site, new, SUNDAY)

    assert seen_by_sync(site, MONDAY).count(new) == 1
    case = carry_out(site, new, MONDAY)

    after = user(sandbox, f"maria.garcia@{DOMAIN}")
    assert after["id"] == before["id"] and after["active"]
    assert after["externalId"] == new
    assert "External Partners" not in str(after.get("groups")) and "All Staff" in str(after.get("groups"))
    assert not [s for s in case.plan.steps if s.verb in ("create account", "disable account", "enable account")]
    assert identities.former_ids(site.db, new) == [old]
    assert holdings.access(site.db, person_id=old).empty
    assert "sso" in set(holdings.access(site.db, person_id=new)["app"])
    assert "sso" in set(holdings.access(site.db, person_id=new)["app"])


def test_who_keeps_the_address_of_the_older_record_is_not_due_again(site, hr):
    known_contractor(site, hr)
    new = employee(hr)
    seen_by_sync(site, NOON)
    people = keep_snapshot(site)

    case = carry_out(site, new, MONDAY)
    settled.settle(site.db, new, case.fingerprint)

    assert case.values["work_email"] == f"maria.garcia@{DOMAIN}"
    assert new not in due(site, people, MONDAY)["person_id"].tolist()


def test_an_account_with_the_older_number_that_the_record_does_not_know_is_the_persons_own(site, hr):
    old = known_contractor(site, hr)
    new = employee(hr)
    seen_by_sync(site, NOON)
    keep_snapshot(site)
    holdings.unlink(site.db, old, "sso")

    verbs = {s.verb for s in look(site, new, MONDAY).plan.steps if s.app == "sso"}

    assert "update account" in verbs and "create account" not in verbs


def test_what_was_held_when_is_still_told_after_the_change(site, hr):
    old = known_contractor(site, hr)
    then = datetime.now(UTC)
    new = employee(hr)
    seen_by_sync(site, NOON)
    seen_by_sync(site, MONDAY)

    assert not holdings.access(site.db, then, person_id=old).empty
    assert holdings.access(site.db, then, person_id=new).empty


def test_the_changeover_needs_no_run_of_the_sync_at_that_moment(site, hr, sandbox):
    old = known_contractor(site, hr)
    new = employee(hr)
    seen_by_sync(site, NOON)
    keep_snapshot(site)

    carry_out(site, new, MONDAY)

    assert holdings.links(site.db, old) == {}
    assert user(sandbox, f"maria.garcia@{DOMAIN}")["externalId"] == new


def test_a_plan_of_the_changeover_writes_nothing(site, hr):
    old = known_contractor(site, hr)
    new = employee(hr)
    seen_by_sync(site, NOON)
    keep_snapshot(site)
    links = holdings.links(site.db, old)

    case = look(site, new, MONDAY)

    assert {s.verb for s in case.plan.steps} <= {"update account", "grant", "revoke"}
    assert holdings.links(site.db, old).keys() == links.keys() and not holdings.links(site.db, new)


def test_a_gap_longer_than_the_bridge_ends_access_and_brings_the_same_account_back(site, hr, sandbox):
    old = known_contractor(site, hr)
    new = employee(hr, hireDate="2026-02-02")
    seen_by_sync(site, NOON)
    keep_snapshot(site)

    carry_out(site, old, MONDAY)
    between = user(sandbox, f"maria.garcia@{DOMAIN}")
    february = datetime(2026, 2, 2, 12, tzinfo=UTC)
    seen_by_sync(site, february)
    case = carry_out(site, new, february)

    after = user(sandbox, f"maria.garcia@{DOMAIN}")
    assert not between["active"] and after["active"] and after["id"] == between["id"]
    assert case.kind in ("rehire", "joiner") and after["externalId"] == new


def test_a_newer_record_that_is_cancelled_lets_the_older_one_end_on_its_day(site, hr, sandbox):
    old = known_contractor(site, hr)
    new = employee(hr)
    seen_by_sync(site, NOON)
    hr.edit(new, hireDate="")
    keep_snapshot(site)

    assert old in seen_by_sync(site, SUNDAY)
    carry_out(site, old, SUNDAY)

    assert not user(sandbox, f"maria.garcia@{DOMAIN}")["active"]


def test_an_entity_transfer_moves_the_account_although_the_older_record_stays_open(site, hr, sandbox):
    old = known_contractor(site, hr, terminationDate="", customWorkerType="Employee")
    new = employee(hr)
    seen_by_sync(site, NOON)
    keep_snapshot(site)

    planned = seen_by_sync(site, MONDAY)
    carry_out(site, new, MONDAY)

    assert new in planned and old not in planned
    assert user(sandbox, f"maria.garcia@{DOMAIN}")["active"]


def test_who_looks_like_a_leaver_waits_for_an_answer(site, hr):
    old = known_contractor(site, hr)
    new = employee(hr, homeEmail="", hireDate="2026-02-02")

    planned = seen_by_sync(site, NOON)

    assert new not in planned and old in planned
    assert identities.links(site.db) == set()
    assert f"rollcall link {new} --same-as {old}" in holds.reason(site.db, new, identities.SOURCE)
    with pytest.raises(RowHeld, match="may be Maria García"):
        look(site, new, datetime(2026, 2, 3, 12, tzinfo=UTC))


@pytest.mark.parametrize(("answer", "linked"), [("same", True), ("different", False)])
def test_an_answer_lifts_the_hold_and_is_never_asked_again(site, hr, answer, linked):
    old = known_contractor(site, hr)
    new = employee(hr, homeEmail="", hireDate="2026-02-02")
    seen_by_sync(site, NOON)

    identities.answer(site.db, new, old, answer, "siobhan", "asked her")
    planned = seen_by_sync(site, NOON)

    assert holds.reason(site.db, new, identities.SOURCE) == ""
    assert identities.questions(site.db) == []
    assert ((new, old) in identities.links(site.db)) is linked and (new in planned) is not linked


@pytest.mark.parametrize(("policy", "questions"), [("flag", 1), ("off", 0)])
def test_a_company_may_let_them_start_at_once(sandbox, tmp_path, hr, policy, questions):
    sandbox.reset()
    site = a_site(sandbox, tmp_path)
    site.rules = with_company(site.rules, correlation={"probable": policy})
    known_contractor(site, hr)
    new = employee(hr, homeEmail="", hireDate="2026-02-02")

    planned = seen_by_sync(site, NOON)

    assert new in planned and len(identities.questions(site.db)) == questions
    site.db.close()


def test_in_the_first_feed_nobody_waits(site, hr):
    contractor(hr)
    new = employee(hr, homeEmail="", hireDate="2026-02-02")

    assert new in seen_by_sync(site, NOON)
    assert identities.questions(site.db) == []


def test_two_accounts_of_one_human_are_a_question(site, hr, sandbox):
    old = known_contractor(site, hr)
    new = employee(hr, homeEmail="", workEmail=f"maria.garcia2@{DOMAIN}")
    keep_snapshot(site)
    carry_out(site, new, MONDAY)
    identities.answer(site.db, new, old, "same", "siobhan")

    planned = seen_by_sync(site, MONDAY)

    assert {old, new} <= set(planned)  # two until somebody says which account counts
    assert "both have an account in" in identities.questions(site.db)[0].how
    assert holdings.links(site.db, old) and holdings.links(site.db, new)


def test_offboarding_at_once_by_the_older_id_reaches_the_accounts(site, hr):
    old = known_contractor(site, hr)
    new = employee(hr)
    seen_by_sync(site, NOON)
    seen_by_sync(site, MONDAY)

    assert identities.holder(site.db, old) == new
    assert look(site, identities.holder(site.db, old), MONDAY, leaving="sent away").plan.steps


def test_somebody_sent_away_does_not_come_back_by_a_new_record(site, hr):
    old = known_contractor(site, hr)
    holds.place(site.db, old, holds.SENT_AWAY, "sent away")
    new = employee(hr)
    seen_by_sync(site, NOON)

    seen_by_sync(site, MONDAY)

    assert holds.reason(site.db, new, holds.SENT_AWAY) == "sent away"
    assert (
        new not in due(site, keep_snapshot(site), MONDAY).query("flow == 'zero_touch_onboarding'")["person_id"].tolist()
    )


def test_access_of_a_person_is_told_under_older_records_too(site, monkeypatch, tmp_path):
    from flows.cli import app

    holdings.hold(site.db, "A", "sso", None, "Everyone: everybody", "h1", datetime(2026, 1, 5, tzinfo=UTC))
    identities.answer(site.db, "B", "A", "same", "siobhan")
    identities.hand_over(site.db, "A", "B")
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", f"sqlite:///{tmp_path / 'record.db'}")

    told = CliRunner().invoke(app, ["access", "--person", "B", "--on", "2026-02-01", "--json"])

    assert [row["person_id"] for row in json.loads(told.stdout)] == ["A"]


def test_link_commands(site, hr, sandbox, monkeypatch, tmp_path):
    from flows.cli import app

    old = known_contractor(site, hr)
    new = employee(hr, homeEmail="", hireDate="2026-02-02")
    seen_by_sync(site, NOON)
    for name, value in (sandbox.environment | {"ROLLCALL_DATABASE_URL": f"sqlite:///{tmp_path / 'record.db'}"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path))
    run = CliRunner().invoke

    listed = run(app, ["link", "list", "--json"])
    vague = run(app, ["link", new])
    done = run(app, ["link", new, "--same-as", old, "--why", "asked her", "--json"])
    ring = run(app, ["link", old, "--same-as", new])

    assert f'"same_as": "{old}"' in listed.stdout
    assert vague.exit_code == 2 and "--same-as OLD or --different OLD" in vague.output
    assert done.exit_code == 0 and identities.links(site.db) == {(new, old)}
    assert ring.exit_code == 2 and "cannot continue" in ring.output
