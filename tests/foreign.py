"""Servers that we did not write, as the lives of tests/test_foreign_lives.py want them, and the company on top of them.

A file tests/servers_<kind>.py names its servers in `FOREIGN`; being there is enough. Each is one small class:

    class Slapd:
        name = "ldap"                            # also the name of its apps/<name>.yaml
        rules_yaml = "title: …"                  # that file whole; `owner`, `tier`, `options` with ${LDAP_URL} …
        def missing(self) -> str                 # why it cannot be started here; empty: it can. Asked before start()
        def start(self, folder: Path) -> dict[str, str]   # start it, its files below folder; values of the variables
        def stop(self) -> None                   # end it by its own process id; called once, also after half a start
        def account(self, email: str) -> Shown | None     # read by another client than the connector

The groups `Staff`, `Sales` and `Engineering` are given to people: make them in `start` where the connector cannot.
"""

from __future__ import annotations

import csv
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ruamel.yaml import YAML

TESTS = Path(__file__).parent
DOMAIN = "juniperfinch.example"
GROUPS = ("Staff", "Sales", "Engineering")
COLUMNS = {
    "employee_id": "Number",
    "given_name": "First name",
    "family_name": "Last name",
    "department": "Department",
    "title": "Job title",
    "location": "Office",
    "manager_id": "Manager",
    "hire_date": "First day",
    "last_day": "Last day",
}


class Shown(NamedTuple):
    """An account as another client sees it."""

    id: str
    """What stays the same when somebody comes back: entryUUID, objectGUID, primary key, …"""
    active: bool
    """Whether its owner could sign in with it."""
    groups: frozenset[str]
    """Names of all groups it is in by the server's own word, not only of GROUPS."""
    attributes: Mapping[str, str]
    """HR's name -> value, of those the app holds: work_email, given_name, family_name, department, title."""


class Foreign(Protocol):
    """A server that we did not write, driven by one app of the company."""

    name: str
    rules_yaml: str

    def missing(self) -> str:
        """Why it cannot be started here; empty where it can."""

    def start(self, folder: Path) -> dict[str, str]:
        """Start it with its files below `folder`; returns the variables that `rules_yaml` names."""

    def stop(self) -> None:
        """End it, whether or not it came up."""

    def account(self, email: str) -> Shown | None:
        """The account of whoever has this work address; None where there is none."""


def servers() -> Iterator[Foreign]:
    """One of each kind found beside this file; where FOREIGN_SERVERS is set (`scim2,openldap`) those alone."""
    only = os.environ.get("FOREIGN_SERVERS", "")
    for path in sorted(TESTS.glob("servers_*.py")):
        for kind in importlib.import_module(f"tests.{path.stem}").FOREIGN:
            if not only or kind.name in only.split(","):
                yield kind()


class Hr:
    """HR's table, a CSV file that somebody edits."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, dict[str, dict[str, str]]()

    def say(self, number: str, **fields: str) -> None:
        """Enter a person, or change what is said of one; by HR's names."""
        self.rows[number] = self.rows.get(number, {"employee_id": number}) | fields
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS.values())
            writer.writerows([row.get(name, "") for name in COLUMNS] for row in self.rows.values())


def company(folder: Path, apps: Sequence[Foreign], hr: Path) -> Path:
    """A mappings folder with these apps: everybody is in Staff and in the group of the department."""
    files = {
        "company.yaml": {"name": "Juniper & Finch", "hr": "export", "time_zone": "UTC", "email": {"domain": DOMAIN}},
        "hr/export.yaml": {"connector": "csv", "fields": COLUMNS, "options": {"path": str(hr)}},
        "playbooks/everyone.yaml": {"title": "Everyone", "give": [each for app in apps for each in given(app.name)]},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(content, file)
    (folder / "apps").mkdir(exist_ok=True)
    for app in apps:
        (folder / "apps" / f"{app.name}.yaml").write_text(app.rules_yaml, encoding="utf-8")
    return folder


def given(app: str) -> list[str]:
    """The account, and its groups."""
    return [app, f"{app}:Staff", f"{app}:{{department}}"]
