"""What HR enters in each vendor's system: a joiner, a mover, a leaver, a rehire, and the set-up of a webhook.

The joiner is Mia Schneider of Finance, who has no work e-mail yet; she moves to Sales.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.hr_calls_darwinbox import DARWINBOX
from tests.hr_calls_greythr import GREYTHR
from tests.hr_calls_more import CSV, KEKA, REPORT, RIPPLING, SUCCESSFACTORS, WORKDAY
from tests.hr_calls_zoho import ZOHO_PEOPLE
from tests.hr_desk import Hr, client, post, put, row, said, today
from tests.stage import until

COMPANY = "5c7a9a0e-0000-4000-8000-000000000001"
SYSTEM = {"Authorization": "Bearer gusto-system-token-of-the-sandbox"}
EVENTS = ["employee.created", "employee.updated", "employee.deleted"]


# BambooHR


def bamboohr_hire(hr: httpx.Client, first: str) -> str:
    form = {"firstName": "Mia", "lastName": "Schneider", "department": "Finance", "location": "Lisbon"}
    more = {"hireDate": first, "customWorkerType": "Employee", "employmentStatus": "Full-Time"}
    answer = hr.post("/api/v1/employees", json=form | more).raise_for_status()
    return answer.headers["Location"].rpartition("/")[2]


def bamboohr_row(hr: httpx.Client, key: str, table: str, day: str, **fields: str) -> None:
    post(hr, f"/api/v1_1/employees/{key}/tables/{table}", date=day, **fields)


def bamboohr_move(hr: httpx.Client, key: str) -> None:
    job = {"department": "Sales", "jobTitle": "Clerk", "location": "Lisbon", "reportsTo": "103"}
    bamboohr_row(hr, key, "jobInfo", today().isoformat(), **job)


def bamboohr_leave(hr: httpx.Client, key: str, last: str) -> None:
    why = {"employmentStatus": "Terminated", "terminationTypeId": "Resignation (Voluntary)"}
    bamboohr_row(hr, key, "employmentStatus", last, **why)


def bamboohr_back(hr: httpx.Client, key: str, again: str) -> None:
    post(hr, f"/api/v1/employees/{key}", hireDate=again)
    bamboohr_row(hr, key, "employmentStatus", again, employmentStatus="Full-Time")


def bamboohr_subscribe(hr: httpx.Client, url: str, setup: Path) -> None:
    fields = ["department", "hireDate", "terminationDate", "workEmail"]
    post(hr, "/api/v1/webhooks", name="Rollcall", url=url, format="json", events=EVENTS, monitorFields=fields)


BAMBOOHR = Hr(
    client("bamboohr"),
    bamboohr_hire,
    bamboohr_move,
    bamboohr_leave,
    bamboohr_back,
    bamboohr_subscribe,
    email=lambda state, key: str(row(state["employees"], key).get("workEmail") or ""),
)


# HiBob


def hibob_hire(hr: httpx.Client, first: str) -> str:
    work = {"site": "Lisbon", "startDate": first}
    made = post(hr, "/people", firstName="Mia", surname="Schneider", email="mia@mailbox.example", work=work)
    post(hr, f"/people/{made['id']}/work", department="Finance")
    return str(made["id"])


def hibob_subscribe(hr: httpx.Client, url: str, setup: Path) -> None:
    post(hr, str(hr.base_url).replace("/v1/", "/settings/webhooks"), url=url)


HIBOB = Hr(
    client("hibob"),
    hibob_hire,
    lambda hr, key: post(hr, f"/people/{key}/work", department="Sales"),
    lambda hr, key, last: post(hr, f"/employees/{key}/terminate", terminationDate=last),
    lambda hr, key, again: post(hr, f"/employees/{key}/start-date", startDate=again),
    hibob_subscribe,
)


# Personio


def personio_hire(hr: httpx.Client, first: str) -> str:
    fields = {"first_name": "Mia", "last_name": "Schneider", "email": "mia@mailbox.example"}
    fields |= {"department": "Finance", "office": "Lisbon", "hire_date": first}
    return str(post(hr, "/company/employees", employee=fields)["data"]["id"])


def personio_change(hr: httpx.Client, key: str, **fields: str) -> None:
    said(hr.patch(f"/company/employees/{key}", json={"employee": fields}))


def personio_end(hr: httpx.Client, key: str, day: str | None) -> None:
    post(hr, str(hr.base_url).replace("/v1/", f"/settings/employees/{key}/end"), last_working_day=day)


def personio_back(hr: httpx.Client, key: str, again: str) -> None:
    personio_end(hr, key, None)
    personio_change(hr, key, hire_date=again)


def personio_subscribe(hr: httpx.Client, url: str, setup: Path) -> None:
    """By version 2, with a token of its own; a webhook is disabled at first."""
    root = str(hr.base_url).replace("/v1/", "")
    own = {"client_id": "papi-client-of-the-sandbox", "client_secret": "personio-secret-of-the-sandbox"}
    token = said(httpx.post(f"{root}/v2/auth/token", data={"grant_type": "client_credentials", **own}))["access_token"]
    events = ["person.created", "person.updated"]
    hook = {
        "url": url,
        "enabled_events": events,
        "auth_type": "TOKEN",
        "token": "personio-webhook-token-of-the-sandbox",
    }
    with httpx.Client(base_url=root, headers={"Authorization": f"Bearer {token}"}) as second:
        number = post(second, "/v2/webhooks", **hook)["id"]
        said(second.patch(f"/v2/webhooks/{number}", json={"status": "ENABLED"}))


PERSONIO = Hr(
    client("personio"),
    personio_hire,
    lambda hr, key: personio_change(hr, key, department="Sales"),
    personio_end,
    personio_back,
    personio_subscribe,
)


# Gusto


def gusto_hire(hr: httpx.Client, first: str) -> str:
    made = post(hr, f"/v1/companies/{COMPANY}/employees", first_name="Mia", last_name="Schneider")
    key = str(made["uuid"])
    post(hr, f"/v1/employees/{key}/jobs", title="Accountant", hire_date=first)
    put(hr, f"/settings/employees/{key}/department", department="Finance", location="Lisbon")
    return key


def gusto_back(hr: httpx.Client, key: str, again: str) -> None:
    post(hr, f"/v1/employees/{key}/jobs", title="Accountant", hire_date=again)
    said(hr.delete(f"/v1/employees/{key}/terminations"))


def gusto_subscribe(hr: httpx.Client, url: str, setup: Path) -> None:
    """The verification token comes to the receiver; the operator sends it back."""
    asked = {"url": url, "subscription_types": ["Employee", "Contractor"]}
    number = said(hr.post("/v1/webhook_subscriptions", json=asked, headers=SYSTEM))["uuid"]
    until(setup.exists, "the verification token has come")
    token = {"verification_token": setup.read_text().split()[-1]}
    said(hr.put(f"/v1/webhook_subscriptions/{number}/verify", json=token, headers=SYSTEM))


def gusto_desk(values: Mapping[str, str]) -> httpx.Client:
    """With the token of another application: the source's own tokens are for it alone."""
    headers = {"Authorization": "Bearer gusto-token-of-the-desk-in-hr"}
    return httpx.Client(base_url=values["GUSTO_URL"], headers=headers)


GUSTO = Hr(
    gusto_desk,
    gusto_hire,
    lambda hr, key: put(hr, f"/settings/employees/{key}/department", department="Sales"),
    lambda hr, key, last: post(hr, f"/v1/employees/{key}/terminations", effective_date=last),
    gusto_back,
    gusto_subscribe,
)


VENDORS: dict[str, Hr] = {
    "bamboohr": BAMBOOHR,
    "csv": CSV,
    "darwinbox": DARWINBOX,
    "greythr": GREYTHR,
    "gusto": GUSTO,
    "hibob": HIBOB,
    "keka": KEKA,
    "personio": PERSONIO,
    "rippling": RIPPLING,
    "successfactors": SUCCESSFACTORS,
    "workday": WORKDAY,
    "workday_report": REPORT,
    "zoho_people": ZOHO_PEOPLE,
}
