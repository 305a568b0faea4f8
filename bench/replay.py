"""Replays a real HR table by date against scim2-server from PyPI and compares what that server then holds.

    python -m bench.replay --csv ../shared/data/adventureworks/employees.csv --dates 12

Server, worker and SSO are processes of their own. Each date is one `daily_sync(on=date)`; when all its runs have ended,
users and groups are read from the SSO by plain HTTP and compared with a plain reading of the table. Exit status: 0 if
all agrees, else 1."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from bench.stints import Move, Table
from flows.deployments import prefect_yaml, read_deployments
from flows.record import history
from flows.record.database import Database
from flows.settings import Settings
from flows.stack import Stack
from tests.connectors_servers import free_port, scim2_server

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "tests" / "fixtures" / "adventureworks"
CSV = PROJECT.parent / "shared" / "data" / "adventureworks" / "employees.csv"
TOKEN = "replay-token"
POLL = 0.25  # seconds between looks at runs
PATIENCE = 900.0  # seconds one date may take
PAGE = 100

Say = Callable[[str], None]


@dataclass
class Day:
    """What one replayed date came to."""

    on: date
    people: int
    """Active by the table."""
    states: dict[str, int]
    """Final state of daily_sync and of the runs it started -> how many."""
    seconds: float
    wrong: list[str] = field(default_factory=list)
    """How the server's users and groups differ from the table."""


@dataclass
class Moved:
    """How one department move was carried out."""

    move: Move
    run: str = ""
    wrong: str = ""


@dataclass
class Replay:
    """What the whole came to."""

    days: list[Day] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    evidence: str = ""
    evidence_ok: bool = False

    @property
    def ok(self) -> bool:
        good = all(set(d.states) == {"Completed"} and not d.wrong for d in self.days)
        return good and self.evidence_ok and not any(m.wrong for m in self.moves)


class Sso:
    """The SCIM server as any HTTP client sees it."""

    def __init__(self, url: str, token: str) -> None:
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every resource, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"startIndex": len(found) + 1, "count": PAGE}
            body = self.client.get(path, params=params).raise_for_status().json()
            found += body.get("Resources", [])
            if not body.get("Resources") or len(found) >= body["totalResults"]:
                return found

    def differences(self, users: Mapping[str, str], groups: Mapping[str, set[str]]) -> list[str]:
        """What is not as expected: employee number -> user name, group -> employee numbers."""
        accounts = self.all("/Users")
        active = {str(u.get("externalId")): u["userName"] for u in accounts if u.get("active", True)}
        number = {u["id"]: str(u.get("externalId")) for u in accounts}
        held = [(g["displayName"], {number[m["value"]] for m in g.get("members", [])}) for g in self.all("/Groups")]
        return [
            *(f"users: {line}" for line in unlike(dict(users), active)),
            *(f"groups: {line}" for line in unlike(dict(groups), {name: who for name, who in held if who})),
            *twice("account", [u["userName"].casefold() for u in accounts]),
            *twice("employee", list(number.values())),
            *twice("group", [name for name, _ in held]),
        ]


def unlike(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Where two mappings differ."""
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            yield f"{key}: the table says {words(expected.get(key))}, the server shows {words(found.get(key))}"


def words(value: Any) -> str:
    """A value in a sentence."""
    return ", ".join(sorted(value)) if isinstance(value, set) else str(value or "nothing")


def twice(what: str, names: Sequence[str]) -> list[str]:
    """Names that stand there more than once."""
    return [f"{what} {name} is there {count} times" for name, count in Counter(names).items() if count > 1]


class Site:
    """A started deployment with its SSO."""

    def __init__(self, stack: Stack, sso: Sso) -> None:
        self.stack, self.sso = stack, sso
        self.client = SyncPrefectClient(stack.settings.api_url)

    def sync(self, on: date) -> list[FlowRun]:
        """Run daily_sync as of a date; it and the runs it started, once all have ended."""
        deployment = self.client.read_deployment_by_name("daily_sync/daily_sync")
        run = self.client.create_flow_run_from_deployment(deployment.id, parameters={"on": on.isoformat()})
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            runs = [self.client.read_flow_run(run.id)]
            if ended(runs):
                runs += self.started_by(run.id)
            if ended(runs):
                return runs
            time.sleep(POLL)
        raise TimeoutError(f"the runs of {on} did not end within {PATIENCE:.0f} s")

    def started_by(self, run: UUID) -> list[FlowRun]:
        """The runs that a sync started."""
        mine, found = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"by:{run}"])), list[FlowRun]()
        while True:
            page = self.client.read_flow_runs(flow_run_filter=mine, limit=PAGE, offset=len(found))
            found += page
            if len(page) < PAGE:
                return found

    def replay(self, table: Table, on: date) -> Day:
        """One date, compared."""
        began = time.monotonic()
        runs = self.sync(on)
        seconds = time.monotonic() - began
        users = table.users(on)
        states = Counter(run.state_name or "?" for run in runs)
        return Day(on, len(users), dict(states), seconds, self.sso.differences(users, table.groups(on)))

    def moved(self, move: Move, before: date) -> Moved:
        """Whether the first plan made for the person from the move on, after a sync at `before`, is a mover's."""
        plans = history.runs_of(Database(self.stack.settings.database_url), move.person)
        plan = next((p for p in reversed(plans) if p.on >= move.on), None)
        if plan is None:
            return Moved(move, wrong=f"no plan on or after {move.on}")
        run = self.client.read_flow_run(UUID(plan.run_id))
        flow = self.client.read_flow(run.flow_id).name
        found = Moved(move, run=f"{run.name} ({flow}, {run.state_name})")
        if (plan.kind, flow, run.state_name) != ("mover", "change_access", "Completed"):
            found.wrong = f"a plan of kind {plan.kind} by {flow}, which ended {run.state_name}"
        return found

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`rollcall evidence verify`."""
        command = [str(Path(sys.executable).with_name("rollcall")), "evidence", "verify"]
        return subprocess.run(command, env=self.stack.environment(), text=True, capture_output=True)


def ended(runs: Sequence[FlowRun]) -> bool:
    """Whether all have ended."""
    return all(run.state is not None and run.state.is_final() for run in runs)


@contextmanager
def started(home: Path, csv: Path, say: Say, mappings: Path = FOLDER) -> Iterator[Site]:
    """scim2-server, Prefect's server and a worker, with the schedules left out: the clock is replayed."""
    home.mkdir(parents=True, exist_ok=True)
    with scim2_server(TOKEN) as url:
        apps = {"SSO_URL": url, "SSO_TOKEN": TOKEN, "ADVENTUREWORKS_CSV": str(csv.absolute())}
        settings = Settings(home=home, mappings=mappings, prefect_port=free_port())
        with Stack(settings, say, prefect_yaml=unscheduled(home), extra=apps) as stack:
            site = Site(stack, Sso(url, TOKEN))
            with site.client, site.sso.client:
                yield site


def unscheduled(home: Path) -> Path:
    """A prefect.yaml with Rollcall's deployments and no schedules."""
    entries = [d.model_dump(mode="json", exclude={"schedules"}) for d in read_deployments(prefect_yaml())]
    path = home / "unscheduled.yaml"
    path.write_text(json.dumps({"deployments": entries}))  # JSON is YAML
    return path


def replay(home: Path, csv: Path, dates: Sequence[date], say: Say) -> Replay:
    """Live through the dates."""
    table, found = Table(csv), Replay()
    with started(home, csv, say) as site:
        for number, on in enumerate(dates, 1):
            found.days.append(site.replay(table, on))
            say(f"{number:2}/{len(dates)}  {line(found.days[-1])}")
        found.moves = [site.moved(move, dates[0]) for move in table.moves() if move.on <= dates[-1]]
        verdict = site.verify()
        found.evidence, found.evidence_ok = (verdict.stdout + verdict.stderr).strip(), verdict.returncode == 0
    return found


def line(day: Day) -> str:
    """A date in one line."""
    runs = sum(day.states.values()) - 1
    states = ", ".join(f"{n} {state}" for state, n in day.states.items())
    verdict = "; ".join(day.wrong) or "as in the table"
    return f"{day.on}  {day.people:4} people  {runs:4} runs  {day.seconds:6.1f} s  {states}  {verdict}"


def report(found: Replay) -> Iterator[str]:
    """The table at the end."""
    yield "Dates"
    yield from (f"  {line(day)}" for day in found.days)
    yield "Department moves"
    for moved in found.moves:
        move = moved.move
        yield f"  {move.on}  {move.person}  {move.old} -> {move.new}: {moved.wrong or moved.run}"
    runs, seconds = sum(sum(d.states.values()) for d in found.days), sum(d.seconds for d in found.days)
    yield found.evidence
    verdict = "all agrees" if found.ok else "NOT AS IT SHOULD BE"
    yield f"{runs} runs in {seconds:.0f} s, {runs / seconds:.2f} a second: {verdict}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--csv", type=Path, default=CSV, help="the table (default: %(default)s)")
    parser.add_argument("--dates", type=int, default=12, help="dates sampled besides those of moves (default: 12)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to stderr")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if not given.csv.is_file():
        print(f"replay: {given.csv}: no such file. Name the table with --csv.", file=sys.stderr)
        return 2
    table = Table(given.csv)
    with tempfile.TemporaryDirectory(prefix="replay-", ignore_cleanup_errors=True) as home:
        found = replay(Path(home), given.csv, table.dates(given.dates), lambda text: print(text, file=sys.stderr))
    print(json.dumps(asdict(found), default=str, indent=2) if given.json else "\n".join(report(found)))
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
