"""The command that compares all accounts with what should be."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.client.schemas.objects import FlowRun

from flows.doors.console import out, plainly, run, show_json, show_table
from flows.doors.people import Json, On, brief, day, good, message_of, run_flow, runs_after
from flows.reconcile import DRIFTS


@plainly
def reconcile(
    on: On = None,
    report_only: Annotated[bool, typer.Option("--report-only", help="Put nothing back, whatever the policy.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until the people's runs have ended.")] = False,
    as_json: Json = False,
) -> None:
    """Compare all accounts of all apps with what should be; put back or report the rest by each app's `drift`.

    Example: rollcall reconcile --report-only
    """
    finished = run(run_flow("reconcile", {"on": day(on), "report_only": report_only}, "reconcile by hand"))
    drifts, runs = run(drifts_of(finished)), run(runs_after(finished, wait))
    if as_json:
        told = {"state": finished.state_name, "message": message_of(finished), "drifts": drifts}
        show_json(told | {"runs": [brief(r) for r in runs]})
    else:
        out.print(f"reconcile: {finished.state_name}: {message_of(finished)}", markup=False)
        show("Drift", ("person", "app", "what", "policy"), [(d["person_id"], *said(d)) for d in drifts])
        show("Runs", ("run", "state", "message"), [(r.name, r.state_name, message_of(r)) for r in runs])
    if not good(finished) or (wait and not all(good(r) for r in runs)):
        raise typer.Exit(1)


def said(drift: dict[str, Any]) -> tuple[str, str, str]:
    """A drift as cells: app, what, policy."""
    return drift["app"], drift["what"], drift["policy"].replace("_", " ")


def show(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table, where it has rows."""
    if rows:
        show_table(title, head, rows)


async def drifts_of(finished: FlowRun) -> list[dict[str, Any]]:
    """All that the run found, from the artifact that it left."""
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[finished.id]), key=ArtifactFilterKey(any_=[DRIFTS])
    )
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=wanted)
    return list(json.loads(str(found[0].data))) if found else []
