"""One row for each HR system that calls: how HR sets the webhook up in the twin, and what the twin then signs.

A new source that keeps `Signals` needs a row in VENDORS, and gets the tests of test_webhook_vendors.py for it."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from unittest.mock import patch

import httpx
from ruamel.yaml import YAML

from connectors.sandbox import Sandbox, bamboohr_webhooks
from connectors.sandbox.deliveries import Letter
from connectors.sandbox.staff import StaffTwin
from connectors.sandbox.twin import Clock
from connectors.sandbox.vendors import gusto, hibob, personio, zoho_people
from tests.hr_house import SAMPLE
from tests.webhook_door import TOKEN, Receiver

Headers = dict[str, str]
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Vendor:
    """A row. `None` for `late` and `subscribe`: the vendor signs no time; there is no twin that calls."""

    name: str
    hr: str
    """hr/<hr>.yaml of the company in which it is tried."""
    key: str
    """The secret that was agreed."""
    letter: Callable[[str], Letter]
    """A call about a person, made and signed by the twin's own code; no two are the same."""
    sign: Callable[[bytes, str], Headers]
    """What proves any body to who knows this secret, by the twin's own code."""
    subscribe: Callable[[Any, Sandbox, str, Callable[[], str]], None] | None
    """HR sets the webhook up for this address, by the source's own client where that is let in; the last asks the
    operator for what came with the set-up."""
    change: Callable[[Any, Sandbox, str, str], None]
    """HR gives this person another department."""
    late: Callable[[str, timedelta], Letter] | None
    """A well-signed call of then, where the vendor signs a time."""
    keyed: bool = True
    """Whether a replay is told from a new call. Where it is not, a replay can do no more than a look at the person."""
    by_body: bool = True
    """Whether the body is signed; else a word proves who calls, and an altered body proves as well."""

    @property
    def path(self) -> str:
        return "/signals" if self.name == "signals" else f"/webhooks/{self.name}"

    def proof(self, body: bytes) -> Headers:
        return self.sign(body, self.key)

    def again(self, letter: Letter, **words: Any) -> Letter:
        """The same event with other words, signed anew."""
        body = json.dumps(json.loads(letter.body) | words).encode()
        return letter._replace(body=body, headers={**letter.headers, **self.proof(body)})

    def bare(self, letter: Letter) -> Letter:
        """Without what proves it."""
        plain = {name: value for name, value in letter.headers.items() if name not in self.proof(b"")}
        return letter._replace(body=letter.body.partition(b"&token=")[0], headers=plain)


def then(ago: timedelta) -> datetime:
    return datetime.now(UTC) - ago


def post(client: httpx.Client, path: str, **sent: Any) -> httpx.Response:
    return client.post(path, **sent).raise_for_status()


# BambooHR


def bamboohr_letter(person: str) -> Letter:
    hook = {"url": "", "format": "json", "events": ["employee.updated"], "monitorFields": [f"field{next(NUMBERS)}"]}
    (letter,) = bamboohr_webhooks.letters(hook, person, "Updated")
    return letter


def bamboohr_sign(body: bytes, key: str, ago: timedelta = timedelta()) -> Headers:
    with patch.object(bamboohr_webhooks, "PRIVATE_KEY", key):
        return bamboohr_webhooks.signed(body, str(int(then(ago).timestamp())))


def bamboohr_late(person: str, ago: timedelta) -> Letter:
    letter = bamboohr_letter(person)
    return letter._replace(headers=bamboohr_sign(letter.body, bamboohr_webhooks.PRIVATE_KEY, ago))


def bamboohr_subscribe(hr: Any, sandbox: Sandbox, url: str, setup: Callable[[], str]) -> None:
    hook = {"name": "Rollcall", "url": url, "format": "json", "events": ["employee.updated"]}
    client = hr.http.client
    post(client, "/api/v1/webhooks", json=hook | {"monitorFields": ["department"]})


def bamboohr_change(hr: Any, sandbox: Sandbox, person: str, department: str) -> None:
    client = hr.http.client
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    row = {"date": day, "department": department, "jobTitle": "Clerk", "location": "Lisbon", "reportsTo": "101"}
    post(client, f"/api/v1/employees/{person}/tables/jobInfo", json=row)


# the twins that share what staff.py knows


def letters(module: Any, hook: Mapping[str, Any]) -> Callable[[str], Letter]:
    """A twin of this process writes."""
    made: StaffTwin = module.TWIN("", "", Clock())

    def letter(person: str) -> Letter:
        (found,) = made.letters({"url": "", **hook}, "updated", {"id": person, "customWorkerType": "Employee"})
        return found

    return letter


def hibob_sign(body: bytes, key: str) -> Headers:
    return hibob.TWIN("", "", Clock()).signed({"secret": key}, body)


def hibob_late(person: str, ago: timedelta) -> Letter:
    return VENDORS["hibob"].again(VENDORS["hibob"].letter(person), triggeredAt=then(ago).isoformat())


def hibob_subscribe(hr: Any, sandbox: Sandbox, url: str, setup: Callable[[], str]) -> None:
    client = hr.http.client
    post(client, sandbox.url + "/hibob/settings/webhooks", json={"url": url})


def hibob_change(hr: Any, sandbox: Sandbox, person: str, department: str) -> None:
    post(hr.http.client, f"/people/{person}/work", json={"department": department})


def personio_subscribe(hr: Any, sandbox: Sandbox, url: str, setup: Callable[[], str]) -> None:
    client = hr.second.client
    hook = {"url": url, "enabled_events": ["person.updated"], "auth_type": "TOKEN", "token": personio.HOOK_TOKEN}
    post(client, "/webhooks", json=hook | {"status": "ENABLED"})


def personio_sign(body: bytes, key: str) -> Headers:
    return personio.TWIN("", "", Clock()).signed({"auth_type": "TOKEN", "token": key}, body)


def personio_change(hr: Any, sandbox: Sandbox, person: str, department: str) -> None:
    client = hr.http.client
    client.patch(f"/company/employees/{person}", json={"employee": {"department": department}}).raise_for_status()


def gusto_subscribe(hr: Any, sandbox: Sandbox, url: str, setup: Callable[[], str]) -> None:
    """With the system's token; the operator sends back what Gusto has posted."""
    system = {"Authorization": f"Bearer {gusto.SYSTEM}"}
    wanted = {"url": url, "subscription_types": ["Employee"]}
    with httpx.Client(base_url=sandbox.environment["GUSTO_URL"], headers=system, trust_env=False) as client:
        key = post(client, "/v1/webhook_subscriptions", json=wanted).json()["uuid"]
        path = f"/v1/webhook_subscriptions/{key}/verify"
        client.put(path, json={"verification_token": setup()}).raise_for_status()


def gusto_sign(body: bytes, key: str) -> Headers:
    with patch.object(gusto, "HOOK_TOKEN", key):
        return gusto.TWIN("", "", Clock()).signed({}, body)


def gusto_late(person: str, ago: timedelta) -> Letter:
    return VENDORS["gusto"].again(VENDORS["gusto"].letter(person), timestamp=int(then(ago).timestamp()))


def gusto_change(hr: Any, sandbox: Sandbox, person: str, department: str) -> None:
    client = hr.http.client
    client.put(f"/settings/employees/{person}/department", json={"department": department}).raise_for_status()


def zoho_subscribe(hr: Any, sandbox: Sandbox, url: str, setup: Callable[[], str]) -> None:
    wanted = {"url": url, "parameters": {"token": zoho_people.HOOK_TOKEN}}
    httpx.post(sandbox.url + "/zoho_people/settings/webhooks", json=wanted).raise_for_status()


def zoho_change(hr: Any, sandbox: Sandbox, person: str, department: str) -> None:
    url = f"{sandbox.url}/zoho_people/settings/employees/{person}"
    httpx.put(url, json={"department": department}).raise_for_status()


# anything with the token


def signals_letter(person: str) -> Letter:
    body = json.dumps({"ids": [person]}).encode()
    return Letter("", body, signals_sign(body, TOKEN) | {"Idempotency-Key": f"number-{next(NUMBERS):09d}"})


def signals_sign(body: bytes, key: str) -> Headers:
    return {"Authorization": f"Bearer {key}"}


ROWS = (
    Vendor(
        "bamboohr",
        "bamboohr",
        bamboohr_webhooks.PRIVATE_KEY,
        bamboohr_letter,
        bamboohr_sign,
        bamboohr_subscribe,
        bamboohr_change,
        bamboohr_late,
    ),
    Vendor(
        "hibob",
        "hibob",
        hibob.SECRET,
        letters(hibob, {"secret": hibob.SECRET}),
        hibob_sign,
        hibob_subscribe,
        hibob_change,
        hibob_late,
    ),
    Vendor(
        "personio",
        "personio",
        personio.HOOK_TOKEN,
        letters(
            personio,
            {
                "auth_type": "TOKEN",
                "token": personio.HOOK_TOKEN,
                "status": "ENABLED",
                "enabled_events": ["person.updated"],
            },
        ),
        personio_sign,
        personio_subscribe,
        personio_change,
        None,  # nothing is signed: whoever has the token could write any time
        by_body=False,
    ),
    Vendor(
        "gusto",
        "gusto",
        gusto.HOOK_TOKEN,
        letters(gusto, {"status": "verified", "subscription_types": ["Employee"]}),
        gusto_sign,
        gusto_subscribe,
        gusto_change,
        gusto_late,
    ),
    Vendor(
        "zoho_people",
        "zoho_people",
        zoho_people.HOOK_TOKEN,
        letters(zoho_people, {"parameters": {"token": zoho_people.HOOK_TOKEN}}),
        lambda body, key: {"X-Rollcall-Token": key},  # as a function of a workflow may send it
        zoho_subscribe,
        zoho_change,
        None,  # a form with an id and a word, the same for each change
        keyed=False,
        by_body=False,
    ),
    Vendor(
        "signals",
        "hibob",
        TOKEN,
        signals_letter,
        signals_sign,
        None,
        hibob_change,
        None,  # the token proves the caller, not the moment
        by_body=False,
    ),
)
VENDORS = {row.name: row for row in ROWS}


def sources_that_call() -> set[str]:
    """Names of the sample's sources whose connector keeps Signals."""
    return {file.stem for file in (SAMPLE / "hr").glob("*.yaml") if calls(YAML(typ="safe").load(file)["connector"])}


def calls(connector: str) -> bool:
    """Whether a class of the connector's module proves webhooks."""
    module = importlib.import_module(f"connectors.hr.{connector}")
    own = [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__]
    return any(hasattr(each, "verify_webhook") for each in own)


@dataclass(frozen=True)
class Told:
    """An answer of the receiver."""

    status: int
    text: str

    @property
    def stored(self) -> bool:
        """Whether a believed call is news."""
        assert self.status == 200, self
        return bool(json.loads(self.text)["stored"])


def send(door: Receiver, vendor: Vendor, letter: Letter) -> Told:
    """The vendor calls; header values may be whatever a stranger may send."""
    line = HTTPConnection("127.0.0.1", door.port, timeout=30)
    try:
        raw = {name: value.encode("latin-1", "replace") for name, value in letter.headers.items()}
        line.request("POST", vendor.path, letter.body, raw)
        answer = line.getresponse()
        return Told(answer.status, answer.read().decode())
    finally:
        line.close()
