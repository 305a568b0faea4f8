"""Signing in as a person would: a session with its cookie and CSRF token, or a token for name and password."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Mapping
from html.parser import HTMLParser
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import httpx
from pydantic import Field, SecretStr, model_validator

from connectors.fields import nested, pick, text
from connectors.signing import NotSignedIn, Pass, Signing, end_of, json_of
from mappings.words import Words

LOGIN_PAGE = re.compile(r"log-?_?in|sign-?_?in|/auth|/sso|session", re.IGNORECASE)
"""What the path of a page that wants a password usually has in it."""
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
"""Methods for which no server wants a CSRF token (RFC 9110 §9.2.1)."""
ENDED = (401, 403, 419, 440)
"""Statuses that may mean that a session ended: Django REST Framework says 403, Laravel 419, IIS 440."""

Scalar = SecretStr | bool | int


class Place(Words):
    """Where an answer has a word that must be sent back: exactly one of these."""

    cookie: str = ""
    """Name of a cookie."""
    header: str = ""
    """Name of a header of the answer."""
    field: str = ""
    """A field of a JSON answer (dotted)."""
    input: str = ""
    """Name of a hidden field of an HTML form."""
    meta: str = ""
    """Name of a `<meta>` of an HTML page (Rails: csrf-token)."""

    @model_validator(mode="after")
    def exactly_one(self) -> Place:
        if sum(map(bool, (self.cookie, self.header, self.field, self.input, self.meta))) != 1:
            raise ValueError("give exactly one of cookie, header, field, input, meta")
        return self

    def found(self, response: httpx.Response) -> str | None:
        """The word in this answer; cookies are the jar's."""
        if self.header:
            return text(response.headers.get(self.header))
        if self.field:
            return text(pick(json_of(response), self.field))
        page = page_of(response)
        return page.inputs.get(self.input) if self.input else page.metas.get(self.meta)


class Csrf(Words):
    """The token that servers want back with every write, so that no foreign page can make it."""

    at: Place
    """Where it is found: on the start page, in the login's answer, or on `page`."""
    header: str = ""
    """The header that carries it, with the login and with every write."""
    page: str = ""
    """A page to read after the login, where the token changes with it."""


class Login(Words):
    """Name and password for a session or a token."""

    start: str = ""
    """A page to read first: it has the login form, or sets the cookie with the CSRF token."""
    verb: Literal["POST", "PUT"] = "POST"
    path: str
    """Where the login goes: below `url`, or a whole URL."""
    form: dict[str, Scalar] = Field(default_factory=dict)
    """What is sent as a form; the hidden fields of the form on the start page go with it."""
    json_: dict[str, Scalar | tuple[str, ...]] = Field(default_factory=dict, alias="json")
    """What is sent as JSON, by dotted names; a value may be a list of words."""
    headers: dict[str, str] = Field(default_factory=dict)
    csrf: Csrf | None = None
    cookie: str = ""
    """The cookie that only somebody signed in has; left out: any cookie that the login sets."""
    token: Place | None = None
    """Where the login's answer has a token; left out: the session's cookie is what counts."""
    header: str = "Authorization"
    """The header that carries the token."""
    prefix: str = "Bearer "
    """What stands before it: `JWT `, `Token `, nothing."""
    lasts: int | None = Field(default=None, gt=0)
    """Seconds for which a token is good; left out: as a JWT says itself, else until it is refused."""
    ended: tuple[int, ...] = ENDED
    """Statuses after which it is signed in again, once, besides being sent to a login page."""

    @model_validator(mode="after")
    def one_body(self) -> Login:
        if bool(self.form) == bool(self.json_):
            raise ValueError("give one of form, json: the name and password under the app's own names")
        return self


class Session(Signing):
    """A session that is held for all threads. It has ended when a call is answered with a status of `ended`, by being
    sent to a login page, or with a page that has a field for a password."""

    def __init__(self, base: str, login: Login, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.base, self.login = httpx.URL(base if base.endswith("/") else f"{base}/"), login
        self.jar = httpx.Cookies()
        self.csrf: str | None = None

    def fetch(self, timing: Mapping[str, Any]) -> Generator[httpx.Request, httpx.Response, Pass]:
        """1 to 3 calls: the start page, the login, the page with the next CSRF token."""
        self.jar, self.csrf = httpx.Cookies(), None
        hidden: Mapping[str, str] = {}
        if self.login.start:
            started = yield from self.call("GET", self.login.start, timing)
            hidden = page_of(started).hidden
        before = dict(self.jar.items())
        answer = yield from self.call(self.login.verb, self.login.path, timing, **self.body(hidden))
        held = self.passed(answer, before)
        if self.login.csrf and self.login.csrf.page:
            yield from self.call("GET", self.login.csrf.page, timing, held.headers)
        self.learn([*dict(self.jar.items()).values(), *([self.csrf] if self.csrf else [])])
        return held

    def call(
        self, verb: str, path: str, timing: Mapping[str, Any], headers: Mapping[str, str] | None = None, **body: Any
    ) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
        """One call of the sign-in itself, and what it leaves behind."""
        url = self.base.join(path.lstrip("/") if path.startswith("/") else path)
        sent = {"Accept": "application/json, text/html;q=0.9", **self.login.headers, **(headers or {})}
        request = httpx.Request(verb, url, headers=sent, extensions=dict(timing), **body)
        self.dress(request)
        answer = yield request
        answer.read()
        self.note(answer)
        if self.status(answer) >= 400:
            raise NotSignedIn("the sign-in was refused", answer)
        return answer

    def body(self, hidden: Mapping[str, str]) -> dict[str, Any]:
        """What the login sends."""
        if self.login.form:
            return {"data": {**hidden, **{name: text(plain(value)) for name, value in self.login.form.items()}}}
        return {"json": nested({name: plain(value) for name, value in self.login.json_.items()})}

    def passed(self, answer: httpx.Response, before: Mapping[str, str]) -> Pass:
        """The pass that the login's answer gives, or NotSignedIn: a wrong password is often answered with 200."""
        if self.login.token:
            token = self.word(self.login.token, answer)
            if not token:
                raise NotSignedIn(f"the login's answer has no token at {self.login.token!r}", answer)
            return Pass({self.login.header: f"{self.login.prefix}{token}"}, self.good_until(token))
        now = dict(self.jar.items())
        fresh = [n for n in now if now[n] != before.get(n) and not (self.login.cookie and n != self.login.cookie)]
        if asks_password(answer) or not fresh:
            raise NotSignedIn("the login's answer opened no session", answer)
        return Pass()

    def good_until(self, token: str) -> float:
        end = end_of(token)
        return self.lasting(self.login.lasts if end is None else end - time.time())

    def sign(self, request: httpx.Request, held: Pass) -> None:
        """Cookies, the token, and the CSRF token on writes; the session's own jar counts, not the client's."""
        request.headers.update(held.headers)
        self.dress(request)

    def dress(self, request: httpx.Request) -> None:
        """Put cookies and CSRF token on a request."""
        if "Cookie" not in (self.login.header if self.login.token else ""):
            request.headers.pop("Cookie", None)
            self.jar.set_cookie_header(request)
        csrf = self.login.csrf
        if csrf and csrf.header and request.method not in SAFE:
            token = unquote(self.jar.get(csrf.at.cookie) or "") if csrf.at.cookie else self.csrf  # Laravel quotes it
            request.headers.update({csrf.header: token} if token else {})
            request.headers.setdefault("Referer", str(request.url))  # Django wants it over HTTPS

    def note(self, response: httpx.Response) -> None:
        """Keep what an answer sets: cookies, and a new CSRF token."""
        self.jar.extract_cookies(response)
        csrf = self.login.csrf
        if csrf and not csrf.at.cookie:
            self.csrf = csrf.at.found(response) or self.csrf

    def word(self, place: Place, response: httpx.Response) -> str | None:
        return self.jar.get(place.cookie) if place.cookie else place.found(response)

    def stale(self, response: httpx.Response) -> bool:
        """Whether the session has ended; an answer that does not say so may renew cookies."""
        if self.status(response) in self.login.ended or asks_password(response) or self.sent_away(response):
            return True
        self.note(response)
        return False

    def sent_away(self, response: httpx.Response) -> bool:
        """Whether a redirect leads to a page that wants a password."""
        if not response.is_redirect:
            return False
        there = response.url.join(response.headers.get("location", "")).path
        known = {self.base.join(path.lstrip("/")).path for path in (self.login.start, self.login.path) if path}
        return there in known or bool(LOGIN_PAGE.search(there))

    def settled(self, again: httpx.Response) -> None:
        """A fresh session that is sent to the login page again is no session."""
        again.read()
        if asks_password(again) or self.sent_away(again):
            raise NotSignedIn("the app asks for the password again right after the sign-in", again)
        self.note(again)


class Seen(NamedTuple):
    """What a page has for whoever fills in its form."""

    inputs: dict[str, str]
    """Every field with a value, by name."""
    hidden: dict[str, str]
    """The hidden fields of the form with the password."""
    metas: dict[str, str]
    passwords: int
    """How many fields for a password it has."""
    action: str
    """Where the form with the password goes."""


class Page(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inputs, self.hidden, self.metas = dict[str, str](), dict[str, str](), dict[str, str]()
        self.form, self.target = dict[str, str](), ""
        self.passwords, self.action = 0, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form's fields and the page's metas."""
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form, self.target = {}, has.get("action", "")
        elif tag == "meta" and has.get("name"):
            self.metas[has["name"]] = has.get("content", "")
        elif tag == "input":
            self.field(has)

    def field(self, has: Mapping[str, str]) -> None:
        name, kind = has.get("name", ""), has.get("type", "text").casefold()
        self.inputs[name] = has.get("value", "")
        if kind == "hidden" and name:
            self.form[name] = has.get("value", "")
        if kind == "password":
            self.passwords, self.hidden, self.action = self.passwords + 1, self.form, self.target


def page_of(response: httpx.Response) -> Seen:
    """What an HTML page has; nothing of an answer that is none."""
    page = Page()
    if "html" in response.headers.get("content-type", ""):
        page.feed(response.text)
    return Seen(page.inputs, page.hidden, page.metas, page.passwords, page.action)


def asks_password(response: httpx.Response) -> bool:
    """Whether an answer is a login page: it has one field for a password, in a form that goes to itself or to a login.
    A page where an account is edited, which some apps show after a write, has two, or goes elsewhere."""
    page = page_of(response)
    return page.passwords == 1 and (not page.action or bool(LOGIN_PAGE.search(page.action)))


def plain(value: Scalar | tuple[str, ...]) -> Any:
    """The value behind a secret."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value
