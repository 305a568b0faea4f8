"""What greytHR's rows of a person mean: which category holds today, and which leaving date is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from connectors.fields import listing, text
from connectors.hr.records import Row

KINDS = "lov::transitiontype"
"""The list of values with the names of the categories."""
LEAVING = ("leavingDate", "separation.leavingDate")
MEANING = {
    "employees": ("dateOfJoin", "leavingDate", "leftorg"),
    "separation": ("separation.leavingDate", "separation.leftOrg", "separation.submittedResignation"),
}
"""List -> the columns that say how a leaving date is meant, mapped or not."""
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
    """The first day of an entry; one without a day has always held."""
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
    pairs = listing(known.get(key)) if isinstance(known, Mapping) else []
    return {str(each[0]): str(each[1]) for each in pairs if isinstance(each, list) and len(each) > 1}


def left(row: Row) -> bool:
    """Whether greytHR says that somebody has left; it says so from the day on which that is entered (unverified)."""
    return "true" in (row.get("leftorg"), row.get("separation.leftOrg"))


def real(row: Row, name: str) -> bool:
    """Whether a leaving date is one: of who has not left, greytHR may show one long before they came (unverified)."""
    return bool(row.get(name)) and row[name][:10] >= (row.get("dateOfJoin") or "")[:10]


def without_placeholders(row: Row) -> Row:
    """Without leaving dates that are none. Who has left keeps theirs: they may never have begun."""
    return row if left(row) else row | {name: None for name in LEAVING if not real(row, name)}


def wanting(row: Row) -> str:
    """What a person must have before anything is done: that they left may mean that they have resigned."""
    if left(row) and row.get("separation.submittedResignation") == "true" and not any(real(row, n) for n in LEAVING):
        return "a leaving date: they have resigned and count as gone"
    return ""
