"""One HTTP call as YAML declares it: verb, path, query and body with places for ids, and what means `already so`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

import httpx
from pydantic import AfterValidator, BeforeValidator, Field

from connectors import places
from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.fields import nested, pick, text
from connectors.forms import Format, encoded
from connectors.http import Http
from connectors.places import fill as fill
from mappings.words import Words, as_list

GONE = (404, 410)
CHANGED, WANTS_VERSION = 412, 428
"""What servers say to an If-Match that is old or missing, and where one must be (RFC 9110 §15.5.13, RFC 6585 §3)."""
ATTEMPTS = 3
Place = Annotated[str, AfterValidator(places.check_all)]
"""Text with places in it."""
Texts = dict[str, Annotated[str, BeforeValidator(lambda value: text(value) or value)]]
"""Names and texts; YAML's numbers and its true and false are texts too."""
Query = Annotated[Texts, AfterValidator(places.check_all)]
Body = Annotated[dict[str, Any], AfterValidator(places.check_all)]
Values = Annotated[tuple[str | int | bool, ...], BeforeValidator(as_list)]


class Job(Words):
    """Where to see that an app has done what it only promised (202): asked until it says so."""

    path: Place
    """With `{job}`."""
    at: str = ""
    """Where the answer has the job's id (dotted); left out: the end of its Location header."""
    field: str
    """Where the job's answer says how it stands (dotted)."""
    done: Values
    failed: Values = ()
    every: float = Field(default=1.0, gt=0)
    """Seconds between two looks."""
    tries: int = Field(default=60, gt=0)

    def watch(self, http: Http, answer: httpx.Response, doing: str) -> httpx.Response:
        """Look until it is done. Refused where it failed, Retryable where it takes too long."""
        job = text(pick(http.body(answer, doing), self.at)) if self.at else ending(answer)
        path = fill(self.path, {"job": quote(job or "", safe="")})
        for _ in range(self.tries):
            seen = http.request("GET", path, doing=f"{doing} (waiting for its job)")
            state = pick(http.body(seen, doing), self.field)
            if any(same(state, good) for good in self.done):
                return seen
            if any(same(state, bad) for bad in self.failed):
                raise Refused(http.app, doing, f"the app's job ended as {state!r}", "Look at the job in the app.")
            http.sleep(self.every)
        raise Retryable(http.app, doing, f"the app's job is still {state!r}", "Look later: it may be done then.")


class Call(Words):
    """A call. `{id}`, `{key}` and `{entitlement}` stand for the account's id and key and the entitlement's id;
    `{token}` and `{owned}` for a thing that the account has, `{to}` for the id of the account that gets it."""

    verb: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Place
    """Below `url`, or a whole URL."""
    query: Query = Field(default_factory=dict)
    body: Body = Field(default_factory=dict)
    """What is always sent, by dotted field names."""
    headers: Texts = Field(default_factory=dict)
    """Headers of this call alone."""
    format: Format = "json"
    """How the body is written: json, form, multipart, json-patch (RFC 6902), xml."""
    accepts: tuple[int, ...] = ()
    """Statuses outside 2xx that mean that it was done: 302 after a form."""
    already: tuple[int, ...] = ()
    """Statuses that mean it was so before. Where there are none, the account is read first."""
    job: Job | None = None
    """Where the app only takes the work on: how to see that it is done."""
    if_match: bool = False
    """Whether the ETag that a GET of the same path shows goes with it as If-Match; an old one is read again."""

    def send(self, http: Http, doing: str, **at: Any) -> httpx.Response:
        """Make the call with its own body."""
        return self.carry({}, http, doing, **at)

    def carry(self, fields: Mapping[str, Any], http: Http, doing: str, **at: Any) -> httpx.Response:
        """Make the call with these fields besides its own."""
        own = places.filled(self.body, places.moments() | at)
        return self.deliver(nested({**own, **fields}), http, doing, **at)

    def deliver(
        self, body: Mapping[str, Any], http: Http, doing: str, headers: Mapping[str, str] | None = None, **at: Any
    ) -> httpx.Response:
        """Make the call with exactly this body; under If-Match where it is wanted and `headers` do not say it."""
        query = {name: fill(value, places.moments() | at) for name, value in self.query.items()}
        coded, kind = encoded(self.format, body)
        extra: dict[str, Any] = {"extensions": {"accepts": self.accepts}} if self.accepts else {}
        extra |= {"reads": True} if isinstance(self, Reading) else {}
        path = self.where(at)

        def once(more: Mapping[str, str]) -> httpx.Response:
            sent = {**kind, **self.headers, **more}
            return http.request(
                self.verb, path, doing=doing, params=query or None, headers=sent or None, **coded, **extra
            )

        try:
            answer = once(headers or {}) if headers or not self.if_match else matched(once, http, path, doing)
        except Refused as error:
            if self.if_match or error.status not in (CHANGED, WANTS_VERSION):
                raise
            todo = f"Say `if_match: true` there in apps/{http.app}.yaml."
            raise Refused(error.app, doing, error.why, todo, error.status) from None
        return self.job.watch(http, answer, doing) if self.job and answer.status_code == 202 else answer

    def where(self, at: Mapping[str, Any]) -> str:
        """The path with the places filled and quoted."""
        return fill(self.path, {name: quote(str(value), safe="") for name, value in at.items()})

    def done(self, http: Http, doing: str, missing: Outcome | None = None, **at: Any) -> Outcome:
        """Make the call; ALREADY for the statuses that say so, `missing` (where given) for no such account."""
        try:
            self.send(http, doing, **at)
        except Refused as error:
            if error.status in self.already:
                return Outcome.ALREADY
            if missing and error.status in GONE:
                return missing
            raise
        return Outcome.DONE

    def names(self, place: str) -> bool:
        """Whether the call has this place somewhere."""
        return any(name == place for name, _ in places.PLACE.findall(f"{self.path} {self.query} {self.body}"))


class Reading(Call):
    """A call that changes nothing; often only its path is given."""

    verb: Literal["GET", "POST"] = "GET"


def path_alone(value: Any) -> Any:
    """A path is a call that has nothing else."""
    return {"path": value} if isinstance(value, str) else value


Readable = Annotated[Reading, BeforeValidator(path_alone)]


class EndsSessions:
    """Adds `end_sessions` (1 call) to an app whose YAML declares `sessions`; keeps Sessions."""

    http: Http
    sessions: Call | None

    def end_sessions(self, id: str) -> Outcome:
        """1 call. ALREADY where the account is gone."""
        assert self.sessions is not None
        return self.sessions.done(self.http, f"end sessions of {id}", Outcome.ALREADY, id=id)


def matched(once: Callable[[Mapping[str, str]], httpx.Response], http: Http, path: str, doing: str) -> httpx.Response:
    """Make a call under the version that its path shows now, and again where somebody was faster."""
    for last in (False,) * (ATTEMPTS - 1) + (True,):
        tag = http.request("GET", path, doing=doing).headers.get("etag")
        try:
            return once({"If-Match": tag} if tag else {})
        except Refused as error:
            if last or not tag or error.status != CHANGED:
                raise
    raise AssertionError("the last attempt returns or raises")


def ending(answer: httpx.Response) -> str | None:
    """The last part of an answer's Location, absolute or relative: the id of what was made."""
    path = httpx.URL(answer.headers.get("location", "")).path
    return path.rstrip("/").rpartition("/")[2] or None


def same(value: Any, other: Any) -> bool:
    """Whether two values of a status field mean the same: `true` is True, `Active` is `active`."""
    return str(value).casefold() == str(other).casefold()
