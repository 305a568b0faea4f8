"""Zoom's SCIM2 API (developers.zoom.us/docs/api/rest/scim-api): server-to-server OAuth, Accept application/scim+json.

Unverified: its rate limit label, its filters, that DELETE removes the user from the account, the shape of its errors.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_schema import BadValue
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

ACCOUNT, CLIENT, SECRET = "zoom-account", "zoom-client", "zoom-secret-of-the-sandbox"
TOKEN = "zoom-access-token-of-the-sandbox"


class ZoomScim(ScimTwin):
    """Users and groups of an account with a vanity URL."""

    token = f"Bearer {TOKEN}"
    base = "/scim2"
    quotas = (Limit(40),)
    most_operations = 0
    needs = ("name.givenName", "name.familyName")
    filters = {"users": 'userName eq ".*"', "groups": 'displayName eq ".*"|members.value eq ".*"'}

    def make_routes(self) -> Sequence[Route]:
        return (route("/oauth/token", post=self.grant), *super().make_routes())

    def authorise(self, call: Call) -> None:
        if call.path == "/oauth/token":
            return
        super().authorise(call)
        if "application/scim+json" not in call.header(b"accept"):
            raise Rejection(self.problem(406, "set Accept to application/scim+json"))

    def grant(self, call: Call) -> Answer:
        """An access token for the account (developers.zoom.us/docs/internal-apps/s2s-oauth)."""
        basic = f"Basic {b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}"
        form = call.form() | call.query
        if call.header(b"authorization") != basic:
            return json_answer(401, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"})
        if (form.get("grant_type"), form.get("account_id")) != ("account_credentials", ACCOUNT):
            return json_answer(400, {"reason": "unsupported grant type", "error": "unsupported_grant_type"})
        return json_answer(200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600})

    def checked(self, row: Row) -> Row:
        row = super().checked(row)
        if "@" not in str(row["userName"]):
            raise BadValue("userName is an email address")
        return row


TWIN = ZoomScim


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "ZOOM_SCIM_URL": f"{root}/scim2",
        "ZOOM_OAUTH_URL": f"{root}/oauth/token",
        "ZOOM_ACCOUNT_ID": ACCOUNT,
        "ZOOM_CLIENT_ID": CLIENT,
        "ZOOM_CLIENT_SECRET": SECRET,
    }
