"""The users of a SCIM server: every verb of App. A page of a listing counts as one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from connectors.base import Outcome, Write, Written
from connectors.calls import GONE
from connectors.errors import ConnectorError, NeedsHuman, Refused, Retryable
from connectors.http import Http
from connectors.listing import getter
from connectors.pages import Whole, walk
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
from connectors.scim_bulk import ManyWrites
from connectors.scim_discovery import Discovery
from connectors.scim_groups import NO_PATCH, UNFILTERED, Groups
from connectors.scim_options import Options
from connectors.scim_whole import put_back
from mappings.access import Account
from mappings.vocabulary import AppRules

UNTOLD = (401, 403)
"""Refusals after which reading back is no use."""


class Scim:
    """The users of one SCIM server; keeps App and Bulk."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: Http) -> None:
        self.name, self.title, self.http, self.options = name, rules.title, http, options
        self.sessions, self.lists_entitlements = options.sessions, not options.member_test
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)
        self.style = options.style()
        self.lists = Whole()
        """How lists outside SCIM are paged, where their YAML does not say it."""
        self.groups = Groups(http, self.style, options)
        self.discovery = Discovery(http)
        self.many = ManyWrites(self, options.bulk, options.members_per_call)
        self.filters = options.filter
        """False also once a filter was seen to be ignored."""
        self.patches = True
        """False once a PATCH was seen to be unknown."""

    @property
    def undeclared(self) -> frozenset[str]:
        """Verbs that people do, since the YAML says that the server cannot."""
        return frozenset(self.options.cannot)

    def check(self) -> str:
        """4 calls: users, and the three pages on which servers tell what they are."""
        body = self.http.json("GET", "/Users", doing="check the connection", params={"startIndex": 1, "count": 1})
        total = (body or {}).get("totalResults", "some")
        told = [self.discovery.announced().words(), *self.discovery.doubts(self.fields, self.options.groups)]
        return f"{self.title} answers as SCIM, shows {total} accounts, {'; '.join(told)}."

    def accounts(self) -> Iterator[Account]:
        """1 call per page."""
        for user in self.users("list accounts"):
            yield self.account(user, self.named(user))

    def find(self, key: str) -> Account | None:
        """1 call; where the filter is refused, ignored or answers with somebody else, the whole list."""
        user = self.search(key)
        return self.account(user, self.named(user)) if user else None

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
        """1 call; with groups 2 at servers whose users do not carry them."""
        try:
            user = self.http.json("GET", user_path(id), doing=f"read account {id}")
        except Refused as error:
            if error.status in GONE:
                return None
            raise
        return self.account(user, self.entitled(user)) if user else None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call after a look, else 2: find, POST. A failure that may hide a success makes it look again."""
        key = attributes[self.key]
        doing = f"create account for {key}"
        self.able("create", doing)
        if not looked and (found := self.search(key)):
            return Outcome.ALREADY, self.same(found, attributes, doing)
        body = self.new(attributes)
        try:
            response = self.http.request("POST", "/Users", doing=doing, json=body)
        except ConnectorError as error:
            return self.settle(attributes, doing, error)
        made = self.http.body(response, doing) or {}
        return Outcome.DONE, str(made.get("id") or self.id_elsewhere(response.headers.get("location"), key, doing))

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call, 2 by PUT, 3 where a typed value (an alias) is new. Says DONE also where nothing was different."""
        doing = f"update account {id}"
        self.able("update", doing)
        if self.options.update == "patch" and self.patched(id, attributes, doing):
            return Outcome.DONE
        self.put(id, attributes, doing)
        return Outcome.DONE

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look (PATCH), else 2: read, PATCH or PUT."""
        self.able("enable", f"enable account {id}")
        return self.turn(id, True, looked, f"enable account {id}")

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look (PATCH), else 2: read, PATCH or PUT."""
        try:
            self.able("disable", f"disable account {id}")
            return self.turn(id, False, looked, f"disable account {id}")
        except Refused as error:
            return already_gone(error)

    def delete(self, id: str) -> Outcome:
        """1 call."""
        self.able("delete", f"delete account {id}")
        try:
            self.http.request("DELETE", user_path(id), doing=f"delete account {id}")
        except Refused as error:
            return already_gone(error)
        return Outcome.DONE

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """1 call the first time: what the server announces."""
        return self.many.batches(writes)

    def write_many(self, batch: Sequence[Write], looked: bool = False) -> Iterator[Written]:
        """1 call for a batch; 1 or more again for each write that did not succeed by it."""
        return self.many.written(batch, looked)

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

    def turn(self, id: str, active: bool, looked: bool, doing: str) -> Outcome:
        """Set `active`, unless it is so."""
        put = (self.options.switch or self.options.update) == "put"
        user = {} if looked and not put else self.resource(id, doing)
        if user and is_active(user) == active:
            return Outcome.ALREADY
        if put or not self.sent(id, [self.switching(active)], doing):
            self.put(id, {}, doing, {"active": self.active(active)}, user)
        return Outcome.DONE

    def switching(self, active: bool) -> Resource:
        """The operation that sets `active`."""
        if self.options.switch == "whole":
            return {"op": "replace", "value": {"active": self.active(active)}}
        return {"op": "replace", "path": "active", "value": self.active(active)}

    def active(self, active: bool) -> bool | str:
        """`active` as this server wants it."""
        return active if self.options.active_as == "bool" else str(active)

    def new(self, attributes: Mapping[str, str]) -> Resource:
        """The user that is posted."""
        return document(attributes) | {"active": self.active(True)}

    def patched(self, id: str, attributes: Mapping[str, str], doing: str) -> bool:
        """Send the changes; a typed value of which there is none yet is added. False where the server has no PATCH."""
        try:
            return self.sent(id, operations(attributes), doing)
        except Refused as error:
            if error.status != 400 or not any(parse(name).type for name in attributes):
                raise
        there = self.resource(id, doing)
        absent = [n for n in attributes if parse(n).type and value_of(there, parse(n)) is None]
        return self.sent(id, operations(attributes, absent), doing)

    def sent(self, id: str, changes: list[Resource], doing: str) -> bool:
        """PATCH; False where the server was seen not to have it."""
        if not self.patches or not changes:
            return self.patches
        try:
            self.http.request("PATCH", user_path(id), doing=doing, json=patch(changes))
        except Refused as error:
            if error.status not in NO_PATCH:
                raise
            self.patches = False
        return self.patches

    def operation(self, write: Write) -> Resource | None:
        """The write as an operation of a bulk request; None where it is more than one request, or none."""
        options, id = self.options, user_path(write.id)
        if write.verb in options.cannot:
            return None
        if write.verb == "create":
            return {"method": "POST", "path": "/Users", "data": self.new(write.attributes)}
        if write.verb == "delete":
            return {"method": "DELETE", "path": id}
        if write.verb == "update" and options.update == "patch" and write.attributes:
            return {"method": "PATCH", "path": id, "data": patch(operations(write.attributes))}
        if write.verb in ("enable", "disable") and (options.switch or options.update) != "put":
            return {"method": "PATCH", "path": id, "data": patch([self.switching(write.verb == "enable")])}
        return None

    def able(self, verb: str, doing: str) -> None:
        """NeedsHuman for what the YAML says the server cannot."""
        if verb in self.options.cannot:
            raise NeedsHuman(
                self.name, doing, f"its YAML says that it cannot {verb}", f"Do it by hand in {self.title}."
            )

    def put(
        self,
        id: str,
        attributes: Mapping[str, str],
        doing: str,
        more: Mapping[str, Any] | None = None,
        user: Resource | None = None,
    ) -> None:
        """Send the whole resource, changed: read just now where `user` is not given. What only the server may write
        stays out."""

        def changed(user: Resource) -> Resource:
            for name, value in attributes.items():
                place(user, parse(name), value)
            return {k: v for k, v in (user | dict(more or {})).items() if k not in self.options.read_only}

        put_back(self.http, user_path(id), changed, doing, user or {})

    def named(self, user: Resource) -> Iterable[str]:
        """Names of groups as far as the user carries them."""
        return ()

    def entitled(self, user: Resource) -> Iterable[str]:
        """Names of all groups of the user."""
        return ()

    def account(self, user: Resource, groups: Any) -> Account:
        return Account(
            id=str(user["id"]),
            key=flat(user, [self.key]).get(self.key, ""),
            active=is_active(user),
            attributes=flat(user, self.fields),
            entitlements=frozenset(groups),
        )


def own(user: Resource, key: str) -> set[str]:
    """The key and the addresses of a user, casefolded."""
    mails = user.get("emails") or ()
    words = [flat(user, [key]).get(key, ""), *(str(m.get("value", "")) for m in mails if isinstance(m, dict))]
    return {word.casefold() for word in words}


def user_path(id: str) -> str:
    """The user's path below the base URL, whatever characters the id has."""
    return f"/Users/{quote(id, safe='')}"


def already_gone(error: Refused) -> Outcome:
    """ALREADY where the error says that there is no such account; else the error."""
    if error.status in GONE:
        return Outcome.ALREADY
    raise error
