"""HR systems that call nobody are asked who changed, at the pace that they allow; the answer becomes a signal."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from connectors.errors import ConnectorError
from connectors.hr.base import Changes
from flows.case import day_of
from flows.record import marks, signals, snapshots
from flows.record.signals import Signal
from flows.signalled import held_ids
from flows.site import Site
from flows.webhook_site import Sites
from mappings.feed import FeedError, people_of

OVERLAP = timedelta(minutes=10)
"""Asked again each time: clocks differ, and what HR wrote a moment ago may not be in its answer yet."""
LEAST = timedelta(seconds=1)
LOG = logging.getLogger("rollcall.webhook")


class Poll:
    """`await poll.run()` asks until it is cancelled; where HR cannot be asked for changes it does nothing."""

    def __init__(self, sites: Sites, stored: Callable[[], None]) -> None:
        self.sites, self.stored = sites, stored

    async def run(self) -> None:
        while True:
            wait = timedelta(minutes=1)
            try:
                wait = await asyncio.to_thread(self.once, datetime.now(UTC))
                self.stored()
            except (ConnectorError, FeedError) as error:
                LOG.error("HR could not be asked for changes: %s", error)
            except Exception as error:  # the next question may do better
                LOG.error("HR could not be asked for changes: %s: %s", type(error).__name__, error)
            await asyncio.sleep(max(wait, LEAST).total_seconds())

    def once(self, moment: datetime) -> timedelta:
        """Ask if it is time; returns how long to wait for the next time."""
        site = self.sites.now()
        if not isinstance(site.hr, Changes):
            return timedelta(minutes=1)
        said = marks.get(site.db, mark(site))
        asked = datetime.fromisoformat(str(said)) if said else first(site)
        if asked is None:  # no feed yet
            return timedelta(minutes=1)
        if said and moment < asked + site.hr.pace:
            return asked + site.hr.pace - moment
        if ids := changed(site, site.hr, asked - OVERLAP, moment):
            key = hashlib.sha256(f"poll {moment.isoformat()} {ids}".encode()).hexdigest()
            signals.store(site.db, [Signal(site.rules.company.hr, key, ids, None, moment)])
        marks.set(site.db, mark(site), moment.isoformat())
        return site.hr.pace


def first(site: Site) -> datetime | None:
    """Since when to ask the first time."""
    last = snapshots.latest_row(site.db, site.rules.company.hr)
    return last.seen_at if last else None


def changed(site: Site, source: Changes, since: datetime, moment: datetime) -> list[str]:
    """Ids of those of whom HR says something else than was known; whose rows cannot be used are among them."""
    raw = source.changed_since(since)
    if raw.empty:
        return []
    feed = people_of(raw, site.rules.hr, day_of(moment))
    known = signals.people_now(site.db, site.rules.company.hr)
    news = feed.people if known is None else signals.differing(feed.people, known)
    return sorted({*news["employee_id"], *held_ids(feed)})


def mark(site: Site) -> str:
    """The name of the mark that keeps when HR was asked last."""
    return f"changes of {site.rules.company.hr}: asked last"
