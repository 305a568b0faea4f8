"""What HR's people have ahead of them: who joins, comes back and leaves, and whose contract ends, day by day."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import pandas as pd

from mappings.people import PRESENT, Person, person_of, status_frame
from mappings.vocabulary import Company, Location
from mappings.workdays import holidays_of, opening


class Ahead(StrEnum):
    """What happens to somebody on a day."""

    PREPARED = "accounts are prepared"
    JOINS = "joins"
    COMES_BACK = "comes back"
    LEAVES = "leaves"
    CONTRACT = "contract ends"
    OVERRIDE = "override ends"
    ENDS = "access ends by itself"


@dataclass(frozen=True)
class Event:
    """One thing that happens to one person on a day."""

    day: date
    """In the person's own place."""
    what: Ahead
    person_id: str
    name: str
    detail: str
    """Where and when, or which access, and why."""


def coming(
    people: pd.DataFrame, company: Company, first: date, last: date, returning: Collection[str] = ()
) -> list[Event]:
    """What HR's records say of the days from `first` to `last`, both inclusive, by day.

    `returning`: ids of those who had access before and lost it; for them a first day is a return.
    """
    events = begins(people, company, first, last, returning) + ends(people, company, first, last)
    return sorted(events, key=lambda e: (e.day, list(Ahead).index(e.what), e.name))


def begins(people: pd.DataFrame, company: Company, first: date, last: date, returning: Collection[str]) -> list[Event]:
    """First days of work, and the days from which accounts are prepared for them."""
    working = works_on(people, people["hire_date"])
    opens = opening(people, company)
    events = []
    for person in persons(people[working & within(people["hire_date"], first, last)]):
        what = Ahead.COMES_BACK if person.employee_id in returning else Ahead.JOINS
        events.append(event(person, what, person.hire_date, arrival(person, company)))
    early = working & within(opens, first, last) & (opens < people["hire_date"])
    for person, day in zip(persons(people[early]), opens[early], strict=True):
        events.append(event(person, Ahead.PREPARED, day.date(), f"first day {person.hire_date}"))
    return events


def ends(people: pd.DataFrame, company: Company, first: date, last: date) -> list[Event]:
    """Last days of work."""
    mask = works_on(people, people["last_day"]) & within(people["last_day"], first, last)
    events = []
    for person in persons(people[mask]):
        what = Ahead.CONTRACT if person.worker_type in company.contractors.types else Ahead.LEAVES
        cut_off = place_of(person, company).cut_off
        events.append(event(person, what, person.last_day, f"{whereabouts(person)}, at {cut_off:%H:%M}"))
    return events


def within(days: pd.Series, first: date, last: date) -> pd.Series:
    """Mask of the days in this span."""
    return days.between(pd.Timestamp(first), pd.Timestamp(last)).fillna(False).astype(bool)


def works_on(people: pd.DataFrame, days: pd.Series) -> pd.Series:
    """Mask of those who work on their own day of `days`; false where there is none."""
    there = days.notna()
    status = status_frame(people, days.fillna(pd.Timestamp(0)))
    return there & status.isin([s.value for s in PRESENT])


def persons(people: pd.DataFrame) -> list[Person]:
    """The rows as Persons."""
    return [person_of({str(k): v for k, v in row.items()}) for row in people.to_dict("records")]


def event(person: Person, what: Ahead, day: date | None, detail: str) -> Event:
    """An event of a person on a day that is known."""
    assert day is not None
    return Event(day, what, person.employee_id, person.display_name, detail)


def arrival(person: Person, company: Company) -> str:
    """`Sales, Berlin, at 08:00`, and whether anybody is at work there on that day."""
    place = place_of(person, company)
    text = f"{whereabouts(person)}, at {place.start_of_day:%H:%M}"
    assert person.hire_date is not None
    return text + (f" ({free})" if (free := free_day(person.hire_date, place.calendar)) else "")


def free_day(day: date, calendar: str) -> str:
    """Why nobody is at work, empty on a working day."""
    if day in holidays_of(calendar, day.year, day.year).astype(object):
        return "a public holiday there"
    return "a weekend" if day.weekday() >= 5 else ""


def place_of(person: Person, company: Company) -> Location:
    """The person's place of work, the company's default where HR names none."""
    return company.locations.get(person.location or "") or Location(time_zone=company.time_zone)


def whereabouts(person: Person) -> str:
    """`Sales, Berlin`."""
    return ", ".join(word for word in (person.department, person.location) if word) or person.worker_type


def span(first: date, days: int) -> tuple[date, date]:
    """Today and the `days` days after it."""
    return first, first + timedelta(days=days)
