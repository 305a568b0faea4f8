"""Which date it is for each person: joiners begin at their location's start of day, leavers end at its cut-off."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from mappings.people import status_frame
from mappings.vocabulary import Company, Location


def places(people: pd.DataFrame, company: Company) -> pd.Series:
    """Each row's (time zone, start of day, cut-off): the person's own zone first, then the location's."""
    plain = Location(time_zone=company.time_zone)

    def place(where: str, zone: str) -> tuple[str, time, time]:
        here = company.locations.get(where, plain)
        return (zone or here.time_zone, here.start_of_day, here.cut_off)

    pairs = pd.Series(list(zip(people["location"].fillna(""), people["time_zone"].fillna(""), strict=True)))
    known = {pair: place(*pair) for pair in pairs.unique()}
    return pd.Series(pairs.map(known).to_list(), index=people.index, dtype=object)


def status_at(people: pd.DataFrame, company: Company, moment: datetime | date) -> pd.Series:
    """Status of each row on a plain date, or at an instant (aware) in everybody's own place.

    At an instant the hire date has come once the start of day is past, and the last day is over at the cut-off.
    """
    if not isinstance(moment, datetime):
        return status_frame(people, moment)
    where = places(people, company)
    joining = {p: (local(moment, p[0]) - since_midnight(p[1])).date() for p in where.unique()}
    leaving = {p: (local(moment, p[0]) + timedelta(days=1) - since_midnight(p[2])).date() for p in where.unique()}
    return status_frame(people, dates(where, joining), dates(where, leaving))


def local(moment: datetime, zone: str) -> datetime:
    """Wall-clock time in `zone`, as a naive datetime."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def since_midnight(at: time) -> timedelta:
    """A time of day as a length."""
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)


def dates(where: pd.Series, known: dict[tuple[str, time, time], date]) -> pd.Series:
    """The date of each row's place."""
    return where.map({place: pd.Timestamp(day) for place, day in known.items()}).astype("datetime64[s]")


def local_date(zone: str, moment: datetime) -> date:
    """Today's date in `zone`."""
    return local(moment, zone).date()
