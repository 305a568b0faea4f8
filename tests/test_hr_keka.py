"""Keka in front of its twin: paths and verbs as published, people as the company has them."""

import re
from datetime import timedelta
from typing import Any

import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.base import Changes, Signals, Source, WriteBack
from mappings.feed import UNREADABLE, people_of
from tests.hr_described import KEKA, described
from tests.hr_house import at_first, connected, expected, now, people, told
from tests.vendor_specs import Description, Differs, hold


@pytest.fixture(scope="module")
def published() -> Description:
    return described(KEKA)


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "keka")


@pytest.fixture
def keka(sandbox: Any, twin: Any, published: Description) -> Any:
    return made(sandbox, published)


def made(sandbox: Any, published: Description, **options: object) -> Any:
    found = connected(sandbox.environment, "keka", **options)
    bearer = re.compile("Bearer [0-9a-f]{32}|")  # none where the token is asked for
    hold(
        found.http.client,
        published,
        under="/keka",
        headers={"Authorization": bearer, "User-Agent": re.compile("Mozilla.*")},
    )
    return found


def key_of(twin: Any, email: str) -> str:
    rows = twin.state()["people"]
    return str(next(row["id"] for row in rows if row["workEmail"] == f"{email}@juniperfinch.example"))


def test_the_company_is_the_same_as_everywhere(keka):
    found = people(keka)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert keka.check() == "Keka: 24 people, all 13 mapped fields readable"
    assert isinstance(keka, Source) and isinstance(keka, Changes)
    assert not isinstance(keka, WriteBack) and not isinstance(keka, Signals)


def test_every_page_is_read(sandbox, published, twin):
    assert len(made(sandbox, published, page_size=7).read()) == 24


def test_numbers_and_dates_are_text_until_the_mapping_says_what_they_are(keka, twin):
    row = keka.read_one(key_of(twin, "caspar.vogt")).iloc[0]

    assert (row["employmentStatus"], row["workerType"]) == ("1", "1")
    assert row["exitDate"] == "2024-11-29T00:00:00" and row["joiningDate"] == "2021-11-01T00:00:00Z"
    assert keka.read_one("nobody").empty


def test_a_joiner_written_with_the_day_first_is_read_right(keka, twin):
    body = {"FirstName": "Mia", "LastName": "Schneider", "DateJoined": "07-01-2030", "department": "Finance"}
    new = keka.http.client.post("/hris/employees", json=body).raise_for_status().json()["data"]

    person = people_of(keka.read_one(new), keka.rules).people.iloc[0]
    assert str(person["hire_date"])[:10] == "2030-01-07"
    assert person[["work_email", "last_day"]].isna().all()


def test_a_leaver_is_among_who_changed(keka, twin):
    since, key = now(), key_of(twin, "clara.mueller")
    body = {"exitType": 1, "lastWorkingDate": "2031-01-31T00:00:00Z"}
    keka.http.client.post(f"/hris/employees/{key}/exitrequest", json=body).raise_for_status()

    frame = keka.changed_since(since - timedelta(seconds=1))
    assert key in frame["id"].tolist()
    assert str(people_of(keka.read_one(key), keka.rules).people["last_day"].iloc[0])[:10] == "2031-01-31"
    with pytest.raises(Retryable, match="90 days"):
        keka.changed_since(since - timedelta(days=91))


@pytest.mark.parametrize("field", ["exitDate", "employmentStatus"])
def test_a_field_that_is_not_shown_is_not_empty(keka, twin, field):
    twin.options(unseen=field)

    for ask in (keka.read, keka.check):
        with pytest.raises(Refused, match=f"does not show {field}"):
            ask()
    assert UNREADABLE in keka.read_one(key_of(twin, "ines.simoes"))


def test_a_200_that_did_not_succeed_is_no_empty_company(keka, twin):
    twin.options(refuses=True)

    with pytest.raises(Refused, match="window of dates"):
        keka.read()


def test_a_limit_that_lasts_is_retryable(keka, twin):
    keka.http.patience = 0.0
    twin.faults([{"kind": "429-no-retry-after", "match": "employees"}])

    with pytest.raises(Retryable):
        keka.read()


def test_the_check_of_requests_notices_wrong_ones(keka):
    for method, path in (("GET", "/hris/employees?limit=5"), ("GET", "/hris/people"), ("PATCH", "/hris/employees/x")):
        with pytest.raises(Differs):
            keka.http.client.request(method, path)
