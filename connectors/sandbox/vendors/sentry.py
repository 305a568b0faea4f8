"""Sentry's SCIM API (its OpenAPI description, getsentry/sentry-api-schema): members and teams of an organisation.

Unverified: what it says of a member who is there already (409 here; the description has none), and its rate limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import timestamp
from connectors.sandbox.scim_patch import operations
from connectors.sandbox.scim_schema import USER_ATTRIBUTES, Attribute
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

TOKEN = "sntrys-of-the-sandbox"
ROLES = ("billing", "member", "manager", "admin")
SLUG = "juniper-finch"


class Sentry(ScimTwin):
    """Of a member one thing can be changed: `active` to false, which deletes the member for good."""

    token = f"Bearer {TOKEN}"
    base = f"/api/0/organizations/{SLUG}/scim/v2"
    quotas = (Limit(40),)
    most_operations = 0
    extended = False
    inactive_is_gone = True
    patch_status = 204
    user_attributes = (*(a for a in USER_ATTRIBUTES if a.name in ("userName", "active")), Attribute("sentryOrgRole"))
    filters = {"users": 'userName eq ".*"', "groups": 'displayName eq ".*"'}

    def make_routes(self) -> Sequence[Route]:
        """There is no PUT."""
        base = self.base
        one, team = f"{base}/Users/{{id}}", f"{base}/Groups/{{id}}"
        return (
            route(one, get=self.show, patch=self.patch_user, delete=self.delete),
            route(team, get=self.show, patch=self.patch_group, delete=self.delete),
            *super().make_routes(),
        )

    def discovery(self) -> Sequence[Route]:
        """Nothing is told; the description has no such pages."""
        return ()

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"detail": message}, *headers)

    def malformed(self, error: ValueError) -> Answer:
        return self.problem(400, str(error))

    def dispatch(self, call: Call) -> Answer:
        """All answers are plain JSON."""
        return super().dispatch(call)._replace(content_type="application/json")

    def new_id(self, call: Call, table: str) -> str:
        return str(call[table].next_number())

    def checked(self, row: Row) -> Row:
        row = {"sentryOrgRole": "member"} | super().checked(row)
        if row["sentryOrgRole"] not in ROLES:
            raise Rejection(self.problem(400, "Invalid organization role"))
        return row | {"userName": str(row["userName"]).lower()}

    def unique(self, call: Call, table: str, attribute: str, row: Row) -> None:
        try:
            super().unique(call, table, attribute, row)
        except Rejection:
            raise Rejection(self.problem(409, "User already exists in the database.")) from None

    def patch_user(self, call: Call) -> Answer:
        for each in operations(self.patch_of(call)):
            if (each.path or "").lower() != "active" or wanted(each.value) is not False:
                raise Rejection(self.problem(400, "Invalid Patch Operation."))
            row = self.resource(call, "users")
            self.forget(call, "users", row["id"])
            call["users"].drop(row["id"])
        return Answer(204)

    def create_group(self, call: Call) -> Answer:
        """Teams begin without members, and their names become slugs."""
        body = call.json()
        slug = re.sub(r"[^a-z0-9_-]+", "-", str(body.get("displayName", "")).lower()).strip("-")
        row = {"displayName": slug}
        self.unique(call, "groups", "displayName", row)
        return self.made(call, "groups", row)

    def whole(self, call: Call, table: str, row: Row, derived: bool = True) -> Row:
        found = super().whole(call, table, row, derived)
        meta = {"resourceType": found["meta"]["resourceType"]}
        if table == "groups":
            return found | {"meta": meta} | ({"members": found.get("members", [])} if derived else {})
        name = {"givenName": "N/A", "familyName": "N/A"}
        email = {"primary": True, "value": row["userName"], "type": "work"}
        plain = {k: v for k, v in found.items() if k not in ("groups", "externalId")}
        return plain | {"meta": meta, "name": name, "emails": [email]}

    def member(self, call: Call, row: Row) -> Row:
        return {"value": row["user"], "display": call["users"].rows[row["user"]]["userName"]}

    def seed(self) -> None:
        """A team is there."""
        meta = {"created": timestamp(), "lastModified": timestamp(), "version": 'W/"1"'}
        self.store["groups"].put("1", {"id": "1", "displayName": "engineering", "meta": meta})


def wanted(value: Any) -> Any:
    """False also as text, as Entra sends it."""
    return {"false": False, "true": True}.get(str(value).lower(), value)


TWIN = Sentry


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"SENTRY_SCIM_URL": f"{root}{Sentry.base}", "SENTRY_SCIM_TOKEN": TOKEN}
