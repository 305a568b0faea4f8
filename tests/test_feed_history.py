"""History tables: which stint counts on a date."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mappings.feed import Feed, people_of
from mappings.people import Status, status_frame
from mappings.vocabulary import History, HrSource

FIELDS = {"employee_id": "No", "given_name": "First", "family_name": "Last", "department": "Dept", "hire_date": "Hired"}


def rules(last_day: bool = False, **fields: str) -> HrSource:
    history = {"from": "From", "to": "To", "last_day": last_day}
    return HrSource.model_validate({"connector": "csv", "fields": FIELDS | fields, "history": history})


def read(
    *stints: tuple[str, str, str], on: date | None = None, last_day: bool = False, hired: str = "2020-01-01"
) -> Feed:
    rows = [("1", "Ada", "Moreau", dept, hired, since, until) for dept, since, until in stints]
    raw = pd.DataFrame(rows, columns=[*FIELDS.values(), "From", "To"], dtype="string")
    return people_of(raw.set_axis(pd.RangeIndex(2, 2 + len(rows))), rules(last_day), on)


MOVES = (("Sales", "2020-01-01", "2021-05-31"), ("Support", "2021-06-01", "2022-12-31"), ("Legal", "2023-01-01", ""))


@pytest.mark.parametrize(
    ("on", "department"),
    [
        (date(2020, 1, 1), "Sales"),
        (date(2021, 5, 31), "Sales"),
        (date(2021, 6, 1), "Support"),
        (date(2022, 12, 31), "Support"),
        (date(2023, 1, 1), "Legal"),
        (None, "Legal"),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_the_row_valid_on_the_date_counts_whatever_the_order(on, department, turn):
    feed = read(*MOVES[::turn], on=on)

    assert feed.people["department"].tolist() == [department]
    assert feed.held == ()


def test_before_the_first_stint_a_person_is_a_prehire_from_it():
    feed = read(*MOVES, on=date(2019, 12, 31))

    assert feed.people["department"].tolist() == ["Sales"]
    assert status_frame(feed.people, date(2019, 12, 31)).tolist() == [Status.PREHIRE]


def test_nobody_works_before_the_first_stint_whatever_the_hire_date_says():
    feed = read(("Sales", "2024-03-01", ""), on=date(2024, 2, 1), hired="2024-01-01")

    assert feed.people["hire_date"].iloc[0].date() == date(2024, 3, 1)


def test_all_stints_ended_is_no_last_day_unless_the_mapping_says_so():
    ended, left = (read(MOVES[0], on=date(2025, 1, 1), last_day=says) for says in (False, True))

    assert ended.people["last_day"].isna().all()
    assert left.people["last_day"].iloc[0].date() == date(2021, 5, 31)
    assert status_frame(left.people, date(2025, 1, 1)).tolist() == [Status.TERMINATED]


def test_a_move_is_no_last_day():
    feed = read(*MOVES, on=date(2021, 5, 31), last_day=True)

    assert feed.people["last_day"].isna().all()


def test_a_gap_is_a_leaver_and_a_rehire():
    stints = (("Sales", "2020-01-01", "2020-12-31"), ("Legal", "2022-01-01", ""))

    statuses = [
        status_frame(read(*stints, on=on, last_day=True).people, on)[0]
        for on in (date(2020, 6, 1), date(2021, 6, 1), date(2022, 6, 1))
    ]

    assert statuses == [Status.NOTICE, Status.TERMINATED, Status.ACTIVE]


def test_of_overlapping_stints_the_one_begun_last_counts_while_it_lasts():
    stints = (("Sales", "2020-01-01", ""), ("Legal", "2021-01-01", "2021-06-30"))

    assert read(*stints, on=date(2021, 3, 1)).people["department"].tolist() == ["Legal"]
    assert read(*stints, on=date(2022, 3, 1)).people["department"].tolist() == ["Sales"]


@pytest.mark.parametrize(
    ("stint", "field"),
    [
        (("Legal", "", ""), "From"),
        (("Legal", "01/02/2023", ""), "From"),
        (("Legal", "2023-02-01", "2023-01-31"), "To"),
        (("Legal", "2020-01-01", ""), "From"),
    ],
)
def test_one_bad_stint_holds_the_person_whole(stint, field):
    feed = read(MOVES[0], stint, on=date(2020, 6, 1))

    assert feed.people.empty
    assert field in {held.field for held in feed.held}


def test_the_same_row_twice_does_no_harm():
    feed = read(MOVES[2], MOVES[2], on=date(2024, 1, 1))

    assert feed.people["department"].tolist() == ["Legal"] and feed.held == ()


def test_the_end_of_a_stint_may_not_be_mapped_to_the_last_day():
    with pytest.raises(ValidationError, match=r"history\.last_day: true"):
        HrSource(connector="csv", fields=FIELDS | {"last_day": "To"}, history=History(**{"from": "From", "to": "To"}))


days = st.integers(0, 40)


@settings(max_examples=60, deadline=None)
@given(stints=st.lists(st.tuples(days, st.none() | days), min_size=1, max_size=5, unique_by=lambda s: s[0]), on=days)
def test_any_history_gives_the_latest_begun_of_the_valid_stints(stints, on):
    stints = [(a, None if b is None else a + b) for a, b in stints]
    day = lambda n: "" if n is None else (date(2024, 1, 1) + timedelta(n)).isoformat()  # noqa: E731

    feed = read(*[(f"D{a}", day(a), day(b)) for a, b in stints], on=date(2024, 1, 1) + timedelta(on))

    valid = [a for a, b in stints if a <= on and (b is None or b >= on)]
    begun = [a for a, _ in stints if a <= on]
    expected = max(valid, default=max(begun, default=min(a for a, _ in stints)))
    assert feed.people["department"].tolist() == [f"D{expected}"]
