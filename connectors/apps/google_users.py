"""Readable names for the fields of a Google user, in and out of its resource.

primaryEmail, name.givenName, customSchemas.HR.grade   as they are
externalIds.organization, phones.work                  the value of that type in a list
organizations.department                               of the primary organization
addresses.work.locality, locations.desk.buildingId     one part of the entry of that type

A PATCH replaces a list as a whole (developers.google.com/workspace/admin/directory/v1/guides/performance#patch), so
an entry is changed in a copy of what is there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from connectors.fields import pick, put, text
from connectors.listing import Row

LISTS = {
    "addresses": "formatted",
    "emails": "address",
    "externalIds": "value",
    "ims": "im",
    "keywords": "value",
    "locations": "area",
    "organizations": "",
    "phones": "value",
    "relations": "value",
    "websites": "value",
}
"""Lists of typed entries -> the part of an entry that is meant where none is named."""
SWITCHES = ("includeInGlobalAddressList", "ipWhitelisted", "suspended", "archived")
EMPLOYEE_ID = "externalIds.organization"
ADDRESS = "primaryEmail"


class Entry(NamedTuple):
    """A part of an entry in a list."""

    list: str
    type: str
    """Empty for the primary organization."""
    part: str


def entry(name: str) -> Entry | None:
    """Where a readable name points to, if that is in a list."""
    first, *more = name.split(".")
    if first not in LISTS or not more:
        return None
    if first == "organizations":
        return Entry(first, "", more[0])
    return Entry(first, more[0], more[1] if len(more) > 1 else LISTS[first])


def lists_of(names: Iterable[str]) -> list[str]:
    """The lists that these names are in."""
    return sorted({found.list for name in names if (found := entry(name))})


def resource(attributes: Mapping[str, str], there: Row | None = None) -> Row:
    """What to send for these attributes; `there` has the lists as they are. An empty value takes an entry away."""
    body: Row = {name: copy.deepcopy((there or {}).get(name) or []) for name in lists_of(attributes)}
    for name, value in attributes.items():
        if found := entry(name):
            place(body[found.list], found, value)
        elif name in SWITCHES:
            body[name] = value.lower() == "true"
        elif value or there is not None:
            put(body, name, value)
    return {name: value for name, value in body.items() if value != [] or there is not None}


def place(entries: list[Row], where: Entry, value: str) -> None:
    """Set one part in a list; an entry that says nothing any more goes."""
    found = chosen(entries, where)
    if found is None and value:
        found = {"type": where.type} if where.type else {"primary": True}
        entries.append(found)
    if found is not None:
        found[where.part] = value
        if not value and not set(found) - {"type", "primary", "customType", where.part}:
            entries.remove(found)


def chosen(entries: Iterable[Row], where: Entry) -> Row | None:
    """The entry of that type; of organizations the primary one, else the first."""
    rows = list(entries)
    if where.type:
        return next((row for row in rows if str(row.get("type", "")).casefold() == where.type.casefold()), None)
    return next((row for row in rows if row.get("primary")), rows[0] if rows else None)


def flat(user: Row, names: Iterable[str]) -> dict[str, str]:
    """The named attributes of a user as text; absent ones are left out."""
    found = {name: text(value_of(user, name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def value_of(user: Row, name: str) -> object:
    """One attribute's value."""
    where = entry(name)
    if where is None:
        return pick(user, name)
    return (chosen(user.get(where.list) or [], where) or {}).get(where.part)


def is_active(user: Row) -> bool:
    """Neither suspended nor archived."""
    return not user.get("suspended") and not user.get("archived")


def somebody_else(user: Row, attributes: Mapping[str, str]) -> bool:
    """Whether both carry an employee id, and not the same."""
    theirs, ours = value_of(user, EMPLOYEE_ID), attributes.get(EMPLOYEE_ID)
    return bool(theirs and ours and str(theirs) != ours)


def same_human(user: Row, attributes: Mapping[str, str]) -> bool:
    """Whether a deleted account was this person's: by employee id; without one by address and name."""
    theirs, ours = value_of(user, EMPLOYEE_ID), attributes.get(EMPLOYEE_ID)
    if theirs and ours:
        return str(theirs) == ours
    told = (ADDRESS, "name.givenName", "name.familyName")
    return all(str(value_of(user, n) or "").casefold() == attributes.get(n, "").casefold() for n in told)
