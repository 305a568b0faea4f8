"""What an Entra account can hold: groups by display name, `licence:SKU` for a licence given directly, `role:NAME`.

Groups that Graph cannot change (dynamic ones, those synced from Active Directory, those of Exchange) are not told as
entitlements: Rollcall does not decide who is in them. Roles are told, and given by people.

Sources: learn.microsoft.com/graph/api/group-post-members, group-delete-members, user-assignlicense;
/entra/identity/users/licensing-groups-resolve-problems (a licence that a group cannot give fails in silence).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from connectors.apps.entra_http import PAGE, Ask, GraphHttp, at, forbidden, quoted, says
from connectors.base import Outcome
from connectors.calls import GONE
from connectors.errors import ConnectorError, NeedsHuman, Refused
from connectors.listing import Row

LICENCE, ROLE = "licence:", "role:"
WANTED = "id,displayName,groupTypes,onPremisesSyncEnabled,mailEnabled,assignedLicenses"
FIXED = {
    "dynamic": ("its members are made by its rule in Entra", "Take it out of the playbook, or change the rule."),
    "synced": ("it is synced from Active Directory", "Grant it in Active Directory: name the directory's app."),
    "exchange": ("it is a distribution list, which only Exchange changes", "Use a Microsoft 365 or security group."),
}
"""Kinds of groups that cannot be changed here -> why, and what to do."""
Kind = Literal["", "dynamic", "synced", "exchange"]


class Group(NamedTuple):
    """A group, as far as granting needs to know it."""

    id: str
    name: str
    kind: Kind
    licences: tuple[str, ...]
    """Ids of the licences that come with it."""


class Groups:
    """The groups of one tenant. Safe to use from several threads."""

    def __init__(self, http: GraphHttp) -> None:
        self.http = http
        self.known: dict[str, Group] = {}
        self.lock = threading.Lock()

    def names(self) -> Iterator[str]:
        """1 call per page: those that can be granted."""
        return (group.name for group in self.all("list groups") if not group.kind)

    def all(self, doing: str) -> Iterator[Group]:
        """Every group."""
        return map(group_of, self.http.rows("/groups", doing, select=WANTED, top=str(PAGE)))

    def held(self, id: str) -> Iterator[str]:
        """1 call: names of the groups and roles that the account is in."""
        doing = f"read groups of {id}"
        for row in self.http.rows(f"/users/{id}/memberOf", doing, top=str(PAGE)):
            if name := held_name(row):
                yield name

    def by_user(self) -> dict[str, set[str]]:
        """User's id -> names of groups. 1 call per page of groups, and 1 per 20 groups."""
        groups = [group for group in self.all("list groups") if not group.kind]
        doing = "list members of groups"
        asks = (Ask("GET", at(f"/groups/{g.id}/members", select="id", top=str(PAGE)), doing) for g in groups)
        found: dict[str, set[str]] = {}
        for group, first in zip(groups, self.http.many(asks), strict=True):
            for member in self.whole(first, doing):
                found.setdefault(str(member["id"]), set()).add(group.name)
        return found

    def whole(self, first: object, doing: str) -> Iterator[Row]:
        """The items of a list whose first page came in a batch."""
        if isinstance(first, ConnectorError):
            raise first
        assert isinstance(first, dict)
        yield from first.get("value", ())
        if link := first.get("@odata.nextLink"):
            yield from self.http.rows(str(link), doing)

    def find(self, name: str, doing: str, anew: bool = False) -> Group:
        """The group of this name, remembered; Refused where there is none, two, or one that cannot be changed."""
        with self.lock:
            found = None if anew else self.known.get(name.casefold())
        if not found:
            found = self.search(name, doing)
            with self.lock:
                self.known[name.casefold()] = found
        if found.kind:
            why, todo = FIXED[found.kind]
            raise Refused(self.http.app, doing, f"the group {name!r} cannot be changed here: {why}", todo, 403)
        return found

    def search(self, name: str, doing: str) -> Group:
        """1 call. Entra lets several groups have one name."""
        asked = self.http.rows("/groups", doing, filter=f"displayName eq {quoted(name)}", select=WANTED)
        found = [group for group in map(group_of, asked) if group.name.casefold() == name.casefold()]
        if len(found) > 1:
            todo = "Give one of them another name."
            raise Refused(self.http.app, doing, f"{len(found)} groups are called {name!r}", todo, 409)
        if not found:
            todo = f"Make the group {name!r} in Entra, or correct the name in the playbook."
            raise Refused(self.http.app, doing, f"there is no group {name!r}", todo, 404)
        return found[0]

    def join(self, group: Group, id: str, doing: str) -> Outcome:
        """1 call. ALREADY for the 400 that says so."""
        try:
            self.http.request("POST", f"/groups/{group.id}/members/$ref", doing=doing, json=self.link(id))
        except Refused as error:
            if says(error, "already exist"):
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def leave(self, group: Group, id: str, doing: str) -> Outcome:
        """1 call. ALREADY where the account is not in it. Without `/$ref` this would delete the account."""
        try:
            self.http.request("DELETE", f"/groups/{group.id}/members/{id}/$ref", doing=doing)
        except Refused as error:
            if error.status in GONE:
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def link(self, id: str) -> Row:
        """The body that refers to a directory object."""
        return {"@odata.id": f"{str(self.http.client.base_url).rstrip('/')}/directoryObjects/{id}"}


class Licences:
    """The licences of one tenant, by part number."""

    def __init__(self, http: GraphHttp) -> None:
        self.http = http
        self.numbers: dict[str, str] = {}
        """Id -> part number."""

    def skus(self, doing: str) -> list[Row]:
        """1 call: what the company has bought."""
        rows = list(self.http.rows("/subscribedSkus", doing))
        self.numbers = {str(row["skuId"]): str(row["skuPartNumber"]) for row in rows}
        return rows

    def shown(self, doing: str) -> list[Row]:
        """As `skus`; nothing where the permission for it was not granted: who gives no licences needs none."""
        try:
            return self.skus(doing)
        except Refused as error:
            if forbidden(error):
                return []
            raise

    def names(self) -> Iterator[str]:
        """1 call."""
        return (f"{LICENCE}{row['skuPartNumber']}" for row in self.shown("list licences"))

    def held(self, user: Row) -> Iterator[str]:
        """Those given directly: no call, 1 the first time there is one."""
        for id in direct(user):
            if id not in self.numbers:
                self.shown("list licences")
            yield LICENCE + self.numbers.get(id, id)

    def id_of(self, name: str, doing: str) -> str:
        """The id of `licence:SPE_E3`: 1 call, none where it is known."""
        number = name.removeprefix(LICENCE)
        if found := self.known(number):
            return found
        self.skus(doing)
        if found := self.known(number):
            return found
        there = ", ".join(sorted(self.numbers.values())) or "none"
        raise Refused(self.http.app, doing, f"there is no licence {number!r}; there are {there}", "Correct it.", 404)

    def known(self, number: str) -> str:
        """The id of a part number, as far as it was read; else empty."""
        return next((id for id, each in self.numbers.items() if each.casefold() == number.casefold()), "")

    def assign(self, id: str, sku: str, doing: str) -> None:
        """1 call."""
        body = {"addLicenses": [{"skuId": sku, "disabledPlans": []}], "removeLicenses": []}
        self.http.request("POST", f"/users/{id}/assignLicense", doing=doing, json=body)

    def remove(self, id: str, sku: str, doing: str) -> Outcome:
        """1 call. ALREADY where the account has none, or is gone."""
        try:
            body = {"addLicenses": [], "removeLicenses": [sku]}
            self.http.request("POST", f"/users/{id}/assignLicense", doing=doing, json=body)
        except Refused as error:
            if error.status in GONE or says(error, "does not have a corresponding license"):
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def check_left(self, group: Group, wanted: int, doing: str, had: Callable[[], set[str]] = set) -> None:
        """Refused where a group would give a licence of which fewer than `wanted` are left: Entra takes the members in
        and says nothing. 1 call; `had` tells the licences that do not count, and is asked only then."""
        spent = [row for row in self.shown(doing) if row["skuId"] in group.licences and left(row) < wanted]
        held = had() if spent else set()
        if lacking := [str(row["skuPartNumber"]) for row in spent if str(row["skuId"]) not in held]:
            why = f"no licence {', '.join(lacking)} is left, which the group {group.name!r} gives"
            raise Refused(self.http.app, doing, why, "Buy a licence or free one, then run again.")

    def assigned(self, id: str, doing: str) -> set[str]:
        """1 call: ids of the licences that the account has in whatever way."""
        user = self.http.json("GET", f"/users/{id}", doing=doing, params={"$select": "id,assignedLicenses"}) or {}
        return {str(one.get("skuId")) for one in user.get("assignedLicenses") or ()}


def group_of(row: Row) -> Group:
    """A row of /groups or memberOf."""
    licences = tuple(str(one.get("skuId")) for one in row.get("assignedLicenses") or ())
    return Group(str(row["id"]), str(row.get("displayName") or ""), kind_of(row), licences)


def kind_of(row: Row) -> Kind:
    """Why it cannot be changed through Graph; empty where it can."""
    types = row.get("groupTypes") or ()
    if "DynamicMembership" in types:
        return "dynamic"
    if row.get("onPremisesSyncEnabled"):
        return "synced"
    return "exchange" if row.get("mailEnabled") and "Unified" not in types else ""


def held_name(row: Row) -> str:
    """The entitlement that a row of memberOf is; empty for what is none."""
    kind = str(row.get("@odata.type", "")).rpartition(".")[2]
    if kind == "directoryRole":
        return f"{ROLE}{row.get('displayName')}"
    return str(row.get("displayName") or "") if kind == "group" and not kind_of(row) else ""


def direct(user: Row) -> Iterable[str]:
    """Ids of the licences that the user holds without a group."""
    states = user.get("licenseAssignmentStates") or ()
    return [str(state["skuId"]) for state in states if not state.get("assignedByGroup")]


def left(sku: Row) -> int:
    """How many more can be given."""
    return max(0, int((sku.get("prepaidUnits") or {}).get("enabled") or 0) - int(sku.get("consumedUnits") or 0))


def for_people(app: str, entitlement: str, doing: str) -> NeedsHuman:
    """Roles are for people: they let somebody into everything, and belong into Privileged Identity Management."""
    name = entitlement.removeprefix(ROLE)
    return NeedsHuman(app, doing, "Entra roles are given and taken by people", f"See to the role {name!r} in Entra.")
