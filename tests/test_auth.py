"""Sign-ins that are fetched: OAuth, assertions, sessions with CSRF tokens, JWTs; held once, renewed, never shown."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from connectors_servers import Asked, Said, Scripted
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from connectors.auth import Auth
from connectors.errors import Refused, Retryable
from connectors.http import Http, client
from connectors.surroundings import Surroundings

SECRET, PASSWORD = "canary-client-secret", "canary-pass+word/7"
SECRETS = {"APP_SECRET": SECRET, "APP_PASSWORD": PASSWORD}


class Idp:
    """A server with a token endpoint, a session login and a JWT login before one list of users."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made = 0
        self.good = set[str]()
        self.lasts: Any = 3600
        self.refuses: Said | None = None
        self.gone: Said = Said(401, {"detail": "token expired"})
        self.csrf = "csrf-of-nobody"

    def __call__(self, asked: Asked) -> Said:
        with self.lock:
            kind = asked.path.rpartition("/")[2]
            return getattr(self, f"do_{kind}", self.do_users)(asked)

    def new(self) -> str:
        self.made += 1
        return f"canary-token-{self.made}"

    def do_token(self, asked: Asked) -> Said:
        if self.refuses:
            return self.refuses
        token = self.new()
        self.good = {f"Bearer {token}"}
        return Said(200, {"access_token": token, "token_type": "bearer", "expires_in": self.lasts})

    def do_jwt(self, asked: Asked) -> Said:
        if asked.json["auth"]["password"] != PASSWORD:
            return Said(400, {"non_field_errors": ["Unable to log in"]})
        self.made += 1
        end = time.time() + float(self.lasts)
        token = jwt.encode({"exp": int(end), "n": self.made}, "0123456789abcdef0123456789abcdef", "HS256")
        self.good = {f"JWT {token}"}
        return Said(200, {"data": {"access": token}})

    def do_login(self, asked: Asked) -> Said:
        form = (
            '<form><input type="hidden" name="csrfmiddlewaretoken" value="%s"><input type="password" name="p"></form>'
        )
        if asked.method == "GET":
            self.csrf = f"csrf-{self.new()}"
            return Said(200, form % self.csrf, {"Set-Cookie": f"csrftoken={self.csrf}; Path=/"})
        sent = dict(parse_qsl(asked.text))
        if sent.get("csrfmiddlewaretoken") != self.csrf or cookie(asked, "csrftoken") != self.csrf:
            return Said(403, "<h1>CSRF verification failed</h1>")
        if sent.get("password") != PASSWORD:
            return Said(200, form % self.csrf, {"Set-Cookie": "messages=wrong; Path=/"})
        token = self.new()
        self.good, self.csrf = {token}, f"csrf-{token}"
        both = f"sessionid={token}; Path=/\r\nSet-Cookie: csrftoken={self.csrf}; Path=/"
        return Said(302, None, {"Location": "/home", "Set-Cookie": both})

    def do_users(self, asked: Asked) -> Said:
        proof = {asked.headers.get("Authorization"), cookie(asked, "sessionid")}
        if not proof & self.good:
            return self.gone
        if asked.method != "GET" and cookie(asked, "sessionid") and asked.headers.get("X-CSRFToken") != self.csrf:
            return Said(403, {"detail": "CSRF Failed"})
        return Said(200, {"results": []})

    def end(self) -> None:
        self.good = set()


def cookie(asked: Asked, name: str) -> str | None:
    found = SimpleCookie(asked.headers.get("Cookie", "")).get(name)
    return found.value if found else None


@pytest.fixture
def idp() -> Idp:
    return Idp()


@pytest.fixture
def server(idp: Idp) -> Iterator[Scripted]:
    with Scripted(idp) as running:
        yield running


def http(server: Scripted, auth: dict[str, Any]) -> Http:
    inner = client(server.url, Auth.model_validate(auth))
    return Http("crm", inner, Surroundings(SECRETS), patience=0.2, sleep=lambda _: None)


def oauth(server: Scripted, **more: Any) -> dict[str, Any]:
    return {"oauth": {"token_url": "/oauth/token", "client_id": "rollcall", "client_secret": SECRET} | more}


def login(**more: Any) -> dict[str, Any]:
    words = {"start": "/login", "path": "/login", "form": {"username": "robot", "password": PASSWORD}}
    return {"login": words | {"csrf": {"at": {"cookie": "csrftoken"}, "header": "X-CSRFToken"}} | more}


def jwt_login(**more: Any) -> dict[str, Any]:
    words = {"path": "/api/jwt", "json": {"auth.user": "robot", "auth.password": PASSWORD}}
    return {"login": words | {"token": {"field": "data.access"}, "prefix": "JWT "} | more}


KINDS = {"oauth": {}, "login": {}, "jwt": {}}


def kind_of(kind: str, server: Scripted) -> dict[str, Any]:
    return {"oauth": oauth(server), "login": login(), "jwt": jwt_login()}[kind]


def calls(server: Scripted, path: str) -> int:
    return sum(asked.path.endswith(path) and asked.method == "POST" for asked in server.asked)


SIGN_IN = {"oauth": "token", "login": "login", "jwt": "jwt"}


@pytest.mark.parametrize("kind", SIGN_IN)
def test_signs_in_once_for_many_threads(kind: str, server: Scripted) -> None:
    app = http(server, kind_of(kind, server))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: app.json("GET", "/users", doing="list"), range(40)))

    assert found == [{"results": []}] * 40 and calls(server, SIGN_IN[kind]) == 1


@pytest.mark.parametrize("kind", SIGN_IN)
def test_signs_in_again_when_the_pass_is_refused(kind: str, server: Scripted, idp: Idp) -> None:
    app = http(server, kind_of(kind, server))
    app.json("POST", "/users", doing="write", json={"a": 1})
    idp.end()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: app.json("POST", "/users", doing="write", json={"a": 2}), range(20)))

    assert found == [{"results": []}] * 20 and calls(server, SIGN_IN[kind]) == 2
    assert server.asked[-1].json == {"a": 2}


@pytest.mark.parametrize("kind", ["oauth", "jwt"])
def test_renews_a_token_before_it_ends(kind: str, server: Scripted, idp: Idp) -> None:
    idp.lasts, idp.gone = 2, Said(500, {"detail": "an ended token was sent"})
    app = http(server, kind_of(kind, server))
    flow: Any = app.client.auth
    app.json("GET", "/users", doing="list")
    now = time.monotonic()

    flow.clock = lambda: now + 1.9
    app.json("GET", "/users", doing="list")

    assert calls(server, SIGN_IN[kind]) == 2


@pytest.mark.parametrize(
    "gone",
    [
        Said(401, {"detail": "no session"}),
        Said(403, {"detail": "Authentication credentials were not provided."}),
        Said(302, None, {"Location": "/accounts/login/?next=/users"}),
        Said(200, '<form><input type="password" name="password"></form>'),
        Said(419, {"message": "CSRF token mismatch."}),
    ],
    ids=["401", "403", "redirect", "login page", "419"],
)
def test_a_session_may_end_in_any_way(gone: Said, server: Scripted, idp: Idp) -> None:
    app = http(server, login())
    app.json("GET", "/users", doing="list")
    idp.gone = gone
    idp.end()

    assert app.json("POST", "/users", doing="write", json={}) == {"results": []}


@pytest.mark.parametrize(
    "fields",
    ['<input type="password" name="new"><input type="password" name="again">', '<input type="password" name="new">'],
)
def test_a_page_that_edits_an_account_is_no_login_page(fields: str, server: Scripted, idp: Idp) -> None:
    app = http(server, login())
    idp.do_users = lambda asked: Said(200, f'<form action="/users/7/edit">{fields}</form>')  # type: ignore[method-assign]

    app.request("POST", "/users", doing="write", data={"name": "x"})

    assert calls(server, "users") == 1 and calls(server, "login") == 1


def test_a_session_that_never_holds_is_no_success(server: Scripted, idp: Idp) -> None:
    idp.gone = Said(200, '<form><input type="password" name="password"></form>')
    app = http(server, login())
    app.json("GET", "/users", doing="list")
    grant, idp.do_login = idp.do_login, lambda asked: [grant(asked), idp.end()][0]  # type: ignore[method-assign, func-returns-value]
    idp.end()

    with pytest.raises(Refused, match="asks for the password again right after"):
        app.json("POST", "/users", doing="write", json={})


def test_a_403_that_no_sign_in_mends_is_told_as_such(server: Scripted, idp: Idp) -> None:
    app = http(server, login())
    idp.do_users = lambda asked: Said(403, {"detail": "You may not."})  # type: ignore[method-assign]

    with pytest.raises(Refused, match="not permitted") as caught:
        app.json("GET", "/users", doing="list")

    assert caught.value.status == 403


@pytest.mark.parametrize("kind", ["login", "jwt"])
def test_a_wrong_password_is_told_and_not_tried_by_everybody(kind: str, server: Scripted) -> None:
    auth = kind_of(kind, server)
    where = "form" if kind == "login" else "json"
    auth["login"][where] = {n: "wrong-canary" if "password" in n else v for n, v in auth["login"][where].items()}
    app = http(server, auth)

    for _ in range(10):
        with pytest.raises(Refused, match="cannot sign in.*Check APP_SECRET, APP_PASSWORD") as caught:
            app.json("GET", "/users", doing="list")

    assert caught.value.status == 401 and "canary" not in str(caught.value)
    assert calls(server, SIGN_IN[kind]) == 1


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refused_client_is_never_a_missing_account(status: int, server: Scripted, idp: Idp) -> None:
    idp.refuses = Said(status, {"error": "invalid_client", "error_description": f"bad secret {SECRET}"})

    with pytest.raises(Refused, match="bad secret") as caught:
        http(server, oauth(server)).json("GET", "/users", doing="list")

    assert caught.value.status == 401 and SECRET not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_endpoint_in_trouble_may_be_asked_again(status: int, server: Scripted, idp: Idp) -> None:
    idp.refuses = Said(status, {}, {"Retry-After": "60"} if status == 429 else {})
    app = http(server, oauth(server))

    with pytest.raises(Retryable, match="signing in"):
        app.json("GET", "/users", doing="list")
    idp.refuses = None

    assert app.json("GET", "/users", doing="list") == {"results": []}


def test_the_client_proves_itself_as_told(server: Scripted) -> None:
    http(server, oauth(server, scope="a b")).json("GET", "/users", doing="list")
    fields = {"account_id": "acc-1"}
    http(server, oauth(server, client="form", grant="account_credentials", fields=fields)).json("GET", "/u", doing="x")

    basic, form = [asked for asked in server.asked if asked.path == "/oauth/token"]
    assert basic.headers["Authorization"].startswith("Basic ")
    assert dict(parse_qsl(basic.text)) == {"grant_type": "client_credentials", "scope": "a b"}
    assert form.headers["Authorization"] is None
    named = {"client_id": "rollcall", "client_secret": SECRET}
    assert dict(parse_qsl(form.text)) == {"grant_type": "account_credentials", **fields, **named}


def test_a_token_that_the_server_quotes_is_masked(server: Scripted, idp: Idp) -> None:
    idp.do_users = lambda asked: Said(400, {"detail": f"no {asked.headers['Authorization']}"})  # type: ignore[method-assign]

    with pytest.raises(Refused, match=r"no \*\*\*") as caught:
        http(server, oauth(server)).json("GET", "/users", doing="list")

    assert "canary" not in str(caught.value)


def test_a_quoted_cookie_is_sent_back_as_it_means(server: Scripted) -> None:
    given = {"Set-Cookie": "XSRF-TOKEN=ab%3Dcd%2B; Path=/"}
    server.script = lambda asked: Said(204 if asked.method == "POST" else 200, None, given | {"X-S": "1"})
    csrf = {"at": {"cookie": "XSRF-TOKEN"}, "header": "X-XSRF-TOKEN"}
    words = {"start": "/sanctum/csrf-cookie", "path": "/login", "json": {"email": "a", "password": PASSWORD}}

    with pytest.raises(Refused, match="opened no session"):
        http(server, {"login": words | {"csrf": csrf}}).json("GET", "/users", doing="list")

    assert server.asked[-1].headers["X-XSRF-TOKEN"] == "ab=cd+"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    private, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, private, plain).decode()


@pytest.mark.parametrize("use", ["grant", "client"])
def test_a_key_signs_for_a_token(use: str, server: Scripted, key: rsa.RSAPrivateKey) -> None:
    words = {"token_url": "/oauth/token", "key": pem(key).replace("\n", "\\n"), "key_id": "k1", "use": use}
    app = http(server, {"assertion": words | {"issuer": "robot@app.example", "subject": "it@a.example", "scope": "s"}})

    app.json("GET", "/users", doing="list")

    sent = dict(parse_qsl(server.asked[0].text))
    signed = sent["assertion" if use == "grant" else "client_assertion"]
    claims = jwt.decode(signed, key.public_key(), algorithms=["RS256"], audience=f"{server.url}/oauth/token")
    assert claims["iss"] == "robot@app.example" and claims["sub"] == "it@a.example"
    assert jwt.get_unverified_header(signed)["kid"] == "k1"
    assert claims["exp"] - claims["iat"] == 3600
    assert ("scope" in claims, "scope" in sent) == (use == "grant", use == "client")


def test_a_key_that_is_none_is_told_without_showing_it(server: Scripted) -> None:
    words = {"token_url": "/oauth/token", "key": "canary-no-pem", "issuer": "robot"}

    with pytest.raises(Refused, match="must be a private key as PEM") as caught:
        http(server, {"assertion": words}).json("GET", "/users", doing="list")

    assert "canary" not in str(caught.value) + repr(caught.value.__context__)


def test_keys_in_the_query_go_with_every_call(server: Scripted) -> None:
    server.script = lambda asked: Said(200, {})

    http(server, {"query": {"api_key": SECRET}}).json("GET", "/users", doing="list", params={"page": "2"})

    assert server.asked[0].query == {"page": "2", "api_key": SECRET}


def test_a_token_may_come_in_a_header_and_go_in_a_cookie(server: Scripted) -> None:
    given = Said(200, {"data": {"csrf": "c-1"}}, {"Token": "canary-t-9"})
    server.script = lambda asked: given if asked.path == "/login" else Said(200, {})
    words = {"path": "/login", "json": {"u": "a", "p": PASSWORD}, "token": {"header": "Token"}}
    words |= {"header": "Cookie", "prefix": "Ticket=", "csrf": {"at": {"field": "data.csrf"}, "header": "X-CSRF"}}

    http(server, {"login": words}).json("POST", "/users", doing="write", json={})

    assert server.asked[-1].headers["Cookie"] == "Ticket=canary-t-9"
    assert server.asked[-1].headers["X-CSRF"] == "c-1"


def test_rails_tells_its_token_on_a_page(server: Scripted) -> None:
    def rails(asked: Asked) -> Said:
        page = '<meta name="csrf-token" content="%s"><form><input type="hidden" name="authenticity_token" value="%s">'
        if asked.path == "/users/sign_in" and asked.method == "GET":
            form = page % ("m-1", "a-1") + '<input type="password" name="user[password]"></form>'
            return Said(200, form, {"Set-Cookie": "_app_session=anonymous; Path=/"})
        if asked.path == "/users/sign_in":
            good = dict(parse_qsl(asked.text)).get("authenticity_token") == "a-1"
            return Said(303 if good else 422, None, {"Location": "/", "Set-Cookie": "_app_session=mine; Path=/"})
        return Said(200, page % ("m-2", "a-2")) if asked.method == "GET" else Said(200, {})

    server.script = rails
    form = {"user[email]": "robot@app.example", "user[password]": PASSWORD}
    csrf = {"at": {"meta": "csrf-token"}, "header": "X-CSRF-Token", "page": "/"}
    words = {"start": "/users/sign_in", "path": "/users/sign_in", "form": form, "csrf": csrf}

    http(server, {"login": words}).json("POST", "/users", doing="write", json={})

    assert server.asked[-1].headers["X-CSRF-Token"] == "m-2"
    assert cookie(server.asked[-1], "_app_session") == "mine"


@pytest.mark.parametrize("kind", SIGN_IN)
def test_nothing_of_a_sign_in_is_logged(
    kind: str, server: Scripted, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    app = http(server, kind_of(kind, server))

    with caplog.at_level(logging.DEBUG):
        app.json("GET", "/users", doing="list")
        idp.end()
        app.json("POST", "/users", doing="write", json={})

    shown = caplog.text + repr(app) + repr(app.client.auth) + repr(vars(app.client.auth)["held"])
    assert len(caplog.records) > 10 and "canary" not in shown and "csrf-" not in shown.replace("csrf-token", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({}, "give exactly one of bearer, header, query, basic, oauth, assertion, saml, login"),
        ({"bearer": "x", "query": {"a": "b"}}, "give exactly one of"),
        ({"login": {"path": "/login"}}, "give one of form, json"),
        ({"login": {"path": "/l", "form": {"a": "b"}, "token": {}}}, "give exactly one of cookie, header"),
    ],
)
def test_says_what_is_wrong_with_the_words(words: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Auth.model_validate(words)
