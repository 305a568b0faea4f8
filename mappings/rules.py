"""desired(people, date): who should hold what, and why. Vectorised: one mask per playbook, not a loop per person."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mappings.access import Target
from mappings.folder import Rules
from mappings.people import EXTRA, Person, Status
from mappings.vocabulary import DERIVED, PLACE, AppRules, Playbook

PRESENT = (Status.ACTIVE, Status.NOTICE, Status.LEAVE)
"""Statuses in which a person has access."""


SEPARATOR, NOTHING = "\x1f", "\x00"
"""Between the cells of a row that is hashed, and in the place of an empty one."""


def present(people: pd.DataFrame, status: pd.Series, prehire_days: int, today: pd.Timestamp | None = None) -> pd.Series:
    """Whether each row should have access: working here, or starting within `prehire_days` of `today`."""
    here = status.isin([s.value for s in PRESENT])
    if prehire_days and today is not None:
        soon = people["hire_date"] <= today + pd.Timedelta(days=prehire_days)
        here |= (status == Status.PREHIRE.value) & soon.fillna(False)
    return here


def matches(people: pd.DataFrame, playbook: Playbook) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mask of the rows a playbook is for."""
    mask = all_of(people, playbook.who)
    return mask & ~all_of(people, playbook.unless) if playbook.unless else mask


def all_of(people: pd.DataFrame, conditions: dict[str, tuple[str, ...]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mask of the rows for which every attribute has one of its values."""
    mask = np.ones(len(people), dtype=bool)
    for name, values in conditions.items():
        mask &= people[name].isin(values).to_numpy(dtype=bool) if name in people else False
    return mask


def matching(people: pd.DataFrame, here: pd.Series, rules: Rules) -> pd.DataFrame:
    """One bool column per playbook: who gets it."""
    inside = here.to_numpy(dtype=bool)
    return pd.DataFrame({n: inside & matches(people, p) for n, p in rules.playbooks.items()}, index=people.index)


def desired(people: pd.DataFrame, here: pd.Series, rules: Rules) -> pd.DataFrame:
    """Grants as rows: person_id, app, entitlement ("" for the account), why. Each pair once, the first reason kept."""
    masks = matching(people, here, rules)
    parts = [
        grants_of(people[masks[name].to_numpy()], playbook, given)
        for name, playbook in rules.playbooks.items()
        for given in playbook.give
    ]
    columns = ["person_id", "app", "entitlement", "why"]
    if not parts:
        return pd.DataFrame(columns=columns, dtype="string")
    grants = pd.concat(parts, ignore_index=True)
    accounts = grants.assign(entitlement="")  # an entitlement implies the account
    both = pd.concat([grants[grants["entitlement"] == ""], accounts, grants], ignore_index=True)
    return both.drop_duplicates(["person_id", "app", "entitlement"], ignore_index=True)


def grants_of(people: pd.DataFrame, playbook: Playbook, given: str) -> pd.DataFrame:
    """The rows of one `give` line of a playbook; people who lack an attribute the name needs are left out."""
    app, _, name = given.partition(":")
    found = {"person_id": people["employee_id"], "app": app, "entitlement": name, "why": reason(playbook)}
    if PLACE.search(name):
        found["entitlement"] = fill_frame(name, people)
    return pd.DataFrame(found).dropna()


def reason(playbook: Playbook) -> str:
    """`Sales Onboarding Playbook: department = Sales`."""
    parts = [f"{name} = {' or '.join(values)}" for name, values in playbook.who.items()]
    parts += [f"not {name} = {' or '.join(values)}" for name, values in playbook.unless.items()]
    return f"{playbook.title}: {', '.join(parts) or 'everybody'}"


def fill_frame(template: str, people: pd.DataFrame) -> pd.Series:
    """A template's text for each row; NA where a value is missing."""
    text = pd.Series("", index=people.index, dtype="string")
    for number, part in enumerate(PLACE.split(template)):
        text = text + (column(people, part) if number % 2 else part)
    return text


def column(people: pd.DataFrame, name: str) -> pd.Series:
    """A column of a frame of people as text; all NA where there is none."""
    return people[name].astype("string") if name in people else pd.Series(pd.NA, people.index, dtype="string")


def fill(template: str, values: dict[str, str]) -> str | None:
    """A template's text for one person; None where a value is missing."""
    if any(name not in values for name in PLACE.findall(template)):
        return None
    return PLACE.sub(lambda place: values[place[1]], template)


def values_of(person: Person, **derived: str | None) -> dict[str, str]:
    """What templates may use: the person's attributes as text, and the derived ones that are known."""
    plain = person.model_dump(mode="json", exclude={"extras"}, exclude_none=True)
    known = {"display_name": person.display_name} | {k: v for k, v in derived.items() if v and k in DERIVED}
    if person.work_email:
        known["user_name"] = person.work_email.partition("@")[0]
    return {k: str(v) for k, v in plain.items()} | {EXTRA + k: v for k, v in person.extras.items()} | known


def attributes_of(app: AppRules, values: dict[str, str]) -> dict[str, str]:
    """The app's fields for one person; a field whose values are missing is left out."""
    filled = {field: fill(template, values) for field, template in app.attributes.items()}
    return {field: text for field, text in filled.items() if text}


def targets(grants: pd.DataFrame, values: dict[str, str], rules: Rules) -> dict[str, Target]:
    """One person's accounts as they should be, from that person's rows of `desired`."""
    reasons: dict[str, dict[str, str]] = {}
    for app, name, why in zip(grants["app"], grants["entitlement"], grants["why"], strict=True):
        reasons.setdefault(app, {})[name] = why
    return {app: target(app, held, values, rules) for app, held in sorted(reasons.items())}


def target(app: str, held: dict[str, str], values: dict[str, str], rules: Rules) -> Target:
    """The account in one app; `held` has the reason of each entitlement, and under "" that of the account."""
    names = {name: why for name, why in held.items() if name}
    attributes = attributes_of(rules.apps[app], values)
    return Target(app=app, active=True, attributes=attributes, entitlements=names, why=held[""])


def fingerprints(people: pd.DataFrame, status: pd.Series, here: pd.Series, rules: Rules) -> pd.Series:
    """A 64-bit number per row that changes when anything does that can change the person's accounts.

    Covers the HR row, the status, whether the person should have access, and the rules.
    """
    whole = people.assign(status=status, here=here).astype("string")
    cells: list[Any] = [pa.array(whole[name], pa.large_string()) for name in whole]
    salt, between = (pa.scalar(text, pa.large_string()) for text in (rules.hash, SEPARATOR))
    rows = pc.binary_join_element_wise(*cells, salt, between, null_handling="replace", null_replacement=NOTHING)
    numbers = pd.util.hash_array(rows.to_numpy(zero_copy_only=False), categorize=False)
    return pd.Series(numbers, index=people.index)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
