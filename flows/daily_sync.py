"""The daily sync: read HR, keep what it said, find who is due, and start one run for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from connectors.errors import ConnectorError
from flows import notify
from flows.case import day_of, instant
from flows.due import Started, check_sso, due, leavers, start
from flows.gate import believed, hold, served, use_up, weighed
from flows.identities import resolve
from flows.reading import Reading, note, read
from flows.record import facts, holds, overrides, signals, snapshots
from flows.record.signals import Signal
from flows.record.tables import HoldRow
from flows.report import table
from flows.site import Site
from flows.taskgraph import named
from mappings.day import status_at
from mappings.feed import Feed, FeedError
from mappings.folder import RulesError
from mappings.guard import Verdict
from mappings.lifecycle import Kind, changes
from mappings.people import Status
from mappings.radius import Impact


@flow(name="daily_sync", persist_result=False)
async def daily_sync(on: date | None = None, full: bool = False) -> State[Any]:
    """Make every app agree with HR, as of now or of the date `on`.

    `full`: everybody is read, whatever the mapping says.
    """
    begun = datetime.now(UTC)
    moment = on or begun
    try:
        site = await asyncio.to_thread(Site.open)
        reading: Reading = await finished("read HR", lambda: read(site, moment, full))
        feed = reading.feed
        verdict: Verdict = await finished("trust gate", lambda: believed(site, feed, moment))
        changed: pd.DataFrame = await finished("classify", lambda: classify(site, feed, moment))
        await finished("who is who", lambda: resolve(site, feed.people, moment))
        await asyncio.to_thread(
            keep, site, feed, changed, verdict, moment, reading
        )  # before the runs: addresses are taken from there
        newer = await asyncio.to_thread(read_anew, site, feed, begun)
        who: pd.DataFrame = await finished("find who is due", lambda: served(site, due(site, feed.people, moment)))
        who = who[~who["person_id"].isin(newer)]
        waits: Impact = await finished("blast radius", lambda: weighed(site, feed.people, who, moment))
    except FeedError as error:
        await notify.feed_refused(site, str(error), str(runtime.flow_run.id))
        return Failed(message=str(error))
    except (ConnectorError, RulesError) as error:
        return Failed(message=str(error))
    who = who[~who["person_id"].isin(waits.who["person_id"])]
    refusal = "" if len(leavers(who)) == len(who) else await sso_refusal(site)
    started = await start(leavers(who) if refusal else who, on, str(runtime.flow_run.id))
    batch = await ask(site, waits)
    await notify.questions(site)
    held = await asyncio.to_thread(holds.held, site.db)
    text = told(reading, changed, started, day_of(moment), held, waits, batch)
    await acreate_markdown_artifact(markdown=text, key="daily-sync")
    if refusal:
        return Failed(message=f"{refusal} Nobody was given anything; {len(started)} leavers' runs were started.")
    return Completed(message=summary(feed, verdict, started, waits))


def summary(feed: Feed, verdict: Verdict, started: list[Started], waits: Impact) -> str:
    """One line for the run's state."""
    parts = [f"{len(started)} people due of {len(feed.people)}", f"{len(feed.held)} rows held"]
    if number := len({*verdict.held, *verdict.vanished}):
        parts.append(f"{number} people held")
    if waits.hash:
        parts.append(f"{len(waits.who)} people wait for approval: {waits.title}")
    return ", ".join(parts)


async def ask(site: Site, waits: Impact, then: str | None = None) -> str:
    """Start the run that asks whether so many may lose so much; returns its id, '' where nobody need be asked.

    `then`: see held_batch.start_batch.
    """
    if not waits.hash:
        return ""
    from flows.held_batch import start_batch  # it needs this package's flows

    return await start_batch(site, waits.who, waits.title, waits.body, waits.hash, then)


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


def keep(
    site: Site,
    feed: Feed,
    changed: pd.DataFrame,
    verdict: Verdict,
    moment: datetime | date,
    reading: Reading | None = None,
) -> None:
    """What HR said, and the holds that it places or lifts: all of it or nothing."""
    with site.db.writing():
        hold(site, feed, verdict)
        gone = set(changed.loc[changed["status"] == Status.TERMINATED.value, "person_id"])
        for person_id in holds.people(site.db, holds.SENT_AWAY) & gone:
            holds.lift(site.db, person_id, holds.SENT_AWAY, "HR says now that the person has left")
        use_up(site, feed)
        if not verdict.old:  # and after the holds: see gate.with_good_rows
            seen_at = datetime.now(UTC)
            snapshots.save(site.db, site.rules.company.hr, feed.people, seen_at)
            if reading is not None:
                note(site, reading)
            keep_news(site, feed.people, changed, moment, seen_at)
            believed_rows = feed.people[~feed.people["employee_id"].isin(verdict.held)]
            overrides.end_mended(site.db, believed_rows, instant(moment))


def read_anew(site: Site, feed: Feed, begun: datetime) -> list[str]:
    """Those of whom a signal told something else while HR was being read, and nobody knows which word is newer:
    they are left to the dispatcher of signals, which reads them once more. Returns their ids."""
    said = signals.told_since(site.db, site.rules.company.hr, begun)
    ids = sorted(signals.differing(said, feed.people)["employee_id"])
    if ids and site.settings.webhooks:
        signals.store(site.db, [Signal(site.rules.company.hr, f"daily_sync {runtime.flow_run.id} {begun}", ids)])
        return ids
    return []


def keep_news(
    site: Site, people: pd.DataFrame, changed: pd.DataFrame, moment: datetime | date, seen_at: datetime
) -> None:
    """What is new of each person, as valid from the day of the look."""
    news = changed.loc[(changed["columns"] != "") | (changed["was"] == ""), "person_id"]
    rows = people[people["employee_id"].isin(news)]
    facts.keep(site.db, site.rules.company.hr, rows, day_of(moment), seen_at)


def told(
    reading: Reading,
    changed: pd.DataFrame,
    started: list[Started],
    on: date,
    held: Sequence[HoldRow],
    waits: Impact,
    batch: str,
) -> str:
    """The artifact's text."""
    feed = reading.feed
    news = changed[~changed["kind"].isin([Kind.SAME.value])]
    rows = [(s.person_id, s.name, s.flow, s.run_id or "a run is under way already") for s in started]
    parts = [f"# Daily sync for {on}", f"{len(feed.people)} people in HR. {reading.told}".rstrip()]
    parts += [
        "## Since the last look",
        table(("person", "what", "changed"), news[["person_id", "kind", "columns"]].values),
    ]
    parts += ["## Runs started", table(("person", "run", "flow", "id"), rows) if rows else "None: everything agrees."]
    if waits.hash:
        parts += ["## Waiting for approval", f"Run `{batch}` asks.", waits.body]
    if feed.held:
        parts += ["## Rows held", table(("row", "why"), [(h.row, h.message) for h in feed.held])]
    if people := [row for row in held if row.source in (holds.TRUST, holds.VANISHED)]:
        lines = [(row.person_id, row.reason, f"{row.placed_at:%Y-%m-%d}") for row in people]
        parts += ["## People held", table(("person", "why", "since"), lines)]
    return "\n\n".join(parts) + "\n"
