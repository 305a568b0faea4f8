"""A SCIM 2.0 server (RFC 7643, 7644) for users and groups: what the twins of SCIM vendors have in common."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sandbox.scim_batch import Batches
from connectors.sandbox.scim_body import etag, listed, patch_body, scim, scim_error, user_from
from connectors.sandbox.scim_members import Members
from connectors.sandbox.scim_patch import patched
from connectors.sandbox.scim_schema import (
    EXTERNAL_ID,
    USER_ATTRIBUTES,
    Attribute,
    BadValue,
    provider_config,
    resource_types,
    schemas,
)
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, route

INDEXED = {"users": ("userName", "externalId", "displayName"), "groups": ("displayName", "externalId")}


class ScimTwin(Members, Batches):
    """Users, groups and memberships."""

    token = ""
    """What `Authorization` has to say, whole: `Bearer …`."""
    user_attributes: tuple[Attribute, ...] = USER_ATTRIBUTES
    extended = True
    """Whether users have the enterprise extension."""
    needs: tuple[str, ...] = ()
    """Attributes (dotted) that a new user must have, besides userName."""
    patch_status = 200
    has_groups = True
    inactive_is_gone = False
    """Whether a user that is set inactive is deleted for good."""

    def make_tables(self) -> dict[str, Table]:
        members = {"user": Index(lambda row: str(row["user"])), "group": Index(lambda row: str(row["group"]))}
        found = {n: Table(n, {a.lower(): index_of(a) for a in names}) for n, names in INDEXED.items()}
        return {**found, "members": Table("members", members)}

    def make_routes(self) -> Sequence[Route]:
        base = self.base
        users = (
            route(f"{base}/Users", get=self.list_users, post=self.create_user),
            route(f"{base}/Users/.search", post=self.search_users),
            route(f"{base}/Users/{{id}}", get=self.show, put=self.put_user, patch=self.patch_user, delete=self.delete),
        )
        one = {"get": self.show, "put": self.put_group, "patch": self.patch_group, "delete": self.delete}
        groups = (
            route(f"{base}/Groups/.search", post=self.search_groups),
            route(f"{base}/Groups", get=self.list_groups, post=self.create_group),
            route(f"{base}/Groups/{{id}}", **one),
        )
        return (*users, *(groups if self.has_groups else ()), *self.discovery(), *self.batch_routes())

    def discovery(self) -> Sequence[Route]:
        """Where the server tells what it is; vendors that tell nothing have none."""
        base = self.base
        return (
            route(f"{base}/.search", post=self.search_all),
            route(f"{base}/ServiceProviderConfig", get=lambda call: scim(200, self.config(call))),
            route(f"{base}/ResourceTypes", get=lambda call: listed(self.types(call))),
            route(f"{base}/ResourceTypes/{{id}}", get=lambda call: self.described(call, self.types(call))),
            route(f"{base}/Schemas", get=lambda call: listed(self.schemas(call))),
            route(f"{base}/Schemas/{{id}}", get=lambda call: self.described(call, self.schemas(call))),
        )

    def config(self, call: Call) -> Row:
        return provider_config(self.root(call), self.most, self.most_operations, self.most_bytes)

    def types(self, call: Call) -> list[Row]:
        return resource_types(self.root(call), self.has_groups, self.extended)

    def schemas(self, call: Call) -> list[Row]:
        return schemas(self.root(call), self.user_attributes, self.has_groups, self.extended)

    def described(self, call: Call, rows: list[Row]) -> Answer:
        found = next((row for row in rows if row["id"] == call.params["id"]), None)
        return scim(200, found) if found else self.problem(404, "no such resource")

    def authorise(self, call: Call) -> None:
        if call.header(b"authorization") != self.token:
            challenge = ("WWW-Authenticate", f'Bearer realm="{self.name}"')
            raise Rejection(self.problem(401, "invalid or missing token", challenge))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return scim_error(status, message, None, *headers)

    def malformed(self, error: ValueError) -> Answer:
        return scim_error(400, str(error), error.kind if isinstance(error, BadValue) else "invalidSyntax")

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("username", key)
        return str(found[0]["id"]) if found else None

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
            **{name: list(self.store[name].rows.values()) for name in self.besides()},
        }

    def besides(self) -> Sequence[str]:
        """Tables that `state` shows as they are."""
        return ()

    def held(self, by: str, key: str) -> list[Row]:
        return self.store["members"].by(by, key)

    # users

    def create_user(self, call: Call) -> Answer:
        row = self.checked(user_from(call.json(), self.user_attributes, self.extended))
        self.unique(call, "users", "userName", row)
        return self.made(call, "users", row)

    def put_user(self, call: Call) -> Answer:
        old = self.resource(call, "users")
        sent = user_from(call.json(), self.user_attributes, self.extended)
        row = self.checked(sent) | {"id": old["id"], "meta": old["meta"]}
        self.unique(call, "users", "userName", row)
        return self.saved(call, old, row, 200)

    def patch_user(self, call: Call) -> Answer:
        old = self.resource(call, "users")
        row = patched(old, (*self.user_attributes, EXTERNAL_ID), self.patch_of(call))
        self.unique(call, "users", "userName", row)
        return self.saved(call, old, row, 200 if "attributes" in call.query else self.patch_status)

    def patch_of(self, call: Call) -> Row:
        """The body of a PATCH, as the vendor takes it."""
        return patch_body(call)

    def checked(self, row: Row) -> Row:
        """A whole user as it was sent, refused where something that the vendor needs is missing."""
        for name in self.needs:
            if value_at(row, name) in (None, "", []):
                raise BadValue(f"{name} is required")
        return row

    def saved(self, call: Call, old: Row, row: Row, status: int) -> Answer:
        """Keep a user that was changed, and say so; what a vendor does with inactive users happens here."""
        if row != old:
            row = self.changed(call, "users", row)
        shown = self.shown(call, "users", row)
        if self.inactive_is_gone and not row["active"]:
            self.forget(call, "users", row["id"])
            call["users"].drop(row["id"])
        if status == 204:
            return Answer(204, headers=(("ETag", row["meta"]["version"]),))
        return scim(status, shown, etag(row))


def value_at(row: Row, path: str) -> object:
    """A value by its dotted name; of a list the first entry's."""
    value: object = row
    for part in path.split("."):
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(part) if isinstance(value, dict) else None
    return value


def index_of(attribute: str) -> Index:
    return Index(lambda row: str(row.get(attribute) or ""))
