"""A batch of runs that is too much to be started unasked: it waits, without a process, for a yes to its exact table."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pandas as pd
from prefect import flow, get_client, runtime
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from connectors.errors import ConnectorError
from flows import gate, notify
from flows.approval import Verdict, hear, key_of, question, seconds_left
from flows.due import Started, start
from flows.record import approvals, marks
from flows.record.database import now
from flows.record.decided import ApprovalRow, Decision
from flows.site import Site
from flows.waiting import end_waiting, lives, wait_without_process
from mappings.feed import FeedError
from mappings.folder import RulesError

BATCH = ""
"""The person an approval of a batch is about."""


async def start_batch(
    site: Site, who: pd.DataFrame, title: str, body: str, batch_hash: str, then: str | None = None
) -> str:
    """Ask for this batch (`who`: person_id, …) and return the id of the run that waits; the same batch is asked once.

    A batch that was asked before and is another one now is withdrawn. `then`: the flow to be run after a yes, which
    weighs the same batch anew and finds it approved; left out, the runs of those who are due are started.
    """
    row = await asyncio.to_thread(ask, site, who["person_id"].tolist(), title, body, batch_hash, "")
    await asyncio.to_thread(marks.set, site.db, then_mark(row.id or 0), then)
    async with get_client() as client:
        if row.run_id and await lives(client, row.run_id):
            return row.run_id
        run_id = await wait_for(client, row)
    await asyncio.to_thread(approvals.take_over, site.db, row.id or 0, run_id)
    await withdraw_others(site, run_id)
    row.run_id = run_id
    await notify.approval_waits(site, row)
    return run_id


def ask(site: Site, ids: list[str], title: str, body: str, batch_hash: str, run_id: str) -> ApprovalRow:
    """Put the question and whom it is about into the record."""
    radius = site.rules.company.blast_radius
    with site.db.writing():
        row, _ = approvals.ask(
            site.db,
            BATCH,
            batch_hash,
            "",
            radius.approver,
            title,
            body,
            run_id,
            now() + timedelta(days=radius.expires_days),
        )
        marks.set(site.db, members_mark(row.id or 0), [*sorted(ids)])
    return row


def members_mark(approval_id: int) -> str:
    """Where the ids of a batch's people are kept."""
    return f"batch {approval_id}: people"


def then_mark(approval_id: int) -> str:
    """Where the flow is kept that is run after a yes."""
    return f"batch {approval_id}: then"


def members(site: Site, approval_id: int) -> list[str]:
    """Ids of the people of a batch."""
    found = marks.get(site.db, members_mark(approval_id))
    return [str(each) for each in found] if isinstance(found, list) else []


async def wait_for(client: PrefectClient, row: ApprovalRow) -> str:
    """The run that waits for the answer; made once."""
    deployment = await client.read_deployment_by_name("held_batch/held_batch")
    return await wait_without_process(
        client,
        deployment.id,
        Verdict.with_initial_data(description=question(row)),
        key_of(row),
        seconds_left(row),
        parameters={"approval_id": row.id},
        name=f"approval {row.id}: a batch waits",
        tags=["held_batch", f"approval:{row.id}"],
        once=f"held_batch:{row.id}",
    )


async def withdraw_others(site: Site, run_id: str) -> None:
    """End the runs that wait for batches that nobody asks for any more."""
    rows = await asyncio.to_thread(approvals.closed, site.db, BATCH, Decision.WITHDRAWN)
    if idle := {row.run_id for row in rows if row.run_id} - {run_id}:
        async with get_client() as client:
            await end_waiting(client, "withdrawn: another batch is asked about instead", ids=idle)


@flow(name="held_batch", persist_result=False)
async def held_batch(approval_id: int) -> State[Any]:
    """Wait for the answer; on a yes start the runs, if the batch is still the one that was approved."""
    try:
        site = await asyncio.to_thread(Site.open)
        row = await asyncio.to_thread(approvals.get, site.db, approval_id)
        if row is None:
            return Failed(message=f"there is no approval {approval_id}")
        while True:
            row = await heard(site, row)
            if row.state != Decision.APPROVED:
                return Completed(message=f"not started: {row.state} by {row.by}: {row.reason}")
            if then := await asyncio.to_thread(marks.get, site.db, then_mark(row.id or 0)):
                return await run_anew(str(then), row)
            who, body, batch_hash = await asyncio.to_thread(gate.batch_now, site, members(site, row.id or 0))
            if batch_hash == row.plan_hash:
                return done(row, await start(who, None, str(runtime.flow_run.id), once=f"batch {row.id}"))
            if who.empty:
                return Completed(message="nothing of it is due any more")
            row = await asyncio.to_thread(ask_anew, site, row, who, body, batch_hash)
    except (ConnectorError, FeedError, RulesError) as error:
        return Failed(message=f"{error} Retry this run once that is mended.")


async def run_anew(flow: str, row: ApprovalRow) -> State[Any]:
    """Start the flow that asked, once."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"{flow}/{flow}")
        run = await client.create_flow_run_from_deployment(
            deployment.id, name=f"{flow} after approval {row.id}", idempotency_key=f"batch {row.id}"
        )
    return Completed(message=f"{flow} runs again ({run.id}), approved by {row.by}")


async def heard(site: Site, row: ApprovalRow) -> ApprovalRow:
    """The question once it is closed; a later one of this run, where the batch had changed before."""
    later = await asyncio.to_thread(approvals.of_run, site.db, str(runtime.flow_run.id))
    row = later[-1] if later else row
    if row.state == Decision.OPEN:
        await hear(site, row)
    return await asyncio.to_thread(approvals.get, site.db, row.id or 0) or row


def ask_anew(site: Site, old: ApprovalRow, who: pd.DataFrame, body: str, batch_hash: str) -> ApprovalRow:
    """The answer was about another batch: it does not apply, and the new table is asked about."""
    approvals.not_applied(site.db, old.id or 0, "the batch had changed when it was approved")
    title = f"{old.title} (changed since it was approved)"
    return ask(site, who["person_id"].tolist(), title, body, batch_hash, str(runtime.flow_run.id))


def done(row: ApprovalRow, started: list[Started]) -> State[Any]:
    """What was started."""
    busy = sum(each.run_id is None for each in started)
    told = f"; {busy} people have a run under way" if busy else ""
    return Completed(message=f"{len(started) - busy} runs started, approved by {row.by}{told}")
