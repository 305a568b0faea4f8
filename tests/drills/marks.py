"""Flows that write a line into a file when they begin."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from prefect import flow, suspend_flow_run, task
from prefect.input import RunInput


def mark(file: str, **more: object) -> None:
    """Append one JSON line: when, which process, and more."""
    line = {"at": time.time(), "pid": os.getpid(), **more}
    with Path(file).open("a") as out:
        out.write(json.dumps(line) + "\n")


@flow
async def first_line(file: str) -> None:
    """Marks its first line."""
    mark(file, modules=sys.argv)


@task
def step(number: int, seconds: float) -> int:
    """One step that takes a while."""
    time.sleep(seconds)
    return number


@flow
async def dag(file: str, seconds: float = 0.15) -> None:
    """Twelve steps in four layers, as an onboarding has them."""
    mark(file, begins=True)
    email = step.submit(0, seconds)
    sso = step.submit(1, seconds, wait_for=[email])
    groups = [step.submit(n, seconds, wait_for=[sso]) for n in (2, 3)]
    apps = [step.submit(n, seconds, wait_for=groups) for n in range(4, 10)]
    verified = step.submit(10, seconds, wait_for=apps)
    evidence = step.submit(11, seconds, wait_for=[verified])
    await asyncio.to_thread(evidence.wait)
    mark(file, begins=False)


@flow
async def slow(file: str, seconds: float = 60) -> None:
    """Marks its beginning and its end, with a long wait between."""
    mark(file, begins=True)
    await asyncio.sleep(seconds)
    mark(file, begins=False)


@flow
async def dies(file: str, times: int = 1) -> None:
    """Kills its own process the first `times` times."""
    mark(file)
    if len(Path(file).read_text().splitlines()) <= times:
        os.kill(os.getpid(), 9)


@flow
async def fails_once(file: str) -> None:
    """Raises the first time only."""
    mark(file)
    if len(Path(file).read_text().splitlines()) == 1:
        raise ValueError("the first time does not work")


class Answer(RunInput):
    """What a person is asked."""

    approved: bool


@flow
async def asks(file: str) -> None:
    """Suspends for an answer, and marks it."""
    mark(file, asked=True)
    answer = await suspend_flow_run(wait_for_input=Answer, timeout=86400, key="asked")
    mark(file, approved=answer.approved)
