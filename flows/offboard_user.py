"""Leaving: the SSO account and its sessions first, then every app side by side."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.graph import run_person


@flow(name="offboard_user", persist_result=False)
async def offboard_user(person_id: str, immediate: bool = False, on: date | None = None) -> State[Any]:
    """End all access of a person whose last day is over; with `immediate`, at once and whatever HR says.

    Without `immediate` a person whom HR still counts as working here keeps what the rules give.
    """
    why = f"offboarded at once on {datetime.now(UTC):%Y-%m-%d}, whatever HR says" if immediate else ""
    return await run_person("offboard", person_id, on, leaving=why)
