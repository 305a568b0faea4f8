"""Personio in front of its twin: requests and answers as the vendor describes them, people as the company has them."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.hr.base import Changes, NotBelieved, Signals, Source, WriteBack
from mappings.feed import UNREADABLE, people_of
from tests.hr_described import PERSONIO, described
from tests.hr_house import at_first, connected, expected, letter_box, now, people, told
from tests.vendor_specs import SPECS, Differs, hold

FILES = (PERSONIO, "personio/personio-v1-auth.json")
TOKEN = "personio-webhook-token-of-the-sandbox"
ADDRESS = "mia.schneider@juniperfinch.example"


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "personio")


@pytest.fixture
def personio(sandbox: Any, twin: Any) -> Any:
    return made(sandbox)


def made(sandbox: Any, **options: object) -> Any:
    found = connected(sandbox.environment, "personio", **options)
    bearer = {"Authorization": re.compile("Bearer papi-.*")}
    hold(
        found.http.client,
        described(FILES[0]),
        under="/personio",
        headers=bearer,
        besides="POST /v1/auth",
    )
    return found


@pytest.fixture
def hr(sandbox: Any, twin: Any) -> Iterator[httpx.Client]:
    """A person in HR."""
    values = sandbox.environment
    keys = {"client_id": values["PERSONIO_CLIENT_ID"], "client_secret": values["PERSONIO_CLIENT_SECRET"]}
    with httpx.Client(base_url=values["PERSONIO_URL"]) as client:
        token = client.post("/v1/auth", json=keys).json()["data"]["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_the_sign_in_is_as_described(sandbox, twin):
    found = connected(sandbox.environment, "personio")
    held = hold(found.http.client, described(FILES[1]), under="/personio", besides="GET .*")
    found.check()

    assert held.calls == {"POST /auth": 1}


def joiner(hr: httpx.Client) -> str:
    body = {"first_name": "Mia", "last_name": "Schneider", "email": "mia@mailbox.example", "department": "Finance"}
    sent = body | {"position": "Accountant", "office": "Berlin", "hire_date": "2030-01-07", "supervisor_id": 102}
    return str(hr.post("/v1/company/employees", json={"employee": sent}).raise_for_status().json()["data"]["id"])


def test_the_company_is_the_same_as_everywhere(personio):
    found = people(personio)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert personio.check() == "Personio: 24 people, all 14 mapped fields readable"
    for kept in (Source, WriteBack, Changes, Signals):
        assert isinstance(personio, kept)


def test_every_page_is_read(sandbox, twin):
    frame = made(sandbox, page_size=7).read()

    assert len(frame) == 24 and frame.index.tolist() == list(range(2, 26))
    assert [seen["path"] for seen in twin.log() if seen["method"] == "GET"] == ["/personio/v1/company/employees"] * 4


def test_a_day_is_the_day_that_is_written_whatever_its_zone(personio):
    assert personio.read_one("103")["hire_date"].tolist() == ["2017-09-04"]
    assert personio.read_one("102")["hire_date"].tolist() == ["2016-03-01"]
    assert personio.read_one("999").empty and personio.read_one("x/../103").empty


def test_one_sign_in_serves_all_calls_and_a_refused_token_is_renewed(personio, twin):
    personio.read()
    personio.read_one("103")
    twin.faults([{"kind": "401", "match": "employees/104", "times": 1}])
    assert len(personio.read_one("104")) == 1

    assert [seen["path"] for seen in twin.log()].count("/personio/v1/auth") == 2


def test_the_work_email_is_written_by_the_second_version(personio, hr, twin):
    new = joiner(hr)
    assert people_of(personio.read_one(new), personio.rules).people["work_email"].isna().all()

    assert [personio.write_work_email(new, ADDRESS) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    assert [row["workEmail"] for row in twin.state()["people"] if row["id"] == new] == [ADDRESS]


def test_the_first_version_would_have_ignored_it(hr, twin):
    new = joiner(hr)
    hr.patch(f"/v1/company/employees/{new}", json={"employee": {"email": ADDRESS}}).raise_for_status()

    assert [row["workEmail"] for row in twin.state()["people"] if row["id"] == new] == ["mia@mailbox.example"]


def test_nobody_is_written_whose_id_means_somebody_else_there(personio, hr, twin):
    joiner(hr)
    twin.options(shifted=True)

    with pytest.raises(Refused, match="another person under this id"):
        personio.write_work_email("123", "p.raman@juniperfinch.example", "priya.raman@juniperfinch.example")
    assert [row["workEmail"] for row in twin.state()["people"] if row["id"] == "124"] == [
        "caspar.vogt@juniperfinch.example"
    ]


def test_somebody_elses_or_a_different_address_is_refused(personio, hr):
    new = joiner(hr)

    with pytest.raises(Refused, match="already in use"):
        personio.write_work_email(new, "clara.mueller@juniperfinch.example")
    with pytest.raises(Refused, match="there is already clara.mueller"):
        personio.write_work_email("117", "clara.other@juniperfinch.example")


@pytest.mark.parametrize("attribute", ["status", "hire_date", "email"])
def test_an_attribute_that_may_not_be_read_is_not_empty(personio, twin, attribute):
    twin.options(unseen=attribute)

    for ask in (personio.read, personio.check):
        with pytest.raises(Refused, match=f"does not show {attribute}"):
            ask()
    assert UNREADABLE in personio.read_one("103")


def test_who_changed_comes_whole(personio, hr):
    since = now()
    hr.patch("/v1/company/employees/108", json={"employee": {"department": "People"}}).raise_for_status()

    frame = personio.changed_since(since)
    assert "108" in frame["id"].tolist() and frame.columns.tolist() == personio.fields
    assert personio.changed_since(since + timedelta(days=3)).empty


def test_a_limit_that_lasts_is_retryable(personio, twin):
    personio.http.patience = 0.0
    twin.faults([{"kind": "429-no-retry-after", "match": "employees"}])

    with pytest.raises(Retryable):
        personio.read()


def test_the_check_of_requests_notices_wrong_ones(personio):
    for path in ("/company/employees?page=2", "/company/employees?limit=none", "/company/people"):
        with pytest.raises(Differs):
            personio.http.client.get(path)


# webhooks


def test_what_the_twin_sends_is_believed_and_names_the_person(personio, hr, sandbox):
    jsonschema = pytest.importorskip("jsonschema")
    keys = {"client_id": "papi-client-of-the-sandbox", "client_secret": "personio-secret-of-the-sandbox"}
    token = hr.post("/v2/auth/token", data=keys).json()["access_token"]
    second = {"Authorization": f"Bearer {token}"}
    with letter_box() as (url, came):
        hook = {"url": url, "enabled_events": ["person.updated"], "auth_type": "TOKEN", "token": TOKEN}
        number = hr.post("/v2/webhooks", json=hook, headers=second).raise_for_status().json()["id"]
        hr.patch("/v1/company/employees/107", json={"employee": {"department": "People"}})
        hr.patch(f"/v2/webhooks/{number}", json={"status": "ENABLED"}, headers=second).raise_for_status()
        hr.patch("/v1/company/employees/108", json={"employee": {"department": "People"}})
        letter = came.get(timeout=10)

    jsonschema.validate(letter.json(), json.loads((SPECS / "personio/webhook-envelope.schema.json").read_text()))
    assert personio.handshake(letter.headers, letter.body) is None
    assert personio.verify_webhook(letter.headers, letter.body, now()).key
    assert personio.changed_ids(letter.body) == ["108"]


def test_a_call_without_the_agreed_token_is_not_believed(personio, sandbox):
    for headers in ({}, {"authorization": "guess"}, {"authorization": f"Bearer {TOKEN}"}, {"authorization": "é"}):
        with pytest.raises(NotBelieved):
            personio.verify_webhook(headers, b"{}", now())
    bare = connected(sandbox.environment, "personio", drop=("webhook_token",))
    with pytest.raises(NotBelieved, match="no secret"):
        bare.verify_webhook({"authorization": TOKEN}, b"{}", now())


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"17"])
def test_any_bytes_are_borne(personio, body):
    with pytest.raises(ValueError):
        personio.changed_ids(body)
    assert personio.changed_ids(b'{"payload": 5, "event_name": "person.updated"}') == []
    employment = b'{"event_name": "employment.updated", "payload": {"id": "9", "employment": {"person": {"id": "3"}}}}'
    assert personio.changed_ids(employment) == ["3"]
