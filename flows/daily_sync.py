"""The daily sync: read HR, keep what it said, find who is due, and start one run for each of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from connectors.errors import ConnectorError
from flows.case import day_of
from flows.due import Started, check_sso, due, leavers, start
from flows.graph import named
from flows.record import holds, snapshots
from flows.report import table
from flows.site import Site
from mappings.day import status_at
from mappings.feed import Feed, FeedError, people_of
from mappings.folder import RulesError
from mappings.lifecycle import Kind, changes
from mappings.people import Status

NAMED = 3  # held rows told in a message; the artifact has them all


@flow(name="daily_sync", persist_result=False)
async def daily_sync(on: date | None = None) -> State[Any]:
    """Make every app agree with HR, as of now or of the date `on`."""
    moment = on or datetime.now(UTC)
    try:
        site = await asyncio.to_thread(Site.open)
        feed: Feed = await finished("read HR", lambda: read(site, day_of(moment)))
        changed: pd.DataFrame = await finished("classify", lambda: classify(site, feed, moment))
        who: pd.DataFrame = await finished("find who is due", lambda: due(site, feed.people, moment))
    except (ConnectorError, FeedError, RulesError) as error:
        return Failed(message=str(error))
    await asyncio.to_thread(keep, site, feed, changed)  # before the runs, which look there for addresses that are taken
    refusal = "" if len(leavers(who)) == len(who) else await sso_refusal(site)
    started = await start(leavers(who) if refusal else who, on, str(runtime.flow_run.id))
    await acreate_markdown_artifact(markdown=told(feed, changed, started, day_of(moment)), key="daily-sync")
    if refusal:
        return Failed(message=f"{refusal} Nobody was given anything; {len(started)} leavers' runs were started.")
    return Completed(message=f"{len(started)} people due of {len(feed.people)}, {len(feed.held)} rows held")


async def sso_refusal(site: Site) -> str:
    """Why nobody can be given anything now; empty where the SSO answers."""
    try:
        await finished("check the SSO", lambda: check_sso(site))
    except ConnectorError as error:
        return str(error)
    return ""


async def finished(name: str, fn: Any) -> Any:
    """Run one named task without holding up the event loop."""
    return await asyncio.to_thread(named(name, fn).submit().result)


def read(site: Site, on: date) -> Feed:
    """Everybody HR knows; refused as a whole when nobody is left of a company that had people."""
    feed = people_of(site.hr.read(), site.rules.hr, on)
    before = snapshots.latest_row(site.db, site.rules.company.hr)
    if feed.people.empty and (before is None or before.count):
        raise FeedError(nobody(feed, before.count if before else None))
    return feed


def nobody(feed: Feed, before: int | None) -> str:
    """What to say of a feed in which there is nobody."""
    had = "this would be the first" if before is None else f"the last feed had {before}"
    held = "; ".join(h.message for h in feed.held[:NAMED])
    rows = f" Held are {len(feed.held)} rows: {held}{' …' if len(feed.held) > NAMED else '.'}" if feed.held else ""
    return f"HR sent no usable people ({had}). Nothing was changed.{rows}"


def classify(site: Site, feed: Feed, moment: datetime | date) -> pd.DataFrame:
    """What happened since the last look: see mappings.lifecycle."""
    now = status_at(feed.people, site.rules.company, moment)
    last = snapshots.latest(site.db, site.rules.company.hr)
    old = last[1] if last else feed.people.iloc[:0]
    then = last[0].seen_at if last else moment
    return changes(old, status_at(old, site.rules.company, min_moment(then, moment)), feed.people, now)


def min_moment(then: datetime | date, moment: datetime | date) -> datetime | date:
    """The last look's instant; where dates are being replayed, the day before."""
    if isinstance(moment, datetime):
        return then
    return day_of(moment) - pd.Timedelta(days=1).to_pytimedelta()


def keep(site: Site, feed: Feed, changed: pd.DataFrame) -> None:
    """The snapshot, and the holds that the feed's bad rows place or lift."""
    snapshots.save(site.db, site.rules.company.hr, feed.people, datetime.now(UTC))
    held = {h.employee_id: h.message for h in feed.held if h.employee_id}
    for row in holds.held(site.db):
        if row.source == site.rules.company.hr and row.person_id not in held:
            holds.lift(site.db, row.person_id, row.source, "the row in HR is good again")
    gone = set(changed.loc[changed["status"] == Status.TERMINATED.value, "person_id"])
    for person_id in holds.people(site.db, holds.SENT_AWAY) & gone:
        holds.lift(site.db, person_id, holds.SENT_AWAY, "HR says now that the person has left")
    for person_id, message in held.items():
        holds.place(site.db, person_id, site.rules.company.hr, message)


def told(feed: Feed, changed: pd.DataFrame, started: list[Started], on: date) -> str:
    """The artifact's text."""
    news = changed[~changed["kind"].isin([Kind.SAME.value])]
    rows = [(s.person_id, s.name, s.flow, s.run_id or "a run is under way already") for s in started]
    parts = [f"# Daily sync for {on}", f"{len(feed.people)} people in HR."]
    parts += [
        "## Since the last look",
        table(("person", "what", "changed"), news[["person_id", "kind", "columns"]].values),
    ]
    parts += ["## Runs started", table(("person", "run", "flow", "id"), rows) if rows else "None: everything agrees."]
    if feed.held:
        parts += ["## Held", table(("row", "why"), [(h.row, h.message) for h in feed.held])]
    return "\n\n".join(parts) + "\n"
