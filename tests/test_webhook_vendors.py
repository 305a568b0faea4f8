"""Each vendor's calls to a running receiver: right, forged, again, late, out of order, too long, and in a burst."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Queue
from typing import Any

import httpx
import pytest

from connectors.sandbox import Sandbox
from connectors.sandbox.deliveries import Letter
from flows.record import signals
from tests.drills.engine import until
from tests.hr_house import letter_box
from tests.webhook_burst import Burst
from tests.webhook_door import Receiver, company_of, receiver
from tests.webhook_vendors import VENDORS, Told, Vendor, send, sources_that_call

BURSTS = {"bamboohr": 2000}
BURST = 300
FIVE_MB = 5 << 20


def test_every_source_that_calls_has_a_row() -> None:
    missing = sources_that_call() - set(VENDORS)
    assert not missing, f"tests/webhook_vendors.py needs a row of VENDORS for {', '.join(sorted(missing))}"


@dataclass
class House:
    """A vendor, its twin, the receiver, and between them the proxy by which the one reaches the other."""

    vendor: Vendor
    sandbox: Sandbox
    door: Receiver
    hr: Any
    came: Queue[Any]
    """Calls of the twin that the proxy has not passed on yet."""
    ids: dict[str, str]
    """work e-mail -> id"""

    @property
    def person(self) -> str:
        return self.ids["clara.mueller@juniperfinch.example"]

    def send(self, letter: Letter) -> Told:
        return send(self.door, self.vendor, letter)

    def letter(self) -> Letter:
        return self.vendor.letter(self.person)

    def number(self) -> int:
        """Of signals in the record."""
        return len(self.door.rows())

    def move(self, department: str) -> Letter:
        """HR gives the person another department; what its twin calls then."""
        self.vendor.change(self.hr, self.sandbox, self.person, department)
        if self.vendor.subscribe is None:
            return self.letter()
        while True:
            letter = self.passed_on()
            if self.person.encode() in letter.body:
                return letter
            assert self.send(letter).status == 200  # a set-up call

    def passed_on(self) -> Letter:
        """The next call of the twin, as a proxy hands it on."""
        headers, body = self.came.get(timeout=30)
        return Letter("", body, {k: v for k, v in headers.items() if k not in ("host", "content-length", "connection")})

    def setup(self) -> str:
        """What the operator reads after the set-up call."""
        assert self.send(self.passed_on()).status == 200
        return (self.door.folder / "home" / "webhooks" / f"{self.vendor.name}.setup").read_text().strip()


@pytest.fixture(scope="module", params=VENDORS)
def house(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    vendor = VENDORS[request.param]
    twin = sandbox.control(vendor.hr)
    twin.reset()
    twin.limits(1_000_000)
    folder, values = tmp_path_factory.mktemp(vendor.name), sandbox.environment
    key = {"BAMBOOHR_WEBHOOK_KEY": VENDORS["bamboohr"].key}
    with receiver(folder, values, company_of(folder, vendor.hr), **key) as door, letter_box() as (url, came):
        found = House(vendor, sandbox, door, door.site.hr, came, door.settle_everybody())
        if vendor.subscribe:
            vendor.subscribe(found.hr, sandbox, url, found.setup)
        yield found


def forgeries(vendor: Vendor, letter: Letter) -> dict[str, Letter]:
    """Calls that are not the vendor's."""
    (name, right), *more = (
        vendor.proof(letter.body).items() if vendor.name != "bamboohr" else reversed(vendor.proof(letter.body).items())
    )
    bare = vendor.bare(letter)
    rest = dict(more)

    def proved(value: str) -> Letter:
        return bare._replace(headers={**bare.headers, **rest, name: value})

    found = {
        "another key": bare._replace(headers={**bare.headers, **vendor.sign(letter.body, "another key")}),
        "an empty key": bare._replace(headers={**bare.headers, **vendor.sign(letter.body, "")}),
        "no proof": bare,
        "an empty proof": proved(""),
        "half of it": proved(right[: len(right) // 2]),
        "more than it": proved(right + "0"),
        "not ASCII": proved("é" * len(right)),
        "another vendor's prefix": proved("sha256=" + right),
        "a list": proved(f"{right}, {right}"),
    }
    if vendor.by_body:
        found["an altered body"] = letter._replace(body=letter.body.replace(b'"', b' "', 1))
        found["another body's proof"] = letter._replace(body=vendor.letter("999").body)
    others = [each for each in VENDORS.values() if each.name != vendor.name]
    found |= {f"as {each.name} proves": bare._replace(headers=each.sign(letter.body, vendor.key)) for each in others
              if not set(each.proof(b"")) & set(vendor.proof(b""))}  # fmt: skip
    return found


def test_no_forgery_is_believed(house: House) -> None:
    before = house.number()
    found = {name: house.send(each) for name, each in forgeries(house.vendor, house.letter()).items()}

    assert {name: answer.status for name, answer in found.items()} == dict.fromkeys(found, 401)
    assert {answer.text for answer in found.values()} == {'{"error":"not believed"}'}
    assert house.number() == before
    assert house.vendor.key not in house.door.log()


def test_where_a_word_proves_who_calls_the_body_is_not_proved(house: House) -> None:
    if house.vendor.by_body:
        pytest.skip("the body is signed")
    other = house.ids["joao.goncalves@juniperfinch.example"]

    assert house.send(house.letter()._replace(body=house.vendor.letter(other).body)).stored
    until(lambda: house.door.rows()[-1].result == f"{other}: nothing is due", "that person was looked at, no more")


def test_a_replay_counts_once_or_can_do_no_more_than_a_look(house: House) -> None:
    letter, before = house.letter(), house.number()
    stored = [house.send(letter).stored for _ in range(3)]

    assert stored == [True, *[not house.vendor.keyed] * 2]
    assert house.number() == before + (1 if house.vendor.keyed else 3)


def test_a_replay_after_a_restart_is_one_still(house: House) -> None:
    letter = house.letter()
    assert house.send(letter).stored
    house.door.kill()
    house.door.start()

    assert house.send(letter).stored is not house.vendor.keyed


@pytest.mark.parametrize("ago", [timedelta(days=30), timedelta(days=-30)], ids=["late", "early"])
def test_a_time_that_is_signed_must_be_near(house: House, ago: timedelta) -> None:
    if house.vendor.late is None:
        pytest.skip("the vendor signs no time: a replay is dropped by its key, or can do no more than a look")
    before = house.number()

    assert house.send(house.vendor.late(house.person, ago)).status == 401
    assert house.number() == before


def test_five_megabytes_are_refused_and_not_kept_in_memory(house: House) -> None:
    url, body = house.door.url + house.vendor.path, b" " * FIVE_MB
    headers = house.vendor.proof(body)
    refused_or_cut_off(url, body, headers)
    before = house.door.memory()

    for _ in range(5):
        refused_or_cut_off(url, body, headers)
        refused_or_cut_off(url, (body[at : at + 65536] for at in range(0, FIVE_MB, 65536)), headers)

    assert house.door.memory() - before < 5 << 10  # kilobytes: not even one of them
    assert house.send(house.letter()).stored


def refused_or_cut_off(url: str, body: bytes | Iterator[bytes], headers: dict[str, str]) -> None:
    """A client that is still sending may not get to read the answer."""
    try:
        answer = httpx.post(url, content=body, headers=headers, trust_env=False, timeout=30)
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        return
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


def test_none_of_a_burst_is_lost_across_a_kill_and_each_is_looked_at(house: House) -> None:
    number, people = BURSTS.get(house.vendor.name, BURST), list(house.ids.values())
    before = {row.id for row in house.door.rows()}
    letters = [house.vendor.letter(people[n % len(people)]) for n in range(number)]
    starting = threading.Thread(target=house.door.start)

    def crash() -> None:
        house.door.kill()
        starting.start()

    answers = Burst(house.door, house.vendor, letters, halfway=crash).run()
    starting.join()

    def new() -> list[signals.SignalRow]:
        return [row for row in house.door.rows() if row.id not in before]

    assert {each.status for each in answers} == {200}
    assert sum(each.tries for each in answers) > number  # the kill was felt
    if house.vendor.keyed:
        assert len(new()) == number
    else:
        assert number <= len(new()) <= sum(each.tries for each in answers)
    until(lambda: all(row.done_at for row in new()), "each was looked at")
    assert {row.result for row in new()} == {f"{person}: nothing is due" for person in people}
    last = max(row.received_at for row in new())
    read = [datetime.fromisoformat(seen["iso"]) for seen in house.sandbox.control(house.vendor.hr).log()]
    assert max(read).astimezone(UTC) > last - timedelta(seconds=1)
    assert "Traceback" not in house.door.log()


def test_what_the_twin_sends_is_stored_and_the_person_is_looked_at(house: House) -> None:
    letter, before = house.move("People"), house.number()

    assert house.send(letter).stored
    assert [row.people for row in house.door.rows()[before:]] == [[house.person]]
    until(lambda: all(row.done_at or row.tries for row in house.door.rows()), "the person was looked at")


def test_an_older_call_after_a_newer_one_brings_what_hr_says_now(house: House) -> None:
    letters = []
    for department in ("Finance", "Sales"):
        second = int(time.time())
        until(lambda now=second: int(time.time()) > now, "the next second: BambooHR's events have no finer time")
        letters.append(house.move(department))

    for letter in reversed(letters):
        assert house.send(letter).stored
        until(lambda: all(row.done_at or row.tries for row in house.door.rows()), "the person was looked at")

    known = signals.people_now(house.door.db, house.vendor.hr)
    assert known is not None
    assert known.set_index("employee_id").loc[house.person, "department"] == "Sales"
