"""The worker: every run a process of its own, visible, cancellable, retried, and none lost with its worker."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prefect.states import AwaitingRetry, Cancelling

from tests.drills.engine import Engine, gone, started, until


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with started(tmp_path_factory.mktemp("worker")) as engine:
        yield engine


@pytest.fixture
def spare_worker(engine: Engine) -> Iterator[Engine]:
    """For tests that end the worker: afterwards there is one again."""
    yield engine
    engine.stack.stop_worker()
    engine.stack.start_worker()


def test_every_run_is_a_process_of_its_own(engine: Engine) -> None:
    runs = [engine.ask("first_line") for _ in range(3)]
    for run in runs:
        engine.wait_state(run, "Completed")
    pids = {engine.marks(run)[0]["pid"] for run in runs}
    assert len(pids) == 3
    assert engine.worker_pid() not in pids


def test_the_run_says_where_its_process_is(engine: Engine) -> None:
    run = engine.ask("slow")
    mark = engine.wait_marks(run)[0]
    place = until(lambda: engine.client.read_flow_run(run.id).infrastructure_pid or "", "the run has a place")
    engine.set_state(run.id, Cancelling())
    assert place.endswith(f":{mark['pid']}")


def test_a_process_that_dies_leaves_a_crashed_run_and_a_working_worker(engine: Engine) -> None:
    run = engine.ask("dies")
    crashed = engine.wait_state(run, "Crashed")
    assert crashed.state and "-9" in (crashed.state.message or "")
    engine.set_state(run.id, AwaitingRetry())
    engine.wait_state(run, "Completed")
    assert len(engine.marks(run)) == 2


def test_a_failed_run_can_be_retried_from_the_ui(engine: Engine) -> None:
    run = engine.ask("fails_once")
    engine.wait_state(run, "Failed")
    engine.set_state(run.id, AwaitingRetry())
    assert engine.wait_state(run, "Completed").run_count == 2


def test_cancelling_ends_the_process(engine: Engine) -> None:
    run = engine.ask("slow")
    pid = engine.wait_marks(run)[0]["pid"]
    engine.set_state(run.id, Cancelling())
    engine.wait_state(run, "Cancelled")
    assert gone(pid)
    assert len(engine.marks(run)) == 1


def test_a_run_that_waits_for_a_person_holds_no_process(engine: Engine) -> None:
    run = engine.ask("asks")
    pid = engine.wait_marks(run)[0]["pid"]
    engine.wait_state(run, "Suspended")
    until(lambda: gone(pid), "the process has ended")
    engine.client.resume_flow_run(run.id, run_input={"approved": True})
    engine.wait_state(run, "Completed")
    assert engine.marks(run)[-1]["approved"] is True


def test_runs_of_a_killed_worker_are_run_again(spare_worker: Engine) -> None:
    engine = spare_worker
    run = engine.ask("slow", seconds=3)
    first = engine.wait_marks(run)[0]["pid"]
    os.kill(engine.worker_pid(), signal.SIGKILL)
    until(lambda: gone(first), "the run has ended with its worker")
    engine.stack.stop_worker()
    engine.stack.start_worker()
    again = engine.wait_state(run, "Completed")
    assert again.run_count == 2
    assert [mark["begins"] for mark in engine.marks(run)] == [True, True, False]


def test_a_stopped_worker_leaves_its_runs_to_the_next(spare_worker: Engine) -> None:
    engine = spare_worker
    run = engine.ask("slow", seconds=30)
    pid = engine.wait_marks(run)[0]["pid"]
    engine.stack.stop_worker()
    assert engine.state(run).name == "AwaitingRetry"
    assert gone(pid)
    engine.set_state(run.id, Cancelling())


def test_cancelling_a_run_whose_worker_is_dead_cancels_it(spare_worker: Engine) -> None:
    engine = spare_worker
    run = engine.ask("slow", seconds=30)
    engine.wait_marks(run)
    os.kill(engine.worker_pid(), signal.SIGKILL)
    engine.set_state(run.id, Cancelling())
    engine.stack.stop_worker()
    engine.stack.start_worker()
    engine.wait_state(run, "Cancelled")
    assert len(engine.marks(run)) == 1


def test_the_worker_outlives_the_process_it_forks_from(engine: Engine) -> None:
    first = engine.ask("slow", seconds=30)
    engine.wait_marks(first)
    os.kill(zygote(engine).pid, signal.SIGKILL)
    engine.wait_state(first, "Crashed")
    second = engine.ask("first_line")
    engine.wait_state(second, "Completed")


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_what_is_forked_from_has_one_thread(engine: Engine) -> None:
    engine.wait_state(engine.ask("first_line"), "Completed")
    threads = os.listdir(Path("/proc") / str(zygote(engine).pid) / "task")
    assert len(threads) == 1


def test_leavers_go_first(tmp_path: Path) -> None:
    with started(tmp_path / "narrow", worker_limit=1) as engine:
        blocker = engine.ask("slow", seconds=2)
        engine.wait_marks(blocker)
        late = [engine.ask("first_line", queue) for queue in ("bulk", "default", "leavers")]
        for run in late:
            engine.wait_state(run, "Completed")
        bulk, default, leavers = (engine.marks(run)[0]["at"] for run in late)
        assert leavers < default < bulk


def zygote(engine: Engine) -> psutil.Process:
    """The process the worker forks its runs from."""
    worker = psutil.Process(engine.worker_pid())
    return until(lambda: [c for c in worker.children() if "flows.zygote" in c.cmdline()], "there is a zygote")[0]


def test_a_leaver_does_not_wait_for_a_place(tmp_path: Path) -> None:
    with started(tmp_path / "full", worker_limit=1) as engine:
        first, second = engine.ask("slow"), engine.ask("slow")
        engine.wait_marks(first)
        leaver = engine.ask("first_line", "leavers")
        engine.wait_state(leaver, "Completed")
        busy = [run for run in (first, second) if engine.marks(run)]
        for run in (first, second):
            engine.set_state(run.id, Cancelling())

        assert len(busy) == 1
