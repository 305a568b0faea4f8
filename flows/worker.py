"""A Prefect process worker whose runs are forked from a preloaded parent instead of started cold.

Each run is its own process as with the stock worker: it crashes alone, is cancelled by signal, ends when it
suspends. It lives no longer than its worker; runs that a dead worker left behind are scheduled again."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.orchestration import get_client
from prefect.exceptions import Abort, ObjectNotFound
from prefect.flows import load_flow_from_flow_run
from prefect.runner._control_channel import ControlChannel
from prefect.runner._flow_run_executor import FlowRunExecutionResult, FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle, create_isolated_termination_scope
from prefect.states import Pending
from prefect.utilities.engine import propose_state
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessJobConfiguration, ProcessVariables, ProcessWorkerResult

from flows import lifeline
from flows.castaways import CLAIM, Claim, rescue
from flows.deployments import LEAVERS, POOL
from flows.forks import Forks
from flows.knock import knocks
from flows.settings import load_settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

RESCUE_SECONDS = 15.0  # between looks for runs of dead workers
KEPT_FOR_LEAVERS = 2  # places beyond the limit that no other runs take
DRAIN_SECONDS = 4.0  # given to runs to finish when the worker is asked to stop

log = logging.getLogger("prefect.rollcall.worker")


@dataclass
class ForkStarter:
    """Starts one flow run as a fork; the counterpart of Prefect's EngineCommandStarter."""

    forks: Forks
    control: ControlChannel
    env: Mapping[str, str | None]
    cwd: Path

    async def start(
        self,
        flow_run: FlowRun,
        task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Fork, hand over the handle, wait until the child has ended."""
        child = await self.forks.fork(self._environment(flow_run), self.cwd)
        scope = create_isolated_termination_scope(child.pid)
        task_status.started(ProcessHandle(cast(Any, child), termination_scope=scope))
        await child.ended.wait()
        if self.forks.abandoned:
            await anyio.sleep_forever()  # until cancelled: the worker is stopping, the run is not to blame

    def _environment(self, flow_run: FlowRun) -> dict[str, str]:
        env = {k: v for k, v in self.env.items() if v is not None}
        port, token = self.control.register(flow_run.id)
        return env | {
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
            "PREFECT__CONTROL_PORT": str(port),
            "PREFECT__CONTROL_TOKEN": token,
        }


class ForkWorker(BaseWorker[ProcessJobConfiguration, ProcessVariables, ProcessWorkerResult]):
    """Serves a work pool of type `process`, as Prefect's own process worker can too."""

    type = "process"
    job_configuration = ProcessJobConfiguration
    job_configuration_variables = ProcessVariables
    _display_name = "Rollcall"
    _description = "Runs flows as forks of a preloaded process."

    @classmethod
    def __dispatch_key__(cls) -> str | None:
        return "rollcall"  # not `process`: that name stays with Prefect's own

    def __init__(self, work_pool_name: str = POOL, **options: Any) -> None:
        super().__init__(work_pool_name, **options)
        self.claim = Claim.of_this_process()
        self.in_flight: set[UUID] = set()
        self._stopping = False
        self._reported: set[UUID] = set()
        self._leavers: set[UUID] = set()
        self._leavers_queue: UUID | None = None
        self._one_look = anyio.Lock()
        self._forks = Forks()
        self._executors = FlowRunExecutorContext()

    async def setup(self) -> None:
        """Connect, start the zygote, and take care of what dead workers left."""
        await self._forks.start()
        await server_answers()
        await super().setup()
        await self._exit_stack.enter_async_context(self._executors)
        assert self._runs_task_group is not None
        self._runs_task_group.start_soon(self._keep_rescuing)
        self._runs_task_group.start_soon(self._keep_listening)

    async def teardown(self, *exc_info: Any) -> None:
        """End the runs that are left with the zygote; the next worker schedules them again."""
        await super().teardown(*exc_info)
        await self._forks.stop()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Fork the run and see it through to its end."""
        started = cast("anyio.abc.TaskStatus[str]", task_status or anyio.TASK_STATUS_IGNORED)
        self.in_flight.add(flow_run.id)
        try:
            result = await self._execute(flow_run, configuration, started)
        finally:
            self.in_flight.discard(flow_run.id)
        if result is None or result.status_code is None:
            raise RuntimeError(f"{flow_run.name} ended before it had a process")
        if result.status_code != 0:
            self._reported.add(flow_run.id)
        return ProcessWorkerResult(status_code=result.status_code, identifier=place(result.handle))

    async def _execute(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, started: anyio.abc.TaskStatus[str]
    ) -> FlowRunExecutionResult | None:
        cwd = configuration.working_dir or Path.cwd()
        starter = ForkStarter(self._forks, self._executors.control_channel, configuration.env, cwd)
        executor = self._executors.create_executor(
            flow_run, starter, resolve_flow=load_flow_from_flow_run, propose_submitting=False
        )
        result: FlowRunExecutionResult | None = None

        async def submit(*, task_status: anyio.abc.TaskStatus[ProcessHandle]) -> None:
            nonlocal result
            result = await executor.submit(task_status)

        async with anyio.create_task_group() as group:
            handle: ProcessHandle = await group.start(submit)
            started.started(place(handle))
        return result

    def stop_taking(self) -> None:
        """Take no more runs."""
        self._stopping = True

    def abandon_runs(self) -> None:
        """End the runs' processes, and say nothing of it to the server yet."""
        self._forks.abandon()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """One look for work, at its own pace or since somebody knocked; one at a time."""
        async with self._one_look:
            if self._stopping:
                return []
            if self._leavers_queue is None:
                await self._find_leavers()
            return await super().get_and_submit_flow_runs()

    async def _find_leavers(self) -> None:
        """Know the leavers' queue as soon as it is there; at a first start it is made after the worker came up."""
        with suppress(ObjectNotFound):  # a pool that somebody made without it: then nobody goes first
            queue = await self.client.read_work_queue_by_name(LEAVERS, work_pool_name=self._work_pool_name)
            self._leavers_queue = queue.id

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[Any]) -> list[FlowRun]:
        fresh = [entry for entry in flow_run_response if entry.flow_run.id not in self.in_flight]
        return await super()._submit_scheduled_flow_runs(list(self._with_room(fresh)))

    def _with_room(self, fresh: list[Any]) -> Iterator[Any]:
        """Leavers' runs as they come; others only while as many places as are kept for leavers stay free."""
        borrowed = set(self.limiter.statistics().borrowers)
        self._leavers = {i for i in self._leavers if i in borrowed}
        self._leavers |= {entry.flow_run.id for entry in fresh if entry.work_queue_id == self._leavers_queue}
        room = self.limiter.total_tokens - KEPT_FOR_LEAVERS - len(borrowed - self._leavers)
        for entry in fresh:
            if entry.flow_run.id in self._leavers:
                yield entry
            elif room > 0 and entry.flow_run.id not in borrowed:
                room -= 1
                yield entry

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        """Take the run, saying in the state itself which process took it."""
        try:
            state = await propose_state(self.client, Pending(message=self.claim.sentence()), flow_run_id=flow_run.id)
        except Abort as refusal:
            log.info("%s was not taken: %s", flow_run.name, refusal)
            return False
        return state.is_pending()

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        await super()._give_worker_labels_to_flow_run(flow_run_id)
        await self.client.update_flow_run_labels(flow_run_id, {CLAIM: str(self.claim)})

    async def _propose_crashed_state(self, flow_run: FlowRun, message: str, client: Any = None) -> None:
        """Once only: the executor has said so already, and a second time would undo a retry asked for since."""
        if flow_run.id in self._reported:
            self._reported.discard(flow_run.id)
        else:
            await super()._propose_crashed_state(flow_run, message, client)

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        """Left out: it would hide who took the run, and cost a call."""

    async def _keep_rescuing(self) -> None:
        while True:
            try:
                await rescue(self.client, self._work_pool_name, self.claim)
            except Exception:
                log.exception("could not look for runs of dead workers; trying again")
            await anyio.sleep(RESCUE_SECONDS)

    async def _keep_listening(self) -> None:
        async for _ in knocks(load_settings().home):
            try:
                await self.get_and_submit_flow_runs()
            except Exception as problem:  # the next look at its own pace may do better
                log.warning("could not look for work at once: %s", problem)


async def server_answers() -> None:
    """Return once the server answers; Prefect's own worker would look again after half a minute only."""
    async with get_client() as client:
        while await client.api_healthcheck():
            await anyio.sleep(0.2)


def place(handle: ProcessHandle) -> str:
    """Where a run's process is, as shown in the UI: host:pid."""
    return f"{socket.gethostname()}:{handle.pid}"


async def serve(worker: ForkWorker) -> None:
    """Work until SIGTERM or SIGINT, then give the runs a moment, end the rest and schedule them again."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, worker, scope)
            await worker.start(printer=lambda message: log.info("%s", message))
    async with get_client() as client:
        await rescue(client, worker._work_pool_name, worker.claim, ended=True)


async def _stop_on_signal(worker: ForkWorker, scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            worker.stop_taking()
            with anyio.move_on_after(DRAIN_SECONDS):
                while worker.in_flight:
                    await anyio.sleep(0.05)
            worker.abandon_runs()
            scope.cancel()
            return


def main() -> None:
    """`python -m flows.worker [LIFELINE_FD]`; PREFECT_API_URL names the server."""
    if len(sys.argv) > 1:
        lifeline.watch(int(sys.argv[1]), lifeline.end_gently)
    asyncio.run(serve(ForkWorker(limit=load_settings().worker_limit + KEPT_FOR_LEAVERS, prefetch_seconds=0)))


if __name__ == "__main__":
    main()
