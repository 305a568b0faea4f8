"""A leaver's way from HR's webhook to the disabled SSO account, and where the time goes, on the twins.

    python -m bench.hr_to_sso [LEAVERS] [--stages] [--known 100000]

One leaver after the other. Every moment is somebody else's word: the twins' logs, the record and Prefect's server.
`--known`: so many more people stand in the last good feed."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from prefect.client.schemas.objects import FlowRun, StateType

from flows.record import snapshots
from tests.stage import DOMAIN, Stage, set_up, until
from tests.webhook_door import Receiver
from tests.webhook_faults import called, on_stage

STAGES = (
    "HR calls, receiver has read it",
    "stored, woken, HR is asked",
    "who is due, run made",
    "worker takes the run",
    "forked, flow begins",
    "first call to the SSO",
    "SSO account disabled",
)
Moments = list[float]
"""Seconds since the epoch: HR's change, then the end of each of STAGES."""


def at(values: Sequence[float], percent: float) -> float:
    """The percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def crowd(stage: Stage, number: int) -> None:
    """So many more people in the last good feed, who left long ago."""
    last = snapshots.latest(stage.db, "bamboohr")
    assert last is not None
    ids = [f"9{n:06d}" for n in range(number)]
    rows = {"employee_id": ids, "given_name": ids, "family_name": ids, "department": "Sales", "worker_type": "employee"}
    dates = {"hire_date": pd.Timestamp(2015, 1, 1), "last_day": pd.Timestamp(2016, 1, 1)}
    snapshots.save(stage.db, "bamboohr", pd.concat([last[1], pd.DataFrame(rows | dates)]), datetime.now(UTC))


def leavers(stage: Stage, folder: Path, number: int, known: int = 0) -> list[Moments]:
    """The moments of one leaver after the other; one more goes before them, while the receiver is still cold."""
    people = {f"v{n}.bench@{DOMAIN}": stage.hire(f"V{n}", "Bench", "Operations") for n in range(number + 1)}
    stage.started_by(stage.play("daily_sync"))
    if known:
        crowd(stage, known)
    door = on_stage(stage, folder)
    door.start()
    with called(stage, door):
        return [leave(stage, door, email, person) for email, person in people.items()][1:]


def leave(stage: Stage, door: Receiver, email: str, person: str) -> Moments:
    """HR says that somebody has left; returns once their run has ended, so that nobody waits behind it."""
    user = stage.user(email)["id"]
    for name in ("sso", "bamboohr"):
        stage.twin(name).clear_log()
    begun = time.time()
    stage.leave(person)
    until(lambda: not stage.user(email)["active"], "the account is disabled")
    run = until(lambda: ended(stage, person), "the run has ended")
    signal = next(row for row in door.rows() if person in row.people)
    asked = spans(stage, "bamboohr", person)
    calls = spans(stage, "sso", "")
    read = next(b for b, _, method in asked if method == "GET" and b > signal.received_at.timestamp())
    first = next(b for b, _, _ in calls)
    over = next(e for b, e, method in spans(stage, "sso", user) if method in ("PATCH", "PUT"))
    taken = states(stage, run)
    made = run.created.timestamp() if run.created else 0.0
    return [begun, signal.received_at.timestamp(), read, made, *taken, first, over]


def ended(stage: Stage, person: str) -> FlowRun | None:
    """The person's run that the webhook started, once it is over."""
    runs = [run for run in stage.runs("by:webhook", f"person:{person}") if run.state and run.state.is_final()]
    return runs[0] if runs else None


def spans(stage: Stage, twin: str, part: str) -> list[tuple[float, float, str]]:
    """Begin, end and method of the calls to a twin whose path has this part, by their begin."""
    found = [line for line in stage.twin(twin).log() if part in line["path"]]
    return sorted((ending(line) - float(line["duration"]), ending(line), str(line["method"])) for line in found)


def ending(line: dict[str, Any]) -> float:
    """When a call was over."""
    return datetime.fromisoformat(line["iso"]).timestamp()


def states(stage: Stage, run: FlowRun) -> list[float]:
    """When the worker took the run, and when it began."""
    history = stage.client.read_flow_run_states(run.id)
    return [
        min(state.timestamp.timestamp() for state in history if state.type is kind)
        for kind in (StateType.PENDING, StateType.RUNNING)
    ]


def told(found: list[Moments], stages: bool) -> str:
    """The table."""
    whole = [moments[-1] - moments[0] for moments in found]
    lines = [f"{len(found)} leavers, HR to SSO: p50 {at(whole, 50) * 1000:.0f} ms, p95 {at(whole, 95) * 1000:.0f} ms"]
    for number, name in enumerate(STAGES if stages else ()):
        took = [moments[number + 1] - moments[number] for moments in found]
        share = sum(took) / sum(whole)
        middle, high = statistics.median(took) * 1000, at(took, 95) * 1000
        lines.append(f"  {name:32} {middle:6.0f} ms {high:6.0f} ms {share:6.1%}")
    return "\n".join(lines)


def measured(number: int, stages: bool, known: int = 0) -> str:
    """What is printed."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, set_up(Path(name)) as stage:
        return told(leavers(stage, Path(name) / "receiver", number, known), stages)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("leavers", type=int, nargs="?", default=12)
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--known", type=int, default=0)
    given = parser.parse_args()
    print(measured(given.leavers, given.stages, given.known))


if __name__ == "__main__":
    main()
