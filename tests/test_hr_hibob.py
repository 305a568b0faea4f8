"""HiBob in front of its twin: requests and answers as the vendor describes them, people as the company has them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused, Retryable
from connectors.hr.base import NotBelieved, Signals, Source, WriteBack
from mappings.feed import UNREADABLE, people_of
from tests.hr_house import at_first, connected, expected, letter_box, now, people, told
from tests.vendor_specs import Differs, described, hold

FILE = "hibob/hibob-v1-konfig2024.json"


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "hibob")


@pytest.fixture
def hibob(sandbox: Any, twin: Any) -> Any:
    made = connected(sandbox.environment, "hibob")
    value = "Basic " + base64.b64encode(b"SERVICE-4711:hibob-token-of-the-sandbox").decode()
    hold(made.http.client, described(FILE), under="/hibob", headers={"Authorization": value})
    return made


@pytest.fixture
def hr(sandbox: Any) -> Iterator[httpx.Client]:
    """A person in HR."""
    values = sandbox.environment
    with httpx.Client(base_url=values["HIBOB_URL"], auth=(values["HIBOB_USER"], values["HIBOB_TOKEN"])) as client:
        yield client


def joiner(hr: httpx.Client) -> str:
    body = {"firstName": "Mia", "surname": "Schneider", "email": "mia@mailbox.example"}
    work = {"site": "Berlin", "startDate": "2030-01-07"}
    found = hr.post("/people", json=body | {"work": work}).raise_for_status().json()["id"]
    hr.post(f"/people/{found}/work", json={"department": "Finance", "title": "Accountant"}).raise_for_status()
    return str(found)


def test_the_company_is_the_same_as_everywhere(hibob):
    found = people(hibob)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert hibob.check() == "HiBob: 24 people, all 14 mapped fields readable"
    assert isinstance(hibob, Source) and isinstance(hibob, WriteBack) and isinstance(hibob, Signals)


def test_a_list_is_read_as_its_words_and_never_as_its_ids(hibob):
    frame = hibob.read_one("103")

    assert frame["humanReadable.work.department"].tolist() == ["Sales"]
    assert frame["root.id"].tolist() == ["103"] and frame.index.tolist() == [2]
    assert hibob.read_one("999").empty and hibob.read_one("").empty


def test_an_address_that_is_no_work_address_is_none_and_is_replaced(hibob, hr, twin):
    new = joiner(hr)

    assert people_of(hibob.read_one(new), hibob.rules).people["work_email"].isna().all()
    address = "mia.schneider@juniperfinch.example"
    assert [hibob.write_work_email(new, address) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    assert [row["workEmail"] for row in twin.state()["people"] if row["id"] == new] == [address]


def test_somebody_elses_or_a_different_address_is_refused(hibob, hr):
    new = joiner(hr)

    with pytest.raises(Refused, match="email already exists"):
        hibob.write_work_email(new, "clara.mueller@juniperfinch.example")
    with pytest.raises(Refused, match="there is already clara.mueller"):
        hibob.write_work_email("117", "clara.other@juniperfinch.example")
    with pytest.raises(Refused, match="nobody with this id"):
        hibob.write_work_email("999", "no.body@juniperfinch.example")


def test_a_write_that_changed_nothing_is_a_mismatch(hibob, hr, twin):
    new = joiner(hr)
    twin.faults([{"kind": "silent-noop", "match": "PUT"}])

    with pytest.raises(Mismatch, match="accepted mia.schneider"):
        hibob.write_work_email(new, "mia.schneider@juniperfinch.example")


@pytest.mark.parametrize("category", ["internal", "work"])
def test_a_category_that_may_not_be_seen_is_not_empty(hibob, twin, category):
    twin.options(unseen=category)

    with pytest.raises(Refused, match=f"does not show .*{category}"):
        hibob.read()
    assert UNREADABLE in hibob.read_one("103")


def test_the_newer_shape_of_answers_is_read_too(hibob):
    words = {"/address/country": "Portugal"}
    flat = {"/" + "root/id": {"value": "7"}, "/address/country": {"value": "12"}, "humanReadable": words}

    assert hibob.cell(flat, "root.id") == "7"
    assert hibob.cell(flat, "humanReadable.address.country") == "Portugal"


def test_wrong_credentials_are_tried_once(sandbox, twin):
    source = connected(sandbox.environment, "hibob", token="wrong")

    with pytest.raises(Refused):
        source.read()
    assert [seen["status"] for seen in twin.log()] == [401]


def test_a_limit_that_lasts_is_retryable(hibob, twin):
    hibob.http.patience = 0.0
    twin.faults([{"kind": "429", "seconds": 90}])

    with pytest.raises(Retryable):
        hibob.read()


def test_the_check_of_requests_notices_wrong_ones(hibob):
    with pytest.raises(Differs):
        hibob.http.client.post("/people/search", json={"fields": "root.id"})
    with pytest.raises(Differs):
        hibob.http.client.post("/people/search", json={"inactive": True})
    with pytest.raises(Differs):
        hibob.http.client.put("/people/103/email", json={"mail": "x"})


# webhooks


def test_what_the_twin_sends_is_believed_and_names_the_person(hibob, hr, sandbox):
    with letter_box() as (url, came):
        hr.post(sandbox.url + "/hibob/settings/webhooks", json={"url": url}).raise_for_status()
        pings = [came.get(timeout=10), came.get(timeout=10)]
        hr.post("/people/108/work", json={"department": "People"}).raise_for_status()
        letter = came.get(timeout=10)

    assert [hibob.handshake(each.headers, each.body).status for each in pings] == [200, 200]
    assert hibob.handshake(letter.headers, letter.body) is None
    delivery = hibob.verify_webhook(letter.headers, letter.body, now())
    assert delivery == hibob.verify_webhook(letter.headers, letter.body, now())
    assert delivery.at and abs(delivery.at - now()) < timedelta(minutes=1)
    assert hibob.changed_ids(letter.body) == ["108"]
    assert people(hibob, hibob.read_one("108"))["department"].tolist() == ["People"]


def signed(body: bytes, secret: str = "hibob-webhook-secret-of-the-sandbox") -> dict[str, str]:
    return {"bob-signature": base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha512).digest()).decode()}


def test_forged_late_and_unsigned_calls_are_not_believed(hibob, sandbox):
    body = json.dumps({"data": {"employeeId": "108"}, "triggeredAt": (now() - timedelta(days=9)).isoformat()}).encode()
    with pytest.raises(NotBelieved, match="too far from now"):
        hibob.verify_webhook(signed(body), body, now())
    for headers in ({}, signed(body, "guessed"), signed(body + b" "), {"bob-signature": "é"}):
        with pytest.raises(NotBelieved):
            hibob.verify_webhook(headers, body, now())
    bare = connected(sandbox.environment, "hibob", drop=("webhook_secret",))
    with pytest.raises(NotBelieved, match="no secret"):
        bare.verify_webhook(signed(body), body, now())


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"17"])
def test_any_bytes_are_borne(hibob, body):
    assert hibob.handshake({}, body) is None
    with pytest.raises(ValueError):
        hibob.changed_ids(body)
    assert hibob.changed_ids(b'{"data": 5}') == []
