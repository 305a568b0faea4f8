"""The first import: whose the accounts are that the apps have already. Nothing is ever written to an app."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from desks import DOMAIN, SAMPLE, Hr, a_site, keep_snapshot, quick_sandbox
from typer.testing import CliRunner

from connectors.sandbox import Sandbox
from flows.adopt import adopt
from flows.case import look
from flows.due import due
from flows.record import holdings
from flows.site import Site
from mappings.adoption import Report

APPS = ("sso", "crm", "desk")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with quick_sandbox() as running:
        yield running


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    """The sample company on the day on which it begins with Rollcall: its accounts were made by hand."""
    sandbox.reset()
    site = a_site(sandbox, tmp_path)
    for key, name, number, groups in [
        (f"Ines.Simoes@{DOMAIN}", ("Inês", "Simões"), "103", ("All Staff", "Sales")),
        (f"joao.goncalves@{DOMAIN}", ("João", "Gonçalves"), "", ("All Staff",)),
        (f"caspar.vogt@{DOMAIN}", ("Caspar", "Vogt"), "124", ("All Staff", "Sales")),
        (f"t.finch@old.{DOMAIN}", ("Tobias", "Finch"), "", ()),
        (f"backup-service@{DOMAIN}", ("Backup", "Service"), "", ()),
        (f"prudence.marsh@{DOMAIN}", ("Prudence", "Marsh"), "999", ()),
        (f"hannah.whitlock@{DOMAIN}", ("Hannah", "Whitlock"), "112", ()),
    ]:
        account(site, "sso", groups, key, name, number)
    account(site, "crm", ("Sales Rep", "Sales Manager"), f"ines.simoes@{DOMAIN}", ("Inês", "Simões"))
    account(site, "crm", ("Sales Rep",), f"caspar.vogt@{DOMAIN}", ("Caspar", "Vogt"))
    account(site, "desk", ("Support",), f"INES.SIMOES@{DOMAIN}", ("Inês", "Simões"))
    for name in APPS:
        sandbox.control(name).clear_log()
    yield site
    site.db.close()


def account(site: Site, app: str, held: tuple[str, ...], key: str, name: tuple[str, str], number: str = "") -> None:
    """An account made by hand, which carries what its app has room for."""
    values = {"given_name": name[0], "family_name": name[1], "work_email": key, "employee_id": number}
    values["display_name"] = " ".join(name)
    templates = site.rules.apps[app].attributes
    attributes = {f: t.format(**values) for f, t in templates.items() if t.strip("{}") in values}
    connector = site.app(app)
    _, ident = connector.create({f: v for f, v in attributes.items() if v})
    for entitlement in held:
        connector.grant(ident, entitlement)  # type: ignore[attr-defined]


def report(site: Site, app: str, save: bool = False) -> Report:
    return next(r for r in adopt(site, [app], save))


def writes(sandbox: Sandbox) -> list[tuple[str, str, str]]:
    seen = [(name, line["method"], line["path"]) for name in APPS for line in sandbox.control(name).log()]
    return [s for s in seen if s[1] not in ("GET", "HEAD")]


def test_accounts_are_matched_by_number_and_by_address_whatever_its_case(site):
    found = report(site, "sso")

    assert {(m.person_id, m.how) for m in found.matched} == {("103", "employee number"), ("107", "address")}


def test_a_leavers_usable_account_is_told_first(site):
    assert [m.person_id for m in report(site, "sso").leavers] == ["124"]
    assert [m.person_id for m in report(site, "crm").leavers] == ["124"]


def test_accounts_of_nobody_are_orphaned_and_those_of_machines_marked(site):
    found = {d.account.key.partition("@")[0]: d.service for d in report(site, "sso").orphaned}

    assert found == {"backup-service": True, "prudence.marsh": False}


def test_a_name_alone_or_a_contradiction_is_doubtful(site):
    why = {d.account.key.partition("@")[0]: d.why for d in report(site, "sso").doubtful}

    assert why["t.finch"] == "the name is like that of 102"
    assert why["hannah.whitlock"] == "carries the number of 112 and the address of 113"


def test_who_should_have_an_account_and_has_none_is_named(site):
    found = report(site, "sso")

    assert {"101", "123"} <= set(found.missing) and not {"103", "107", "124"} & set(found.missing)


def test_what_the_next_plan_would_change_is_told_without_values(site):
    assert report(site, "sso").changed["107"] == [
        "externalId differs",
        "title differs",
        "enterprise.department differs",
        "enterprise.employeeNumber differs",
        "lacks Sales",
    ]
    assert "103" not in report(site, "crm").changed or "lacks" not in str(report(site, "crm").changed["103"])


def test_entitlements_that_an_app_lists_elsewhere_are_read(site):
    found = report(site, "desk")

    assert [m.account.entitlements for m in found.matched] == [frozenset({"Support"})]
    assert not [c for c in found.changed.get("103", []) if "Support" in c]


@pytest.mark.parametrize("save", [False, True])
def test_nothing_is_written_to_any_app(site, sandbox, save):
    adopt(site, [], save)

    assert writes(sandbox) == []


def test_without_save_the_record_stays_as_it_is(site):
    adopt(site, [])

    assert holdings.access(site.db).empty and not holdings.links(site.db, "103")


def test_with_save_the_record_knows_who_has_what_and_why(site):
    adopt(site, [], save=True)

    held = holdings.access(site.db, person_id="103", app="sso").set_index("entitlement")["why"]
    assert set(held.index) == {"", "All Staff", "Sales"}
    assert all("found at the first import" in why for why in held) and "Everyone: everybody" in held["All Staff"]
    assert holdings.links(site.db, "107").keys() == {"sso"}
    assert not holdings.links(site.db, "102")  # doubtful, so nobody's


def test_after_the_import_the_next_sync_ends_the_leavers_access(site):
    people = keep_snapshot(site)
    now = datetime.now(UTC)
    before = due(site, people, now)["person_id"].tolist()

    adopt(site, [], save=True)

    who = due(site, people, now)
    assert "124" not in before
    assert who[who["person_id"] == "124"]["flow"].tolist() == ["offboard_user"]
    verbs = {(s.app, s.verb) for s in look(site, "124", now).plan.steps}
    assert {("sso", "disable account"), ("crm", "disable account")} <= verbs


def test_after_the_import_the_plan_takes_the_account_over(site):
    adopt(site, [], save=True)

    steps = look(site, "107", datetime.now(UTC)).plan.steps

    assert [s.id for s in steps if s.app == "sso"] == ["sso update account", "sso grant Sales"]


def test_after_the_import_nobody_loses_what_no_rule_explains(site):
    user = site.app("sso").find(f"ines.simoes@{DOMAIN}")
    site.app("sso").grant(user.id, "Yoga at Noon")  # type: ignore[attr-defined, union-attr]
    adopt(site, [], save=True)

    plan = look(site, "103", datetime.now(UTC)).plan

    assert "Yoga at Noon" in set(holdings.access(site.db, person_id="103", app="sso")["entitlement"])
    assert not [s for s in plan.steps if s.verb in ("revoke", "disable account")]
    assert "sso: Yoga at Noon is held but was not given by Rollcall; left alone" in plan.notes


def test_saving_twice_changes_nothing(site):
    adopt(site, [], save=True)
    first = holdings.access(site.db)

    adopt(site, [], save=True)

    assert holdings.access(site.db).equals(first)


def test_an_app_that_does_not_answer_is_told_and_the_others_go_on(site, sandbox):
    sandbox.control("crm").faults([{"match": "/users", "kind": "403"}])

    reports = {r.app: r for r in adopt(site, [])}

    sandbox.control("crm").faults([])
    assert reports["crm"].error.startswith("crm: list accounts") and not reports["sso"].error
    assert len(reports["sso"].matched) == 2


def test_an_older_record_of_a_human_has_no_leavers_account(site, sandbox):
    """Caspar came back under a new number; HR's key says so."""
    hr = Hr(sandbox)
    hr.edit("124", homeEmail="caspar@mail.example")
    site.rules = site.rules.__class__(**(vars(site.rules) | {"company": keyed_by_private_mail(site)}))
    new = hr.hire("Caspar", "Vogt", homeEmail="caspar@mail.example", hireDate="2026-01-05")
    hr.close()

    found = report(site, "sso")

    assert not found.leavers and new in {m.person_id for m in found.matched}


def keyed_by_private_mail(site: Site):
    rules = site.rules.company
    return rules.model_copy(update={"correlation": rules.correlation.model_copy(update={"keys": ("personal_email",)})})


def test_the_command(site, sandbox, monkeypatch, tmp_path):
    from flows.cli import app

    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_MAPPINGS", str(SAMPLE))
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", f"sqlite:///{tmp_path / 'record.db'}")

    told = CliRunner().invoke(app, ["adopt", "sso"])
    machine = CliRunner().invoke(app, ["adopt", "sso", "--save", "--json"])
    wrong = CliRunner().invoke(app, ["adopt", "ssso"])

    assert told.exit_code == 0 and "leavers with usable accounts: 1" in told.output
    assert "backup-service@juniperfinch.example (looks like a service account)" in told.output
    body = json.loads(machine.stdout)["apps"][0]
    assert body["matched"] == 2 and body["leavers"][0]["person_id"] == "124"
    assert wrong.exit_code == 2 and "did you mean 'sso'?" in wrong.output
    assert writes(sandbox) == []
