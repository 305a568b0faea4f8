"""Rippling in front of its twin: requests and answers as the vendor describes them, people as the company has them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.base import Changes, Signals, Source, WriteBack
from mappings.feed import UNREADABLE
from tests.hr_house import at_first, connected, expected, now, people, told
from tests.vendor_specs import Differs, described, hold

FILE = "rippling/rippling-platform-v2.json"
pytestmark = pytest.mark.filterwarnings("ignore:Use of allowEmptyValue:DeprecationWarning")  # the description uses it


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "rippling")


@pytest.fixture
def rippling(sandbox: Any, twin: Any) -> Any:
    made = connected(sandbox.environment, "rippling")
    headers = {"Authorization": "Bearer rippling-token-of-the-sandbox"}
    hold(made.http.client, described(FILE), under="/rippling", headers=headers)
    return made


@pytest.fixture
def hr(sandbox: Any, twin: Any) -> Iterator[httpx.Client]:
    """A person in HR."""
    values = sandbox.environment
    headers = {"Authorization": f"Bearer {values['RIPPLING_TOKEN']}"}
    with httpx.Client(base_url=values["RIPPLING_URL"], headers=headers) as client:
        yield client


def person(twin: Any, email: str) -> str:
    rows = twin.state()["people"]
    return str(next(row["id"] for row in rows if row["workEmail"] == f"{email}@juniperfinch.example"))


def test_the_company_is_the_same_as_everywhere_over_all_pages(rippling, twin):
    found = people(rippling)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert [seen["path"] for seen in twin.log()].count("/rippling/workers/") == 2
    assert rippling.check() == "Rippling: workers can be read, all 16 mapped fields among them"
    assert isinstance(rippling, Source) and isinstance(rippling, Changes)
    assert not isinstance(rippling, WriteBack) and not isinstance(rippling, Signals)


def test_one_is_read_like_all(rippling, twin):
    key = person(twin, "ines.simoes")
    everybody, alone = rippling.read(), rippling.read_one(key)

    assert alone.iloc[0].to_dict() == everybody[everybody["id"] == key].iloc[0].to_dict()
    assert rippling.read_one("nobody").empty


@pytest.mark.parametrize("redacted", ["end_date", "department", "work_email"])
def test_a_redacted_field_is_not_empty(rippling, twin, redacted):
    twin.options(unseen=redacted)

    for ask in (rippling.read, rippling.check):
        with pytest.raises(Refused, match=f"does not show {redacted}"):
            ask()
    assert UNREADABLE in rippling.read_one(person(twin, "ines.simoes"))


def test_who_changed_comes_whole(rippling, hr, twin):
    since, key = now(), person(twin, "clara.mueller")
    hr.put(f"/pages/people/{key}", json={"department": "People", "terminationDate": "2031-01-31"}).raise_for_status()

    frame = rippling.changed_since(since)
    assert frame["id"].tolist() == [key] and frame.columns.tolist() == rippling.fields
    assert frame[["department.name", "end_date"]].iloc[0].tolist() == ["People", "2031-01-31"]
    assert rippling.changed_since(now() + timedelta(hours=1)).empty


def test_a_limit_that_lasts_is_retryable(rippling, twin):
    rippling.http.patience = 0.0
    twin.faults([{"kind": "429", "seconds": 90}])

    with pytest.raises(Retryable):
        rippling.read()


def test_the_check_of_requests_notices_wrong_ones(rippling):
    for method, path in (("GET", "/workers"), ("GET", "/workers/?limit=5"), ("PATCH", "/workers/x/")):
        with pytest.raises(Differs):
            rippling.http.client.request(method, path)
