"""Once a day: who has been waited for too long, which questions are over, whose contract ends, which leaver is late."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import notify
from flows.approval import MARGIN
from flows.case import day_of
from flows.record import approvals, holdings, holds, marks, snapshots, tasks
from flows.record.database import now as clock
from flows.site import Site
from flows.waiting import let_go_on, lives
from mappings.day import status_at
from mappings.folder import RulesError
from mappings.people import Status, frame_of

MARK = "reminded"
"""Of what was it reminded, and when: {"task 7": instant}."""
DEFAULT = {"decision": "refuse", "reason": "nobody answered in time", "by": "rollcall"}


@flow(name="reminders", persist_result=False)
async def reminders(now: datetime | None = None) -> State[Any]:
    """Remind, expire and warn. Running it twice tells nothing twice. `now` defaults to the clock."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    try:
        site = await asyncio.to_thread(Site.open)
    except RulesError as error:
        return Failed(message=str(error))
    over = await give_up(site, moment)
    old = await remind(site, moment)
    ending = await notify.tell_new(site, "Rollcall: contracts that end", await asyncio.to_thread(ends, site, moment))
    behind = await notify.tell_new(site, "Rollcall: a leaver is late", await asyncio.to_thread(late, site, moment))
    return Completed(message=f"{over} expired, {old} reminded of, {ending} contracts end, {behind} leavers late")


async def give_up(site: Site, moment: datetime) -> int:
    """Give questions whose time is over their default, and withdraw those that no run waits for any more.

    Looks again at those that expired lately: their runs must have heard of it.
    """
    expired = await asyncio.to_thread(approvals.expire, site.db, moment)
    lately = await asyncio.to_thread(approvals.expired_since, site.db, clock() - MARGIN)
    async with get_client() as client:
        for row in lately:
            await let_go_on(client, row.run_id, DEFAULT)
        for row in await asyncio.to_thread(approvals.open_ones, site.db):
            if not await lives(client, row.run_id):
                why = "the run that asked is no more"
                await asyncio.to_thread(approvals.withdraw_one, site.db, row.id or 0, why)
    return len(expired)


async def remind(site: Site, moment: datetime) -> int:
    """One message about everything that has been open for long; each thing once in so many days."""
    known = marks.get(site.db, MARK)
    before = {k: datetime.fromisoformat(str(v)) for k, v in known.items()} if isinstance(known, dict) else {}
    questions = await asyncio.to_thread(approvals.open_ones, site.db)
    to_do = await asyncio.to_thread(tasks.open_tasks, site.db)
    things = {f"approval {r.id}": (r.asked_at, f"{r.approver}: approval {r.id}, {r.title}") for r in questions}
    things |= {f"task {r.id}": (r.opened_at, f"{r.owner}: task {r.id}, {r.title}") for r in to_do}
    last = {name: before.get(name, since) for name, (since, _) in things.items()}
    old = [name for name in things if moment - last[name] >= timedelta(days=site.settings.remind_days)]
    title = f"Rollcall: {len(old)} things wait"
    if not old or not await notify.tell(site, f"reminder {moment}", title, words(things, old)):
        return 0
    kept = {name: at for name, at in before.items() if name in things} | dict.fromkeys(old, moment)
    await asyncio.to_thread(marks.set, site.db, MARK, {name: at.isoformat() for name, at in kept.items()})
    return len(old)


def words(things: Mapping[str, tuple[datetime, str]], names: Sequence[str]) -> str:
    """A line for each, by who is asked."""
    return notify.lines(sorted(f"{things[name][1]}, since {things[name][0]:%Y-%m-%d}" for name in names))


def ends(site: Site, moment: datetime) -> dict[str, str]:
    """News -> line: contractors whose last day is near, with the manager whom it concerns."""
    people, terms = last_feed(site), site.rules.company.contractors
    today = pd.Timestamp(day_of(moment))
    days = (people["last_day"] - today).dt.days
    near = people["worker_type"].isin(terms.types) & (days >= 0) & (days <= terms.remind_days)
    name = dict(zip(people["employee_id"], user_names(people), strict=True))
    return {
        f"contract {row.employee_id} {row.last_day:%Y-%m-%d}": (
            f"{name.get(row.manager_id) or 'no manager known'}: {name[row.employee_id]} ({row.employee_id}), "
            f"last day {row.last_day:%Y-%m-%d}"
        )
        for row in people[near.fillna(False)].itertuples()
    }


def late(site: Site, moment: datetime) -> dict[str, str]:
    """News -> line: people who should have had no access for hours and still have some."""
    before = moment - timedelta(hours=site.settings.late_hours)
    people = last_feed(site)
    gone = (status_at(people, site.rules.company, before) == Status.TERMINATED.value).to_numpy(dtype=bool)
    since = {r.employee_id: f"{r.last_day:%Y-%m-%d}" for r in people[gone & people["last_day"].notna()].itertuples()}
    since |= {h.person_id: "it was ended at once" for h in holds.held(site.db) if was_sent_away(h, before)}
    keeps = {name for name, app in site.rules.apps.items() if app.leaver == "keep"}
    held = holdings.access(site.db)
    held = held[held["person_id"].isin(since) & ~held["app"].isin(keeps)]
    name = dict(zip(people["employee_id"], user_names(people), strict=True))
    apps = held.groupby("person_id")["app"].agg(lambda found: ", ".join(sorted(set(found))))
    where = {str(person): found for person, found in apps.items()}
    return {
        f"late {who} {since[who]}": f"{name.get(who, who)} ({who}), last day {since[who]}: {found}"
        for who, found in where.items()
    }


def was_sent_away(hold: Any, before: datetime) -> bool:
    """Whether this person's access was ended at once, before that instant."""
    return bool(hold.source == holds.SENT_AWAY and hold.placed_at <= before)


def last_feed(site: Site) -> pd.DataFrame:
    """The people of the last good feed."""
    latest = snapshots.latest(site.db, site.rules.company.hr)
    return latest[1] if latest else frame_of([])


def user_names(people: pd.DataFrame) -> pd.Series:
    """The part of the work address before the @; the id where there is none."""
    return people["work_email"].str.split("@").str[0].fillna(people["employee_id"])
