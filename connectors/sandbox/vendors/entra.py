"""Microsoft Entra ID over Microsoft Graph v1.0: tokens that run out, $batch, published quotas; users and groups beside.

Sources: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, /graph/json-batching,
/graph/throttling-limits (identity and access), /graph/errors; the property names of ../shared/specs/msgraph.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import orjson

from connectors.sandbox.possessions import Possession
from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.store import Row, Table
from connectors.sandbox.vendors.entra_groups import Groups
from connectors.sandbox.vendors.entra_odata import Unsupported
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

TENANT = "5e1f0a52-7c1d-4b9e-9a4e-000000000001"
CLIENT_ID = "5e1f0a52-7c1d-4b9e-9a4e-000000000002"
CLIENT_SECRET = "entra-secret-of-the-sandbox"
SCOPE = "https://graph.microsoft.com/.default"
MOST_IN_BATCH = 20
UNITS = r"^\w+ /v1\.0/(?!\$batch)"
WRITES = r"^(POST|PATCH|PUT|DELETE) /v1\.0/(?!\$batch|users/getByIds)"
COSTS = {
    "GET /v1.0/users": 2,
    "members": 3,
    "memberOf": 2,
    "ownedObjects": 2,
    "oauth2PermissionGrants": 2,
    "subscribedSkus": 3,
    "getByIds": 3,
}
"""Resource units by the end of a path; anything else is 1 (throttling-limits, `Pattern`)."""
CODES = {
    400: "Request_BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Authorization_RequestDenied",
    404: "Request_ResourceNotFound",
    409: "Directory_ConcurrencyViolation",
    410: "syncStateNotFound",
    429: "TooManyRequests",
}


class Entra(Groups):
    """A tenant of middling size: 5,000 resource units in 10 seconds, 3,000 writes in 150."""

    quotas = (Limit(5000, 10.0, UNITS), Limit(3000, 150.0, WRITES))
    settable = {"lag": (0, 0.2, 0.5, 1, 2), "lifetime": (3599, 0, 0.2, 1)}
    lifetime = 3599.0
    """Seconds for which a token is good."""
    possessions = {
        "oauth2PermissionGrants": Possession(
            "principalId", {"clientId": "", "consentType": "Principal", "resourceId": "", "scope": "openid"}
        ),
        "methods": Possession("user", {"kind": "phone", "displayName": "", "phoneType": None, "default": False}),
        "applications": Possession("creator", {"displayName": ""}),
    }

    def make_tables(self) -> dict[str, Table]:
        self.tokens: dict[str, float] = {}
        return self.user_tables() | self.group_tables()

    def make_routes(self) -> Sequence[Route]:
        token = route("/{tenant}/oauth2/v2.0/token", post=self.token)
        return (
            token,
            route("/v1.0/$batch", post=self.batch),
            *self.user_routes(),
            *self.credential_routes(),
            *self.group_routes(),
        )

    # who is asking

    def token(self, call: Call) -> Answer:
        form = call.form()
        if call.params["tenant"] != TENANT:
            return no_token(400, "invalid_request", "AADSTS90002: Tenant not found.")
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            return no_token(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.")
        if form.get("client_id") != CLIENT_ID:
            return no_token(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if form.get("client_secret") != CLIENT_SECRET:
            return no_token(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        made = secrets.token_urlsafe(24)
        self.tokens[made] = time.monotonic() + self.lifetime
        body = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": made}
        return json_answer(200, body, ("Cache-Control", "no-store"))

    def authorise(self, call: Call) -> None:
        if not call.path.startswith("/v1.0/"):
            return
        scheme, _, token = call.header(b"authorization").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise Rejection(self.problem(401, "Access token is empty or invalid."))
        if self.tokens[token] <= time.monotonic():
            raise Rejection(self.problem(401, "Access token has expired or is not yet valid."))

    # how it says no

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        code = CODES.get(status, "UnknownError")
        return json_answer(status, {"error": {"code": code, "message": message}}, *headers)

    def malformed(self, error: ValueError) -> Answer:
        return self.problem(400, f"Unable to read JSON request payload: {error}")

    def dispatch(self, call: Call) -> Answer:
        try:
            return super().dispatch(call)
        except Unsupported as error:
            body = {"error": {"code": "Request_UnsupportedQuery", "message": str(error)}}
            return json_answer(400, body)

    # how much it takes

    def count(self, call: Call) -> None:
        """A request has a cost in resource units, and a write counts for a second limit."""
        line = f"{call.method} {call.path}"
        waits = [(self.drawn(meter, call), meter) for meter in self.meters if meter.counts(line)]
        wait, meter = max(waits, key=lambda each: each[0], default=(0.0, None))
        if wait and meter:
            raise Rejection(self.over(meter, wait))

    def drawn(self, meter: Meter, call: Call) -> float:
        return max([meter.wait() for _ in range(cost(call) if meter.limit.calls == UNITS else 1)])

    def over(self, meter: Meter, wait: float) -> Answer:
        limit = "Write" if meter.limit.calls == WRITES else "ReadWrite"
        scope = ("x-ms-throttle-scope", f"Tenant_Application/{limit}/{CLIENT_ID}/{TENANT}")
        return self.problem(429, "Too Many Requests", ("Retry-After", str(max(1, math.ceil(wait)))), scope)

    # many at once

    def batch(self, call: Call) -> Answer:
        """Each request for itself; one whose `dependsOn` failed is not tried (424)."""
        asked = call.json().get("requests")
        if not isinstance(asked, list) or not asked:
            raise self.no(400, "The batch request has no requests.")
        if len(asked) > MOST_IN_BATCH:
            raise self.no(400, f"Number of batch request steps exceeds the maximum value of {MOST_IN_BATCH}.")
        ids = [str(one.get("id") or "").casefold() for one in asked]
        if "" in ids or len(set(ids)) < len(ids):
            raise self.no(400, "Each request in a batch needs an id of its own.")
        answers: dict[str, Row] = {}
        for one in asked:
            answers[str(one["id"]).casefold()] = self.step(call, one, answers)
        return json_answer(200, {"responses": list(reversed(answers.values()))})

    def step(self, call: Call, one: Row, before: dict[str, Row]) -> Row:
        """One request of a batch, as if it had come alone."""
        needs = [before.get(str(id).casefold(), {"status": 424}) for id in one.get("dependsOn") or ()]
        if any(need["status"] >= 400 for need in needs):
            return shown(one["id"], self.problem(424, "The request depends on one that failed."))
        headers = {str(k).lower().encode(): str(v).encode() for k, v in (one.get("headers") or {}).items()}
        if one.get("body") is not None and b"content-type" not in headers:
            return shown(one["id"], self.problem(400, "Write request id : a Content-Type header is required."))
        return shown(one["id"], self.inner(call, one, headers))

    def inner(self, call: Call, one: Row, headers: dict[bytes, bytes]) -> Answer:
        where = urlsplit(str(one["url"]))
        path = "/v1.0/" + unquote(where.path.lstrip("/"))
        if path == "/v1.0/$batch":
            return self.problem(400, "A batch cannot hold a batch.")
        sent = {b"authorization": call.headers.get(b"authorization", b"")} | headers
        body = orjson.dumps(one["body"]) if one.get("body") is not None else b""
        method = str(one["method"]).upper()
        inner = Call(method, path, where.query, sent, body, call.store, call.today, call.base)
        inner.wrong_first_hit = call.wrong_first_hit
        return self.answer(inner, self.faults.hitting(method, self.prefix + path, where.query))


def cost(call: Call) -> int:
    """Resource units: what the path costs, one less with $select or a small $top, one more with $expand."""
    last = call.path.rsplit("/", 1)[-1]
    base = COSTS.get(f"{call.method} {call.path}") or (
        COSTS.get(last, 1) if call.method == "GET" or last == "getByIds" else 1
    )
    query = call.query if call.query_string else {}
    small = query.get("$top", "").isdigit() and int(query["$top"]) < 20
    return max(1, base - ("$select" in query) + ("$expand" in query) - small)


def shown(id: str, answer: Answer) -> Row:
    """An answer inside a batch's."""
    body = orjson.loads(answer.body) if answer.body else None
    headers = {"Content-Type": answer.content_type, **dict(answer.headers)}
    return {"id": id, "status": answer.status, "headers": headers, **({"body": body} if body is not None else {})}


def no_token(status: int, error: str, description: str) -> Answer:
    return json_answer(status, {"error": error, "error_description": description})


TWIN = Entra


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "ENTRA_URL": f"{root}/v1.0",
        "ENTRA_TOKEN_URL": f"{root}/{TENANT}/oauth2/v2.0/token",
        "ENTRA_CLIENT_ID": CLIENT_ID,
        "ENTRA_CLIENT_SECRET": CLIENT_SECRET,
    }
