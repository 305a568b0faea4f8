"""The SCIM endpoint of AWS IAM Identity Center (docs.aws.amazon.com/singlesignon/latest/developerguide: limitations,
createuser, patchgroup, listusers, listgroups). Unverified: its rate limit, and that users are patched as in the RFC."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import ERROR, LIST, scim
from connectors.sandbox.scim_patch import operations
from connectors.sandbox.scim_schema import BadValue
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, page_number

TOKEN = "aws-scim-token-of-the-sandbox"
MOST_CHANGES = 100
ID = '(id|displayName|externalId) eq "[^"]*"'
BOTH = 'id eq "[^"]*" and members eq "[^"]*"|members eq "[^"]*" and id eq "[^"]*"'
MULTI = ("emails", "phoneNumbers", "addresses")


class AwsIdentityCenter(ScimTwin):
    """Users and groups. Members are never listed: a filter tells whether one user is in one group."""

    token = f"Bearer {TOKEN}"
    base = "/tenant-of-the-sandbox/scim/v2"
    quotas = (Limit(20),)
    most_operations = 0
    needs = ("name.givenName", "name.familyName", "displayName")
    filters = {"users": '(id|userName|externalId) eq "[^"]*"', "groups": f"{ID}|{BOTH}"}

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        told = {"exceptionRequestId": str(uuid4()), "timeStamp": datetime.now(UTC).isoformat(" ")}
        return scim(status, {"schemas": [ERROR], "detail": message, "status": str(status)} | told, *headers)

    def malformed(self, error: ValueError) -> Answer:
        return self.problem(400, f"ValidationException: {error}")

    def unique(self, call: Call, table: str, attribute: str, row: Row) -> None:
        try:
            super().unique(call, table, attribute, row)
        except Rejection:
            what = "User" if table == "users" else "Group"
            raise Rejection(self.problem(409, f"ConflictException: {what} already exists")) from None

    def checked(self, row: Row) -> Row:
        """One address, marked as primary, is all there can be."""
        row = super().checked(row)
        for name in MULTI:
            if len(row.get(name, ())) > 1:
                raise BadValue(f"{name} has more than one value")
        if any(not each.get("primary") for each in row.get("emails", ())):
            raise BadValue("the email must be marked as primary")
        return row

    def patch_of(self, call: Call) -> Row:
        body = super().patch_of(call)
        if any("[" in (each.path or "") for each in operations(body)):
            raise BadValue("filters in paths are not supported")
        return body

    def patch_group(self, call: Call) -> Answer:
        """Members are added and removed by their values, a hundred at the most; not replaced, and not all removed."""
        changes = 0
        for each in operations(super().patch_of(call)):
            if "[" in (each.path or ""):
                raise BadValue("filters in paths are not supported")
            if (each.path or "").lower() == "members":
                if each.op == "replace" or not each.value:
                    raise BadValue("all members cannot be replaced or removed")
                changes += len(each.value)
        if changes > MOST_CHANGES:
            raise BadValue(f"a maximum of {MOST_CHANGES} membership changes is allowed")
        return super().patch_group(call)

    def listing(self, call: Call, table: str) -> Answer:
        """A hundred at the most; from there on only by cursor."""
        if "cursor" not in call.query:
            return super().listing(call, table)
        rows = list(self.asked_for(call, table))
        if call.wrong_first_hit and "filter" in call.query:
            rows = [row for row in call[table].rows.values() if row not in rows][:1] + rows
        start, count = int(call.query["cursor"] or 0), page_number(call.query.get("count"), self.most, self.most)
        page = [self.shown(call, table, row) for row in rows[start : start + count]]
        more = {"nextCursor": str(start + count)} if start + count < len(rows) else {}
        return scim(200, {"schemas": [LIST], "itemsPerPage": len(page), "Resources": page} | more)

    def shown(self, call: Call, table: str, row: Row) -> Row:
        """Neither groups show members, nor users groups."""
        return {k: v for k, v in super().shown(call, table, row).items() if k not in ("groups", "members")}


TWIN = AwsIdentityCenter


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"AWS_SCIM_URL": f"{root}{AwsIdentityCenter.base}", "AWS_SCIM_TOKEN": TOKEN}
