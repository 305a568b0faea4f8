"""Somebody must go at once while a thousand others are being reorganised.

    python -m bench.emergency [--people 1000] [--leavers 40] [--json]

A company is taken in, then everybody changes department, and as long as that run is at work, whether it looks, writes
or signs, `rollcall offboard ID --now` is typed for one person after another. Measured from the start of the command's
process to the end of the first write to that person's SSO account, by the server's own log."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from bench.boundless import boundless
from bench.engine import free_port
from connectors.sandbox import Sandbox
from flows.doors.people import ended, run_flow
from flows.due import COHORT
from flows.settings import load_settings
from flows.stack import Stack

COMMAND = str(Path(sys.executable).with_name("rollcall"))
TARGET = 2.0  # seconds
HEAD = "Employee number,First name,Last name,Known as,Work e-mail,Private e-mail,Department,Job title,Office,"
HEAD += "Manager number,Contract,Start date,Last day"


def write_people(path: Path, number: int, department: str) -> None:
    """HR's export: everybody in one department."""
    rows = [
        f"{n},Given{n},Family{n},,p{n}@bench.example,,{department},Clerk,Berlin,1,Permanent,2020-01-01,"
        for n in range(1, number + 1)
    ]
    path.write_text("\n".join([HEAD, *rows]) + "\n")


@contextmanager
def company(folder: Path) -> Iterator[Sandbox]:
    """The sample company with HR as a file, without limits on what a day may change, and its stack."""
    rules = boundless(folder)
    (rules / "company.yaml").write_text((rules / "company.yaml").read_text().replace("hr: bamboohr", "hr: csv"))
    (rules / "playbooks" / "berlin-office.yaml").unlink()  # badges are made by hand
    with Sandbox() as sandbox:
        variables = {"ROLLCALL_HOME": f"{folder}/home", "ROLLCALL_MAPPINGS": str(rules)}
        variables |= {"ROLLCALL_PREFECT_PORT": str(free_port()), "HR_CSV": f"{folder}/people.csv"}
        os.environ.update(sandbox.environment | variables)
        with Stack(load_settings()):
            yield sandbox


async def sync() -> FlowRun:
    """A daily sync; returns the run that everybody shares."""
    done = await run_flow("daily_sync", {}, "sync")
    if done.state_name != "Completed":
        raise SystemExit(f"{done.name}: {done.state_name}: {done.state and done.state.message}")
    async with get_client() as client:
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[COHORT, f"by:{done.id}"]))
        return (await client.read_flow_runs(flow_run_filter=wanted))[0]


async def until_under_way(run: FlowRun) -> None:
    """Until the run has begun to look."""
    while not await working(run):
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # it takes everybody's leases first


async def working(run: FlowRun) -> bool:
    """Whether it is at work."""
    async with get_client() as client:
        found = await client.read_flow_run(run.id)
    return bool(found.state and found.state.is_running())


def go_at_once(sandbox: Sandbox, number: int, users: dict[str, str]) -> float:
    """Seconds from typing the command to the first write to the account."""
    sandbox.control("sso").clear_log()
    typed = time.time()
    subprocess.run([COMMAND, "offboard", str(number), "--now", "--no-wait"], check=True, stdout=subprocess.DEVNULL)
    path = f"/Users/{users[str(number)]}"
    while True:
        for line in sandbox.control("sso").log():
            over = datetime.fromisoformat(line["iso"]).timestamp()
            if line["path"].endswith(path) and line["method"] in ("PATCH", "PUT") and over > typed:
                return over - typed
        time.sleep(0.1)


def measure(people: int, leavers: int) -> dict[str, Any]:
    """The whole drill."""
    with tempfile.TemporaryDirectory() as name, company(Path(name)) as sandbox:
        for twin in ("sso", "crm", "desk"):
            sandbox.control(twin).limits(100_000)
        write_people(Path(name) / "people.csv", people, "Sales")
        begun = time.perf_counter()
        first = asyncio.run(ended(asyncio.run(sync()).id))
        taken = time.perf_counter() - begun
        if first.state_name != "Completed":
            raise SystemExit(f"{first.state_name}: {first.state and first.state.message}")
        users = {u["externalId"]: u["id"] for u in sandbox.control("sso").state()["users"]}
        write_people(Path(name) / "people.csv", people, "Finance")
        run = asyncio.run(sync())
        asyncio.run(until_under_way(run))
        seconds: list[float] = []
        while len(seconds) < leavers and asyncio.run(working(run)):
            seconds.append(go_at_once(sandbox, people - len(seconds), users))
        print(f"from command to SSO write: {', '.join(f'{s:.2f}' for s in seconds)} s", file=sys.stderr, flush=True)
        still = asyncio.run(working(run))
        done = asyncio.run(ended(run.id))
    return {"seconds": seconds, "reorganisation was at work": still, "took in": taken, "then": done.state_name,
            "said": done.state.message if done.state else ""}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--leavers", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.people, given.leavers)
    if given.json:
        print(json.dumps(found))
        return
    seconds = found["seconds"]
    print(f"{len(seconds)} people offboarded during a reorganisation of {given.people}, from command to SSO write")
    print(f"  median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s; target {TARGET:.0f} s")
    print(f"  the reorganisation was still at work afterwards: {found['reorganisation was at work']}")
    print(f"  taking in {given.people} people took {found['took in']:.0f} s")
    print(f"  the reorganisation ended: {found['then']}: {found['said']}")


if __name__ == "__main__":
    main()
