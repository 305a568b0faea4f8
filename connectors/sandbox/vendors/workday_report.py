"""A RaaS report of the Workday twin: flat texts under aliases that the company chose (unverified)."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.store import Row
from connectors.sandbox.vendors.workday_worker import wid


def entry(row: Row | None, later: Row) -> dict[str, Any]:
    """One line: a column that is empty is left out; a sub-report is a list."""
    now = row or later
    mails = {use["kind"]: mail["address"] for mail in now.get("emails", ()) for use in mail["usages"]}
    boss = now.get("reportsToId")
    found = {
        "WID": wid(now["id"]),
        "Employee_ID": now["id"],
        "First_Name": now["firstName"],
        "Last_Name": now["lastName"],
        "Work_Email": mails.get("WORK"),
        "Home_Email": mails.get("HOME"),
        "Department": now.get("department"),
        "Job_Title": now.get("jobTitleName"),
        "Location": now.get("location"),
        "Country": now.get("country"),
        "Manager_WID": wid(boss) if boss else None,
        "Worker_Type": "Contingent Worker" if now.get("customWorkerType") == "Contractor" else "Employee",
        "Active": "0" if now.get("terminated") else "1",
        "Hire_Date": now["hireDate"],
        "Last_Day": later.get("terminationDate") or later.get("contractEnd"),
    }
    return {name: value for name, value in found.items() if value}
