"""Commands about HR systems: list, add, try."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.catalogue import variables
from connectors.hr.base import Changes, Signals
from flows import hr_files
from flows.case import day_of
from flows.doors.console import err, out, plainly, show_json, show_table
from flows.doors.people import Json
from flows.doors.ready import copied, decisions, unset
from flows.hr_entry import can_write
from flows.settings import load_settings
from flows.site import Site
from mappings.coverage import Field, doubts, fields
from mappings.day import status_at
from mappings.feed import people_of
from mappings.folder import read_folder

NAMED = 10  # rows held that are shown
hr_app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="HR systems: list, add, try.")


@hr_app.command("list")
@plainly
def list_systems(as_json: Json = False) -> None:
    """List the company's HR files, and the systems that a ready file can be added for.

    Example: rollcall hr list
    """
    folder = load_settings().mappings_folder
    chosen, own = read_folder(folder).company.hr, hr_files.own(folder)
    ready = {name: hr_files.rules(hr_files.text(name)) for name in hr_files.names() if name not in own}
    rows = [(name, rules.connector, "in use" if name == chosen else "there") for name, rules in own.items()]
    rows += [(name, rules.connector, "ready to add") for name, rules in ready.items()]
    if as_json:
        show_json([{"hr": name, "connector": connector, "is": what} for name, connector, what in rows])
    else:
        show_table("HR systems", ("hr", "connector", ""), rows)


@hr_app.command("add")
@plainly
def add(
    name: Annotated[str, typer.Argument(help="A system of `rollcall hr list`.", show_default=False)],
    own_name: Annotated[str, typer.Option("--as", help="Another name for the file.", show_default=False)] = "",
) -> None:
    """Copy an HR system's ready file into the company's folder, and say what is to be set, decided and run next.

    Example: rollcall hr add workday
    """
    path = copied("hr", name, own_name, hr_files.names(), hr_files.text)
    for line in next_steps(name, path):
        out.print(line, markup=False, highlight=False)


def next_steps(name: str, path: Path) -> Iterator[str]:
    """What is left to do by hand."""
    if missing := unset(variables(hr_files.rules(hr_files.text(name)))):
        yield f"Set in .env: {', '.join(missing)}"
    yield from (f"Decide: {line}" for line in decisions(path))
    yield f"Then: `hr: {path.stem}` in company.yaml, rollcall check, rollcall hr try"


@hr_app.command("try")
@plainly
def try_system(as_json: Json = False) -> None:
    """Read the company's HR system whole and say what came of each field, who is held and why. Writes nothing.

    Example: rollcall hr try
    """
    site = Site.open(looking=True)
    rules, company, now = site.rules.hr, site.rules.company, datetime.now(UTC)
    err.print(f"[dim]{site.hr.check()}[/]", highlight=False)
    feed = people_of(site.hr.read(), rules, day_of(now))
    status = status_at(feed.people, company, now)
    found = fields(feed.people, rules, company)
    told = {
        "people": len(feed.people),
        "status": {str(word): int(many) for word, many in status.value_counts().items()},
        "fields": [each.model_dump() for each in found],
        "held": [row.message for row in feed.held],
        "doubts": list(doubts(feed.people, status, found)),
        "can": list(abilities(site)),
    }
    if as_json:
        show_json(told)
    else:
        show(told, found)
    if feed.held or not len(feed.people):
        raise typer.Exit(1)


def abilities(site: Site) -> Iterator[str]:
    """What this HR system can do besides being read."""
    hr, name = site.hr, site.rules.company.hr
    by_hand = "work e-mails are not written back: a task for HR each time"
    yield "work e-mails are written back" if can_write(site) else by_hand
    if isinstance(hr, Changes):
        yield f"asked for changes every {hr.pace.total_seconds() / 60:.0f} minutes while `rollcall up` runs"
    if isinstance(hr, Signals):
        yield f"webhooks are taken at /webhooks/{name}, once their secret is set (docs/webhooks.md)"


def show(told: dict[str, Any], found: list[Field]) -> None:
    """The same for a person."""
    total = told["people"]
    statuses = ", ".join(f"{many} {word}" for word, many in told["status"].items())
    out.print(f"{total} people today: {statuses}", highlight=False)
    rows = [(each.attribute, each.column, share(each.filled, total), each.different, values(each)) for each in found]
    show_table("Fields", ("attribute", "in HR", "filled", "different", "most frequent"), rows)
    for title, lines in (("Look at", told["doubts"]), ("Held", told["held"]), ("Besides", told["can"])):
        for line in lines[:NAMED]:
            out.print(f"{title}: {line}", markup=False, highlight=False)
        if len(lines) > NAMED:
            out.print(f"{title}: {len(lines) - NAMED} more; --json has them all", highlight=False)


def share(some: int, whole: int) -> str:
    """A part of a whole in per cent."""
    return f"{some / whole:.0%}" if whole else "-"


def values(found: Field) -> str:
    """`Sales 12, Finance 3`; strange ones with a mark."""
    return ", ".join(f"{word}{'(?)' if word in found.strange else ''} {many}" for word, many in found.often)
