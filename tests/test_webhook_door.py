"""The receiver's door: what is believed, what is kept, and what is answered; over the wire, the record read back."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.hr.base import NotBelieved, Reply
from connectors.sandbox import Sandbox
from flows.webhook_app import MOST_BYTES, Door
from flows.webhook_inbox import Inbox
from tests.drills.engine import until
from tests.webhook_door import PATH, TOKEN, Receiver, event, receiver, signed


@pytest.fixture(scope="module")
def door(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("door"), sandbox.environment) as running:
        yield running


@pytest.fixture(scope="module")
def client(door: Receiver) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=door.url, trust_env=False, timeout=20) as client:
        yield client


def people(door: Receiver) -> list[str]:
    return [person for row in door.rows() for person in row.people]


def post(client: httpx.Client, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    return client.post(PATH, content=body, headers=signed(body) if headers is None else headers)


def test_a_correct_delivery_is_stored_before_it_is_answered(door: Receiver, client: httpx.Client) -> None:
    assert post(client, event("701")).json() == {"stored": True}
    assert "701" in people(door)


def test_a_form_is_read_too(door: Receiver, client: httpx.Client) -> None:
    body = b"type=employee.updated&data%5BcompanyId%5D=12345&data%5BemployeeId%5D=702"
    assert post(client, body).status_code == 200
    assert "702" in people(door)


def test_a_replay_counts_once(door: Receiver, client: httpx.Client) -> None:
    body = event("703")
    headers = signed(body)
    answers = [post(client, body, headers).json() for _ in range(3)]
    assert answers == [{"stored": True}, {"stored": False}, {"stored": False}]
    assert people(door).count("703") == 1


@pytest.mark.parametrize("late", [-3600.0, 3600.0])
def test_a_late_or_early_one_is_refused(door: Receiver, client: httpx.Client, late: float) -> None:
    body = event("704")
    assert post(client, body, signed(body, time.time() + late)).status_code == 401
    assert "704" not in people(door)


def forged() -> list[dict[str, str]]:
    body = event("705")
    right = signed(body)
    other = signed(event("1"))
    return [
        {},
        signed(body, key="another key"),
        signed(body, key=""),
        right | {"X-BambooHR-Signature": ""},
        right | {"X-BambooHR-Signature": right["X-BambooHR-Signature"][:-2] + "00"},
        right | {"X-BambooHR-Timestamp": str(int(right["X-BambooHR-Timestamp"]) + 1)},
        right | {"X-BambooHR-Signature": other["X-BambooHR-Signature"]},
        right | {"X-BambooHR-Signature": "é"},
        {"X-BambooHR-Signature": right["X-BambooHR-Signature"]},
    ]


@pytest.mark.parametrize("headers", forged())
def test_a_forged_one_is_refused(door: Receiver, client: httpx.Client, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.post(PATH, content=event("705"), headers=raw)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.json() == {"error": "not believed"}
    assert "705" not in people(door)


def test_nothing_of_a_body_is_kept_but_ids(door: Receiver, client: httpx.Client) -> None:
    post(client, event("706", secret="a private matter"))
    assert "a private matter" not in " ".join(row.model_dump_json() for row in door.rows())
    assert "a private matter" not in door.log()


def test_five_megabytes_are_refused_before_they_are_sent(door: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as line:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5242880\r\n\r\n"
        line.sendall(head.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_that_hides_its_length_is_cut_off(door: Receiver, client: httpx.Client) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(80):
            sent += 1 << 16
            yield b" " * (1 << 16)

    try:
        assert client.post(PATH, content=pieces()).status_code == 413
    except httpx.TransportError:  # cut off while it was still sending
        assert sent > MOST_BYTES
    assert door.answers()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405),
        ("PUT", PATH, 405),
        ("POST", "/webhooks/workday", 404),
        ("POST", "/webhooks/signals", 401),
        ("POST", "/", 404),
        ("POST", "/webhooks/../etc", 404),
        ("POST", PATH + "/", 404),
        ("GET", "/health", 200),
    ],
)
def test_wrong_paths_and_methods(client: httpx.Client, method: str, path: str, status: int) -> None:
    assert client.request(method, path, content=b"{}", follow_redirects=True).status_code == status


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"data":{}}', b'{"employees":[{}]}', b'{"data":{"employeeId":""}}']
    + [b'{"data":{"employeeId":"a\\nb"}}', b"[" * 100_000, b'{"data":{"employeeId":"' + b"9" * 300 + b'"}}'],
)
def test_a_believed_body_that_cannot_be_read_is_no_fault_of_ours(client: httpx.Client, body: bytes) -> None:
    assert post(client, body).status_code == 400


def test_a_packed_body_is_not_taken(client: httpx.Client) -> None:
    body = event()
    assert post(client, body, signed(body) | {"Content-Encoding": "gzip"}).status_code == 415


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]),
    path=st.sampled_from([PATH, "/signals", "/health", "/"]) | st.text(max_size=30),
    headers=st.dictionaries(
        st.sampled_from(["X-BambooHR-Timestamp", "X-BambooHR-Signature", "Authorization", "Content-Type"]),
        st.binary(max_size=40).filter(lambda b: not set(b) & {0, 10, 13}),
    ),
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=9), lambda c: st.lists(c) | st.dictionaries(st.text(max_size=9), c)
    ).map(lambda value: json.dumps(value).encode()),
    sign=st.booleans(),
)
def test_whatever_comes_there_is_no_500(
    client: httpx.Client, method: str, path: str, headers: dict[str, bytes], body: bytes, sign: bool
) -> None:
    raw = {**{k.encode(): v for k, v in headers.items()}}
    if sign:
        raw |= {k.encode(): v.encode() for k, v in signed(body).items()}
    url = "/" + quote(path.lstrip("/"), safe="/", errors="replace")
    try:
        answer = client.request(method, url, headers=list(raw.items()), content=body)
    except (httpx.LocalProtocolError, httpx.InvalidURL):
        return  # it was never sent
    assert answer.status_code < 500


# the generic signals


def test_anybody_with_the_token_may_signal(door: Receiver, client: httpx.Client) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.post("/signals", json={"ids": ["0042", "0043"]}, headers=bearer).status_code == 200
    assert {"0042", "0043"} <= set(people(door))


def test_the_same_signal_again_is_news_unless_it_has_a_key(door: Receiver, client: httpx.Client) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for _ in range(2):
        client.post("/signals", json={"id": "710"}, headers=bearer)
        client.post("/signals", json={"id": "711"}, headers=bearer | {"Idempotency-Key": "one-of-two"})
    assert people(door).count("710") == 2
    assert people(door).count("711") == 1


@pytest.mark.parametrize("words", ["Bearer wrong", TOKEN, "Bearer", "Basic " + TOKEN, "Bearer " + TOKEN + "x"])
def test_without_the_token_nothing_is_believed(client: httpx.Client, words: str) -> None:
    answer = client.post("/signals", json={"id": "712"}, headers={"Authorization": words})
    assert answer.status_code == 401


@pytest.mark.parametrize("said", [{"ids": [42]}, {"ids": "42"}, {}, [], {"ids": [""]}])
def test_ids_are_texts(client: httpx.Client, said: object) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.post("/signals", json=said, headers=bearer).status_code == 400


# set-up


class Asking:
    """A source that is set up with a token to be kept."""

    def handshake(self, headers: object, body: bytes) -> Reply | None:
        known = {b"hello": "verification_token abc", b"broken": "\ud800"}
        return Reply(202, "welcome", keep=known[body]) if body in known else None

    def verify_webhook(self, headers: object, body: bytes, now: object) -> object:
        raise NotBelieved("never")

    def changed_ids(self, body: bytes) -> list[str]:
        return []


def test_a_set_up_call_is_answered_and_what_it_brings_is_kept_for_the_owner(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    app = Door(lambda name: Asking() if name == "x" else None, Inbox(None), tmp_path).app()  # type: ignore[arg-type, return-value]
    with TestClient(app) as client:
        answer = client.post("/webhooks/x", content=b"hello")
        again = client.post("/webhooks/x", content=b"hello")
        broken = client.post("/webhooks/x", content=b"broken")
        later = client.post("/webhooks/x", content=b"news")
    file = tmp_path / "webhooks" / "x.setup"
    assert (answer.status_code, answer.text, later.status_code) == (202, "welcome", 401)
    assert (again.status_code, broken.status_code) == (202, 400)
    assert file.read_text() == "verification_token abc\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# what must not be lost


def test_what_was_stored_and_not_done_is_taken_up_after_a_kill(sandbox: Sandbox, tmp_path: Path) -> None:
    with receiver(tmp_path, sandbox.environment) as door:
        with httpx.Client(base_url=door.url, trust_env=False) as mine:
            post(mine, event("101"))
        door.kill()
        door.start()
        until(lambda: all(row.done_at for row in door.rows()), "the signal is done")
