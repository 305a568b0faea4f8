"""Onboarding: work e-mail, SSO, IdP groups, department apps, proof."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.graph import run_person


@flow(name="zero_touch_onboarding", persist_result=False)
async def zero_touch_onboarding(person_id: str, on: date | None = None) -> State[Any]:
    """Give a person what HR and the rules say, or what is missing of it. `on`: as of this date instead of now."""
    return await run_person("onboard", person_id, on)
