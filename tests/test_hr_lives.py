"""A joiner, a mover, a leaver and a rehire entered in each twin as HR would: read back as the same person each time."""

from datetime import date
from typing import Any

import pytest

from mappings.feed import people_of
from mappings.people import Status, status_frame
from tests.hr_calls import VENDORS
from tests.hr_house import connected

FIRST, LAST, AGAIN = "2030-01-07", "2030-06-28", "2031-02-03"
AHEAD = ("darwinbox", "greythr", "gusto", "hibob", "keka", "personio", "rippling", "zoho_people")
"""Systems in which what is entered today for years to come shows at once."""


def seen(source: Any, key: str, day: str) -> tuple[str, Status]:
    """Department and status on a day, as read from HR now."""
    people = people_of(source.read_one(key), source.rules).people
    (status,) = status_frame(people, date.fromisoformat(day))
    return str(people["department"].iloc[0]), status


@pytest.mark.parametrize("vendor", AHEAD)
def test_a_life_in_hr_is_the_life_of_one_person(sandbox: Any, vendor: str) -> None:
    source, hr = connected(sandbox.environment, vendor), VENDORS[vendor]
    with hr.desk(sandbox.environment) as desk:
        key = hr.hire(desk, FIRST)
        assert seen(source, key, "2030-01-06") == ("Finance", Status.PREHIRE)
        assert seen(source, key, "2030-01-07") == ("Finance", Status.ACTIVE)

        hr.move(desk, key)
        assert seen(source, key, "2030-03-01") == ("Sales", Status.ACTIVE)

        hr.leave(desk, key, LAST)
        assert seen(source, key, "2030-06-28") == ("Sales", Status.NOTICE)
        assert seen(source, key, "2030-06-29") == ("Sales", Status.TERMINATED)

        hr.come_back(desk, key, AGAIN)
        assert seen(source, key, "2031-02-03") == ("Sales", Status.ACTIVE)
