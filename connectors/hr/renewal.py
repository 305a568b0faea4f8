"""Sign-ins by a refresh token (RFC 6749 §6): all processes share one access token, and one of them renews it.

Where each renewal gives a new refresh token and ends the old one, the last one is all that opens the door. So it is on
the disk before the access token that came with it is used for the first time, and that a renewal was begun is on the
disk before it is asked for: a process may be killed anywhere in between, and the next one knows where it stands.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors.fields import pick
from connectors.signing import MARGIN, NotSignedIn, Pass, Signing, json_of

FILE = "tokens.json"
HOUR = 3600.0  # seconds for which an access token is good whose answer does not say


@dataclass(frozen=True)
class Grant:
    """What a company gave Rollcall at a vendor, and how it is renewed there."""

    url: str
    """The token endpoint, whole."""
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr
    """The first one, as set by a person; where it changes, what was kept for the one before is worth nothing."""
    again: str
    """What a person does where it is refused: an order, with where to get a new one and where to put it."""
    takes: str = "data"
    """How the endpoint is asked: `data` for a form, `json`."""
    prefix: str = "Bearer"
    single_use: bool = False
    """Whether each renewal gives another refresh token."""
    too_often: Callable[[Any], float | None] = lambda body: None
    """Seconds to wait, where the body of an answer says that it was asked too often; None where it does not."""

    @property
    def mark(self) -> str:
        """The same for as long as the first refresh token is."""
        parts = (self.url, self.client_id, self.refresh_token.get_secret_value())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Tokens(BaseModel):
    """What is kept between renewals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mark: str = ""
    """Of which grant."""
    refresh: str = Field(default="", repr=False)
    access: str = Field(default="", repr=False)
    until: float = 0.0
    """Seconds since 1970 at which the access token is to be renewed."""
    begun: str = ""
    """When a renewal was begun whose answer is not here."""


class Purse:
    """Where tokens are kept: a file for its owner, for one holder at a time; without a folder only in memory."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.memory = folder, Tokens()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all others out, in other processes too; a lock goes with its process, however that ends."""
        if self.folder is None:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / "tokens.lock", os.O_RDWR | os.O_CREAT, 0o600)  # anew each time: a fork shares it
        with os.fdopen(lock) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self) -> Tokens:
        """What was written last; nothing where that cannot be read as such."""
        if self.folder is None:
            return self.memory
        try:
            return Tokens.model_validate_json((self.folder / FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return Tokens()

    def write(self, tokens: Tokens) -> None:
        """Replace what is kept, as a whole; it is on the disk when this returns."""
        self.memory = tokens
        if self.folder is None:
            return
        partial = self.folder / f"{FILE}.new"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(tokens.model_dump_json())
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self.folder / FILE)
        place = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


class Renewal(Signing):
    """An access token by a grant, out of the purse as long as it is good."""

    def __init__(
        self,
        grant: Grant,
        keep: Path | None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock)
        self.grant, self.purse, self.now = grant, Purse(keep), now
        self.given = ""
        """The access token that this process had last: whoever asks again has seen it refused, or end."""

    def fetch(self, timing: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Pass]:
        """No call where another process has renewed it meanwhile, else 1."""
        try:
            with self.purse.held():
                kept = self.kept()
                if kept.access in ("", self.given) or kept.until <= self.now():
                    kept = yield from self.renewed(kept, timing)
                return self.passed(kept)
        except OSError as error:
            why = f"the tokens cannot be kept in {self.purse.folder} ({error.strerror})"
            raise NotSignedIn(why, todo="Let this user write there, then run again.") from None

    def kept(self) -> Tokens:
        """What is kept of this grant; at first the refresh token that a person set."""
        kept, mark = self.purse.read(), self.grant.mark
        return kept if kept.mark == mark else Tokens(mark=mark, refresh=self.grant.refresh_token.get_secret_value())

    def renewed(self, kept: Tokens, timing: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Tokens]:
        """1 call. NotSignedIn where it is refused; what is kept is then as before."""
        if self.grant.single_use and self.purse.folder is None:
            raise NotSignedIn("there is no folder in which to keep the refresh token that a renewal gives")
        self.learn([kept.refresh])
        self.purse.write(kept.model_copy(update={"begun": said(self.now())}))
        answer = yield self.asking(kept.refresh, timing)
        answer.read()
        fresh = self.fresh(kept, answer)
        if fresh or answer.status_code < 500:  # after 5xx nobody knows whether it was done
            self.purse.write(fresh or kept)
        if fresh is None:
            raise self.refused(kept, answer)
        return fresh

    def asking(self, refresh: str, timing: Mapping[str, Any]) -> httpx.Request:
        """The request; the secrets stand in its body, since URLs are logged."""
        form = {"grant_type": "refresh_token", "client_id": self.grant.client_id, "refresh_token": refresh}
        form |= {"client_secret": self.grant.client_secret.get_secret_value()}
        body: dict[str, Any] = {self.grant.takes: form}
        headers = {"Accept": "application/json"}
        return httpx.Request("POST", self.grant.url, headers=headers, extensions=dict(timing), **body)

    def fresh(self, kept: Tokens, answer: httpx.Response) -> Tokens | None:
        """The tokens that an answer gives; None where it gives none."""
        body = json_of(answer)
        access, refresh = pick(body, "access_token"), pick(body, "refresh_token")
        if not answer.is_success or not isinstance(access, str) or not access:
            return None
        left = seconds_of(pick(body, "expires_in"))
        until = self.now() + left - min(MARGIN, left / 5)
        return Tokens(mark=kept.mark, refresh=str(refresh or kept.refresh), access=access, until=until)

    def refused(self, kept: Tokens, answer: httpx.Response) -> NotSignedIn:
        """What an answer without a token means."""
        body = json_of(answer)
        if (wait := self.grant.too_often(body)) is not None:
            headers = {"Retry-After": f"{wait:g}", "Content-Type": "application/json"}
            busy = httpx.Response(429, headers=headers, content=answer.content, request=answer.request)
            return NotSignedIn("the token endpoint was asked too often", busy)
        if pick(body, "error") not in ("invalid_grant", "invalid_code"):  # the second is Zoho's word for it
            return NotSignedIn("the token endpoint gave no token", answer)
        lost = (
            f": the renewal begun at {kept.begun} got no answer, and with it the next one was lost"
            if kept.begun
            else ""
        )
        return NotSignedIn(f"the refresh token is not taken any more{lost}", answer, self.grant.again)

    def passed(self, kept: Tokens) -> Pass:
        """The header with the access token."""
        self.given = kept.access
        return Pass({"Authorization": f"{self.grant.prefix} {kept.access}"}, self.clock() + kept.until - self.now())


def seconds_of(value: Any) -> float:
    """For how long a token is good."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return HOUR


def said(moment: float) -> str:
    """A moment as a person reads it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
