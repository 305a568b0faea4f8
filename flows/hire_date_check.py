"""The hourly check: people whose local start of day, or last day's cut-off, has come since the last look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.case import day_of
from flows.daily_sync import sso_refusal
from flows.due import due, leavers, start
from flows.graph import named
from flows.record import marks, snapshots
from flows.site import Site
from mappings.day import status_at
from mappings.folder import RulesError

MARK = "hire_date_check: last look"


@flow(name="hire_date_check", persist_result=False)
async def hire_date_check(now: datetime | None = None) -> State[Any]:
    """Start a run for everybody whose day has begun or ended since the last check. `now` defaults to the clock."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    try:
        site = await asyncio.to_thread(Site.open)
    except RulesError as error:
        return Failed(message=str(error))
    last = await asyncio.to_thread(marks.get, site.db, MARK)
    who = await asyncio.to_thread(named("whose day has come", lambda: come(site, last, moment)).submit().result)
    refusal = "" if len(leavers(who)) == len(who) else await sso_refusal(site)
    by, once = str(runtime.flow_run.id), f"hire_date_check {day_of(moment)}"
    started = await start(leavers(who) if refusal else who, None, by, once=once)
    if refusal:  # the mark stays, so that the next check finds the same people
        return Failed(message=f"{refusal} Nobody was given anything; {len(started)} leavers' runs were started.")
    await asyncio.to_thread(marks.swap, site.db, MARK, last, moment.isoformat())
    return Completed(message=f"{len(started)} people: {', '.join(s.name for s in started) or 'nobody'}")


def come(site: Site, last: Any, moment: datetime) -> pd.DataFrame:
    """Those due now whose status was another at the last look. Without a last look: everybody due."""
    latest = snapshots.latest(site.db, site.rules.company.hr)
    if latest is None:
        return pd.DataFrame(columns=["person_id", "flow", "user_name"])
    people = latest[1]
    who = due(site, people, moment)
    if last is None:
        return who
    was = status_at(people, site.rules.company, datetime.fromisoformat(str(last)))
    moved = people.loc[was != status_at(people, site.rules.company, moment), "employee_id"]
    return who[who["person_id"].isin(moved)]
