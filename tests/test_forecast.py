"""What is ahead of HR's people, on frames: first and last days, in whose calendar, and who does not count."""

from __future__ import annotations

from datetime import date
from typing import Any

from mappings.forecast import Ahead, Event, coming
from mappings.people import frame_of
from mappings.policies import Contractors
from mappings.vocabulary import Location
from tests.mappings_house import COMPANY, person

FIRST, LAST = date(2026, 3, 30), date(2026, 4, 12)
PLACES = {
    "Berlin": Location(time_zone="Europe/Berlin", calendar="DE-BE"),
    "Auckland": Location(time_zone="Pacific/Auckland", start_of_day="07:30", cut_off="16:00"),
}


def events(*people: Any, returning: set[str] | None = None, **company: Any) -> list[Event]:
    """What is ahead of them between the Monday before Easter 2026 and the Sunday after."""
    rules = COMPANY.model_copy(update={"locations": PLACES} | company)
    return coming(frame_of(list(people)), rules, FIRST, LAST, returning or set())


def brief(found: list[Event]) -> list[tuple[str, str, str]]:
    return [(str(e.day), e.what.value, e.person_id) for e in found]


def test_both_ends_of_the_span_count() -> None:
    days = ("2026-03-29", "2026-03-30", "2026-04-12", "2026-04-13")
    found = events(*(person(str(n), hire_date=day) for n, day in enumerate(days)))
    assert brief(found) == [("2026-03-30", "joins", "1"), ("2026-04-12", "joins", "2")]


def test_a_first_and_a_last_day_are_two_events() -> None:
    found = events(person("1", hire_date="2026-03-31", last_day="2026-04-10", location="Auckland"))
    assert brief(found) == [("2026-03-31", "joins", "1"), ("2026-04-10", "leaves", "1")]
    assert [e.detail for e in found] == ["Auckland, at 07:30", "Auckland, at 16:00"]


def test_a_hire_that_was_cancelled_is_not_ahead() -> None:
    cancelled = person("1", hire_date="2026-04-08", last_day="2026-04-01", employment_status="terminated")
    assert events(cancelled) == []


def test_somebody_without_dates_is_not_ahead() -> None:
    assert events(person("1", hire_date=None), person("2")) == []
    assert events() == []


def test_a_contract_ends_by_the_companys_worker_types() -> None:
    people = [person(t, worker_type=t, last_day="2026-04-07") for t in ("contractor", "intern", "employee")]
    assert [e.what for e in events(*people)] == [Ahead.LEAVES, Ahead.LEAVES, Ahead.CONTRACT]
    wider = Contractors.model_validate({"types": ["contractor", "intern"]})
    assert {e.person_id for e in events(*people, contractors=wider) if e.what is Ahead.CONTRACT} == {
        "contractor",
        "intern",
    }


def test_who_had_access_before_comes_back() -> None:
    people = [person("1", hire_date="2026-04-01"), person("2", hire_date="2026-04-01")]
    assert brief(events(*people, returning={"2"})) == [("2026-04-01", "joins", "1"), ("2026-04-01", "comes back", "2")]


def test_first_days_on_which_nobody_is_at_work_are_told() -> None:
    days = ("2026-04-03", "2026-04-04", "2026-04-06", "2026-04-07")
    found = events(*(person(str(n), hire_date=day, location="Berlin") for n, day in enumerate(days)))
    assert [e.detail.partition("08:00")[2].strip() for e in found] == [
        "(a public holiday there)",  # Good Friday
        "(a weekend)",
        "(a public holiday there)",
        "",
    ]


def test_preparing_goes_by_the_places_working_days() -> None:
    people = [person("1", hire_date="2026-04-08", location="Berlin"), person("2", hire_date="2026-04-08")]
    found = [e for e in events(*people, prehire_days=2) if e.what is Ahead.PREPARED]
    assert brief(found) == [("2026-04-02", "accounts are prepared", "1"), ("2026-04-06", "accounts are prepared", "2")]
    assert found[0].detail == "first day 2026-04-08"


def test_preparing_for_a_first_day_after_the_span() -> None:
    found = events(person("1", hire_date="2026-04-14"), prehire_days=3)
    assert brief(found) == [("2026-04-09", "accounts are prepared", "1")]
