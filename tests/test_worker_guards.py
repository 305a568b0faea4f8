"""Two guards of the engine room that need no server: patient SQLite transactions, and the end of rescuing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from prefect.client.schemas.objects import FlowRun
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.states import Cancelling, Pending, Running
from sqlalchemy.exc import OperationalError

from flows.castaways import CLAIM, LIMIT, Claim, claim_of, next_state
from flows.server import PatientSqlite


async def read_then_write(database: AioSqliteConfiguration) -> int:
    """Two transactions that both read, then both write: the counter they leave."""
    engine = await database.engine()
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE counter AS SELECT 0 AS n"))
    both_have_read = asyncio.Barrier(2)

    async def add_one() -> None:
        async with AsyncExitStack() as opened:
            session = await opened.enter_async_context(await database.session(engine))
            await opened.enter_async_context(database.begin_transaction(session))
            number = (await session.execute(sa.text("SELECT n FROM counter"))).scalar_one()
            try:
                async with asyncio.timeout(0.5):  # with the guard the second waits for the first to end
                    await both_have_read.wait()
            except (TimeoutError, asyncio.BrokenBarrierError):
                await both_have_read.abort()
            await session.execute(sa.text("UPDATE counter SET n = :n"), {"n": number + 1})

    try:
        await asyncio.gather(add_one(), add_one())
        async with engine.connect() as connection:
            return int((await connection.execute(sa.text("SELECT n FROM counter"))).scalar_one())
    finally:
        await engine.dispose()


def test_transactions_that_read_and_write_queue_up(tmp_path: Path) -> None:
    database = PatientSqlite(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")
    assert asyncio.run(read_then_write(database)) == 2


def test_without_patience_one_of_them_is_told_that_the_database_is_locked(tmp_path: Path) -> None:
    database = AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")
    with pytest.raises(OperationalError, match="locked"):
        asyncio.run(read_then_write(database))


def test_a_run_is_rescued_a_few_times_only() -> None:
    run = FlowRun(flow_id=uuid4(), state=Running())
    names = [next_state(run, times).name for times in range(LIMIT + 1)]
    assert names == ["AwaitingRetry"] * LIMIT + ["Crashed"]


def test_a_cancelled_run_is_not_run_again() -> None:
    run = FlowRun(flow_id=uuid4(), state=Cancelling())
    assert next_state(run, 0).name == "Cancelled"


def test_the_claim_is_read_from_the_pending_state_before_the_label() -> None:
    old, new = Claim("host", 1, 100), Claim("host", 2, 200)
    run = FlowRun(flow_id=uuid4(), state=Pending(message=new.sentence()), labels={CLAIM: str(old)})
    assert claim_of(run) == new
    run.state = Running()
    assert claim_of(run) == old


def test_a_process_that_reuses_a_number_does_not_keep_a_claim_alive() -> None:
    mine = Claim.of_this_process()
    assert not mine.is_dead()
    assert mine._replace(began=mine.began - 1000).is_dead()
    assert not mine._replace(host="elsewhere", began=0).is_dead()
