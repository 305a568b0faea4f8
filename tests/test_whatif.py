"""`rollcall plan --mappings NEW`: who gains and who loses, on frames and at the installed command. No app is read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mappings.comparison import Comparison, compare, side
from mappings.exceptions import Override
from mappings.folder import Rules
from mappings.people import Person, frame_of
from mappings.policies import BlastRadius
from mappings.vocabulary import Playbook
from tests.mappings_house import app, book, house, person
from tests.stage import Told, rollcall

DAY = pd.Timestamp("2025-06-02").date()
EVERYONE = book("sso")
SALES = book("crm:Rep", title="Sales", who={"department": "Sales"})
APPS = {"sso": app("sso"), "crm": app(), "desk": app()}
STAFF = [
    person("1", given_name="Ana", department="Sales", work_email="ana@larkspur.example"),
    person("2", given_name="Bo", department="Sales", work_email="bo@larkspur.example", manager_id="1"),
    person("3", given_name="Cy", department="Finance", work_email="cy@larkspur.example"),
]


def compared(
    old: Rules, new: Rules, people: list[Person] = STAFF, then: list[Person] | None = None, **words: Any
) -> Comparison:
    """The two on the same people, or on what each makes of them."""
    frames = frame_of(people), frame_of(then or people)
    return compare(side(old, frames[0], DAY, **words), side(new, frames[1], DAY, **words))


def rows(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return sorted(tuple(map(str, row)) for row in frame.to_numpy())


def test_the_same_rules_change_nothing() -> None:
    found = compared(house(APPS, EVERYONE, SALES), house(APPS, EVERYONE, SALES))
    assert (rows(found.gained), rows(found.lost), rows(found.changes)) == ([], [], [])
    assert (found.files, found.too_much, found.quiet) == ({}, "", [])


def test_a_playbook_that_gives_something_else() -> None:
    other = book("desk:Support", title="Sales", who={"department": "Sales"})
    found = compared(house(APPS, EVERYONE, SALES), house(APPS, EVERYONE, other))
    file = "playbooks/01.yaml"
    assert rows(found.gained) == [(p, "desk", e, file) for p in "12" for e in ("", "Support")]
    assert rows(found.lost) == [(p, "crm", e, file) for p in "12" for e in ("", "Rep")]
    assert found.files == {file: "changed"}


def test_a_new_playbook_and_one_that_is_gone() -> None:
    finance = book("crm:Viewer", title="Finance", who={"department": "Finance"})
    old, new = house(APPS, EVERYONE, SALES), house(APPS, EVERYONE)
    found = compared(old, replace(new, playbooks=new.playbooks | {"finance": finance}))
    assert found.files == {"playbooks/01.yaml": "gone", "playbooks/finance.yaml": "new"}
    assert {row[3] for row in rows(found.gained)} == {"playbooks/finance.yaml"}
    assert {row[3] for row in rows(found.lost)} == {"playbooks/01.yaml"}


def test_what_another_playbook_still_gives_is_not_lost() -> None:
    both = book("crm:Rep", title="Also", who={"department": "Sales"})
    found = compared(house(APPS, EVERYONE, both, SALES), house(APPS, EVERYONE, both))
    assert rows(found.lost) == []
    assert found.quiet == ["playbooks/02.yaml"]


def test_only_the_title_is_another_one() -> None:
    found = compared(house(APPS, SALES), house(APPS, SALES.model_copy(update={"title": "Selling"})))
    assert (rows(found.gained), rows(found.lost)) == ([], [])


def test_hr_read_in_another_way_is_the_cause() -> None:
    old = house(APPS, EVERYONE, SALES)
    new = replace(old, hr=old.hr.model_copy(update={"values": {"department": {"Sales": "Retail"}}}))
    retail = [p.model_copy(update={"department": "Retail" if p.department == "Sales" else p.department}) for p in STAFF]
    found = compared(old, new, then=retail)
    assert {row[3] for row in rows(found.lost)} == {"hr/csv.yaml"}
    assert ("1", "sso", "team", "hr/csv.yaml") in rows(found.changes)


def test_the_companys_days_are_the_cause() -> None:
    soon = [*STAFF, person("4", hire_date="2025-06-04", department="Sales")]
    found = compared(house(APPS, EVERYONE, SALES), house(APPS, EVERYONE, SALES, prehire_days=3), soon)
    assert {(row[0], row[3]) for row in rows(found.gained)} == {("4", "company.yaml")}


def test_an_override_holds_under_both() -> None:
    until = datetime(2026, 1, 1, tzinfo=UTC)
    given = [Override(id=1, person_id="3", effect="give", name="crm:Rep", why="audit", by="it", until=until)]
    found = compared(house(APPS, EVERYONE, SALES), house(APPS, EVERYONE), overrides=given)
    assert {row[0] for row in rows(found.lost)} == {"1", "2"}


def test_an_override_of_a_value_holds_under_both() -> None:
    words = {"id": 1, "person_id": "3", "effect": "set", "name": "department", "value": "Sales", "why": "x", "by": "it"}
    said = [Override.model_validate(words | {"until": "2026-01-01T00:00:00Z"})]
    found = compared(house(APPS, EVERYONE), house(APPS, EVERYONE, SALES), overrides=said)
    assert {row[0] for row in rows(found.gained)} == {"1", "2", "3"}


def test_people_sent_away_have_nothing_under_either() -> None:
    found = compared(house(APPS, EVERYONE), house(APPS, EVERYONE, SALES), away={"1"})
    assert {row[0] for row in rows(found.gained)} == {"2"}


def test_a_template_that_was_edited_is_counted_by_field() -> None:
    crm = app(attributes={"email": "{work_email}", "team": "{department} team", "boss": "{manager_email}"})
    found = compared(house(APPS, EVERYONE, SALES), house(APPS | {"crm": crm}, EVERYONE, SALES))
    file = "apps/crm.yaml"
    assert rows(found.changes) == [("1", "crm", "team", file), ("2", "crm", "boss", file), ("2", "crm", "team", file)]


def test_a_new_account_is_gained_and_has_no_other_values() -> None:
    crm = app(attributes={"email": "{work_email}", "team": "{department} team"})
    found = compared(house(APPS, EVERYONE), house(APPS | {"crm": crm}, EVERYONE, SALES))
    assert {row[0] for row in rows(found.gained)} == {"1", "2"}
    assert rows(found.changes) == []


def test_a_template_that_comes_to_the_same_changes_nothing() -> None:
    crm = app(attributes={"email": "{user_name}@larkspur.example", "team": "{department}"})
    found = compared(house(APPS, EVERYONE, SALES), house(APPS | {"crm": crm}, EVERYONE, SALES))
    assert rows(found.changes) == []
    assert found.quiet == ["apps/crm.yaml"]


def test_another_policy_for_leave_touches_those_on_leave() -> None:
    away = [person("1", department="Sales", employment_status="leave"), person("2", department="Sales")]
    found = compared(house(APPS, EVERYONE, SALES), house(APPS | {"crm": app(leave="suspend")}, EVERYONE, SALES), away)
    assert rows(found.changes) == [("1", "crm", "leave: suspend", "apps/crm.yaml")]


def test_an_app_that_is_gone_is_lost_by_all() -> None:
    found = compared(house(APPS, EVERYONE, SALES), house({"sso": APPS["sso"]}, EVERYONE))
    assert rows(found.lost) == [(p, "crm", e, "playbooks/01.yaml") for p in "12" for e in ("", "Rep")]


def many(number: int) -> list[Person]:
    return [person(str(n), department="Sales", work_email=f"p{n}@larkspur.example") for n in range(number)]


def test_too_much_at_once_is_told_by_the_new_limits() -> None:
    old, new = house(APPS, EVERYONE, SALES), house(APPS, EVERYONE)
    assert compared(old, new, many(30)).too_much == "30 people would lose an account (limit 3)"
    assert compared(old, new, many(3)).too_much == ""
    loose = BlastRadius.model_validate({"disables": {"count": 30, "percent": 0}})
    assert compared(old, house(APPS, EVERYONE, blast_radius=loose), many(30)).too_much == ""


def test_to_gain_is_never_too_much() -> None:
    assert compared(house(APPS, EVERYONE), house(APPS, EVERYONE, SALES), many(100)).too_much == ""


def test_somebody_who_loses_all() -> None:
    nobody = Playbook.model_validate({"title": "Everyone", "give": ["sso"], "who": {"department": "Sales"}})
    found = compared(house(APPS, EVERYONE), house(APPS, nobody))
    assert found.everything == {"3"}


# at the command

HEADER = "Employee number,First name,Last name,Known as,Work e-mail,Private e-mail,Department,Job title,Office,"
HEADER += "Manager number,Contract,Start date,Last day\n"


def row(number: int, given: str, department: str) -> str:
    mail = f"{given.lower()}{number}@juniperfinch.example"
    return f"{number:05},{given},Tester,,{mail},,{department},Clerk,Lisbon,,Permanent,2024-01-08,\n"


class Desk:
    """An installation whose apps cannot be reached: not one variable of theirs is set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.export = folder, folder / "people.csv"
        self.old, self.new = folder / "old", folder / "new"
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, self.old)
        self.edit(self.old, "company.yaml", "hr: bamboohr", "hr: csv")
        shutil.copytree(self.old, self.new)
        self.people([("Ana", "Sales"), ("Bea", "Sales"), ("Cy", "Finance")])

    def people(self, staff: list[tuple[str, str]]) -> None:
        self.export.write_text(HEADER + "".join(row(n, *each) for n, each in enumerate(staff, 1)))

    def edit(self, folder: Path, name: str, old: str, new: str) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    def rollcall(self, *words: str) -> Told:
        variables = {
            "HOME": str(self.folder),
            "HR_CSV": str(self.export),
            "ROLLCALL_HOME": str(self.folder / "home"),
            "ROLLCALL_MAPPINGS": str(self.old),
        }
        return rollcall(*words, folder=self.folder, environment=variables)

    def plan(self, *words: str) -> str:
        told = self.rollcall("plan", "--mappings", str(self.new), *words)
        assert told.status == 0, told.all
        return told.out


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_same_folder(desk: Desk) -> None:
    said = desk.plan()
    assert "Nobody gains or loses anything, of 3 people who have access." in said
    assert said.rstrip().endswith("Nothing was changed.")
    assert not (desk.folder / "home").exists()


def test_who_gains_and_who_loses_with_names_and_the_file(desk: Desk) -> None:
    desk.edit(desk.new, "playbooks/sales.yaml", "desk:Support", "desk:Shipping")
    lines = [" ".join(line.split()) for line in desk.plan().splitlines()]
    assert "desk:Shipping +2 (+ Ana Tester, Bea Tester) playbooks/sales.yaml" in lines
    assert "desk:Support -2 (- Ana Tester, Bea Tester) playbooks/sales.yaml" in lines
    assert (
        "Gain: 2 people. Lose: 2, of them an account altogether 0, everything 0. Other values: 0. With access now: 3."
        in lines
    )


def test_who_must_approve_is_told(desk: Desk) -> None:
    book = "title: Analysts\nwho: {department: Finance}\ngive: [crm:Read Only]\n"
    book += "approver: tobias.finch@juniperfinch.example\n"
    (desk.new / "playbooks/analysts.yaml").write_text(book)
    assert "(+ Cy Tester; tobias.finch@juniperfinch.example must approve)" in desk.plan()


def test_markdown_for_a_pull_request(desk: Desk) -> None:
    desk.edit(desk.new, "playbooks/finance.yaml", "give: [crm:Finance Viewer]", "give: [badges]")
    desk.edit(desk.new, "apps/crm.yaml", 'team: "{department}"', 'team: "Team {department}"')
    said = desk.plan("--markdown")
    assert "| access | gain | lose | who | because |" in said
    assert "| crm account, crm:Finance Viewer |  | -1 | - Cy Tester | playbooks/finance.yaml |" in said
    assert "| crm team | 2 | Ana Tester, Bea Tester | apps/crm.yaml |" in said
    assert "- Gain: 1 people. Lose: 1, of them an account altogether 1, everything 0." in said
    assert len(said.splitlines()) <= 20


def test_json_has_all_the_ids(desk: Desk) -> None:
    desk.edit(desk.new, "playbooks/sales.yaml", "  - crm:Sales Rep\n", "")
    found = json.loads(desk.plan("--json"))
    roles = [a for a in found["access"] if a["entitlement"] == "Sales Rep"]
    assert [(a["lose"], a["gain"], a["because"]) for a in roles] == [(["00001", "00002"], [], ["playbooks/sales.yaml"])]
    assert found["files"] == {"playbooks/sales.yaml": "changed"}
    assert found["totals"]["lose_an_account"] == 2


def test_too_much_is_said(desk: Desk) -> None:
    desk.people([(f"P{chr(97 + n)}", "Sales") for n in range(20)])
    (desk.new / "playbooks/sales.yaml").unlink()
    said = desk.plan()
    assert "… and 16 more" in said
    assert "Too much at once: 20 people would lose an account (limit 3). A sync under these rules waits" in said


def test_hr_mapped_in_another_way(desk: Desk) -> None:
    desk.edit(desk.new, "hr/csv.yaml", "values:", "values:\n  department: {Finance: Sales}")
    lines = [" ".join(line.split()) for line in desk.plan().splitlines()]
    assert "crm:Sales Rep, desk account, desk:Support, sso:Sales +1 (+ Cy Tester) hr/csv.yaml" in lines
    assert "crm:Finance Viewer, sso:Finance -1 (- Cy Tester) hr/csv.yaml" in lines


def test_mistakes_in_the_new_folder(desk: Desk) -> None:
    desk.edit(desk.new, "playbooks/sales.yaml", "crm:Sales Rep", "crm:Sails Rep")
    told = desk.rollcall("plan", "--mappings", str(desk.new))
    assert (told.status, told.out) == (1, "")
    assert "playbooks/sales.yaml:4: give: crm has no entitlement 'Sails Rep'" in told.err


@pytest.mark.parametrize("words", [["00001", "--mappings", "new"], ["--markdown"]])
def test_words_that_do_not_go_together(desk: Desk, words: list[str]) -> None:
    assert desk.rollcall("plan", *words).status == 2


def test_five_thousand_people(desk: Desk) -> None:
    desk.people([("P" + chr(97 + n % 26), ("Sales", "Finance", "Engineering")[n % 3]) for n in range(5000)])
    desk.edit(desk.new, "playbooks/sales.yaml", "desk:Support", "desk:Shipping")
    found = json.loads(desk.plan("--json"))
    assert found["totals"] | {"gain": 1667, "lose": 1667, "people": 5000} == found["totals"]
