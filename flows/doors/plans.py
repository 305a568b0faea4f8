"""The command that shows what would happen, and what other rules would change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows import whatif
from flows.case import Case, NotInHr, RowHeld, day_of, look
from flows.doors.console import out, plainly, show_json
from flows.doors.people import Json, On
from flows.due import due
from flows.gate import believed, read
from flows.site import Site

PLANS_AT_ONCE = 8
Ids = Annotated[list[str] | None, typer.Argument(help="Only these people.", show_default=False)]
New = Annotated[
    Path | None,
    typer.Option("--mappings", help="Compare the rules in this folder with those in force.", show_default=False),
]


@plainly
def plan(
    ids: Ids = None,
    on: On = None,
    mappings: New = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="With --mappings: for a pull request.")] = False,
    as_json: Json = False,
) -> None:
    """Show what would happen, to whom and why; with --mappings, who would gain and who would lose by other rules.

    Changes nothing anywhere.

    Example: rollcall plan --on 2026-12-01
    """
    moment = on.date() if on else datetime.now(UTC)
    if mappings is not None:
        if ids:
            raise typer.BadParameter("--mappings compares everybody; leave the people out")
        compare(mappings, moment, as_markdown, as_json)
    elif as_markdown:
        raise typer.BadParameter("--markdown needs --mappings FOLDER")
    else:
        show(ids or [], moment, as_json)


def compare(folder: Path, moment: datetime | date, as_markdown: bool, as_json: bool) -> None:
    """Who gains and who loses by the rules in the folder."""
    found = whatif.what_if(Site.open(looking=True), folder, moment)
    if as_json:
        show_json(whatif.as_dict(found, day_of(moment)))
    else:
        typer.echo((whatif.markdown if as_markdown else whatif.told)(found, day_of(moment)))


def show(ids: list[str], moment: datetime | date, as_json: bool) -> None:
    """The plans of these people, or of all who are due."""
    site = Site.open(looking=True)
    feed = read(site, day_of(moment))
    verdict = believed(site, feed, moment)
    doubtful = {**verdict.held, **verdict.vanished}
    wanted = ids or [key for key in due(site, feed.people, moment)["person_id"] if key not in doubtful]
    with ThreadPoolExecutor(PLANS_AT_ONCE) as pool:
        cases = list(pool.map(lambda person: look_or_why(site, person, moment), wanted))
    held: list[dict[str, Any]] = [{"row": h.row, "why": h.message} for h in feed.held]
    held += [{"person_id": key, "why": f"{key}: {why}"} for key, why in doubtful.items()]
    if as_json:
        show_json({"on": str(day_of(moment)), "people": [as_dict(c) for c in cases], "held": held})
    else:
        show_plans(cases, day_of(moment), held)
    if ids and all(isinstance(c, tuple) for c in cases):
        raise typer.Exit(1)


def look_or_why(site: Site, person: str, moment: datetime | date) -> Case | tuple[str, str]:
    """A case, or (person, why there is none)."""
    try:
        return look(site, person, moment)
    except (NotInHr, RowHeld) as error:
        return person, str(error)


def as_dict(case: Case | tuple[str, str]) -> dict[str, Any]:
    """A case for programs."""
    if isinstance(case, tuple):
        return {"person_id": case[0], "held": case[1]}
    body = {
        "person_id": case.person.employee_id,
        "user_name": case.user_name,
        "kind": case.kind,
        "hash": case.plan.hash,
    }
    return body | {"status": case.status, **case.plan.model_dump(mode="json", include={"steps", "notes"})}


def show_plans(cases: list[Case | tuple[str, str]], on: date, held: list[dict[str, Any]]) -> None:
    """Plans for people to read, like `terraform plan`."""
    steps = 0
    for case in cases:
        if isinstance(case, tuple):
            out.print(f"[yellow]? {case[0]}[/]: {case[1]}")
            continue
        out.print(f"[bold]{case.user_name}[/] ({case.person.employee_id}): {case.kind}, {case.status}")
        for step in case.plan.steps:
            sign = "-" if step.verb in ("revoke", "disable account", "delete account", "end sessions") else "+"
            out.print(f"  {sign} {step.id}   [dim]{step.why}[/]")
        for note in case.plan.notes:
            out.print(f"  [yellow]! {note}[/]", highlight=False)
        steps += len(case.plan.steps)
    for row in held:
        out.print(f"[yellow]held: {row['why']}[/]")
    out.print(f"Plan for {on}: {len(cases)} people, {steps} steps, {len(held)} rows held. Nothing was changed.")
