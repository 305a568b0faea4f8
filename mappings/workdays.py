"""Working days: from which date on a joiner's accounts are prepared, by the calendar of the place of work."""

from __future__ import annotations

from functools import cache

import holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from mappings.vocabulary import Company

Days = npt.NDArray[np.datetime64]


def opening(people: pd.DataFrame, company: Company) -> pd.Series:
    """The date from which each person is prepared for: the hire date less the company's working days of lead."""
    hired = people["hire_date"].astype("datetime64[s]")
    if not company.prehire_days:
        return hired
    opens = hired.copy()
    for location, rows in people.groupby(people["location"].fillna("")).groups.items():
        place = company.locations.get(str(location))
        dates = hired[rows].dropna()
        opens[dates.index] = before(dates, company.prehire_days, place.calendar if place else "")
    return opens


def before(dates: pd.Series, days: int, calendar: str) -> pd.Series:
    """Each date less so many working days."""
    plain = dates.to_numpy().astype("datetime64[D]")
    years = np.unique(plain.astype("datetime64[Y]").astype(int) + 1970)
    free = (
        holidays_of(calendar, int(years.min()) - 1, int(years.max())) if len(years) else np.array([], "datetime64[D]")
    )
    earlier = np.busday_offset(plain, -days, roll="forward", holidays=free)
    return pd.Series(earlier.astype("datetime64[s]"), index=dates.index)


@cache
def holidays_of(calendar: str, first: int, last: int) -> Days:
    """Public holidays of `DE` or `DE-BE` in these years, by the holidays library; none where no calendar is named."""
    if not calendar:
        return np.array([], dtype="datetime64[D]")
    country, _, part = calendar.partition("-")
    found = holidays.country_holidays(country, subdiv=part or None, years=range(first, last + 1))
    return np.array(sorted(found), dtype="datetime64[D]")


def is_calendar(name: str) -> bool:
    """Whether the holidays library knows it."""
    try:
        holidays_of(name, 2026, 2026)
    except NotImplementedError:
        return False
    return True
