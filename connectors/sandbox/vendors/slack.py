"""Slack for an Enterprise organisation: its SCIM API for accounts, and the Web API for all that SCIM does not know."""

from __future__ import annotations

import math
from uuid import uuid4

from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.vendors.slack_scim import SlackScim
from connectors.sandbox.vendors.slack_web import WebApi, refused
from connectors.sandbox.wire import Answer, Call, json_answer

TOKEN = "xoxp-of-the-organisation"
SCIM = r" /scim/v2/"


def scim_only(limit: Limit) -> Limit:
    """A limit of the SCIM API that leaves the Web API alone."""
    return limit if "/scim/" in limit.calls else limit._replace(calls=f"{limit.calls.rstrip(' ')}{SCIM}")


class Slack(WebApi):
    """Both APIs take the same token. Nobody is ever deleted."""

    token = f"Bearer {TOKEN}"
    quotas = (
        *(scim_only(limit) for limit in SlackScim.quotas),
        Limit(20, 60, r" /api/usergroups\.list"),
        Limit(20, 60, r" /api/usergroups\.users\.list"),
        Limit(20, 60, r" /api/usergroups\.users\.update"),
        Limit(20, 60, r" /api/usergroups\.(create|enable|disable)"),
        Limit(20, 60, r" /api/conversations\.list"),
        Limit(100, 60, r" /api/conversations\.members"),
        Limit(50, 60, r" /api/conversations\.(invite|kick)"),
        Limit(50, 60, r" /api/users\.conversations"),
        Limit(100, 60, r" /api/users\.info"),
        Limit(20, 60, r" /api/admin\."),
    )
    """The Web API's tiers: 2 is 20 a minute, 3 is 50, 4 is 100 (docs.slack.dev/apis/web-api/rate-limits)."""
    settable = {
        "missing_scope": ("", "usergroups:write", "channels:write", "admin.users:write"),
        "grid": (True, False),
    }
    accounts = "users"
    pages = 105

    def seed(self) -> None:
        super().seed()
        self.seed_web()

    def new_id(self, call: Call, table: str) -> str:
        """W… for users, S… for groups."""
        return f"{'W' if table == 'users' else 'S'}{uuid4().hex[:9].upper()}"

    def authorise(self, call: Call) -> None:
        """The Web API says 200 even to this."""
        if not call.path.startswith("/api/"):
            return super().authorise(call)
        sent = call.header(b"authorization")
        if sent != self.token:
            raise refused({"ok": False, "error": "invalid_auth" if sent else "not_authed"})
        return None

    def over(self, meter: Meter, wait: float) -> Answer:
        """429 with Retry-After at both; the Web API's body is its own."""
        after = ("Retry-After", str(max(1, math.ceil(wait))))
        if "/api/" in meter.limit.calls:
            return json_answer(429, {"ok": False, "error": "ratelimited"}, after)
        return super().over(meter, wait)


TWIN = Slack


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"SLACK_URL": f"{root}/api", "SLACK_ACCOUNTS_URL": f"{root}/scim/v2", "SLACK_TOKEN": TOKEN}
