"""What HR enters in Zoho People; see tests/hr_calls.py."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import httpx

from tests.hr_desk import Hr, client, post, put

HOOK_TOKEN = "zoho-webhook-token-of-the-sandbox"


def zoho_day(iso: str) -> str:
    """As the company has set it at Zoho."""
    return f"{date.fromisoformat(iso):%d-%b-%Y}"


def zoho_write(hr: httpx.Client, verb: str, fields: dict[str, str], **form: str) -> str:
    """The record's id; Zoho's refusals come with 200."""
    sent = {**form, "inputData": json.dumps(fields)}
    answer = hr.post(f"/people/api/forms/json/employee/{verb}", data=sent).raise_for_status().json()["response"]
    assert answer["status"] == 0, answer
    return str(answer["result"]["pkId"])


def zoho_hire(hr: httpx.Client, first: str) -> str:
    fields = {"EmployeeID": "0201", "FirstName": "Mia", "LastName": "Schneider", "EmailID": "mia@mailbox.example"}
    key = zoho_write(hr, "insertRecord", fields | {"Dateofjoining": zoho_day(first)})
    put(hr, f"/settings/employees/{key}", department="Finance", location="Lisbon", status="Active")
    return key


def zoho_leave(hr: httpx.Client, key: str, last: str) -> None:
    zoho_write(hr, "updateRecord", {"Dateofexit": zoho_day(last)}, recordId=key)


def zoho_back(hr: httpx.Client, key: str, again: str) -> None:
    zoho_write(hr, "updateRecord", {"Dateofexit": "", "Dateofjoining": zoho_day(again)}, recordId=key)


def zoho_subscribe(hr: httpx.Client, url: str, setup: Path) -> None:
    """A workflow's webhook sends the word that was agreed."""
    post(hr, "/settings/webhooks", url=url, parameters={"token": HOOK_TOKEN})


ZOHO_PEOPLE = Hr(
    client("zoho_people"),
    zoho_hire,
    lambda hr, key: put(hr, f"/settings/employees/{key}", department="Sales"),
    zoho_leave,
    zoho_back,
    zoho_subscribe,
)
