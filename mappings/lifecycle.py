"""Two looks at HR -> what happened to whom: joiners, movers, leavers, rehires, conversions, leaves, cancellations."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mappings.people import COLUMNS, EXTRA, Status


class Kind(StrEnum):
    """What happened to a person between two looks."""

    JOINER = "joiner"
    UPCOMING = "upcoming"
    """Known to HR, not begun."""
    MOVER = "mover"
    LEAVER = "leaver"
    REHIRE = "rehire"
    CONVERSION = "conversion"
    """Another worker type: contractor to employee, …"""
    LEAVE = "leave"
    RETURN = "return"
    CANCELLED = "cancelled"
    """Was working or due; now the hire date is gone or has moved ahead."""
    VANISHED = "vanished"
    """In the last look, not in this one: held, never a leaver."""
    CHANGED = "changed"
    """Other attributes."""
    SAME = "same"


MOVE_COLUMNS = ("department", "title", "location", "manager_id", "cost_center", "company")
"""A change in one of these is a move."""


def changes(old: pd.DataFrame, was: pd.Series, new: pd.DataFrame, status: pd.Series) -> pd.DataFrame:
    """One row per person of either look, in the order of `new`, the vanished last.

    `old`, `new`: frames of people; `was`, `status`: their statuses at the time of each look.
    Columns: person_id, kind, was, status, columns (comma-separated names of what changed).
    """
    place = position(new["employee_id"], old["employee_id"])
    known = place >= 0
    differs = differences(old, new, place)
    frame = pd.DataFrame({"person_id": new["employee_id"].to_numpy(), "status": status.to_numpy()})
    frame["was"] = np.where(known, was.to_numpy(dtype=object)[place] if len(old) else "", "")
    frame["kind"] = kinds(frame["was"], frame["status"].astype(object), differs)
    frame["columns"] = told(differs)
    gone = position(old["employee_id"], new["employee_id"]) < 0
    lost = pd.DataFrame({"person_id": old["employee_id"][gone].to_numpy(), "was": was[gone].to_numpy(dtype=object)})
    lost = lost.assign(status="", kind=Kind.VANISHED.value, columns="")
    return pd.concat([frame, lost], ignore_index=True) if len(lost) else frame


def position(ids: pd.Series, among: pd.Series) -> npt.NDArray[np.intp]:
    """Where each id stands in `among`, -1 for nowhere."""
    left, right = (pa.array(column, pa.large_string()) for column in (ids, among))
    return np.asarray(pc.fill_null(pc.index_in(left, value_set=right), -1), dtype=np.intp)


def differences(old: pd.DataFrame, new: pd.DataFrame, place: npt.NDArray[np.intp]) -> pd.DataFrame:
    """A bool column per attribute: whether a known person's value is another one. Columns without any are left out."""
    known = place >= 0
    columns = [c for c in dict.fromkeys([*new.columns, *old.columns]) if c in COLUMNS or c.startswith(EXTRA)]
    before = old.take(place[known])
    after = new[known]
    found = {}
    for name in columns[1:]:
        changed = differ(before.get(name), after.get(name), int(known.sum()))
        if changed.any():
            found[name] = np.zeros(len(new), dtype=bool)
            found[name][known] = changed
    return pd.DataFrame(found, index=range(len(new)))


def differ(before: pd.Series | None, after: pd.Series | None, length: int) -> npt.NDArray[np.bool_]:
    """Row by row, whether two columns differ; two missing values are alike."""
    if before is None or after is None:
        there = after if before is None else before
        return np.zeros(length, dtype=bool) if there is None else there.notna().to_numpy()
    left, right = before.reset_index(drop=True), after.reset_index(drop=True)
    unlike = (left != right).to_numpy(dtype=bool, na_value=True)
    both_missing = (left.isna() & right.isna()).to_numpy()
    return np.asarray(unlike & ~both_missing)


def kinds(was: pd.Series, status: pd.Series, differs: pd.DataFrame) -> npt.NDArray[np.str_]:
    """The kind of each row, the weightiest first."""

    def any_of(*names: str) -> npt.NDArray[np.bool_]:
        return np.asarray(differs[[n for n in names if n in differs]].to_numpy(dtype=bool).any(axis=1))

    begun = status.isin([Status.ACTIVE, Status.NOTICE, Status.LEAVE])
    had_begun = was.isin([Status.ACTIVE, Status.NOTICE, Status.LEAVE])
    not_yet = status == Status.PREHIRE
    cases = [
        (Kind.REHIRE, (was == Status.TERMINATED) & (begun | not_yet)),
        (Kind.LEAVER, (was != Status.TERMINATED) & (was != "") & (status == Status.TERMINATED)),
        (Kind.JOINER, begun & ~had_begun),
        (Kind.CANCELLED, (had_begun & not_yet) | ((had_begun | (was == Status.PREHIRE)) & (status == Status.UNKNOWN))),
        (Kind.UPCOMING, (was == "") & not_yet),
        (Kind.LEAVE, (status == Status.LEAVE) & (was != Status.LEAVE)),
        (Kind.RETURN, begun & (status != Status.LEAVE) & (was == Status.LEAVE)),
        (Kind.CONVERSION, any_of("worker_type")),
        (Kind.MOVER, any_of(*MOVE_COLUMNS)),
        (Kind.CHANGED, differs.to_numpy(dtype=bool).any(axis=1)),
    ]
    masks = [np.asarray(mask, dtype=bool) for _, mask in cases]
    return np.select(masks, [kind.value for kind, _ in cases], Kind.SAME.value)


def told(differs: pd.DataFrame) -> pd.Series:
    """The names of the changed columns, comma-separated, per row."""
    table, columns = differs.to_numpy(dtype=bool), list(differs.columns)
    words = [""] * len(table)
    for row in np.flatnonzero(table.any(axis=1)):
        words[row] = ", ".join(c for c, hit in zip(columns, table[row], strict=True) if hit)
    return pd.Series(words, index=differs.index, dtype="string")
