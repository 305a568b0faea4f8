"""Golden people: what an example may say, what the rules make of it, and how mistakes in one are told."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from mappings.examples import Outcome, Report, examine
from mappings.folder import RulesError

CRM = "title: CRM\ntier: app\nconnector: rest\nowner: it@larkspur.example\nkey: email\n"
CRM += 'attributes: {email: "{work_email}", team: "{department}", extra: "{extra.team}"}\n'
CRM += "entitlements: [Rep, Boss, Idle]\n"
FILES = {
    "company.yaml": "name: Larkspur\nhr: export\nlocations: {Berlin: {time_zone: Europe/Berlin}}\n"
    'email: {domain: larkspur.example, pattern: "{given_name}"}\nworker_types: [employee, contractor]\n',
    "hr/export.yaml": "connector: csv\n"
    "fields: {employee_id: No, given_name: First, family_name: Last, hire_date: Start}\n",
    "apps/sso.yaml": "title: Keyring\ntier: sso\nconnector: scim\nowner: it@larkspur.example\n"
    'attributes: {userName: "{work_email}", id: "{employee_id}"}\n',
    "apps/crm.yaml": CRM,
    "apps/desk.yaml": CRM.replace("CRM", "Desk") + "leave: suspend\n",
    "playbooks/all.yaml": 'title: Everyone\ngive: [sso, "sso:{department}"]\n',
    "playbooks/sales.yaml": "title: Sales\nwho: {department: Sales}\ngive: [crm:Rep, desk]\n",
    "playbooks/chiefs.yaml": "title: Chiefs\nwho: {title: Chief}\ngive: [crm:Boss]\n",
}
ALL = "[sso:Sales, crm:Rep, desk]"


class House:
    """A mappings folder on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def examine(self, *examples: str) -> Report:
        """Examples, each the lines of one, without the dash."""
        parts = ["- " + text.strip().replace("\n", "\n  ") for text in examples]
        self.write("examples/golden.yaml", "\n".join(parts) + "\n")
        return examine(self.folder)

    def one(self, text: str, person: str = "{department: Sales}") -> Outcome:
        """The outcome of one example."""
        return self.examine(f"title: Somebody\nperson: {person}\n{text}").outcomes[0]

    def said(self, text: str, person: str = "{department: Sales}") -> str:
        """What is told of it after its place and title; empty where it is as expected."""
        outcome = self.one(text, person)
        return "" if outcome.good else str(outcome).removeprefix("examples/golden.yaml:1: Somebody: ")

    def mistakes(self, *examples: str) -> list[str]:
        with pytest.raises(RulesError) as caught:
            self.examine(*examples)
        return caught.value.problems


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# what it may say


def test_exactly_this_access_where_entitlements_imply_accounts(house: House) -> None:
    assert house.said(f"access: {ALL}") == ""
    assert house.said("access: [sso, sso:Sales, crm, crm:Rep, desk]") == ""


def test_what_is_lacking_is_told_with_whom_it_is_for(house: House) -> None:
    assert house.said("access: [sso:Sales, crm:Rep, desk, crm:Boss]") == "lacks crm:Boss (Chiefs: title = Chief)"


def test_what_nobody_gives(house: House) -> None:
    assert house.said("has: [crm:Idle]") == "lacks crm:Idle (no playbook gives it)"


def test_what_is_too_much_is_told_by_reason(house: House) -> None:
    assert house.said("access: [sso:Sales]") == "should not have crm:Rep, desk (Sales: department = Sales)"


def test_nothing_is_written_as_an_empty_list(house: House) -> None:
    assert house.said("access: []", "{department: Sales, last_day: 2026-02-01}\non: 2026-02-02") == ""
    assert house.said("access: []").endswith("sso:Sales (Everyone: everybody)")


def test_one_word_is_a_list_of_one(house: House) -> None:
    assert house.said("access: sso", "{}") == ""


def test_at_least_and_none_of(house: House) -> None:
    assert house.said("has: [crm:Rep]\nnot: [crm:Boss]") == ""
    assert house.said("has: [sso]\nnot: [desk]") == "should not have desk (Sales: department = Sales)"


def test_the_date_is_the_first_day_unless_it_is_said(house: House) -> None:
    person = "{department: Sales, hire_date: 2027-03-01}"
    assert house.said(f"access: {ALL}\nstatus: active", person) == ""
    told = house.said(f"access: {ALL}\non: 2027-02-28", person)
    assert told == "lacks sso:Sales, crm:Rep, desk (nobody has access who is prehire on 2027-02-28)"


def test_the_status(house: House) -> None:
    assert house.said("status: leave", "{employment_status: leave}") == ""
    assert house.said("status: notice") == "is active on 2026-01-05, not notice"


def test_what_rests_on_leave_is_no_access(house: House) -> None:
    person = "{department: Sales, employment_status: leave}"
    assert house.said("access: [sso:Sales, crm:Rep]\nsuspended: [desk]", person) == ""
    assert house.said(f"access: {ALL}", person) == "lacks desk (on leave)"
    assert house.said("has: sso\nsuspended: []", person) == "desk rests (on leave)"
    assert house.said("has: sso\nsuspended: [crm]").startswith("crm does not rest")


def test_the_address_by_the_naming_rule_or_as_hr_has_it(house: House) -> None:
    assert house.said("email: zoe@larkspur.example", "{given_name: Zoë}") == ""
    assert house.said("email: z.b@larkspur.example", "{given_name: Zoë, work_email: z.b@larkspur.example}") == ""
    assert house.said("email: zo@larkspur.example", "{given_name: Zoë}") == (
        "e-mail is zoe@larkspur.example, not zo@larkspur.example"
    )


def test_attributes_that_are_named_must_be_so(house: House) -> None:
    person = '{employee_id: "0042", department: Sales, extra.team: Tea}'
    assert house.said("attributes: {crm: {team: Sales, extra: Tea}, sso: {id: '0042'}}", person) == ""
    assert house.said("attributes: {crm: {team: Tea}}") == "crm team is 'Sales', not 'Tea'"
    assert house.said("attributes: {crm: {team: Tea}}", "{}") == "crm team is '', not 'Tea'"


def test_one_file_may_hold_one_example_or_several(house: House) -> None:
    house.write("examples/single.yaml", "# one\ntitle: Just one\nperson: {}\naccess: [crm]\n")
    report = house.examine("title: A\nperson: {}\naccess: sso", "title: B\nperson: {}\naccess: sso")
    assert [o.title for o in report.outcomes] == ["A", "B", "Just one"]
    assert [o.where for o in report.outcomes] == [
        "examples/golden.yaml:1",
        "examples/golden.yaml:4",
        "examples/single.yaml:2",
    ]
    assert report.files == len(FILES) + 2


def test_a_changed_example_changes_no_persons_rules(house: House) -> None:
    from mappings.folder import read_folder

    before = read_folder(house.folder).hash
    house.examine("title: A\nperson: {}\naccess: sso")
    assert read_folder(house.folder).hash == before


# warnings


def test_what_no_example_covers_and_nobody_is_given(house: House) -> None:
    house.write("apps/spare.yaml", CRM)
    assert house.examine(f"title: A\nperson: {{department: Sales}}\naccess: {ALL}").warnings == (
        "playbooks/chiefs.yaml: no example is somebody whom Chiefs is for",
        "apps/crm.yaml: no playbook gives Idle",
        "apps/desk.yaml: no playbook gives Rep, Boss, Idle",
        "apps/spare.yaml: no playbook gives it",
    )


def test_an_example_of_nobody_covers_nothing(house: House) -> None:
    report = house.examine("title: A\nperson: {department: Sales, title: Chief}\non: 2020-01-01\naccess: []")
    assert sum("no example" in w for w in report.warnings) == 3


# mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: A\nacess: []", "2: unknown word 'acess'; known words are title, person, on, access, has, not,"),
        ("title: A\nperson: {departmnt: x}\naccess: []", "2: unknown word 'departmnt'; known words are employee_id"),
        ("title: A\nperson: {}", "1: nothing is expected; add 'access', or 'has'"),
        ("title: A\nperson: {}\naccess:", "3: access: write [] for nothing"),
        ("title: A\nperson: {}\naccess: []\nnot: sso", "1: 'access' says exactly what there is; take 'has' and 'not'"),
        ("title: A\nperson: {}\non: soon\naccess: []", "3: on: a date is needed, like 2026-03-31 (found 'soon')"),
        ("title: A\nperson: {}\non: 2026-02-30\naccess: []", "3: found 2026-02-30: day is out of range for month"),
        (
            "title: A\nperson: {employee_id: 42}\naccess: []",
            "2: person.employee_id: text is needed (found 42; write it",
        ),
        ("title: A\nperson: {}\naccess:\n  - sso\n  - crn", "5: access: unknown app 'crn'; known words are crm, desk"),
        ("title: A\nperson: {}\nhas: [crm:Rap]", "3: has: crm has no entitlement 'Rap'; known words are Rep, Boss"),
        ("title: A\nperson: {}\nnot: [crn]", "3: not: unknown app 'crn'"),
        ("title: A\nperson: {}\nsuspended: [crn]", "3: suspended: unknown app 'crn'"),
        (
            "title: A\nperson: {}\nattributes:\n  crm: {tem: x}",
            "4: attributes: crm has no field 'tem'; known words are",
        ),
        ("title: A\nperson: {location: Mars}\naccess: []", "2: person.location: unknown location 'Mars'; known words"),
        ("title: A\nperson: {worker_type: clown}\naccess: []", "2: person.worker_type: unknown worker_type 'clown'"),
        (
            "title: A\nperson:\n  employment_status: away\nhas: sso",
            "3: person.employment_status: unknown employment_st",
        ),
        ("title: A\nperson: {}\nstatus: gone", "3: status: unknown word 'gone'; known words are"),
        ("person: {}\naccess: []", "1: the word 'title' is missing"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(house: House, text: str, said: str) -> None:
    assert any(p.startswith(f"examples/golden.yaml:{said}") for p in house.mistakes(text)), house.mistakes(text)


def test_lines_count_in_the_second_example_too(house: House) -> None:
    good = "title: A\nperson: {}\naccess: sso"
    told = house.mistakes(good, "person: {}\naccess: []", "title: C\nperson: {}\nacess: []", "title: D\nperson: {}")
    assert [p.partition(": ")[0] for p in told] == [f"examples/golden.yaml:{n}" for n in (4, 8, 9)]


def test_all_mistakes_of_all_files_at_once(house: House) -> None:
    house.write("playbooks/sales.yaml", "title: Sales\ngive: [crn]\n")
    house.write("examples/word.yaml", "hello\n")
    house.write("examples/empty.yaml", "")
    house.write("examples/wrong.yml", "")
    told = house.mistakes("- x")
    assert [p.partition(": ")[0] for p in told] == [
        "examples/empty.yaml:1",
        "examples/golden.yaml:1",
        "examples/word.yaml:1",
        "examples/wrong.yml",
        "playbooks/sales.yaml:2",
    ]


# the sample company


def test_the_sample_is_as_its_examples_say() -> None:
    with as_file(files("mappings") / "sample") as sample:
        report = examine(sample)
    assert [str(o) for o in report.bad] == []
    assert len(report.outcomes) >= 8
    assert not [w for w in report.warnings if w.startswith("playbooks/")]


def test_an_example_notices_a_changed_rule(tmp_path: Path) -> None:
    with as_file(files("mappings") / "sample") as sample:
        shutil.copytree(sample, tmp_path / "company")
    book = tmp_path / "company/playbooks/engineering.yaml"
    book.write_text(book.read_text().replace("unless: {worker_type: contractor}\n", ""))
    assert [o.title for o in examine(tmp_path / "company").bad] == ["A contracting engineer is not on call"]
