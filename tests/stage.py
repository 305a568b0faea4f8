"""The stage: one sandbox and one Prefect stack for all tests that play whole stories, and what they do on it.

Nobody but the managing director works there at first; each test hires its own people, so that tests do not meet.
The deployments are those of prefect.yaml without their schedules, which would run into the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, TaskRun
from ruamel.yaml import YAML
from sqlalchemy import inspect, text

from bench.boundless import boundless
from connectors.sandbox import Sandbox, TwinControl
from flows import deployments
from flows.record.database import Database
from flows.settings import Settings
from flows.stack import Stack
from tests.drills.engine import free_port

T = TypeVar("T")
PATIENCE = (
    400.0  # seconds until a condition that should come true is given up; runs with retries take 45 on an idle machine
)
DOMAIN = "juniperfinch.example"
DIRECTOR = "101"
LONG_AGO = date(2024, 1, 8)
TWINS = ("bamboohr", "sso", "crm", "desk", "badges")
COMMAND = str(Path(sys.executable).with_name("rollcall"))


@dataclass(frozen=True)
class Told:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


def days_ago(number: int) -> date:
    """A date before today, in UTC."""
    return datetime.now(UTC).date() - timedelta(days=number)


def until(condition: Callable[[], T | None], what: str) -> T:
    """The condition's first true value."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain until {what}")


def rollcall(*words: str, folder: Path, environment: Mapping[str, str]) -> Told:
    """The installed command as a process of its own, started in `folder` with these variables on top."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ROLLCALL_"))}
    done = subprocess.run(
        [COMMAND, *words], cwd=folder, env=plain | dict(environment), capture_output=True, text=True, timeout=PATIENCE
    )
    return Told(done.returncode, done.stdout, done.stderr)


def without_schedules(folder: Path) -> Path:
    """A copy of prefect.yaml whose deployments run only when asked."""
    content = YAML(typ="safe").load(deployments.prefect_yaml())
    for entry in content["deployments"]:
        entry.pop("schedules", None)
    copy = folder / "prefect.yaml"
    with copy.open("w") as file:
        YAML(typ="safe").dump(content, file)
    return copy


class Stage:
    """A sandbox, a stack, a record, and a client for each."""

    def __init__(self, sandbox: Sandbox, stack: Stack, folder: Path) -> None:
        self.sandbox, self.stack, self.folder = sandbox, stack, folder
        self.settings = stack.settings
        self.client = SyncPrefectClient(stack.settings.api_url)
        self.db = Database(stack.settings.database_url)
        self.db.migrate()
        values = sandbox.environment
        self.hr = httpx.Client(
            base_url=values["BAMBOOHR_URL"],
            auth=(values["BAMBOOHR_API_KEY"], "x"),
            headers={"Accept": "application/json"},
        )

    def close(self) -> None:
        self.client.__exit__(None, None, None)
        self.db.close()
        self.hr.close()

    # the outside

    def twin(self, name: str) -> TwinControl:
        return self.sandbox.control(name)

    def state(self) -> dict[str, Any]:
        """Everything the vendors hold."""
        return {name: self.twin(name).state() for name in TWINS}

    def user(self, email: str) -> dict[str, Any]:
        """The SSO's user, groups and all; {} where there is none."""
        return find(self.twin("sso").state()["users"], "userName", email)

    def sales(self, email: str) -> dict[str, Any]:
        """The CRM's user with the names of the roles; {} where there is none."""
        state = self.twin("crm").state()
        names = {role["id"]: role["name"] for role in state["roles"]}
        user = find(state["users"], "email", email)
        return user | {"roles": sorted(names[i] for i in user["role_ids"])} if user else {}

    def writes(self, *names: str) -> list[dict[str, Any]]:
        """What was asked of these twins (all) beyond reading, by time: method, path, status, …"""
        seen = [{"twin": name} | line for name in names or TWINS for line in self.twin(name).log()]
        wrote = [s for s in seen if s["method"] not in ("GET", "HEAD") and "/datasets/" not in s["path"]]
        return sorted(wrote, key=lambda line: float(line["time"]) + float(line["duration"]))

    # HR

    def hire(self, given: str, family: str, department: str, location: str = "Lisbon", **more: str) -> str:
        """A new person in HR, with a work e-mail unless one is given as ''; returns the id."""
        form = {
            "firstName": given,
            "lastName": family,
            "department": department,
            "location": location,
            "jobTitle": "Clerk",
            "hireDate": LONG_AGO.isoformat(),
            "supervisorEId": DIRECTOR,
            "customWorkerType": "Employee",
            "employmentStatus": "Full-Time",
            "workEmail": f"{given}.{family}@{DOMAIN}".lower(),
        }
        answer = self.hr.post("/employees", json={k: v for k, v in (form | more).items() if v}).raise_for_status()
        return answer.headers["Location"].rpartition("/")[2]

    def edit(self, person: str, **fields: str) -> None:
        """Change a person's record in HR."""
        self.hr.post(f"/employees/{person}", json=fields).raise_for_status()

    def table(self, person: str, table: str, **row: str) -> None:
        """Add a row to one of HR's history tables."""
        url = str(self.hr.base_url).rstrip("/").replace("/v1", "/v1_1")
        self.hr.post(f"{url}/employees/{person}/tables/{table}", json=row).raise_for_status()

    def move(self, person: str, department: str, title: str = "Clerk", location: str = "Lisbon") -> None:
        """Another department since yesterday."""
        day = days_ago(1).isoformat()
        row = {"date": day, "department": department, "jobTitle": title, "location": location}
        self.table(person, "jobInfo", **row, reportsTo=DIRECTOR)

    def leave(self, person: str, last_day: date | None = None) -> None:
        """The last day was three days ago, or is as given."""
        self.edit(person, terminationDate=(last_day or days_ago(3)).isoformat())

    def come_back(self, person: str) -> None:
        """Hired again since yesterday."""
        day = days_ago(1).isoformat()
        self.edit(person, hireDate=day)
        self.table(person, "employmentStatus", date=day, employmentStatus="Full-Time")

    def shown(self, person: str) -> dict[str, Any]:
        """HR's record of a person."""
        return find(self.twin("bamboohr").state()["employees"], "id", person)

    # Prefect

    def start(self, flow: str, environment: Mapping[str, str] | None = None, **parameters: Any) -> FlowRun:
        """A run of a deployment; `environment`: variables of this run alone."""
        deployment = self.client.read_deployment_by_name(f"{flow}/{flow}")
        variables = {"env": dict(environment)} if environment else None
        return self.client.create_flow_run_from_deployment(
            deployment.id, parameters=parameters, job_variables=variables, name=f"{flow} on the stage"
        )

    def end(self, run: FlowRun, count: int = 1) -> FlowRun:
        """The run once it has ended, or waits for a human, after being run `count` times."""

        def ended() -> FlowRun | None:
            found = self.client.read_flow_run(run.id)
            over = found.state and (found.state.is_final() or found.state.is_paused())
            return found if over and found.run_count >= count else None

        return until(ended, f"{run.name} has ended")

    def play(self, flow: str, **parameters: Any) -> FlowRun:
        """Start a run and see it through."""
        return self.end(self.start(flow, **parameters))

    def retry(self, run: FlowRun) -> FlowRun:
        """What the UI's Retry button sends, and the run's next end."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        url = f"{self.settings.api_url}/flow_runs/{run.id}/set_state"
        httpx.post(url, json={"state": state, "force": True}).raise_for_status()
        return self.end(run, run.run_count + 1)

    def runs(self, *tags: str) -> list[FlowRun]:
        """All runs, or those with all of these tags."""
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=list(tags))) if tags else None
        found: list[FlowRun] = []
        while page := self.client.read_flow_runs(flow_run_filter=wanted, limit=200, offset=len(found)):
            found += page
        return found

    def started_by(self, run: FlowRun) -> list[FlowRun]:
        """The people's runs that a sync or check started, once they have ended."""
        return [self.end(each) for each in self.runs(f"by:{run.id}")]

    def tasks(self, run: FlowRun) -> dict[str, TaskRun]:
        """The run's tasks by name, once Prefect has recorded the last of them."""
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))

        def recorded() -> dict[str, TaskRun] | None:
            found = {t.name: t for t in self.client.read_task_runs(flow_run_filter=wanted, limit=200)}
            last = found.get("evidence")
            return found if last and last.state and last.state.is_final() else None

        return until(recorded, f"the tasks of {run.name} are recorded")

    def task_names(self, run: FlowRun) -> set[str]:
        """Names of the run's tasks that Prefect has recorded as completed."""
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        found = self.client.read_task_runs(flow_run_filter=wanted, limit=200)
        return {t.name for t in found if t.state and t.state.is_completed()}

    def artifact(self, run: FlowRun) -> str:
        """The text of the artifact that the run left last."""
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        found = self.client.read_artifacts(artifact_filter=wanted)
        return str(max(found, key=lambda a: a.created).data)  # type: ignore[arg-type, return-value]

    # the record and the command

    def record(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        with self.db.engine.connect() as connection:
            names = inspect(connection).get_table_names()
            return {n: sorted(map(tuple, connection.execute(text(f"SELECT * FROM {n}"))), key=str) for n in names}

    def files(self) -> set[str]:
        """Names of all files and folders of the installation."""
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*")}

    @property
    def environment(self) -> dict[str, str]:
        """What somebody who works on this machine has set."""
        return self.sandbox.environment | {
            "ROLLCALL_HOME": str(self.settings.home),
            "ROLLCALL_MAPPINGS": str(self.settings.mappings_folder),
            "ROLLCALL_PREFECT_PORT": str(self.settings.prefect_port),
        }

    def rollcall(self, *words: str, **environment: str) -> Told:
        """The installed command, in this installation."""
        return rollcall(*words, folder=self.folder, environment=self.environment | environment)


def find(rows: list[dict[str, Any]], name: str, value: str) -> dict[str, Any]:
    """The first row with this value, {} where there is none."""
    return next((row for row in rows if str(row.get(name, "")).casefold() == value.casefold()), {})


def one(found: Sequence[T]) -> T:
    """The only one there is."""
    assert len(found) == 1, found
    return found[0]


def message(run: FlowRun) -> str:
    """What the run's state says."""
    return (run.state.message or "") if run.state else ""


def upstream(task: TaskRun) -> set[UUID]:
    """Ids of the tasks that a task waited for."""
    return {each.id for inputs in task.task_inputs.values() for each in inputs if hasattr(each, "id")}


@contextmanager
def set_up(folder: Path, rules: Callable[[Path], Path] = boundless, **more: Any) -> Iterator[Stage]:
    """A stage in a folder of its own; `rules` makes its mappings there, `more` are settings."""
    with Sandbox() as sandbox:
        for name in TWINS:
            sandbox.control(name).limits(100_000)
        words = {"home": folder / "home", "mappings": rules(folder), "prefect_port": free_port()}
        settings = Settings(**words | more, worker_limit=8)  # some runs wait 45 s
        yaml = without_schedules(folder)
        with Stack(settings, prefect_yaml=yaml, extra=sandbox.environment) as stack:
            stage = Stage(sandbox, stack, folder)
            try:
                empty_the_house(stage)
                yield stage
            finally:
                stage.close()


def empty_the_house(stage: Stage) -> None:
    """Everybody but the director left long ago."""
    for row in stage.twin("bamboohr").state()["employees"]:
        if row["id"] != DIRECTOR and not row["terminationDate"]:
            stage.leave(row["id"], LONG_AGO + timedelta(days=500))
