"""A stack for tests, and what tests do with it: ask for runs, wait for states, read marks."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State

from flows.settings import Settings
from flows.stack import Stack

PROJECT = Path(__file__).parents[2]
DRILLS = PROJECT / "tests" / "drills" / "prefect.yaml"
PATIENCE = 60.0  # seconds until a condition that should come true is given up

T = TypeVar("T")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_in(folder: Path, **more: Any) -> Settings:
    """Settings of an installation in a folder of its own."""
    return Settings(home=folder / "home", prefect_port=free_port(), **more)


def until(condition: Callable[[], T], what: str) -> T:
    """The condition's first true value."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain until {what}")


def gone(pid: int) -> bool:
    """Whether no such process lives; one that only waits to be collected counts as gone."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Engine:
    """A started stack with the drills, and a client for it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.client = SyncPrefectClient(stack.settings.api_url)

    def ask(self, name: str, queue: str | None = None, **parameters: Any) -> FlowRun:
        """A run of the drill `name`, marking a file of its own."""
        deployment = self.client.read_deployment_by_name(f"{name.replace('_', '-')}/{name}")
        file = str(self.folder / f"{os.urandom(6).hex()}.jsonl")
        return self.client.create_flow_run_from_deployment(
            deployment.id, parameters={"file": file} | parameters, work_queue_name=queue
        )

    def marks(self, run: FlowRun) -> list[dict[str, Any]]:
        """What the run has marked so far."""
        file = Path(run.parameters["file"])
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait_marks(self, run: FlowRun, number: int = 1) -> list[dict[str, Any]]:
        """The run's marks as soon as there are so many."""
        return until(lambda: len(self.marks(run)) >= number and self.marks(run), f"{run.name} has {number} marks")

    def state(self, run: FlowRun) -> State:
        """The run's state now."""
        state = self.client.read_flow_run(run.id).state
        assert state is not None
        return state

    def wait_state(self, run: FlowRun, name: str) -> FlowRun:
        """The run as soon as it is in the state of that name."""
        until(lambda: self.state(run).name == name, f"{run.name} is {name}")
        return self.client.read_flow_run(run.id)

    def set_state(self, run: UUID, state: State) -> None:
        """What a button in the UI does."""
        self.client.set_flow_run_state(run, state, force=True)

    def worker_pid(self) -> int:
        return self.stack.parts["worker"].process.pid


@contextmanager
def started(folder: Path, **options: Any) -> Iterator[Engine]:
    """A stack with the drills in a folder of its own."""
    folder.mkdir(exist_ok=True)
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    limit = options.pop("worker_limit", 4)
    settings = settings_in(folder, worker_limit=limit)
    with Stack(settings, prefect_yaml=DRILLS, extra={"PYTHONPATH": paths}, **options) as stack:
        engine = Engine(stack, folder)
        with engine.client:
            yield engine
