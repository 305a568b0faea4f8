"""A small house of rules and people for the tests of `mappings`, made in memory."""

from pathlib import Path
from typing import Any

import pandas as pd

from mappings.day import standing
from mappings.folder import Rules, prerequisites
from mappings.people import Person, frame_of
from mappings.rules import desired
from mappings.vocabulary import AppRules, Company, Emails, HrSource, Location, Playbook

COMPANY = Company(
    name="Larkspur",
    hr="csv",
    time_zone="Europe/Berlin",
    locations={
        "Berlin": Location(time_zone="Europe/Berlin"),
        "Auckland": Location(time_zone="Pacific/Auckland", start_of_day="07:30"),
        "Honolulu": Location(time_zone="Pacific/Honolulu"),
    },
    email=Emails(domain="larkspur.example", reserved=("admin", "Info")),
)
FIELDS = {name: name for name in ("employee_id", "given_name", "family_name", "hire_date")}


def app(tier: str = "app", **words: Any) -> AppRules:
    given = {"title": "An app", "tier": tier, "connector": "rest", "owner": "it@larkspur.example", "key": "email"}
    return AppRules.model_validate(given | {"attributes": {"email": "{work_email}", "team": "{department}"}} | words)


def book(*give: str, title: str = "Everyone", **words: Any) -> Playbook:
    return Playbook.model_validate({"title": title, "give": list(give)} | words)


def house(apps: dict[str, AppRules], *books: Playbook, hash: str = "a" * 64, **company: Any) -> Rules:
    hr = HrSource.model_validate({"connector": "csv", "fields": FIELDS})
    named = {f"{n:02}": b for n, b in enumerate(books)}
    sorted_apps = {name: apps[name] for name in sorted(apps)}  # as read_folder has them
    company_rules = COMPANY.model_copy(update=company)
    return Rules(Path("."), company_rules, hr, sorted_apps, named, prerequisites(sorted_apps), hash)


def person(employee_id: str = "1", **words: Any) -> Person:
    given = {"given_name": "Ana", "family_name": "Moreau", "hire_date": "2024-03-04"}
    return Person.model_validate({"employee_id": employee_id} | given | words)


def grants(people: list[Person], rules: Rules, on: str = "2025-06-02") -> pd.DataFrame:
    frame = frame_of(people)
    _, here = standing(frame, rules.company, pd.Timestamp(on).date())
    return desired(frame, here, rules)


def pairs(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    return sorted(zip(frame["person_id"], frame["app"], frame["entitlement"], strict=True))
