"""One worker of the Workday twin as XML, in the order of the WSDL (v26.1)."""

from __future__ import annotations

from datetime import date
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from connectors.sandbox.store import Row

OFFSET = "-07:00"
"""Workday's dates carry one (recorded answer)."""


def tag(name: str, *inner: str, **attributes: str) -> str:
    """An element of the namespace wd; nothing where there is nothing inside."""
    body = "".join(inner)
    said = "".join(f" wd:{key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<wd:{name}{said}>{body}</wd:{name}>" if body or said else ""


def text(name: str, value: Any) -> str:
    return tag(name, escape(str(value))) if value not in (None, "") else ""


def day(name: str, value: str | None) -> str:
    return text(name, f"{value}{OFFSET}" if value else None)


def reference(name: str, descriptor: str, **ids: str) -> str:
    inner = [f"<wd:ID wd:type={quoteattr(kind)}>{escape(value)}</wd:ID>" for kind, value in ids.items()]
    return tag(name, *inner, Descriptor=descriptor)


def wid(number: str) -> str:
    """The Workday ID of a worker: 32 hexadecimal digits."""
    return f"{int(number):032x}"


def number(wid: str) -> str:
    """The worker behind a Workday ID; ValueError where it is none."""
    return str(int(wid, 16))


def worker(row: Row, on: date, shows: frozenset[str]) -> str:
    """A Worker on a day; `shows` are the parts that the user's domains let through."""
    kind = "Contingent_Worker_ID" if row.get("customWorkerType") == "Contractor" else "Employee_ID"
    name = f"{row['firstName']} {row['lastName']}"
    parts = {"Personal_Data": personal(row, name), "Employment_Data": employment(row, on)}
    parts["Organization_Data"] = tag("Organization_Data", organization("SUPERVISORY", str(row.get("department") or "")))
    data = [part for name, part in parts.items() if name in shows]
    own = text("Worker_ID", row["id"])
    ids = {"WID": wid(row["id"]), kind: row["id"]}
    return tag("Worker", reference("Worker_Reference", name, **ids), tag("Worker_Data", own, *data))


def personal(row: Row, name: str) -> str:
    country = reference("Country_Reference", str(row.get("country") or ""), **{"ISO_3166-1_Alpha-2_Code": "DE"})

    def detail(first: str) -> str:
        inner = (country, text("First_Name", first), text("Last_Name", row["lastName"]))
        return tag("Name_Detail_Data", *inner, Formatted_Name=name)

    preferred = tag("Preferred_Name_Data", detail(row.get("preferredName") or row["firstName"]))
    names = tag("Name_Data", tag("Legal_Name_Data", detail(row["firstName"])), preferred)
    contact = tag("Contact_Data", *map(email, row.get("emails", ())))
    return tag("Personal_Data", names, contact)


def email(held: Row) -> str:
    uses = [
        tag(
            "Usage_Data",
            tag(
                "Type_Data",
                reference("Type_Reference", use["kind"].title(), Communication_Usage_Type_ID=use["kind"]),
                Primary=flag(use["primary"]),
            ),
            Public=flag(use["public"]),
        )
        for use in held["usages"]
    ]
    return tag("Email_Address_Data", text("Email_Address", held["address"]), *uses)


def flag(value: object) -> str:
    return "1" if value else "0"


def employment(row: Row, on: date) -> str:
    return tag("Employment_Data", job(row), status(row, on), contract(row))


def job(row: Row) -> str:
    kind = {"Contractor": ("Contractor", "Contingent_Worker_Type_ID"), "Intern": ("Intern", "Employee_Type_ID")}
    word, id_type = kind.get(row.get("customWorkerType", ""), ("Regular", "Employee_Type_ID"))
    country = reference("Country_Reference", str(row.get("country") or ""), **{"ISO_3166-1_Alpha-2_Code": "DE"})
    site = tag("Business_Site_Summary_Data", text("Name", row.get("location")), tag("Address_Data", country))
    boss = row.get("reportsToId")
    manager = "Manager_as_of_last_detected_manager_change_Reference"
    inner = [
        text("Position_Title", row.get("jobTitleName")),
        text("Business_Title", row.get("jobTitleName")),
        day("Start_Date", row["hireDate"]),
        reference("Worker_Type_Reference", word, **{id_type: word.upper()}),
        site,
        reference(manager, f"Worker {boss}", WID=wid(boss), Employee_ID=boss) if boss else "",
    ]
    return tag("Worker_Job_Data", tag("Position_Data", *inner), Primary_Job="1")


def status(row: Row, on: date) -> str:
    left = bool(row.get("terminated"))
    inner = [
        text("Active", flag(not left and row["hireDate"] <= on.isoformat())),
        day("Hire_Date", row["hireDate"]),
        day("Original_Hire_Date", row.get("originalHireDate") or row["hireDate"]),
        text("Terminated", flag(left)),
        day("Termination_Date", row.get("terminationDate")) if left else "",
        reference("Primary_Termination_Category_Reference", row["why"], WID="00" * 16)
        if left and row.get("why")
        else "",
        day("Termination_Last_Day_of_Work", row.get("terminationDate")) if left else "",
        tag("Leave_Status_Data", text("On_Leave", flag(row.get("onLeave")))),
        text("Rehire", flag(row.get("originalHireDate"))),
    ]
    return tag("Worker_Status_Data", *inner)


def contract(row: Row) -> str:
    return tag("Worker_Contract_Data", day("Contract_End_Date", row.get("contractEnd")))


def organization(kind: str, name: str) -> str:
    data = tag(
        "Organization_Data",
        text("Organization_Name", name),
        reference("Organization_Type_Reference", kind.title(), Organization_Type_ID=kind),
    )
    return tag(
        "Worker_Organization_Data", reference("Organization_Reference", name, Organization_Reference_ID=name), data
    )
