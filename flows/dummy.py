"""The dummy person of trials: who it is, and a note of the accounts it has, so that none is forgotten or mistaken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mappings.folder import Rules
from mappings.people import Person

GIVEN, FAMILY = "Rollcall", "Trial"
EMPLOYEE_ID = "rollcall-trial"
TITLE = "Trial account"


def address(rules: Rules) -> str:
    """The dummy's work address, at the company's own domain."""
    return f"{GIVEN}.{FAMILY}@{rules.company.email.domain}".lower()


def person(rules: Rules, key: str, on: date) -> Person:
    """Somebody who works at the company's first location, in a department that playbooks know."""
    place, where = next(iter(rules.company.locations.items()), ("", None))
    return Person(
        employee_id=EMPLOYEE_ID,
        given_name=GIVEN,
        family_name=FAMILY,
        work_email=key,
        department=next(iter(departments(rules)), "Operations"),
        title=TITLE,
        location=place or None,
        country=where.country if where else None,
        hire_date=on,
        cost_center="0000",
        company=rules.company.name,
    )


def departments(rules: Rules) -> list[str]:
    """The departments that playbooks name, each once."""
    named = (name for book in rules.playbooks.values() for name in book.who.get("department", ()))
    return list(dict.fromkeys(named))


@dataclass(frozen=True)
class Note:
    """A file that says which account a trial or test drive is about to make at an app, or has made."""

    home: Path
    app: str

    @property
    def path(self) -> Path:
        """Among what else is kept of the app."""
        return self.home / "apps" / self.app / "trial.json"

    def write(self, key: str, id: str = "") -> None:
        """To be called before the account is made, and again when its id is known."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"key": key, "id": id}), encoding="utf-8")

    def is_of(self, key: str, id: str) -> bool:
        """Whether the account with this key and id is one that an earlier trial made."""
        try:
            noted = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return str(noted["key"]).casefold() == key.casefold() and noted["id"] in ("", id)

    def tear_up(self) -> None:
        """The account is gone."""
        self.path.unlink(missing_ok=True)
