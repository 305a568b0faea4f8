"""Sign-ins that must be fetched and go stale: one pass for all threads, renewed before it ends and once when refused.

They are httpx auth flows: the calls that fetch a pass go through the same client as the calls that use it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from connectors.fields import pick
from connectors.redaction import Redaction, guard_logs

Flow = Generator[httpx.Request, httpx.Response, None]
MARGIN = 60.0  # seconds before its end at which a pass is renewed, where it lives long enough
REST = 30.0  # seconds for which a refused sign-in is not tried again: apps lock whoever tries wrong passwords
STALE = (401,)


class NotSignedIn(Exception):
    """A sign-in did not work; Http makes of it an error of connectors.errors. `answer` is the server's, where that
    says why; `todo` what to do, where it is not to check what was set."""

    def __init__(self, why: str, answer: httpx.Response | None = None, todo: str = "") -> None:
        super().__init__(why)
        self.why, self.answer, self.todo = why, answer, todo


@dataclass(frozen=True)
class Pass:
    """What proves who we are, and until when."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    until: float = float("inf")
    """By time.monotonic()."""


class Signing(httpx.Auth):
    """A pass for all threads of one client; subclasses say how it is fetched."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.lock = clock, threading.Lock()
        self.held: Pass | None = None
        self.refusal: tuple[float, NotSignedIn] | None = None
        self.redaction = Redaction()
        """That of the Http that uses this, once there is one."""
        self.status: Callable[[httpx.Response], int] = lambda response: response.status_code
        """What an answer means, where an app's YAML knows better than its status."""

    def __repr__(self) -> str:
        return type(self).__name__

    def fetch(self, timing: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Pass]:
        """Sign in, by yielding requests; `timing` are their extensions. NotSignedIn where it does not work."""
        raise NotImplementedError

    def sign(self, request: httpx.Request, held: Pass) -> None:
        """Put the pass on a request."""
        request.headers.update(held.headers)

    def stale(self, response: httpx.Response) -> bool:
        """Whether an answer says that the pass is worth nothing any more. Its body has been read."""
        return self.status(response) in STALE

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Send the request with the pass, and once more with a fresh one where that was refused."""
        used = yield from self.valid(request, None)
        self.sign(request, used)
        response = yield request
        response.read()
        if self.stale(response):
            fresh = yield from self.valid(request, used)
            self.sign(request, fresh)
            again = yield request
            self.settled(again)

    def settled(self, again: httpx.Response) -> None:
        """Look at the answer to a request that was sent with a fresh pass."""

    def valid(self, request: httpx.Request, refused: Pass | None) -> Generator[httpx.Request, httpx.Response, Pass]:
        """The pass that is held, or a new one where there is none, it ends soon, or it is the one just refused."""
        with self.lock:
            if self.held is None or self.held is refused or self.held.until <= self.clock():
                self.held = None
                self.held = yield from self.fetched({"timeout": request.extensions.get("timeout", {})})
            return self.held

    def fetched(self, timing: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Pass]:
        """A new pass; a refusal is remembered for a while, so that no crowd of steps locks the account."""
        if self.refusal and self.clock() - self.refusal[0] < REST:
            raise self.refusal[1]
        try:
            held = yield from self.fetch(timing)
        except NotSignedIn as refusal:
            if refusal.answer is None or refusal.answer.status_code < 500 and refusal.answer.status_code != 429:
                self.refusal = self.clock(), refusal
            raise
        self.refusal = None
        self.learn(held.headers.values())
        return held

    def learn(self, secrets: Iterable[str]) -> None:
        """Keep these out of messages and logs."""
        words = [word for secret in secrets for word in (secret, secret.rpartition(" ")[2])]
        self.redaction.learn(words)
        guard_logs(words)

    def lasting(self, seconds: Any) -> float:
        """When a pass that lasts so many seconds is to be renewed; unknown means never before it is refused."""
        try:
            left = float(seconds)
        except (TypeError, ValueError):
            return float("inf")
        return self.clock() + left - min(MARGIN, left / 5)


class Keys(httpx.Auth):
    """API keys that stand in the query of every call."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.query = query

    def __repr__(self) -> str:
        return "Keys"

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Send the request with the keys in its query."""
        request.url = request.url.copy_merge_params(self.query)
        yield request


class TokenGrant(Signing):
    """OAuth 2.0's token endpoint (RFC 6749 §4.3, §4.4; RFC 7523 §2.1): a form in, a bearer token out."""

    def __init__(
        self,
        url: str,
        form: Callable[[], Mapping[str, str]],
        client: tuple[str, str] | None = None,
        prefix: str = "Bearer",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self.url, self.form, self.client, self.prefix = url, form, client, prefix

    def fetch(self, timing: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Pass]:
        """1 call."""
        asked = httpx.Request(
            "POST", self.url, data=dict(self.form()), headers={"Accept": "application/json"}, extensions=dict(timing)
        )
        if self.client:
            asked = next(httpx.BasicAuth(*self.client).auth_flow(asked))
        answer = yield asked
        answer.read()
        body = json_of(answer)
        token = pick(body, "access_token")
        if not answer.is_success or not isinstance(token, str) or not token:
            raise NotSignedIn("the token endpoint gave no token", answer)
        return Pass({"Authorization": f"{self.prefix} {token}"}, self.lasting(pick(body, "expires_in")))


def json_of(response: httpx.Response) -> Any:
    """The body as JSON; None where it is something else."""
    try:
        return response.json()
    except (ValueError, UnicodeDecodeError):
        return None


def end_of(token: str) -> float | None:
    """Seconds since 1970 at which a JWT ends, as it says itself (RFC 7519 §4.1.4); None where it says nothing."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    return float(claims["exp"]) if isinstance(claims.get("exp"), (int, float)) else None
