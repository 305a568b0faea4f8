"""Commands for exceptions from the rules: grants for a time, overrides, legal holds; and what HR said when."""

from __future__ import annotations

import getpass
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer
from prefect import get_client
from prefect.states import Scheduled

from flows.case import hr_row
from flows.doors.console import fail, out, plainly, run, show_json, show_table
from flows.doors.people import Id, Json, NoWait, person_run
from flows.record import facts, holds, overrides, snapshots
from flows.record.decided import Effect, OverrideRow
from flows.record.tables import FactRow
from flows.site import Site
from mappings.people import COLUMNS, DATE_COLUMNS, EXTRA
from mappings.words import suggest

override_app = typer.Typer(no_args_is_help=True, help="Exceptions with a reason and an end.")
LONGEST = timedelta(days=366)
UNITS = {"h": "hours", "d": "days", "w": "weeks"}
LENGTH = re.compile(r"(\d{1,6})([hdw])")

Why = Annotated[str, typer.Option("--why", help="The reason, for the record and the auditor.")]
By = Annotated[str, typer.Option("--by", help="Who decided it; by default the user of this terminal.")]
For = Annotated[str, typer.Option("--for", help="How long: 8h, 3d, 2w.")]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="The last day on which it holds.")
]


@plainly
def grant(person_id: Id, access: Annotated[str, typer.Argument(help="app or app:entitlement")], why: Why,
          for_: For, by: By = "", no_wait: NoWait = False, as_json: Json = False) -> None:  # fmt: skip
    """Give somebody access for a time. It ends by itself.

    Example: rollcall grant 1042 "crm:Sales Manager" --for 8h --why "month-end close, ticket 318"
    """
    site = Site.open()
    check_access(site, access)
    row = add(site, person_id, Effect.GIVE, access, why, by, datetime.now(UTC) + length(for_))
    out.print(f"override {row.id}: {access} until {row.until:%Y-%m-%d %H:%M} UTC", highlight=False)
    person_run("change_access", {"person_id": person_id}, f"grant {person_id}", no_wait, as_json)


@override_app.command("add")
@plainly
def override_add(
    person_id: Id,
    why: Why,
    until: Until = None,
    for_: Annotated[str, typer.Option("--for", help="How long: 8h, 3d, 2w.")] = "",
    give: Annotated[str, typer.Option(help="app or app:entitlement, although no rule gives it")] = "",
    deny: Annotated[str, typer.Option(help="app or app:entitlement, although a rule gives it")] = "",
    set_: Annotated[str, typer.Option("--set", help="attribute=value, until HR's record is mended")] = "",
    by: By = "",
) -> None:
    """Note an exception. The person's next run carries it out: `rollcall move ID`, or the next sync.

    Example: rollcall override add 1042 --set department=Sales --until 2026-12-31 --why "HR ticket 77 is open"
    """
    if sum(map(bool, (give, deny, set_))) != 1:
        fail("say exactly one of --give, --deny, --set", 2)
    site, end = Site.open(), end_of(until, for_)
    if set_:
        name, value = assignment(set_)
        row = add(site, person_id, Effect.SET, name, why, by, end, value)
    else:
        check_access(site, give or deny)
        row = add(site, person_id, Effect.GIVE if give else Effect.DENY, give or deny, why, by, end)
    out.print(f"override {row.id}: holds until {row.until:%Y-%m-%d %H:%M} UTC. Now: rollcall move {person_id}")


@override_app.command("list")
@plainly
def override_list(
    closed: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False, as_json: Json = False
) -> None:
    """Exceptions that hold now.

    Example: rollcall override list
    """
    rows = overrides.listed(Site.open(looking=True).db, closed)
    if as_json:
        show_json([row.model_dump(mode="json") for row in rows])
        return
    head = ("id", "person", "what", "until", "why", "by")
    show_table("Overrides", head, [(r.id, r.person_id, what(r), end_in_words(r), r.why, r.by) for r in rows])


@override_app.command("end")
@plainly
def override_end(override_id: int, why: Why) -> None:
    """End an exception before its time.

    Example: rollcall override end 7 --why "HR has mended the record"
    """
    if not overrides.end(Site.open().db, override_id, why):
        fail(f"there is no open override {override_id}; `rollcall override list` shows those that are")
    out.print(f"override {override_id}: ended")


@plainly
def legal_hold(
    person_id: Id,
    why: Annotated[str, typer.Option("--why", help="The reason: a case, an order.")] = "",
    release: Annotated[bool, typer.Option("--release", help="The hold is over.")] = False,
) -> None:
    """Keep what a person has from being deleted; access still ends when they leave.

    Example: rollcall legal-hold 1042 --why "case 12/2026"
    """
    site = Site.open()
    db = site.db
    if release:
        gone = holds.end_legal_hold(db, person_id, why or "released by hand")
        out.print(f"{person_id}: {'released' if gone else 'there was no legal hold'}")
    elif not why.strip():
        fail("a legal hold needs a reason: --why", 2)
    else:
        check_person(site, person_id)
        holds.place(db, person_id, holds.LEGAL, f"legal hold: {why}")
        out.print(f"{person_id}: nothing will be deleted until `rollcall legal-hold {person_id} --release`")


@plainly
def history(
    person_id: Id,
    valid_on: Annotated[datetime | None, typer.Option("--valid-on", formats=["%Y-%m-%d"])] = None,
    known_on: Annotated[datetime | None, typer.Option("--known-on", formats=["%Y-%m-%d"])] = None,
    as_json: Json = False,
) -> None:
    """What HR said of a person, from when it holds and since when it was known.

    With --valid-on and --known-on: what held on the one day by all that was known at the end of the other.
    Example: rollcall history 1042 --valid-on 2026-10-01 --known-on 2026-10-15
    """
    site = Site.open(looking=True)
    if valid_on or known_on:
        day, seen = (valid_on or datetime.now(UTC)).date(), end_of_day((known_on or datetime.now(UTC)).date())
        frame = facts.said(site.db, site.rules.company.hr, day, seen, person_id)
        row = {} if frame.empty else frame.iloc[0].dropna().astype(str).to_dict()
        show_json(row) if as_json else show_table(f"{person_id}", ("attribute", "value"), list(row.items()))
        return
    rows = facts.history(site.db, person_id)
    if as_json:
        show_json([r.model_dump(mode="json") for r in rows])
        return
    show_table(f"{person_id}", ("valid from", "known since (UTC)", "what"), told(rows))


def told(rows: Sequence[FactRow]) -> list[tuple[str, str, str]]:
    """Facts as lines, each with what differs from the one before."""
    lines: list[tuple[str, str, str]] = []
    before: dict[str, str] = {}
    for row in rows:
        body = row.body or {}
        news = [f"{k}: {body.get(k, '—')}" for k in sorted({*body, *before}) if body.get(k) != before.get(k)]
        text = "taken back" if row.body is None else "; ".join(news)
        lines.append((str(row.valid_from), f"{row.known_since:%Y-%m-%d %H:%M}", text))
        before = body
    return lines


def add(
    site: Site, person_id: str, effect: Effect, name: str, why: str, by: str, until: datetime, value: str = ""
) -> OverrideRow:
    """The override, and a run at its end."""
    now = datetime.now(UTC)
    if not now < until <= now + LONGEST:
        fail("the end must lie ahead, and within a year; an exception for good belongs into the rules", 2)
    if not why.strip():
        fail("an exception needs a reason: --why", 2)
    check_person(site, person_id)
    row = overrides.add(site.db, person_id, effect, name, why, by or getpass.getuser(), until, value)
    run(end_run(row))
    return row


def check_person(site: Site, person_id: str) -> None:
    """HR must know the person: as it was read last, or now."""
    latest = snapshots.latest(site.db, site.rules.company.hr)
    if latest is None or person_id not in set(latest[1]["employee_id"]):
        hr_row(site, person_id, datetime.now(UTC).date())


async def end_run(row: OverrideRow) -> None:
    """A run of the person when the override ends."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("change_access/change_access")
        await client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"person_id": row.person_id},
            state=Scheduled(scheduled_time=row.until + timedelta(seconds=1)),
            name=f"override {row.id} ends",
            tags=[f"override:{row.id}"],
            idempotency_key=f"override:{row.id}",
        )


def check_access(site: Site, access: str) -> None:
    """The app and, where the app lists them, the entitlement must exist."""
    app, _, entitlement = access.partition(":")
    if app not in site.rules.apps:
        fail(f"unknown app {app!r}; {suggest(app, site.rules.apps)}", 2)
    known = site.rules.apps[app].entitlements
    if entitlement and known is not None and entitlement not in known:
        fail(f"{app} has no entitlement {entitlement!r}; {suggest(entitlement, known)}", 2)


def assignment(text: str) -> tuple[str, str]:
    """`department=Sales`."""
    name, equals, value = text.partition("=")
    if not equals or (name not in COLUMNS and not name.startswith(EXTRA)) or name == "employee_id":
        fail(f"--set {text!r}: write attribute=value; {suggest(name, COLUMNS[1:])}", 2)
    if name in DATE_COLUMNS and value:
        try:
            date.fromisoformat(value)
        except ValueError:
            fail(f"--set {text!r}: a date is needed, like {name}=2026-12-31", 2)
    return name, value


def length(text: str, option: str = "--for") -> timedelta:
    """`8h`, `3d`, `2w`."""
    found = LENGTH.fullmatch(text.strip())
    if not found:
        fail(f"{option} {text!r}: write it like 8h, 3d or 2w", 2)
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def end_of(until: datetime | None, for_: str) -> datetime:
    """The end, by either option."""
    if bool(until) == bool(for_):
        fail("say one of --until and --for", 2)
    return end_of_day(until.date()) if until else datetime.now(UTC) + length(for_)


def end_of_day(day: date) -> datetime:
    """Midnight after the day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def end_in_words(row: OverrideRow) -> str:
    """`2026-11-30 00:00`, or `ended 2026-11-12 09:30: HR says the same now`."""
    if row.ended_at:
        return f"ended {row.ended_at:%Y-%m-%d %H:%M}: {row.ended_why}"
    return f"{row.until:%Y-%m-%d %H:%M}"


def what(row: OverrideRow) -> str:
    """`give crm:Sales Rep`, `set department = Sales`."""
    return f"{row.effect} {row.name}" + (f" = {row.value}" if row.effect == Effect.SET else "")
