"""A Monday of 30 people: 20 start, 5 move, 5 leave, all found by one daily sync.

    python -m bench.monday [sqlite] [postgresql] [--latency 50] [--json]

On the default database, or with the record and Prefect's server on PostgreSQL. Real flows against the sandbox's HR
system, SSO and apps; on the Friday before, everybody else got their accounts. Wall time runs from the request of the
sync to the end of the last of the 30 runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import FlowRun

from bench.boundless import boundless
from bench.engine import free_port, postgres
from connectors.sandbox import Sandbox
from connectors.sandbox.company import apply as do_in_hr
from connectors.sandbox.company import joiner, leaver, mover
from flows.doors.people import run_flow, runs_after
from flows.settings import load_settings
from flows.stack import Stack

FRIDAY, MONDAY = date(2026, 3, 6), date(2026, 3, 9)
LAST = FRIDAY  # the leavers' last day
MOVERS = {"107": "Ops", "108": "Ops", "113": "Ops", "114": "Ops", "115": "Ops"}
LEAVERS = ("111", "112", "118", "121", "122")
TWINS = ("bamboohr", "sso", "crm", "desk", "badges")


@dataclass(frozen=True)
class Result:
    """What one Monday came to."""

    database: str
    wall: float
    """Seconds."""
    runs: int
    states: dict[str, int]
    wrong: list[str]
    """What the twins show that they should not."""


def changes() -> list[Any]:
    """What HR enters over the weekend."""
    hired = [
        joiner(MONDAY, MONDAY, f"Given{n}", "Newcomer", "Sales", "Account Executive", "Lisbon", "103")
        for n in range(20)
    ]
    moved = [mover(MONDAY, MONDAY, key, key, "Finance", "Analyst", "Lisbon", "102") for key in MOVERS]
    left = [leaver(MONDAY, LAST, key, key, "Resignation (Voluntary)") for key in LEAVERS]
    return [*hired, *moved, *left]


@contextmanager
def company(database: str, folder: Path, latency: float) -> Iterator[Sandbox]:
    """The sandbox and a stack on that database."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        variables = sandbox.environment | {"ROLLCALL_HOME": str(folder / "home")}
        variables["ROLLCALL_PREFECT_PORT"] = str(free_port())
        variables["ROLLCALL_MAPPINGS"] = str(boundless(folder))  # a fifth of the company leaves on this day
        if database == "postgresql":
            url = stack.enter_context(postgres(folder / "pg"))
            variables["ROLLCALL_PREFECT_DATABASE_URL"] = url
            variables["ROLLCALL_DATABASE_URL"] = url.replace("+asyncpg", "").removesuffix("postgres") + "rollcall"
        before = dict(os.environ)
        os.environ.update(variables)
        stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        for name in TWINS:
            sandbox.control(name).latency(latency)
        stack.enter_context(Stack(load_settings()))
        yield sandbox


def sync(on: date) -> list[FlowRun]:
    """One daily sync and the ends of all the runs it started."""

    async def both() -> list[FlowRun]:
        finished = await run_flow("daily_sync", {"on": on.isoformat()}, f"daily sync {on}")
        if finished.state_name != "Completed":
            raise SystemExit(f"daily_sync: {finished.state}")
        return await runs_after(finished, wait=True)

    return asyncio.run(both())


def monday(database: str, folder: Path, latency: float = 50) -> Result:
    """Friday untimed, then the Monday."""
    with company(database, folder, latency) as sandbox:
        sandbox.today(FRIDAY)
        before = [f"{r.name} on Friday: {r.state}" for r in sync(FRIDAY) if not (r.state and r.state.is_completed())]
        if before:
            raise SystemExit("\n".join(before))
        sandbox.today(MONDAY)
        for change in changes():
            do_in_hr(change, sandbox.environment["BAMBOOHR_URL"], sandbox.environment["BAMBOOHR_API_KEY"])
        began = time.monotonic()
        runs = sync(MONDAY)
        wall = time.monotonic() - began
        states = Counter(run.state_type.value if run.state_type else "?" for run in runs)
        twice = [f"{name} ran twice" for name, number in Counter(r.name for r in runs).items() if number > 1]
        return Result(database, round(wall, 1), len(runs), dict(states), [*twice, *wrong(sandbox)])


def wrong(sandbox: Sandbox) -> Iterator[str]:
    """Compare the SSO's and the CRM's own state with what HR entered."""
    users = {u["userName"]: u for u in sandbox.control("sso").state()["users"]}
    sales = {u["email"]: u for u in sandbox.control("crm").state()["users"]}
    people = {e["id"]: e for e in sandbox.control("bamboohr").state()["employees"]}
    new = [e for e in people.values() if e["lastName"] == "Newcomer"]
    for person in new:
        mail = person.get("workEmail") or "(none)"
        if not users.get(mail, {}).get("active") or sales.get(mail, {}).get("status") != "active":
            yield f"{mail} lacks an account"
    if len({p.get("workEmail") for p in new}) != 20:
        yield "work addresses are not twenty different ones"
    for key in LEAVERS:
        if users[people[key]["workEmail"]]["active"]:
            yield f"{key} can still sign in"
    for key in MOVERS:
        if sales.get(people[key]["workEmail"], {}).get("role_ids") == []:
            yield f"{key} has no role in the CRM"


def main() -> None:
    """One line for each database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--latency", type=float, default=50, help="milliseconds a call")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    bad = False
    for database in given.databases:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            found = monday(database, Path(folder), given.latency)
        bad = bad or found.runs != 30 or found.states != {"COMPLETED": 30} or bool(found.wrong)
        if given.json:
            print(json.dumps(asdict(found)), flush=True)
        else:
            each = found.wall / max(found.runs, 1)
            print(
                f"{database:12} {found.wall:6.1f} s   {found.runs} runs: {found.states}   {each:.2f} s each", flush=True
            )
            for line in found.wrong:
                print(f"  {line}")
    raise SystemExit(bad)


if __name__ == "__main__":
    main()
