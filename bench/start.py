"""How long from `create_flow_run` to the flow's first line, for each way of starting a run.

    python -m bench.start [runs]

All candidates in one go against one server; ratios are to the stock worker at its default of 10 s. Idle CPU is
of one core, over some seconds without any run: the worker with its children, and the server it asks."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from prefect.client.orchestration import PrefectClient
from prefect.events.worker import EventsWorker
from prefect.flow_engine import run_flow
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.engine import DRILLS, free_port
from flows.settings import Settings
from flows.stack import Stack
from tests.drills.marks import first_line

STOCK = (sys.executable, "-m", "prefect", "worker", "start", "--pool", "rollcall", "--prefetch-seconds", "0")
SERVED = (
    sys.executable,
    "-c",
    "from tests.drills.marks import first_line; first_line.serve(name='served', pause_on_shutdown=False)",
)
SETTLE_SECONDS = 4.0  # until a finished run's process and the server's after-work are over
IDLE_SECONDS = 6.0
PATIENCE = 60.0


@dataclass(frozen=True)
class Way:
    """One way of starting runs."""

    name: str
    command: Sequence[str] | None
    """The process that takes the runs; None: this process itself."""
    seconds: float = 0
    """Between its looks for work."""
    deployment: str = "first-line/first_line"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PREFECT_WORKER_QUERY_SECONDS": str(self.seconds),
            "PREFECT_RUNNER_POLL_FREQUENCY": str(max(self.seconds, 1)),  # it takes whole seconds only
        }


WAYS = (
    Way("stock worker, 10 s", STOCK, 10),
    Way("stock worker, 1 s", STOCK, 1),
    Way("stock worker, 0.25 s", STOCK, 0.25),
    Way("flow.serve, 1 s", SERVED, 1, "first-line/served"),
    Way("fork worker, 1 s", Stack.worker_command, 1),
    Way("fork worker, 0.5 s", Stack.worker_command, 0.5),
    Way("fork worker, 0.25 s", Stack.worker_command, 0.25),
    Way("in this warm process", None),
)


@dataclass
class Result:
    """What one way came to."""

    way: Way
    starts: list[float]
    idle_worker: float
    idle_server: float

    def line(self, base: float) -> str:
        middle = statistics.median(self.starts)
        high = sorted(self.starts)[max(0, round(0.95 * len(self.starts)) - 1)]
        return (
            f"{self.way.name:24} {middle:7.2f} {high:7.2f} {len(self.starts):5} {base / middle:7.1f} x"
            f" {100 * self.idle_worker:8.1f} % {100 * self.idle_server:7.1f} %"
        )


@contextmanager
def running(stack: Stack, way: Way) -> Iterator[None]:
    """The process that takes the runs, up and having taken one."""
    if way.command is None:
        yield
        return
    stack.worker_command = way.command
    stack.extra.update(way.environment)
    stack.start_worker()
    try:
        yield
    finally:
        stack.stop_worker()


async def measure(stack: Stack, way: Way, runs: int, file: Path) -> Result:
    """Start runs one after the other, each once the one before is over."""
    start = start_here if way.command is None else ask
    async with PrefectClient(stack.settings.api_url) as client:
        await one_start(client, way, start, file)
        await asyncio.sleep(SETTLE_SECONDS)
        idle = cpu(stack)
        await asyncio.sleep(IDLE_SECONDS)
        used = [(after - before) / IDLE_SECONDS for before, after in zip(idle, cpu(stack), strict=True)]
        starts = []
        for _ in range(runs):
            await asyncio.sleep(1 + random.random())
            starts.append(await one_start(client, way, start, file))
    return Result(way, starts, *used)


Start = Callable[[PrefectClient, Way, Path], Awaitable[None]]


async def one_start(client: PrefectClient, way: Way, start: Start, file: Path) -> float:
    """Seconds from asking for a run to its first line."""
    file.unlink(missing_ok=True)
    await until_deployed(client, way.deployment)
    asked = time.time()
    await start(client, way, file)
    while not file.exists() or not file.read_text().endswith("\n"):
        await asyncio.sleep(0.01)
        if time.time() - asked > PATIENCE:
            raise SystemExit(f"{way.name}: no run began within {PATIENCE:.0f} s")
    began: float = json.loads(file.read_text())["at"]
    return began - asked


async def until_deployed(client: PrefectClient, name: str) -> None:
    """Wait for a deployment that the serving process makes itself."""
    for _ in range(int(PATIENCE * 10)):
        try:
            await client.read_deployment_by_name(name)
            return
        except Exception:
            await asyncio.sleep(0.1)


async def ask(client: PrefectClient, way: Way, file: Path) -> None:
    """Leave a run for whoever looks for work."""
    deployment = await client.read_deployment_by_name(way.deployment)
    await client.create_flow_run_from_deployment(deployment.id, parameters={"file": str(file)})


async def start_here(client: PrefectClient, way: Way, file: Path) -> None:
    """Make a run that no worker picks up, and execute it in this process."""
    deployment = await client.read_deployment_by_name(way.deployment)
    parameters = {"file": str(file)}
    run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters, state=Pending())
    running = run_flow(first_line, flow_run=run, parameters=parameters)
    assert asyncio.iscoroutine(running)
    await running
    await asyncio.to_thread(drain)


def drain() -> None:
    """Send what this process still has to tell the server: at exit the server would be gone."""
    EventsWorker.drain_all()
    APILogWorker.drain_all()


def cpu(stack: Stack) -> tuple[float, float]:
    """Seconds of CPU used so far by the worker's family and by the server."""
    worker = stack.parts.get("worker")
    return family_cpu(worker.process.pid) if worker else 0.0, family_cpu(stack.parts["server"].process.pid)


def family_cpu(pid: int) -> float:
    process = psutil.Process(pid)
    times = [member.cpu_times() for member in (process, *process.children(recursive=True))]
    return sum(used.user + used.system + used.children_user + used.children_system for used in times)


def main() -> None:
    """Measure every way and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = Settings(home=folder / "home", prefect_port=free_port())
        extra = {"PYTHONPATH": str(Path(__file__).parents[1])}
        results = []
        with (
            Stack(settings, prefect_yaml=DRILLS, with_worker=False, extra=extra) as stack,
            temporary_settings({PREFECT_API_URL: settings.api_url}),
        ):
            for way in WAYS:
                with running(stack, way):
                    number = max(3, runs // 3) if way.seconds > 5 else runs
                    results.append(asyncio.run(measure(stack, way, number, folder / "marks")))
                print(f"  measured: {way.name}", file=sys.stderr)
    base = statistics.median(results[0].starts)
    print(f"{'':24} {'median':>7} {'p95 s':>7} {'runs':>5} {'faster':>9} {'idle wkr':>10} {'server':>9}")
    for result in results:
        print(result.line(base))


if __name__ == "__main__":
    main()
