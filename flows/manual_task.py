"""A step for a human, as a suspended run: answered by its form in the Prefect UI, or by `rollcall task done`.

The run waits without a process (see flows.waiting); an answer that the app does not bear out is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import anyio
from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.states import Completed, Failed
from pydantic import Field, ValidationError

from flows.human import answered, refusals, refuse
from flows.record import tasks
from flows.record.tables import TaskRow, TaskState
from flows.site import Site
from flows.waiting import end_waiting, wait_without_process

AT_ONCE = 8  # requests to Prefect's server side by side
WAITS = 60 * 60 * 24 * 90  # seconds until the form is withdrawn; the task itself stays open


class Answer(RunInput):
    """The form. A decision has no default: one click on Resume must not give it."""

    decision: Literal["done", "cannot be done"]
    statement: str = Field(min_length=3, description="What was done, or why it cannot be done")
    by: str = Field(min_length=2, description="Your name or address")
    attachment: str = Field(default="", description="Where a proof is kept: a link")


STATES = {"done": TaskState.DONE, "cannot be done": TaskState.DECLINED}


@flow(name="manual_task", persist_result=False)
async def manual_task(task_id: int) -> State[Any]:
    """Ask for one manual task and wait. An answer that is borne out closes the task and is signed."""
    site = await asyncio.to_thread(Site.open)
    while True:
        row = await asyncio.to_thread(tasks.task, site.db, task_id)
        if row is None:
            return Failed(message=f"there is no task {task_id}")
        if row.state != TaskState.OPEN:
            return Completed(message=f"closed as {row.state} by {row.closed_by}")
        times, seen = await asyncio.to_thread(refusals, site.db, task_id)
        form = Answer.with_initial_data(description=question(row, seen))
        try:
            said = await asuspend_flow_run(wait_for_input=form, key=key(task_id, times), timeout=WAITS)
            await asyncio.to_thread(take, site, row, said)
        except ValidationError:  # started again by hand, with no answer
            await asyncio.to_thread(refuse, site.db, task_id, "")


def take(site: Site, row: TaskRow, said: Answer) -> None:
    """Close the task, unless it was closed meanwhile or the app does not show what was said: it stays open then."""
    attachment = said.attachment.strip()
    proof = {"attachment": attachment} if attachment else None
    state, by, statement = STATES[said.decision], said.by.strip(), said.statement.strip()
    try:
        answered(site, row.id or 0, state, by, statement, datetime.now(UTC), proof)
    except ValueError as error:  # NotShown, too
        refuse(site.db, row.id or 0, str(error))


def key(task_id: int, times: int) -> str:
    """The suspension's key: an answer that was refused is not taken for the next one."""
    return f"task-{task_id}" + (f"-{times}" if times else "")


def question(row: TaskRow, seen: str = "") -> str:
    """What stands above the form."""
    again = f"\n\n**Not accepted yet:** {seen}" if seen else ""
    return f"**{row.title}** (task {row.id}, for {row.owner})\n\n{row.instructions}{again}"


async def withdraw(task_ids: Iterable[int]) -> None:
    """End the runs that still ask for tasks that nobody need do any more."""
    async with get_client() as client:
        tags = [f"task:{i}" for i in task_ids]
        await end_waiting(client, "withdrawn: nobody need do this any more", tags=tags)


async def start_manual_tasks(rows: Iterable[TaskRow]) -> None:
    """Have each of these tasks asked by a run of its own; asking twice for one task starts nothing new."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("manual_task/manual_task")
        limit = anyio.CapacityLimiter(AT_ONCE)
        await asyncio.gather(*(start(client, deployment.id, row, limit) for row in rows))


async def start(client: PrefectClient, deployment: UUID, row: TaskRow, limit: anyio.CapacityLimiter) -> str:
    """Make the run that asks for one task; returns its id."""
    async with limit:
        return await wait_for_answer(client, deployment, row)


async def wait_for_answer(client: PrefectClient, deployment: UUID, row: TaskRow) -> str:
    """The run of one task, waiting with its form."""
    return await wait_without_process(
        client,
        deployment,
        Answer.with_initial_data(description=question(row)),
        key(row.id or 0, 0),
        WAITS,
        parameters={"task_id": row.id},
        name=f"task {row.id}: {row.title}",
        tags=["manual_task", f"task:{row.id}"],
        once=f"manual_task:{row.id}",
    )
