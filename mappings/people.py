"""Person, and what a date makes of one: unknown, prehire, active, leave, notice or terminated."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

EXTRA = "extra."  # prefix of a named extra's column in a frame of people


class Status(StrEnum):
    """Where a person stands on one date."""

    UNKNOWN = "unknown"
    PREHIRE = "prehire"
    ACTIVE = "active"
    LEAVE = "leave"
    NOTICE = "notice"
    TERMINATED = "terminated"


PRESENT = (Status.ACTIVE, Status.NOTICE, Status.LEAVE)
"""Statuses in which a person has access."""


class Person(BaseModel):
    """One human in HR. Dates are the person's own local dates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    employee_id: str = Field(min_length=1)
    """HR's own stable key, always text: employee numbers keep their zeros."""
    given_name: str
    family_name: str
    preferred_name: str | None = None
    """What the person is called, where it differs from the given name."""
    work_email: str | None = None
    personal_email: str | None = None
    department: str | None = None
    title: str | None = None
    location: str | None = None
    """A name under `locations` in company.yaml, where the company has listed any."""
    country: str | None = None
    time_zone: str | None = None
    """IANA name; otherwise the location's, otherwise the company's."""
    manager_id: str | None = None
    """The manager's employee_id."""
    worker_type: str = "employee"
    """employee, contractor, intern, … as listed in company.yaml."""
    employment_status: str | None = None
    """HR's own word after mapping: active, leave, terminated or nothing."""
    hire_date: date | None = None
    """First day of work."""
    last_day: date | None = None
    """Last day of work, inclusive."""
    termination_type: str | None = None
    cost_center: str | None = None
    company: str | None = None
    extras: dict[str, str] = Field(default_factory=dict)
    """Further HR fields by name, for rules and attributes."""

    @property
    def display_name(self) -> str:
        """`preferred family`, as apps show it."""
        return f"{self.preferred_name or self.given_name} {self.family_name}".strip()


TEXT_COLUMNS: tuple[str, ...] = (
    "employee_id",
    "given_name",
    "family_name",
    "preferred_name",
    "work_email",
    "personal_email",
    "department",
    "title",
    "location",
    "country",
    "time_zone",
    "manager_id",
    "worker_type",
    "employment_status",
    "termination_type",
    "cost_center",
    "company",
)
DATE_COLUMNS: tuple[str, ...] = ("hire_date", "last_day")
COLUMNS: tuple[str, ...] = TEXT_COLUMNS + DATE_COLUMNS
"""Columns of a frame of people: text as pandas strings with NA, dates as datetime64[s] with NaT; further
columns are named `extra.<name>`. One row per employee_id."""


def person_of(row: dict[str, Any]) -> Person:
    """The Person in one row (a dict) of a frame of people."""
    known = {k: v for k, v in row.items() if k in COLUMNS and not pd.isna(v)}
    for name in DATE_COLUMNS:
        if name in known:
            known[name] = pd.Timestamp(known[name]).date()
    extras = {k.removeprefix(EXTRA): v for k, v in row.items() if k.startswith(EXTRA) and not pd.isna(v)}
    return Person(**known, extras=extras)


def frame_of(people: list[Person]) -> pd.DataFrame:
    """A frame of people from Persons: the inverse of `person_of`, row by row."""
    rows = []
    for person in people:
        row = person.model_dump(exclude={"extras"})
        rows.append(row | {EXTRA + k: v for k, v in person.extras.items()})
    return tidy(pd.DataFrame(rows, columns=None if rows else list(COLUMNS)))


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame of people every column of COLUMNS, in order, with its type; extras after them."""
    extras = sorted(c for c in frame.columns if c.startswith(EXTRA))
    frame = frame.reindex(columns=[*COLUMNS, *extras])
    types = dict.fromkeys([*TEXT_COLUMNS, *extras], "string") | dict.fromkeys(DATE_COLUMNS, "datetime64[s]")
    return frame.astype(types)


def status_on(person: Person, on: date) -> Status:
    """The person's status on their own local date `on`."""
    return Status(status_frame(frame_of([person]), on).iloc[0])


def status_frame(people: pd.DataFrame, on: date | pd.Series, leaving: pd.Series | None = None) -> pd.Series:
    """Status of each row on `on`: one date for all, or a Series of local dates aligned with the rows.

    `leaving` is the date that counts for the last day, where it differs (see mappings.clock).
    """
    today = on if isinstance(on, pd.Series) else pd.Series(pd.Timestamp(on), index=people.index)
    hired, last = people["hire_date"], people["last_day"]
    word = people["employment_status"].fillna("")
    past = last.notna() & ((today if leaving is None else leaving) > last)
    never = (last < hired) & (word == "terminated")  # cancelled before the first day
    gone = past | never | (last.isna() & (word == "terminated") & ~(today < hired))
    cases = [hired.isna(), gone, today < hired, word == "leave", last.notna()]
    names = [Status.UNKNOWN, Status.TERMINATED, Status.PREHIRE, Status.LEAVE, Status.NOTICE]
    found = np.select(
        [c.to_numpy(dtype=bool, na_value=False) for c in cases], [s.value for s in names], Status.ACTIVE.value
    )
    return pd.Series(found, index=people.index, dtype="string")
