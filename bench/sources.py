"""Reading and planning everybody, from BambooHR, Workday (SOAP and report) and a file.

    python -m bench.sources [--people 100000] [--latency-ms 0] [--only bamboohr workday …] [--json]

Each source is read once by the real connector, in a process of its own; its twin is another process and counts in no
number but the seconds that one waits for it. `--latency-ms` is how long each call takes besides. Planning is that of
bench.planning, with as many changes since yesterday. Targets: peak < 1 GiB, growth from a tenth of the people <= 11,
requests <= 1.1 times the fewest possible where there are 50 pages or more."""

from __future__ import annotations

import argparse
import logging
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from bench import exports
from bench.crowd import Crowd
from bench.planning import NOW, Clock, considered, stopwatch
from connectors.hr.catalogue import source
from mappings.feed import people_of
from mappings.folder import Rules, read_folder
from mappings.guard import Before, judge

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample" / "hr"
TWINS = {"bamboohr": "bamboohr", "workday": "workday", "workday_report": "workday", "csv": ""}
"""Source -> the twin that it reads, where it reads one."""
LARGEST = {"bamboohr": 1000, "workday": 999, "workday_report": math.inf}
"""People that one answer may have, by the vendor's description."""
READ, PLAN = "read", "plan"
TARGETS = {"peak_mib": 1024.0, "growth": 11.0, "requests": 1.1}
FEW = 50  # pages from which the requests beside the pages must not count


class Part(BaseModel):
    """What one source took with one number of people."""

    seconds: dict[str, float]
    """To read; to plan: the feed, the gate and the plans of all who are due."""
    cpu_seconds: dict[str, float]
    """Of the process that reads, not of the twin."""
    peak_mib: dict[str, float]
    """Resident memory at its highest by the end of each, Python and its packages included."""
    started_mib: float
    """The same before anything was read."""
    requests: int = 0
    fewest: int = 0
    """Pages that there must be."""


class Found(BaseModel):
    """All numbers of one run of this benchmark."""

    people: int
    latency_ms: float
    small: dict[str, Part]
    """Each source with a tenth of the people."""
    large: dict[str, Part]

    def growth(self, name: str) -> float:
        """From a tenth of the people; of the CPU's seconds, for the others tell of the twin and of a busy machine."""
        small, large = (sum(each[name].cpu_seconds.values()) for each in (self.small, self.large))
        return large / small

    def ratio(self, name: str) -> float:
        """Requests by the fewest possible."""
        part = self.large[name]
        return part.requests / part.fewest if part.fewest else 0.0

    def met(self, name: str) -> bool:
        """Whether every target is, for a source."""
        few = self.large[name].fewest < FEW or self.ratio(name) <= TARGETS["requests"]
        low = max(self.large[name].peak_mib.values()) < TARGETS["peak_mib"]
        return few and low and self.growth(name) <= TARGETS["growth"]


def rules_for(name: str, folder: Path) -> Rules:
    """The company of bench.exports, with this source's mapping."""
    rules = exports.mappings(folder)
    if not TWINS[name]:
        return rules
    (folder / "hr" / "export.yaml").write_text((SAMPLE / f"{name}.yaml").read_text())
    return read_folder(folder)


def measure(name: str, folder: Path, values: dict[str, str]) -> Part:
    """One source in this process."""
    rules, clock, cpu, peak, started = rules_for(name, folder), Clock(), Clock(), dict[str, float](), resident()
    hr = source("export", rules.hr, values, rules.folder, keep=folder / "kept")
    begun, used = time.perf_counter(), time.process_time()
    raw = hr.read()
    clock[READ], cpu[READ], peak[READ] = time.perf_counter() - begun, time.process_time() - used, resident()
    begun, used = time.perf_counter(), time.process_time()
    planned(raw, rules)
    clock[PLAN], cpu[PLAN], peak[PLAN] = time.perf_counter() - begun, time.process_time() - used, resident()
    return Part(seconds=clock, cpu_seconds=cpu, peak_mib=peak, started_mib=started)


def planned(raw: pd.DataFrame, rules: Rules) -> None:
    """What the daily sync works out of a feed."""
    feed = people_of(raw, rules.hr, NOW.date())
    assert not feed.held, feed.held[0].message
    old = feed.people.copy()
    some = old.sample(exports.CHANGES, random_state=7).index
    old.loc[some, "department"] = "Some other office"
    known = frozenset(old["employee_id"])
    verdict = judge(feed, Before(old, NOW.date(), known, known), rules.company, NOW)
    assert not verdict.refusal, verdict.refusal
    assert len(considered(old, feed.people, rules, stopwatch(Clock()))) >= exports.CHANGES


def resident() -> float:
    """Peak memory by now, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def run(name: str, people: int, latency_ms: float) -> Part:
    """One source at one size, with its twin beside it."""
    with tempfile.TemporaryDirectory() as folder:
        if not TWINS[name]:
            exports.write(Path(folder), people)
            return apart(name, Path(folder), {})
        with Crowd(TWINS[name], people) as crowd:
            control = crowd.control(TWINS[name])
            control.latency(latency_ms)
            part = apart(name, Path(folder), crowd.environment)
            number, fewest = len(control.log()), max(1, math.ceil(people / LARGEST[name]))
            return part.model_copy(update={"requests": number, "fewest": fewest})


def apart(name: str, folder: Path, values: dict[str, str]) -> Part:
    """What this module prints for one source, run in a process of its own: peak memory is handed on to children."""
    command = [sys.executable, "-m", "bench.sources", "--part", name, "--folder", str(folder)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ) | values).stdout
    return Part.model_validate_json(said)


def table(found: Found) -> str:
    """The numbers for reading."""
    head = f"{'':16}{'people':>9}{'read s':>8}{'CPU s':>8}{'MiB':>6}{'plan s':>8}{'MiB':>6}{'requests / fewest':>20}"
    lines = [f"{found.people:,} people, {found.latency_ms:g} ms a call", head]
    for people, parts in ((found.people // 10, found.small), (found.people, found.large)):
        for name, part in parts.items():
            asked = f"{part.requests} / {part.fewest}" if part.fewest else "a file"
            first = f"{name:16}{people:9,}{part.seconds[READ]:8.2f}{part.cpu_seconds[READ]:8.2f}"
            memory = [f"{part.peak_mib[stage]:6.0f}" for stage in (READ, PLAN)]
            lines.append(f"{first}{memory[0]}{part.seconds[PLAN]:8.2f}{memory[1]}{asked:>20}")
    for name in found.large:
        said = f"growth {found.growth(name):.1f}, requests {found.ratio(name):.2f}"
        lines.append(f"{name:16}{said}: {'all targets met' if found.met(name) else 'NOT all targets met'}")
    return "\n".join(lines)


def main() -> None:
    """Print the numbers, or with --part those of one source."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--people", type=int, default=100_000)
    words.add_argument("--latency-ms", type=float, default=0.0)
    words.add_argument("--only", nargs="+", choices=list(TWINS), default=list(TWINS))
    words.add_argument("--json", action="store_true")
    words.add_argument("--part", choices=list(TWINS), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.part:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        print(measure(given.part, given.folder, dict(os.environ)).model_dump_json())
        return
    small, large = (
        {name: run(name, people, given.latency_ms) for name in given.only}
        for people in (given.people // 10, given.people)
    )
    found = Found(people=given.people, latency_ms=given.latency_ms, small=small, large=large)
    print(found.model_dump_json(indent=2) if given.json else table(found))


if __name__ == "__main__":
    main()
