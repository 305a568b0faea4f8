"""Commands about who is who: link, adopt."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import Annotated

import typer

from flows.adopt import adopt as first_import
from flows.doors.console import err, fail, out, plainly, show_json, show_table
from flows.doors.people import Json
from flows.record import identities
from flows.record.identities import DIFFERENT, SAME
from flows.site import Site
from mappings.adoption import Report, as_dict
from mappings.words import suggest

SHOWN = 10  # of each kind; --json has them all


@plainly
def link(
    newer: Annotated[str, typer.Argument(metavar="NEW", help="The newer record's id, or `list`.", show_default=False)],
    same_as: Annotated[str, typer.Option("--same-as", metavar="OLD", help="They are one human.")] = "",
    different: Annotated[str, typer.Option("--different", metavar="OLD", help="They are two.")] = "",
    why: Annotated[str, typer.Option(help="How you know, for the record.")] = "",
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
    as_json: Json = False,
) -> None:
    """Say whether a new HR record is a human whom an older record meant; `link list` shows what is asked.

    Example: rollcall link 1042 --same-as 88 --why "asked her"
    """
    if newer == "list":
        show_questions(as_json)
        return
    if bool(same_as) == bool(different):
        fail("link: say either --same-as OLD or --different OLD, e.g. `rollcall link 1042 --same-as 88`", 2)
    state, older = (SAME, same_as) if same_as else (DIFFERENT, different)
    try:
        news = identities.answer(Site.open().db, newer, older, state, by or getpass.getuser(), why)
    except ValueError as error:
        fail(f"link: {error}", 2)
    if as_json:
        show_json({"person_id": newer, "same_as": older, "state": state, "new": news})
    else:
        told = "are one human" if state == SAME else "are two humans"
        out.print(
            f"{newer} and {older} {told}{'' if news else ', as was known'}. The next sync goes by it.", markup=False
        )


def show_questions(as_json: bool) -> None:
    """What waits for an answer."""
    rows = identities.questions(Site.open(looking=True).db)
    if as_json:
        show_json([r.model_dump(mode="json", include={"person_id", "same_as", "how", "asked_at"}) for r in rows])
    else:
        show_table("Are these one human?", ("new", "old", "why"), [(r.person_id, r.same_as, r.how) for r in rows])


@plainly
def adopt(
    apps: Annotated[list[str] | None, typer.Argument(help="Only these apps.", show_default=False)] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep whose the accounts are in the record.")] = False,
    as_json: Json = False,
) -> None:
    """Match the accounts that the apps have already to HR's people. Writes nothing to the apps, ever.

    Example: rollcall adopt sso crm --save
    """
    site = Site.open(looking=not save)
    for name in apps or ():
        if name not in site.rules.apps:
            fail(f"adopt: there is no app {name!r}; {suggest(name, site.rules.apps)}", 2)
    with err.status("reading") as line:
        reports = first_import(site, apps or [], save, line.update)
    if as_json:
        show_json({"saved": save, "apps": [as_dict(r) for r in reports]})
    else:
        for report in reports:
            show(report)
        kept = "The record knows the matched accounts now." if save else "Nothing was kept; --save does."
        out.print(f"Nothing was written to any app. {kept}")
    for report in reports:
        if report.error:
            err.print(report.error, style="red", markup=False)
    if any(r.error for r in reports):
        raise typer.Exit(1)


def show(report: Report) -> None:
    """One app's report for people to read, what is wanted most first."""
    if report.error:
        return
    out.print(
        f"[bold]{report.title}[/] ({report.app}): {report.accounts} accounts, {len(report.matched)} matched",
        highlight=False,
    )
    leavers = (f"{m.account.key} ({m.person_id})" for m in report.leavers)
    some("red", "leavers with usable accounts", leavers)
    orphaned = sorted(report.orphaned, key=lambda d: (not d.account.active, d.service))
    some(
        "yellow",
        "orphaned: HR knows nobody with them",
        (marked(d.account.key, d.account.active, d.service) for d in orphaned),
    )
    some("yellow", "doubtful", (f"{marked(d.account.key, d.account.active)}: {d.why}" for d in report.doubtful))
    some("", "would be changed", (f"{p}: {', '.join(changes)}" for p, changes in sorted(report.changed.items())))
    some("", "should have an account and have none", report.missing)


def marked(key: str, active: bool, service: bool = False) -> str:
    """An account's key and what is odd about it."""
    words = ["" if active else "not usable", "looks like a service account" if service else ""]
    odd = ", ".join(filter(None, words))
    return f"{key} ({odd})" if odd else key


def some(style: str, title: str, lines: Iterable[str]) -> None:
    """The first lines of a list, and how many more there are."""
    found = list(lines)
    if not found:
        return
    out.print(f"  {title}: {len(found)}", style=style or None, highlight=False)
    for line in found[:SHOWN]:
        out.print(f"    {line}", markup=False, highlight=False)
    if len(found) > SHOWN:
        out.print(f"    … and {len(found) - SHOWN} more (--json has all)", highlight=False)
