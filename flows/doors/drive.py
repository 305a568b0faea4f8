"""The command that drives a dummy person through join, move and leave."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.doors.apps import interruptible
from flows.doors.console import err, out, plainly, show_json, show_table
from flows.doors.people import Json
from flows.drive import Drive, Passed, next_department, someone
from flows.site import Site


@plainly
def test_drive(
    department: Annotated[str, typer.Option(help="Where the dummy begins.", show_default=False)] = "",
    then: Annotated[str, typer.Option(help="Where it moves to.", show_default=False)] = "",
    key: Annotated[str, typer.Option(help="The dummy's work address.", show_default=False)] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the dummy's accounts there, disabled.")] = False,
    as_json: Json = False,
) -> None:
    """Take a dummy person through join, move and leave on the real apps, by your rules; HR is not touched.

    The dummy's accounts go afterwards, also when this is interrupted. What people would be asked is said, not asked.

    Example: rollcall test-drive --department Sales --then Finance
    """
    site = Site.open(looking=True)
    person = someone(site.rules, key, department, datetime.now(UTC).date())
    found: list[Passed] = []
    with interruptible():
        for passed in Drive(site, person, then or next_department(site.rules, person.department or "")).go(keep):
            found.append(passed)
            err.print(f"{passed.phase}: {passed.step}: {passed.outcome}", style="dim", markup=False, highlight=False)
    if as_json:
        show_json([asdict(passed) for passed in found])
    else:
        rows = [(passed.phase, passed.step, passed.outcome, passed.says) for passed in found]
        show_table(f"{person.display_name} <{person.work_email}>", ("", "step", "", "says"), rows)
        bad = sum(not passed.good for passed in found)
        out.print(f"{len(found) - bad} steps went well, {bad} did not.", highlight=False)
    if not all(passed.good for passed in found):
        raise typer.Exit(1)
