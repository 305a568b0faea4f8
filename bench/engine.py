"""Which database carries thirty runs at once: each run twelve steps of 150 ms, without HR or apps.

    python -m bench.engine sqlite:4 sqlite-stock:4 postgres:4

prints for each database:concurrency the wall time, the runs lost or failed, and how often the server said 503."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1]))

from flows.settings import Settings
from flows.stack import Stack

DRILLS = Path(__file__).parents[1] / "tests" / "drills" / "prefect.yaml"
PEOPLE = {"leavers": 5, "default": 25}  # queue -> runs
STOCK_SERVER = (sys.executable, "-m", "prefect", "server", "start")


@dataclass
class Monday:
    """What one Monday came to."""

    case: str
    wall: float
    states: Counter[str]
    busy: int
    """Answers 503 of the server."""
    retries: int
    runs_seconds: list[float]

    def line(self) -> str:
        middle, worst = statistics.median(self.runs_seconds), max(self.runs_seconds)
        states = ", ".join(f"{n} {state}" for state, n in self.states.items())
        return (
            f"{self.case:16} {self.wall:7.1f} {30 / self.wall:7.2f} {middle:7.2f} {worst:7.2f} "
            f"{self.busy:5} {self.retries:5}  {states}"
        )


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str | None]:
    """Prefect's database URL for a kind of database: None is SQLite in the home folder."""
    if kind.startswith("postgres"):
        with postgres(folder / "pg") as url:
            yield url
    else:
        yield None


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A throw-away PostgreSQL of this machine's newest Debian package; root lends it to the user postgres.

    Gives the URL of its database `postgres`; another one, `rollcall`, is for the record.
    """
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None:
        raise SystemExit("no PostgreSQL under /usr/lib/postgresql; install Debian's package `postgresql`")
    folder.mkdir()
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        folder.parent.chmod(0o755)
        as_user = {"user": "postgres", "group": "postgres", "cwd": folder}
    data, port = folder / "data", free_port()
    initdb = [str(word) for word in (programs / "initdb", "-D", data, "-U", "rollcall", "--auth=trust", "--no-sync")]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **as_user)
    where = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    with (folder.parent / "pg.log").open("wb") as log:
        server = subprocess.Popen([programs / "postgres", "-D", data, *where], stderr=log, **as_user)
    try:
        while subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
            time.sleep(0.1)
        address = f"rollcall@127.0.0.1:{port}"
        with psycopg.connect(f"postgresql://{address}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE rollcall")
        yield f"postgresql+asyncpg://{address}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # "fast shutdown"
        server.wait()


async def live_through(api_url: str, file: Path) -> list[FlowRun]:
    """Ask for thirty runs at once and wait until all have come to an end."""
    async with PrefectClient(api_url) as client:
        deployment = await client.read_deployment_by_name("dag/dag")
        asked = []
        for queue, number in PEOPLE.items():
            for _ in range(number):
                run = await client.create_flow_run_from_deployment(
                    deployment.id, parameters={"file": str(file)}, work_queue_name=queue
                )
                asked.append(run.id)
        deadline = time.monotonic() + 900
        while time.monotonic() < deadline:
            runs = [await client.read_flow_run(id) for id in asked]
            if all(run.state is not None and run.state.is_final() for run in runs):
                break
            await asyncio.sleep(0.5)
        return runs


def monday(case: str) -> Monday:
    """One Monday on a fresh server, worker and database."""
    kind, _, limit = case.partition(":")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(database(kind, folder))
        settings = Settings(
            home=folder / "home",
            prefect_port=free_port(),
            worker_limit=int(limit),
            prefect_database_url=SecretStr(url) if url else None,
        )
        loud = {"PREFECT_SERVER_LOGGING_LEVEL": "INFO", "PREFECT_LOGGING_LEVEL": "DEBUG"}
        engine = Stack(settings, prefect_yaml=DRILLS, extra=loud)
        if kind.endswith("stock"):
            engine.server_command = STOCK_SERVER
        with engine:
            settle(settings.api_url, folder / "warm")
            began = time.monotonic()
            runs = asyncio.run(live_through(settings.api_url, folder / "marks"))
            wall = time.monotonic() - began
        logs = {part: (settings.home / "logs" / f"{part}.log").read_text() for part in ("server", "worker")}
        return Monday(
            case,
            wall,
            Counter(run.state_name or "?" for run in runs),
            len(re.findall(r'" 503', logs["server"])),
            len(re.findall(r"Another attempt will be made", logs["worker"])),
            durations(folder / "marks"),
        )


def settle(api_url: str, file: Path) -> None:
    """One run before the clock starts: the worker is then known to be up."""

    async def one() -> None:
        async with PrefectClient(api_url) as client:
            deployment = await client.read_deployment_by_name("first-line/first_line")
            await client.create_flow_run_from_deployment(deployment.id, parameters={"file": str(file)})

    asyncio.run(one())
    while not file.exists():
        time.sleep(0.1)


def durations(file: Path) -> list[float]:
    """Seconds from each run's first line to its last."""
    marks = [json.loads(line) for line in file.read_text().splitlines()]
    begun = {mark["pid"]: mark["at"] for mark in marks if mark["begins"]}
    return [mark["at"] - begun[mark["pid"]] for mark in marks if not mark["begins"]] or [float("nan")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Run every case named on the command line, one after the other."""
    print(f"{'database':16} {'wall s':>7} {'runs/s':>7} {'median':>7} {'worst':>7} {'503':>5} {'again':>5}  states")
    for case in sys.argv[1:] or ["sqlite:4"]:
        print(monday(case).line(), flush=True)


if __name__ == "__main__":
    main()
