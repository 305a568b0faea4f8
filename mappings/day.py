"""Which date it is for each person: joiners begin at their location's start of day, leavers end at its cut-off."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from mappings.people import PRESENT, Status, status_frame
from mappings.vocabulary import Company, Location
from mappings.workdays import opening

Place = tuple[str, time, time]
"""Time zone, start of day, cut-off."""


def places(people: pd.DataFrame, company: Company) -> tuple[npt.NDArray[np.intp], list[Place]]:
    """The number of each row's place, and the places: the person's own zone first, then the location's."""
    where, names = pd.factorize(people["location"].fillna(""))
    zone, zones = pd.factorize(people["time_zone"].fillna(""))
    pairs, numbers = np.unique(where * len(zones) + zone, return_inverse=True)
    return numbers, [place(names[pair // len(zones)], zones[pair % len(zones)], company) for pair in pairs]


def place(location: str, zone: str, company: Company) -> Place:
    """The place of people in a location who may have a zone of their own; one that nobody knows does not count."""
    here = company.locations.get(location) or Location(time_zone=company.time_zone)
    return (zone if is_zone(zone) else here.time_zone, here.start_of_day, here.cut_off)


@cache
def is_zone(name: str) -> bool:
    """Whether the tz database has this name."""
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def status_at(people: pd.DataFrame, company: Company, moment: datetime | date) -> pd.Series:
    """Status of each row on a plain date, or at an instant (aware) in everybody's own place.

    At an instant the hire date has come once the start of day is past, and the last day is over at the cut-off.
    """
    return status_frame(people, *local_dates(people, company, moment))


def standing(people: pd.DataFrame, company: Company, moment: datetime | date) -> tuple[pd.Series, pd.Series]:
    """Status of each row, and whether the person should have access: working here, or about to begin."""
    joining, leaving = local_dates(people, company, moment)
    status = status_frame(people, joining, leaving)
    soon = (status == Status.PREHIRE.value) & (opening(people, company) <= joining)
    return status, status.isin([s.value for s in PRESENT]) | soon.fillna(False).astype(bool)


def local_dates(people: pd.DataFrame, company: Company, moment: datetime | date) -> tuple[pd.Series, pd.Series]:
    """The date that counts for each row's hire date, and the one for its last day."""
    if not isinstance(moment, datetime):
        plain = pd.Series(pd.Timestamp(moment), index=people.index)
        return plain, plain
    numbers, found = places(people, company)
    joining = [(local(moment, zone) - since_midnight(start)).date() for zone, start, _ in found]
    leaving = [(local(moment, zone) + timedelta(days=1) - since_midnight(end)).date() for zone, _, end in found]
    return dates(joining, numbers, people), dates(leaving, numbers, people)


def local(moment: datetime, zone: str) -> datetime:
    """Wall-clock time in `zone`, as a naive datetime."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def since_midnight(at: time) -> timedelta:
    """A time of day as a length."""
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)


def dates(days: list[date], numbers: npt.NDArray[np.intp], people: pd.DataFrame) -> pd.Series:
    """The date of each row's place."""
    return pd.Series(np.array(days, dtype="datetime64[s]")[numbers], index=people.index)


def local_date(zone: str, moment: datetime) -> date:
    """Today's date in `zone`."""
    return local(moment, zone).date()
