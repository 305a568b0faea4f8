"""The command that ends access. Its run is under way before anything slow is loaded."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Annotated, Any

import httpx
import typer

ASKED = 10.0  # seconds for Prefect's server to take the run


def offboard(
    person_id: Annotated[str, typer.Argument(help="The person's id in HR.", show_default=False)],
    now: Annotated[bool, typer.Option("--now", help="At once, whatever HR says of the last day.")] = False,
    on: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="As of this date instead of now.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start the run and do not wait for its end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """End all access of a person whose last day is over; with --now, of anybody, at once.

    Example: rollcall offboard 1042 --now
    """
    body = {"person_id": person_id, "immediate": now} | ({"on": on.date().isoformat()} if on else {})
    try:
        run_id = start(body)
    except httpx.HTTPError as error:
        typer.secho(unanswered(error), fg="red", err=True)
        raise typer.Exit(1) from None
    from flows.doors.people import follow  # slow to load, and not needed before

    follow(run_id, no_wait, as_json)


def start(parameters: dict[str, Any]) -> str:
    """Create the run with two plain requests; returns its id."""
    url = os.environ["PREFECT_API_URL"].rstrip("/")
    with httpx.Client(base_url=url, headers=credentials(), auth=basic(), timeout=ASKED) as client:
        found = client.get("/deployments/name/offboard_user/offboard_user").raise_for_status().json()
        person = parameters["person_id"]
        run = {"parameters": parameters, "name": f"offboard {person}", "tags": [f"person:{person}"]}
        answer = client.post(f"/deployments/{found['id']}/create_flow_run", json=run).raise_for_status()
    return str(answer.json()["id"])


def credentials() -> dict[str, str]:
    """Of a Prefect server that wants a key."""
    key = os.environ.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def basic() -> tuple[str, str] | None:
    """Of a Prefect server that wants a user and a password."""
    user, colon, word = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return (user, word) if colon else None


def unanswered(error: httpx.HTTPError) -> str:
    """What to say when no run could be started: somebody's access is still open."""
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 404:
        why = "Prefect's server does not know the deployment offboard_user; `rollcall up` registers it"
    elif isinstance(error, httpx.HTTPStatusError):
        why = f"Prefect's server answered {error.response.status_code}: {error.response.text[:200]}"
    else:
        why = f"Prefect's server does not answer ({error}). Start it with `rollcall up`, in another terminal"
    return f"{why}. Nobody was offboarded: until this works, disable the account at the SSO by hand."
