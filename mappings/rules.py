"""desired(people, date): who should hold what, and why. Vectorised: one mask per playbook, not a loop per person."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mappings.access import Target
from mappings.folder import Rules
from mappings.people import EXTRA, Person
from mappings.vocabulary import DERIVED, PLACE, AppRules, Playbook

SEPARATOR, NOTHING = "\x1f", "\x00"
"""Between the cells of a row that is hashed, and in the place of an empty one."""


GRANT_COLUMNS = ["person_id", "app", "entitlement", "why", "approver"]
"""Entitlement "" is the account itself; approver "" where nobody need approve."""


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
    """Grants as rows of GRANT_COLUMNS. Each pair once: the first reason, of those without approval if there are."""
    masks = matching(people, here, rules)
    parts = [
        grants_of(people[masks[name].to_numpy()], playbook, given)
        for name, playbook in sorted(rules.playbooks.items(), key=lambda item: bool(item[1].approver))
        for given in playbook.give
    ]
    if not parts:
        return pd.DataFrame(columns=GRANT_COLUMNS, dtype="string")
    grants = pd.concat(parts, ignore_index=True)
    accounts = grants.assign(entitlement="")  # an entitlement implies the account
    both = pd.concat([grants[grants["entitlement"] == ""], accounts, grants], ignore_index=True)
    if any(p.approver for p in rules.playbooks.values()):
        both = both.sort_values("approver", key=lambda column: column != "", kind="stable")
    return both.drop_duplicates(["person_id", "app", "entitlement"], ignore_index=True)


def grants_of(people: pd.DataFrame, playbook: Playbook, given: str) -> pd.DataFrame:
    """The rows of one `give` line of a playbook; people who lack an attribute the name needs are left out."""
    app, _, name = given.partition(":")
    found = {"person_id": people["employee_id"], "app": app, "entitlement": name, "why": reason(playbook)}
    found["approver"] = playbook.approver
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
        known.setdefault("user_name", person.work_email.partition("@")[0])
    return {k: str(v) for k, v in plain.items()} | {EXTRA + k: v for k, v in person.extras.items()} | known


def attributes_of(app: AppRules, values: dict[str, str]) -> dict[str, str]:
    """The app's fields for one person; a field whose values are missing is left out."""
    filled = {field: fill(template, values) for field, template in app.attributes.items()}
    return {field: text for field, text in filled.items() if text}


def targets(grants: pd.DataFrame, values: dict[str, str], rules: Rules, on_leave: bool = False) -> dict[str, Target]:
    """One person's accounts as they should be, from that person's rows of `desired`."""
    given: dict[str, list[Given]] = {}
    for app, *row in zip(*(grants[name] for name in GRANT_COLUMNS[1:]), strict=True):
        given.setdefault(app, []).append(Given(*row))
    return {app: target(app, rows, values, rules, on_leave) for app, rows in sorted(given.items())}


class Given(NamedTuple):
    """What one row of `desired` gives."""

    entitlement: str
    why: str
    approver: str


def target(app: str, given: list[Given], values: dict[str, str], rules: Rules, on_leave: bool) -> Target:
    """The account in one app."""
    reasons = {g.entitlement: g.why for g in given}
    rests = on_leave and rules.apps[app].leave == "suspend"
    return Target(
        app=app,
        active=not rests,
        attributes=attributes_of(rules.apps[app], values),
        entitlements={name: why for name, why in reasons.items() if name},
        approvers={g.entitlement: g.approver for g in given if g.approver},
        why="on leave" if rests else reasons[""],
    )


def fingerprints(
    people: pd.DataFrame, status: pd.Series, here: pd.Series, rules: Rules, exceptions: pd.Series | None = None
) -> pd.Series:
    """A 64-bit number per row that changes when anything does that can change the person's accounts.

    Covers the HR row, the status, whether the person should have access, the rules, and the exceptions from them
    (a text for each row, NA where there are none).
    """
    told = pd.Series(pd.NA, people.index, dtype="string") if exceptions is None else exceptions
    whole = people.assign(status=status, here=here, exceptions=told).astype("string")
    cells: list[Any] = [pa.array(whole[name], pa.large_string()) for name in whole]
    salt, between = (pa.scalar(text, pa.large_string()) for text in (rules.hash, SEPARATOR))
    rows = pc.binary_join_element_wise(*cells, salt, between, null_handling="replace", null_replacement=NOTHING)
    numbers = pd.util.hash_array(rows.to_numpy(zero_copy_only=False), categorize=False)
    return pd.Series(numbers, index=people.index)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
