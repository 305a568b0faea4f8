"""Two looks at HR, and what happened to whom in between."""

from datetime import date

import pandas as pd
import pytest
from mappings_house import person

from mappings.lifecycle import Kind, changes
from mappings.people import Person, Status, frame_of, status_frame

THEN, NOW = date(2024, 3, 4), date(2024, 3, 5)


def between(old: list[Person], new: list[Person], then: date = THEN, now: date = NOW) -> pd.DataFrame:
    before, after = frame_of(old), frame_of(new)
    return changes(before, status_frame(before, then), after, status_frame(after, now))


def kind(old: dict[str, object] | None, new: dict[str, object]) -> str:
    found = between([person(**old)] if old is not None else [], [person(**new)])
    return str(found["kind"].iloc[0])


CASES = [
    (None, {"hire_date": NOW}, Kind.JOINER),
    ({"hire_date": NOW}, {"hire_date": NOW}, Kind.JOINER),
    ({"hire_date": None}, {"hire_date": NOW}, Kind.JOINER),
    ({"hire_date": NOW}, {"hire_date": NOW, "employment_status": "leave"}, Kind.JOINER),
    (None, {"hire_date": "2024-04-01"}, Kind.UPCOMING),
    ({"hire_date": "2024-04-01"}, {"hire_date": "2024-05-01"}, Kind.CHANGED),
    ({}, {"department": "Sales"}, Kind.MOVER),
    ({"title": "Clerk"}, {"title": "Lead"}, Kind.MOVER),
    ({"manager_id": "7"}, {}, Kind.MOVER),
    ({"last_day": THEN}, {"last_day": THEN}, Kind.LEAVER),
    ({}, {"last_day": THEN}, Kind.LEAVER),
    ({}, {"employment_status": "terminated"}, Kind.LEAVER),
    ({"hire_date": NOW}, {"employment_status": "terminated"}, Kind.LEAVER),
    ({"last_day": "2024-01-31"}, {"hire_date": NOW}, Kind.REHIRE),
    ({"last_day": "2024-01-31"}, {"hire_date": "2024-04-01"}, Kind.REHIRE),
    ({"worker_type": "contractor"}, {}, Kind.CONVERSION),
    ({"worker_type": "contractor"}, {"department": "Sales"}, Kind.CONVERSION),
    ({}, {"employment_status": "leave"}, Kind.LEAVE),
    ({"employment_status": "leave"}, {}, Kind.RETURN),
    ({"hire_date": NOW}, {"hire_date": None}, Kind.CANCELLED),
    ({}, {"hire_date": "2024-06-01"}, Kind.CANCELLED),
    ({}, {"hire_date": None}, Kind.CANCELLED),
    ({}, {"family_name": "Lind"}, Kind.CHANGED),
    ({}, {"last_day": "2024-12-31"}, Kind.CHANGED),
    ({"hire_date": None}, {"hire_date": None}, Kind.SAME),
    (None, {"last_day": "2024-01-31"}, Kind.SAME),
    ({"last_day": "2024-01-31"}, {"last_day": "2024-01-31"}, Kind.SAME),
    ({}, {}, Kind.SAME),
]


@pytest.mark.parametrize(("old", "new", "found"), CASES)
def test_a_kind_follows_from_both_looks(old, new, found):
    assert kind(old, new) == found


def test_every_kind_is_tested():
    assert {found for _, _, found in CASES} == set(Kind) - {Kind.VANISHED}  # who has a test of its own


def test_who_is_missing_has_vanished_and_is_no_leaver():
    found = between([person("1"), person("2"), person("3", last_day=NOW)], [person("2")])

    assert found[["person_id", "kind", "was", "status"]].values.tolist() == [
        ["2", "same", "active", "active"],
        ["1", "vanished", "active", ""],
        ["3", "vanished", "notice", ""],
    ]


def test_rows_come_in_the_order_of_the_new_look_with_both_statuses():
    old = [person("1"), person("2", hire_date=NOW)]
    new = [person("3", hire_date="2024-09-01"), person("2", hire_date=NOW), person("1", last_day=THEN)]

    found = between(old, new)

    assert found["person_id"].tolist() == ["3", "2", "1"]
    assert found["was"].tolist() == ["", "prehire", "active"]
    assert found["status"].tolist() == [Status.PREHIRE, Status.ACTIVE, Status.TERMINATED]
    assert found["kind"].tolist() == ["upcoming", "joiner", "leaver"]


def test_the_changed_columns_are_named():
    old = [person("1", title="Clerk", extras={"floor": "1"}), person("2")]
    new = [person("1", title="Lead", family_name="Lind", extras={"floor": "2"}), person("2")]

    assert between(old, new)["columns"].tolist() == ["family_name, title, extra.floor", ""]


@pytest.mark.parametrize(
    ("old", "new", "columns"),
    [
        ({"title": "Clerk"}, {}, "title"),
        ({}, {"title": "Clerk"}, "title"),
        ({}, {}, ""),
        ({}, {"last_day": "2030-01-01"}, "last_day"),
        ({"last_day": "2030-01-01"}, {}, "last_day"),
    ],
)
def test_nothing_and_nothing_are_alike(old, new, columns):
    assert between([person(**old)], [person(**new)])["columns"].tolist() == [columns]


@pytest.mark.parametrize("swap", [False, True])
def test_an_extra_that_only_one_look_has_counts_for_those_who_have_it(swap):
    looks = [
        [person("1", extras={"floor": "1"}), person("2")],
        [person("1"), person("2")],
    ]

    found = between(*reversed(looks)) if swap else between(*looks)

    assert found["columns"].tolist() == ["extra.floor", ""]
    assert found["kind"].tolist() == ["changed", "same"]


def test_of_nobody_nothing_happened():
    assert between([], []).empty


def test_the_first_look_ever_has_only_joiners_and_the_like():
    found = between([], [person("1"), person("2", hire_date="2024-09-01"), person("3", last_day=THEN)])

    assert found["kind"].tolist() == ["joiner", "upcoming", "same"]
