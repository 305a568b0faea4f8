"""A company on the sandbox, Rollcall at work on it, and three ways to kill what works. The sandbox itself is spared."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry

from connectors.sandbox import Sandbox
from flows.deployments import prefect_yaml, read_deployments
from flows.settings import Settings
from flows.stack import Stack
from tests.drills.engine import free_port, until

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
LATENCY_MS = 40.0
PAGE = 200  # Prefect's own limit for one answer
PATIENCE = 240.0  # seconds; a busy machine is slow
FORMER = "124"  # of the sandbox's people, the one who has left
GIVEN = ("Ada", "Bruno", "Chiara", "Davor", "Elif", "Finn", "Greta", "Hugo", "Ivana", "Jonas", "Keiko", "Liam", "Mia")
FAMILY = ("Abel", "Bauer", "Costa", "Duarte", "Ek", "Falk", "Gomes")
POSTS = (
    ("Sales", "Account Executive", "Lisbon", "103"),
    ("Engineering", "Backend Engineer", "Berlin", "104"),
    ("Finance", "Accountant", "Berlin", "102"),
    ("Operations", "Shipping Coordinator", "Denver", "106"),
    ("Sales", "Sales Manager", "Lisbon", "103"),
    ("People", "Recruiter", "Berlin", "105"),
)


@dataclass
class Blow:
    """One kill: who was being onboarded, what was killed when, and what it hit."""

    people: list[str]
    way: str
    writes: int
    """How many writes the apps have seen when the clock for `delay` starts; 0 starts it with the runs."""
    delay: float
    hit: list[str] = field(default_factory=list)
    """Names of the processes that died."""


class Ground:
    """Rollcall's stack over a sandbox."""

    def __init__(self, sandbox: Sandbox, stack: Stack) -> None:
        self.sandbox, self.stack = sandbox, stack
        self.client = SyncPrefectClient(stack.settings.api_url)
        self.twins = [sandbox.control(name) for name in ("bamboohr", "sso", "crm", "desk")]
        self.asked = list[FlowRun]()

    # people

    def hire(self, number: int) -> str:
        """HR enters somebody who started three days ago and has no work e-mail; every seventh name comes again."""
        department, title, location, manager = POSTS[number % len(POSTS)]
        first = datetime.now(UTC).date() - timedelta(days=3)
        form = {
            "firstName": GIVEN[number % len(GIVEN)],
            "lastName": FAMILY[number // 2 % len(FAMILY)],
            "hireDate": first.isoformat(),
            "department": department,
            "jobTitle": title,
            "location": location,
            "supervisorEId": manager,
            "customWorkerType": "Contractor" if number % 5 == 4 else "Employee",
            "employmentStatus": "Contractor" if number % 5 == 4 else "Full-Time",
        }
        form |= {"terminationDate": "2035-12-31"} if number % 5 == 4 else {}
        made = self.hr("POST", "/employees", form)
        return made.headers["Location"].rpartition("/")[2]

    def hr(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call to BambooHR as HR's people make it."""
        env = self.sandbox.environment
        key, url = env["BAMBOOHR_API_KEY"], env["BAMBOOHR_URL"]
        answer = httpx.request(
            method, url + path, json=body, auth=(key, "x"), headers={"Accept": "application/json"}, timeout=30
        )
        return answer.raise_for_status()

    def people(self) -> dict[str, dict[str, Any]]:
        """HR's fields of everybody who works here, by id."""
        everybody = self.sandbox.control("bamboohr").state()["employees"]
        return {str(e["id"]): e for e in everybody if e["id"] != FORMER}

    # runs

    def onboard(self, people: Sequence[str]) -> list[FlowRun]:
        """What `rollcall onboard ID` starts."""
        deployment = self.client.read_deployment_by_name("zero_touch_onboarding/zero_touch_onboarding")
        runs = [
            self.client.create_flow_run_from_deployment(
                deployment.id, parameters={"person_id": person}, name=f"onboard {person}", tags=[f"person:{person}"]
            )
            for person in people
        ]
        self.asked += runs
        return runs

    def sync(self) -> FlowRun:
        """A daily sync and all its runs, once they have ended."""
        deployment = self.client.read_deployment_by_name("daily_sync/daily_sync")
        run = self.client.create_flow_run_from_deployment(deployment.id)
        self.ended([run])
        self.ended(self.started_by(run))
        return self.client.read_flow_run(run.id)

    def started_by(self, run: FlowRun) -> list[FlowRun]:
        """The runs a sync started."""
        return self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[f"by:{run.id}"])), limit=PAGE
        )

    def all_runs(self) -> list[FlowRun]:
        """Every run Prefect knows."""
        found: list[FlowRun] = []
        while page := self.client.read_flow_runs(limit=PAGE, offset=len(found)):
            found += page
        return found

    def now(self, runs: Sequence[FlowRun]) -> list[FlowRun]:
        """The runs as they are now."""
        found: list[FlowRun] = []
        for first in range(0, len(runs), PAGE):
            mine = FlowRunFilter(id=FlowRunFilterId(any_=[run.id for run in runs[first : first + PAGE]]))
            found += self.client.read_flow_runs(flow_run_filter=mine, limit=PAGE)
        return found

    def ended(self, runs: Sequence[FlowRun]) -> list[FlowRun]:
        """The runs, once all have ended."""
        give_up = time.monotonic() + PATIENCE
        while not over(found := self.now(runs)):
            if time.monotonic() > give_up:
                raise AssertionError(f"not ended in {PATIENCE:.0f} s: {[(r.name, r.state_name) for r in found]}")
            time.sleep(0.2)
        return found

    def retry(self, run: FlowRun) -> FlowRun:
        """What the Retry button in the UI does."""
        self.client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
        return run

    # kills

    @property
    def worker(self) -> psutil.Process:
        return psutil.Process(self.stack.parts["worker"].process.pid)

    def runs_now(self) -> list[psutil.Process]:
        """The processes of runs."""
        zygotes = [p for p in self.worker.children() if "flows.zygote" in " ".join(p.cmdline())]
        return [child for zygote in zygotes for child in zygote.children()]

    def ready(self) -> None:
        """Return once the worker has its zygote and has said so to the server."""
        until(lambda: self.worker.children(), "the worker has a zygote")

    def kill_a_run(self, chance: random.Random) -> list[str]:
        """SIGKILL to the process of one run."""
        return killed(chance.sample(found, 1)) if (found := self.runs_now()) else []

    def kill_the_worker(self, chance: random.Random) -> list[str]:
        """SIGKILL to the worker alone; what it started must end by itself. Then a new worker."""
        family = [self.worker, *self.worker.children(recursive=True)]
        hit = killed(family[:1])
        until(lambda: not any(alive(p) for p in family), "the worker's children have ended")
        self.restart()
        return hit

    def kill_the_family(self, chance: random.Random) -> list[str]:
        """SIGKILL to the worker, the zygote and all runs at the same moment. Then a new worker."""
        hit = killed([self.worker, *self.worker.children(recursive=True)])
        self.restart()
        return hit

    def restart(self) -> None:
        self.stack.stop_worker()
        self.stack.start_worker()

    def blow(self, blow: Blow, chance: random.Random) -> None:
        """Onboard the people, kill at the blow's moment, and return when their runs are over."""
        ways: dict[str, Callable[[random.Random], list[str]]] = {
            "run": self.kill_a_run,
            "worker": self.kill_the_worker,
            "family": self.kill_the_family,
        }
        for twin in self.twins:
            twin.clear_log()
        runs = self.onboard(blow.people)
        while self.writes() < blow.writes and not over(self.now(runs)):
            time.sleep(0.01)
        time.sleep(blow.delay)  # the random moment itself
        blow.hit = ways[blow.way](chance)
        if chance.random() < 0.5:
            runs += self.onboard(blow.people[:1])  # somebody presses the button while the killed run is being rescued
        self.mend(self.ended(runs), chance)

    def writes(self) -> int:
        """How many writes the apps and HR have seen since their logs were cleared."""
        seen = [call for twin in self.twins for call in twin.log()]
        return sum(call["method"] != "GET" and "/datasets/" not in call["path"] for call in seen)

    def mend(self, runs: Sequence[FlowRun], chance: random.Random) -> None:
        """Run again what did not complete: by the UI's Retry, or as `rollcall onboard` does."""
        for _ in range(3):
            bad = [run for run in runs if run.state and not run.state.is_completed()]
            if not bad:
                return
            again = [self.retry(r) if chance.random() < 0.5 else self.onboard([person_of(r)])[0] for r in bad]
            runs = self.ended(again)
        raise AssertionError(f"still not completed: {[(r.name, r.state and r.state.message) for r in runs]}")


def over(runs: Sequence[FlowRun]) -> bool:
    """Whether all have ended."""
    return all(run.state is not None and run.state.is_final() for run in runs)


def person_of(run: FlowRun) -> str:
    """Whom a run is for."""
    return str(run.parameters["person_id"])


def killed(processes: Sequence[psutil.Process]) -> list[str]:
    """SIGKILL to each; what was hit."""
    hit = []
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            name = " ".join(process.cmdline()[1:3])
            os.kill(process.pid, signal.SIGKILL)
            hit.append(name)
    return hit


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that only waits to be collected does not."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


@contextmanager
def broken_ground(folder: Path) -> Iterator[Ground]:
    """A sandbox and a stack without schedules."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [d.model_dump(mode="json", exclude={"schedules"}) for d in read_deployments(prefect_yaml())]
    (folder / "unscheduled.yaml").write_text(json.dumps({"deployments": entries}))
    with Sandbox(latency_ms=LATENCY_MS) as sandbox:
        settings = Settings(home=folder / "home", mappings=SAMPLE, prefect_port=free_port())
        with Stack(settings, prefect_yaml=folder / "unscheduled.yaml", extra=dict(sandbox.environment)) as stack:
            ground = Ground(sandbox, stack)
            with ground.client:
                yield ground
