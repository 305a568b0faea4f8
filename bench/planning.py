"""From two HR exports to plans, compared with what pandas needs merely to read and merge the same two files.

    python -m bench.planning [--people 100000] [--json]

Each part runs in a process of its own, so that its peak memory is its own; times are the best of three and leave out
imports. Targets: ratio <= 3, peak < 1 GiB, growth from a tenth of the people <= 11."""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from bench import exports
from connectors.hr.csv import CsvSource, Options
from mappings.access import Account, Target
from mappings.day import standing
from mappings.draft import Known, Terms, plan
from mappings.feed import people_of
from mappings.folder import Rules
from mappings.lifecycle import Kind, changes
from mappings.people import person_of
from mappings.plan import Plan
from mappings.rules import desired, fingerprints, matching, targets, values_of

ROUNDS = 3
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARGETS = {"ratio": 3.0, "peak_mib": 1024.0, "growth": 11.0}
PARTS = ("bare", "bare pyarrow", "rollcall")
Clock = dict[str, float]
"""Seconds by stage."""


def bare(folder: Path, engine: str) -> int:
    """What anybody would write: read both, merge on the key."""
    old, new = (pd.read_csv(folder / f"{name}.csv", dtype=str, engine=engine) for name in ("yesterday", "today"))  # type: ignore[call-overload]
    return len(old.merge(new, on="Employee number", how="outer", indicator=True))


def rollcall(folder: Path, rules: Rules, clock: Clock) -> list[Plan]:
    """What the daily sync works out, and the plan of everybody who is due."""
    lap = stopwatch(clock)
    old, new = (read(folder / f"{name}.csv", rules) for name in ("yesterday", "today"))
    lap("read, feed")
    return considered(old, new, rules, lap)


def considered(old: pd.DataFrame, new: pd.DataFrame, rules: Rules, lap: Callable[[str], None]) -> list[Plan]:
    """The plans of all who are due between two looks."""
    (was, had), (status, here) = standing(old, rules.company, THEN), standing(new, rules.company, NOW)
    lap("status")
    changed = changes(old, was, new, status)
    lap("lifecycle")
    settled = fingerprints(old, was, had, rules).set_axis(pd.Index(old["employee_id"]))
    ids = pd.Index(new["employee_id"])
    due = ids[fingerprints(new, status, here, rules).to_numpy() != settled.reindex(ids, fill_value=0).to_numpy()]
    lap("who is due")
    matching(new, here, rules)
    lap("playbooks for all")
    plans = plans_for(due, old, had, new, here, rules)
    lap("plans of the due")
    assert set(due) == set(changed.loc[changed["kind"] != Kind.SAME.value, "person_id"]), "due and changed differ"
    return plans


def read(path: Path, rules: Rules) -> pd.DataFrame:
    """One export as people."""
    feed = people_of(CsvSource("export", rules.hr, Options(path=path.name), path).read(), rules.hr)
    assert not feed.held, feed.held[0].message
    return feed.people


def plans_for(
    due: pd.Index, old: pd.DataFrame, had: pd.Series, new: pd.DataFrame, here: pd.Series, rules: Rules
) -> list[Plan]:
    """The plan of each person who is due, against apps that are as yesterday's export wanted them."""
    then, now = wanted(old, had, due, rules), wanted(new, here, due, rules)
    return [
        plan(
            ident,
            ident,
            now[ident],
            {app: held(ident, target) for app, target in then.get(ident, {}).items()},
            rules,
            Terms(NOW, "" if now[ident] else "HR: gone"),
        )
        for ident in due
    ]


def wanted(people: pd.DataFrame, here: pd.Series, due: pd.Index, rules: Rules) -> dict[str, dict[str, Target]]:
    """Person -> app -> target, for those of `due` who are in the frame."""
    rows = people["employee_id"].isin(due)
    some = people[rows]
    grants = desired(some, here[rows], rules)
    parts = dict(tuple(grants.groupby("person_id")))
    none = grants.iloc[:0]
    persons = [person_of({str(k): v for k, v in row.items()}) for row in some.to_dict("records")]
    return {p.employee_id: targets(parts.get(p.employee_id, none), values_of(p), rules) for p in persons}


def held(ident: str, target: Target) -> Known:
    """An account that is as `target` wants it, given by Rollcall."""
    account = Account(
        id=f"{target.app}/{ident}",
        key=target.attributes.get("email", ident),
        attributes=target.attributes,
        entitlements=frozenset(target.entitlements),
    )
    return Known(account, target.entitlements, True)


def stopwatch(clock: Clock) -> Callable[[str], None]:
    """Notes the seconds since the last call under a name."""
    at = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal at
        now = time.perf_counter()
        clock[name], at = now - at, now

    return lap


class Part(BaseModel):
    """What one part took."""

    seconds: float
    cpu_seconds: float
    """Of all threads; tells a slow part from a busy machine."""
    peak_mib: float
    """Resident memory at its highest, Python and its packages included."""
    stages: Clock = {}


class Found(BaseModel):
    """All numbers of one run of this benchmark."""

    people: int
    small: dict[str, Part]
    """Each part with a tenth of the people."""
    large: dict[str, Part]
    ratio: float
    ratio_to_pyarrow: float
    growth: float
    peak_mib: float

    @property
    def met(self) -> bool:
        """Whether every target is."""
        return all(getattr(self, name) <= limit for name, limit in TARGETS.items())


def measure(part: str, folder: Path) -> Part:
    """One part in this process: the best round, its stages, peak memory."""
    rules = exports.mappings(folder) if part == "rollcall" else None
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        clock: Clock = {}
        begun, cpu = time.perf_counter(), time.process_time()
        if rules is None:
            bare(folder, "pyarrow" if part.endswith("pyarrow") else "c")
        else:
            rollcall(folder, rules, clock)
        rounds.append((time.perf_counter() - begun, time.process_time() - cpu, clock))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    seconds, cpu, clock = min(rounds, key=lambda one: one[0])
    return Part(seconds=seconds, cpu_seconds=cpu, peak_mib=peak, stages=clock)


def apart(part: str, folder: Path, people: int) -> str:
    """What this module prints for one part, run in a process of its own.

    Linux hands a parent's peak memory on to its children, so this process itself stays small.
    """
    command = [sys.executable, "-m", "bench.planning", "--part", part, "--folder", str(folder), "--people", str(people)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(people: int) -> dict[str, Part]:
    """Every part at one size."""
    with tempfile.TemporaryDirectory() as name:
        apart("write", Path(name), people)
        return {part: Part.model_validate_json(apart(part, Path(name), people)) for part in PARTS}


def compare(people: int) -> Found:
    """All numbers, at a tenth of the people and at all of them."""
    small, large = run(people // 10), run(people)
    mine = large["rollcall"]
    return Found(
        people=people,
        small=small,
        large=large,
        ratio=mine.seconds / large["bare"].seconds,
        ratio_to_pyarrow=mine.seconds / large["bare pyarrow"].seconds,
        growth=mine.seconds / small["rollcall"].seconds,
        peak_mib=mine.peak_mib,
    )


def table(found: Found) -> str:
    """The numbers for reading."""
    rows = {**found.large, f"rollcall, {found.people // 10:,}": found.small["rollcall"]}
    lines = [
        f"{found.people:,} people, {exports.CHANGES} changes; best of {ROUNDS}",
        f"{'':24}{'seconds':>8}{'CPU s':>8}{'MiB':>7}",
        *(f"{name:24}{one.seconds:8.2f}{one.cpu_seconds:8.2f}{one.peak_mib:7.0f}" for name, one in rows.items()),
        *(f"  {stage:22}{seconds:8.2f}" for stage, seconds in found.large["rollcall"].stages.items()),
        f"rollcall / bare         {found.ratio:8.2f}   target <= {TARGETS['ratio']:g}",
        f"rollcall / bare pyarrow {found.ratio_to_pyarrow:8.2f}",
        f"growth from a tenth     {found.growth:8.2f}   target <= {TARGETS['growth']:g}",
        f"peak memory, MiB        {found.peak_mib:8.0f}   target <  {TARGETS['peak_mib']:g}",
    ]
    return "\n".join([*lines, "all targets met" if found.met else "NOT all targets met"])


def main() -> None:
    """Print the comparison, or with --part one part's numbers."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--people", type=int, default=100_000)
    words.add_argument("--json", action="store_true")
    words.add_argument("--part", choices=("write", *PARTS), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.part == "write":
        exports.write(given.folder, given.people)
        return
    if given.part:
        print(measure(given.part, given.folder).model_dump_json())
        return
    found = compare(given.people)
    print(found.model_dump_json(indent=2) if given.json else table(found))


if __name__ == "__main__":
    main()
