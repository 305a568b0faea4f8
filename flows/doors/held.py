"""Commands about people who are held: who, why, since when; and letting one go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from flows.doors.console import fail, out, plainly, show_json, show_table
from flows.doors.people import Id, Json
from flows.gate import release
from flows.record import holds
from flows.record.tables import HoldRow
from flows.site import Site

held_app = typer.Typer(invoke_without_command=True, help="People from whom nothing is taken and who are given nothing.")


@held_app.callback()
@plainly
def held(context: typer.Context, as_json: Json = False) -> None:
    """Who is held, by what, why and since when.

    Example: rollcall held
    """
    if context.invoked_subcommand:
        return
    rows = holds.held(Site.open(looking=True).db)
    if as_json:
        show_json([as_dict(row) for row in rows])
    elif rows:
        columns = ("person", "held by", "why", "since")
        show_table("Held", columns, [(r.person_id, r.source, r.reason, minute(r.placed_at)) for r in rows])
    else:
        out.print("Nobody is held.")


@held_app.command("release")
@plainly
def held_release(
    person_id: Id,
    why: Annotated[str, typer.Option(help="Why HR's word is right after all, for the record.")],
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
) -> None:
    """Let the trust gate's hold on a person go: what HR says counts from the next sync on.

    Example: rollcall held release 1042 --why "the department was closed"
    """
    site = Site.open()
    if not release(site, person_id, why, by):
        fail(f"the trust gate does not hold {person_id}; `rollcall held` shows who is held, and by what")
    out.print(
        f"{person_id} is held no more; the next sync, or `rollcall sync` now, goes by what HR says.", markup=False
    )


def as_dict(row: HoldRow) -> dict[str, str]:
    """A hold for programs."""
    return {
        "person_id": row.person_id,
        "held_by": row.source,
        "why": row.reason,
        "since": row.placed_at.isoformat(),
    }


def minute(at: datetime) -> str:
    """A time for people, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}"
