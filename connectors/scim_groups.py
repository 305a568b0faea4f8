"""SCIM groups as entitlements, by display name: who is in which, joining, leaving, making one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import quote

from connectors.errors import ConnectorError, Refused
from connectors.http import Http
from connectors.listing import getter
from connectors.pages import Style, walk
from connectors.scim_attributes import Resource, member, patch, quoted

CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
NOBODY = "rollcall-nobody-00000000"
"""A member id that no server has: a filter that finds it is no filter."""
UNFILTERED = (400, 501)
"""Statuses with which servers refuse a filter they do not know."""


class Groups:
    """The groups of one SCIM server. Safe to use from several threads."""

    def __init__(self, http: Http, style: Style, create: bool = False) -> None:
        self.http, self.style, self.create = http, style, create
        self.ids: dict[str, str] = {}
        self.shown: bool | None = None
        """Whether users carry `groups`; None until it was seen."""
        self.filters: bool | None = None
        """Whether `members.value eq` can be believed; None until it was tried."""
        self.lock = threading.RLock()

    def listing(self, doing: str, **query: str) -> Iterator[Resource]:
        """Groups, page by page."""
        get = getter(self.http, doing)
        return walk(self.http.app, doing, get, "/Groups", self.style, "Resources", query)

    def names(self) -> Iterator[str]:
        """All display names."""
        for group in self.listing("list groups", attributes="displayName"):
            self.ids[group["displayName"]] = group["id"]
            yield group["displayName"]

    def held(self, user: Resource) -> dict[str, str]:
        """Group id -> name for a user resource. No call where users carry `groups`, else 1 (once 4: the filter
        is tried out first)."""
        listed = member(user, "groups")
        if listed is not None:
            self.shown = True
            return self.named([g for g in listed if str(g.get("type", "direct")).lower() != "indirect"])
        return {} if self.shown else self.holding(user["id"])

    def held_by(self, id: str, doing: str) -> dict[str, str]:
        """Group id -> name for a user's id, in 1 call as a rule; Refused (404) where there is no such user and
        the server shows groups on users."""
        if self.shown is False:
            return self.holding(id)
        user = self.http.json("GET", f"/Users/{quote(id, safe='')}", doing=doing, params={"attributes": "groups"})
        return self.held({"id": id, **(user or {})})

    def named(self, listed: list[Resource]) -> dict[str, str]:
        """Id -> name; where the server leaves the names out, they are looked up among all groups."""
        if any(not g.get("display") for g in listed):
            names = {g["id"]: g["displayName"] for g in self.listing("list groups", attributes="displayName")}
            return {g["value"]: names[g["value"]] for g in listed if g["value"] in names}
        return {g["value"]: g["display"] for g in listed}

    def holding(self, user_id: str) -> dict[str, str]:
        """Group id -> name by asking the groups: with a filter where it was seen to work, else by reading all."""
        doing = f"read groups of {user_id}"
        if self.filtering(doing):
            found = {g["id"]: g["displayName"] for g in self.with_member(user_id, doing)}
        else:
            found = {g["id"]: g["displayName"] for g in self.listing(doing) if user_id in members(g)}
        self.shown = False if found else self.shown
        return found

    def by_user(self) -> dict[str, set[str]]:
        """User id -> names of groups, from one listing of all groups."""
        found: dict[str, set[str]] = {}
        for group in self.listing("list groups with members"):
            for id in members(group):
                found.setdefault(id, set()).add(group["displayName"])
        return found

    def with_member(self, user_id: str, doing: str) -> Iterator[Resource]:
        """What the server answers to the member filter, believed or not."""
        return self.listing(doing, filter=f"members.value eq {quoted(user_id)}", attributes="displayName")

    def filtering(self, doing: str) -> bool:
        """Whether the member filter finds a known member and does not find nobody: tried once, 3 calls."""
        with self.lock:
            if self.filters is None:
                known = next(((g["id"], m) for g in self.listing(doing) for m in members(g)), None)
                self.filters = known and self.tried(*known, doing)
            return bool(self.filters)

    def tried(self, group_id: str, member_id: str, doing: str) -> bool:
        """The two questions of `filtering`."""
        try:
            found = any(g["id"] == group_id for g in self.with_member(member_id, doing))
            return found and not any(self.with_member(NOBODY, doing))
        except Refused as error:
            if error.status in UNFILTERED:
                return False
            raise

    def join(self, name: str, user_id: str, doing: str) -> None:
        """Add the user, making the group where that is allowed: 1 call, the first time for a group 2 or 3."""
        add = [{"op": "add", "path": "members", "value": [{"value": user_id}]}]
        self.change(self.id_of(name, doing), name, add, doing)

    def leave(self, name: str, group_id: str, user_id: str, doing: str) -> None:
        """Take the user out: 1 call, 2 at servers that know no filter in a PATCH path (AWS, Entra)."""
        try:
            self.change(group_id, name, [{"op": "remove", "path": f"members[value eq {quoted(user_id)}]"}], doing)
        except Refused as error:
            if error.status not in UNFILTERED:
                raise
            self.change(group_id, name, [{"op": "remove", "path": "members", "value": [{"value": user_id}]}], doing)

    def change(self, group_id: str, name: str, operations: list[Resource], doing: str) -> None:
        """PATCH one group. A group that is gone is forgotten, looked up again, and tried once more."""
        try:
            self.send(group_id, operations, doing)
        except Refused as error:
            if error.status != 404:
                raise
            self.ids.pop(name, None)
            again = self.id_of(name, doing)
            if again == group_id:
                raise
            self.send(again, operations, doing)

    def send(self, group_id: str, operations: list[Resource], doing: str) -> None:
        self.http.request("PATCH", f"/Groups/{quote(group_id, safe='')}", doing=doing, json=patch(operations))

    def learn(self, name: str) -> None:
        """Remember the group's id, if there is such a group."""
        if name not in self.ids and (id := self.search(name, f"look for group {name!r}")):
            with self.lock:
                self.ids.setdefault(name, id)

    def id_of(self, name: str, doing: str) -> str:
        """The group's id: remembered, found, or made; Refused where it does not exist and may not be made."""
        with self.lock:
            id = self.ids.get(name) or self.search(name, doing) or self.made(name, doing)
            self.ids[name] = id
            return id

    def search(self, name: str, doing: str) -> str | None:
        """The oldest group with this name. A filter that finds nothing is checked by reading all names, since
        two groups of one name would be worse than a slow look."""
        try:
            found = [g for g in self.listing(doing, filter=f"displayName eq {quoted(name)}") if called(g, name)]
        except Refused as error:
            if error.status not in UNFILTERED:
                raise
            found = []
        found = found or [g for g in self.listing(doing, attributes="displayName,meta.created") if called(g, name)]
        return min(found, key=age)["id"] if found else None

    def made(self, name: str, doing: str) -> str:
        """Make the group; where another process made it at the same moment, keep the older one."""
        if not self.create:
            todo = f"Make the group {name!r} there, or say `create_groups: true` in its YAML."
            raise Refused(self.http.app, doing, f"there is no group {name!r}", todo, 404)
        mine = self.post(name, doing)
        kept = self.search(name, doing) or mine
        if not kept:
            raise Refused(self.http.app, doing, f"the group {name!r} was made, but cannot be found")
        if mine and mine != kept:
            self.http.request("DELETE", f"/Groups/{quote(mine, safe='')}", doing=f"remove second group {name!r}")
        return kept

    def post(self, name: str, doing: str) -> str | None:
        """The new group's id; None where somebody was faster (409) or the answer was lost."""
        body = {"schemas": [CORE_GROUP], "displayName": name}
        try:
            made = self.http.json("POST", "/Groups", doing=doing, json=body)
            return str(made["id"]) if made and made.get("id") else None
        except ConnectorError as error:
            if self.search(name, doing) is None:
                raise error
            return None


def members(group: Resource) -> list[str]:
    """Ids of a group's members."""
    return [str(m.get("value")) for m in member(group, "members") or []]


def called(group: Resource, name: str) -> bool:
    """Whether the group has this name."""
    return str(group.get("displayName", "")).casefold() == name.casefold()


def age(group: Resource) -> tuple[str, str]:
    """Sorts the oldest group first; every process sorts alike."""
    return str((group.get("meta") or {}).get("created", "")), str(group["id"])
