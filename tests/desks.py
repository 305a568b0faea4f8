"""An installation without Prefect for the tests of plain functions: a sandbox, the sample's rules, an empty record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from connectors.sandbox import Sandbox
from flows.case import Case, look
from flows.record import history, snapshots
from flows.record.database import Database
from flows.settings import Settings
from flows.site import Site
from flows.steps import apply
from mappings.feed import people_of
from mappings.folder import Rules, read_folder

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
DOMAIN = "juniperfinch.example"


def a_site(sandbox: Sandbox, folder: Path, rules: Rules | None = None) -> Site:
    """The sample's rules at the sandbox, with an empty record in the folder."""
    db = Database(f"sqlite:///{folder / 'record.db'}")
    db.migrate()
    return Site(Settings(home=folder), sandbox.environment, rules or read_folder(SAMPLE), db)


def with_company(rules: Rules, **words: Any) -> Rules:
    """The same rules with other words in company.yaml."""
    from dataclasses import replace

    company = type(rules.company).model_validate(rules.company.model_dump(mode="json") | words)
    return replace(rules, company=company)


@contextmanager
def quick_sandbox() -> Iterator[Sandbox]:
    """A sandbox whose vendors have no rate limits."""
    with Sandbox() as sandbox:
        for name in ("bamboohr", "sso", "crm", "desk"):
            sandbox.control(name).limits(100_000)
        yield sandbox


def keep_snapshot(site: Site, moment: datetime | None = None) -> Any:
    """Read HR as a sync does, and keep what it said; returns the people."""
    people = people_of(site.hr.read(), site.rules.hr).people
    snapshots.save(site.db, site.rules.company.hr, people, moment or datetime.now(UTC))
    return people


def carry_out(site: Site, person_id: str, moment: datetime, run: str = "run", **words: Any) -> Case:
    """What a person's run does: look, plan, and every step in order."""
    case = look(site, person_id, moment, reserve=True, **words)
    case_hash = case.plan.hash
    history.open_plan(
        site.db, case_hash, person_id, case.user_name, case.kind, case.on, run, case.plan.model_dump(mode="json")
    )
    for step in case.plan.steps:
        apply(case, step, run)
    history.close_plan(site.db, case_hash, run, "Completed")
    return case


class Hr:
    """HR people at work in the sandbox's BambooHR."""

    def __init__(self, sandbox: Sandbox) -> None:
        values = sandbox.environment
        self.client = httpx.Client(
            base_url=values["BAMBOOHR_URL"],
            auth=(values["BAMBOOHR_API_KEY"], "x"),
            headers={"Accept": "application/json"},
            verify=False,
        )

    def hire(self, given: str, family: str, **fields: str) -> str:
        """A new record; returns its id."""
        form = {
            "firstName": given,
            "lastName": family,
            "department": "Sales",
            "location": "Lisbon",
            "jobTitle": "Clerk",
            "hireDate": "2024-01-08",
            "supervisorEId": "101",
            "customWorkerType": "Employee",
            "employmentStatus": "Full-Time",
        }
        body = {k: v for k, v in (form | fields).items() if v}
        return self.client.post("/employees", json=body).raise_for_status().headers["Location"].rpartition("/")[2]

    def edit(self, person_id: str, **fields: str) -> None:
        self.client.post(f"/employees/{person_id}", json=fields).raise_for_status()

    def close(self) -> None:
        self.client.close()
