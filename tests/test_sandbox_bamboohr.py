"""The BambooHR twin keeps to its published contract, and to the story of the sample company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import httpx
import pytest
from sandbox_clients import clients

from connectors.sandbox import Sandbox
from connectors.sandbox.company import apply, population, story

START = date(2026, 3, 2)


@pytest.fixture(scope="module")
def house() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(house: Sandbox) -> Sandbox:
    house.reset()
    house.today(START)
    return house


@pytest.fixture
def hr(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with clients(sandbox) as made:
        yield made["bamboohr"]


def read(hr: httpx.Client, key: str, *fields: str) -> dict[str, str]:
    answer = hr.get(f"/employees/{key}", params={"fields": ",".join(fields)})
    return dict(answer.raise_for_status().json())


def new(hr: httpx.Client, **fields: str) -> str:
    answer = hr.post("/employees", json={"firstName": "Ava", "lastName": "Nguyen"} | fields)
    assert answer.status_code == 201
    assert answer.content == b""
    return answer.headers["Location"].rpartition("/")[2]


def test_a_wrong_key_is_refused(hr: httpx.Client) -> None:
    assert hr.get("/employees/directory", auth=("wrong", "x")).status_code == 401


def test_answers_are_xml_unless_json_is_accepted(hr: httpx.Client) -> None:
    answer = hr.get("/employees/101", params={"fields": "firstName"}, headers={"Accept": "*/*"})

    root = ET.fromstring(answer.content)
    assert root.attrib["id"] == "101"
    assert root.findtext("field[@id='firstName']") == "Marlene"


def test_the_list_takes_no_key_but_a_token_and_pages_by_cursor(sandbox: Sandbox, hr: httpx.Client) -> None:
    token = {"Authorization": f"Bearer {sandbox.environment['BAMBOOHR_OAUTH_TOKEN']}"}
    assert hr.get("/employees").status_code == 401

    seen, query = [], {"page[limit]": "10"}
    while True:
        page = httpx.get(f"{sandbox.environment['BAMBOOHR_URL']}/employees", params=query, headers=token).json()
        seen += [row["employeeId"] for row in page["data"]]
        if page["meta"]["page"]["nextCursor"] is None:
            break
        query["page[after]"] = str(page["meta"]["page"]["nextCursor"])

    assert seen == [person["id"] for person in population()]
    assert page["meta"]["total"] == len(seen)


def test_a_future_hire_is_inactive_until_the_day(sandbox: Sandbox, hr: httpx.Client) -> None:
    key = new(hr, hireDate="2026-03-05", department="Sales")

    assert read(hr, key, "status", "department") == {"id": key, "status": "Inactive", "department": "Sales"}
    listed = {row["id"] for row in hr.get("/employees/directory").json()["employees"]}
    coming = {row["id"] for row in hr.get("/employees/directory?onlyCurrent=false").json()["employees"]}
    assert coming - listed == {key}
    sandbox.today(date(2026, 3, 5))
    assert read(hr, key, "status")["status"] == "Active"


def test_a_termination_counts_from_the_day_after(sandbox: Sandbox, hr: httpx.Client) -> None:
    row = {"date": "2026-03-04", "employmentStatus": "Terminated"}
    url = sandbox.environment["BAMBOOHR_URL"].replace("/v1", "/v1_1")
    hr.post(f"{url}/employees/107/tables/employmentStatus", json=row).raise_for_status()

    sandbox.today(date(2026, 3, 4))
    last = read(hr, "107", "status", "terminationDate")
    sandbox.today(date(2026, 3, 5))

    assert last == {"id": "107", "status": "Active", "terminationDate": "2026-03-04"}
    assert read(hr, "107", "status", "employmentStatus")["status"] == "Inactive"


def test_write_back_of_a_work_email_and_its_duplicate(hr: httpx.Client) -> None:
    key = new(hr)

    done = hr.post(f"/employees/{key}", json={"workEmail": "ava.nguyen@juniperfinch.example"})
    taken = hr.post(f"/employees/{key}", json={"workEmail": "Marlene.Juniper@juniperfinch.example"})

    assert (done.status_code, done.content) == (200, b"")
    assert taken.status_code == 409
    assert "Duplicate" in taken.headers["X-BambooHR-Error-Message"]
    assert read(hr, key, "workEmail")["workEmail"] == "ava.nguyen@juniperfinch.example"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/employees", {"firstName": "Ava"}, 400),
        ("POST", "/employees", {"firstName": "Ava", "lastName": "N", "hireDate": "5/3/2026"}, 409),
        ("GET", "/employees/999", None, 404),
        ("PATCH", "/employees/101", {"jobTitle": "x"}, 405),
        ("GET", "/employees/101/tables/compensations", None, 404),
        ("POST", "/employees/101/tables/jobInfo", {"date": "soon"}, 406),
        ("POST", "/employees/101/tables/jobInfo", {"department": "Sales"}, 400),
        ("GET", "/employees/changed", None, 400),
        ("GET", "/nothing", None, 404),
    ],
)
def test_what_is_refused(hr: httpx.Client, method: str, path: str, body: object, status: int) -> None:
    answer = hr.request(method, path, json=body)

    assert answer.status_code == status
    assert answer.headers["X-BambooHR-Error-Message"]


def test_changed_names_who_was_touched_since(hr: httpx.Client) -> None:
    before = hr.get("/employees/changed", params={"since": "2000-01-01T00:00:00Z"}).json()["latest"]

    hr.post("/employees/103", json={"mobilePhone": "1"})
    key = new(hr)

    changed = hr.get("/employees/changed", params={"since": before}).json()["employees"]
    assert {k: row["action"] for k, row in changed.items()} == {"103": "Updated", key: "Inserted"}


def test_the_dataset_gives_many_columns_by_page(sandbox: Sandbox, hr: httpx.Client) -> None:
    url = sandbox.environment["BAMBOOHR_URL"].replace("/v1", "/v2") + "/datasets/employee/data"
    asked = {"fields": ["firstName", "department"], "filter": "status eq 'Active'", "pageSize": 20, "page": 2}

    answer = hr.post(url, json=asked).json()

    assert answer["meta"] == {"page": 2, "pageSize": 20, "totalPages": 2, "totalItems": 23}
    assert len(answer["data"]) == 3
    assert hr.post(url, json=asked | {"filter": "status like 'A'"}).status_code == 422


def test_the_dataset_sorts_and_picks_as_asked(sandbox: Sandbox, hr: httpx.Client) -> None:
    url = sandbox.environment["BAMBOOHR_URL"].replace("/v1", "/v2") + "/datasets/employee/data"
    asked = {"fields": ["id", "lastName"], "orderBy": "lastName desc", "filter": "id in ('104','101', '103')"}

    found = hr.post(url, json=asked).json()

    assert [row["fields"]["id"] for row in found["data"]] == ["104", "103", "101"]
    assert hr.post(url, json=asked | {"orderBy": "department asc"}).status_code == 422


# the story


def test_the_fortnight_happens_as_told(sandbox: Sandbox, hr: httpx.Client) -> None:
    env = sandbox.environment
    for event in story(START):
        sandbox.today(event.on)
        apply(event, env["BAMBOOHR_URL"], env["BAMBOOHR_API_KEY"])
    sandbox.today(START + timedelta(days=14))

    people = {row["id"]: row for row in sandbox.control("bamboohr").state()["employees"]}
    left = {k for k, row in people.items() if row["status"] == "Inactive"}
    names = Counter(row["displayName"] for row in people.values())
    contractor = next(row for row in people.values() if row["displayName"] == "Rawiri Hohepa")
    assert left == {"116", "119", contractor["id"]}
    assert names["Mia Schneider"] == 2
    assert (people["108"]["department"], people["121"]["department"]) == ("People", "Finance")
    assert (people["124"]["status"], people["124"]["jobTitleName"]) == ("Active", "Sales Manager")
    assert {row["displayName"] for row in people.values() if row["homeEmail"] and not row["workEmail"]} == {
        "Anaïs Lefèvre",
        "Hēmi Walker",
        "Rawiri Hohepa",
    }


def test_every_kind_of_event_is_in_the_story() -> None:
    kinds = Counter(event.kind for event in story(START))

    assert kinds == {"joiner": 6, "leaver": 2, "mover": 2, "contractor": 1, "rehire": 1}
    assert [e.on for e in story(START)] == sorted(e.on for e in story(START))
    assert all(START <= e.on < START + timedelta(days=14) for e in story(START))
