"""Commands about the rules and what follows from them: check and forecast. Neither asks an app or HR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import col, select

from connectors.catalogue import mistakes
from connectors.hr import catalogue as sources
from flows.doors.console import fail, plainly, show_json
from flows.record import holdings, identities, overrides, snapshots
from flows.record.database import Database
from flows.record.tables import HeldRow
from flows.settings import load_settings
from flows.site import Site
from mappings.day import local_date
from mappings.examples import Outcome, Report, examine
from mappings.exceptions import with_values
from mappings.folder import RulesError, read_folder
from mappings.forecast import Ahead, Event, coming, span

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
FAMILIAR = "the reason changed"
"""Why a row of what is in place ended, though the access went on (flows.record.holdings.hold)."""


@plainly
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="The mappings folder; left out: the one in force.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a mappings folder, tell all its mistakes, and try its examples: golden people and their access.

    Example: rollcall check ./mappings
    """
    where = folder or load_settings().mappings_folder
    report = examine(where)
    rules = read_folder(where)
    told = [mistakes(name, app) for name, app in rules.apps.items()]
    told.append(sources.mistakes(rules.company.hr, rules.hr, rules.folder))
    if any(told):
        raise RulesError([each for each in told if each])
    if as_json:
        show_json(report_dict(report))
    else:
        for line in lines(report):
            typer.echo(line)
    if report.bad:
        raise typer.Exit(1)


def lines(report: Report) -> Iterator[str]:
    """A line per example that is not as expected, per warning, and a summary."""
    yield from (str(each) for each in report.bad)
    yield from (f"warning: {each}" for each in report.warnings)
    verdict = "all as expected" if not report.bad else f"{len(report.bad)} not as expected"
    yield f"{report.files} files, {len(report.outcomes)} examples" + (f": {verdict}" if report.outcomes else "")


def report_dict(report: Report) -> dict[str, Any]:
    """For programs."""
    return {
        "files": report.files,
        "examples": [outcome_dict(each) for each in report.outcomes],
        "warnings": list(report.warnings),
    }


def outcome_dict(each: Outcome) -> dict[str, Any]:
    """One example for programs."""
    words = {"where": each.where, "title": each.title, "as_expected": each.good, "lacks": each.lacks}
    return words | {"too_much": each.too_much, "differs": each.differs, "playbooks": sorted(each.playbooks)}


@plainly
def forecast(
    days: Annotated[int, typer.Option(min=0, max=3660, help="How many days ahead.")] = 14,
    as_json: Json = False,
) -> None:
    """Who joins, comes back and leaves in the next days, and whose contract, override or grace ends.

    As HR's records were when they were read last; nobody is asked anew.

    Example: rollcall forecast --days 30
    """
    site = Site.open(looking=True)
    known = snapshots.latest(site.db, site.rules.company.hr)
    if known is None:
        fail("record: HR was never read, so nothing can be told. Run `rollcall sync` first.")
    first, last = span(local_date(site.rules.company.time_zone, datetime.now(UTC)), days)
    events = ahead(site, known[1], first, last)
    if as_json:
        show_json({"from": first, "to": last, "hr_seen": known[0].seen_at, "events": [asdict(e) for e in events]})
        return
    for day, found in groupby(events, key=lambda e: e.day):
        typer.echo(f"{day:%a %Y-%m-%d}")
        for each in found:
            typer.echo(f"  {each.what:21} {each.name} ({each.person_id}): {each.detail}")
    typer.echo(f"{first} to {last}: {summary(events)}. HR was read on {known[0].seen_at:%Y-%m-%d %H:%M} UTC.")


def summary(events: list[Event]) -> str:
    """How many of each kind."""
    counted = [(what, sum(e.what is what for e in events)) for what in Ahead]
    return ", ".join(f"{number} × {what}" for what, number in counted if number) or "nothing is ahead"


def ahead(site: Site, people: Any, first: date, last: date) -> list[Event]:
    """All events of these days, by day: of HR's records, and of what ends by itself."""
    company = site.rules.company
    people = with_values(people, overrides.in_force(site.db, datetime.now(UTC)))
    known = dict(zip(people["employee_id"], (people["given_name"] + " " + people["family_name"]), strict=True))
    events = coming(people, company, first, last, had_access(site.db))
    for day, what, person, detail in ending(site.db, company.time_zone):
        if first <= day <= last:
            events.append(Event(day, what, person, known.get(person, "not in HR"), detail))
    return sorted(events, key=lambda e: (e.day, list(Ahead).index(e.what), e.name))


def ending(db: Database, zone: str) -> Iterator[tuple[date, Ahead, str, str]]:
    """Overrides and access that end by themselves, with the date in the company's time zone."""
    for row in overrides.listed(db):
        value = f" = {row.value or 'nothing'}" if row.effect == "set" else ""
        detail = f"{row.effect} {row.name}{value} ({row.why}, by {row.by})"
        yield local_date(zone, row.until), Ahead.OVERRIDE, row.person_id, detail
    held = holdings.access(db)
    for found in held[held["until"].notna()].to_dict("records"):
        what = f"{found['app']}:{found['entitlement']}" if found["entitlement"] else f"{found['app']} account"
        yield local_date(zone, found["until"]), Ahead.ENDS, found["person_id"], f"{what} ({found['why']})"


def had_access(db: Database) -> set[str]:
    """Ids of people who lost an account that they had, and of the newer records of such people."""
    lost = (HeldRow.entitlement == "", col(HeldRow.ended).is_not(None), HeldRow.ended_why != FAMILIAR)
    with db.session() as session:
        had = set(session.exec(select(HeldRow.person_id).where(*lost).distinct()))
    return had | {newer for newer, older in identities.links(db) if older in had}
