"""Slack's SCIM 2.0 API (docs.slack.dev/reference/scim-api and its rate-limits; answers as slackapi/java-slack-sdk has).

Unverified: the codes of errors, that a DELETE answers 204, what becomes of user names that are too long.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import etag, scim
from connectors.sandbox.scim_schema import BadValue
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, json_answer

TOKEN = "xoxp-of-the-sandbox"
LONGEST_NAME = 21
ONE = "/scim/v2/Users/."


class SlackScim(ScimTwin):
    """Users and groups of an organisation. Nobody is ever deleted: DELETE deactivates."""

    token = f"Bearer {TOKEN}"
    quotas: Sequence[Limit] = (
        Limit(600, 60, "^(POST|PUT|PATCH|DELETE) ", 180),
        Limit(1000, 60, "^GET ", 1000),
        Limit(300, 60, f"^GET {ONE}", 300),
        Limit(180, 60, "^POST /scim/v2/Users", 20),
        Limit(180, 60, f"^(PUT|PATCH) {ONE}", 20),
        Limit(180, 60, f"^DELETE {ONE}", 20),
    )
    most = 1000
    most_operations = 0
    needs = ("emails.value",)

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"Errors": {"description": message, "code": status}}, *headers)

    def malformed(self, error: ValueError) -> Answer:
        return self.problem(400, str(error))

    def checked(self, row: Row) -> Row:
        """User names become Slack's: lower case, without the domain, not too long."""
        row = super().checked(row)
        return row | {"userName": str(row["userName"]).partition("@")[0].lower()[:LONGEST_NAME]}

    def unique(self, call: Call, table: str, attribute: str, row: Row) -> None:
        """Names and addresses are taken once in an organisation, also by the deactivated."""
        try:
            super().unique(call, table, attribute, row)
        except Rejection:
            taken = "username_taken" if table == "users" else "name_taken"
            raise Rejection(self.problem(409, taken)) from None
        if table == "users" and any(address(row) == address(o) for o in call["users"].rows.values() if differs(o, row)):
            raise Rejection(self.problem(409, "email_taken"))

    def delete(self, call: Call) -> Answer:
        """A user is deactivated; a group goes for good."""
        if self.table(call) == "groups":
            return super().delete(call)
        old = self.resource(call, "users")
        self.changed(call, "users", old | {"active": False})
        return Answer(204)

    def patch_user(self, call: Call) -> Answer:
        if not address(self.resource(call, "users")):
            raise BadValue("emails.value is required")
        return super().patch_user(call)

    def saved(self, call: Call, old: Row, row: Row, status: int) -> Answer:
        row = self.changed(call, "users", row) if row != old else row
        return scim(200, self.shown(call, "users", row), etag(row))


def address(row: Row) -> str:
    """The first address, without case."""
    return str((row.get("emails") or [{}])[0].get("value", "")).lower()


def differs(one: Row, other: Row) -> bool:
    return bool(one["id"] != other.get("id"))


TWIN = SlackScim


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"SLACK_SCIM_URL": f"{root}/scim/v2", "SLACK_SCIM_TOKEN": TOKEN}
