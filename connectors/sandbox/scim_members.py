"""SCIM groups and their members at a twin. Members are rows of their own, so that a group of thousands costs no more
than a small one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.sandbox.scim_body import etag, group_from, is_members, lower, members_filter, patch_body, scim
from connectors.sandbox.scim_filter import Test, passes
from connectors.sandbox.scim_patch import Operation, operations, patched
from connectors.sandbox.scim_resources import Resources
from connectors.sandbox.scim_schema import GROUP_ATTRIBUTES, BadValue
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call


class Members(Resources):
    """What /Groups does."""

    group_status = 204
    most_members: int | None = None
    """How many members one request may change."""

    def create_group(self, call: Call) -> Answer:
        body = call.json()
        row = group_from(body)
        self.unique(call, "groups", "displayName", row)
        users = self.members_in(call, lower(body).get("members"))
        answer = self.made(call, "groups", row)
        for user in users:
            self.join(call, row["id"], user)
        return scim(answer.status, self.shown(call, "groups", row), *answer.headers)

    def put_group(self, call: Call) -> Answer:
        old, body = self.resource(call, "groups"), call.json()
        row = group_from(body) | {"id": old["id"], "meta": old["meta"]}
        self.unique(call, "groups", "displayName", row)
        users = self.members_in(call, lower(body).get("members"))
        self.set_members(call, row["id"], users)
        return scim(200, self.shown(call, "groups", self.changed(call, "groups", row)))

    def patch_group(self, call: Call) -> Answer:
        old = self.resource(call, "groups")
        asked = list(operations(patch_body(call)))
        about = [op for op in asked if is_members(op)]
        rest = [{"op": op.op, "path": op.path, "value": op.value} for op in asked if not is_members(op)]
        row = patched(old, GROUP_ATTRIBUTES, {"Operations": rest}) if rest else old
        self.unique(call, "groups", "displayName", row)
        changes = [self.member_change(call, row["id"], op) for op in about]
        for change in changes:
            change()
        row = self.changed(call, "groups", row)
        if "attributes" in call.query or self.group_status == 200:
            return scim(200, self.shown(call, "groups", row), etag(row))
        return Answer(204, headers=(("ETag", row["meta"]["version"]),))

    def member_change(self, call: Call, group: str, op: Operation) -> Callable[[], None]:
        """What an operation does to the members, checked but not yet done."""
        where = members_filter(op)
        if op.op != "remove":
            users = self.members_in(call, op.value if isinstance(op.value, list) else [op.value])
            return lambda: self.set_members(call, group, users, keep=op.op == "add")
        if where is not None:
            leaving = [m["user"] for m in self.matching(call, group, where)]
        elif op.value:
            leaving = self.members_in(call, op.value if isinstance(op.value, list) else [op.value])
        else:
            leaving = [m["user"] for m in call["members"].by("group", group)]
        return lambda: self.leave(call, group, leaving)

    def matching(self, call: Call, group: str, where: Test) -> list[Row]:
        if where.op == "eq" and where.attr.lower() == "value":
            found = call["members"].rows.get(f"{group}/{where.value}")
            return [found] if found else []
        return [m for m in call["members"].by("group", group) if passes(where, self.member(call, m))]

    def members_in(self, call: Call, sent: Any) -> list[str]:
        """Ids of the users in a list of members; BadValue where one is not known."""
        users = []
        for each in sent or []:
            key = each.get("value") if isinstance(each, dict) else each
            if key not in call["users"].rows:
                raise BadValue(f"no user {key!r} to be a member")
            users.append(str(key))
        return users

    def set_members(self, call: Call, group: str, users: list[str], keep: bool = False) -> None:
        if not keep:
            wanted = set(users)
            self.leave(call, group, [m["user"] for m in call["members"].by("group", group) if m["user"] not in wanted])
        for user in users:
            self.join(call, group, user)

    def join(self, call: Call, group: str, user: str) -> None:
        key = f"{group}/{user}"
        if key not in call["members"].rows:
            call["members"].put(key, {"group": group, "user": user})

    def leave(self, call: Call, group: str, users: list[str]) -> None:
        for user in users:
            if f"{group}/{user}" in call["members"].rows:
                call["members"].drop(f"{group}/{user}")
