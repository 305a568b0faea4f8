"""Any app that speaks SCIM 2.0 (RFC 7643, RFC 7644), read leniently: what real servers do differently is expected.

Verbs name the calls they make; a page of a listing counts as one call.

Least permission: reading and writing /Users and /Groups (Groups only where entitlements are given), and what the paths
under `sessions`, `tokens`, `owned` and `hand_over` need. What a vendor calls that differs: unverified here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from connectors.base import Outcome
from connectors.belongings import Belongings, fitting
from connectors.calls import GONE
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.http import Auth, Http, client
from connectors.listing import getter
from connectors.pages import Whole, scim, walk
from connectors.scim_attributes import (
    Resource,
    document,
    flat,
    is_active,
    operations,
    parse,
    patch,
    place,
    quoted,
    value_of,
)
from connectors.scim_groups import UNFILTERED, Groups
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules

UNTOLD = (401, 403)
"""Refusals after which reading back is no use."""


class Options(Belongings):
    """The words under `options` of an app with `connector: scim`."""

    url: str
    """The base that /Users hangs on."""
    auth: Auth | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers that the server wants with every call."""
    page_size: int = Field(default=100, gt=0)
    trust_total: bool = True
    """False for servers whose totalResults is wrong."""
    update: Literal["patch", "put"] = "patch"
    """How changes are sent: PATCH, or the whole resource by PUT."""
    create_groups: bool = False
    """Whether a group that is wanted and missing is made."""
    groups_on_users: bool | None = None
    """Whether users carry their `groups`; left out: found out, which costs calls in every new process."""
    member_filter: bool | None = None
    """Whether groups can be filtered by `members.value`; left out: tried out, once in every process."""


class Scim:
    """Users and groups of one SCIM server; keeps App and Grants."""

    lists_entitlements = True

    def __init__(self, name: str, rules: AppRules, options: Options, http: Http) -> None:
        self.name, self.title, self.http, self.options = name, rules.title, http, options
        self.sessions = options.sessions
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)
        self.style = scim(options.page_size, options.trust_total)
        self.lists = Whole()
        """How lists outside SCIM are paged, where their YAML does not say it."""
        self.groups = Groups(http, self.style, options.create_groups)
        self.groups.shown, self.groups.filters = options.groups_on_users, options.member_filter
        self.filters = True
        """False once a filter was seen to be ignored."""

    def check(self) -> str:
        """1 call."""
        body = self.http.json("GET", "/Users", doing="check the connection", params={"startIndex": 1, "count": 1})
        return f"{self.title} answers as SCIM and shows {(body or {}).get('totalResults', 'some')} accounts."

    def accounts(self) -> Iterator[Account]:
        """1 call per page; where users do not carry their groups, the groups are listed once before."""
        elsewhere: dict[str, set[str]] | None = None
        for user in self.users("list accounts"):
            if "groups" not in user and not self.groups.shown and elsewhere is None:
                elsewhere = self.groups.by_user()
            names = self.groups.held(user).values() if "groups" in user else (elsewhere or {}).get(str(user["id"]), ())
            yield self.account(user, names)

    def find(self, key: str) -> Account | None:
        """1 call; where the filter is refused, ignored or answers with somebody else, the whole list."""
        user = self.search(key)
        return self.account(user, self.shown_groups(user)) if user else None

    def holds_address(self, address: str) -> bool:
        """1 call; where the filter is refused or ignored, the whole list."""
        doing, word = f"look for the address {address}", address.casefold()
        by = " or ".join(f"{path} eq {quoted(address)}" for path in (parse(self.key).path, "emails.value"))
        try:
            return any(
                word in own(user, self.key) for user in self.users(doing, **({"filter": by} if self.filters else {}))
            )
        except Refused as error:
            if error.status not in UNFILTERED:
                raise
        return any(word in own(user, self.key) for user in self.users(doing))

    def read(self, id: str) -> Account | None:
        """1 call, 2 at servers whose users do not carry their groups."""
        try:
            user = self.http.json("GET", user_path(id), doing=f"read account {id}")
        except Refused as error:
            if error.status in GONE:
                return None
            raise
        return self.account(user, self.groups.held(user).values()) if user else None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call after a look, else 2: find, POST. A failure that may hide a success makes it look again."""
        key = attributes[self.key]
        doing = f"create account for {key}"
        if not looked and (found := self.search(key)):
            return Outcome.ALREADY, self.same(found, attributes, doing)
        body = document(attributes) | {"active": True}
        try:
            response = self.http.request("POST", "/Users", doing=doing, json=body)
        except ConnectorError as error:
            return self.settle(attributes, doing, error)
        made = self.http.body(response, doing) or {}
        return Outcome.DONE, str(made.get("id") or self.id_elsewhere(response.headers.get("location"), key, doing))

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call, 2 by PUT, 3 where a typed value (an alias) is new. Says DONE also where nothing was different."""
        doing = f"update account {id}"
        if self.options.update == "put":
            self.put(id, self.resource(id, doing), attributes, doing)
            return Outcome.DONE
        try:
            self.patch(id, operations(attributes), doing)
        except Refused as error:
            if error.status != 400 or not any(parse(name).type for name in attributes):
                raise
            there = self.resource(id, doing)
            absent = [n for n in attributes if parse(n).type and value_of(there, parse(n)) is None]
            self.patch(id, operations(attributes, absent), doing)
        return Outcome.DONE

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look (PATCH), else 2: read, PATCH or PUT."""
        return self.switch(id, True, looked, f"enable account {id}")

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look (PATCH), else 2: read, PATCH or PUT."""
        try:
            return self.switch(id, False, looked, f"disable account {id}")
        except Refused as error:
            return already_gone(error)

    def delete(self, id: str) -> Outcome:
        """1 call."""
        try:
            self.http.request("DELETE", user_path(id), doing=f"delete account {id}")
        except Refused as error:
            return already_gone(error)
        return Outcome.DONE

    def entitlements(self) -> Iterator[str]:
        """1 call per page of groups."""
        return self.groups.names()

    def prepare(self, entitlement: str) -> None:
        """1 call: the group's id."""
        self.groups.learn(entitlement)

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2: who holds it, PATCH; the first time for a group also a look for its id."""
        doing = f"add {id} to group {entitlement!r}"
        if not looked and holds(self.groups.held_by(id, doing), entitlement):
            return Outcome.ALREADY
        self.groups.join(entitlement, id, doing)
        return Outcome.DONE

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """2 calls: who holds it, PATCH."""
        doing = f"take {id} out of group {entitlement!r}"
        try:
            held = self.groups.held_by(id, doing)
            group_ids = holds(held, entitlement)
            for group_id in group_ids:
                self.groups.leave(entitlement, group_id, id, doing)
        except Refused as error:
            return already_gone(error)
        return Outcome.DONE if group_ids else Outcome.ALREADY

    # how it is done

    def users(self, doing: str, **query: str) -> Iterator[Resource]:
        return walk(self.name, doing, getter(self.http, doing), "/Users", self.style, "Resources", query)

    def search(self, key: str) -> Resource | None:
        """The user with this key: by filter, and by the whole list where the filter cannot be believed."""
        doing = f"find account {key}"
        wrong = 0
        try:
            asked = self.users(doing, filter=f"{parse(self.key).path} eq {quoted(key)}") if self.filters else ()
            for user in asked:
                if self.is_key(user, key):
                    return user
                wrong += 1
        except Refused as error:
            if error.status not in UNFILTERED:
                raise
            wrong = -1
        return self.listed(key, wrong) if wrong or not self.filters else None

    def listed(self, key: str, filtered: int = 0) -> Resource | None:
        """The user with this key out of the whole list; remembers when the filter gave the whole list as well."""
        count = 0
        for user in self.users(f"find account {key}"):
            if self.is_key(user, key):
                return user
            count += 1
        self.filters = self.filters and not (filtered > 1 and filtered == count)
        return None

    def is_key(self, user: Resource, key: str) -> bool:
        return flat(user, [self.key]).get(self.key, "").casefold() == key.casefold()

    def settle(self, attributes: Mapping[str, str], doing: str, error: ConnectorError) -> tuple[Outcome, str]:
        """After a failed POST: was the account made all the same, or was it there before?"""
        status = getattr(error, "status", None)
        if status in UNTOLD:
            raise error
        key = attributes[self.key]
        try:
            found = self.search(key) or (self.listed(key) if status == 409 else None)
        except Retryable as later:
            raise error if isinstance(error, Retryable) else later from None
        if not found:
            raise error
        outcome = Outcome.DONE if isinstance(error, Retryable) else Outcome.ALREADY
        return outcome, self.same(found, attributes, doing)

    def same(self, found: Resource, attributes: Mapping[str, str], doing: str) -> str:
        """The found user's id, unless its externalId says that it is somebody else."""
        theirs, ours = found.get("externalId"), attributes.get("externalId")
        if theirs and ours and str(theirs) != ours:
            why = f"{self.key} is taken by account {found['id']}, which belongs to somebody else (externalId {theirs})"
            raise Refused(self.name, doing, why, "Give one of the two another name.", 409)
        return str(found["id"])

    def id_elsewhere(self, location: str | None, key: str, doing: str) -> str:
        """The id of a user just made, where the answer has no body: from Location, absolute or relative, or by
        looking (1 call more)."""
        if location:
            return location.rstrip("/").rpartition("/")[2]
        if found := self.search(key):
            return str(found["id"])
        raise Retryable(self.name, doing, "the server said yes, but the account cannot be found yet")

    def resource(self, id: str, doing: str) -> Resource:
        user: Resource = self.http.json("GET", user_path(id), doing=doing)
        return user

    def switch(self, id: str, active: bool, looked: bool, doing: str) -> Outcome:
        """Set `active`, unless it is so."""
        put = self.options.update == "put"
        user = {} if looked and not put else self.resource(id, doing)
        if user and is_active(user) == active:
            return Outcome.ALREADY
        if put:
            self.put(id, user | {"active": active}, {}, doing)
        else:
            self.patch(id, [{"op": "replace", "path": "active", "value": active}], doing)
        return Outcome.DONE

    def patch(self, id: str, changes: list[Resource], doing: str) -> None:
        if changes:
            self.http.request("PATCH", user_path(id), doing=doing, json=patch(changes))

    def put(self, id: str, user: Resource, attributes: Mapping[str, str], doing: str) -> None:
        """Send the whole resource, changed; what only the server may write stays out."""
        for name, value in attributes.items():
            place(user, parse(name), value)
        body = {k: v for k, v in user.items() if k not in ("meta", "groups")}
        self.http.request("PUT", user_path(id), doing=doing, json=body)

    def shown_groups(self, user: Resource) -> Any:
        return self.groups.held(user).values() if "groups" in user else ()

    def account(self, user: Resource, groups: Any) -> Account:
        return Account(
            id=str(user["id"]),
            key=flat(user, [self.key]).get(self.key, ""),
            active=is_active(user),
            attributes=flat(user, self.fields),
            entitlements=frozenset(groups),
        )


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Scim:
    """The app that these rules declare; nothing is called yet."""
    sent = {"Accept": "application/scim+json, application/json", **options.headers}
    http = Http(name, client(options.url, options.auth, sent), around, str(rules.options["url"]))
    return fitting(Scim, options)(name, rules, options, http)


def own(user: Resource, key: str) -> set[str]:
    """The key and the addresses of a user, casefolded."""
    mails = user.get("emails") or ()
    words = [flat(user, [key]).get(key, ""), *(str(m.get("value", "")) for m in mails if isinstance(m, dict))]
    return {word.casefold() for word in words}


def user_path(id: str) -> str:
    """The user's path below the base URL, whatever characters the id has."""
    return f"/Users/{quote(id, safe='')}"


def holds(held: Mapping[str, str], entitlement: str) -> list[str]:
    """Ids of the groups of that name among those held."""
    return [id for id, name in held.items() if name.casefold() == entitlement.casefold()]


def already_gone(error: Refused) -> Outcome:
    """ALREADY where the error says that there is no such account; else the error."""
    if error.status in GONE:
        return Outcome.ALREADY
    raise error
