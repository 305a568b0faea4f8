"""`rollcall check` and `rollcall forecast` as installed: what they print, how they end, and that they ask nobody."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from connectors.catalogue import mistakes
from flows import presets
from flows.record import holdings, identities, overrides, snapshots
from flows.record.database import Database
from flows.record.decided import Effect
from mappings.people import Person, frame_of
from tests.stage import Told, rollcall

DIRECTORY = "examples/departments.yaml"


class Place:
    """An installation with the sample company, without one variable that an app or HR needs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.company, self.home = folder, folder / "company", folder / "home"
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, self.company)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.company / name).read_text()
        assert old in text
        (self.company / name).write_text(text.replace(old, new, 1))

    def rollcall(self, *words: str) -> Told:
        variables = {"HOME": str(self.folder), "ROLLCALL_HOME": str(self.home), "ROLLCALL_MAPPINGS": str(self.company)}
        told = rollcall(*words, folder=self.folder, environment=variables)
        assert "Traceback" not in told.all
        return told

    def record(self) -> Database:
        self.home.mkdir(mode=0o700)
        db = Database(f"sqlite:///{self.home}/record.db")
        db.migrate()
        return db


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# check


def test_a_wrong_word_of_the_hr_system_is_told_without_a_variable_that_it_needs(place: Place) -> None:
    place.edit("hr/bamboohr.yaml", "options:\n", "options:\n  page_sise: 100\n")

    told = place.rollcall("check")

    assert told.status == 1 and "hr/bamboohr.yaml:" in told.err and "did you mean 'page_size'?" in told.err


def test_a_wrong_word_that_takes_a_variable_is_told_too(place: Place) -> None:
    place.edit("hr/bamboohr.yaml", "  api_key: ${", "  api_kee: ${")

    told = place.rollcall("check")

    assert told.status == 1 and "the word 'api_key' is missing" in told.err and "unknown word 'api_kee'" in told.err


def test_a_wrong_word_of_a_connector_is_told_without_a_variable_that_it_needs(place: Place) -> None:
    place.edit("apps/crm.yaml", "list: {path: /users, items: data}", "list: {path: /users, itms: data}")
    place.edit("apps/desk.yaml", "connector: rest", "connector: reist")

    told = place.rollcall("check")

    assert told.status == 1 and "HOME" not in told.err
    assert "apps/crm.yaml: unknown word 'itms' under options.users.list.0" in told.err and "'items'" in told.err
    assert "apps/desk.yaml: unknown connector 'reist'" in told.err


@pytest.mark.parametrize("name", presets.names())
def test_a_ready_file_has_no_mistake_before_its_variables_are_set(name: str) -> None:
    assert mistakes(name, presets.rules(name)) == ""


def test_all_as_expected(place: Place) -> None:
    told = place.rollcall("check")
    number = len(list(place.company.rglob("*.yaml")))
    assert (told.status, told.err) == (0, "")
    assert told.out.splitlines() == [
        "warning: apps/badges.yaml: no playbook gives Office, Warehouse, Server room",
        f"{number} files, 13 examples: all as expected",
    ]
    assert not place.home.exists()


def test_a_line_for_each_example_that_fails(place: Place) -> None:
    place.edit("playbooks/finance.yaml", "crm:Finance Viewer", "crm:Read Only")
    told = place.rollcall("check", str(place.company))
    lines = told.out.splitlines()
    assert told.status == 1
    assert len(lines) == 4 + 1  # one warning more, one about badges, the summary
    assert lines[0] == (
        "examples/departments.yaml:10: Payroll sees the CRM's figures and changes none: "
        "lacks crm:Finance Viewer (no playbook gives it); "
        "should not have crm:Read Only (Finance Playbook: department = Finance)"
    )
    assert "warning: apps/crm.yaml: no playbook gives Finance Viewer" in lines
    assert lines[-1].endswith("13 examples: 2 not as expected")


def test_the_json_has_every_example(place: Place) -> None:
    place.edit("playbooks/finance.yaml", "crm:Finance Viewer", "crm:Read Only")
    told = place.rollcall("check", "--json")
    found = json.loads(told.out)
    bad = [e for e in found["examples"] if not e["as_expected"]]
    assert told.status == 1
    assert len(found["examples"]) == 13
    assert {e["title"]: list(e["lacks"]) for e in bad} == {
        "Payroll sees the CRM's figures and changes none": ["crm:Finance Viewer"],
        "A leave of absence changes nothing here": ["crm:Finance Viewer"],
    }


def test_mistakes_are_all_told_and_nothing_is_tried(place: Place) -> None:
    place.edit("playbooks/finance.yaml", "crm:", "crn:")
    place.edit(DIRECTORY, "desk:Shipping", "desk:Sailing")
    place.edit("examples/leaving.yaml", "status: notice", "status: noticed")
    told = place.rollcall("check")
    assert (told.status, told.out) == (1, "")
    assert [line.partition(": ")[0] for line in told.err.splitlines()] == [
        "examples/leaving.yaml:4",
        "playbooks/finance.yaml:3",
    ]


def test_a_folder_without_examples(place: Place) -> None:
    shutil.rmtree(place.company / "examples")
    told = place.rollcall("check")
    number = len(list(place.company.rglob("*.yaml")))
    assert told.status == 0
    assert told.out.splitlines()[-1] == f"{number} files, 0 examples"


def test_a_folder_that_is_not_there(place: Place) -> None:
    told = place.rollcall("check", "nowhere")
    assert (told.status, told.out) == (1, "")
    assert told.err.startswith("company.yaml: no such file in nowhere")


# forecast


def someone(employee_id: str, family: str, **words: object) -> Person:
    given = {"given_name": "Ana", "family_name": family, "department": "Sales", "hire_date": date(2024, 1, 8)}
    return Person.model_validate({"employee_id": employee_id, "location": "Lisbon"} | given | words)


def told_ahead(place: Place, people: list[Person], *words: str) -> list[dict[str, str]]:
    """The events after HR said this."""
    db = place.record()
    snapshots.save(db, "bamboohr", frame_of(people), datetime.now(UTC))
    db.close()
    told = place.rollcall("forecast", "--json", *words)
    assert told.status == 0, told.all
    return list(json.loads(told.out)["events"])


def ahead(days: int) -> date:
    """So many days from today."""
    return datetime.now(UTC).date() + timedelta(days=days)


def test_what_hr_has_ahead(place: Place) -> None:
    people = [
        someone("1", "Joins", hire_date=ahead(5)),
        someone("2", "Leaves", last_day=ahead(3)),
        someone("3", "Ends", worker_type="contractor", last_day=ahead(4)),
        someone("4", "Later", last_day=ahead(40)),
        someone("5", "Stays"),
    ]
    found = told_ahead(place, people)
    assert [(e["person_id"], e["what"], e["day"]) for e in found] == [
        ("2", "leaves", str(ahead(3))),
        ("3", "contract ends", str(ahead(4))),
        ("1", "joins", str(ahead(5))),
    ]
    assert found[0]["detail"] == "Sales, Lisbon, at 18:00"


def test_who_had_an_account_before_comes_back(place: Place) -> None:
    db = place.record()
    identities.answer(db, "3", "1", identities.SAME, "people team")  # a new record of the same human
    for person in ("1", "2"):
        holdings.hold(db, person, "sso", None, "Everyone", "p")
    holdings.hold(db, "2", "sso", None, "Everybody", "p")  # another reason for the same account
    holdings.end(db, "1", "sso", None, "left", "p")
    snapshots.save(db, "bamboohr", frame_of([someone(n, "X", hire_date=ahead(2)) for n in "123"]), datetime.now(UTC))
    db.close()
    events = json.loads(place.rollcall("forecast", "--json").out)["events"]
    assert {e["person_id"]: e["what"] for e in events} == {"1": "comes back", "2": "joins", "3": "comes back"}


def test_overrides_and_access_that_end_by_themselves(place: Place) -> None:
    db = place.record()
    soon = datetime.now(UTC) + timedelta(days=2)
    snapshots.save(db, "bamboohr", frame_of([someone("1", "Moreau")]), datetime.now(UTC))
    overrides.add(db, "1", Effect.GIVE, "crm:Read Only", "audit", "it", soon)
    overrides.add(db, "1", Effect.GIVE, "badges", "visit", "it", soon + timedelta(days=60))
    overrides.add(db, "1", Effect.SET, "last_day", "contract was shortened", "it", soon, value=str(ahead(1)))
    holdings.hold(db, "1", "desk", "Support", "Sales Onboarding Playbook: department = Sales", "p")
    holdings.end_later(db, "1", "desk", "Support", soon)
    db.close()
    told = place.rollcall("forecast")
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    assert told.status == 0, told.all
    assert "leaves Ana Moreau (1): Sales, Lisbon, at 18:00" in lines
    assert "override ends Ana Moreau (1): give crm:Read Only (audit, by it)" in lines
    assert f"override ends Ana Moreau (1): set last_day = {ahead(1)} (contract was shortened, by it)" in lines
    assert "access ends by itself Ana Moreau (1): desk:Support (Sales Onboarding Playbook: department = Sales)" in lines
    assert "1 × leaves, 2 × override ends, 1 × access ends by itself." in lines[-1]


def test_nothing_ahead(place: Place) -> None:
    assert told_ahead(place, [someone("1", "Stays")], "--days", "30") == []


def test_without_a_look_at_hr_nothing_can_be_told(place: Place) -> None:
    told = place.rollcall("forecast")
    assert (told.status, told.out) == (1, "")
    assert told.err.strip() == "record: HR was never read, so nothing can be told. Run `rollcall sync` first."
    assert not place.home.exists()
