"""Answers made out of the vendors' OpenAPI descriptions are read right, and wrong ones are told: no twin is asked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError, Mismatch, Refused
from connectors.hr.base import Changes, WriteBack
from mappings.feed import UNREADABLE, people_of
from tests.canned import Canned, Spoil, dig, places, put, with_strangers
from tests.hr_described import KEKA, PERSONIO, described
from tests.hr_house import connected
from tests.vendor_specs import Differs, hold

pytestmark = pytest.mark.filterwarnings("ignore:Use of allowEmptyValue:DeprecationWarning")  # Rippling's uses it
KEY = "17"
SINCE = datetime(2026, 1, 31, tzinfo=UTC)
ADDRESS = "ana.simic@juniperfinch.example"


class Case(NamedTuple):
    """A vendor, and where in an answer made from its description each of our fields stands."""

    files: tuple[str, ...]
    values: Mapping[str, str]
    listed: str
    """The call that answers with people."""
    person: tuple[Any, ...]
    """Where in that answer the one person is."""
    where: Mapping[str, tuple[Any, ...]]
    """Our field -> its place in a person."""
    mend: Spoil
    key: str = KEY
    calls: frozenset[str] = frozenset()
    """All that the connector sends."""
    not_shown: str = ""
    """What a feed with only what must be there is refused for."""


def bamboohr(name: str, body: Any) -> Any:
    """The data's fields are whatever was asked for; a company has custom ones."""
    if "datasets" in name:
        fields = {field: f"text of {field}" for field in BAMBOOHR} | {"id": KEY}
        meta = {"page": 1, "pageSize": 1000, "totalPages": 1, "totalItems": 1}
        return body | {"data": [{"fields": fields}], "meta": meta, "links": {}}
    if name.endswith("/changed"):
        return body | {"employees": {KEY: {"id": KEY, "action": "Updated", "lastChanged": "2026-01-31T18:42:00Z"}}}
    fields = {field: f"text of {field}" for field in BAMBOOHR if field not in (body or {})}
    return body | fields | {"id": KEY} if isinstance(body, dict) else body


BAMBOOHR = [
    "id",
    "firstName",
    "lastName",
    "preferredName",
    "workEmail",
    "homeEmail",
    "department",
    "jobTitleName",
    "location",
    "country",
    "reportsToId",
    "customWorkerType",
    "employmentStatus",
    "hireDate",
    "terminationDate",
]


def personio(name: str, body: Any) -> Any:
    if name == "POST /auth":
        return body
    one = body["data"][0] if isinstance(body["data"], list) else body["data"]
    one.setdefault("attributes", {}).setdefault("id", {"label": "ID", "type": "integer", "universal_id": "id"})
    one["attributes"]["id"]["value"] = int(KEY)
    counted = {"total_elements": 1, "current_page": 0, "total_pages": 1}
    return body | ({"metadata": counted} if isinstance(body["data"], list) else {})


def gusto(name: str, body: Any) -> Any:
    """Nobody is an employee and a contractor."""
    return [] if name.endswith("/contractors") else body


def rippling(name: str, body: Any) -> Any:
    """One page, of which nothing is redacted."""
    whole = {**body, "__meta": {"redacted_fields": []}}
    whole.pop("next_link", None)
    for row in whole.get("results", [whole]) if name.startswith("GET /workers/") else ():
        row.setdefault("location", {"type": "REMOTE"})["work_location_id"] = "text of results.id"
        row["id"] = KEY
    return whole


def hibob(name: str, body: Any) -> Any:
    """Bob gives the categories that are asked for, of which the description names few."""
    if body is None:
        return None
    row = body["employees"][0]
    row |= {"id": KEY, "internal": {"lifecycleStatus": "Employed", "terminationDate": "2031-01-31"}}
    row |= {"home": {"privateEmail": "ana@mailbox.example"}, "address": {"country": "Portugal"}}
    row["humanReadable"] = {"work": {"department": "Tea", "title": "Taster", "site": "Lisbon"}}
    row["humanReadable"]["payroll"] = {"employment": {"contract": "Permanent"}}
    return body


def keka(name: str, body: Any) -> Any:
    """No answer is described: these are put together from the examples of what may be written."""
    if name.endswith("/token"):
        return {"access_token": "0" * 32, "expires_in": 86400}
    return {"succeeded": True, "data": SHUBHAM if "{id}" in name else [SHUBHAM], "totalPages": 1, "totalRecords": 1}


SHUBHAM = {
    "id": KEY,
    "firstName": "Shubham",
    "lastName": "Test",
    "email": "shubhtest@test.example",
    "personalEmail": "shubham@mailbox.example",
    "groups": [{"groupType": 2, "title": "Tea"}, {"groupType": 3, "title": "Manchester"}],
    "jobTitle": {"identifier": "f3f9425a-fdee-499d-8d1f-5966697e6125", "title": "Taster"},
    "reportsTo": {"id": "7dd7e7ed-be39-47f3-beab-d498b940fd98"},
    "workerType": 1,
    "employmentStatus": 0,
    "joiningDate": "01-09-2021",
    "exitDate": "2024-12-01T00:00:00",
}


def of(**fields: str) -> dict[str, tuple[Any, ...]]:
    """Dotted places; a number is an item of a list."""
    return {ours: tuple(int(p) if p.isdigit() else p for p in way.split(".")) for ours, way in fields.items()}


NAMES = {"given_name": "first_name", "family_name": "last_name"}
CASES = {
    "bamboohr": Case(
        ("bamboohr/bamboohr-openapi.json",),
        {"BAMBOOHR_URL": "https://companySubDomain.bamboohr.com", "BAMBOOHR_API_KEY": "key-of-ana"},
        "POST /api/v2/datasets/{datasetName}/data",
        ("data", 0, "fields"),
        of(employee_id="id", given_name="firstName", last_day="terminationDate", worker_type="customWorkerType"),
        bamboohr,
        calls=frozenset({"GET /api/v1/employees/{id}", "GET /api/v1/employees/changed", "POST /api/v1/employees/{id}"}),
    ),
    "personio": Case(
        (PERSONIO, "personio/personio-v1-auth.json"),
        {
            "PERSONIO_URL": "https://api.personio.de",
            "PERSONIO_CLIENT_ID": "c",
            "PERSONIO_CLIENT_SECRET": "secret-of-ana",
        },
        "GET /company/employees",
        ("data", 0, "attributes"),
        of(
            **{ours: f"{theirs}.value" for ours, theirs in NAMES.items()},
            work_email="email.value",
            department="department.value.attributes.name",
            title="position.value",
            location="office.value.attributes.name",
            manager_id="supervisor.value.attributes.id.value",
            last_day="last_working_day.value",
            company="subcompany.value.attributes.name",
        ),
        personio,
        calls=frozenset({"POST /auth", "GET /company/employees/{employee_id}"}),
        not_shown="does not show .*hire_date",
    ),
    "gusto": Case(
        ("gusto/gusto-embedded-2025-06-15.json",),
        {
            "GUSTO_URL": "https://api.gusto-demo.com",
            "GUSTO_COMPANY": "c",
            "GUSTO_CLIENT_ID": "c",
            "GUSTO_CLIENT_SECRET": "secret-of-ana",
            "GUSTO_REFRESH_TOKEN": "refresh-token-of-ana",
        },
        "GET /v1/companies/{company_id}/employees",
        (0,),
        of(
            **NAMES,
            employee_id="uuid",
            preferred_name="preferred_first_name",
            title="jobs.0.title",
            location="jobs.0.location.city",
            manager_id="manager_uuid",
            hire_date="jobs.0.hire_date",
            last_day="terminations.0.effective_date",
        ),
        gusto,
        calls=frozenset(
            {
                "GET /v1/companies/{company_uuid}/contractors",
                "GET /v1/employees/{employee_id}",
                "PUT /v1/employees/{employee_id}",
            }
        ),
        key="text of uuid",
    ),
    "rippling": Case(
        ("rippling/rippling-platform-v2.json",),
        {"RIPPLING_URL": "https://rest.ripplingapis.com", "RIPPLING_TOKEN": "token-of-ana"},
        "GET /workers/",
        ("results", 0),
        of(
            given_name="user.name.given_name",
            preferred_name="user.name.preferred_given_name",
            department="department.name",
            worker_type="employment_type.type",
            last_day="end_date",
            termination_type="termination_details.type",
        ),
        rippling,
        calls=frozenset({"GET /workers/{id}/", "GET /work-locations/"}),
    ),
    "hibob": Case(
        ("hibob/hibob-v1-konfig2024.json",),
        {"HIBOB_URL": "https://api.hibob.com/v1", "HIBOB_USER": "SERVICE-1", "HIBOB_TOKEN": "token-of-ana"},
        "POST /people/search",
        ("employees", 0),
        of(
            given_name="firstName",
            family_name="surname",
            department="humanReadable.work.department",
            manager_id="work.reportsTo.id",
            hire_date="work.startDate",
            last_day="internal.terminationDate",
            worker_type="humanReadable.payroll.employment.contract",
        ),
        hibob,
        calls=frozenset({"PUT /people/{id}/email"}),
        not_shown="does not show .*work",
    ),
    "keka": Case(
        (KEKA,),
        {
            "KEKA_URL": "https://your-company.keka.com/api/v1",
            "KEKA_TOKEN_URL": "https://login.keka.com/connect/token",
            "KEKA_CLIENT_ID": "c",
            "KEKA_CLIENT_SECRET": "secret-of-ana",
            "KEKA_API_KEY": "key-of-ana",
        },
        "GET /api/v1/hris/employees",
        ("data", 0),
        of(
            department="groups.0.title",
            location="groups.1.title",
            title="jobTitle.title",
            manager_id="reportsTo.id",
            employment_status="employmentStatus",
            hire_date="joiningDate",
            last_day="exitDate",
        ),
        keka,
        calls=frozenset({"POST /connect/token", "GET /api/v1/hris/employees/{id}"}),
    ),
}
vendors = pytest.mark.parametrize("vendor", CASES)


def canned(vendor: str, whole: bool = True) -> tuple[Any, Canned]:
    """The sample's source of a vendor, in front of answers made from the description."""
    case = CASES[vendor]
    answers, unused = Canned(tuple(map(described, case.files)), case.mend, whole), dict.fromkeys(OPTIONAL, "unused")
    answers.outside["POST /oauth/token"] = {"access_token": "0" * 32, "expires_in": 7200, "refresh_token": "1" * 32}
    source = answers.behind(connected(unused | dict(case.values), vendor, drop=("work_domains",)))
    source.http.sleep, source.http.patience = lambda _: None, 1.0
    return source, answers


OPTIONAL = ("BAMBOOHR_WEBHOOK_KEY", "HIBOB_WEBHOOK_SECRET", "PERSONIO_WEBHOOK_TOKEN", "GUSTO_WEBHOOK_TOKEN")


@vendors
def test_every_field_lands_in_its_column(vendor):
    source, answers = canned(vendor)
    case = CASES[vendor]

    frame = source.read()

    body = case.mend(case.listed, answers.made_for(case.listed)[1])
    assert len(frame) == 1 and not frame.drop(columns=UNREADABLE, errors="ignore").isna().any(axis=None)
    for ours, way in case.where.items():
        assert frame[source.rules.fields[ours]].tolist() == [str(dig(body, *case.person, *way))], ours


@vendors
def test_every_call_is_one_that_is_described(vendor):
    source, answers = canned(vendor)

    source.check(), source.read(), source.read_one(CASES[vendor].key)
    if isinstance(source, Changes):
        source.changed_since(datetime.now(UTC) - timedelta(days=1))
    if writes(vendor, source):
        with suppress(Mismatch):  # these answers stay as they are, whatever is written
            source.write_work_email(CASES[vendor].key, ADDRESS, str(source.read()[source.email][0:1].item()))

    assert set(answers.calls) == CASES[vendor].calls | {CASES[vendor].listed}


@vendors
def test_the_check_misses_no_wrong_call_and_no_wrong_credentials(vendor):
    source, _ = canned(vendor)
    for call in (("GET", "/people/everybody"), ("DELETE", f"/employees/{KEY}")):
        with pytest.raises(Differs):
            source.http.client.request(*call)
    hold(source.http.client, *map(described, CASES[vendor].files), headers={"Authorization": "Bearer somebody-else"})
    with pytest.raises(Differs, match="header Authorization"):
        source.check()


@vendors
def test_one_person_and_the_changed_are_read_as_in_the_list(vendor):
    source, _ = canned(vendor)
    whole = source.read()

    frames = [source.read_one(CASES[vendor].key)]
    frames += [source.changed_since(datetime.now(UTC) - timedelta(days=1))] if isinstance(source, Changes) else []
    for frame in frames:
        said = {ours: source.rules.fields[ours] for ours in CASES[vendor].where}
        assert frame[list(said.values())].shape == (1, len(said)) and list(frame.columns) == list(whole.columns)
        assert all(frame[said["given_name"]].str.contains("Ana|Shubham|text of")) if "given_name" in said else True


@vendors
def test_what_nobody_described_is_passed_over(vendor):
    source, answers = canned(vendor)
    before = source.read()
    answers.spoil = lambda name, body: with_strangers(body) if name == CASES[vendor].listed else body

    pd.testing.assert_frame_equal(source.read(), before)


@vendors
def test_nothing_but_what_must_be_there_is_told_or_empty(vendor):
    """A value that may be left out is empty, one that is hidden is never taken for empty."""
    source, _ = canned(vendor, whole=False)

    if refused := CASES[vendor].not_shown:
        with pytest.raises(Refused, match=refused):
            source.read()
        return
    frame = source.read()
    feed = people_of(frame, source.rules)
    assert len(frame) == 1 and len(feed.people) + len({held.row for held in feed.held}) == 1


WRONG = st.sampled_from([None, True, 5, 1.5, "x", "", [], {}, ["x"], [None], {"x": []}])


@vendors
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_value_of_a_wrong_kind_anywhere_is_an_error_of_ours_or_no_more_than_a_cell(vendor, data):
    source, answers = canned(vendor)
    turn = data.draw(st.integers(0, 5000))
    wrong = data.draw(WRONG)

    def spoil(name: str, body: Any) -> Any:
        ways = list(places(body))
        return put(body, ways[turn % len(ways)], wrong)

    answers.spoil = spoil
    asked = [source.read, source.check, lambda: source.read_one(CASES[vendor].key)]
    asked += [lambda: source.changed_since(SINCE)] if isinstance(source, Changes) else []
    asked += [lambda: source.write_work_email(CASES[vendor].key, ADDRESS)] if writes(vendor, source) else []
    for ask in asked:
        with suppress(ConnectorError):
            found = ask()
            if isinstance(found, pd.DataFrame):
                assert set(found.dtypes) <= {pd.StringDtype()}
                people_of(found, source.rules)


def writes(vendor: str, source: Any) -> bool:
    """Personio's second version, which writes, has no description."""
    return isinstance(source, WriteBack) and vendor != "personio"
