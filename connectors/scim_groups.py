"""SCIM groups as entitlements, by display name: who is in which, joining, leaving, making one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import quote

from connectors.calls import fill
from connectors.errors import ConnectorError, Refused
from connectors.http import Http
from connectors.listing import getter
from connectors.pages import Style, walk
from connectors.scim_attributes import Resource, member, patch, quoted
from connectors.scim_options import Options
from connectors.scim_whole import put_back

CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
NOBODY = "rollcall-nobody-00000000"
"""A member id that no server has: a filter that finds it is no filter."""
NO_PATCH = (405, 501)
"""With these a server that has no PATCH refuses it."""
UNFILTERED = (400, 501)
"""Statuses with which servers refuse a filter they do not know."""


class Groups:
    """The groups of one SCIM server. Safe to use from several threads."""

    def __init__(self, http: Http, style: Style, options: Options) -> None:
        self.http, self.style, self.options = http, style, options
        self.create = options.create_groups
        self.ids: dict[str, str] = {}
        self.shown = options.groups_on_users
        """Whether users carry `groups`; None until it was seen."""
        self.filters = options.member_filter
        """Whether `members.value eq` can be believed; None until it was tried."""
        self.patches = True
        """False once a PATCH was seen to be unknown."""
        self.paths = options.remove_members == "path"
        """False also once a filter in the path of a PATCH was seen to be unknown."""
        self.lock = threading.RLock()

    def listing(self, doing: str, **query: str) -> Iterator[Resource]:
        """Groups, page by page."""
        get = getter(self.http, doing)
        return walk(self.http.app, doing, get, "/Groups", self.style, "Resources", query)

    def names(self) -> Iterator[str]:
        """All display names."""
        for group in self.listing("list groups", **self.options.list_groups):
            self.ids[self.title(group)] = str(group["id"])
            yield self.title(group)

    def title(self, group: Resource) -> str:
        """What playbooks call the group."""
        return str(group["displayName"] if self.options.groups_by == "name" else group["id"])

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
        user = self.http.json("GET", f"/Users/{quote(id, safe='')}", doing=doing)
        return self.held({"id": id, **(user or {})})

    def of(self, user_id: str, name: str, doing: str) -> list[str]:
        """Ids of the groups of that name that the user is in: as `held_by`, 2 calls where members are never listed."""
        if not self.options.member_test:
            held = self.held_by(user_id, doing)
            return [id for id, called in held.items() if called.casefold() == name.casefold()]
        self.learn(name)
        id = self.ids.get(name)
        return [id] if id and self.in_it(id, user_id, doing) else []

    def named(self, listed: list[Resource]) -> dict[str, str]:
        """Id -> name; where the server leaves the names out, they are looked up among all groups."""
        ids = {referred(g): str(g.get("display") or "") for g in listed}
        if self.options.groups_by == "id":
            return {id: id for id in ids}
        if all(ids.values()):
            return ids
        names = {str(g["id"]): self.title(g) for g in self.listing("list groups", **self.options.list_groups)}
        return {id: name or names[id] for id, name in ids.items() if name or id in names}

    def holding(self, user_id: str) -> dict[str, str]:
        """Group id -> name by asking the groups: with a filter where it was seen to work, else by reading all."""
        doing = f"read groups of {user_id}"
        if self.options.member_test:
            all_groups = list(self.listing(doing, **self.options.list_groups))
            return {str(g["id"]): self.title(g) for g in all_groups if self.in_it(str(g["id"]), user_id, doing)}
        if self.filtering(doing):
            found = {str(g["id"]): self.title(g) for g in self.with_member(user_id, doing)}
        else:
            found = {str(g["id"]): self.title(g) for g in self.listing(doing) if user_id in members(g)}
        self.shown = False if found else self.shown
        return found

    def in_it(self, group_id: str, user_id: str, doing: str) -> bool:
        """Whether the user is in the group, where the server answers that question and no other."""
        asked = fill(self.options.member_test, {"group": group_id, "user": user_id})
        return any(str(g["id"]) == group_id for g in self.listing(doing, filter=asked))

    def by_user(self) -> dict[str, set[str]]:
        """User id -> names of groups, from one listing of all groups; nothing where members are never listed."""
        found: dict[str, set[str]] = {}
        for group in () if self.options.member_test else self.listing("list groups with members"):
            for id in members(group):
                found.setdefault(id, set()).add(self.title(group))
        return found

    def with_member(self, user_id: str, doing: str) -> Iterator[Resource]:
        """What the server answers to the member filter, believed or not."""
        return self.listing(doing, filter=f"members.value eq {quoted(user_id)}", **self.options.list_groups)

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

    def turn(self, name: str, user_ids: list[str], on: bool, doing: str) -> None:
        """Put these users into the group, made where that is allowed, or take them out: 1 call, the first time for a
        group 2 or 3."""
        if on:
            self.join(name, user_ids, doing)
        elif id := self.ids.get(name) or self.search(name, doing):
            self.leave(id, user_ids, doing)

    def join(self, name: str, user_ids: list[str], doing: str) -> None:
        """A group that is gone is forgotten, looked up or made again, and tried once more."""
        add = [{"op": "add", "path": "members", "value": [{"value": id} for id in user_ids]}]
        first = self.id_of(name, doing)
        try:
            self.change(first, add, user_ids, True, doing)
        except Refused as error:
            if error.status != 404:
                raise
            self.ids.pop(name, None)
            if (again := self.id_of(name, doing)) == first:
                raise
            self.change(again, add, user_ids, True, doing)

    def leave(self, group_id: str, user_ids: list[str], doing: str) -> None:
        """Take the users out: 1 call, 2 at servers that know no filter in a PATCH path (AWS, Entra)."""
        one_by_one = [{"op": "remove", "path": f"members[value eq {quoted(id)}]"} for id in user_ids]
        together = [{"op": "remove", "path": "members", "value": [{"value": id} for id in user_ids]}]
        try:
            self.change(group_id, one_by_one if self.paths else together, user_ids, False, doing)
        except Refused as error:
            if error.status not in UNFILTERED or not self.paths:
                raise
            self.change(group_id, together, user_ids, False, doing)
            self.paths = False

    def change(self, group_id: str, operations: list[Resource], user_ids: list[str], on: bool, doing: str) -> None:
        """PATCH one group; where the server has no PATCH, read it and PUT it back with other members."""
        where = f"/Groups/{quote(group_id, safe='')}"
        if self.patches:
            try:
                self.http.request("PATCH", where, doing=doing, json=patch(operations))
                return
            except Refused as error:
                if error.status not in NO_PATCH:
                    raise
                self.patches = False

        def changed(group: Resource) -> Resource:
            kept = [m for m in member(group, "members") or [] if referred(m) not in user_ids]
            wanted = kept + ([{"value": id} for id in user_ids] if on else [])
            return {k: v for k, v in group.items() if k != "meta"} | {"members": wanted}

        put_back(self.http, where, changed, doing)

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
        if self.options.groups_by == "id":
            return name
        try:
            found = [g for g in self.listing(doing, filter=f"displayName eq {quoted(name)}") if called(g, name)]
        except Refused as error:
            if error.status not in UNFILTERED:
                raise
            found = []
        found = found or [g for g in self.listing(doing, **self.options.list_groups) if called(g, name)]
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
        named = {"displayName": name} | ({"externalId": name} if self.options.groups_external_id else {})
        body = {"schemas": [CORE_GROUP], **named}
        try:
            made = self.http.json("POST", "/Groups", doing=doing, json=body)
            return str(made["id"]) if made and made.get("id") else None
        except ConnectorError as error:
            if self.search(name, doing) is None:
                raise error
            return None


def members(group: Resource) -> list[str]:
    """Ids of a group's members."""
    return [referred(m) for m in member(group, "members") or []]


def referred(reference: Resource) -> str:
    """The id that a reference means: its value, else the end of its `$ref`, absolute or relative."""
    return str(member(reference, "value") or str(member(reference, "$ref") or "").rstrip("/").rpartition("/")[2])


def called(group: Resource, name: str) -> bool:
    """Whether the group has this name."""
    return str(group.get("displayName", "")).casefold() == name.casefold()


def age(group: Resource) -> tuple[str, str]:
    """Sorts the oldest group first; every process sorts alike."""
    return str((group.get("meta") or {}).get("created", "")), str(group["id"])
