"""Lives played without Prefect: HR as a file that a test writes, the apps as the sandbox's servers, and a look at HR
at any instant, carried out by the plain functions that the flows are made of."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from ruamel.yaml import YAML

from connectors.sandbox import Sandbox
from flows.cohort import Ended, see_through
from flows.daily_sync import classify, keep
from flows.due import VERBS, due
from flows.gate import believed, read, served, weighed
from flows.identities import resolve
from flows.record.database import Database
from flows.settings import Settings
from flows.site import Site
from mappings.folder import read_folder
from mappings.radius import Impact

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
DOMAIN = "juniperfinch.example"
COLUMNS = (
    "id",
    "given",
    "family",
    "known_as",
    "email",
    "private",
    "department",
    "title",
    "location",
    "time_zone",
    "manager",
    "contract",
    "status",
    "start",
    "last",
)
HR = {
    "connector": "csv",
    "fields": {
        "employee_id": "id",
        "given_name": "given",
        "family_name": "family",
        "preferred_name": "known_as",
        "work_email": "email",
        "personal_email": "private",
        "department": "department",
        "title": "title",
        "location": "location",
        "time_zone": "time_zone",
        "manager_id": "manager",
        "worker_type": "contract",
        "employment_status": "status",
        "hire_date": "start",
        "last_day": "last",
    },
    "options": {"path": "${HR_CSV}"},
}
LOCATIONS = {
    "Berlin": {"time_zone": "Europe/Berlin", "calendar": "DE-BE"},
    "Lisbon": {"time_zone": "Europe/Lisbon", "calendar": "PT"},
    "Auckland": {"time_zone": "Pacific/Auckland", "start_of_day": "07:30", "calendar": "NZ-AUK"},
    "Honolulu": {"time_zone": "Pacific/Honolulu", "calendar": "US-HI"},
    "Denver": {"time_zone": "America/Denver"},
}


def mappings(folder: Path, **company: Any) -> Path:
    """A copy of the sample's rules for HR as a file, with further words in company.yaml."""
    copy = folder / "mappings"
    shutil.copytree(SAMPLE, copy)
    yaml = YAML()
    for name in ("hr/csv.yaml", "company.yaml"):
        path = copy / name
        content = HR if name.startswith("hr") else yaml.load(path.read_text()) | {"hr": "csv", "locations": LOCATIONS}
        with path.open("w") as file:
            yaml.dump(content | (company if name == "company.yaml" else {}), file)
    return copy


def edit(folder: Path, file: str, **words: Any) -> None:
    """Other words in a file of a mappings folder."""
    yaml = YAML()
    content = yaml.load((folder / file).read_text())
    with (folder / file).open("w") as out:
        yaml.dump(content | words, out)


class Lives:
    """One company: its file of people, its record, and its accounts at the twins."""

    def __init__(self, sandbox: Sandbox, folder: Path, rules: Path) -> None:
        self.sandbox, self.folder, self.file = sandbox, folder, folder / "people.csv"
        self.rows: dict[str, dict[str, str]] = {}
        settings = Settings(home=folder / "home", mappings=rules)
        db = Database(settings.database_url)
        db.migrate()
        values = sandbox.environment | {"HR_CSV": str(self.file)}
        self.site = Site(settings, values, read_folder(rules), db)
        self.waits: Impact | None = None
        """What the last sync kept back for an approval."""
        self.runs = 0
        self.written = 0

    def reload(self) -> None:
        """Read the rules anew."""
        site = self.site
        self.site = Site(site.settings, site.values, read_folder(site.rules.folder), site.db)

    # HR

    def hire(self, id: str, given: str, family: str, start: date | str = "2024-01-08", **more: str) -> str:
        """A new row in HR, with a work address unless it is given as ''; returns the address."""
        address = f"{given}.{family}@{DOMAIN}".lower().replace(" ", "")
        plain = {"department": "Sales", "title": "Clerk", "location": "Lisbon", "contract": "employee", "manager": "1"}
        row = {"id": id, "given": given, "family": family, "email": address, "start": str(start)} | plain | more
        self.rows[id] = row
        return row["email"]

    def say(self, id: str, **words: str) -> None:
        """HR changes a row."""
        self.rows[id] |= words

    def forget(self, id: str) -> None:
        """The row is gone from HR."""
        del self.rows[id]

    def write(self) -> None:
        """HR's file as it stands; never twice the same, since an old file that comes again is not believed."""
        self.written += 1
        gone = {"id": "0", "given": "Olaf", "family": "Gone", "start": "2001-01-08", "last": "2002-01-31"}
        with self.file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows([*self.rows.values(), gone | {"title": f"Clerk {self.written}"}])

    # Rollcall

    def sync(self, moment: datetime | date) -> list[Ended]:
        """A daily sync at that instant: everybody who is due is seen through."""
        self.write()
        site = self.site
        feed = read(site, moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment)
        verdict = believed(site, feed, moment)
        changed = classify(site, feed, moment)
        resolve(site, feed.people, moment)
        keep(site, feed, changed, verdict, moment)
        who = served(site, due(site, feed.people, moment))
        self.waits = weighed(site, feed.people, who, moment)
        who = who[~who["person_id"].isin(self.waits.who["person_id"])]
        return [self.run(flow, person, moment) for person, flow in zip(who["person_id"], who["flow"], strict=True)]

    def run(self, flow: str, person: str, moment: datetime | date, leaving: str = "") -> Ended:
        """One person's run at that instant."""
        self.runs += 1
        return see_through(self.site, VERBS[flow], person, moment, f"run-{uuid4()}", leaving)

    def end_now(self, person: str, moment: datetime | date) -> Ended:
        """`rollcall offboard ID --now`."""
        return self.run("offboard_user", person, moment, leaving="offboarded at once")

    # the apps, read from the servers

    def user(self, address: str) -> dict[str, Any]:
        """The SSO's user; {} where there is none."""
        return found(self.state("sso")["users"], "userName", address)

    def state(self, twin: str) -> dict[str, list[dict[str, Any]]]:
        """What a vendor holds."""
        return self.sandbox.control(twin).state()

    def account(self, id: str) -> dict[str, Any]:
        """The SSO's user who carries this employee number; {} where there is none."""
        return found(self.state("sso")["users"], "externalId", id)

    def access_of(self, id: str) -> set[str]:
        """Everything the person with this employee number can use."""
        return self.access(str(self.account(id).get("userName", "")))

    def access(self, address: str) -> set[str]:
        """Everything somebody with this address can use: `sso`, `sso:All Staff`, `crm:Sales Rep`, …"""
        return set(self._sso(address)) | set(self._crm(address)) | set(self._desk(address))

    def _sso(self, address: str) -> Iterator[str]:
        user = self.user(address)
        if user and user["active"]:
            yield "sso"
            yield from (f"sso:{name}" for name in user["groups"])

    def _crm(self, address: str) -> Iterator[str]:
        state = self.state("crm")
        user = found(state["users"], "email", address)
        if user and user["status"] == "active":
            roles = {row["id"]: row["name"] for row in state["roles"]}
            yield "crm"
            yield from (f"crm:{roles[i]}" for i in user["role_ids"])

    def _desk(self, address: str) -> Iterator[str]:
        state = self.state("desk")
        agent = found(state["agents"], "login", address)
        if agent and agent["active"]:
            yield "desk"
            names = {row["id"]: row["name"] for row in state["groups"]}
            mine = [m["group_id"] for m in state["members"] if m["agent_id"] == agent["id"]]
            yield from (f"desk:{names[i]}" for i in mine)


def found(rows: list[dict[str, Any]], name: str, value: str) -> dict[str, Any]:
    """The first row with this value without case, {} where there is none."""
    return next((row for row in rows if str(row.get(name, "")).casefold() == value.casefold()), {})


@contextmanager
def company(sandbox: Sandbox, folder: Path, **words: Any) -> Iterator[Lives]:
    """A company whose apps are empty at first, and whose director (id 1) has everything a director has."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("sso", "crm", "desk"):
        control = sandbox.control(name)
        control.reset()
        control.faults([])
        control.limits(100_000)
    lives = Lives(sandbox, folder, mappings(folder, **words))
    lives.hire(
        "1", "Marlene", "Juniper", department="Operations", title="Managing Director", location="Berlin", manager=""
    )
    try:
        yield lives
    finally:
        lives.site.db.close()
