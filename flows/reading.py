"""How a sync reads HR: everybody; or, between weekly whole readings, those who changed, laid over the last feed.

A list of changes does not tell everything: a record that is gone, and with most vendors a value that HR entered with a
date to come. So everybody is read again each week, and at once where anything is in doubt.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import ConnectorError
from connectors.hr.base import Changes
from flows import gate
from flows.case import day_of
from flows.progress import heard
from flows.record import holds, marks, signals, snapshots
from flows.site import Site
from mappings.feed import Feed, FeedError, Held, people_of
from mappings.vocabulary import HrSource

WEEK = timedelta(days=7)
OVERLAP = timedelta(hours=1)
"""Asked again each time: clocks differ, and what HR wrote a moment ago may not be in its answer yet."""
ONE_BY_ONE = 50
"""Held people up to which each is read anew."""
LOG = logging.getLogger("prefect.rollcall.reading")


class Last(BaseModel):
    """The mark of the last reading that was believed."""

    model_config = ConfigDict(frozen=True)

    asked: datetime
    """When it began, by our clock."""
    whole: datetime
    """When the last reading of everybody began."""
    rules: str
    """Of which mapping; another one is another feed."""
    nameless: bool
    """Whether there were rows without an id: nobody can be asked about these."""


@dataclass(frozen=True)
class Reading:
    """A whole feed, however it was read."""

    feed: Feed
    asked: datetime
    whole: datetime
    changed: int | None = None
    """How many people were read, where not everybody was."""

    @property
    def told(self) -> str:
        """A sentence for the report; empty where everybody was read."""
        if self.changed is None:
            return ""
        return f"Of these {self.changed} were read; everybody was on {self.whole:%Y-%m-%d}."


def read(site: Site, moment: datetime | date, whole: bool = False) -> Reading:
    """Everybody HR knows. `whole`: read everybody, whatever the mapping says. Raises as gate.read."""
    asked, base = datetime.now(UTC), None if whole else base_of(site, moment)
    if base is not None and isinstance(site.hr, Changes):
        try:
            feed, number = laid_over(site, site.hr, base, day_of(moment))
            return Reading(feed, asked, base.whole, number)
        except (ConnectorError, FeedError) as error:
            LOG.warning("HR did not tell who changed, so everybody is read: %s", error)
    return Reading(gate.read(site, day_of(moment)), asked, asked)


def base_of(site: Site, moment: datetime | date) -> Last | None:
    """The last reading where those who changed since are enough; None where everybody must be read."""
    last = last_of(site)
    if last is None or site.rules.hr.full == "always" or not isinstance(moment, datetime):
        return None
    fresh = timedelta(0) <= moment - last.whole < WEEK and last.asked <= moment
    sure = not last.nameless and len(doubtful(site)) <= ONE_BY_ONE
    return last if fresh and sure and last.rules == digest(site.rules.hr) else None


def last_of(site: Site) -> Last | None:
    """The mark; None where there is none that can be read, or no feed."""
    try:
        last = Last.model_validate(marks.get(site.db, mark(site)))
    except ValidationError:
        return None
    return last if snapshots.latest_row(site.db, site.rules.company.hr) else None


def laid_over(site: Site, source: Changes, last: Last, on: date) -> tuple[Feed, int]:
    """The last feed with what HR says now of those who changed since, and of those who are held; and how many these
    are."""
    known = snapshots.latest(site.db, site.rules.company.hr)
    assert known is not None
    people, held, seen = known[1], dict[str | None, Held](), set[str]()
    with heard():
        news = source.changed_since(last.asked - OVERLAP)
    for raw in (news, *(site.hr.read_one(each) for each in doubtful(site))):
        if raw.empty:
            continue
        feed = people_of(raw, site.rules.hr, on)
        good, bad = set(feed.people["employee_id"]), {row.employee_id: row for row in feed.held}
        people = signals.with_rows(people, feed.people, {each for each in bad if each})
        held = {each: row for each, row in held.items() if each not in good} | bad
        seen |= good | {each for each in bad if each}
    return Feed(people, tuple(held.values())), len(seen)


def note(site: Site, reading: Reading) -> None:
    """Keep that this reading was believed; in one transaction with its snapshot."""
    nameless = any(row.employee_id is None for row in reading.feed.held)
    said = Last(asked=reading.asked, whole=reading.whole, rules=digest(site.rules.hr), nameless=nameless)
    marks.set(site.db, mark(site), said.model_dump(mode="json"))


def doubtful(site: Site) -> list[str]:
    """Who is held because of the feed: HR's word on them is asked for anew, and may be that there is none."""
    ours = (holds.TRUST, holds.VANISHED, site.rules.company.hr)
    return sorted({row.person_id for row in holds.held(site.db) if row.source in ours})


def digest(rules: HrSource) -> str:
    """A mapping, as far as a feed depends on it."""
    return hashlib.sha256(rules.model_dump_json(exclude={"full", "limits", "write_back"}).encode()).hexdigest()


def mark(site: Site) -> str:
    """The name of the mark."""
    return f"feed of {site.rules.company.hr}: read last"
