"""The hourly check: people whose local start of day, or last day's cut-off, has come since the last look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.case import day_of, instant
from flows.daily_sync import ask, sso_refusal
from flows.due import due, leavers, start
from flows.gate import served, weighed
from flows.identities import resolve
from flows.record import marks, overrides, signals
from flows.site import Site
from flows.taskgraph import named
from mappings.day import standing
from mappings.exceptions import with_values
from mappings.folder import RulesError
from mappings.radius import Impact

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
    found = await asyncio.to_thread(named("whose day has come", lambda: come(site, last, moment)).submit().result)
    who, waits = found
    refusal = "" if len(leavers(who)) == len(who) else await sso_refusal(site)
    by, once = str(runtime.flow_run.id), f"hire_date_check {day_of(moment)}"
    started = await start(leavers(who) if refusal else who, None, by, once=once)
    await ask(site, waits)
    if refusal:  # the mark stays, so that the next check finds the same people
        return Failed(message=f"{refusal} Nobody was given anything; {len(started)} leavers' runs were started.")
    if all(s.run_id for s in started):  # who has a run under way is found again: it may have looked too early
        await asyncio.to_thread(marks.swap, site.db, MARK, last, moment.isoformat())
    names = ", ".join(s.name for s in started) or "nobody"
    asked = f"; {len(waits.who)} people wait for approval: {waits.title}" if waits.hash else ""
    return Completed(message=f"{len(started)} people: {names}{asked}")


def come(site: Site, last: Any, moment: datetime) -> tuple[pd.DataFrame, Impact]:
    """Those due now who stood otherwise at the last look, and whom of them too many losses let wait.

    Without a last look: everybody due.
    """
    people = signals.people_now(site.db, site.rules.company.hr)
    if people is None:
        nobody = pd.DataFrame(columns=["person_id", "flow", "user_name"], dtype="string")
        return nobody, Impact(nobody, nobody)
    resolve(site, people, moment)  # what the older record of somebody who begins today has goes to the newer one
    who = served(site, due(site, people, moment))
    waits = weighed(site, people, who, moment)
    if last is not None:
        who = who[who["person_id"].isin(moved(site, people, datetime.fromisoformat(str(last)), moment))]
    if not who["person_id"].isin(waits.who["person_id"]).any():
        return who, Impact(waits.who.head(0), waits.effects.head(0))
    return who[~who["person_id"].isin(waits.who["person_id"])], waits


def moved(site: Site, people: pd.DataFrame, last: datetime, moment: datetime) -> set[str]:
    """Ids of those whose status, or whether they should have access, is another than at the last look."""
    return set(people.loc[stands(site, people, last) != stands(site, people, moment), "employee_id"])


def stands(site: Site, people: pd.DataFrame, moment: datetime) -> pd.Series:
    """Status and access of each row at the moment, as one word: `prehire False`."""
    status, here = standing(
        with_values(people, overrides.in_force(site.db, instant(moment))), site.rules.company, moment
    )
    return status + " " + here.astype("string")
