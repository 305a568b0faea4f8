"""HR's calls at greytHR, and what it does on greytHR's pages; see tests/hr_calls.py."""

from __future__ import annotations

import httpx

from tests.hr_desk import Hr, client, post, put, said, today

CATEGORIES = {"Location": 1, "Department": 2}


def greythr_place(hr: httpx.Client, key: str, day: str, **values: str) -> None:
    """Categories from a day on; they go by numbers, which a list of values tells."""
    keys = [f"cat::{name}" for name in values]
    known = said(hr.post("/hr/v2/lov", json=keys))
    numbers = {name: next(number for number, word in known[f"cat::{name}"] if word == values[name]) for name in values}
    entries = [{"category": CATEGORIES[name], "value": numbers[name], "effectiveDate": day} for name in values]
    post(hr, f"/employee/v2/employees/{key}/categories", list=entries)


def greythr_hire(hr: httpx.Client, first: str) -> str:
    made = post(hr, "/employee/v2/employees", employeeNo="JF0201", name="Mia Schneider", dateOfJoin=first)
    key = str(made["employeeId"])
    greythr_place(hr, key, first, Department="Finance", Location="Lisbon")
    return key


def greythr_page(hr: httpx.Client, key: str, **fields: str | bool | None) -> None:
    put(hr, f"/pages/employees/{key}", **fields)


GREYTHR = Hr(
    client("greythr"),
    greythr_hire,
    lambda hr, key: greythr_place(hr, key, today().isoformat(), Department="Sales"),
    lambda hr, key, last: greythr_page(hr, key, resigned=True, terminationDate=last),
    lambda hr, key, again: greythr_page(hr, key, resigned=False, terminationDate=None, hireDate=again),
    enter=lambda hr, key, address: greythr_page(hr, key, workEmail=address),
)
