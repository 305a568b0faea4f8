"""Working days before the hire date by the calendar of the place, and the hourly check that must miss nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox import Sandbox
from flows.hire_date_check import come, moved
from flows.site import Site
from mappings.folder import RulesError, read_folder
from mappings.people import Person, frame_of
from mappings.vocabulary import Company
from mappings.workdays import is_calendar, opening
from tests.desks import a_site, with_company
from tests.lives import LOCATIONS, SAMPLE, Lives, company

WORDS = {"name": "Juniper & Finch", "hr": "csv", "email": {"domain": "juniperfinch.example"}, "locations": LOCATIONS}


def opens(location: str, hire: str, days: int) -> str:
    """The date from which somebody hired there on that date is prepared for."""
    rules = Company.model_validate(WORDS | {"prehire_days": days})
    person = Person(employee_id="1", given_name="A", family_name="B", hire_date=date.fromisoformat(hire))
    return str(opening(frame_of([person.model_copy(update={"location": location})]), rules).iloc[0].date())


@pytest.mark.parametrize(
    ("location", "hire", "days", "opened"),
    [
        ("Berlin", "2025-10-06", 1, "2025-10-02"),  # Monday; Friday was 3 October
        ("Lisbon", "2025-10-06", 1, "2025-10-03"),
        ("Lisbon", "2028-04-26", 1, "2028-04-24"),  # Tuesday was 25 April
        ("Berlin", "2028-04-26", 1, "2028-04-25"),
        ("Auckland", "2026-02-09", 2, "2026-02-04"),  # Friday was Waitangi Day
        ("Honolulu", "2026-02-09", 2, "2026-02-05"),
        ("Denver", "2026-07-06", 1, "2026-07-03"),  # no calendar is named: weekends only
        ("Berlin", "2026-04-07", 1, "2026-04-02"),  # Tuesday after Easter: Good Friday and Easter Monday are free
        ("Lisbon", "2028-03-01", 1, "2028-02-29"),  # Shrove Tuesday is no public holiday by law
        ("Berlin", "2028-03-01", 1, "2028-02-29"),
        ("Berlin", "2028-02-29", 1, "2028-02-28"),
        ("Berlin", "2026-01-02", 1, "2025-12-31"),
        ("Berlin", "2026-01-05", 5, "2025-12-24"),  # 2, 31, 30, 29 and 24: the rest is weekend or holiday
        ("Berlin", "2026-03-07", 1, "2026-03-06"),  # hired on a Saturday
        ("Berlin", "2026-03-09", 0, "2026-03-09"),
        ("Nowhere", "2026-03-09", 1, "2026-03-06"),
    ],
)
def test_preparation_opens_so_many_working_days_before(location: str, hire: str, days: int, opened: str) -> None:
    assert opens(location, hire, days) == opened


@pytest.mark.parametrize("name", ["DE", "DE-BE", "PT", "NZ-AUK", "US-HI", ""])
def test_knows_calendars(name: str) -> None:
    assert is_calendar(name)


@pytest.mark.parametrize("name", ["Neverland", "DE-XX", "ZZ", "de-be-xx"])
def test_refuses_what_is_no_calendar(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "company"
    shutil.copytree(SAMPLE, folder)
    text = (folder / "company.yaml").read_text()
    (folder / "company.yaml").write_text(text.replace("country: Portugal}", f'country: Portugal, calendar: "{name}"}}'))
    line = 1 + next(n for n, words in enumerate(text.splitlines()) if "Lisbon" in words)

    with pytest.raises(RulesError) as caught:
        read_folder(folder)

    assert caught.value.problems == [
        f"company.yaml:{line}: locations.Lisbon.calendar: unknown calendar {name!r}; use one like DE or DE-BE"
    ]


# the hourly check

FIRST = datetime(2026, 10, 19, tzinfo=UTC)
HOURS = 14 * 24
ZONES = {"Auckland": "Pacific/Auckland", "Honolulu": "Pacific/Honolulu", "Lisbon": "Europe/Lisbon"}
STARTS = {"Auckland": time(7, 30), "Honolulu": time(8), "Lisbon": time(8)}
HOLIDAYS = {"Auckland": {date(2026, 10, 26)}, "Honolulu": {date(2026, 11, 3)}, "Lisbon": {date(2026, 10, 5)}}
"""Of those weeks: Labour Day; the general election; the Republic."""
DAYS = st.dates(date(2026, 10, 19), date(2026, 11, 1))


@pytest.fixture(scope="module")
def site(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = a_site(sandbox, tmp_path_factory.mktemp("site"))
    yield made
    made.db.close()


def changes(person: Person, days: int) -> list[datetime]:
    """The instants at which this person's standing becomes another one, counted day by day."""
    place = person.location or ""
    start, hired, last = STARTS[place], person.hire_date, person.last_day
    assert hired is not None
    found = [(hired, start)]
    opened = hired
    if days:
        opened = next(d for d in (hired + timedelta(n) for n in range(9)) if works(d, place))
        for _ in range(days):
            opened = next(d for d in (opened - timedelta(n) for n in range(1, 9)) if works(d, place))
        found.append((opened, start))
    if last is not None:
        found.append((last, time(18)))
    return [datetime.combine(day, at, ZoneInfo(ZONES[place])).astimezone(UTC) for day, at in found]


def works(day: date, place: str) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS[place]


@st.composite
def persons(draw: st.DrawFn) -> list[Person]:
    made = []
    for number in range(draw(st.integers(1, 5))):
        hire = draw(DAYS)
        stays = draw(st.none() | st.integers(0, 9))
        last = None if stays is None else hire + timedelta(stays)
        place = draw(st.sampled_from(sorted(ZONES)))
        plain = {"employee_id": str(number), "given_name": "A", "family_name": "B", "location": place}
        made.append(Person(**plain, hire_date=hire, last_day=last))
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=persons(),
    minutes=st.sets(st.integers(1, HOURS * 60), min_size=1, max_size=25),
    days=st.integers(0, 3),
)
def test_each_change_is_found_once_whatever_hours_it_runs(
    site: Site, people: list[Person], minutes: set[int], days: int
) -> None:
    site.rules = with_company(site.rules, prehire_days=days, locations=LOCATIONS)
    looks = [FIRST, *(FIRST + timedelta(minutes=n) for n in sorted(minutes))]
    frame = frame_of(people)

    found = [
        (look, who) for last, look in zip(looks, looks[1:], strict=False) for who in moved(site, frame, last, look)
    ]

    expected = {
        (look, person.employee_id)
        for person in people
        for last, look in zip(looks, looks[1:], strict=False)
        if any(last < instant <= look for instant in changes(person, days))
    }
    assert set(found) == expected and len(found) == len(expected)


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    """Two to be hired on Monday and one who leaves on Friday; accounts are prepared a working day before."""
    with company(sandbox, tmp_path, prehire_days=1) as lives:
        lives.hire("2", "Moana", "Reed", start="2026-10-27", location="Auckland")
        lives.hire("3", "Lena", "Gray", start="2026-10-26")
        lives.hire("4", "Paul", "Quit", last="2026-10-23")
        lives.sync(datetime(2026, 10, 20, 12, tzinfo=UTC))
        yield lives


def check(lives: Lives, last: str, now: str) -> dict[str, str]:
    """A check at that instant after one at `last`: person -> how the run went."""
    then, moment = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (last, now))
    who, _ = come(lives.site, then.isoformat(), moment)
    rows = zip(who["person_id"], who["flow"], strict=True)
    return {person: lives.run(flow, person, moment).state for person, flow in rows}


def test_the_day_on_which_preparation_opens_counts(lives: Lives) -> None:
    """Labour Day in Auckland is Monday the 26th: preparation for Tuesday opens on Friday, 07:30 there."""
    assert check(lives, "2026-10-22T17:00", "2026-10-22T18:29") == {}
    assert check(lives, "2026-10-22T18:29", "2026-10-22T18:30") == {"2": "Completed"}
    assert "sso" in lives.access_of("2") and lives.access_of("3") == set()
    assert check(lives, "2026-10-22T18:30", "2026-10-23T06:59") == {}
    assert check(lives, "2026-10-23T06:59", "2026-10-23T07:00") == {"3": "Completed"}


def test_checks_that_were_skipped_are_made_up(lives: Lives) -> None:
    found = check(lives, "2026-10-21T00:05", "2026-10-26T09:05")

    assert found == {"2": "Completed", "3": "Completed", "4": "Completed"}
    assert "sso" in lives.access_of("2") and "sso" in lives.access_of("3") and lives.access_of("4") == set()
    assert check(lives, "2026-10-26T09:05", "2026-10-26T10:05") == {}
