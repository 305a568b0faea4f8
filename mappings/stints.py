"""History tables: one row per stint (in a department, a job); which row of a person counts on a date."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from mappings.vocabulary import History

SINCE, UNTIL = "_since", "_until"
"""Columns with a stint's first and last day (NaT while it lasts), both inclusive."""
DAY = pd.Timedelta(days=1)


def current(stints: pd.DataFrame, history: History, on: date | None = None) -> pd.DataFrame:
    """One row per employee_id: the stint valid `on` the date (the latest begun, where several are), else the
    last one ended, else the first to come. Without a date, the date is the end of time."""
    today = pd.Timestamp(on or date(9999, 12, 31))
    if history.last_day:
        stints = stints.assign(last_day=ends(stints))
    begun, lasting = stints[SINCE] <= today, stints[UNTIL].isna() | (stints[UNTIL] >= today)
    days = (stints[SINCE] - today) / DAY
    order = pd.DataFrame({"rank": begun * (1 + lasting), "near": np.where(begun, days, -days)}, stints.index)
    chosen = stints.loc[order.sort_values(["rank", "near"], kind="stable").index]
    chosen = chosen.drop_duplicates("employee_id", keep="last").sort_index()
    # HR's hire date may lie before the first stint: nobody works before that
    later = chosen["hire_date"].mask(chosen[SINCE] > today, chosen[[SINCE, "hire_date"]].max(axis=1))
    return chosen.assign(hire_date=later)


def ends(stints: pd.DataFrame) -> pd.Series:
    """The last day of each stint's unbroken employment: NaT where its last stint is open. A gap of a day or
    more between stints ends one employment and begins the next (a rehire)."""
    known = stints.sort_values(["employee_id", SINCE])
    until = known[UNTIL].fillna(pd.Timestamp(9999, 12, 31))
    so_far = until.groupby(known["employee_id"]).cummax()
    before = so_far.groupby(known["employee_id"]).shift()
    block = (before.isna() | (known[SINCE] > before + DAY)).cumsum()
    last = so_far.groupby(block).transform("max")
    return last.where(last < pd.Timestamp(9999, 12, 31)).reindex(stints.index)
