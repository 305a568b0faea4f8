"""Joiners begin at their own start of day, leavers end at their own cut-off."""

from datetime import UTC, date, datetime

import pytest
from mappings_house import COMPANY, person

from mappings.day import is_zone, local_date, status_at
from mappings.people import Status, frame_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def status(moment: str | date, **words: object) -> str:
    when = moment if isinstance(moment, date) else at(moment)
    return str(status_at(frame_of([person(**words)]), COMPANY, when).iloc[0])


@pytest.mark.parametrize(
    ("moment", "found"),
    [("2024-03-04T06:59:59", "prehire"), ("2024-03-04T07:00:00", "active")],  # 08:00 in Berlin, winter
)
def test_a_joiner_begins_at_the_start_of_day_of_the_location(moment, found):
    assert status(moment, location="Berlin") == found


@pytest.mark.parametrize(
    ("moment", "found"),
    [("2024-03-29T16:59:59", "notice"), ("2024-03-29T17:00:00", "terminated")],  # 18:00 in Berlin, winter
)
def test_a_leaver_ends_at_the_cut_off_on_the_last_day(moment, found):
    assert status(moment, location="Berlin", last_day="2024-03-29") == found


@pytest.mark.parametrize(
    ("moment", "found"),
    [("2024-07-01T05:59:59", "prehire"), ("2024-07-01T06:00:00", "active")],  # 08:00 in Berlin, summer
)
def test_the_start_of_day_is_by_the_clock_on_the_wall(moment, found):
    assert status(moment, location="Berlin", hire_date="2024-07-01") == found


@pytest.mark.parametrize(
    ("moment", "found"),
    [("2024-03-31T05:59:59", "prehire"), ("2024-03-31T06:00:00", "active")],  # the clock went from 02:00 to 03:00
)
def test_on_the_day_the_clock_goes_forward_eight_is_still_eight(moment, found):
    assert status(moment, location="Berlin", hire_date="2024-03-31") == found


@pytest.mark.parametrize(
    ("moment", "found"),
    [("2024-10-27T16:59:59", "notice"), ("2024-10-27T17:00:00", "terminated")],  # the clock went back at 03:00
)
def test_on_the_day_the_clock_goes_back_eighteen_is_still_eighteen(moment, found):
    assert status(moment, location="Berlin", last_day="2024-10-27") == found


def test_both_sides_of_the_date_line_begin_on_their_own_monday():
    monday = {"hire_date": "2024-03-04"}
    people = frame_of([person("1", location="Auckland", **monday), person("2", location="Honolulu", **monday)])

    first, second = "2024-03-03T18:30:00", "2024-03-04T18:00:00"  # 07:30 in Auckland; 08:00 in Honolulu

    assert status_at(people, COMPANY, at("2024-03-03T18:29:59")).tolist() == ["prehire", "prehire"]
    assert status_at(people, COMPANY, at(first)).tolist() == ["active", "prehire"]
    assert status_at(people, COMPANY, at("2024-03-04T17:59:59")).tolist() == ["active", "prehire"]
    assert status_at(people, COMPANY, at(second)).tolist() == ["active", "active"]


def test_a_persons_own_zone_goes_before_the_locations():
    words = {"location": "Berlin", "time_zone": "Pacific/Honolulu", "last_day": "2024-03-29"}

    assert status("2024-03-29T17:00:00", **words) == "notice"
    assert status("2024-03-30T04:00:00", **words) == "terminated"  # 18:00 in Honolulu


@pytest.mark.parametrize("where", [{}, {"location": "Atlantis"}, {"time_zone": "Mars/Olympus", "location": "Berlin"}])
def test_an_unknown_place_is_the_companys_and_stops_nobody(where):
    assert status("2024-03-04T06:59:59", **where) == "prehire"
    assert status("2024-03-04T07:00:00", **where) == "active"


def test_on_a_plain_date_places_do_not_count():
    people = frame_of([person("1", location="Auckland"), person("2", location="Honolulu")])

    assert set(status_at(people, COMPANY, date(2024, 3, 4))) == {Status.ACTIVE}


def test_nobody_has_no_status_at_any_moment():
    assert status_at(frame_of([]), COMPANY, at("2024-03-04T07:00:00")).empty


def test_rows_keep_their_index():
    people = frame_of([person("1"), person("2", location="Auckland")]).set_axis([7, 3])

    assert status_at(people, COMPANY, at("2024-03-04T07:00:00")).to_dict() == {7: "active", 3: "active"}


def test_today_is_another_date_elsewhere():
    moment = at("2024-03-04T11:30:00")

    assert local_date("Pacific/Auckland", moment) == date(2024, 3, 5)
    assert local_date("Pacific/Honolulu", moment) == date(2024, 3, 4)


@pytest.mark.parametrize("word", ["", "Berlin", "Mars/Olympus", "../etc/passwd", "Europe/Berlin\0", "/etc/localtime"])
def test_what_is_no_zone(word):
    assert not is_zone(word)
