"""What it costs that many manual tasks wait for people: 2,000 runs with a form, none with a process.

    python -m bench.waiting [--tasks 2000] [--idle 60] [--json]

How fast the waiting runs are made; processor seconds and memory of server and worker in a minute in which nothing
happens, and the time of one onboarding run, with nobody waiting and with all of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import psutil
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType

from bench.onboarding import company, measure
from connectors.sandbox import Sandbox
from flows.manual_task import start_manual_tasks
from flows.record import tasks
from flows.record.database import Database
from flows.settings import load_settings

MEGA = 1024 * 1024
LATENCY = 50.0  # milliseconds a call
RUNS = 3
SETTLE = 20  # seconds after the tasks were made


def family() -> list[psutil.Process]:
    """Server and worker with everything they started."""
    own = psutil.Process().children(recursive=True)
    return [process for process in own if any(word.startswith("flows.") for word in process.cmdline())]


def spent() -> tuple[float, float]:
    """Processor seconds so far, and MB of memory now."""
    processes = family()
    seconds = sum(p.cpu_times().user + p.cpu_times().system for p in processes)
    return seconds, sum(p.memory_info().rss for p in processes) / MEGA


def idle(seconds: float) -> dict[str, float]:
    """What a time without work costs."""
    before, _ = spent()
    time.sleep(seconds)
    after, memory = spent()
    return {"cpu_seconds": round(after - before, 1), "rss_mb": round(memory), "processes": len(family())}


async def make(number: int) -> float:
    """So many waiting tasks; returns tasks per second."""
    db = Database(load_settings().database_url)
    same = ("badges", "create account", None, "Badge", "Print it.", "desk", "h", "r")
    with db.writing():
        rows = [tasks.open_task(db, f"waiting {n}", *same)[0] for n in range(number)]
    began = time.perf_counter()
    await start_manual_tasks(rows)
    return round(number / (time.perf_counter() - began), 1)


async def waiting() -> int:
    """How many runs wait."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    async with get_client() as client:
        return await client.count_flow_runs(flow_run_filter=FlowRunFilter(state=state))


def onboarding(sandbox: Sandbox, people: Iterator[int]) -> float:
    """Median seconds of an onboarding run."""
    return round(statistics.median(measure(sandbox, str(next(people)), LATENCY)["wall"] for _ in range(RUNS)), 2)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--idle", type=float, default=60, help="seconds")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    people = iter(range(2 * RUNS + 1))
    with company(2 * RUNS + 1, LATENCY) as sandbox:
        measure(sandbox, str(next(people)), LATENCY)  # groups and roles are made once
        found: dict[str, Any] = {"none": idle(given.idle) | {"onboarding": onboarding(sandbox, people)}}
        found["per_second"] = asyncio.run(make(given.tasks))
        found["waiting"] = asyncio.run(waiting())
        time.sleep(SETTLE)
        found["all"] = idle(given.idle) | {"onboarding": onboarding(sandbox, people)}
    if given.json:
        print(json.dumps(found))
        return
    print(f"{found['waiting']} runs wait, made at {found['per_second']} a second")
    for name, told in (("none", "nobody waits"), ("all", f"{found['waiting']} wait")):
        m = found[name]
        print(
            f"  {told:14} {m['cpu_seconds']:5.1f} s of processor in {given.idle:.0f} s   {m['rss_mb']:5.0f} MB   "
            f"{m['processes']} processes   onboarding {m['onboarding']:.2f} s"
        )


if __name__ == "__main__":
    main()
