"""Any app with a JSON API, declared in YAML alone. The words are those of connectors.rest_options.

Verbs name the calls they make; a page of a listing counts as one call.

Least permission: exactly the calls that the app's YAML names. What a vendor calls that differs: unverified here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from connectors.base import Outcome
from connectors.belongings import fitting
from connectors.calls import GONE, Call
from connectors.errors import ConnectorError, NeedsHuman, Refused, Retryable
from connectors.fields import pick, text
from connectors.http import Http, client
from connectors.listing import Listing, Row
from connectors.rest_options import Active, Entitlements, Options, same
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules

Declared = TypeVar("Declared")
UNTOLD = (401, 403)
"""Refusals after which reading back is no use."""


class Rest:
    """One app; keeps App."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: Http) -> None:
        self.name, self.rules, self.http, self.options = name, rules, http, options
        self.users, self.active, self.sessions = options.users, options.active, options.sessions
        self.lists = options.pages.style()
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)

    @property
    def undeclared(self) -> frozenset[str]:
        """Verbs of App that this app's YAML leaves to people."""
        left_out = {"delete": self.users.delete, "enable": self.active, "disable": self.active}
        return frozenset(verb for verb, declared in left_out.items() if declared is None)

    def check(self) -> str:
        """1 call."""
        first = next(self.rows(self.users.list, "check the connection"), None)
        shown = "shows its accounts" if first else "shows no accounts yet"
        return f"{self.rules.title} answers and {shown}."

    def accounts(self) -> Iterator[Account]:
        """1 call per page. Entitlements only where they are a field of the account."""
        return (self.account(row) for row in self.rows(self.users.list, "list accounts"))

    def find(self, key: str) -> Account | None:
        """1 call; the whole list where the search cannot be believed or there is none."""
        row = self.search(key)
        return self.account(row) if row else None

    def read(self, id: str) -> Account | None:
        """1 call, 2 where entitlements have a list of their own."""
        row = self.row(id, f"read account {id}")
        return self.account(row, self.held(row)) if row else None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call after a look, else 2: find, create. A failure that may hide a success makes it look again."""
        key = attributes[self.key]
        doing = f"create account for {key}"
        if not looked and (found := self.search(key)):
            return Outcome.ALREADY, self.id_of(found)
        given = {field: value for field, value in attributes.items() if value != ""}
        try:
            response = self.users.create.carry(given, self.http, doing, self.users.create.wrap)
        except ConnectorError as error:
            return self.settle(key, error)
        made = pick(self.http.body(response, doing), self.users.item)
        return Outcome.DONE, self.id_of(made) or self.id_elsewhere(response.headers.get("location"), key, doing)

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call. Says DONE also where nothing was different: servers do not tell."""
        self.change(id, attributes, f"update account {id}")
        return Outcome.DONE

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look or where a status says `already`, else 2: read, write."""
        doing = f"enable account {id}"
        active = self.declared(self.active, "active", doing)
        return self.switch(id, active, True, looked, doing)

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look or where a status says `already`, else 2: read, write."""
        doing = f"disable account {id}"
        active = self.declared(self.active, "active", doing)
        try:
            return self.switch(id, active, False, looked, doing)
        except Refused as error:
            if error.status in GONE:
                return Outcome.ALREADY
            raise

    def delete(self, id: str) -> Outcome:
        """1 call."""
        doing = f"delete account {id}"
        return self.declared(self.users.delete, "users.delete", doing).done(self.http, doing, Outcome.ALREADY, id=id)

    # how it is done

    def rows(self, listing: Listing, doing: str, **at: str) -> Iterator[Row]:
        """Items of a listing with the places in its path filled."""
        return listing.rows(self.http, self.lists, doing, **at)

    def search(self, key: str) -> Row | None:
        """The account with this key, compared, whatever the search gave."""
        doing = f"find account {key}"
        if self.users.find is None:
            return self.listed(key)
        suspect = False
        for row in self.found(key, doing):
            if self.is_key(row, key):
                return row
            suspect = self.users.find.exact
        return self.listed(key) if suspect else None

    def found(self, key: str, doing: str) -> Iterator[Row]:
        """What the search gives, believed or not."""
        find = self.users.find
        assert find is not None
        if not find.one:
            yield from self.rows(Listing(path=find.path, items=self.users.list.items, query=find.query), doing, key=key)
            return
        call = Call(verb="GET", path=find.path, query=find.query)
        try:
            row = pick(self.http.body(call.send(self.http, doing, key=key), doing), self.users.item)
        except Refused as error:
            if error.status not in GONE:
                raise
            return
        if row:
            yield row

    def listed(self, key: str) -> Row | None:
        """The account with this key out of the whole list."""
        rows = self.rows(self.users.list, f"find account {key}")
        return next((row for row in rows if self.is_key(row, key)), None)

    def is_key(self, row: Row, key: str) -> bool:
        return (text(pick(row, self.key)) or "").casefold() == key.casefold()

    def row(self, id: str, doing: str) -> Row | None:
        """The account as the app shows it, or None where there is no such one."""
        try:
            path = Call(verb="GET", path=self.users.read).where({"id": id})
            found = pick(self.http.json("GET", path, doing=doing), self.users.item)
        except Refused as error:
            if error.status in GONE:
                return None
            raise
        return found if isinstance(found, dict) and found else None

    def settle(self, key: str, error: ConnectorError) -> tuple[Outcome, str]:
        """After a failed create: was the account made all the same, or was it there before?"""
        status = getattr(error, "status", None)
        if status in UNTOLD:
            raise error
        try:
            found = self.search(key) or (self.listed(key) if status == 409 else None)
        except Retryable as later:
            raise error if isinstance(error, Retryable) else later from None
        if not found:
            raise error
        return (Outcome.DONE if isinstance(error, Retryable) else Outcome.ALREADY), self.id_of(found)

    def id_of(self, row: Any) -> str:
        """An account's id as text; empty where there is none."""
        return text(pick(row, self.users.id)) or ""

    def id_elsewhere(self, location: str | None, key: str, doing: str) -> str:
        """The id of an account just made, where the answer does not hold it: from Location, or by looking."""
        if location:
            return location.rstrip("/").rpartition("/")[2]
        if found := self.search(key):
            return self.id_of(found)
        raise Retryable(self.name, doing, "the app said yes, but the account cannot be found yet")

    def change(self, id: str, fields: Mapping[str, Any], doing: str) -> None:
        self.users.update.carry(fields, self.http, doing, self.users.update.wrap, id=id)

    def switch(self, id: str, active: Active, on: bool, looked: bool, doing: str) -> Outcome:
        """Enable or disable, by a call of its own or by the field."""
        call = active.enable if on else active.disable
        if not looked and not (call and call.already):
            row = self.row(id, doing)
            if row is None:
                raise Refused(self.name, doing, "there is no such account", status=404)
            if self.is_active(row) == on:
                return Outcome.ALREADY
        if call:
            return call.done(self.http, doing, id=id)
        self.change(id, {active.field: active.on if on else active.off[0]}, doing)
        return Outcome.DONE

    def is_active(self, row: Row) -> bool:
        """Whether the status field has none of the values that mean disabled."""
        return not (self.active and any(same(pick(row, self.active.field), off) for off in self.active.off))

    def held(self, row: Row) -> frozenset[str]:
        """Names of the entitlements held: none in an app without them."""
        return frozenset()

    def shown(self, row: Row) -> frozenset[str]:
        """Names of the entitlements that the account itself shows."""
        return frozenset()

    def account(self, row: Row, held: frozenset[str] | None = None) -> Account:
        values = {field: text(pick(row, field)) for field in self.fields}
        return Account(
            id=self.id_of(row),
            key=text(pick(row, self.key)) or "",
            active=self.is_active(row),
            attributes={field: value for field, value in values.items() if value is not None},
            entitlements=self.shown(row) if held is None else held,
        )

    def declared(self, what: Declared | None, word: str, doing: str) -> Declared:
        """What the YAML declares, or the step is for a person."""
        if what is None:
            todo = self.rules.instructions.get(doing.split()[0], f"Do it in {self.rules.title} by hand.")
            raise NeedsHuman(self.name, doing, f"apps/{self.name}.yaml declares no `{word}`", todo)
        return what


class RestWithGrants(Rest):
    """An app with groups, roles or teams; keeps Grants."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: Http) -> None:
        super().__init__(name, rules, options, http)
        assert options.entitlements is not None
        self.access: Entitlements = options.entitlements
        self.ids: dict[str, str] = {}
        """Entitlement name -> id, as last listed."""
        self.lock = threading.Lock()
        self.lists_entitlements = self.access.held.field is not None or self.access.members is not None

    def accounts(self) -> Iterator[Account]:
        """1 call per page; before them, where `members` is declared, 1 per page of each entitlement's accounts."""
        held = self.holders() if self.access.members else None
        for row in self.rows(self.users.list, "list accounts"):
            yield self.account(row, None if held is None else frozenset(held.get(self.id_of(row), ())))

    def holders(self) -> dict[str, set[str]]:
        """Account's id -> names of the entitlements it holds, by asking the entitlements."""
        assert self.access.members is not None
        found: dict[str, set[str]] = {}
        known = self.listed_ids() if self.access.list else {name: name for name in self.rules.entitlements or ()}
        for name, id in known.items():
            for row in self.rows(self.access.members, f"list the accounts with {name!r}", entitlement=id):
                found.setdefault(self.id_of(row), set()).add(name)
        return found

    def entitlements(self) -> Iterator[str]:
        """1 call per page."""
        return iter(self.listed_ids() if self.access.list else self.rules.entitlements or ())

    def prepare(self, entitlement: str) -> None:
        """1 call per page of entitlements, none where their ids are known or are their names."""
        if self.access.list is not None and entitlement not in self.ids:
            self.listed_ids()

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call after a look or where a status says `already`, else 2 (3 where entitlements have a list of their
        own)."""
        doing = f"grant {entitlement!r} to {id}"
        return self.turn(id, entitlement, True, looked, doing)

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """As grant. ALREADY also where the account or the entitlement is gone."""
        doing = f"revoke {entitlement!r} from {id}"
        try:
            return self.turn(id, entitlement, False, looked, doing)
        except Refused as error:
            if error.status in GONE:
                return Outcome.ALREADY
            raise

    def turn(self, id: str, entitlement: str, on: bool, looked: bool, doing: str) -> Outcome:
        """Grant or revoke, after a look where no status would tell `already`."""
        call = self.access.grant if on else self.access.revoke
        if not looked and not call.already and self.has(id, entitlement, doing) == on:
            return Outcome.ALREADY
        known = self.entitlement_id(entitlement, doing)
        try:
            return call.done(self.http, doing, id=id, entitlement=known)
        except Refused as error:
            if error.status not in GONE or (fresh := self.entitlement_id(entitlement, doing, anew=True)) == known:
                raise
            return call.done(self.http, doing, id=id, entitlement=fresh)

    def has(self, id: str, entitlement: str, doing: str) -> bool:
        row = self.row(id, doing)
        if row is None:
            raise Refused(self.name, doing, "there is no such account", status=404)
        return entitlement.casefold() in {name.casefold() for name in self.held(row)}

    def entitlement_id(self, name: str, doing: str, anew: bool = False) -> str:
        """The app's id for a name, remembered; `anew` lists again."""
        if self.access.list is None:
            return name
        for ids in ({} if anew else self.ids, self.listed_ids):
            table = ids if isinstance(ids, dict) else ids()
            found = table.get(name) or next((i for n, i in table.items() if n.casefold() == name.casefold()), None)
            if found:
                return found
        known = ", ".join(sorted(self.ids)) or "none"
        why = f"there is no {name!r} there; there are {known}"
        raise Refused(self.name, doing, why, "Make it there, or correct the name in the playbook.", 404)

    def listed_ids(self) -> dict[str, str]:
        """Name -> id of all entitlements, read anew."""
        assert self.access.list is not None
        with self.lock:
            rows = self.rows(self.access.list, "list entitlements")
            self.ids = {str(pick(row, self.access.name)): str(pick(row, self.access.id)) for row in rows}
            return self.ids

    def held(self, row: Row) -> frozenset[str]:
        held = self.access.held
        if held.list is None:
            return self.shown(row)
        return self.named(self.rows(held.list, f"read entitlements of {self.id_of(row)}", id=self.id_of(row)))

    def shown(self, row: Row) -> frozenset[str]:
        held = self.access.held
        if held.field is None:
            return frozenset()
        value = pick(row, held.field)
        values = value if isinstance(value, list) else [] if value in (None, "") else [value]
        return frozenset(map(str, values)) if held.names else self.named(values)

    def named(self, values: Any) -> frozenset[str]:
        """Names out of objects or ids; ids are looked up, anew where one is not known. Unknown ones stay ids."""
        found = list(values)
        names = {str(pick(v, self.access.name)) for v in found if pick(v, self.access.name) is not None}
        ids = {
            str(pick(v, self.access.id) if isinstance(v, dict) else v) for v in found if not is_named(v, self.access)
        }
        if ids and self.access.list and not ids <= set(self.ids.values()):
            self.listed_ids()
        by_id = {id: name for name, id in self.ids.items()}
        return frozenset(names | {by_id.get(id, id) for id in ids})


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Rest:
    """The app that these rules declare; nothing is called yet."""
    http = Http(name, client(options.url, options.auth, options.headers), around, str(rules.options["url"]))
    kind = fitting(RestWithGrants if options.entitlements else Rest, options)
    return kind(name, rules, options, http)


def is_named(value: Any, access: Entitlements) -> bool:
    """Whether this is an object that tells its name."""
    return pick(value, access.name) is not None
