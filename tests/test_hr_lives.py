"""A joiner, a mover, a leaver and a rehire entered in each twin as HR would: read back as the same person each time."""

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import httpx
import pytest

from mappings.feed import people_of
from mappings.people import Status, status_frame
from tests.hr_house import connected

FIRST, LAST, AGAIN = "2030-01-07", "2030-06-28", "2031-02-03"
MIA = {"firstName": "Mia", "lastName": "Schneider", "department": "Finance", "hireDate": FIRST}


class Hr(NamedTuple):
    """What HR does in one vendor's system; each call takes a client that is signed in, and the person's id."""

    hire: Callable[[httpx.Client], str]
    move: Callable[[httpx.Client, str], httpx.Response]
    leave: Callable[[httpx.Client, str], httpx.Response]
    come_back: Callable[[httpx.Client, str], httpx.Response]


def hibob_hire(hr: httpx.Client) -> str:
    work = {"site": "Berlin", "startDate": FIRST}
    body = {"firstName": "Mia", "surname": "Schneider", "email": "mia@mailbox.example", "work": work}
    key = str(hr.post("/people", json=body).raise_for_status().json()["id"])
    hr.post(f"/people/{key}/work", json={"department": "Finance"}).raise_for_status()
    return key


HIBOB = Hr(
    hibob_hire,
    lambda hr, key: hr.post(f"/people/{key}/work", json={"department": "Sales"}),
    lambda hr, key: hr.post(f"/employees/{key}/terminate", json={"terminationDate": LAST}),
    lambda hr, key: hr.post(f"/employees/{key}/start-date", json={"startDate": AGAIN}),
)


def personio_hire(hr: httpx.Client) -> str:
    body = {"first_name": "Mia", "last_name": "Schneider", "email": "mia@mailbox.example", "department": "Finance"}
    answer = hr.post("/company/employees", json={"employee": body | {"hire_date": FIRST}}).raise_for_status()
    return str(answer.json()["data"]["id"])


def personio_change(hr: httpx.Client, key: str, **fields: str) -> httpx.Response:
    return hr.patch(f"/company/employees/{key}", json={"employee": fields})


def personio_end(hr: httpx.Client, key: str, day: str | None) -> httpx.Response:
    url = str(hr.base_url).replace("/v1/", f"/settings/employees/{key}/end")
    return hr.post(url, json={"last_working_day": day})


def personio_back(hr: httpx.Client, key: str) -> httpx.Response:
    personio_end(hr, key, None).raise_for_status()
    return personio_change(hr, key, hire_date=AGAIN)


PERSONIO = Hr(
    personio_hire,
    lambda hr, key: personio_change(hr, key, department="Sales"),
    lambda hr, key: personio_end(hr, key, LAST),
    personio_back,
)


def gusto_hire(hr: httpx.Client) -> str:
    body = {"first_name": "Mia", "last_name": "Schneider"}
    path = "/v1/companies/5c7a9a0e-0000-4000-8000-000000000001/employees"
    key = str(hr.post(path, json=body).raise_for_status().json()["uuid"])
    hr.post(f"/v1/employees/{key}/jobs", json={"title": "Accountant", "hire_date": FIRST}).raise_for_status()
    hr.put(f"/settings/employees/{key}/department", json={"department": "Finance"}).raise_for_status()
    return key


def gusto_back(hr: httpx.Client, key: str) -> httpx.Response:
    hr.post(f"/v1/employees/{key}/jobs", json={"title": "Accountant", "hire_date": AGAIN}).raise_for_status()
    return hr.delete(f"/v1/employees/{key}/terminations")


GUSTO = Hr(
    gusto_hire,
    lambda hr, key: hr.put(f"/settings/employees/{key}/department", json={"department": "Sales"}),
    lambda hr, key: hr.post(f"/v1/employees/{key}/terminations", json={"effective_date": LAST}),
    gusto_back,
)
RIPPLING = Hr(
    lambda hr: str(hr.post("/pages/people", json=MIA).raise_for_status().json()["id"]),
    lambda hr, key: hr.put(f"/pages/people/{key}", json={"department": "Sales"}),
    lambda hr, key: hr.put(f"/pages/people/{key}", json={"terminationDate": LAST}),
    lambda hr, key: hr.put(f"/pages/people/{key}", json={"terminationDate": None, "hireDate": AGAIN}),
)


def keka_hire(hr: httpx.Client) -> str:
    body = {"FirstName": "Mia", "LastName": "Schneider", "DateJoined": "07-01-2030", "department": "Finance"}
    return str(hr.post("/hris/employees", json=body).raise_for_status().json()["data"])


KEKA = Hr(
    keka_hire,
    lambda hr, key: hr.put(f"/hris/employees/{key}/jobdetails", json={"department": "Sales"}),
    lambda hr, key: hr.post(f"/hris/employees/{key}/exitrequest", json={"lastWorkingDate": f"{LAST}T00:00:00Z"}),
    lambda hr, key: hr.put(f"/pages/employees/{key}", json={"terminationDate": None, "hireDate": AGAIN}),
)
VENDORS = {"hibob": HIBOB, "personio": PERSONIO, "gusto": GUSTO, "rippling": RIPPLING, "keka": KEKA}


def seen(source: Any, key: str, day: str) -> tuple[str, Status]:
    """Department and status on a day, as read from HR now."""
    people = people_of(source.read_one(key), source.rules).people
    (status,) = status_frame(people, date.fromisoformat(day))
    return str(people["department"].iloc[0]), status


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_life_in_hr_is_the_life_of_one_person(sandbox: Any, vendor: str) -> None:
    source, hr = connected(sandbox.environment, vendor), VENDORS[vendor]
    client = source.http.client

    key = hr.hire(client)
    assert seen(source, key, "2030-01-06") == ("Finance", Status.PREHIRE)
    assert seen(source, key, "2030-01-07") == ("Finance", Status.ACTIVE)

    hr.move(client, key).raise_for_status()
    assert seen(source, key, "2030-03-01") == ("Sales", Status.ACTIVE)

    hr.leave(client, key).raise_for_status()
    assert seen(source, key, "2030-06-28") == ("Sales", Status.NOTICE)
    assert seen(source, key, "2030-06-29") == ("Sales", Status.TERMINATED)

    hr.come_back(client, key).raise_for_status()
    assert seen(source, key, "2031-02-03") == ("Sales", Status.ACTIVE)
