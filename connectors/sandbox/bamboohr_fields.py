"""BambooHR's employee fields: their names, and what today's date makes of the history tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from connectors.sandbox.store import Row

ALIASES = {
    "departmentName": "department",
    "divisionName": "division",
    "locationName": "location",
    "jobTitle": "jobTitleName",
    "employmentStatusName": "employmentStatus",
    "employmentHistoryStatus": "employmentStatus",
    "supervisorEId": "reportsToId",
    "supervisorEid": "reportsToId",
    "supervisor": "reportsToName",
    "personalEmail": "homeEmail",
    "email": "workEmail",
    "employeeId": "id",
    "eeid": "id",
}
"""Other names under which fields are asked for -> the name of the get-employee schema."""
OWN = (
    "employeeNumber",
    "firstName",
    "lastName",
    "preferredName",
    "middleName",
    "workEmail",
    "homeEmail",
    "workPhone",
    "mobilePhone",
    "hireDate",
    "originalHireDate",
    "country",
    "city",
    "customWorkerType",
    "customTimeZone",
)
"""Fields that stand in the employee's own row."""
JOB = {"department": "department", "division": "division", "location": "location", "jobTitleName": "jobTitle"}
"""Field -> column of the table jobInfo."""
DERIVED = (
    "id",
    "status",
    "displayName",
    "bestEmail",
    "employmentStatus",
    "terminationDate",
    "reportsToId",
    "reportsToName",
)
FIELDS = (*OWN, *JOB, *DERIVED)
TABLES = {
    "jobInfo": ("date", "location", "department", "division", "jobTitle", "reportsTo"),
    "employmentStatus": (
        "date",
        "employmentStatus",
        "comment",
        "terminationReasonId",
        "terminationTypeId",
        "terminationRehireId",
    ),
}
DATES = ("hireDate", "originalHireDate", "terminationDate", "date")
TERMINATED = "Terminated"


def field_name(name: str) -> str:
    return ALIASES.get(name, name)


def in_force(rows: Iterable[Row], today: str) -> Row:
    """The history row that counts today: the newest one begun; before the first day, the first one."""
    ordered = sorted(rows, key=lambda row: (row["date"], int(row["id"])))
    begun = [row for row in ordered if row["date"] <= today]
    return (begun or ordered[:1] or [{}])[-1]


def status_row(rows: Iterable[Row], today: str) -> Row:
    """As in_force, but a termination counts from the day after: its date is the last day of work."""
    ordered = sorted(rows, key=lambda row: (row["date"], int(row["id"])))
    begun = [r for r in ordered if r["date"] < today or (r["date"] == today and not ends(r))]
    return (begun or ordered[:1] or [{}])[-1]


def ends(row: Row) -> bool:
    return row.get("employmentStatus") == TERMINATED


def termination_date(rows: Iterable[Row]) -> str | None:
    """Last day of work, past or announced; nothing where a later row takes the person back."""
    last = max(rows, key=lambda row: (row["date"], int(row["id"])), default=None)
    return str(last["date"]) if last and ends(last) else None


def employee_fields(
    own: Row, jobs: list[Row], statuses: list[Row], today: date, name_of: Callable[[str], str | None]
) -> Row:
    """Every field of one employee on a date. `name_of` gives the name behind an employee id."""
    on = today.isoformat()
    job, status = in_force(jobs, on), status_row(statuses, on)
    active = (own.get("hireDate") or "9999") <= on and not (ends(status) and status["date"] < on)
    boss = job.get("reportsTo")
    fields: Row = {name: own.get(name) for name in OWN}
    fields |= {name: job.get(column) for name, column in JOB.items()}
    return fields | {
        "id": own["id"],
        "status": "Active" if active else "Inactive",
        "displayName": f"{own.get('preferredName') or own['firstName']} {own['lastName']}",
        "bestEmail": own.get("workEmail") or own.get("homeEmail"),
        "employmentStatus": status.get("employmentStatus"),
        "terminationDate": termination_date(statuses),
        "reportsToId": boss,
        "reportsToName": name_of(boss) if boss else None,
    }


def chosen(fields: Mapping[str, object], names: Iterable[str]) -> Row:
    """The asked fields under the names they were asked by; unknown ones are silently absent."""
    return {name: fields[field_name(name)] for name in names if field_name(name) in fields}
