"""Commands that start runs, and follow them: sync, onboard, move."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import LogSort
from rich.markup import escape

from flows.doors.console import out, plainly, run, show_json, show_table
from flows.gate import accept
from flows.knock import knock
from flows.record import history, holds
from flows.settings import load_settings
from flows.site import Site

Id = Annotated[str, typer.Argument(help="The person's id in HR.", show_default=False)]
On = Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="As of this date instead of now.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Start the run and do not wait for its end.")]
POLL = 0.4  # seconds between looks at a run's state


@plainly
def sync(
    on: On = None,
    wait: Annotated[bool, typer.Option(help="Wait until the people's runs have ended.")] = False,
    accept_feed: Annotated[str, typer.Option(help="Believe this feed although it was refused: its hash.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Read everybody, where else those who changed.")] = False,
    as_json: Json = False,
) -> None:
    """Run the daily sync now: read HR and start a run for everybody who is due.

    Example: rollcall sync --wait
    """
    if accept_feed:
        accept(Site.open(), accept_feed)
    finished = run(run_flow("daily_sync", {"on": day(on), "full": full or None}, "sync by hand"))
    runs = run(runs_after(finished, wait)) if finished.state_name == "Completed" else []
    if as_json:
        show_json({"state": finished.state_name, "message": message_of(finished), "runs": [brief(r) for r in runs]})
    else:
        out.print(f"daily_sync: {finished.state_name}: {message_of(finished)}")
        if runs:
            show_table("Runs", ("run", "state", "message"), [(r.name, r.state_name, message_of(r)) for r in runs])
    if not good(finished) or (wait and not all(good(r) for r in runs)):
        raise typer.Exit(1)


@plainly
def onboard(
    person_id: Id,
    on: On = None,
    readmit: Annotated[bool, typer.Option("--readmit", help="Also if offboarded with --now before.")] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Give a person what HR and the rules say, or what is still missing of it.

    Example: rollcall onboard 1042
    """
    if readmit:
        holds.lift(Site.open().db, person_id, holds.SENT_AWAY, "readmitted by hand")
    person_run(
        "zero_touch_onboarding", {"person_id": person_id, "on": day(on)}, f"onboard {person_id}", no_wait, as_json
    )


@plainly
def move(person_id: Id, on: On = None, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Bring a person's access in line with HR after a move.

    Example: rollcall move 1042
    """
    person_run("change_access", {"person_id": person_id, "on": day(on)}, f"move {person_id}", no_wait, as_json)


def person_run(flow: str, parameters: dict[str, Any], name: str, no_wait: bool, as_json: bool) -> None:
    """Start a person's run, follow it and tell how it ended."""
    tags = [f"person:{parameters['person_id']}"]
    told(run(run_flow(flow, parameters, name, tags, wait=not no_wait)), no_wait, as_json)


@plainly
def follow(run_id: str, no_wait: bool, as_json: bool) -> None:
    """Wait for a run that was started, and tell how it ended."""
    told(run(found(run_id) if no_wait else ended(UUID(run_id))), no_wait, as_json)


async def found(run_id: str) -> FlowRun:
    """The run as it stands."""
    async with get_client() as client:
        return await client.read_flow_run(UUID(run_id))


def told(finished: FlowRun, no_wait: bool, as_json: bool) -> None:
    """A person's run, step by step; exit status 1 where it did not work."""
    steps = [] if no_wait else history.steps(Site.open().db, str(finished.id))
    if as_json:
        rows = [s.model_dump(mode="json", include={"step_id", "outcome", "error", "attempt"}) for s in steps]
        show_json(brief(finished) | {"steps": rows})
    else:
        if steps:
            show_table(
                finished.name, ("step", "outcome", "message"), [(s.step_id, s.outcome, s.error or "") for s in steps]
            )
        out.print(f"{finished.name}: {finished.state_name}: {message_of(finished)}", markup=False)
    if not no_wait and not good(finished):
        raise typer.Exit(1)


async def run_flow(
    flow: str, parameters: dict[str, Any], name: str, tags: list[str] | None = None, wait: bool = True
) -> FlowRun:
    """Start a deployment's run and, unless told otherwise, wait for its end."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"{flow}/{flow}")
        given = {k: v for k, v in parameters.items() if v is not None}
        started = await client.create_flow_run_from_deployment(
            deployment.id, parameters=given, name=name, tags=tags or []
        )
        knock(load_settings().home)
        return await ended(started.id) if wait else started


async def ended(run_id: UUID) -> FlowRun:
    """The run once it has ended or waits for a person, with a line on the terminal meanwhile."""
    async with get_client() as client:
        with out.status("waiting for a worker") as line:
            while True:
                found = await client.read_flow_run(run_id)
                if found.state and (found.state.is_final() or found.state.is_paused()):
                    return found
                said = await last_words(client, run_id) if out.is_terminal else ""
                line.update(f"{found.name}: {found.state_name}{said}")
                await asyncio.sleep(POLL)


async def last_words(client: PrefectClient, run_id: UUID) -> str:
    """The last line of the run's log: how far a long reading is."""
    mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
    lines = await client.read_logs(mine, limit=1, sort=LogSort.TIMESTAMP_DESC)
    return f": {escape(lines[0].message)}" if lines else ""


async def runs_after(sync_run: FlowRun, wait: bool) -> list[FlowRun]:
    """The runs that a sync started, once they have ended if asked for."""
    async with get_client() as client:
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"by:{sync_run.id}"]))
        runs: list[FlowRun] = []
        for offset in range(0, 1_000_000, 200):
            page = await client.read_flow_runs(flow_run_filter=wanted, limit=200, offset=offset)
            runs += page
            if len(page) < 200:
                break
    return [await ended(r.id) for r in runs] if wait else runs


def good(finished: FlowRun) -> bool:
    """Whether it ended well or waits for a person."""
    return bool(finished.state and (finished.state.is_completed() or finished.state.is_paused()))


def message_of(finished: FlowRun) -> str:
    """The state's message."""
    return (finished.state.message or "") if finished.state else ""


def brief(finished: FlowRun) -> dict[str, Any]:
    """A run for programs."""
    return {"id": finished.id, "name": finished.name, "state": finished.state_name, "message": message_of(finished)}


def day(on: datetime | None) -> str | None:
    """A date for a run's parameters."""
    return on.date().isoformat() if on else None
