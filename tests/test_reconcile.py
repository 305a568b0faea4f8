"""Every access explained, and drift of each kind: found, told in words, put back or only reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.sandbox import Sandbox
from flows.gate import read
from flows.reconcile import weighed
from flows.record import approvals, emails, overrides
from flows.record.decided import Effect
from flows.survey import Drift, Survey, survey
from tests.lives import DOMAIN, Lives, company, edit, found
from tests.stage import Stage, message, one, until

NOW = datetime.now(UTC).replace(hour=12)
RITA = f"rita.sales@{DOMAIN}"
APPS = ("sso", "crm", "desk")


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    """Rita in Sales, beside the director."""
    with company(sandbox, tmp_path) as lives:
        lives.hire("2", "Rita", "Sales")
        lives.sync(NOW - timedelta(days=1))
        yield lives


def policy(lives: Lives, drift: str) -> None:
    """One drift policy for all apps."""
    for app in APPS:
        edit(lives.site.rules.folder, f"apps/{app}.yaml", drift=drift)
    lives.reload()
    lives.sync(NOW - timedelta(hours=1))  # the rules have changed: everybody is looked at


def look(lives: Lives, moment: datetime = NOW) -> Survey:
    lives.write()
    return survey(lives.site, read(lives.site, moment.date()).people, moment, lambda _: None)


def told(found: Survey) -> list[tuple[str, str, str, str]]:
    return [(d.person_id, d.app, d.what, d.policy) for d in found.drifts]


def seller(lives: Lives) -> str:
    return str(found(lives.state("crm")["users"], "email", RITA)["id"])


def roles(lives: Lives) -> set[str]:
    return {access for access in lives.access(RITA) if access.startswith("crm")}


# explained


def test_all_is_explained_by_rules_where_nobody_interfered(lives: Lives) -> None:
    survey = look(lives)

    everything = sum(len(lives.access_of(id)) for id in ("1", "2"))
    assert survey.drifts == [] and survey.explained == {"rule": everything, "override": 0, "grace days": 0}
    assert survey.who.empty and [d for r in survey.reports for d in r.orphaned] == []


def test_a_user_name_that_stays_is_no_drift(sandbox: Sandbox, tmp_path: Path) -> None:
    email = {"domain": DOMAIN, "user_name": "stays"}
    with company(sandbox, tmp_path, email=email) as lives:
        crm = lives.site.rules.apps["crm"].attributes | {"first_name": "{user_name}"}
        edit(lives.site.rules.folder, "apps/crm.yaml", attributes=crm)
        lives.reload()
        lives.hire("2", "Rita", "Married")
        for address in (f"rita.maiden@{DOMAIN}", f"rita.married@{DOMAIN}"):
            emails.reserve(lives.site.db, address, "2")
        lives.sync(NOW - timedelta(days=1))

        assert [u["first_name"] for u in lives.state("crm")["users"]] == ["rita.maiden"]
        assert look(lives, NOW).drifts == []


def test_an_override_explains_what_it_gives(lives: Lives) -> None:
    before = look(lives).explained["rule"]
    until = NOW + timedelta(days=3)
    overrides.add(lives.site.db, "2", Effect.GIVE, "crm:Sales Manager", "month-end", "ann", until)
    lives.sync(datetime.now(UTC) + timedelta(seconds=1))

    survey = look(lives, datetime.now(UTC) + timedelta(seconds=2))

    assert "crm:Sales Manager" in lives.access(RITA)
    assert survey.drifts == [] and survey.explained == {"rule": before, "override": 1, "grace days": 0}


def test_grace_days_explain_what_is_kept(lives: Lives) -> None:
    edit(lives.site.rules.folder, "playbooks/sales.yaml", grace_days=7)
    lives.reload()
    lives.sync(NOW - timedelta(hours=2))
    lives.say("2", department="Finance")
    lives.sync(NOW - timedelta(hours=1))

    survey = look(lives)

    assert "crm:Sales Rep" in lives.access(RITA)
    assert survey.drifts == [] and survey.explained["grace days"] >= 2


# drift


def add_role(lives: Lives) -> None:
    lives.site.app("crm").grant(seller(lives), "Sales Manager")  # type: ignore[attr-defined]


def take_role(lives: Lives) -> None:
    lives.site.app("crm").revoke(seller(lives), "Sales Rep")  # type: ignore[attr-defined]


def disable(lives: Lives) -> None:
    lives.site.app("crm").disable(seller(lives))


def edit_title(lives: Lives) -> None:
    lives.site.app("crm").update(seller(lives), {"title": "Emperor"})


def delete(lives: Lives) -> None:
    lives.site.app("crm").delete(seller(lives))


DRIFTS = {
    "a role was added": (add_role, "Sales Manager is held; no rule, grant or override explains it"),
    "a role was removed": (take_role, "Sales Rep is missing"),
    "the account was disabled": (disable, "the account is disabled"),
    "a value was edited": (edit_title, "other values in title"),
    "the account was deleted": (delete, "the account is missing"),
}


@pytest.mark.parametrize("policy_word", ["put_back", "report"])
@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_found_and_put_back_as_the_app_says(lives: Lives, name: str, policy_word: str) -> None:
    policy(lives, policy_word)
    interfere, what = DRIFTS[name]
    before = lives.access(RITA)
    interfere(lives)

    survey = look(lives)

    assert ("2", "crm", what, policy_word) in told(survey)
    assert {d.app for d in survey.drifts} == {"crm"}
    assert list(survey.who["person_id"]) == (["2"] if policy_word == "put_back" else [])

    changed = lives.access(RITA), found(lives.state("crm")["users"], "email", RITA).get("title")
    put_back(lives, survey)

    if policy_word == "put_back":
        assert lives.access(RITA) == before and look(lives).drifts == []
        assert found(lives.state("crm")["users"], "email", RITA)["title"] == "Clerk"
    else:
        assert (lives.access(RITA), found(lives.state("crm")["users"], "email", RITA).get("title")) == changed


def put_back(lives: Lives, survey: Survey) -> None:
    """What the runs that reconcile starts do."""
    from flows.cohort import see_through
    from flows.due import VERBS

    for person, flow in zip(survey.who["person_id"], survey.who["flow"], strict=True):
        ended = see_through(lives.site, VERBS[flow], person, NOW, f"back {person} {lives.runs}", putting_back=True)
        assert ended.good, ended


def test_a_leavers_account_that_works_again_is_ended_whatever_the_policy(lives: Lives) -> None:
    lives.say("2", last=str(NOW.date() - timedelta(days=2)))
    lives.sync(NOW - timedelta(hours=1))
    lives.site.app("crm").enable(seller(lives))

    survey = look(lives)

    [drift] = [d for d in survey.drifts if d.verb == "disable account"]
    assert drift == Drift("2", "crm", drift.verb, "", drift.what, "put_back")
    assert drift.what.startswith("the account is usable; HR: the last day was")
    assert list(survey.who["flow"]) == ["offboard_user"]
    put_back(lives, survey)
    assert lives.access(RITA) == set() and look(lives).drifts == []


def test_accounts_of_nobody_are_told(lives: Lives) -> None:
    stray = {"email": "stray@elsewhere.example", "first_name": "Stray", "last_name": "Cat"}
    lives.site.app("crm").create(stray)

    survey = look(lives)

    assert [(r.app, d.account.key) for r in survey.reports for d in r.orphaned] == [("crm", "stray@elsewhere.example")]
    assert survey.drifts == [] and survey.who.empty


def test_an_app_that_cannot_be_read_says_nothing_of_drift(lives: Lives) -> None:
    policy(lives, "put_back")
    lives.sandbox.control("crm").faults([{"match": ".*", "kind": "403"}])

    survey = look(lives)

    lives.sandbox.control("crm").faults([])
    assert survey.drifts == [] and survey.who.empty
    assert [r.app for r in survey.reports if r.error] == ["crm"]


def test_too_much_at_once_waits(lives: Lives) -> None:
    edit(lives.site.rules.folder, "company.yaml", blast_radius={"removals": {"count": 7, "percent": 0}})
    policy(lives, "put_back")
    for number in range(3, 11):
        lives.hire(str(number), "Sam", "Seller" + "x" * number, email=f"s{number}@{DOMAIN}")
    lives.sync(NOW - timedelta(minutes=30))
    for row in lives.state("crm")["users"]:
        if row["email"].startswith("s"):
            lives.site.app("crm").grant(str(row["id"]), "Sales Manager")  # type: ignore[attr-defined]

    survey = look(lives)
    waits = weighed(lives.site, survey)

    assert len(survey.drifts) == 8 and len(waits.who) == 8 and waits.hash
    edit(lives.site.rules.folder, "company.yaml", blast_radius={"removals": {"count": 8, "percent": 0}})
    lives.reload()
    assert not weighed(lives.site, survey).hash


def test_a_manual_edit_freezes_nothing(lives: Lives) -> None:
    for interfere in (add_role, edit_title):
        interfere(lives)

    lives.say("2", family="Salisbury", title="Lead")
    lives.sync(NOW)

    user = found(lives.state("crm")["users"], "email", RITA)
    assert (user["last_name"], user["title"]) == ("Salisbury", "Lead")


def test_an_account_disabled_by_hand_is_used_again_once_it_is_put_back(lives: Lives) -> None:
    disable(lives)
    lives.say("2", title="Lead")
    lives.sync(NOW)
    assert "crm" not in roles(lives)

    policy(lives, "put_back")
    put_back(lives, look(lives))
    lives.say("2", title="Chief")
    lives.sync(NOW + timedelta(hours=1))

    assert "crm:Sales Rep" in roles(lives)
    assert found(lives.state("crm")["users"], "email", RITA)["title"] == "Chief"


# on the stage


@pytest.fixture
def strict(stage: Stage) -> Iterator[dict[str, Any]]:
    """The CRM's drift is put back there for the time of a test."""
    file = stage.settings.mappings_folder / "apps" / "crm.yaml"
    before = file.read_text()
    file.write_text(before.replace("leaver: disable\n", "leaver: disable\ndrift: put_back\n"))
    yield {}
    file.write_text(before)


def crm(stage: Stage) -> httpx.Client:
    values = stage.sandbox.environment
    return httpx.Client(base_url=values["CRM_URL"], headers={"Authorization": f"Bearer {values['CRM_TOKEN']}"})


def promoted(stage: Stage, given: str) -> tuple[str, str]:
    """Somebody in Sales whom somebody made Sales Manager by hand: id and address."""
    person, address = stage.hire(given, "Drift", "Sales"), f"{given}.drift@{DOMAIN}".lower()
    stage.play("zero_touch_onboarding", person_id=person)
    role = next(r["id"] for r in stage.twin("crm").state()["roles"] if r["name"] == "Sales Manager")
    with crm(stage) as client:
        client.put(f"/users/{stage.sales(address)['id']}/roles/{role}").raise_for_status()
    return person, address


def test_the_flow_puts_back_by_runs(stage: Stage, strict: dict[str, Any]) -> None:
    person, address = promoted(stage, "Pia")

    run = stage.play("reconcile")

    mine = [each for each in stage.started_by(run) if each.parameters["person_id"] == person]
    assert [(r.name, r.state_name, r.parameters.get("put_back")) for r in mine] == [
        ("move pia.drift", "Completed", True)
    ]
    assert stage.sales(address)["roles"] == ["Sales Rep"]
    assert "people put back" in message(run)


def test_the_command_only_reports_when_asked_to(stage: Stage, strict: dict[str, Any]) -> None:
    person, address = promoted(stage, "Rea")

    told = stage.rollcall("reconcile", "--report-only", "--json")
    plain = stage.rollcall("reconcile", "--report-only")

    said = json.loads(told.out)
    [drift] = [d for d in said["drifts"] if d["person_id"] == person]
    assert (drift["app"], drift["entitlement"], drift["policy"]) == ("crm", "Sales Manager", "put_back")
    assert said["runs"] == [] and stage.sales(address)["roles"] == ["Sales Manager", "Sales Rep"]
    assert plain.status == 0 and "Sales Manager is held" in " ".join(plain.out.replace("│", " ").split())


def test_what_the_app_only_reports_is_not_put_back(stage: Stage) -> None:
    _, address = promoted(stage, "Noa")

    run = stage.play("reconcile")

    assert "move noa.drift" not in [each.name for each in stage.started_by(run)]
    assert stage.sales(address)["roles"] == ["Sales Manager", "Sales Rep"]


def test_too_much_waits_and_is_put_back_after_a_yes(stage: Stage, strict: dict[str, Any]) -> None:
    _, address = promoted(stage, "Wim")
    file = stage.settings.mappings_folder / "company.yaml"
    before = file.read_text()
    file.write_text(before.replace("removals: {count: 1000000, percent: 100}", "removals: {count: 0, percent: 0}"))
    try:
        run = stage.play("reconcile")
        assert [r.name for r in stage.started_by(run) if r.name == "move wim.drift"] == []
        assert stage.sales(address)["roles"] == ["Sales Manager", "Sales Rep"]

        row = one([r for r in approvals.open_ones(stage.db, "") if "wim.drift" in r.body or "Sales Manager" in r.body])
        told = stage.rollcall("approve", str(row.id), "--yes", "--why", "we know of it", "--by", "grace")
        assert told.status == 0, told.all
        until(lambda: stage.sales(address)["roles"] == ["Sales Rep"], "the role is taken back")
    finally:
        file.write_text(before)
