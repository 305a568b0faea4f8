"""The one place where HTTP becomes an error of connectors.errors.

what happened                                  becomes
2xx, 304                                       the response
429; 403 and 503 with Retry-After              waited out here up to `patience`, then Retryable(after)
no connection, no answer, 408, 425, 5xx        Retryable; reads are tried again here a few times first
3xx, 401, 403, 501, 505, any other 4xx         Refused
"""

from __future__ import annotations

import json
import random
import re
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx
import tenacity

from connectors.auth import Auth
from connectors.errors import Refused, Retryable
from connectors.fields import pick
from connectors.redaction import Redaction, guard_logs
from connectors.signing import NotSignedIn, Signing
from connectors.surroundings import Surroundings

TIMEOUT = httpx.Timeout(30, connect=5)  # seconds
POOL = httpx.Limits(max_connections=32, max_keepalive_connections=32, keepalive_expiry=4)
"""Idle connections go after 4 s: uvicorn and Node hang up at 5 s, and a write must not meet that."""
PATIENCE = 30.0  # seconds one call may wait in all for Retry-After
READ_ATTEMPTS = 3
ATTEMPTS = 10  # however short the delays the server names
READS = ("GET", "HEAD", "OPTIONS")
LONGEST_WORDS = 300  # characters of a server's own words in a message
WORDS = ("detail", "message", "error_description", "error.message", "error", "errors.0.message", "errors.0", "errors")
WORDS_OF_REFUSAL = ("title", "msg", "reason")
DETAILS = ("error.fields", "fields", "details")
"""Where servers say which field was wrong."""


@cache
def trust() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes longer than the rest of making a client."""
    return httpx.create_ssl_context()


def client(url: str, auth: Auth | None = None, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """A pooled client for one app. Redirects are not followed: headers with keys would follow them."""
    sent = {"Accept": "application/json", **(auth.headers() if auth else {}), **(headers or {})}
    return httpx.Client(
        verify=trust(),
        base_url=url,
        headers=sent,
        auth=auth.flow(url) if auth else None,
        timeout=TIMEOUT,
        limits=POOL,
    )


class Http:
    """Calls to one app, from any thread. `address` is what to check when the server cannot be reached: the url as the
    YAML has it."""

    def __init__(
        self,
        app: str,
        client: httpx.Client,
        around: Surroundings | None = None,
        address: str = "the url",
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.app, self.client, self.patience, self.sleep = app, client, patience, sleep
        self.address = address.removeprefix("${").removesuffix("}")
        around = around or Surroundings()
        self.redaction, self.turns = Redaction(around.secrets), around.turns
        guard_logs(around.secrets.values())
        if isinstance(client.auth, Signing):
            client.auth.redaction = self.redaction
        self.close = weakref.finalize(self, client.close)
        """Closes the connections; comes by itself with the end of this object or of the process."""

    def __repr__(self) -> str:
        return f"Http({self.app}, {origin(self.client.base_url)})"

    def request(self, method: str, path: str, *, doing: str, reads: bool = False, **sent: Any) -> httpx.Response:
        """One call; `doing` reads like `create account for x`; `sent` are httpx's json, params, data, headers. `reads`:
        a POST that changes nothing.

        Raises Retryable or Refused. A Retryable write may have been carried out: read back first.
        """
        attempts = tenacity.Retrying(
            retry=lambda state: waits_help(state, "GET" if reads else method),
            wait=pause,
            stop=tenacity.stop_before_delay(self.patience) | tenacity.stop_after_attempt(ATTEMPTS),
            sleep=self.sleep,
            reraise=True,
        )
        return attempts(self.once, method, path, doing, sent)

    def json(self, method: str, path: str, *, doing: str, **sent: Any) -> Any:
        """As `request`, and the body read as JSON; None where there is none."""
        return self.body(self.request(method, path, doing=doing, **sent), doing)

    def body(self, response: httpx.Response, doing: str) -> Any:
        """The JSON of a response; a login page in its place is Refused."""
        if not response.content:
            return None
        try:
            return response.json()
        except (ValueError, UnicodeDecodeError):
            kind = response.headers.get("content-type", "something unnamed")
            why = f"the server answered {response.status_code} with {kind}, not JSON"
            raise Refused(self.app, doing, why, f"Check {self.address}.", response.status_code) from None

    def once(self, method: str, path: str, doing: str, sent: dict[str, Any]) -> httpx.Response:
        """One attempt. Chained exceptions are cut off: those of h11 can quote a header."""
        self.take_turn(f"{method} {path}", doing)
        try:
            response = self.client.request(method, path, **sent)
        except NotSignedIn as refusal:
            raise self.not_signed_in(refusal, doing) from None
        except httpx.ConnectError as error:
            raise self.unreachable(doing, error) from None
        except httpx.TimeoutException as error:
            raise self.unanswered(method, doing, type(error).__name__) from None
        except httpx.TransportError as error:
            raise self.broken(method, doing, error) from None
        except (httpx.InvalidURL, UnicodeError, TypeError, ValueError) as error:
            why = self.redaction.mask(f"the request cannot be written down: {error}")
            raise Refused(self.app, doing, why, f"Check {self.address} and the values sent.") from None
        if self.failed(response):
            raise self.error(method, response, doing)
        return response

    def failed(self, response: httpx.Response) -> bool:
        """Whether an answer says that the call did not work."""
        return not response.is_success and response.status_code != 304

    def take_turn(self, call: str, doing: str) -> None:
        """Wait until the app's published rate allows one more call."""
        if self.turns and not self.turns.take(call):
            raise Retryable(self.app, doing, "the app's rate limit is used up", "Wait, then run again.")

    def not_signed_in(self, refusal: NotSignedIn, doing: str) -> Retryable | Refused:
        """A sign-in that failed: only a server in trouble, or one that is asked too often, may be tried again. It is a
        401 whatever the server called it: a 404 of a login page must not be taken for an account that is gone."""
        said = refusal.answer
        if said is not None and (said.status_code == 429 or said.status_code >= 500):
            return self.error("GET", said, f"{doing} (signing in)")
        words = f" ({said.status_code}){self.words(said)}" if said is not None else ""
        why = f"cannot sign in: {self.redaction.mask(refusal.why)}{words}"
        todo = refusal.todo or f"Check {self.variables()} and `auth` in the app's YAML."
        return Refused(self.app, doing, why, todo, 401)

    def unreachable(self, doing: str, error: httpx.TransportError) -> Retryable:
        why = self.redaction.mask(f"cannot reach {self.asked(error)} ({error})")
        return Retryable(self.app, doing, why, f"Check {self.address}, the server and the network.")

    def unanswered(self, method: str, doing: str, kind: str) -> Retryable:
        what = "no connection" if kind == "ConnectTimeout" else "no answer"
        return Retryable(self.app, doing, f"{what} from {origin(self.client.base_url)} in time", unsure(method))

    def broken(self, method: str, doing: str, error: httpx.TransportError) -> Retryable | Refused:
        why = self.redaction.mask(f"the connection to {origin(self.client.base_url)} broke ({error})")
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
            return Refused(
                self.app, doing, self.redaction.mask(str(error)), f"Check {self.address} and {self.variables()}."
            )
        return Retryable(self.app, doing, why, unsure(method))

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """The error that a response with a status of 3xx, 4xx or 5xx is."""
        status, after = response.status_code, retry_after(response)
        why = f"the server said {status}{self.words(response)}"
        if status == 429 or (status in (403, 503) and after is not None):
            return Throttled(self.app, doing, why, "Wait, then run again.", after)
        if status in (408, 425) or (status >= 500 and status not in (501, 505)):
            return Retryable(self.app, doing, why, unsure(method), after)
        if status == 401:
            why = f"the {secret_word(self.redaction.names)} was refused (401){self.words(response)}"
            return Refused(self.app, doing, why, f"Check {self.variables()}.", status)
        if status == 403:
            todo = f"Check {self.variables()}, and give the account behind it this permission."
            return Refused(self.app, doing, f"not permitted (403){self.words(response)}", todo, status)
        if response.is_redirect:
            why = f"the server sent us elsewhere ({status}, to {origin(response.headers.get('location', '?'))})"
            return Refused(self.app, doing, why, f"Check {self.address}.", status)
        return Refused(self.app, doing, why, status=status)

    def words(self, response: httpx.Response) -> str:
        """The server's own words, shortened and without secrets, after a colon."""
        found = self.redaction.mask(words_of(response))
        return f": {found[:LONGEST_WORDS]}{'…' if len(found) > LONGEST_WORDS else ''}" if found else ""

    def asked(self, error: httpx.TransportError) -> str:
        """The server that was called: the app, or where it is signed in."""
        return origin(error.request.url if getattr(error, "_request", None) else self.client.base_url)

    def variables(self) -> str:
        """The names of the variables that hold this app's secrets."""
        return ", ".join(self.redaction.names) or "the credentials in the app's YAML"


class Throttled(Retryable):
    """The app did nothing and said when to come back: safe to send again, writes too."""


def waits_help(state: tenacity.RetryCallState, method: str) -> bool:
    """Whether the same call may be sent again from here: throttled ones any time, reads a few times."""
    error = fault(state)
    again = method in READS and state.attempt_number < READ_ATTEMPTS
    return isinstance(error, Throttled) or (isinstance(error, Retryable) and again)


def pause(state: tenacity.RetryCallState) -> float:
    """Seconds until the next attempt: the server's own delay, else growing; with jitter on top."""
    after = getattr(fault(state), "after", None)
    if after is not None:
        return float(after) + random.uniform(0, 0.25 + 0.05 * after)
    return float(tenacity.wait_random_exponential(multiplier=0.4, max=8)(state))


def fault(state: tenacity.RetryCallState) -> BaseException | None:
    """What the last attempt raised."""
    return state.outcome.exception() if state.outcome else None


def retry_after(response: httpx.Response) -> float | None:
    """Seconds from Retry-After (seconds or an HTTP date, RFC 9110 §10.2.3); None where absent or garbled."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        then, now = parsedate_to_datetime(value), server_time(response)
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None


def server_time(response: httpx.Response) -> datetime:
    """The server's clock where it shows it: ours may differ."""
    try:
        return parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)


def words_of(response: httpx.Response) -> str:
    """What the server says about its refusal, on one line."""
    try:
        body = response.json()
    except (ValueError, UnicodeDecodeError):
        return " ".join(re.sub(r"<[^>]*>", " ", response.text).split())
    found = [pick(body, path) for path in (*WORDS, *WORDS_OF_REFUSAL)]
    said = next((f for f in found if f), body)
    details = [pick(body, path) for path in DETAILS]
    return "; ".join(spoken(part) for part in (said, *details) if part)


def spoken(part: Any) -> str:
    """Text as it is, anything else as JSON."""
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)


def secret_word(names: tuple[str, ...]) -> str:
    """`token in SSO_TOKEN`, as messages say it."""
    return f"token in {', '.join(names)}" if names else "sign-in"


def unsure(method: str) -> str:
    """What to do after a call whose outcome is not known."""
    return "Try again later." if method in READS else "It may have been carried out: read back before trying again."


def origin(url: httpx.URL | str) -> str:
    """Scheme, host and port, which is all of a URL that a message shows."""
    url = httpx.URL(url)
    return f"{url.scheme}://{url.netloc.decode()}" if url.host else str(url.path)
