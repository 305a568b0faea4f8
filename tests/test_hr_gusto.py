"""Gusto in front of its twin: requests and answers as the vendor describes them, people as the company has them."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.base import Outcome
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.hr.base import NotBelieved, Signals, Source, WriteBack
from connectors.hr.gusto import known
from mappings.feed import people_of
from tests.hr_house import at_first, connected, expected, letter_box, now, people, told
from tests.vendor_specs import SPECS, Description, Differs, hold

FILE = "gusto/gusto-embedded-2025-06-15.json"
ADDRESS = "mia.schneider@juniperfinch.example"


def amend(document: dict[str, Any]) -> None:
    """What a refresh gives fits both forms of an answer with tokens, so that it cannot be exactly one of them."""
    answer = document["components"]["schemas"]["Authentication"]
    answer["anyOf"] = answer.pop("oneOf")


@pytest.fixture(scope="module")
def published() -> Description:
    if not (SPECS / FILE).exists():
        pytest.skip(f"../shared/specs/{FILE} is not here")
    return Description(FILE, amend)


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "gusto")


@pytest.fixture
def gusto(sandbox: Any, twin: Any, published: Description) -> Any:
    return made(sandbox, published)


def made(sandbox: Any, published: Description, **options: object) -> Any:
    found = connected(sandbox.environment, "gusto", **options)
    bearer = re.compile(r"Bearer [\w-]{43}|")  # none where the token is asked for
    hold(found.http.client, published, under="/gusto", headers={"Authorization": bearer})
    return found


@pytest.fixture
def hr(sandbox: Any, twin: Any) -> Iterator[httpx.Client]:
    """A person in HR."""
    headers = {"Authorization": "Bearer gusto-token-of-the-desk-in-hr"}
    with httpx.Client(base_url=sandbox.environment["GUSTO_URL"], headers=headers) as client:
        yield client


def joiner(hr: httpx.Client, sandbox: Any) -> str:
    path = f"/v1/companies/{sandbox.environment['GUSTO_COMPANY']}/employees"
    body = {"first_name": "Mia", "last_name": "Schneider", "email": "mia@mailbox.example"}
    found = str(hr.post(path, json=body).raise_for_status().json()["uuid"])
    hr.post(f"/v1/employees/{found}/jobs", json={"title": "Accountant", "hire_date": "2030-01-07"}).raise_for_status()
    return found


def person(twin: Any, email: str) -> dict[str, Any]:
    return next(row for row in twin.state()["people"] if row["workEmail"] == f"{email}@juniperfinch.example")


def test_the_company_is_the_same_as_everywhere(gusto):
    found = people(gusto)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert gusto.check() == "Gusto: employees and contractors can be read"
    for kept in (Source, WriteBack, Signals):
        assert isinstance(gusto, kept)


def test_every_page_is_read(sandbox, published, twin):
    assert len(made(sandbox, published, page_size=7).read()) == 24


def test_employees_and_contractors_are_found_by_id(gusto, twin):
    for email in ("clara.mueller", "priya.raman"):
        key = person(twin, email)["id"]
        assert gusto.read_one(key)["uuid"].tolist() == [key]
    assert gusto.read_one("9e1f5c3e-0000-4000-8000-000000000009").empty


def test_a_termination_to_come_is_a_last_day_and_a_past_one_ends_with_a_rehire():
    past, later = {"effective_date": "2024-11-29", "active": True}, {"effective_date": "2031-01-31", "active": False}

    assert known({"terminated": False, "terminations": [later]}, "employee")["last_day"] == "2031-01-31"
    assert known({"terminated": True, "terminations": [past]}, "employee")["last_day"] == "2024-11-29"
    assert known({"terminated": False, "terminations": [past]}, "employee")["last_day"] is None
    assert known({"terminated": False, "terminations": [later, past]}, "employee")["last_day"] == "2031-01-31"


def test_a_leaver_and_a_rehire_are_seen(gusto, hr, twin):
    going, back = person(twin, "clara.mueller")["id"], person(twin, "caspar.vogt")["id"]
    hr.post(f"/v1/employees/{going}/terminations", json={"effective_date": "2031-01-31"}).raise_for_status()
    hr.post(f"/v1/employees/{back}/rehire", json={"effective_date": "2031-02-03"}).raise_for_status()

    assert gusto.read_one(going)["last_day"].tolist() == ["2031-01-31"]
    assert gusto.read_one(back)["last_day"].isna().all()


def test_the_work_email_is_written_with_the_version_that_was_read(gusto, hr, sandbox, twin):
    new = joiner(hr, sandbox)
    assert people_of(gusto.read_one(new), gusto.rules).people["work_email"].isna().all()

    assert [gusto.write_work_email(new, ADDRESS) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    assert person(twin, "mia.schneider")["id"] == new


def test_a_version_out_of_date_is_read_again_by_the_next_run(gusto, hr, sandbox, twin):
    new = joiner(hr, sandbox)
    stale = gusto.person(new, "read")
    hr.put(f"/settings/employees/{new}/department", json={"department": "Finance"})
    with pytest.raises(Retryable, match="changed the person meanwhile"):
        gusto.put_email(stale, ADDRESS, "write")
    assert gusto.write_work_email(new, ADDRESS) is Outcome.DONE


def test_contractors_and_strangers_addresses_are_refused(gusto, hr, sandbox, twin):
    contractor = person(twin, "priya.raman")["id"]
    new = joiner(hr, sandbox)

    with pytest.raises(NeedsHuman, match="no work e-mail of contractors"):
        gusto.write_work_email(contractor, "p.raman@juniperfinch.example", "priya.raman@juniperfinch.example")
    with pytest.raises(Refused, match="already in use"):
        gusto.write_work_email(new, "clara.mueller@juniperfinch.example")


def test_a_limit_that_lasts_is_retryable(gusto, twin):
    gusto.http.patience = 0.0
    twin.faults([{"kind": "over", "seconds": 50}])

    with pytest.raises(Retryable) as error:
        gusto.read()
    assert error.value.after == 51


def test_the_check_of_requests_notices_wrong_ones(gusto):
    for call in (
        ("GET", "/v1/companies/x/employees?limit=5", None),
        ("PUT", "/v1/employees/x", {"work_email": ADDRESS}),
        ("PUT", "/v1/employees/x", {"version": "1", "mail": ADDRESS}),
    ):
        with pytest.raises(Differs):
            gusto.http.client.request(call[0], call[1], json=call[2])


# webhooks


def test_what_the_twin_sends_is_believed_after_the_handshake(gusto, hr, twin):
    system = {"Authorization": "Bearer gusto-system-token-of-the-sandbox"}
    key = person(twin, "clara.mueller")["id"]
    with letter_box() as (url, came):
        asked = {"url": url, "subscription_types": ["Employee"]}
        number = hr.post("/v1/webhook_subscriptions", json=asked, headers=system).raise_for_status().json()["uuid"]
        first = came.get(timeout=10)
        reply = gusto.handshake(first.headers, first.body)
        path = f"/v1/webhook_subscriptions/{number}/verify"
        hr.put(path, json={"verification_token": reply.keep}, headers=system).raise_for_status()
        hr.put(f"/settings/employees/{key}/department", json={"department": "People"}).raise_for_status()
        letter = came.get(timeout=10)

    assert reply.status == 200 and reply.keep not in reply.body
    assert gusto.handshake(letter.headers, letter.body) is None
    delivery = gusto.verify_webhook(letter.headers, letter.body, now())
    assert delivery.at and abs(delivery.at - now()) < timedelta(minutes=1)
    assert gusto.changed_ids(letter.body) == [key]


def signed(body: bytes, secret: str = "gusto-verification-token-of-the-sandbox") -> dict[str, str]:
    return {"x-gusto-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_forged_late_and_unsigned_calls_are_not_believed(gusto):
    body = json.dumps({"entity_type": "Employee", "timestamp": int((now() - timedelta(days=9)).timestamp())}).encode()
    with pytest.raises(NotBelieved, match="too far from now"):
        gusto.verify_webhook(signed(body), body, now())
    for headers in ({}, signed(body, "guessed"), signed(body + b" "), {"x-gusto-signature": "é"}):
        with pytest.raises(NotBelieved):
            gusto.verify_webhook(headers, body, now())


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"17"])
def test_any_bytes_are_borne(gusto, body):
    assert gusto.handshake({}, body) is None
    with pytest.raises(ValueError):
        gusto.changed_ids(body)
    assert gusto.changed_ids(b'{"entity_type": "Payroll", "entity_uuid": "1"}') == []
    assert gusto.verify_webhook(signed(body), body, now()).at is None
