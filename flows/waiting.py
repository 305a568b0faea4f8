"""Runs that wait for a human without ever having had a process: made, given their form, and suspended by the API.

What is stored is what `suspend_flow_run(wait_for_input=…)` stores, so that the UI shows the same form, and Resume
runs the flow once: its own call with the same key returns the answer at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from httpx import HTTPStatusError
from prefect._internal.pydantic.v2_schema import create_v2_schema
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput, keyset_from_paused_state
from prefect.states import Completed, Running, Suspended

BEING_MADE = "About to wait for a human."
WAITS = [StateType.SCHEDULED, StateType.PAUSED]
CONFLICT = 409


async def wait_without_process(
    client: PrefectClient,
    deployment: UUID,
    form: type[RunInput],
    key: str,
    seconds: int,
    *,
    parameters: dict[str, Any],
    name: str,
    tags: Iterable[str],
    once: str,
) -> str:
    """Make a run that waits with this form; returns its id. The same `once` makes one run, however often.

    The server lets only a running run be suspended, so it is made in that state; no worker takes it then. Cut off in
    the middle, it is finished by the next call.
    """
    run = await client.create_flow_run_from_deployment(
        deployment,
        state=Running(message=BEING_MADE),
        parameters=parameters,
        name=name,
        tags=list(tags),
        idempotency_key=once,
    )
    if run.state and run.state.is_running() and run.state.message == BEING_MADE:
        await suspend(client, run, form, key, seconds)
    return str(run.id)


async def suspend(client: PrefectClient, run: FlowRun, form: type[RunInput], key: str, seconds: int) -> None:
    """Put the form there first, then the state, so that nobody meets a run that waits without a form."""
    state: State[Any] = Suspended(timeout_seconds=seconds, pause_key=key)
    keys = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = keys  # type: ignore[assignment]
    await put(client, run, keys["schema"], create_v2_schema(form.__name__, model_base=form))
    await put(client, run, keys["description"], form._description)
    await client.set_flow_run_state(run.id, state)


async def put(client: PrefectClient, run: FlowRun, key: str, value: Any) -> None:
    """As `RunInput.save` does, but over the client that is open; what an earlier call put there stays."""
    try:
        await client.create_flow_run_input(run.id, key, json.dumps(value))
    except HTTPStatusError as error:
        if error.response.status_code != CONFLICT:
            raise


async def end_waiting(client: PrefectClient, why: str, tags: Iterable[str] = (), ids: Iterable[str] = ()) -> None:
    """End the runs with any of these tags or ids that wait for a human, as completed."""
    waits = FlowRunFilterState(type=FlowRunFilterStateType(any_=WAITS))
    wanted = []
    if named := list(tags):
        wanted.append(FlowRunFilter(tags=FlowRunFilterTags(any_=named), state=waits))
    if known := [UUID(i) for i in ids]:
        wanted.append(FlowRunFilter(id=FlowRunFilterId(any_=known), state=waits))
    for each in wanted:
        for run in await client.read_flow_runs(flow_run_filter=each):
            await client.set_flow_run_state(run.id, Completed(message=why), force=True)


async def lives(client: PrefectClient, run_id: str) -> bool:
    """Whether there is such a run and it has not ended."""
    with suppress(ObjectNotFound, ValueError):
        state = (await client.read_flow_run(UUID(run_id))).state
        return state is not None and not state.is_final()
    return False


async def let_go_on(client: PrefectClient, run_id: str, answer: dict[str, Any]) -> bool:
    """Give a waiting run its answer, as its form would; False where it does not wait."""
    with suppress(ObjectNotFound, ValueError):
        run = await client.read_flow_run(UUID(run_id))
        if run.state and run.state.is_paused():
            return (await client.resume_flow_run(run.id, run_input=answer)).status is SetStateStatus.ACCEPT
    return False
