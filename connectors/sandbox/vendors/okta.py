"""Okta: users with a life cycle, groups, app assignments, OAuth grants; SSWS tokens and scoped OAuth.

Made from okta-management (OpenAPI, 2026.06.3) and developer.okta.com: rate limits per minute (rl-global-mgmt, column
Workforce Identity), error codes (reference/error-codes), statuses (users API). From memory: which duplicates are told
how, that group memberships outlive a deactivation, and that a DELETE during a deactivation is taken and does nothing.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence

import jwt

from connectors.sandbox.faults import Fault
from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.store import Row, Table
from connectors.sandbox.vendors.okta_credentials import Credentials
from connectors.sandbox.vendors.okta_groups import Groups
from connectors.sandbox.vendors.okta_users import SIGNS_IN, stamp
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

TOKEN = "00okta-token-of-the-sandbox"
CLIENT = "0oa-rollcall-of-the-sandbox"
MINUTE = 60.0
WORKFORCE = (
    Limit(600, MINUTE, r"^(GET|POST) /api/v1/users$"),
    Limit(2000, MINUTE, r"^GET /api/v1/users/[^/]+$"),
    Limit(600, MINUTE, r"^(POST|PUT|DELETE) /api/v1/users/[^/]+$"),
    Limit(1000, MINUTE, r"^[A-Z]+ /api/v1/groups/[^/]+$"),
    Limit(500, MINUTE, r"^[A-Z]+ /api/v1/groups(/[^/]+/.*)?$"),
    Limit(500, MINUTE, r"^[A-Z]+ /api/v1/apps/[^/]+$"),
    Limit(100, MINUTE, r"^[A-Z]+ /api/v1/apps(/[^/]+/.*)?$"),
    Limit(2000, MINUTE, r"^[A-Z]+ /oauth2/v1/"),
    Limit(1200, MINUTE, r"^[A-Z]+ /api/v1/(?!groups|apps|users$|users/[^/]+$)"),
)
CODES = {
    400: "E0000001",
    401: "E0000011",
    403: "E0000006",
    404: "E0000007",
    405: "E0000022",
    429: "E0000047",
    500: "E0000009",
}
LOCKED_AFTER = 10  # wrong passwords
OPEN = ("/oauth2/v1/token", "/api/v1/authn")


class Okta(Groups, Credentials):
    """One company's Okta."""

    quotas = WORKFORCE
    settable = {"delay": (0, 0.2, 0.5, 2), "index_delay": (0, 0.2, 0.5, 2), "concurrent": (True, False)}
    concurrent = False
    """Whether every call is refused for too many calls at once: `X-Rate-Limit-Limit` is 0 then."""

    def make_tables(self) -> dict[str, Table]:
        keys = {"issued": Table("issued", {}), "jwks": Table("jwks", {})}
        return {**self.user_tables(), **self.group_tables(), **keys}

    def make_routes(self) -> Sequence[Route]:
        return (
            *self.user_routes(),
            *self.group_routes(),
            *self.credential_routes(),
            route("/api/v1/authn", post=self.authn),
            route("/oauth2/v1/token", post=self.issue),
            route(f"/oauth2/v1/clients/{CLIENT}/jwks", post=self.add_key),
        )

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return self.error(status, CODES.get(status, "E0000009"), message, (), *headers)

    def spoil(self, call: Call, fault: Fault) -> None:
        """Okta knows no Retry-After: it says when the limit resets."""
        if fault.kind == "429":
            raise Rejection(self.limited(1, fault.seconds))
        super().spoil(call, fault)

    # limits

    def answer(self, call: Call, fault: Fault | None) -> Answer:
        """With the headers that tell how much of the limit is left."""
        if self.concurrent:
            return self.limited(0, MINUTE)
        answer = super().answer(call, fault)
        meter = next((m for m in self.meters if m.counts(f"{call.method} {call.path}")), None)
        if meter is None or any(name == "X-Rate-Limit-Limit" for name, _ in answer.headers):
            return answer
        reset = meter.limit.per_seconds - (time.monotonic() - meter.began)
        told = budget(meter.limit.requests, meter.left, reset)
        return answer._replace(headers=(*answer.headers, *told))

    def over(self, meter: Meter, wait: float) -> Answer:
        return self.limited(meter.limit.requests, wait)

    def limited(self, limit: int, wait: float) -> Answer:
        message = "API call exceeded rate limit due to too many requests."
        return self.error(429, "E0000047", message, (), *budget(limit, 0, wait))

    # who asks

    def authorise(self, call: Call) -> None:
        kind, _, token = call.header(b"authorization").partition(" ")
        if call.path in OPEN or (kind == "SSWS" and token == TOKEN):
            return
        issued = self.store["issued"].rows.get(token) if kind == "Bearer" else None
        if not issued:
            raise Rejection(self.problem(401, "Invalid token provided"))
        if not wanted(call) & set(issued["scope"].split()):
            text = "You do not have permission to perform the requested action"
            raise Rejection(self.error(403, "E0000006", text))

    def issue(self, call: Call) -> Answer:
        """A token for client credentials, the client proved by a JWT signed with a key that Okta was given."""
        form = call.form()
        keys = [row["pem"] for row in call["jwks"].rows.values()]
        try:
            audience, key = call.base + call.path, keys[0] if keys else ""
            claims = jwt.decode(form.get("client_assertion", ""), key, ["RS256"], audience=audience)
        except (jwt.PyJWTError, ValueError) as error:
            return json_answer(401, {"error": "invalid_client", "error_description": f"{error}"})
        if form.get("grant_type") != "client_credentials" or claims["sub"] != CLIENT or not form.get("scope"):
            return json_answer(400, {"error": "invalid_request", "error_description": "grant, client or scope"})
        token = secrets.token_urlsafe(24)
        call["issued"].put(token, {"id": token, "scope": form["scope"]})
        body = {"token_type": "Bearer", "expires_in": 3600, "access_token": token, "scope": form["scope"]}
        return json_answer(200, body)

    def add_key(self, call: Call) -> Answer:
        """A public key of the client; as PEM, where Okta takes a JWK."""
        row = {"id": "1", "pem": call.json()["pem"]}
        return json_answer(201, call["jwks"].put("1", row))

    def authn(self, call: Call) -> Answer:
        """A sign-in with a password; after ten wrong ones the user is locked out."""
        asked = call.json()
        user = self.by_login(call, str(asked.get("username")))
        if not user or user["status"] not in SIGNS_IN:
            return self.error(401, "E0000004", "Authentication failed")
        if asked.get("password") == user["_password"]:
            return json_answer(200, {"status": "SUCCESS", "sessionToken": self.session(user)["id"]})
        wrong = user["_wrong"] + 1
        status = "LOCKED_OUT" if wrong >= LOCKED_AFTER and user["status"] == "ACTIVE" else user["status"]
        self.write(call, user | {"_wrong": wrong, "status": status})
        return self.error(401, "E0000004", "Authentication failed")

    def sign_in(self, user_name: str) -> Row | None:
        """The user follows the activation mail, where there is one, and signs in."""
        found = self.store["users"].by("login", user_name)
        user = self.settled(found[0]) if found else None
        if not user or user["status"] not in SIGNS_IN:
            return None
        if user["status"] == "PROVISIONED":
            self.write(None, user | {"status": "ACTIVE", "statusChanged": stamp(), "_password": "chosen-by-the-user"})
        return self.session(user)


def wanted(call: Call) -> set[str]:
    """The scopes of which one is needed."""
    parts = call.path.split("/")
    area = "roles" if parts[-1] == "roles" else parts[3] if len(parts) > 3 else ""
    verbs = ("read", "manage") if call.method == "GET" else ("manage",)
    return {f"okta.{area}.{verb}" for verb in verbs}


def budget(limit: int, left: int, wait: float) -> tuple[tuple[str, str], ...]:
    """The headers of a rate limit; the reset is a moment in whole seconds of UTC."""
    reset = math.ceil(time.time() + wait)
    told = {"Limit": str(limit), "Remaining": str(left), "Reset": str(reset)}
    return tuple((f"X-Rate-Limit-{name}", value) for name, value in told.items())


def environment(root: str) -> dict[str, str]:
    """What a client of this twin needs."""
    return {"OKTA_URL": root, "OKTA_TOKEN": TOKEN}


TWIN = Okta
