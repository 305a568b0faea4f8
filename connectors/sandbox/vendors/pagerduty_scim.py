"""PagerDuty's SCIM API (its OpenAPI description, PagerDuty/api-schema reference/scim): users only, no inactive ones.

Unverified: the rate limit (that of its REST API is taken).
"""

from __future__ import annotations

from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import scim_error
from connectors.sandbox.scim_schema import USER_ATTRIBUTES, VALUED, Attribute, BadValue
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection

TOKEN = "pagerduty-key-of-the-sandbox"
KNOWN = ("userName", "displayName", "active", "timezone", "title")
ROLES = Attribute("roles", "complex", multi=True, sub=VALUED)
LICENCES = Attribute("entitlements", "complex", multi=True, sub=VALUED)


class PagerdutyScim(ScimTwin):
    """Setting `active` to false deletes the user; it is an error to make an inactive one."""

    token = f"Token token={TOKEN}"
    quotas = (Limit(960, 60),)
    most_operations = 0
    has_groups = False
    extended = False
    inactive_is_gone = True
    needs = ("displayName",)
    user_attributes = (*(each for each in USER_ATTRIBUTES if each.name in KNOWN), ROLES, LICENCES)
    filters = {"users": '(userName|externalId) eq ".*"'}

    def new_id(self, call: Call, table: str) -> str:
        return uuid4().hex[:26].upper()

    def config(self, call: Call) -> Row:
        return bare(super().config(call))

    def types(self, call: Call) -> list[Row]:
        return [bare(each) for each in super().types(call)]

    def schemas(self, call: Call) -> list[Row]:
        return [bare(each) for each in super().schemas(call)]

    def whole(self, call: Call, table: str, row: Row, derived: bool = True) -> Row:
        """Of meta the kind alone is shown."""
        return bare(super().whole(call, table, row, derived))

    def create_user(self, call: Call) -> Answer:
        if call.json().get("active") is False:
            raise BadValue("a user cannot be created inactive")
        return super().create_user(call)

    def unique(self, call: Call, table: str, attribute: str, row: Row) -> None:
        """There is no 409: a name that is taken is a 400."""
        try:
            super().unique(call, table, attribute, row)
        except Rejection:
            raise Rejection(scim_error(400, f"{attribute} has already been taken", "uniqueness")) from None

    def checked(self, row: Row) -> Row:
        """One role, which is the base role; `user` where none is named."""
        row = super().checked(row)
        if "@" not in str(row["userName"]):
            raise BadValue("userName is an email address")
        role = (row.get("roles") or [{}])[0].get("value", "user")
        return row | {"roles": [{"primary": True, "type": "base", "value": role}]}

    def saved(self, call: Call, old: Row, row: Row, status: int) -> Answer:
        """204 for somebody who was deleted by it."""
        return super().saved(call, old, row, status if row["active"] else 204)


def bare(row: Row) -> Row:
    """With its kind as the only thing in meta."""
    return row | {"meta": {"resourceType": row["meta"]["resourceType"]}}


TWIN = PagerdutyScim


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"PAGERDUTY_SCIM_URL": f"{root}/scim/v2", "PAGERDUTY_SCIM_TOKEN": TOKEN}
