"""Reading those who changed, between whole readings: the end is as if everybody had been read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sandbox import Sandbox
from flows.daily_sync import classify, keep
from flows.gate import believed
from flows.reading import Reading, last_of, mark, note, read
from flows.record import holds, marks, snapshots
from flows.record.database import Database
from flows.settings import Settings
from flows.site import Site
from mappings.folder import read_folder
from tests.lives import SAMPLE

DAY, NEXT_WEEK = timedelta(days=1), timedelta(days=8)


class Desk:
    """HR's twin, and what the daily sync does of it before it plans."""

    def __init__(self, sandbox: Sandbox, folder: Path, source: str = "bamboohr", full: str = "weekly") -> None:
        self.sandbox, self.source = sandbox, source
        db = Database(f"sqlite:///{folder / 'record.db'}")
        db.migrate()
        rules = read_folder(SAMPLE)
        mapping = read_folder(with_source(folder, source)).hr.model_copy(update={"full": full})
        rules = replace(rules, company=rules.company.model_copy(update={"hr": source}), hr=mapping)
        self.site = Site(Settings(home=folder, mappings=SAMPLE), sandbox.environment, rules, db)

    def look(self, moment: datetime | None = None, full: bool = False) -> Reading:
        """Read, judge and keep."""
        moment = moment or datetime.now(UTC)
        reading = read(self.site, moment, full)
        verdict = believed(self.site, reading.feed, moment)
        keep(self.site, reading.feed, classify(self.site, reading.feed, moment), verdict, moment, reading)
        return reading

    def held(self) -> dict[str, str]:
        return {row.person_id: row.source for row in holds.held(self.site.db)}

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """What somebody in HR does."""
        values = self.sandbox.environment
        auth, root = (values["BAMBOOHR_API_KEY"], "x"), f"{self.sandbox.url}/{self.source}"
        return httpx.request(method, root + path, json=body, auth=auth).raise_for_status()

    def change(self, person: str, **fields: str) -> None:
        self.ask("POST", f"/api/v1/employees/{person}", fields)

    def calls(self) -> list[str]:
        seen = self.sandbox.control(self.source).log()
        return [f"{each['method']} {each['path'].rpartition('/')[2]}" for each in seen]


def with_source(folder: Path, source: str) -> Path:
    """The sample with another source."""
    made = folder / "mappings"
    shutil.copytree(SAMPLE, made)
    company = made / "company.yaml"
    company.write_text(company.read_text().replace("hr: bamboohr", f"hr: {source}"))
    return made


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path) -> Iterator[Desk]:
    fresh(sandbox, "bamboohr")
    found = Desk(sandbox, tmp_path)
    yield found
    found.site.db.close()


def fresh(sandbox: Sandbox, name: str) -> None:
    control = sandbox.control(name)
    control.reset()
    control.faults([])
    control.limits(1000)
    control.clear_log()


def same(reading: Reading, whole: Reading) -> bool:
    return snapshots.hash_of(reading.feed.people) == snapshots.hash_of(whole.feed.people)


def tomorrow() -> datetime:
    return datetime.now(UTC) + DAY


def test_the_first_reading_is_of_everybody(desk: Desk) -> None:
    reading = desk.look()

    assert reading.changed is None and len(reading.feed.people) == 24


def test_the_next_day_only_those_who_changed_are_read(desk: Desk) -> None:
    desk.look()
    desk.change("104", lastName="Harbour")
    desk.sandbox.control("bamboohr").clear_log()

    reading = desk.look(tomorrow())

    assert desk.calls() == ["GET changed", "GET 104"]
    assert reading.changed == 1 and "1 were read; everybody was on" in reading.told
    assert same(reading, read(desk.site, tomorrow(), whole=True))


def test_nobody_changed_is_a_whole_feed_too(desk: Desk) -> None:
    whole = desk.look()

    reading = desk.look(tomorrow())

    assert reading.changed == 0 and same(reading, whole)


FIELDS = st.sampled_from(["firstName", "lastName", "homeEmail", "customTimeZone"])
WORDS = st.sampled_from(["Harbour", "Mill", "", "Ö"])
PEOPLE = st.integers(101, 124).map(str)
ROW = {"date": "2026-01-05", "department": "Sales", "location": "Lisbon", "jobTitle": "Buyer"}
CHANGES = st.one_of(
    st.tuples(st.just("POST"), PEOPLE.map("/api/v1/employees/{}".format), st.dictionaries(FIELDS, WORDS, min_size=1)),
    st.tuples(st.just("POST"), PEOPLE.map("/api/v1/employees/{}/tables/jobInfo".format), st.just(ROW)),
    st.tuples(
        st.just("POST"),
        PEOPLE.map("/api/v1/employees/{}/tables/employmentStatus".format),
        st.fixed_dictionaries({"date": st.dates(date(2026, 1, 1), date(2027, 1, 1)).map(str)}).map(
            lambda row: row | {"employmentStatus": "Terminated"}
        ),
    ),
    st.tuples(
        st.just("POST"),
        st.just("/api/v1/employees"),
        st.just({"firstName": "Noor", "lastName": "Haddad", "hireDate": "2026-01-05"}),
    ),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(days=st.lists(st.lists(CHANGES, max_size=4), min_size=1, max_size=3))
def test_days_of_changes_end_as_a_whole_reading_does(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, days: list[list[Any]]
) -> None:
    fresh(sandbox, "bamboohr")
    desk = Desk(sandbox, tmp_path_factory.mktemp("desk"))
    desk.look()
    for number, day in enumerate(days, 1):
        for method, path, body in day:
            desk.ask(method, path, body)

        reading = desk.look(datetime.now(UTC) + number * DAY)

        assert reading.changed is not None
        assert same(reading, read(desk.site, datetime.now(UTC), whole=True))
    desk.site.db.close()


def test_a_record_that_is_gone_is_seen_within_the_week(desk: Desk) -> None:
    desk.look()
    desk.ask("DELETE", "/screen/108")

    assert "108" in set(desk.look(tomorrow()).feed.people["employee_id"]) and "108" not in desk.held()
    assert desk.look(datetime.now(UTC) + NEXT_WEEK).changed is None
    assert desk.held()["108"] == holds.VANISHED


def test_a_held_person_is_asked_about_each_day(desk: Desk) -> None:
    """Who vanished comes back without a change that HR would tell of."""
    desk.look()
    holds.place(desk.site.db, "108", holds.VANISHED, "HR has no record")
    people = snapshots.latest(desk.site.db, "bamboohr")
    assert people is not None
    some = people[1][people[1]["employee_id"] != "108"]
    snapshots.save(desk.site.db, "bamboohr", some, datetime.now(UTC))

    reading = desk.look(tomorrow())

    assert reading.changed == 1 and len(reading.feed.people) == 24
    assert "108" not in desk.held()


def test_a_row_that_cannot_be_used_is_held_until_it_is_mended(desk: Desk) -> None:
    desk.change("108", hireDate="2020-01-13", lastName="")
    assert [row.employee_id for row in desk.look().feed.held] == ["108"]

    assert [row.employee_id for row in desk.look(tomorrow()).feed.held] == ["108"] and desk.held() == {
        "108": "bamboohr"
    }
    desk.change("108", lastName="Conceição")
    assert not desk.look(tomorrow()).feed.held and desk.held() == {}


def test_what_hr_wrote_while_it_was_read_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change comes after its page and before the snapshot; our clock is 40 minutes ahead of HR's."""
    hr = desk.site.hr
    page = hr.read

    def slow() -> Any:
        frame = page()
        desk.change("104", lastName="Harbour")
        return frame

    monkeypatch.setattr(hr, "read", slow)
    reading = desk.look()
    note(desk.site, replace(reading, asked=reading.asked + timedelta(minutes=40)))

    assert "Harbour" in set(desk.look(tomorrow()).feed.people["family_name"])


def changed_rules(desk: Desk) -> None:
    hr = desk.site.rules.hr
    desk.site.rules = replace(desk.site.rules, hr=hr.model_copy(update={"nulls": ("", "?")}))


def always(desk: Desk) -> None:
    desk.site.rules = replace(desk.site.rules, hr=desk.site.rules.hr.model_copy(update={"full": "always"}))


def refuses(desk: Desk) -> None:
    desk.sandbox.control("bamboohr").faults([{"match": "changed", "kind": "403"}])


def nameless(desk: Desk) -> None:
    last = last_of(desk.site)
    assert last is not None
    marks.set(desk.site.db, mark(desk.site), last.model_copy(update={"nameless": True}).model_dump(mode="json"))


def nothing(desk: Desk) -> None:
    pass


@pytest.mark.parametrize(
    ("what", "moment", "full"),
    [
        (changed_rules, DAY, False),
        (always, DAY, False),
        (refuses, DAY, False),
        (nameless, DAY, False),
        (nothing, NEXT_WEEK, False),
        (nothing, -DAY, False),
        (nothing, DAY, True),
    ],
)
def test_everybody_is_read_where_anything_is_in_doubt(
    desk: Desk, what: Callable[[Desk], None], moment: timedelta, full: bool
) -> None:
    desk.look()
    what(desk)

    assert read(desk.site, datetime.now(UTC) + moment, full).changed is None


def test_a_replayed_date_is_read_whole(desk: Desk) -> None:
    desk.look()

    assert read(desk.site, tomorrow().date()).changed is None


def test_a_feed_that_is_not_believed_is_no_base(desk: Desk) -> None:
    desk.look()
    last = last_of(desk.site)
    reading = read(desk.site, tomorrow())

    assert last_of(desk.site) == last and reading.asked > last.asked  # type: ignore[union-attr]


def test_in_workday_a_date_that_comes_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """A move entered weeks ago takes effect: Workday's log of transactions is asked by both times."""
    fresh(sandbox, "workday")
    desk = Desk(sandbox, tmp_path, "workday")
    url = f"{sandbox.url}/workday/screen/108"
    today = datetime.now(UTC).date()
    httpx.put(url, json={"effective": (today + DAY).isoformat(), "department": "People"}).raise_for_status()
    desk.look()
    sandbox.today(today + DAY)
    try:
        reading = desk.look(tomorrow())
        people = reading.feed.people.set_index("extra.employee_number")

        assert reading.changed is not None and people.loc["108", "department"] == "People"
        assert same(reading, read(desk.site, tomorrow(), whole=True))
    finally:
        sandbox.today(None)
        desk.site.db.close()
