"""connectors.http against a real server that answers as scripted: what becomes which error, and what never shows."""

from __future__ import annotations

import base64
import logging
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from connectors_servers import Asked, Said, Scripted, free_port

from connectors.auth import Auth
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.http import Http, client
from connectors.quota import Memory, Turns
from connectors.surroundings import Surroundings
from mappings.vocabulary import Limits

CANARY = "canary-s3cret/+token"
SECRETS = {"APP_TOKEN": CANARY}


class Rig:
    """A scripted server, an Http that talks to it, and the waits it would have made."""

    def __init__(self, server: Scripted, http: Http, waits: list[float]) -> None:
        self.server, self.http, self.waits = server, http, waits

    def say(self, *answers: Said) -> None:
        """Give these answers in turn, the last one for ever."""
        rest = list(answers)
        self.server.script = lambda asked: rest.pop(0) if len(rest) > 1 else rest[0]


@pytest.fixture
def rig() -> Iterator[Rig]:
    waits: list[float] = []
    with Scripted(lambda asked: Said(200, {})) as server:
        inner = client(server.url, Auth(bearer=CANARY))
        with inner:
            yield Rig(
                server, Http("crm", inner, Surroundings(SECRETS), address="${CRM_URL}", sleep=waits.append), waits
            )


def ask(rig: Rig, method: str = "GET", path: str = "/users", **sent: Any) -> Any:
    return rig.http.json(method, path, doing="create account for ada", **sent)


def test_sends_the_credentials_and_reads_the_answer(rig: Rig) -> None:
    rig.say(Said(200, {"id": 7}))

    answer = ask(rig)

    assert answer == {"id": 7}
    assert rig.server.asked[0].headers["Authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (Auth(header={"X-Api-Key": "k-1234"}), "X-Api-Key", "k-1234"),
        (Auth.model_validate({"basic": {"user": "u", "password": "p"}}), "Authorization", "Basic dTpw"),
    ],
)
def test_other_kinds_of_credentials(rig: Rig, auth: Auth, name: str, value: str) -> None:
    with client(rig.server.url, auth) as inner:
        Http("crm", inner).request("GET", "/", doing="look")

    assert rig.server.asked[0].headers[name] == value


def in_ten_seconds() -> dict[str, str]:
    then = datetime(2031, 5, 1, 12, tzinfo=UTC)  # the server's clock, years off ours
    return {
        "Date": format_datetime(then, usegmt=True),
        "Retry-After": format_datetime(then + timedelta(seconds=10), usegmt=True),
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [429, 503, 403])
@pytest.mark.parametrize("headers", [lambda: {"Retry-After": "10"}, in_ten_seconds])
def test_short_delays_are_waited_out(rig: Rig, method: str, status: int, headers: Callable[[], dict[str, str]]) -> None:
    rig.say(Said(status, {"message": "slow down"}, headers()), Said(200, {"id": 7}))

    answer = ask(rig, method)

    assert answer == {"id": 7}
    assert len(rig.waits) == 1 and 9.9 <= rig.waits[0] <= 11


def test_long_delays_are_handed_to_the_caller(rig: Rig) -> None:
    rig.say(Said(429, {"message": "slow down"}, {"Retry-After": "3600"}))

    with pytest.raises(Retryable, match="crm: create account for ada: the server said 429: slow down") as caught:
        ask(rig, "POST")

    assert caught.value.after == 3600 and rig.waits == []


def test_a_throttle_without_a_delay_is_tried_again_and_given_up(rig: Rig) -> None:
    rig.say(Said(429))

    with pytest.raises(Retryable):
        ask(rig, "POST")

    assert 1 < len(rig.server.asked) <= 10 and all(0 <= w <= 8 for w in rig.waits)


@pytest.mark.parametrize("said", [Said(500, "<h1>Oops</h1>"), Said(502), Said(0)])
def test_a_read_is_tried_again_a_few_times(rig: Rig, said: Said) -> None:
    rig.say(said, said, Said(200, {"id": 7}))

    assert ask(rig) == {"id": 7}

    rig.say(said)
    with pytest.raises(Retryable):
        ask(rig)


@pytest.mark.parametrize("said", [Said(500, {"message": "oops"}), Said(502), Said(0), Said(408)])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_write_in_doubt_is_not_sent_twice(rig: Rig, said: Said, method: str) -> None:
    rig.say(said)

    with pytest.raises(Retryable, match="read back before trying again"):
        ask(rig, method)

    assert len(rig.server.asked) == 1


def test_no_answer_in_time_is_retryable(rig: Rig) -> None:
    rig.http.client.timeout = httpx.Timeout(0.05)
    with socket_that_never_answers() as url:
        rig.http.client.base_url = httpx.URL(url)
        with pytest.raises(Retryable, match="no answer from .* in time. It may have been carried out"):
            ask(rig, "POST")


def test_an_unreachable_server_is_said_so(rig: Rig) -> None:
    rig.http.client.base_url = httpx.URL(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Retryable, match=r"cannot reach http://127.0.0.1:\d+ .*refused.*Check CRM_URL"):
        ask(rig)


@pytest.mark.parametrize("status", [400, 404, 409, 422, 501, 302])
def test_what_will_fail_again_is_refused(rig: Rig, status: int) -> None:
    rig.say(
        Said(status, {"error": {"message": "email has already been taken"}}, {"Location": "http://login.example/x"})
    )

    with pytest.raises(Refused) as caught:
        ask(rig, "POST")

    assert caught.value.status == status and len(rig.server.asked) == 1
    assert ("already been taken" in str(caught.value)) == (status != 302)


@pytest.mark.parametrize(("status", "words"), [(401, "the token in APP_TOKEN was refused"), (403, "not permitted")])
def test_refused_credentials_name_the_variable(rig: Rig, status: int, words: str) -> None:
    rig.say(Said(status, {"detail": "no"}))

    with pytest.raises(Refused, match=f"{words}.*Check APP_TOKEN"):
        ask(rig)


def test_errors_travel_between_processes_whole() -> None:
    error = Retryable("crm", "create account", "busy", "Wait", after=7.0)

    again = pickle.loads(pickle.dumps(error))

    assert str(again) == str(error) and again.after == 7.0 and again.doing == "create account"


def test_a_login_page_instead_of_json_is_refused(rig: Rig) -> None:
    rig.say(Said(200, "<html>Please sign in</html>"))

    with pytest.raises(Refused, match="text/html, not JSON. Check CRM_URL"):
        ask(rig)


def test_the_field_that_was_wrong_is_named(rig: Rig) -> None:
    rig.say(Said(422, {"error": {"message": "validation failed", "fields": {"email": ["is taken"]}}}))

    with pytest.raises(Refused, match=r'422: validation failed; \{"email": \["is taken"\]\}'):
        ask(rig, "POST")


def test_the_servers_words_are_shortened(rig: Rig) -> None:
    rig.say(Said(400, "<p>" + "very long " * 200 + "</p>"))

    with pytest.raises(Refused) as caught:
        ask(rig)

    assert len(str(caught.value)) < 500 and "<p>" not in str(caught.value)


def echo(asked: Asked) -> Said:
    """A server that shows the caller everything it was sent."""
    return Said(400, f"{asked.path} {asked.query} {asked.headers} {asked.text}")


def test_secrets_show_nowhere(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rig.server.script = echo
    basic = base64.b64encode(CANARY.encode()).decode()

    with pytest.raises(ConnectorError) as caught:
        ask(rig, "POST", params={"token": CANARY}, json={"t": CANARY}, headers={"X-Basic": basic})

    chain = [
        caught.value,
        caught.value.__cause__,
        None if caught.value.__suppress_context__ else caught.value.__context__,
    ]
    shown = [*map(repr, chain), *map(str, chain), caplog.text, repr(rig.http), repr(rig.http.redaction)]
    assert "***" in str(caught.value) and "HTTP Request" in caplog.text
    for text in shown:
        assert "canary" not in text and basic not in text


def test_a_secret_that_no_header_can_carry_does_not_show(rig: Rig) -> None:
    with client(rig.server.url, Auth(bearer="canary\r\nX: y")) as inner:
        http = Http("crm", inner, Surroundings({"APP_TOKEN": "canary\r\nX: y"}))
        with pytest.raises(ConnectorError, match="APP_TOKEN") as caught:
            http.request("GET", "/", doing="look")

    assert "canary" not in str(caught.value) and caught.value.__suppress_context__


def test_options_do_not_show_their_secrets() -> None:
    assert CANARY not in repr(Auth(bearer=CANARY))


def test_the_published_rate_holds_before_the_server_says_no(rig: Rig) -> None:
    turns = Turns("crm", [Limits(requests=3, per="hour")], Memory(), urgent=True, patience=0.01)
    http = Http("crm", rig.http.client, Surroundings(SECRETS, turns), patience=0.01)
    for _ in range(3):
        http.request("GET", "/", doing="look")

    with pytest.raises(Retryable, match="rate limit is used up"):
        http.request("GET", "/", doing="look")

    assert len(rig.server.asked) == 3


class socket_that_never_answers:  # noqa: N801
    """Listens and says nothing."""

    def __enter__(self) -> str:
        import socket

        self.listener = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.listener.close()
