"""Keyring, an SSO with SCIM 2.0 (RFC 7643, 7644) for users and groups, and sessions that can be ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any
from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import (
    as_query,
    etag,
    group_from,
    is_members,
    listed,
    lower,
    members_filter,
    names_of,
    patch_body,
    root,
    scim,
    scim_error,
    timestamp,
    user_from,
)
from connectors.sandbox.scim_filter import Test, parsed, passes
from connectors.sandbox.scim_patch import Operation, operations, patched
from connectors.sandbox.scim_schema import (
    ENTERPRISE,
    GROUP,
    GROUP_ATTRIBUTES,
    USER,
    USER_ATTRIBUTES,
    BadValue,
    provider_config,
    resource_types,
    schemas,
)
from connectors.sandbox.sso_credentials import Credentials
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

TOKEN = "sso-token-of-the-sandbox"
MOST = 100
INDEXED = {"users": ("userName", "externalId", "displayName"), "groups": ("displayName", "externalId")}


class Sso(Credentials):
    """Users, groups, memberships and sessions. A disabled user keeps sessions until they are ended."""

    quotas = (Limit(100),)
    settable = {"patch_status": (200, 204)}
    patch_status = 200

    def make_tables(self) -> dict[str, Table]:
        members = {"user": Index(lambda row: str(row["user"])), "group": Index(lambda row: str(row["group"]))}
        found = {n: Table(n, {a.lower(): index_of(a) for a in names}) for n, names in INDEXED.items()}
        sessions = Table("sessions", {"user": Index(lambda row: str(row["userId"]))})
        return {**found, "members": Table("members", members), "sessions": sessions}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/scim/v2/Users", get=self.list_users, post=self.create_user),
            route("/scim/v2/Users/.search", post=self.search_users),
            route("/scim/v2/Groups/.search", post=self.search_groups),
            route("/scim/v2/.search", post=self.search_all),
            route("/scim/v2/Users/{id}", get=self.show, put=self.put_user, patch=self.patch_user, delete=self.delete),
            route("/scim/v2/Groups", get=self.list_groups, post=self.create_group),
            route(
                "/scim/v2/Groups/{id}", get=self.show, put=self.put_group, patch=self.patch_group, delete=self.delete
            ),
            route("/scim/v2/ServiceProviderConfig", get=lambda call: scim(200, provider_config(root(call), MOST))),
            route("/scim/v2/ResourceTypes", get=lambda call: listed(resource_types(root(call)))),
            route("/scim/v2/ResourceTypes/{id}", get=lambda call: self.described(call, resource_types(root(call)))),
            route("/scim/v2/Schemas", get=lambda call: listed(schemas(root(call)))),
            route("/scim/v2/Schemas/{id}", get=lambda call: self.described(call, schemas(root(call)))),
            route("/api/v1/users/{id}/sessions", get=self.sessions, delete=self.end_sessions),
            *self.credential_routes(),
        )

    def authorise(self, call: Call) -> None:
        if call.header(b"authorization") not in (f"Bearer {TOKEN}", f"SSWS {TOKEN}"):
            challenge = ("WWW-Authenticate", 'Bearer realm="Keyring"')
            raise Rejection(self.problem(401, "invalid or missing token", challenge))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return scim_error(status, message, None, *headers)

    def state(self) -> dict[str, list[Row]]:
        """Users with the names of their groups, groups with the user names of their members."""
        users, groups = self.store["users"].rows, self.store["groups"].rows
        members = list(self.store["members"].rows.values())
        return {
            "users": [
                u | {"groups": [groups[m["group"]]["displayName"] for m in self.held("user", k)]}
                for k, u in users.items()
            ],
            "groups": [
                g | {"members": [users[m["user"]]["userName"] for m in self.held("group", k)]}
                for k, g in groups.items()
            ],
            "members": members,
            **{name: list(self.store[name].rows.values()) for name in ("sessions", *self.possessions)},
        }

    def held(self, by: str, key: str) -> list[Row]:
        return self.store["members"].by(by, key)

    def malformed(self, error: ValueError) -> Answer:
        return scim_error(400, str(error), error.kind if isinstance(error, BadValue) else "invalidSyntax")

    # users

    def create_user(self, call: Call) -> Answer:
        row = user_from(call.json())
        self.unique(call, "users", "userName", row)
        return self.made(call, "users", row)

    def put_user(self, call: Call) -> Answer:
        old = self.resource(call, "users")
        row = user_from(call.json()) | {"id": old["id"], "meta": old["meta"]}
        self.unique(call, "users", "userName", row)
        return scim(200, self.shown(call, "users", self.changed(call, "users", row)))

    def patch_user(self, call: Call) -> Answer:
        old = self.resource(call, "users")
        row = patched(old, USER_ATTRIBUTES, patch_body(call))
        self.unique(call, "users", "userName", row)
        if row != old:
            row = self.changed(call, "users", row)
        if self.patch_status == 204 and "attributes" not in call.query:
            return Answer(204, headers=(("ETag", row["meta"]["version"]),))
        return scim(200, self.shown(call, "users", row), etag(row))

    # groups

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
        """Members are rows of their own, so that a group of thousands costs no more than a small one."""
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
        if "attributes" in call.query:
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

    # both

    def list_users(self, call: Call) -> Answer:
        return self.listing(call, "users")

    def list_groups(self, call: Call) -> Answer:
        return self.listing(call, "groups")

    def search_users(self, call: Call) -> Answer:
        return self.listing(as_query(call), "users")

    def search_groups(self, call: Call) -> Answer:
        return self.listing(as_query(call), "groups")

    def search_all(self, call: Call) -> Answer:
        """Users, then groups; no more than a page of them."""
        call = as_query(call)
        found = [self.shown(call, t, row) for t in ("users", "groups") for row in self.asked_for(call, t)]
        return listed(found[: page_number(call.query.get("count"), MOST, MOST, 0)], len(found))

    def asked_for(self, call: Call, table: str) -> Sequence[Row]:
        filter = call.query.get("filter")
        return self.filtered(call, table, filter) if filter else list(call[table].rows.values())

    def listing(self, call: Call, table: str) -> Answer:
        query, rows = call.query, call[table].rows
        count = page_number(query.get("count"), MOST, MOST, 0)
        start = page_number(query.get("startIndex"), 1, 10**9)
        if "filter" not in query:
            page = islice(rows.values(), start - 1, start - 1 + count)
            return listed([self.shown(call, table, row) for row in page], len(rows), start)
        found = self.filtered(call, table, query["filter"])
        if call.wrong_first_hit:
            found = [row for row in rows.values() if row not in found][:1] + found
        page_rows = found[start - 1 : start - 1 + count]
        return listed([self.shown(call, table, row) for row in page_rows], len(found), start)

    def filtered(self, call: Call, table: str, text: str) -> list[Row]:
        """Rows that pass a filter, by index where it asks for one indexed value."""
        try:
            test = parsed(text)
        except ValueError as error:
            raise BadValue(str(error), "invalidFilter") from error
        if test.op == "eq" and isinstance(test.value, str):
            if test.attr.lower() in call[table].indexes:
                return call[table].by(test.attr.lower(), test.value)
            if test.attr.lower() == "id":
                return [r for r in [call[table].rows.get(test.value)] if r]
        return [row for row in call[table].rows.values() if passes(test, self.whole(call, table, row))]

    def show(self, call: Call) -> Answer:
        table = self.table(call)
        row = self.resource(call, table)
        if call.header(b"if-none-match") == row["meta"]["version"]:
            return Answer(304)
        return scim(200, self.shown(call, table, row), etag(row))

    def delete(self, call: Call) -> Answer:
        table = self.table(call)
        key = self.resource(call, table)["id"]
        mine = "user" if table == "users" else "group"
        for row in call["members"].by(mine, key):
            call["members"].drop(f"{row['group']}/{row['user']}")
        for row in call["sessions"].by("user", key):
            call["sessions"].drop(row["id"])
        if table == "users":
            self.forget(call, key)
        call[table].drop(key)
        return Answer(204)

    def table(self, call: Call) -> str:
        return call.path.split("/")[3].lower()

    def resource(self, call: Call, table: str) -> Row:
        """The resource of the path, at the version the client knows where it says one."""
        row = call[table].rows.get(call.params["id"])
        if not row:
            raise Rejection(self.problem(404, f"no such resource: {call.params['id']}"))
        expected = call.header(b"if-match")
        if expected and expected not in ("*", row["meta"]["version"]):
            raise Rejection(self.problem(412, "the resource has changed"))
        return row

    def unique(self, call: Call, table: str, attribute: str, row: Row) -> None:
        others = call[table].by(attribute.lower(), str(row[attribute]))
        if any(other["id"] != row.get("id") for other in others):
            raise Rejection(scim_error(409, f"{attribute} {row[attribute]!r} is taken", "uniqueness"))

    def made(self, call: Call, table: str, row: Row) -> Answer:
        key, now = str(uuid4()), timestamp()
        row |= {"id": key, "meta": {"created": now, "lastModified": now, "version": 'W/"1"'}}
        call[table].put(key, row)
        where = ("Location", f"{root(call)}/{table.capitalize()}/{key}")
        return scim(201, self.shown(call, table, row), where, etag(row))

    def changed(self, call: Call, table: str, row: Row) -> Row:
        number = int(row["meta"]["version"][3:-1]) + 1
        meta = row["meta"] | {"lastModified": timestamp(), "version": f'W/"{number}"'}
        return call[table].put(row["id"], row | {"meta": meta})

    def shown(self, call: Call, table: str, row: Row) -> Row:
        """The resource as it goes out, with the attributes asked for."""
        query = call.query if call.query_string else {}
        only, without = names_of(query.get("attributes")), names_of(query.get("excludedAttributes"))
        skip_derived = (only and not only & {"members", "groups"}) or without & {"members", "groups"}
        whole = self.whole(call, table, row, derived=not skip_derived)
        if only:
            return {k: v for k, v in whole.items() if k.lower() in only | {"id", "schemas"}}
        return {k: v for k, v in whole.items() if k.lower() not in without - {"id", "schemas"}}

    def whole(self, call: Call, table: str, row: Row, derived: bool = True) -> Row:
        kind, plural = ("User", "Users") if table == "users" else ("Group", "Groups")
        meta = {"resourceType": kind, "location": f"{root(call)}/{plural}/{row['id']}"} | row["meta"]
        urns = [USER, ENTERPRISE] if ENTERPRISE in row else [USER] if table == "users" else [GROUP]
        full = {"schemas": urns} | row | {"meta": meta}
        if derived and table == "users":
            found = [self.membership(call, m) for m in call["members"].by("user", row["id"])]
            return full | ({"groups": found} if found else {})
        if derived:
            found = [self.member(call, m) for m in call["members"].by("group", row["id"])]
            return full | ({"members": found} if found else {})
        return full

    def member(self, call: Call, row: Row) -> Row:
        return {"value": row["user"], "$ref": f"{root(call)}/Users/{row['user']}", "type": "User"}

    def membership(self, call: Call, row: Row) -> Row:
        group = call["groups"].rows[row["group"]]
        where = f"{root(call)}/Groups/{group['id']}"
        return {"value": group["id"], "$ref": where, "display": group["displayName"], "type": "direct"}

    def described(self, call: Call, rows: list[Row]) -> Answer:
        found = next((row for row in rows if row["id"] == call.params["id"]), None)
        return scim(200, found) if found else self.problem(404, "no such resource")

    # sessions

    def sign_in(self, user_name: str) -> Row | None:
        """What a sign-in of this user makes: a session, or nothing for the unknown and the disabled."""
        found = self.store["users"].by("username", user_name)
        if not found or not found[0].get("active", True):
            return None
        row = {"id": str(uuid4()), "userId": found[0]["id"], "created": timestamp()}
        return self.store["sessions"].put(row["id"], row)

    def sessions(self, call: Call) -> Answer:
        return json_answer(200, call["sessions"].by("user", self.resource(call, "users")["id"]))

    def end_sessions(self, call: Call) -> Answer:
        for row in call["sessions"].by("user", self.resource(call, "users")["id"]):
            call["sessions"].drop(row["id"])
        return Answer(204)


def index_of(attribute: str) -> Index:
    return Index(lambda row: str(row.get(attribute) or ""))


TWIN = Sso


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "SSO_URL": f"{root}/scim/v2",
        "SSO_TOKEN": TOKEN,
        "SSO_API_URL": f"{root}/api/v1",
    }
