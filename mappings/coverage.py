"""What a feed fills: for whoever connects an HR system and wants to see that each of its fields came as was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd
from pydantic import BaseModel, ConfigDict

from mappings.people import PRESENT, Status
from mappings.vocabulary import Company, HrSource

LISTED = ("worker_type", "employment_status", "location", "department", "country", "company")
"""Attributes that take few values, which do not tell who anybody is."""
SHOWN = 12  # of these, the most frequent
MEANT = ("active", "leave", "terminated")
"""Words of employment_status that mean something; whatever else stands there counts as nothing."""


class Field(BaseModel):
    """One attribute in a feed."""

    model_config = ConfigDict(frozen=True)

    attribute: str
    column: str
    """The source's name for it."""
    filled: int
    """People who have a value."""
    different: int
    """Values."""
    often: tuple[tuple[str, int], ...] = ()
    """The most frequent values with their counts, of attributes that take few."""
    strange: tuple[str, ...] = ()
    """Values that company.yaml, or nobody, knows."""


def fields(people: pd.DataFrame, rules: HrSource, company: Company) -> list[Field]:
    """Each mapped attribute, in the mapping's order."""
    return [field(people, name, column, known(name, company)) for name, column in rules.fields.items()]


def field(people: pd.DataFrame, name: str, column: str, expected: Iterable[str]) -> Field:
    """One of them; where nothing is expected, nothing is strange."""
    found = people[name].dropna()
    counts = found.value_counts() if name in LISTED else pd.Series(dtype="int64")
    often = tuple((str(word), int(many)) for word, many in counts.head(SHOWN).items())
    wanted = set(expected)
    strange = tuple(sorted(str(word) for word in counts.index if wanted and word not in wanted))
    return Field(
        attribute=name,
        column=column,
        filled=len(found),
        different=found.nunique(),
        often=often,
        strange=strange,
    )


def known(name: str, company: Company) -> Iterable[str]:
    """The values that an attribute may have; none where any is right."""
    lists = {"worker_type": company.worker_types, "location": company.locations, "employment_status": MEANT}
    return lists.get(name, ())


def doubts(people: pd.DataFrame, status: pd.Series, found: Iterable[Field]) -> Iterator[str]:
    """What whoever made the mapping should look at; `status` is that of today."""
    for each in found:
        if each.attribute in ("department", "manager_id", "location", "work_email") and not each.filled and len(people):
            yield f"{each.attribute} ({each.column}) is empty for everybody"
        for word in each.strange[:SHOWN]:
            yield f"{each.attribute} {word!r} is not known: translate it under `values` or list it in company.yaml"
    present = status.isin([one.value for one in PRESENT]).to_numpy(dtype=bool)
    if unknown := int((status == Status.UNKNOWN.value).sum()):
        yield f"{unknown} people have no hire date: nothing is done for them"
    if len(people) and not present.any():
        yield "nobody works here today: look at hire_date, last_day and employment_status"
    if not (status == Status.TERMINATED.value).any() and len(people) > 1:
        yield "nobody has left: if somebody has, the API user does not see leavers, or last_day is mapped wrongly"
    managers = people["manager_id"].dropna()
    if lost := int((~managers.isin(people["employee_id"])).sum()):
        yield f"{lost} people have a manager who is not in the feed: manager_id must be the manager's employee_id"
