"""What greytHR's rows of a person mean: which category holds today, and which leaving date is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from connectors.fields import pick, text
from connectors.hr.records import Row

KINDS = "lov::transitiontype"
"""The list of values with the names of the categories."""
OPEN = "9999-12-31"


def held_today(entries: Iterable[Row], today: date) -> Row:
    """Name of a category -> the value that holds: each time somebody moves there is one more, from and to a day.

    Before the first day that of the first; where all have ended the last one, since nothing has come after it.
    """
    kept: dict[str, list[Row]] = defaultdict(list)
    for entry in entries:
        if name := text(entry.get("categoryDesc")):
            kept[name].append(entry)
    return {name: holding(found, today.isoformat()).get("valueDesc") for name, found in kept.items()}


def holding(entries: list[Row], day: str) -> Row:
    """The entry that holds on a day."""
    ordered = sorted(entries, key=since)
    begun = [entry for entry in ordered if since(entry) <= day]
    now = [entry for entry in begun if (text(entry.get("effectiveTo")) or OPEN)[:10] >= day]
    return (now or begun)[-1] if begun else ordered[0]


def since(entry: Row) -> str:
    return (text(entry.get("effectiveFrom")) or "")[:10]


def named(entries: Iterable[Row], known: Any, wanted: Iterable[str]) -> list[Row]:
    """Entries of the wanted categories with their names, where they have numbers alone; LookupError says which number
    has none. `known`: list of values -> [number, name, …]."""
    names = words(known, KINDS)
    found = []
    for entry in entries:
        kind = text(entry.get("categoryDesc")) or names.get(str(entry.get("category")))
        if kind is None:
            raise LookupError(f"category {entry.get('category')}")
        if kind not in wanted:
            continue
        value = text(entry.get("valueDesc")) or words(known, f"cat::{kind}").get(str(entry.get("value")))
        if value is None:
            raise LookupError(f"value {entry.get('value')} of {kind}")
        found.append({**entry, "categoryDesc": kind, "valueDesc": value})
    return found


def words(known: Any, key: str) -> dict[str, str]:
    """Number -> name of one list of values."""
    listed = known.get(key) if isinstance(known, Mapping) else None
    return {str(each[0]): str(each[1]) for each in listed or () if isinstance(each, list) and len(each) > 1}


def left(row: Row) -> bool:
    """Whether greytHR says that somebody has left; it says so from the day on which that is entered (unverified)."""
    return row.get("leftorg") is True or pick(row, "separation.leftOrg") is True


def without_placeholders(row: Row) -> Row:
    """Without leaving dates that are none: of who has not left, greytHR may show one long before they came
    (unverified)."""
    joined = (text(row.get("dateOfJoin")) or "")[:10]
    if left(row) or not joined:
        return row
    separation = row.get("separation")
    cleaned = {**row, **real(row, joined)}
    return cleaned | {"separation": {**separation, **real(separation, joined)}} if separation else cleaned


def real(row: Row, joined: str) -> Row:
    """The leaving date struck out where it is on or before the day of joining."""
    day = (text(row.get("leavingDate")) or "")[:10]
    return {"leavingDate": None} if day and day <= joined else {}


def wanting(row: Row) -> str:
    """What a person must have before anything is done: that they left may mean that they have resigned."""
    dated = text(row.get("leavingDate")) or text(pick(row, "separation.leavingDate"))
    if left(row) and not dated and pick(row, "separation.submittedResignation") is True:
        return "a leaving date: they have resigned and count as gone"
    return ""
