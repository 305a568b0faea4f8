"""Apps that somebody uses and Rollcall does not manage: read from tables and from OAuth grants, never guessed away."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import mappings
from connectors.sandbox import Sandbox
from flows.record import emails, holdings
from flows.record.database import Database
from flows.settings import Settings
from flows.shadow import problems, uses
from flows.site import Site
from mappings import shadow
from mappings.folder import RulesError, read_folder
from mappings.people import Person
from mappings.policies import ShadowSource
from mappings.shadow import ShadowUse

SAMPLE = Path(mappings.__path__[0]) / "sample"
APPS = read_folder(SAMPLE).apps
RENEE = Person(
    employee_id="119", given_name="Renée", family_name="Fontaine", work_email="renee.fontaine@juniperfinch.example"
)
SOURCE = ShadowSource(
    title="Cards", path="cards.csv", person="Who", app="What", seen="When", ignore=("Corner Bakery",), owner="finance"
)


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["Who", "What", "When"], dtype="string")


def found(*rows: tuple[str, str, str], person: Person = RENEE, addresses: tuple[str, ...] = ()) -> list[ShadowUse]:
    who = shadow.called(person, addresses)
    return shadow.uses({"cards": table(*rows)}, {"cards": SOURCE}, who, APPS)


def apps(*names: str) -> list[str]:
    """The unmanaged ones among these merchants."""
    return [use.app for use in found(*(("119", name, "2026-10-01") for name in names))]


# what a table tells


@pytest.mark.parametrize("who", ["renee.fontaine@juniperfinch.example", " Renee.Fontaine@JuniperFinch.Example", "119"])
def test_a_person_is_found_by_address_in_any_case_and_by_number(who: str) -> None:
    assert [use.app for use in found((who, "Notely", "2026-10-01"))] == ["Notely"]


def test_a_person_is_found_by_former_addresses() -> None:
    row = ("renee.martin@juniperfinch.example", "Notely", "2026-10-01")

    assert found(row) == []
    assert [u.app for u in found(row, addresses=("Renee.Martin@juniperfinch.example",))] == ["Notely"]


@pytest.mark.parametrize("who", ["1119", "19", "ren.fontaine@juniperfinch.example", "", "renee"])
def test_somebody_alike_is_somebody_else(who: str) -> None:
    assert found((who, "Notely", "2026-10-01")) == []


def test_a_person_without_an_address_does_not_get_the_rows_without_one() -> None:
    nobody = Person(employee_id="7", given_name="Ann", family_name="Lee")

    assert found(("", "Notely", "2026-10-01"), person=nobody) == []


def test_the_number_of_a_receipt_is_not_part_of_the_name() -> None:
    rows = [("119", "Tallybean", "2026-09-30"), ("119", "Tallybean 20261030", "2026-10-30")]

    assert [(use.app, use.last_seen) for use in found(*rows)] == [("Tallybean", date(2026, 10, 30))]


def test_each_app_is_told_once_with_its_latest_day_and_owner() -> None:
    rows = [("119", "Notely Inc.", "2026-09-03"), ("119", "NOTELY", "2026-10-03"), ("119", "Notely", "2026-08-03")]

    assert found(*rows) == [ShadowUse(app="Notely", source="cards", owner="finance", last_seen=date(2026, 10, 3))]


def test_a_day_that_cannot_be_read_does_not_hide_the_app() -> None:
    [use] = found(("119", "Notely", "yesterday"))

    assert use.app == "Notely" and use.last_seen is None


@pytest.mark.parametrize(
    "name",
    ["Ledgerline CRM GmbH", "LEDGERLINE CRM", "Ledgerline  CRM, Inc.", "Ledgerline-CRM 20261103", "CRM Ledgerline",
     "Parcel Desk B.V.", "keyring", "Ledgerlin CRM", "desk"],
)  # fmt: skip
def test_a_managed_app_is_recognised_however_it_is_written(name: str) -> None:
    assert apps(name) == []


@pytest.mark.parametrize("name", ["Ledger", "Standing Desk Co", "CRM for Teams", "Badgers", "Keyring Vault", "Key"])
def test_an_app_that_only_sounds_alike_is_not_taken_for_a_managed_one(name: str) -> None:
    assert apps(name) == [name]


def test_merchants_that_are_no_apps_are_left_out() -> None:
    assert apps("Corner Bakery", "CORNER BAKERY GmbH", "Notely", " ", "Corner Shop") == ["Notely", "Corner Shop"]


def test_a_table_that_is_missing_is_passed_over() -> None:
    assert shadow.uses({}, {"cards": SOURCE}, {"119"}, APPS) == []


@pytest.mark.parametrize("name", ["株式会社ノート", "GmbH", "2048", "№5"])
def test_no_name_is_folded_to_nothing(name: str) -> None:
    assert shadow.folded(name) and apps(name) == [name]


# what a folder says


def folder(tmp_path: Path, yaml: str, csv: bytes | None) -> Path:
    """The sample company with one table of its own."""
    for path in SAMPLE.rglob("*.yaml"):
        copy = tmp_path / path.relative_to(SAMPLE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    (tmp_path / "shadow" / "expenses.yaml").write_text(yaml)
    if csv is not None:
        (tmp_path / "shadow" / "cards.csv").write_bytes(csv)
    return tmp_path


YAML = """\
title: Cards
path: shadow/cards.csv
person: Who
app: What
owner: finance@juniperfinch.example
"""


def test_the_sample_company_has_a_table_that_can_be_read() -> None:
    assert read_folder(SAMPLE).shadow["expenses"].path == "shadow/expenses.csv"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("person: Who", "persn: Who"), "shadow/expenses.yaml:3: unknown word 'persn'; known words are title, path, "),
        (("owner: f", "instructions: '{ap}'\nowner: f"), "shadow/expenses.yaml:5: instructions: unknown attribute {ap"),
        (("app: What\n", ""), "shadow/expenses.yaml:1: the word 'app' is missing"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(RulesError) as caught:
        read_folder(folder(tmp_path, YAML.replace(*change), None))

    assert any(problem.startswith(message) for problem in caught.value.problems), caught.value.problems


# what a site finds


def site(tmp_path: Path, sandbox: Sandbox, yaml: str = YAML, csv: bytes | None = b"Who,What\n119,Notely\n") -> Site:
    """An opened site with this one table, its record in memory of this test."""
    home = tmp_path / "home"
    home.mkdir()
    rules = read_folder(folder(tmp_path / "m", yaml, csv))
    db = Database(f"sqlite:///{home}/record.db")
    db.migrate()
    settings = Settings(_env_file=None, home=home, mappings=rules.folder)
    return Site(settings, sandbox.environment, rules, db)


def names(site: Site, ids: dict[str, str] | None = None) -> list[str]:
    got = uses(site, RENEE, ids)
    assert got.notes == []
    return [use.app for use in got.found]


@pytest.mark.parametrize(
    "csv",
    [
        b"Who,What\n119,Caf\xc3\xa9 Notes\n",
        b"\xef\xbb\xbfWho;What\r\n119;Caf\xc3\xa9 Notes\r\n\r\n",
        "Who\tWhat\n119\tCafé Notes\n".encode("utf-16"),
        b'\nWhen,Who,What,Sum\n"3, May",119,"Caf\xc3\xa9 Notes"\n,7,Tally,2\n',
        "Who,What\n119,Cafe\u0301 Notes,,\n".encode(),
    ],
)
def test_reads_tables_as_they_come(tmp_path: Path, sandbox: Sandbox, csv: bytes) -> None:
    assert names(site(tmp_path, sandbox, csv=csv)) == ["Café Notes"]


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        (None, ["shadow/expenses.yaml:2: read ", "no such file. Put it there or mend `path`"]),
        (b"", ["the file is empty"]),
        (b"Email,What\n119,Notely\n", ["shadow/expenses.yaml:3: person: cards.csv has no column 'Who'; known words are "
                                       "Email, What"]),
        (b"Who,Waht\n119,Notely\n", ["shadow/expenses.yaml:4: app: cards.csv has no column 'What'", "did you mean "
                                     "'Waht'?"]),
        (b"Who,What\n119,Notely,Tally\n", ["line 2 has more values than the header"]),
        (b'Who,What\n119,"Notely\n', ["line 2: unexpected end of data"]),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_a_note_for_a_leaver_and_a_problem_for_doctor(
    tmp_path: Path, sandbox: Sandbox, csv: bytes | None, said: list[str]
) -> None:
    opened = site(tmp_path, sandbox, csv=csv)

    got = uses(opened, RENEE)

    assert got.found == [] and problems(opened) == got.notes and len(got.notes) == 1
    assert all(word in got.notes[0] for word in said), got.notes


def test_a_variable_without_a_value_is_named(tmp_path: Path, sandbox: Sandbox) -> None:
    opened = site(tmp_path, sandbox, YAML.replace("shadow/cards.csv", "${CARDS_CSV}"))

    assert problems(opened) == [
        "shadow/expenses.yaml:2: path: CARDS_CSV has no value. Set it in the environment or in .env."
    ]


def test_a_table_may_lie_elsewhere(tmp_path: Path, sandbox: Sandbox) -> None:
    opened = site(tmp_path, sandbox, YAML.replace("shadow/cards.csv", "${CARDS_CSV}"))
    (tmp_path / "cards.csv").write_text("Who,What\n119,Tallybean\n")
    opened.values = {**opened.values, "CARDS_CSV": str(tmp_path / "cards.csv")}

    assert names(opened) == ["Tallybean"]


def test_a_table_that_changed_is_read_again(tmp_path: Path, sandbox: Sandbox) -> None:
    opened = site(tmp_path, sandbox)
    assert names(opened) == ["Notely"]

    path = opened.rules.folder / "shadow" / "cards.csv"
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:
        path.write_text("Who,What\n119,Tallybean\n")

    assert names(opened) == ["Tallybean"]


def test_addresses_that_the_record_knows_count(tmp_path: Path, sandbox: Sandbox) -> None:
    opened = site(tmp_path, sandbox, csv=b"Who,What\nr.martin@jf.example,Notely\nrenee.old@jf.example,Tallybean\n")
    emails.reserve(opened.db, "r.martin@jf.example", "119")
    holdings.link(opened.db, "119", "crm", "7", "Renee.Old@jf.example", True, {})

    assert names(opened, {}) == ["Notely", "Tallybean"]


def test_oauth_grants_tell_of_apps_that_nobody_manages(tmp_path: Path, sandbox: Sandbox) -> None:
    opened, twin = site(tmp_path, sandbox, csv=b"Who,What\n"), sandbox.control("sso")
    twin.reset()
    account = {"userName": RENEE.work_email or "", "displayName": "Renée Fontaine"}
    _, ident = opened.app("sso").create(account)
    named = [{"app": n} for n in ("Paperboat", "Ledgerline CRM", "paperboat", "Doodlejar")]
    twin.give("grants", account["userName"], *named)
    twin.give("tokens", account["userName"], {"type": "app-password", "label": "Phone"})

    got = uses(opened, RENEE, {"sso": ident, "crm": "1"})

    owner = opened.rules.apps["sso"].owner
    assert got.notes == [] and [(u.app, u.source, u.owner, u.via) for u in got.found] == [
        ("paperboat", "sso", owner, "oauth"),
        ("Doodlejar", "sso", owner, "oauth"),
    ]


def test_an_app_that_does_not_answer_is_a_note(tmp_path: Path, sandbox: Sandbox) -> None:
    opened, twin = site(tmp_path, sandbox), sandbox.control("sso")
    twin.reset()
    twin.faults([{"match": "/grants", "kind": "403"}])

    got = uses(opened, RENEE, {"sso": "some-id", "nowhere": "7"})

    twin.faults([])
    assert [use.app for use in got.found] == ["Notely"]
    assert len(got.notes) == 1 and got.notes[0].startswith("sso: list tokens of some-id: not permitted (403)")
