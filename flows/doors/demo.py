"""`rollcall demo`: a fortnight of a fictional company, lived through on this machine in a few minutes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from prefect.client.schemas.objects import FlowRun
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from connectors.sandbox import Sandbox
from connectors.sandbox.company import apply, story
from connectors.sandbox.front_desk import FrontDesk
from flows.doors.console import out, plainly, run, show_table
from flows.doors.people import message_of, run_flow, runs_after
from flows.doors.record import release
from flows.human import answered, plan_of
from flows.record import chain, evidence, history, tasks
from flows.record.tables import TaskRow, TaskState
from flows.settings import load_settings
from flows.site import Site
from flows.stack import Stack
from mappings.plan import Verb

START = date(2026, 3, 2)  # a Monday
DAYS = 14
DESK_DAYS = 10  # what the front desk is asked later stays open, for whoever looks at the UI

Line = tuple[str, str, str, str, str]


@plainly
def demo(
    home: Annotated[Path, typer.Option(help="Where the demo lives; emptied first.")] = Path(".rollcall/demo"),
    stay: Annotated[bool | None, typer.Option(help="Stay up afterwards; by default only on a terminal.")] = None,
) -> None:
    """Live through a fortnight of a fictional company: joiners, movers, leavers, a contractor, an app without API.

    Example: rollcall demo --no-stay
    """
    shutil.rmtree(home, ignore_errors=True)
    ended = threading.Event()
    with interruptible(ended), Sandbox() as sandbox:
        os.environ.update(sandbox.environment)
        settings = settle_in(home)
        with Stack(settings, lambda text: out.print(f"[dim]{text}[/]", highlight=False)):
            site = Site.open(settings)
            lines = list(fortnight(sandbox, site))
            tell(site, lines, settings.ui_url)
            if stay if stay is not None else sys.stdout.isatty():
                out.print("Look around; Ctrl-C stops everything.")
                ended.wait()


@contextmanager
def interruptible(ended: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM unwind the stack, so that everything that was started is stopped."""

    def stop(number: int, frame: FrameType | None) -> None:
        ended.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        out.print("Stopped.")
        raise typer.Exit(130 if not ended.is_set() else 0) from None


def settle_in(home: Path) -> Any:
    """Settings of a demo of its own: fresh home, the packaged sample company, a free port."""
    for name in ("ROLLCALL_DATABASE_URL", "ROLLCALL_SIGNING_KEY", "ROLLCALL_SIGNING_KEY_PATH", "ROLLCALL_MAPPINGS"):
        os.environ.pop(name, None)
    os.environ["ROLLCALL_HOME"] = str(home.absolute())
    os.environ["ROLLCALL_MAPPINGS"] = str(Path(__file__).parents[2] / "mappings" / "sample")
    settings = load_settings()
    os.environ["ROLLCALL_PREFECT_PORT"] = str(free_port(settings.prefect_port))
    return load_settings()


def free_port(wanted: int) -> int:
    """The wanted port, or one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def fortnight(sandbox: Sandbox, site: Site) -> Iterator[Line]:
    """Each day: HR's clicks, the front desk's, then the daily sync and its runs. Yields a line per run."""
    events = story(START)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out) as progress:
        bar = progress.add_task("", total=DAYS)
        for number in range(DAYS):
            today = START + timedelta(days=number)
            sandbox.today(today)
            if number < DESK_DAYS:
                front_desk(site)
            for event in (e for e in events if e.on == today):
                progress.console.print(f"  {today:%a %d %b}  HR: {event.title}", highlight=False)
                apply(event, site.values["BAMBOOHR_URL"], site.values["BAMBOOHR_API_KEY"])
            progress.update(bar, description=f"{today:%a %d %b}: daily sync and its runs")
            synced = run(run_flow("daily_sync", {"on": today.isoformat()}, f"daily sync {today}"))
            for finished in run(runs_after(synced, wait=True)):
                line = line_of(site, today, finished)
                progress.console.print(f"  {line[0]}  {line[1]}: {line[3]}", highlight=False)
                yield line
            progress.advance(bar)


def line_of(site: Site, today: date, finished: FlowRun) -> Line:
    """What a run did: day, run, kind, state, message."""
    done = history.plans_of_run(site.db, str(finished.id))
    kind = done[-1].kind if done else ""
    return (f"{today:%a %d %b}", finished.name, kind, finished.state_name or "", message_of(finished))


def front_desk(site: Site) -> None:
    """The people who own the app without API do what they were asked, in its pages, and say so; so do the others."""
    with FrontDesk(site.values["BADGE_URL"], site.values["BADGE_USER"], site.values["BADGE_PASSWORD"]) as desk:
        for row in tasks.open_tasks(site.db):
            who, what = row.owner, "done as asked"
            if row.app == "badges":
                do_by_hand(site, desk, row)
                who, what = "front desk", "done at the Badge Office"
            answered(site, row.id or 0, TaskState.DONE, who, what, datetime.now(UTC))
            run(release(row.id or 0, "done", what, who))


def do_by_hand(site: Site, desk: FrontDesk, row: TaskRow) -> None:
    """One task at the Badge Office."""
    drawn = plan_of(site, row)
    step = next(s for s in drawn.steps if (s.app, s.verb) == (row.app, row.verb))
    if step.verb is Verb.CREATE:
        desk.issue(step.attributes["name"], step.attributes["email"], step.attributes["site"])
    elif step.verb is Verb.DISABLE:
        desk.switch_off(f"{drawn.user_name}@")


def tell(site: Site, lines: list[Line], ui_url: str) -> None:
    """The table of what happened, what is open, and the proof."""
    first = f"{START:%a %d %b}"
    started = [line for line in lines if line[0] == first]
    later = [line for line in lines if line[0] != first]
    out.print(f"\nDay one: accounts for {len(started)} people who worked there already.")
    show_table("What happened", ("day", "run", "kind", "state", "message"), later)
    bad = [line for line in lines if not line[3].startswith("Completed")]
    waiting = tasks.open_tasks(site.db)
    if waiting:
        show_table("Waiting for a person", ("task", "owner", "what"), [(t.id, t.owner, t.title) for t in waiting])
    verdict = chain.verify(evidence.packets(site.db), [site.signer.public_key], site.signer.noted())
    out.print(f"{len(lines)} runs, {len(bad)} failed.")
    out.print(f"Prefect UI: {ui_url}/runs", highlight=False)
    out.print(f"evidence verify: {verdict}", highlight=False)
    if bad or not verdict.ok:
        raise typer.Exit(1)
