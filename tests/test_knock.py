"""A run that somebody knocks for is taken by a worker that would not look for work for an hour."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.knock import DOOR, knock
from flows.stack import Stack
from tests.drills.engine import DRILLS, PROJECT, Engine, settings_in, until


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("knock")
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    seldom = {"PREFECT_WORKER_QUERY_SECONDS": "3600", "PYTHONPATH": paths}
    with Stack(settings_in(folder, worker_limit=2), prefect_yaml=DRILLS, extra=seldom) as stack:
        engine = Engine(stack, folder)
        with engine.client:
            yield engine


def test_a_knock_is_heard(engine: Engine) -> None:
    for _ in range(2):  # the first may be found by the worker's own first look
        run = engine.ask("first_line")
        until(lambda: knocked(engine, run), "the run was taken")  # noqa: B023


def knocked(engine: Engine, run: FlowRun) -> bool:
    """Whether the run has begun, after one more knock."""
    knock(engine.stack.settings.home)
    return bool(engine.marks(run))


def test_nobody_need_be_at_home(tmp_path: Path) -> None:
    knock(tmp_path / "nowhere")
    os.mkfifo(tmp_path / DOOR)
    knock(tmp_path)
