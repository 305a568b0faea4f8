"""The real table of 290 people: what is read from it by date equals a plain reading with the csv module."""

import csv
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from connectors.hr.catalogue import source
from mappings.feed import people_of
from mappings.folder import read_folder
from mappings.people import Status, status_frame

FOLDER = Path(__file__).parent / "fixtures" / "adventureworks"
TABLE = Path(__file__).parents[1].parent / "shared" / "data" / "adventureworks" / "employees.csv"
DATES = [date(2006, 6, 29), date(2006, 6, 30), date(2008, 1, 15), date(2009, 7, 14), date(2009, 7, 15)] + [
    date(2010, 5, 31), date(2011, 7, 30), date(2011, 7, 31), date(2012, 7, 14), date(2013, 11, 13), date(2014, 1, 1)
]  # fmt: skip

pytestmark = pytest.mark.skipif(not TABLE.exists(), reason="../shared/data/adventureworks is not here")


@pytest.fixture(scope="module")
def rules():
    return read_folder(FOLDER).hr


@pytest.fixture(scope="module")
def raw(rules):
    return source("adventureworks", rules, {"ADVENTUREWORKS_CSV": str(TABLE)}, FOLDER).read()


def plainly() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def day(text: str) -> date:
    return date(9999, 12, 31) if text == "NULL" else datetime.strptime(text, "%d/%m/%Y").date()


def test_everybody_is_there_once(raw, rules):
    feed = people_of(raw, rules)

    assert len(raw) == 296 and len(feed.people) == 290
    assert feed.held == ()
    assert feed.people["manager_id"].isna().sum() == 1
    assert "Sánchez" in feed.people["family_name"].tolist()


@pytest.mark.parametrize("on", DATES, ids=str)
def test_active_people_and_departments_on_a_date(raw, rules, on):
    stints = [row for row in plainly() if day(row["StartDate"]) <= on <= day(row["EndDate"])]
    expected = {row["EmployeeNumber"]: row["DepartmentName"] for row in stints}

    people = people_of(raw, rules, on).people
    active = people[status_frame(people, on) == Status.ACTIVE]

    assert dict(zip(active["employee_id"], active["department"], strict=True)) == expected
    assert len(stints) == len(expected)


def test_six_moves_are_seen(raw, rules):
    starts = sorted({day(row["StartDate"]) for row in plainly()})
    moves, before = Counter[str](), dict[str, str]()
    for on in starts:
        people = people_of(raw, rules, on).people
        here = people[status_frame(people, on) == Status.ACTIVE]
        now = dict(zip(here["employee_id"], here["department"], strict=True))
        moves.update(key for key, department in now.items() if before.get(key, department) != department)
        before = now

    assert (moves.total(), len(moves)) == (6, 5)
