"""Reconciliation: read all apps, explain every access, put back or report the rest by each app's policy."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from connectors.errors import ConnectorError
from flows.case import day_of
from flows.daily_sync import ask, finished
from flows.due import Started, start
from flows.gate import approved, believed, read
from flows.report import table
from flows.site import Site
from flows.survey import Drift, Survey, survey
from mappings.feed import FeedError
from mappings.folder import RulesError
from mappings.plan import Verb
from mappings.radius import EFFECT_COLUMNS, Impact, weigh

DRIFTS = "reconcile-drifts"
"""Key of the artifact with all drifts as a table."""
TOLD = 300  # drifts named in the artifact
KINDS = {Verb.REVOKE: "removals", Verb.DISABLE: "disables", Verb.DELETE: "deletes", Verb.UPDATE: "changes"}
"""Verb that puts something back -> what it counts as in the blast radius."""

log = logging.getLogger("prefect.rollcall.reconcile")


@flow(name="reconcile", persist_result=False)
async def reconcile(on: date | None = None, report_only: bool = False) -> State[Any]:
    """Compare all accounts of all apps with what should be. `report_only`: put nothing back, whatever the policy."""
    moment = on or datetime.now(UTC)
    try:
        site = await asyncio.to_thread(Site.open)
        found: Survey = await finished("read HR and every app", lambda: look_at_all(site, moment))
    except (ConnectorError, FeedError, RulesError) as error:
        return Failed(message=str(error))
    waits = await asyncio.to_thread(weighed, site, found)
    who = found.who.iloc[:0] if report_only else found.who[~found.who["person_id"].isin(waits.who["person_id"])]
    started = await start(who, on, str(runtime.flow_run.id), put_back=True)
    batch = "" if report_only else await ask(site, waits, then="reconcile")
    await acreate_markdown_artifact(markdown=told(found, started, waits, batch), key="reconcile")
    await acreate_table_artifact(table=list(map(asdict, found.drifts)), key=DRIFTS)
    unread = [f"{r.app}: {r.error}" for r in found.reports if r.error]
    if unread:
        return Failed(message=f"{summary(found, started)}. Not read: {'; '.join(unread)}")
    return Completed(message=summary(found, started))


def look_at_all(site: Site, moment: datetime | date) -> Survey:
    """HR, believed, against every app."""
    feed = read(site, day_of(moment))
    believed(site, feed, moment)
    return survey(site, feed.people, moment, log.info)


def weighed(site: Site, found: Survey) -> Impact:
    """Who waits for a human, since too much would be taken back at once."""
    mine = set(found.who["person_id"])
    rows = [(d.person_id, KINDS[d.verb], what(d)) for d in found.drifts if d.verb in KINDS and d.person_id in mine]
    effects = pd.DataFrame(rows, columns=EFFECT_COLUMNS, dtype="string")
    result = weigh(found.who, effects, found.people, site.rules.company.blast_radius, site.rules.hash)
    return Impact(found.who.head(0), effects.head(0)) if approved(site, result.hash) else result


def what(drift: Drift) -> str:
    """`crm:Sales Manager`."""
    return f"{drift.app}:{drift.entitlement}" if drift.entitlement else f"{drift.app} {drift.verb}"


def summary(found: Survey, started: list[Started]) -> str:
    """One line for the run's state."""
    reasons = ", ".join(f"{n} by {kind}" for kind, n in found.explained.items() if n)
    orphans = sum(len(r.orphaned) for r in found.reports)
    return (
        f"{sum(found.explained.values())} accesses explained ({reasons or 'none'}), {len(found.drifts)} drifts, "
        f"{orphans} orphaned accounts, {len(started)} people put back"
    )


def told(found: Survey, started: list[Started], waits: Impact, batch: str) -> str:
    """The artifact's text."""
    drifts = [(d.person_id, d.app, d.what, d.policy.replace("_", " ")) for d in found.drifts[:TOLD]]
    apps = [(r.app, r.accounts, len(r.matched), len(r.orphaned), len(r.doubtful), r.error) for r in found.reports]
    orphans = [
        (r.app, d.account.key, "usable" if d.account.active else "disabled", d.why)
        for r in found.reports
        for d in r.orphaned
    ]
    parts = ["# Reconciliation", f"{summary(found, started)}."]
    parts += ["## Apps", table(("app", "accounts", "of people", "orphaned", "doubtful", "error"), apps)]
    parts += ["## Drift", table(("person", "app", "what", "policy"), drifts) if drifts else "None."]
    if len(found.drifts) > TOLD:
        counts = Counter((d.app, str(d.verb)) for d in found.drifts)
        parts += [f"… and {len(found.drifts) - TOLD} more:", table(("app and verb", "number"), counts.most_common())]
    if waits.hash:
        parts += ["## Waiting for approval", f"Run `{batch or 'none: only reported'}` asks.", waits.body]
    if orphans:
        parts += ["## Accounts of nobody in HR", table(("app", "account", "state", "why"), orphans[:TOLD])]
    return "\n\n".join(parts) + "\n"
