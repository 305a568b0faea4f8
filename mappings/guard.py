"""The trust gate: one feed against the last good one. It is refused as a whole, or believed with some people held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from mappings.day import status_at
from mappings.feed import Feed
from mappings.lifecycle import differ, position
from mappings.people import COLUMNS, EXTRA, Status
from mappings.policies import Limit, Trust
from mappings.vocabulary import Company

Mask = npt.NDArray[np.bool_]
IDENTITY = ("given_name", "family_name", "work_email", "hire_date")
WORKING = (Status.ACTIVE.value, Status.NOTICE.value, Status.LEAVE.value)
GOVERNING = ("department", "location", "country", "company", "cost_center", "worker_type", "work_email")
"""Columns that decide about access: who loses the value in one of them is held."""
GONE = "HR has no record of {} any more; a record that vanishes is not a leaver"
OLD = "HR says again what it said on"
"""How the reason begins for which people of an old feed are held."""
EARLIEST = pd.Timestamp(1950, 1, 1)
TOLD = 4  # findings named in a message


@dataclass(frozen=True)
class Whole:
    """The numbers of the last good feed, in people, of which shares are taken."""

    people: int
    working: int
    staying: int
    """All but those who had left."""
    filled: Mapping[str, int]
    """Column -> how many have a value there."""


@dataclass(frozen=True)
class Before:
    """What was known before a feed came."""

    people: pd.DataFrame
    """The last good row of everybody in it: a frame of people."""
    day: date
    """Of the last good feed."""
    known: frozenset[str] = frozenset()
    """Ids that Rollcall has heard of in any other way: held rows, holders of access."""
    access: frozenset[str] = frozenset()
    """Ids of people who have access now."""
    held: frozenset[str] = frozenset()
    """Ids of people held already: what is wrong with them is no news, and does not count again."""
    stale: date | None = None
    """The day of the older feed that this one equals to the letter, where it does. Mending an error can bring a file
    back to what it was; then nobody's row differs but that of people who are held."""
    whole: Whole | None = None
    """Where the feed tells of some people only, and `people` has their rows only: what the shares are taken of."""

    @property
    def number(self) -> int:
        """How many people the last good feed had."""
        return self.whole.people if self.whole else len(self.people)


@dataclass(frozen=True)
class Finding:
    """Something that so many of so many people have in a feed."""

    what: str
    number: int
    of: int
    limit: Limit

    @property
    def bad(self) -> bool:
        """Whether it is too much."""
        return not self.limit.allows(self.number, self.of)

    def __str__(self) -> str:
        share = f" ({self.number / self.of:.0%})" if self.of else ""
        return f"{self.number}{share.replace('%', ' %')} {self.what}; allowed are {self.limit.most(self.of)}"


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a feed."""

    refusal: str = ""
    """Why nothing of it is believed; empty where it is."""
    held: dict[str, str] = field(default_factory=dict)
    """person_id -> why nothing is taken from or given to this person."""
    vanished: dict[str, str] = field(default_factory=dict)
    """The same for people who are not in the feed."""

    @property
    def old(self) -> bool:
        """Whether the feed is one that was read before: then it is not the last good one."""
        return any(OLD in why for why in self.held.values())


def judge(
    feed: Feed, before: Before | None, company: Company, moment: datetime | date, accepted: bool = False
) -> Verdict:
    """Whether a feed is believed, and who in it is held. Without `before` only what needs no comparison is looked at.

    `accepted`: a human has said that this very feed is right; people are still held one by one.
    """
    status = status_at(feed.people, company, moment)
    reasons = list(implausible(feed.people, status, company))
    if before is None:
        found = [unusable(feed, company.trust, len(feed.people))]
        return Verdict(refusal(feed, found, None), gathered(reasons))
    pair = Pair(feed, before, company, status, moment)
    found = [] if accepted else list(pair.findings())
    again = pair.again()
    if before.stale and not accepted and not company.trust.old.allows(len(again), len(before.people)):
        return Verdict(stale(before.stale, before.day))
    if text := refusal(feed, found, before):
        return Verdict(text)
    reasons += [] if accepted else [again, *pair.doubtful()]
    return Verdict("", gathered(reasons), gathered([pair.vanished()]))


def refusal(feed: Feed, found: list[Finding], before: Before | None) -> str:
    """What was found in words and numbers; empty where all of it is within the limits."""
    bad = [str(finding) for finding in found if finding.bad]
    if not bad:
        return ""
    had = f", the last good feed ({before.day}) had {before.number}" if before else ""
    more = f"; and {len(bad) - TOLD} things more" if len(bad) > TOLD else ""
    sent = "has told anew of" if before and before.whole else "sent"
    return f"HR {sent} {len(feed.people) + len(held_ids(feed))} people{had}: {'; '.join(bad[:TOLD])}{more}."


def stale(day: date, last: date) -> str:
    """What to say of an old file."""
    return f"This is the feed of {day} again, to the letter; a newer one, of {last}, was read since."


def held_ids(feed: Feed) -> frozenset[str]:
    """People whose rows could not be used."""
    return frozenset(row.employee_id for row in feed.held if row.employee_id)


def unusable(feed: Feed, trust: Trust, usable: int) -> Finding:
    """Rows that cannot be used, in people, beside so many that can; each row without an id counts as one."""
    number = len(held_ids(feed)) + len({row.row for row in feed.held if not row.employee_id})
    first = f", e.g. {feed.held[0].message}" if feed.held else ""
    return Finding(f"have rows that cannot be used{first}", number, usable + number, trust.held)


def gathered(reasons: list[pd.Series]) -> dict[str, str]:
    """Series of reasons by person_id -> all reasons of each person in one line."""
    found: dict[str, str] = {}
    for part in reasons:
        for person_id, why in part.items():
            found[str(person_id)] = f"{found[str(person_id)]}; {why}" if person_id in found else str(why)
    return found


def because(people: pd.DataFrame, mask: pd.Series | Mask, why: str | pd.Series) -> pd.Series:
    """The reason of each person whom the mask has, by person_id."""
    chosen = np.asarray(mask, dtype=bool)
    words = pd.Series(why, index=people.index, dtype="string")[chosen]
    return words.set_axis(people["employee_id"][chosen])


def implausible(people: pd.DataFrame, status: pd.Series, company: Company) -> Iterator[pd.Series]:
    """Reasons that lie in a row itself."""
    hired, last = people["hire_date"], people["last_day"]
    days = last.dt.strftime("%Y-%m-%d").astype("string"), hired.dt.strftime("%Y-%m-%d").astype("string")
    over = (people["employment_status"] == "terminated").fillna(False)
    yield because(people, hired.isna() & ~over, "HR has no hire date")
    yield because(people, (last < hired) & ~over, "the last day " + days[0] + " lies before the hire date " + days[1])
    yield because(people, hired < EARLIEST, "the hire date " + days[1] + " lies before 1950")
    yield because(
        people, (people["manager_id"] == people["employee_id"]).fillna(False), "HR names as the manager the person"
    )
    if company.contractors.end_date == "required":
        kind = people["worker_type"].isin(company.contractors.types)
        here = status.isin([*WORKING, Status.PREHIRE.value])
        yield because(people, kind & here & last.isna(), people["worker_type"] + " without a last day in HR")


class Pair:
    """A feed beside the last good one, row by row for those who are in both."""

    def __init__(
        self, feed: Feed, before: Before, company: Company, status: pd.Series, moment: datetime | date
    ) -> None:
        self.feed, self.before, self.trust = feed, before, company.trust
        place = position(feed.people["employee_id"], before.people["employee_id"])
        self.known = place >= 0
        self.new = feed.people[self.known].reset_index(drop=True)
        self.old = before.people.take(place[self.known]).reset_index(drop=True)
        was = status_at(before.people, company, moment)
        self.over: Mask = (was == Status.TERMINATED.value).to_numpy(dtype=bool)
        self.whole = before.whole or whole_of(before.people, was)
        self.both = before.number if before.whole else int(self.known.sum())
        self.had = before.whole.filled if before.whole else filled_in(self.old)
        self.was: Mask = was.isin(WORKING).to_numpy(dtype=bool)[place[self.known]]
        self.here: Mask = status.isin(WORKING).to_numpy(dtype=bool)[self.known]
        self.fresh: Mask = ~self.new["employee_id"].isin(before.held).to_numpy(dtype=bool)
        self.today = pd.Timestamp(moment.date() if isinstance(moment, datetime) else moment)

    def findings(self) -> Iterator[Finding]:
        """What so many people have, within the limits or not."""
        trust, whole = self.trust, self.whole
        yield self.missing()
        yield unusable(self.feed, trust, whole.people if self.before.whole else len(self.feed.people))
        yield Finding("are people whom nobody has heard of before", self.unheard(), whole.people, trust.new)
        left = int((self.was & ~self.here & self.fresh).sum())
        yield Finding("would have stopped working here", left, whole.working, trust.leavers)
        for name in self.columns():
            lost, changed = self.column(name)
            limit, had = trust.identity if name in IDENTITY else trust.changed, self.had.get(name, 0)
            yield Finding(f"have lost their {words(name)}", int((lost & self.fresh).sum()), had, trust.emptied)
            yield Finding(f"have another {words(name)}", int((changed & self.fresh).sum()), self.both, limit)

    def missing(self) -> Finding:
        """People who worked here, or will, and are not in the feed."""
        gone, news = self.gone(), ~self.before.people["employee_id"].isin(self.before.held).to_numpy(dtype=bool)
        number = int((gone & news & ~self.over).sum())
        return Finding("are missing", number, self.whole.staying, self.trust.vanished)

    def gone(self) -> Mask:
        """Which of the people of the last good feed have no row at all in this one."""
        ids = self.before.people["employee_id"]
        return np.asarray((position(ids, self.feed.people["employee_id"]) < 0) & ~ids.isin(held_ids(self.feed)))

    def vanished(self) -> pd.Series:
        """A reason for each; people who left long ago may go unless they still have access."""
        ids = self.before.people["employee_id"]
        still = ids.isin(self.before.access).to_numpy(dtype=bool)
        chosen = self.gone() & (~self.over | still)
        return because(self.before.people, chosen, ids.where(chosen).map(GONE.format, na_action="ignore"))

    def unheard(self) -> int:
        """How many new ids there are."""
        ids = self.feed.people["employee_id"][~self.known]
        return int((~ids.isin(self.before.known)).sum())

    def columns(self) -> list[str]:
        """Columns that either feed has, the id aside."""
        both = dict.fromkeys([*self.new.columns, *self.old.columns])
        return [c for c in both if c != "employee_id" and (c in COLUMNS or c.startswith(EXTRA))]

    def column(self, name: str) -> tuple[Mask, Mask]:
        """Who had a value and has none now; who has another one."""
        new, old = self.new.get(name), self.old.get(name)
        had = old.notna().to_numpy() if old is not None else np.zeros(len(self.new), dtype=bool)
        has = new.notna().to_numpy() if new is not None else np.zeros(len(self.new), dtype=bool)
        return had & ~has, differ(old, new, len(self.new)) & had & has

    def again(self) -> pd.Series:
        """A reason for each person of whom an old feed says something else than the last good one did."""
        none = np.zeros(len(self.new), dtype=bool)
        other = (
            [differ(self.old.get(c), self.new.get(c), len(self.new)) for c in self.columns()]
            if self.before.stale
            else []
        )
        return because(self.new, np.logical_or.reduce([none, *other]), f"{OLD} {self.before.stale}: an old file?")

    def doubtful(self) -> Iterator[pd.Series]:
        """Reasons that only the comparison shows."""
        for name in GOVERNING:
            lost, _ = self.column(name)
            yield because(self.new, lost & self.here, f"HR has no {words(name)} any more")
        another = np.logical_and.reduce([self.column(name)[1] for name in ("given_name", "family_name", "hire_date")])
        yield because(self.new, another, "HR has another name and another hire date under this id: another human?")
        far = (self.new["hire_date"] > self.today + pd.DateOffset(years=1)).to_numpy(dtype=bool)
        yield because(self.new, far & self.was, "the hire date moved more than a year ahead")


def whole_of(people: pd.DataFrame, status: pd.Series) -> Whole:
    """A feed's numbers."""
    working, over = status.isin(WORKING), status == Status.TERMINATED.value
    return Whole(len(people), int(working.sum()), int((~over).sum()), filled_in(people))


def filled_in(people: pd.DataFrame) -> dict[str, int]:
    """Column -> how many have a value there."""
    return {str(name): int(number) for name, number in people.notna().sum().items()}


def words(column: str) -> str:
    """`hire date` for hire_date."""
    return column.removeprefix(EXTRA).removesuffix("_id").replace("_", " ")
