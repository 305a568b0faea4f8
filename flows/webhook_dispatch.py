"""From stored signals to runs: whoever HR signalled is looked at anew, and what was begun survives being killed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pandas as pd

from connectors.errors import ConnectorError
from flows import notify
from flows.daily_sync import ask
from flows.due import Started, at_work, check_sso, leavers, start
from flows.knock import knock
from flows.record import signals, snapshots
from flows.record.lease import Busy, lease
from flows.record.tables import SignalRow
from flows.signalled import Look, look
from flows.site import Site
from flows.webhook_site import Sites

BY = "webhook"
"""Runs that signals started are tagged `by:webhook`."""
IDLE = 1.0  # seconds between looks where nobody wakes us: another receiver, or a signal that was put off
BUSY = timedelta(seconds=2)
"""After which a person is looked at again whose run is under way: it may have read HR before the change."""
FIRST, LONGEST = timedelta(seconds=5), timedelta(minutes=10)
"""Between tries where HR or Prefect cannot be reached; doubled each time."""
TURN = " signals"
"""The lease under which signals are taken up, by one receiver at a time; no id begins with a blank."""
TURN_LASTS = timedelta(seconds=30)
"""After which another machine goes on where one was lost; on the same machine it does so at once."""
LOOKS = 3  # at somebody whom HR does not know yet: its answers may lag behind its calls
LOG = logging.getLogger("rollcall.webhook")


class Dispatcher:
    """`await dispatcher.run()` works until it is cancelled."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Look whenever a signal was stored, and now and then."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), IDLE)
            self.wake.clear()
            try:
                while await self.once(datetime.now(UTC)):
                    pass
            except Exception as error:  # the next look may do better; the signals are safe
                LOG.error("a look at the signals failed: %s: %s", type(error).__name__, error)

    async def once(self, moment: datetime) -> int:
        """Take up the open signals whose time has come; returns how many there were."""
        site = await asyncio.to_thread(self.sites.now)
        if not await asyncio.to_thread(signals.open_now, site.db, moment, 1):
            return 0
        try:
            with lease(site.db, TURN, "the receiver of webhooks", lasts=TURN_LASTS):
                return await self.serve(site, moment)
        except Busy:  # another machine's receiver is at it; whatever it leaves is looked at a moment later
            return 0

    async def serve(self, site: Site, moment: datetime) -> int:
        """As `once`, while nobody else does so."""
        rows = await asyncio.to_thread(signals.open_now, site.db, moment)
        try:
            if rows:
                await take_up(site, rows, moment)
        except Exception as error:  # nothing of it is lost: each is tried again
            LOG.error("%d signals are tried again: %s: %s", len(rows), type(error).__name__, error)
            await asyncio.to_thread(try_again, site, rows, f"{type(error).__name__}: {error}"[:500])
        return len(rows)


async def take_up(site: Site, rows: Sequence[SignalRow], moment: datetime) -> None:
    """Read the people, start what is due, ask where that is too much, and note what came of each signal."""
    newest = {person: word([row]) for row in rows for person in row.people}
    before = await working()  # asked first: a run that ends during the look has made what it finds due old
    seen: Look = await asyncio.to_thread(look, site, list(newest), moment)
    if seen.refusal:
        LOG.error("not believed: %s", seen.refusal)
        await notify.feed_refused(site, seen.refusal, "")
    who, later = await startable(site, seen.who)
    who = who.assign(once=[newest.get(str(person), "") for person in who["person_id"]])
    await asyncio.to_thread(note_effects, site, rows, seen.effects, set(who["person_id"]))
    await ask(site, seen.waits)
    started = await start(who, None, BY, once=word(rows), before=before) if len(who) else []
    knock(site.settings.home)
    await asyncio.to_thread(settle, site, rows, seen, started, later)


async def working() -> set[str]:
    """Whose runs are at work; nobody's where Prefect does not answer: many a signal asks for no run, and the others
    are tried again."""
    try:
        return await at_work()
    except httpx.TransportError:
        return set()


async def startable(site: Site, who: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Whose runs can be started now: leavers alone where the SSO does not answer; and why the others cannot."""
    if len(leavers(who)) == len(who):
        return who, {}
    try:
        await asyncio.to_thread(check_sso, site)
        return who, {}
    except ConnectorError as error:
        others = who[who["flow"] != "offboard_user"]
        return leavers(who), dict.fromkeys(others["person_id"], str(error))


def word(rows: Sequence[SignalRow]) -> str:
    """One word for these signals, also beside those of another record whose numbers are the same."""
    told = sorted((row.id or 0, row.received_at.isoformat()) for row in rows)
    return "signals " + hashlib.sha256(repr(told).encode()).hexdigest()


def note_effects(site: Site, rows: Sequence[SignalRow], effects: pd.DataFrame, who: set[str]) -> None:
    """What is taken away on a signal's account, before it is, so that the next look weighs it."""
    mine = effects[effects["person_id"].isin(who)]
    lines: dict[str, list[list[str]]] = {}
    for line in mine.to_numpy().tolist():
        lines.setdefault(str(line[0]), []).append(list(map(str, line)))
    noted = {}
    for row in rows:
        if new := [line for each in row.people for line in lines.get(each, ()) if line not in row.effects]:
            noted[row.id or 0] = [*row.effects, *new]
    signals.weigh(site.db, noted)


def settle(
    site: Site, rows: Sequence[SignalRow], seen: Look, started: Sequence[Started], later: Mapping[str, str]
) -> None:
    """Each signal is done, or is put off with the reason."""
    begun = {each.person_id: f"{each.flow} {each.run_id}" for each in started if each.run_id}
    busy = {each.person_id for each in started if not each.run_id}
    said, waits = seen.said | begun, {**later, **seen.unread}
    done: dict[int, str] = {}
    whens: dict[int, tuple[datetime, str]] = {}
    again: list[tuple[SignalRow, str]] = []
    for row in rows:
        if why := next((waits[each] for each in row.people if each in waits), None):
            again.append((row, why))
        elif busy & set(row.people):
            whens[row.id or 0] = datetime.now(UTC) + BUSY, "a run is under way"
        elif row.tries < LOOKS and any("no record" in said.get(each, "") for each in row.people):
            again.append((row, "HR has no record of them yet"))
        else:
            results = [f"{each}: {said.get(each, 'the same human as another record')}" for each in row.people[:20]]
            done[row.id or 0] = "; ".join(results)
    with site.db.writing():
        signals.finish(site.db, done)
        signals.put_off(site.db, whens)
        put_off(site, again)


def try_again(site: Site, rows: Sequence[SignalRow], why: str) -> None:
    """Put all of them off."""
    with site.db.writing():
        put_off(site, [(row, why) for row in rows])


def put_off(site: Site, rows: Sequence[tuple[SignalRow, str]]) -> None:
    """Try again later; not where the daily sync has read everybody since, and starts them itself."""
    last = snapshots.latest_row(site.db, site.rules.company.hr)
    done: dict[int, str] = {}
    whens: dict[int, tuple[datetime, str]] = {}
    for row, why in rows:
        if last and last.seen_at > row.received_at + LONGEST and row.tries:
            done[row.id or 0] = f"left to the daily sync, which has read HR since ({why})"
        else:
            wait = min(LONGEST, FIRST * 2 ** min(row.tries, 10))
            whens[row.id or 0] = datetime.now(UTC) + wait, why
    signals.finish(site.db, done)
    signals.put_off(site.db, whens)
