"""How calls prove who they are: the words under `auth`, and what httpx makes of them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

import httpx
import jwt
from pydantic import Field, SecretStr, model_validator

from connectors.logins import Login, Session
from connectors.saml import Saml
from connectors.signing import Keys, NotSignedIn, TokenGrant
from mappings.words import Words

WAYS = ("bearer", "header", "query", "basic", "oauth", "assertion", "saml", "login")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Basic(Words):
    """HTTP Basic credentials."""

    user: str
    """User name, or the API key where the vendor puts it there."""
    password: SecretStr = SecretStr("")


class OAuth(Words):
    """OAuth 2.0 without a person: client credentials (RFC 6749 §4.4), a vendor's own grant, or a password (§4.3)."""

    token_url: str
    """Below `url`, or a whole URL."""
    grant: str = "client_credentials"
    """The grant_type: `password` with `username` and `password` under `fields`, `account_credentials` at Zoom."""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    client: Literal["basic", "form"] = "basic"
    """How the client proves itself: HTTP Basic, or fields of the form (RFC 6749 §2.3.1)."""
    scope: str = ""
    """Scopes, separated by blanks."""
    fields: dict[str, SecretStr] = Field(default_factory=dict)
    """Further fields of the form: audience, account_id, username, password."""
    prefix: str = "Bearer"

    def form(self) -> dict[str, str]:
        """What is sent to the token endpoint."""
        sent = {"grant_type": self.grant, **({"scope": self.scope} if self.scope else {}), **opened(self.fields)}
        if self.client == "form" and self.client_id:
            sent |= {"client_id": self.client_id, "client_secret": self.client_secret.get_secret_value()}
        return sent

    def basic(self) -> tuple[str, str] | None:
        """Name and secret of the client for HTTP Basic."""
        by_header = self.client == "basic" and self.client_id
        return (self.client_id, self.client_secret.get_secret_value()) if by_header else None


class Assertion(Words):
    """A token for a JWT signed with one's own key: as a grant (RFC 7523 §2.1; Google, Box) or as the client's proof
    for client credentials (§2.2, `private_key_jwt`; Okta, Entra)."""

    token_url: str
    """Below `url`, or a whole URL."""
    key: SecretStr
    """The private key as PEM; line ends may be written `\\n`."""
    key_id: str = ""
    """Goes into the JWT's header as `kid`."""
    algorithm: str = "RS256"
    issuer: str
    """Who signs: a service account's address, or the client_id."""
    subject: str = ""
    """For whom: at Google the administrator to act as. Left out: for a client's proof the issuer, else nobody."""
    audience: str = ""
    """Left out: the token_url."""
    scope: str = ""
    """Scopes, separated by blanks: a claim of a grant, a field of the form beside a client's proof."""
    claims: dict[str, str] = Field(default_factory=dict)
    """Further claims."""
    use: Literal["grant", "client"] = "grant"
    seconds: int = Field(default=3600, gt=0, le=3600)
    """For how long an assertion is good; Google takes an hour at most, Box 60 s."""
    fields: dict[str, SecretStr] = Field(default_factory=dict)
    """Further fields of the form: client_id and client_secret at Box."""

    def form(self, audience: str, now: Callable[[], float] = time.time) -> dict[str, str]:
        """What is sent to the token endpoint; signed anew each time."""
        signed, extra = self.signed(audience, now()), opened(self.fields)
        if self.use == "grant":
            return {"grant_type": JWT_BEARER, "assertion": signed, **extra}
        proof = {"client_assertion_type": CLIENT_ASSERTION, "client_assertion": signed}
        return {"grant_type": "client_credentials", **proof, **({"scope": self.scope} if self.scope else {}), **extra}

    def signed(self, audience: str, now: float) -> str:
        """The JWT. NotSignedIn where the key is none, without showing it."""
        subject = self.subject or (self.issuer if self.use == "client" else "")
        claims: dict[str, Any] = {"iss": self.issuer, "aud": self.audience or audience, "jti": uuid.uuid4().hex}
        claims |= {"iat": int(now), "exp": int(now) + self.seconds, **({"sub": subject} if subject else {})}
        claims |= {"scope": self.scope} if self.scope and self.use == "grant" else {}
        key = self.key.get_secret_value().replace("\\n", "\n")
        try:
            header = {"kid": self.key_id} if self.key_id else None
            return jwt.encode(claims | self.claims, key, self.algorithm, header)
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:
            kind = type(error).__name__
        raise NotSignedIn(f"the key signs no {self.algorithm} ({kind}): it must be a private key as PEM")


class Auth(Words):
    """How calls prove who they are: exactly one of these."""

    bearer: SecretStr | None = None
    """A token for `Authorization: Bearer`."""
    header: dict[str, SecretStr] = Field(default_factory=dict)
    """Header name -> value, for API keys."""
    query: dict[str, SecretStr] = Field(default_factory=dict)
    """Query parameter -> value, for API keys that no header takes."""
    basic: Basic | None = None
    oauth: OAuth | None = None
    assertion: Assertion | None = None
    saml: Saml | None = None
    login: Login | None = None

    @model_validator(mode="after")
    def exactly_one(self) -> Auth:
        if sum(bool(getattr(self, way)) for way in WAYS) != 1:
            raise ValueError(f"give exactly one of {', '.join(WAYS)}")
        return self

    def headers(self) -> dict[str, str]:
        """Headers for every request, as far as they are always the same; Basic is left to httpx."""
        if self.bearer:
            return {"Authorization": f"Bearer {self.bearer.get_secret_value()}"}
        return opened(self.header)

    def flow(self, url: str) -> httpx.Auth | None:
        """What httpx does with each request to an app at `url`: Basic, keys in the query, a token that is fetched."""
        if self.basic:
            return httpx.BasicAuth(self.basic.user, self.basic.password.get_secret_value())
        if self.query:
            return Keys(opened(self.query))
        if self.login:
            return Session(url, self.login)
        return self.token_grant(url)

    def token_grant(self, url: str) -> TokenGrant | None:
        """The exchange at a token endpoint, where there is one."""
        if self.oauth:
            return TokenGrant(below(url, self.oauth.token_url), self.oauth.form, self.oauth.basic(), self.oauth.prefix)
        if self.assertion:
            asserted, where = self.assertion, below(url, self.assertion.token_url)
            return TokenGrant(where, lambda: asserted.form(where))
        if self.saml:
            stated, there = self.saml, below(url, self.saml.token_url)
            return TokenGrant(there, lambda: stated.form(there))
        return None


def opened(secrets: dict[str, SecretStr]) -> dict[str, str]:
    """The values behind secrets, for the wire."""
    return {name: value.get_secret_value() for name, value in secrets.items()}


def below(url: str, path: str) -> str:
    """A path below an app's url; a whole URL stays as it is."""
    return path if "://" in path else f"{url.rstrip('/')}/{path.lstrip('/')}"
