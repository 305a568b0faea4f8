"""Runs whose worker died: found by the claim each worker leaves on what it takes, and scheduled again.

Rollcall's flows may be run twice, so a run that was cut off is simply run again, up to LIMIT times."""

from __future__ import annotations

import logging
import os
import socket
from typing import NamedTuple

import psutil
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry, Cancelled, Crashed

CLAIM = "rollcall.claim"  # label: the worker process that holds the run
RESCUED = "rollcall.rescued"  # label: how often the run was scheduled again
LIMIT = 3
SENTENCE = "Taken by "
CUT_OFF = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]

log = logging.getLogger("prefect.rollcall.castaways")


class Claim(NamedTuple):
    """One process of one host; `began` (seconds since the epoch) tells it from a later one with its number."""

    host: str
    pid: int
    began: int

    @classmethod
    def of_this_process(cls) -> Claim:
        return cls(socket.gethostname(), os.getpid(), int(psutil.Process().create_time()))

    @classmethod
    def parse(cls, text: str) -> Claim | None:
        """The claim written as `host:pid:began`, or None where the text is something else."""
        host, _, rest = text.removeprefix(SENTENCE).partition(":")
        pid, _, began = rest.partition(":")
        return cls(host, int(pid), int(began)) if pid.isdigit() and began.isdigit() else None

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.began}"

    def sentence(self) -> str:
        """The claim as the message of a state."""
        return f"{SENTENCE}{self}"

    def is_dead(self) -> bool:
        """True only if it is this host's process and it is gone; other hosts' processes are theirs to judge."""
        if self.host != socket.gethostname():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began) > 2
        except psutil.NoSuchProcess:
            return True


def claim_of(run: FlowRun) -> Claim | None:
    """Who took the run last, from its pending state or its label."""
    assert run.state is not None
    message = run.state.message or ""
    return Claim.parse(message) or Claim.parse(str(run.labels.get(CLAIM, "")))


async def rescue(client: PrefectClient, pool: str, mine: Claim, *, ended: bool = False) -> list[str]:
    """Schedule runs of dead workers again; with `ended` those of `mine` too. Returns the names of the runs."""
    rescued = []
    for run in await cut_off(client, pool):
        claim = claim_of(run)
        if claim and (claim.is_dead() or (ended and claim == mine)):
            rescued.append(run.name)
            await _settle(client, run)
    return rescued


async def cut_off(client: PrefectClient, pool: str) -> list[FlowRun]:
    """Runs of the pool that some worker has taken and not finished."""
    states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=CUT_OFF)))
    pools = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    return await client.read_flow_runs(flow_run_filter=states, work_pool_filter=pools, limit=200)


async def _settle(client: PrefectClient, run: FlowRun) -> None:
    times = int(str(run.labels.get(RESCUED, 0)))
    state = next_state(run, times)
    log.warning("%s lost its worker: now %s", run.name, state.name)
    await client.update_flow_run_labels(run.id, {RESCUED: times + 1})
    await client.set_flow_run_state(run.id, state, force=True)


def next_state(run: FlowRun, times: int) -> State[None]:
    """What becomes of a cut-off run that was rescued `times` times before."""
    if run.state is not None and run.state.type == StateType.CANCELLING:
        return Cancelled(message="Cancelled; its worker had died.")
    if times >= LIMIT:
        return Crashed(message=f"Its worker died, for the {times + 1}th time; not tried again by itself.")
    return AwaitingRetry(message="Its worker died; run again from the start.")
