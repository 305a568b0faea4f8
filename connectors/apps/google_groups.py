"""Google groups as entitlements, by name or by address.

Least permission: the scope admin.directory.group; admin.directory.customer.readonly where groups are made.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

from anyascii import anyascii

from connectors.apps.google_http import GONE, GoogleHttp, Said, known
from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.listing import Row

GROUPS = "/admin/directory/v1/groups"
MOST = 200
FIELDS = "nextPageToken,groups(id,email,name)"


class Groups:
    """The groups of one Workspace account. Safe to use from several threads."""

    def __init__(self, http: GoogleHttp, by: Literal["name", "email"], create: bool, domain: str) -> None:
        self.http, self.by, self.create, self.domain = http, by, create, domain
        self.ids: dict[str, str] = {}
        self.lock = threading.RLock()

    def listing(self, doing: str, **query: str) -> Iterator[Row]:
        """Groups, 200 to a call."""
        return self.http.pages(GROUPS, "groups", doing, MOST, {"fields": FIELDS, **query})

    def all(self, doing: str) -> Iterator[Row]:
        """Every group of the account."""
        return self.listing(doing, customer="my_customer")

    def names(self) -> Iterator[str]:
        """What rules call them."""
        for group in self.all("list groups"):
            self.ids[self.name_of(group).casefold()] = group["id"]
            yield self.name_of(group)

    def name_of(self, group: Row) -> str:
        return str(group[self.by])

    def held(self, user_id: str, doing: str) -> list[str]:
        """Names of the groups that the user is a direct member of; none where groups do not know the user (yet)."""
        try:
            return [self.name_of(group) for group in self.listing(doing, userKey=user_id)]
        except Refused as error:
            if error.status == GONE:
                return []
            raise

    def members(self, group: Row, doing: str) -> Iterator[str]:
        """Ids of a group's direct members."""
        path = f"{GROUPS}/{quote(group['id'], safe='')}/members"
        query = {"fields": "nextPageToken,members(id)"}
        return (row["id"] for row in self.http.pages(path, "members", doing, MOST, query) if "id" in row)

    def join(self, name: str, user_id: str, doing: str) -> Outcome:
        """1 call, the first time for a group 2. ALREADY where Google says that the member is there."""
        try:
            self.http.request(
                "POST", f"{self.path(name, doing)}/members", doing=doing, json={"id": user_id, "role": "MEMBER"}
            )
        except Said as error:
            if error.reason == "duplicate":
                return Outcome.ALREADY
            raise self.explained(error, name) from None
        return Outcome.DONE

    def leave(self, name: str, user_id: str, doing: str) -> Outcome:
        """1 call, the first time for a group 2. Where there is no such member 1 more: they may be one through another
        group (nested), which only a person can undo."""
        group = self.ids.get(name.casefold()) or self.search(name, doing)
        if not group:
            return Outcome.ALREADY
        where = f"{GROUPS}/{quote(group, safe='')}"
        try:
            self.http.request("DELETE", f"{where}/members/{quote(user_id, safe='')}", doing=doing)
        except Said as error:
            if error.status != GONE:
                raise self.explained(error, name) from None
            self.not_nested(where, name, user_id, doing)
            return Outcome.ALREADY
        return Outcome.DONE

    def not_nested(self, where: str, name: str, user_id: str, doing: str) -> None:
        """Refused where the user is a member through another group."""
        try:
            said = known(self.http.json("GET", f"{where}/hasMember/{quote(user_id, safe='')}", doing=doing))
        except Refused:
            return
        if said.get("isMember"):
            why = f"the membership in {name!r} comes through another group in it"
            raise Refused(self.http.app, doing, why, f"See in {name!r} which of its member groups has them.")

    def explained(self, error: Said, name: str) -> Refused | Retryable:
        """What stands behind some refusals."""
        if "dynamic" in error.why.casefold():
            todo = f"The members of {name!r} follow its query: change that, or the person's attributes."
            return Refused(error.app, error.doing, error.why, todo, error.status)
        if error.status == GONE and "groupkey" in error.why.casefold():
            self.ids.pop(name.casefold(), None)
            return Retryable(error.app, error.doing, f"the group {name!r} cannot be seen yet, or not any more")
        return error

    def path(self, name: str, doing: str) -> str:
        """Where the group is."""
        return f"{GROUPS}/{quote(self.id_of(name, doing), safe='')}"

    def learn(self, name: str) -> None:
        """Remember the group's id, if there is such a group."""
        if name.casefold() not in self.ids and (id := self.search(name, f"look for group {name!r}")):
            with self.lock:
                self.ids.setdefault(name.casefold(), id)

    def id_of(self, name: str, doing: str) -> str:
        """The group's id: remembered, found, or made; Refused where it does not exist and may not be made."""
        with self.lock:
            id = self.ids.get(name.casefold()) or self.search(name, doing) or self.made(name, doing)
            self.ids[name.casefold()] = id
            return id

    def search(self, name: str, doing: str) -> str | None:
        """The group with this name. A search that finds none is checked by reading all: it may be behind."""
        if self.by == "email":
            found = self.at(name, doing)
            return str(found["id"]) if found else None
        asked = self.listing(doing, customer="my_customer", query=f"name={quoted(name)}")
        rows = [group for group in asked if called(group, name)]
        rows = rows or [group for group in self.all(doing) if called(group, name)]
        if len(rows) > 1:
            where = ", ".join(sorted(str(group["email"]) for group in rows))
            why = f"{len(rows)} groups are called {name!r} ({where})"
            raise Refused(self.http.app, doing, why, "Give them names of their own, or say `groups_by: email`.")
        return str(rows[0]["id"]) if rows else None

    def at(self, address: str, doing: str) -> Row | None:
        """The group with this address, as its own or an alias."""
        return group_at(self.http, address, doing)

    def made(self, name: str, doing: str) -> str:
        """Make the group. Its address is made of its name, so two workers cannot make two."""
        if not self.create:
            todo = f"Make the group {name!r} there, or say `create_groups: true` in its YAML."
            raise Refused(self.http.app, doing, f"there is no group {name!r}", todo, GONE)
        address = name if "@" in name else f"{slug(name)}@{self.own_domain(doing)}"
        try:
            made = known(self.http.json("POST", GROUPS, doing=doing, json={"email": address, "name": name}))
            return str(made["id"])
        except (Said, Retryable) as error:
            if isinstance(error, Said) and error.reason != "duplicate":
                raise
            there = self.at(address, doing)
            if not there or not called(there, name):
                raise
            return str(there["id"])

    def own_domain(self, doing: str) -> str:
        """The domain of new groups' addresses."""
        if not self.domain:
            self.domain = str(
                known(self.http.json("GET", "/admin/directory/v1/customers/my_customer", doing=doing))["customerDomain"]
            )
        return self.domain


def group_at(http: GoogleHttp, address: str, doing: str) -> Row | None:
    """The group with this address, as its own or an alias; None where there is none. 1 call."""
    try:
        return known(http.json("GET", f"{GROUPS}/{quote(address, safe='')}", doing=doing))
    except Refused as error:
        if error.status == GONE:
            return None
        raise


def called(group: Row, name: str) -> bool:
    """Whether the group has this name or address."""
    return name.casefold() in (str(group.get("name", "")).casefold(), str(group.get("email", "")).casefold())


def quoted(value: str) -> str:
    """A value in a search (developers.google.com/workspace/admin/directory/v1/guides/search-groups)."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def slug(name: str) -> str:
    """`Sales & Bids` -> `sales-bids`, the part of an address before the @."""
    return re.sub(r"[^a-z0-9]+", "-", anyascii(name).lower()).strip("-") or "group"
