"""Moving: grant the new, verify it, then take what no rule justifies any more."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.graph import run_person


@flow(name="change_access", persist_result=False)
async def change_access(person_id: str, on: date | None = None, put_back: bool = False) -> State[Any]:
    """Bring a person's access in line with HR after a move or a change. `on`: as of this date instead of now.

    `put_back`: also undo what others did in apps whose drift is to be put back.
    """
    return await run_person("move", person_id, on, putting_back=put_back)
