"""The command that shows what HR has signalled, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from flows.doors.console import out, plainly, show_json, show_table
from flows.doors.exceptions import length
from flows.doors.people import Json
from flows.record import signals as record
from flows.record.database import now
from flows.record.tables import SignalRow
from flows.site import Site

SHOWN = 5  # people of one signal in the table


@plainly
def signals(
    since: Annotated[str, typer.Option(help="How far back: 8h, 3d, 2w. What is still open is always shown.")] = "1d",
    person: Annotated[str | None, typer.Option(help="Only what is about this person.")] = None,
    as_json: Json = False,
) -> None:
    """What HR signalled by webhook or was found by asking it: when, about whom, and the run or the reason it led to.

    Calls that were not believed stand in logs/receiver.log alone.

    Example: rollcall signals --since 3d
    """
    rows = record.heard(Site.open(looking=True).db, now() - length(since, "--since"))
    rows = [row for row in rows if person in (None, *row.people)]
    if as_json:
        show_json([as_dict(row) for row in rows])
    elif rows:
        lines = [(minute(row.received_at), row.source, people(row), state(row), row.result or "") for row in rows]
        show_table("Signals", ("received (UTC)", "from", "people", "state", "what came of it"), lines)
    else:
        out.print("HR has signalled nothing in that time, and nothing is open.")


def as_dict(row: SignalRow) -> dict[str, object]:
    """A signal for programs."""
    return {
        "id": row.id,
        "source": row.source,
        "received_at": row.received_at.isoformat(),
        "people": row.people,
        "done_at": row.done_at.isoformat() if row.done_at else None,
        "tries": row.tries,
        "next_try": None if row.done_at else row.next_try.isoformat(),
        "result": row.result,
    }


def people(row: SignalRow) -> str:
    """The first of those whom it is about."""
    more = len(row.people) - SHOWN
    return ", ".join(row.people[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def state(row: SignalRow) -> str:
    """Done, or when it is tried again."""
    if row.done_at:
        return "done"
    return f"open, tried {row.tries} times, again at {row.next_try:%H:%M:%S}" if row.tries else "open"


def minute(at: datetime) -> str:
    """A time for people, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
