"""Atlassian's user provisioning API (its OpenAPI description of 2022, teamapis/user-provisioning).

Unverified: how many requests a second it takes, and its page sizes; no number is published.
"""

from __future__ import annotations

from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_schema import ENTERPRISE, USER_ATTRIBUTES, BadValue, texts
from connectors.sandbox.scim_twin import ScimTwin, value_at
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Call

KEY = "atlassian-directory-key-of-the-sandbox"
DIRECTORY = "2fb21891-0000-4000-8000-ade3834c8b2b"
VERIFIED = (".example",)
ACCOUNT = "urn:scim:schemas:extension:atlassian-external:1.0"
OWN = ("department", "organization")
LEFT_OUT = ("locale", "userType")


class Atlassian(ScimTwin):
    """A directory. DELETE deactivates the Atlassian account and forgets the user: the id then answers 404."""

    token = f"Bearer {KEY}"
    base = f"/scim/directory/{DIRECTORY}"
    quotas = (Limit(50),)
    most_operations = 0
    needs = ("emails.value",)
    group_status = 200
    extended = False
    user_attributes = (*(each for each in USER_ATTRIBUTES if each.name not in LEFT_OUT), *texts(*OWN))
    filters = {"users": '(userName|externalId) eq ".*"', "groups": 'displayName eq ".*"'}

    def checked(self, row: Row) -> Row:
        """Addresses must be of a verified domain."""
        row = super().checked(row)
        if not str(value_at(row, "emails.value")).endswith(VERIFIED):
            raise BadValue("the domain of the email address is not verified")
        return row | {ACCOUNT: row.get(ACCOUNT) or {"atlassianAccountId": str(uuid4())}}

    def whole(self, call: Call, table: str, row: Row, derived: bool = True) -> Row:
        """The enterprise extension is read-only: it repeats what stands beside it."""
        found = super().whole(call, table, row, derived)
        if known := {name: row[name] for name in OWN if name in row}:
            found |= {ENTERPRISE: known}
        kind = "USER" if table == "users" else "GROUP"
        return found | {"meta": {k: v for k, v in found["meta"].items() if k != "version"} | {"resourceType": kind}}

    def member(self, call: Call, row: Row) -> Row:
        return super().member(call, row) | {"display": call["users"].rows[row["user"]]["userName"]}


TWIN = Atlassian


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"ATLASSIAN_SCIM_URL": f"{root}{Atlassian.base}", "ATLASSIAN_SCIM_KEY": KEY}
