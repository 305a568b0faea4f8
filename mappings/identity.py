"""One human, several HR records: who a new record may be, and which record of a human is in charge on a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import pandas as pd

from mappings.likeness import Pairs, named_alike, named_with, score_parts, told
from mappings.people import Status
from mappings.policies import Correlation

FOUND = ("person_id", "same_as", "certainty", "how")
MOST = 3
"""Older records that one new record is asked about."""
WORKING = (Status.ACTIVE.value, Status.NOTICE.value, Status.LEAVE.value)


class Certainty(StrEnum):
    """How sure it is that two records are one human."""

    EXACT = "exact"
    PROBABLE = "probable"
    """A question for a human, never a link."""


def correlate(
    new: pd.DataFrame, known: pd.DataFrame, rules: Correlation, same: Collection[tuple[str, str]] = ()
) -> pd.DataFrame:
    """Which older records the new ones may continue: a frame of FOUND, one row per pair.

    `new`: people never seen before; `known`: everybody else, leavers included. `same`: (newer, older) records known
    to be one human; only the newest of them is named. Links where one value of `keys` is on both records and the
    names do not contradict it. Where it is on several, or the name is another one, it is a question.
    """
    others = pd.concat([known, new], ignore_index=True).drop_duplicates("employee_id", ignore_index=True)
    pairs = Pairs(new.reset_index(drop=True), others, newest_of(same), rules)
    exact = exactly(pairs)
    if rules.probable == "off":
        return exact[exact["certainty"] == Certainty.EXACT.value].reset_index(drop=True)
    sure = set(exact["person_id"])
    probable = probably(pairs)
    probable = probable[~probable["person_id"].isin(sure)]
    return pd.concat([exact, probable], ignore_index=True) if len(probable) else exact


def exactly(pairs: Pairs) -> pd.DataFrame:
    """Pairs with an equal key; those that leave a doubt are probable."""
    found = pairs.same_key()
    if found.empty:
        return frame_of([])
    claims = found.groupby("person_id")["same_as"].transform("nunique")
    rivals = found.groupby("same_as")["person_id"].transform("nunique")
    score, part = named_alike(pairs, found), score_parts(pairs, found)
    alike = (score >= pairs.rules.alike) | (part >= pairs.rules.alike)
    rows = []
    for number, row in enumerate(found.itertuples(index=False)):
        doubts = [
            f"{claims.iloc[number]} older records have it" if claims.iloc[number] > 1 else "",
            f"{rivals.iloc[number]} new records have it" if rivals.iloc[number] > 1 else "",
            "" if alike.iloc[number] else "the names are not alike",
        ]
        told = "; ".join([f"{row.key} {row.value} is on both records", *filter(None, doubts)])
        certainty = Certainty.PROBABLE if any(doubts) else Certainty.EXACT
        rows.append((row.person_id, row.same_as, certainty.value, told))
    return frame_of(rows)


def probably(pairs: Pairs) -> pd.DataFrame:
    """Pairs that look like one human by name, or by what else is known, and never worked on the same days."""
    found = named_with(pairs)
    found = found.sort_values(["n", "score"], ascending=[True, False], kind="stable").groupby("n").head(MOST)
    probable = Certainty.PROBABLE.value
    return frame_of((row.person_id, row.same_as, probable, told(pairs, row)) for row in found.itertuples())


def frame_of(rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """A frame of FOUND; each pair once."""
    return pd.DataFrame(list(rows), columns=list(FOUND), dtype="string").drop_duplicates(
        ["person_id", "same_as"], ignore_index=True
    )


def newest_of(same: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each older record -> the newest record of the same human."""
    newer = {old: new for new, old in same}
    return {old: last_of(old, newer) for old in newer}


def last_of(start: str, newer: Mapping[str, str]) -> str:
    """The end of a chain; a ring, which nobody should make, ends where it began."""
    seen = [start]
    while (following := newer.get(seen[-1])) is not None and following not in seen:
        seen.append(following)
    return seen[-1]


def humans(same: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The records of each human who has several, in no particular order."""
    group: dict[str, list[str]] = {}
    for new, old in same:
        ours, theirs = group.setdefault(new, [new]), group.setdefault(old, [old])
        if ours is not theirs:
            ours += theirs
            group.update(dict.fromkeys(theirs, ours))
    return list({id(members): members for members in group.values()}.values())


class Record(NamedTuple):
    """What counts of one record when it is decided which is in charge."""

    hired: pd.Timestamp
    last: pd.Timestamp
    status: str
    here: bool
    word: str
    id: str
    at: int
    """Its row."""

    @property
    def came(self) -> bool:
        """Whether the record is not that of somebody who never starts: no date, cancelled, no-show."""
        return bool(pd.notna(self.hired)) and not (self.last < self.hired)

    @property
    def cancelled(self) -> bool:
        """Whether HR ended it without saying when."""
        return self.word == "terminated" and bool(pd.isna(self.last))


class Merged(NamedTuple):
    """People with one row per human."""

    people: pd.DataFrame
    charge: dict[str, str]
    """Each record of a human who has several -> the one in charge."""


def merged(
    people: pd.DataFrame, same: Iterable[tuple[str, str]], status: pd.Series, here: pd.Series, bridge_days: int
) -> Merged:
    """People for planning: of several records of one human only the one that is in charge.

    `status` and `here` (should have access) are those of the rows as they stand. The older record stays in charge
    until the newer one begins; where at most `bridge_days` lie between them, its last day is put off so that no
    access ends in between. A newer record that is cancelled before it starts changes nothing.
    """
    groups = humans(same)
    if not groups:
        return Merged(people, {})
    ids = people["employee_id"]
    rows = {r.id: r for r in records(people, status, here, ids.isin({m for g in groups for m in g}))}
    drop: list[int] = []
    until: dict[int, pd.Timestamp] = {}
    charge: dict[str, str] = {}
    for group in groups:
        if not (there := sorted(rows[m] for m in group if m in rows)):
            continue
        chosen, day = in_charge(there, bridge_days)
        charge |= dict.fromkeys(group, chosen.id)
        drop += [r.at for r in there if r is not chosen]
        if day is not None:
            until[chosen.at] = day
    return Merged(with_last_days(people, until).drop(people.index[drop]).reset_index(drop=True), charge)


def records(people: pd.DataFrame, status: pd.Series, here: pd.Series, wanted: pd.Series) -> list[Record]:
    """The wanted rows as Records."""
    at = [number for number, hit in enumerate(wanted) if hit]
    columns = [people[name].iloc[at] for name in ("hire_date", "last_day")]
    words = people["employment_status"].iloc[at].fillna("")
    given = zip(*columns, status.iloc[at], here.iloc[at], words, people["employee_id"].iloc[at], at, strict=True)
    return [Record(*row) for row in given]


def in_charge(records: list[Record], bridge_days: int) -> tuple[Record, pd.Timestamp | None]:
    """The record that counts now, and the last day that counts for it instead of its own.

    In this order: who works (the newest); who was here a moment ago and comes back within the bridge; who may be
    prepared; who left last; who is to come.
    """
    working = [r for r in records if r.status in WORKING]
    ended = [r for r in records if r.status == Status.TERMINATED.value and r.came]
    coming = [r for r in records if r.status == Status.PREHIRE.value and r.came and not r.cancelled]
    before = max(working, key=by_start, default=None) or max(ended, key=by_end, default=None)
    following = min(coming, key=by_start, default=None)
    if before is None:
        return following or records[-1], None
    if following is None:
        return before, None
    bridged = bridge(before, following, bridge_days)
    if bridged is None and following.here and not working:
        return following, None
    return before, bridged


def bridge(before: Record, following: Record, days: int) -> pd.Timestamp | None:
    """The last day that keeps access until the next record begins, where the gap is no longer than that.

    It is the day after the next one's first: a cut-off on the eve would come half a day before the start of work,
    and places of work lie up to a day apart. The next record is in charge before it is reached.
    """
    if pd.isna(before.last) or (following.hired - before.last).days - 1 > days:
        return None
    return max(before.last, following.hired + pd.Timedelta(days=1))


def by_start(record: Record) -> tuple[pd.Timestamp, str]:
    """Orders records by their first days."""
    return record.hired, record.id


def by_end(record: Record) -> tuple[pd.Timestamp, pd.Timestamp, str]:
    """Orders records by their last days, where one is not told by the first."""
    return record.hired if pd.isna(record.last) else record.last, record.hired, record.id


def with_last_days(people: pd.DataFrame, until: Mapping[int, pd.Timestamp]) -> pd.DataFrame:
    """The frame with other last days in some rows."""
    if not until:
        return people
    last = people["last_day"].copy()
    for at, day in until.items():
        last.iloc[at] = day
    return people.assign(last_day=last)
