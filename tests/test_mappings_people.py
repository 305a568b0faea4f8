"""What a date makes of a person."""

from datetime import date, timedelta

import pandas as pd
import pytest
from mappings_house import person

from mappings.people import COLUMNS, EXTRA, Status, frame_of, person_of, status_frame, status_on, tidy

FIRST, LAST = date(2024, 3, 4), date(2025, 6, 30)


@pytest.mark.parametrize(
    ("words", "on", "status"),
    [
        ({"hire_date": None}, FIRST, Status.UNKNOWN),
        ({}, FIRST - timedelta(1), Status.PREHIRE),
        ({}, FIRST, Status.ACTIVE),
        ({"employment_status": "leave"}, FIRST, Status.LEAVE),
        ({"employment_status": "leave"}, FIRST - timedelta(1), Status.PREHIRE),
        ({"last_day": LAST}, FIRST, Status.NOTICE),
        ({"last_day": LAST}, LAST, Status.NOTICE),
        ({"last_day": LAST}, LAST + timedelta(1), Status.TERMINATED),
        ({"last_day": LAST, "employment_status": "leave"}, LAST, Status.LEAVE),
        ({"last_day": LAST, "employment_status": "terminated"}, LAST, Status.NOTICE),
        ({"last_day": LAST, "employment_status": "active"}, LAST + timedelta(1), Status.TERMINATED),
        ({"employment_status": "terminated"}, FIRST, Status.TERMINATED),
        ({"employment_status": "terminated"}, FIRST - timedelta(1), Status.PREHIRE),
        ({"employment_status": "Full-Time"}, FIRST, Status.ACTIVE),
        ({"last_day": FIRST}, FIRST, Status.NOTICE),
        ({"last_day": FIRST - timedelta(9)}, FIRST - timedelta(1), Status.TERMINATED),
        ({"hire_date": None, "last_day": LAST}, LAST + timedelta(1), Status.UNKNOWN),
    ],
)
def test_a_status_follows_from_dates_and_hrs_word(words, on, status):
    assert status_on(person(**words), on) is status


def test_a_frame_has_the_status_of_each_of_its_people():
    people = [person("1"), person("2", last_day=LAST), person("3", hire_date=None)]

    found = status_frame(frame_of(people), LAST)

    assert found.tolist() == [status_on(p, LAST) for p in people] == ["active", "notice", "unknown"]


def test_nobody_has_no_status():
    assert status_frame(frame_of([]), FIRST).empty


def test_a_person_survives_the_frame():
    ana = person("007", last_day=LAST, extras={"floor": "3"}, preferred_name="Annie")

    assert person_of(frame_of([ana, person("8")]).iloc[0].to_dict()) == ana


def test_a_tidy_frame_has_all_columns_in_order_and_extras_after_them():
    frame = tidy(pd.DataFrame({EXTRA + "b": ["x"], "employee_id": ["1"], EXTRA + "a": ["y"], "other": ["z"]}))

    assert list(frame.columns) == [*COLUMNS, EXTRA + "a", EXTRA + "b"]
    assert frame["hire_date"].dtype == "datetime64[s]"


@pytest.mark.parametrize(("words", "shown"), [({}, "Ana Moreau"), ({"preferred_name": "Annie"}, "Annie Moreau")])
def test_people_are_shown_as_they_are_called(words, shown):
    assert person(**words).display_name == shown
