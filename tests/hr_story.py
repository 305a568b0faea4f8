"""The small company as the story has it, without any HR system: its Persons, its plans, and its export as a file."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd

from connectors.sandbox import company
from mappings.day import standing
from mappings.draft import Terms, plan
from mappings.folder import Rules
from mappings.people import Person, frame_of, person_of
from mappings.plan import Plan
from mappings.rules import desired, targets, values_of

WORDS = {"Employee": "employee", "Contractor": "contractor"}
HEADER = {
    "Employee number": "id",
    "First name": "firstName",
    "Last name": "lastName",
    "Known as": "preferredName",
    "Work e-mail": "workEmail",
    "Private e-mail": "homeEmail",
    "Department": "department",
    "Job title": "jobTitleName",
    "Office": "location",
    "Manager number": "reportsToId",
    "Contract": "customWorkerType",
    "Start date": "hireDate",
    "Last day": "terminationDate",
}
"""Column of the sample's file -> the story's word."""
CONTRACTS = {"Employee": "Permanent", "Contractor": "Freelance"}


def people(on: date) -> pd.DataFrame:
    """Everybody of the story, keyed by the work e-mail as the manager is; HR's status is that of the day."""
    rows = company.population()
    emails = {str(row["id"]): str(row["workEmail"]) for row in rows}
    return frame_of([person(row, emails, on) for row in rows]).sort_values("employee_id", ignore_index=True)


def person(row: dict[str, Any], emails: dict[str, str], on: date) -> Person:
    """One line of the story."""
    last = row.get("terminationDate")
    gone = bool(last) and date.fromisoformat(str(last)) < on
    return Person(
        employee_id=row["workEmail"],
        given_name=row["firstName"],
        family_name=row["lastName"],
        work_email=row["workEmail"],
        department=row["department"],
        title=row["jobTitleName"],
        location=row["location"],
        country=row["country"],
        manager_id=emails.get(str(row.get("reportsToId"))),
        worker_type=WORDS[row["customWorkerType"]],
        employment_status="terminated" if gone else "active",
        hire_date=row["hireDate"],
        last_day=last,
    )


def keyed(found: pd.DataFrame) -> pd.DataFrame:
    """People as an HR system has them, keyed by the work e-mail in place of its ids."""
    emails = found.set_index("employee_id")["work_email"]
    boss = found["manager_id"].map(emails).astype("string")
    return found.assign(employee_id=found["work_email"], manager_id=boss).sort_values("employee_id", ignore_index=True)


def plans(found: pd.DataFrame, rules: Rules, on: date) -> dict[str, Plan]:
    """Everybody's plan on a day on which the apps are empty."""
    _, here = standing(found, rules.company, on)
    given = desired(found, here, rules)
    drawn = [plan_of(person_of(row), given, rules, on) for row in found.to_dict("records")]  # type: ignore[arg-type]
    return {each.person_id: each for each in drawn}


def plan_of(one: Person, given: pd.DataFrame, rules: Rules, on: date) -> Plan:
    """One person's, by all that the rules say of them."""
    values = values_of(one, manager_email=one.manager_id)
    wanted = targets(given[given["person_id"] == one.employee_id], values, rules)
    contractors = rules.company.contractors
    approver = contractors.approver if one.worker_type in contractors.types else ""
    terms = Terms(at=datetime.combine(on, time(12), UTC), approver=approver)
    return plan(one.employee_id, values["user_name"], wanted, {}, rules, terms)


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    """The sample's export of these people, as the company's HR would make it."""
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(HEADER)
        for row in rows:
            said = row | {"customWorkerType": CONTRACTS.get(row["customWorkerType"], row["customWorkerType"])}
            table.writerow([said.get(word) or "" for word in HEADER.values()])


def rows(file: Path) -> list[dict[str, str]]:
    """The people of such an export, under the story's words."""
    with file.open(newline="", encoding="utf-8") as text:
        return [{HEADER[column]: cell for column, cell in line.items()} for line in csv.DictReader(text)]
