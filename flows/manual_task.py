"""A step for a human, as a suspended run: answered by its form in the Prefect UI, or by `rollcall task done`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from prefect import flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.states import Completed, Failed
from pydantic import Field

from flows.human import answered
from flows.record import tasks
from flows.record.tables import TaskRow, TaskState
from flows.site import Site

WAITS = 60 * 60 * 24 * 90  # seconds until the form is withdrawn; the task itself stays open


class Answer(RunInput):
    """The form. A decision has no default: one click on Resume must not give it."""

    decision: Literal["done", "cannot be done"]
    statement: str = Field(min_length=3, description="What was done, or why it cannot be done")
    by: str = Field(min_length=2, description="Your name or address")


@flow(name="manual_task", persist_result=False)
async def manual_task(task_id: int) -> State[Any]:
    """Ask for one manual task and wait. The answer closes the task and is signed."""
    site = await asyncio.to_thread(Site.open)
    row = await asyncio.to_thread(tasks.task, site.db, task_id)
    if row is None:
        return Failed(message=f"there is no task {task_id}")
    if row.state != TaskState.OPEN:
        return Completed(message=f"closed as {row.state} by {row.closed_by}")
    form = Answer.with_initial_data(description=question(row))
    answer = await asuspend_flow_run(wait_for_input=form, key=f"task-{task_id}", timeout=WAITS)
    row = await asyncio.to_thread(tasks.task, site.db, task_id) or row
    if row.state != TaskState.OPEN:
        return Completed(message=f"closed as {row.state} by {row.closed_by}")
    state = TaskState.DONE if answer.decision == "done" else TaskState.DECLINED
    await asyncio.to_thread(answered, site, task_id, state, answer.by, answer.statement, datetime.now(UTC))
    return Completed(message=f"{state} by {answer.by}")


def question(row: TaskRow) -> str:
    """What stands above the form."""
    return f"**{row.title}** (task {row.id}, for {row.owner})\n\n{row.instructions}"


async def withdraw(task_ids: Iterable[int]) -> None:
    """End the runs that still ask for tasks that nobody need do any more."""
    asking = FlowRunFilter(
        tags=FlowRunFilterTags(any_=[f"task:{i}" for i in task_ids]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PAUSED])),
    )
    async with get_client() as client:
        for run in await client.read_flow_runs(flow_run_filter=asking):
            await client.set_flow_run_state(run.id, Completed(message="withdrawn: nobody need do this any more"), True)


async def start_manual_task(task_id: int, title: str) -> None:
    """Start the run that asks; asking twice for one task starts nothing new."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("manual_task/manual_task")
        await client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"task_id": task_id},
            name=f"task {task_id}: {title}",
            tags=["manual_task", f"task:{task_id}"],
            idempotency_key=f"manual_task:{task_id}",
        )
