"""Overrides: explicit exceptions from the rules or from HR's word, each with a reason and an end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mappings.people import COLUMNS, DATE_COLUMNS, EXTRA
from mappings.rules import GRANT_COLUMNS


class Override(BaseModel):
    """One exception for one person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    person_id: str
    effect: Literal["give", "deny", "set"]
    name: str = Field(min_length=1)
    """`app` or `app:entitlement`; for `set` a person's attribute."""
    value: str = ""
    """For `set`: what counts instead of HR's value; '' for nothing."""
    why: str
    by: str
    until: AwareDatetime

    @property
    def reason(self) -> str:
        """As the reason of a grant."""
        return f"override {self.id}: {self.why} (by {self.by}, until {self.until:%Y-%m-%d %H:%M} UTC)"


def with_values(people: pd.DataFrame, overrides: Sequence[Override]) -> pd.DataFrame:
    """People with the values that overrides set in the place of HR's."""
    changed = people.copy() if any(o.effect == "set" for o in overrides) else people
    for override in overrides:
        if override.effect == "set" and (override.name in COLUMNS or override.name.startswith(EXTRA)):
            if override.name not in changed:
                changed[override.name] = pd.Series(pd.NA, changed.index, dtype="string")
            changed.loc[changed["employee_id"] == override.person_id, override.name] = cell(override)
    return changed


def cell(override: Override) -> Any:
    """The value as its column has it."""
    if override.name in DATE_COLUMNS:
        return pd.Timestamp(override.value) if override.value else pd.NaT
    return override.value or pd.NA


def mended(people: pd.DataFrame, overrides: Sequence[Override]) -> list[Override]:
    """The overrides that HR's own record makes needless: it says the same by now."""
    rows = people.set_index("employee_id")
    return [o for o in overrides if o.effect == "set" and o.person_id in rows.index and agrees(rows, o)]


def agrees(rows: pd.DataFrame, override: Override) -> bool:
    """Whether HR has the overriding value itself."""
    found: Any = rows[override.name].get(override.person_id, pd.NA) if override.name in rows else pd.NA
    wanted = cell(override)
    if pd.isna(found) or pd.isna(wanted):
        return bool(pd.isna(found) and pd.isna(wanted))
    return bool(found == wanted)


def with_grants(grants: pd.DataFrame, here: set[str], overrides: Sequence[Override]) -> pd.DataFrame:
    """Grants (as of rules.desired) with what overrides give to people who are `here`, less what they deny."""
    given = [row for o in overrides if o.effect == "give" and o.person_id in here for row in rows_of(o)]
    if given:
        grants = pd.concat([grants, pd.DataFrame(given, columns=GRANT_COLUMNS, dtype="string")], ignore_index=True)
        grants = grants.drop_duplicates(["person_id", "app", "entitlement"], ignore_index=True)
    for override in overrides:
        if override.effect == "deny":
            grants = grants[~denied(grants, override)]
    return grants.reset_index(drop=True)


def rows_of(override: Override) -> list[tuple[str, str, str, str, str]]:
    """The rows that it gives: the account, and the entitlement where it names one."""
    app, _, entitlement = override.name.partition(":")
    names = ["", entitlement] if entitlement else [""]
    return [(override.person_id, app, name, override.reason, "") for name in names]


def denied(grants: pd.DataFrame, override: Override) -> pd.Series:
    """Mask of the rows that it takes away: one entitlement, or an app with all that is in it."""
    app, _, entitlement = override.name.partition(":")
    hit = (grants["person_id"] == override.person_id) & (grants["app"] == app)
    return hit & (grants["entitlement"] == entitlement) if entitlement else hit


def told(people: pd.DataFrame, overrides: Sequence[Override]) -> pd.Series:
    """For each row of `people`, the exceptions that change its grants, as one text; NA where there are none."""
    texts: dict[str, list[str]] = {}
    for o in overrides:
        if o.effect != "set":  # those change the row itself
            texts.setdefault(o.person_id, []).append(f"{o.effect} {o.name}")
    known = {person: "|".join(sorted(found)) for person, found in texts.items()}
    return people["employee_id"].map(known).astype("string")


def next_end(overrides: Sequence[Override]) -> datetime | None:
    """When the first of them ends."""
    return min((o.until for o in overrides), default=None)
