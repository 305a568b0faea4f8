"""HR's calls at vendors without webhooks; see tests/hr_calls.py."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from connectors.sandbox import company
from tests import hr_story
from tests.hr_desk import Hr, State, client, post, put, row, today, yesterday

# Rippling: the pages on which HR works, since its interface writes no workers


def rippling_hire(hr: httpx.Client, first: str) -> str:
    fields = {"firstName": "Mia", "lastName": "Schneider", "department": "Finance", "location": "Lisbon"}
    return str(post(hr, "/pages/people", **fields, hireDate=first)["id"])


RIPPLING = Hr(
    client("rippling"),
    rippling_hire,
    lambda hr, key: put(hr, f"/pages/people/{key}", department="Sales"),
    lambda hr, key, last: put(hr, f"/pages/people/{key}", terminationDate=last),
    lambda hr, key, again: put(hr, f"/pages/people/{key}", terminationDate=None, hireDate=again),
    enter=lambda hr, key, address: put(hr, f"/pages/people/{key}", workEmail=address),
)


# Keka


def keka_hire(hr: httpx.Client, first: str) -> str:
    """Dates of joining are written with the day first."""
    joined = "-".join(reversed(first.split("-")))
    fields = {"FirstName": "Mia", "LastName": "Schneider", "department": "Finance", "Location": "Lisbon"}
    return str(post(hr, "/hris/employees", **fields, DateJoined=joined)["data"])


KEKA = Hr(
    client("keka"),
    keka_hire,
    lambda hr, key: put(hr, f"/hris/employees/{key}/jobdetails", department="Sales"),
    lambda hr, key, last: post(hr, f"/hris/employees/{key}/exitrequest", lastWorkingDate=f"{last}T00:00:00Z"),
    lambda hr, key, again: put(hr, f"/pages/employees/{key}", terminationDate=None, hireDate=again),
    enter=lambda hr, key, address: put(hr, f"/pages/employees/{key}", workEmail=address),
)


# Workday: what is typed in on its screens, with the day from which it holds


def workday_desk(values: Mapping[str, str]) -> httpx.Client:
    return httpx.Client(base_url=values["WORKDAY_URL"].partition("/service/")[0])


def workday_screen(hr: httpx.Client, key: str, effective: str, **fields: Any) -> str:
    return str(put(hr, f"/screen/{int(key, 16)}", effective=effective, **fields)["WID"])


def workday_hire(hr: httpx.Client, first: str) -> str:
    own = {"firstName": "Mia", "lastName": "Schneider", "department": "Finance", "location": "Lisbon"}
    more = {"country": "Portugal", "customWorkerType": "Employee", "emails": []}
    return workday_screen(hr, f"{201:x}", first, **own, **more, hireDate=first)


def workday_back(hr: httpx.Client, key: str, again: str) -> None:
    over = {"terminated": False, "terminationDate": None, "originalHireDate": "2020-01-07"}
    workday_screen(hr, key, again, **over, hireDate=again)


def workday_email(state: State, key: str) -> str:
    mails = row(state["workers"], str(int(key, 16))).get("emails", ())
    return next((str(m["address"]) for m in mails for use in m["usages"] if use["kind"] == "WORK"), "")


WORKDAY = Hr(
    workday_desk,
    workday_hire,
    lambda hr, key: workday_screen(hr, key, today().isoformat(), department="Sales") and None,
    lambda hr, key, last: workday_screen(hr, key, last, terminated=True, terminationDate=last) and None,
    workday_back,
    email=workday_email,
)


def workday_enter(hr: httpx.Client, key: str, address: str) -> None:
    work = {"kind": "WORK", "primary": True, "public": True}
    workday_screen(hr, key, today().isoformat(), emails=[{"address": address, "usages": [work]}])


def workday_empty(hr: httpx.Client) -> None:
    for each in company.population():
        workday_screen(hr, f"{int(each['id']):x}", "2024-12-01", terminated=True, terminationDate="2024-12-01")


REPORT = WORKDAY._replace(enter=workday_enter, empty=workday_empty)


# SuccessFactors


def upsert(hr: httpx.Client, entity: str, **fields: Any) -> None:
    """One row; each is answered for itself."""
    days = ("startDate", "endDate", "lastDateWorked")
    wired = {name: milliseconds(value) if name in days else value for name, value in fields.items()}
    (told,) = post(hr, "/upsert", __metadata={"uri": entity}, **wired)["d"]
    assert told["status"] == "OK", told


def milliseconds(day: str) -> str:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return f"/Date({int(at.timestamp() * 1000)})/"


def successfactors_desk(values: Mapping[str, str]) -> httpx.Client:
    own = (values["SUCCESSFACTORS_USER"], values["SUCCESSFACTORS_PASSWORD"])
    return httpx.Client(base_url=values["SUCCESSFACTORS_URL"], auth=own)


def successfactors_job(hr: httpx.Client, user: str, day: str, department: str = "FIN_7", status: str = "A") -> None:
    own = {"department": department, "location": "LIS_6", "managerId": "u102", "emplStatus": status}
    upsert(hr, "EmpJob", userId=user, startDate=day, seqNumber="1", **own)


def successfactors_hire(hr: httpx.Client, first: str) -> str:
    upsert(hr, "EmpEmployment", personIdExternal="201", userId="u201", startDate=first, isContingentWorker=False)
    upsert(hr, "PerPersonal", personIdExternal="201", startDate=first, firstName="Mia", lastName="Schneider")
    successfactors_job(hr, "u201", first)
    return "201"


def successfactors_leave(hr: httpx.Client, key: str, last: str) -> None:
    after = date.fromisoformat(last) + timedelta(days=1)
    upsert(hr, "EmpEmployment", personIdExternal=key, userId="u201", endDate=last)
    successfactors_job(hr, "u201", after.isoformat(), "SAL_5", "T")


def successfactors_back(hr: httpx.Client, key: str, again: str) -> None:
    """A rehire has another user."""
    upsert(hr, "EmpEmployment", personIdExternal=key, userId="u201b", startDate=again, isContingentWorker=False)
    successfactors_job(hr, "u201b", again, "SAL_5")


def successfactors_email(state: State, key: str) -> str:
    rows = [each for each in state["PerEmail"] if each["personIdExternal"] == key and each["emailType"] == "8448"]
    return str(rows[0]["emailAddress"]) if rows else ""


SUCCESSFACTORS = Hr(
    successfactors_desk,
    successfactors_hire,
    lambda hr, key: successfactors_job(hr, "u201", yesterday().isoformat(), "SAL_5"),
    successfactors_leave,
    successfactors_back,
    email=successfactors_email,
)


# a file


class Export:
    """HR's export, written anew at each change."""

    def __init__(self, file: Path) -> None:
        self.file, self.rows = file, hr_story.rows(file)

    def say(self, key: str, **fields: str) -> None:
        found = [each for each in self.rows if each["id"] == key] or [{"id": key, "customWorkerType": "Permanent"}]
        found[0].update(fields)
        self.rows = [each for each in self.rows if each["id"] != key] + found
        hr_story.write(self.file, self.rows)


def csv_hire(export: Export, first: str) -> str:
    export.say("0201", firstName="Mia", lastName="Schneider", department="Finance", location="Lisbon", hireDate=first)
    return "0201"


CSV = Hr(
    lambda values: nullcontext(Export(Path(values["HR_CSV"]))),
    csv_hire,
    lambda export, key: export.say(key, department="Sales"),
    lambda export, key, last: export.say(key, terminationDate=last),
    lambda export, key, again: export.say(key, terminationDate="", hireDate=again),
    enter=lambda export, key, address: export.say(key, workEmail=address),
)
