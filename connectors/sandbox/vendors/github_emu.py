"""SCIM for an enterprise with managed users at GitHub (its OpenAPI description, `scim` of enterprises).

Unverified: how a handle is made from the user name, and what a suspended one looks like.
"""

from __future__ import annotations

import re
from uuid import uuid4

from connectors.sandbox.scim_schema import USER_ATTRIBUTES, VALUED, Attribute, BadValue
from connectors.sandbox.store import Row
from connectors.sandbox.vendors.github_scim import GithubScim
from connectors.sandbox.wire import Answer, Call

TOKEN = "ghp_scim-enterprise-of-the-sandbox"
SHORT_CODE = "jfinch"
ROLES = Attribute("roles", "complex", multi=True, sub=VALUED)
KNOWN = ("userName", "name", "displayName", "active", "emails", "groups")


class GithubEmu(GithubScim):
    """`active: false` suspends a user, and makes handle and address unreadable until the user is active again."""

    token = f"Bearer {TOKEN}"
    base = "/scim/v2/enterprises/juniper-finch"
    needs = ("externalId", "displayName", "emails.value", "emails.type")
    user_attributes = (*(each for each in USER_ATTRIBUTES if each.name in KNOWN), ROLES)
    filters = {
        "users": '(userName|externalId|id|displayName) eq "[^"]*"',
        "groups": '(externalId|id|displayName) eq "[^"]*"',
    }

    def state(self) -> dict[str, list[Row]]:
        """With the handles, which SCIM does not show."""
        found = super().state()
        return found | {"users": [user | {"login": login(user)} for user in found["users"]]}

    def create_group(self, call: Call) -> Answer:
        if not call.json().get("externalId"):
            raise BadValue("externalId is required")
        return super().create_group(call)

    def member(self, call: Call, row: Row) -> Row:
        found = super().member(call, row)
        return {k: v for k, v in found.items() if k != "type"} | {
            "display": call["users"].rows[row["user"]]["userName"]
        }

    def membership(self, call: Call, row: Row) -> Row:
        return {k: v for k, v in super().membership(call, row).items() if k != "type"}


def login(user: Row) -> str:
    """The handle: the local part and the enterprise's short code; of a suspended user nothing that can be read."""
    name = re.sub(r"[^a-z0-9]+", "-", str(user["userName"]).partition("@")[0].lower())
    return f"{name}_{SHORT_CODE}" if user["active"] else uuid4().hex[:24]


TWIN = GithubEmu


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"GITHUB_SCIM_URL": f"{root}{GithubEmu.base}", "GITHUB_SCIM_TOKEN": TOKEN}
