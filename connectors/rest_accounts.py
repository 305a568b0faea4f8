"""The accounts of an app whose API is declared in YAML. The words are those of connectors.rest_options.

Verbs name the calls they make; a page of a listing counts as one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from connectors import places
from connectors.answers import Told
from connectors.base import Outcome
from connectors.calls import GONE, ending, same
from connectors.errors import ConnectorError, NeedsHuman, Refused, Retryable
from connectors.fields import pick, text
from connectors.listing import Listing, Row
from connectors.pages import there
from connectors.rest_options import Active, Find, Options, Write
from connectors.rest_writes import replaced
from connectors.values import PLAIN, bodily, moment, stamped
from mappings.access import Account
from mappings.vocabulary import AppRules

Declared = TypeVar("Declared")
UNTOLD = (401, 403)
"""Refusals after which reading back is no use."""


class Rest:
    """One app; keeps App."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: Told) -> None:
        self.name, self.rules, self.http, self.options = name, rules, http, options
        self.users, self.active, self.sessions = options.users, options.active, options.sessions
        self.lists = options.pages.style()
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)

    @property
    def undeclared(self) -> frozenset[str]:
        """Verbs of App that this app's YAML leaves to people."""
        users = self.users
        declared = {
            "create": users.create is not None,
            "update": bool(users.update),
            "delete": users.delete is not None,
            "enable": self.switches(True),
            "disable": self.switches(False),
        }
        return frozenset(verb for verb, there in declared.items() if not there)

    def check(self) -> str:
        """1 call."""
        doing = "check the connection"
        first = next(self.rows(self.users.list[0], doing), None)
        if first and not self.users.each and self.value(first, self.key) is None:
            why = f"an account shows no {self.key!r}{there(first)}"
            raise Refused(self.name, doing, why, "Check `key`, `fields` and `users.list` in the app's YAML.")
        self.named_by(first, doing)
        shown = "shows its accounts" if first else "shows no accounts yet"
        return f"{self.rules.title} answers and {shown}."

    def accounts(self) -> Iterator[Account]:
        """1 call per page, and 1 per account where the list shows too little. Entitlements only where they are a
        field of the account."""
        return (self.account(row) for row in self.everybody("list accounts"))

    def find(self, key: str) -> Account | None:
        """1 call; the whole list where the search cannot be believed or there is none."""
        row = self.search(key)
        return self.account(row) if row else None

    def read(self, id: str) -> Account | None:
        """1 call, 2 where entitlements have a list of their own."""
        row = self.row(id, f"read account {id}")
        return self.account(row, self.held(row)) if row else None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call after a look, else 2: find, create; 1 more where the call does not take all attributes. A failure
        that may hide a success makes it look again."""
        key = attributes[self.key]
        doing = f"create account for {key}"
        call = self.declared(self.users.create, "users.create", doing)
        if not looked and (found := self.search(key)):
            return Outcome.ALREADY, self.id_of(found)
        given = {field: value for field, value in attributes.items() if value != ""}
        first = {field: value for field, value in given.items() if not call.fields or field in call.fields}
        try:
            response = call.carry(joined(call, self.named(first, doing)), self.http, doing, key=key)
        except ConnectorError as error:
            return self.settle(key, error)
        body = self.http.body(response, doing)
        made = pick(body, self.users.item if call.item is None else call.item)
        id = text(pick(made, self.users.id if call.id is None else call.id)) or ""
        id = id or self.id_elsewhere(ending(response) if response.status_code == 201 else None, key, doing)
        self.change(id, {field: value for field, value in given.items() if field not in first}, doing)
        return Outcome.DONE, id

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call for each `update` that is concerned, 2 where it sends the account whole. Says DONE also where nothing
        was different: servers do not tell."""
        self.change(id, attributes, f"update account {id}")
        return Outcome.DONE

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look or where a status says `already`, else 2: read, write."""
        return self.switch(id, True, looked, f"enable account {id}")

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look or where a status says `already`, else 2: read, write."""
        try:
            return self.switch(id, False, looked, f"disable account {id}")
        except Refused as error:
            if error.status in GONE:
                return Outcome.ALREADY
            raise

    def delete(self, id: str) -> Outcome:
        """1 call."""
        doing = f"delete account {id}"
        return self.declared(self.users.delete, "users.delete", doing).done(self.http, doing, Outcome.ALREADY, id=id)

    # how it is looked up

    def rows(self, listing: Listing, doing: str, **at: Any) -> Iterator[Row]:
        """Items of a listing with the places in its path filled."""
        return listing.rows(self.http, self.lists, doing, **at)

    def everybody(self, doing: str) -> Iterator[Row]:
        """Every account once, out of all lists of them, and read by itself where the list shows too little."""
        seen = set[str]()
        for listing in self.users.list:
            for row in self.rows(listing, doing):
                id = self.named_by(row, doing)
                whole = self.row(id, doing) if self.users.each else row
                if whole and not (len(self.users.list) > 1 and id in seen):
                    yield whole
                seen.add(id)

    def search(self, key: str) -> Row | None:
        """The account with this key, compared, whatever the search gave."""
        doing = f"find account {key}"
        if not self.users.find:
            return self.listed(key)
        suspect = False
        for find in self.users.find:
            for word in dict.fromkeys((key, key.lower())):  # some searches mind case, and addresses are kept in lower
                for row in self.found(find, word, doing):
                    if self.is_key(row, key):
                        return row
                    suspect = suspect or find.exact
        return self.listed(key) if suspect else None

    def found(self, find: Find, key: str, doing: str) -> Iterator[Row]:
        """What one search gives, believed or not."""
        if not find.one:
            items = self.users.list[0].items if find.items is None else find.items
            words = find.model_dump(include=set(Listing.model_fields) - {"items"}, exclude_unset=True)
            yield from self.rows(Listing(items=items, **words), doing, key=key)
            return
        try:
            body = self.http.body(find.send(self.http, doing, key=key), doing)
        except Refused as error:
            if error.status not in GONE:
                raise
            return
        row = pick(body, self.users.item if find.item is None else find.item)
        if isinstance(row, dict) and row:
            yield row

    def listed(self, key: str) -> Row | None:
        """The account with this key out of the whole list."""
        return next((row for row in self.everybody(f"find account {key}") if self.is_key(row, key)), None)

    def is_key(self, row: Row, key: str) -> bool:
        return (self.value(row, self.key) or "").casefold() == key.casefold()

    def row(self, id: str, doing: str) -> Row | None:
        """The account as the app shows it, or None where there is no such one; out of the list where there is no way
        to read it by itself. Refused where the app shows another one."""
        if self.users.read is None:
            rows = (row for listing in self.users.list for row in self.rows(listing, doing))
            return next((row for row in rows if self.id_of(row) == id), None)
        try:
            body = self.http.body(self.users.read.send(self.http, doing, id=id), doing)
        except Refused as error:
            if error.status in GONE:
                return None
            raise
        found = pick(body, self.users.item)
        if isinstance(body, dict) and body and self.users.item and self.users.item.partition(".")[0] not in body:
            why = f"there is no {self.users.item!r} in the answer{there(body)}"
            raise Refused(
                self.name, doing, why, "Check `users.item`; if it means no such account, say so in `failed_if`."
            )
        if not isinstance(found, dict) or not found:
            return None
        if (shown := self.id_of(found)).casefold() != id.casefold() and shown:
            raise Refused(self.name, doing, f"the app showed account {shown}", "Check `users.read` in the app's YAML.")
        return found

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

    def named_by(self, row: Row | None, doing: str) -> str:
        """The id of an account in a list, which has one. Refused with the fields that there are."""
        if row and not self.id_of(row):
            why = f"an account has no {self.users.id!r}{there(row)}"
            raise Refused(self.name, doing, why, "Check `users.id` in the app's YAML.")
        return self.id_of(row)

    def id_of(self, row: Any) -> str:
        """An account's id as text; empty where there is none."""
        return text(pick(row, self.users.id)) or ""

    def id_elsewhere(self, location: str | None, key: str, doing: str) -> str:
        """The id of an account just made, where the answer does not hold it: from Location, or by looking."""
        if location:
            return location
        if found := self.search(key):
            return self.id_of(found)
        raise Retryable(self.name, doing, "the app said yes, but the account cannot be found yet")

    # how it is written

    def named(self, attributes: Mapping[str, str], doing: str) -> dict[str, dict[str, Any]]:
        """For each attribute the part of a body that the app's YAML makes of it."""
        try:
            return {name: bodily(self.options.fields, {name: value}) for name, value in attributes.items()}
        except ValueError as error:
            raise Refused(self.name, doing, str(error), "Correct the attribute in HR or in the app's YAML.") from None

    def change(self, id: str, attributes: Mapping[str, str], doing: str) -> None:
        """Send these attributes by whichever calls take them; what none takes is for a person."""
        self.send(id, self.named(attributes, doing), doing)

    def send(self, id: str, named: Mapping[str, Mapping[str, Any]], doing: str) -> None:
        """As change, with the body that each field makes."""
        left = {name: body for name, body in named.items() if body}
        for call in self.users.update:
            mine = {name: left.pop(name) for name in [*left] if not call.fields or name in call.fields}
            body = joined(call, mine)
            if body and call.whole:
                replaced(self, call, id, body, doing)
            elif body:
                call.carry(body, self.http, doing, id=id)
        if left:
            what = f"apps/{self.name}.yaml declares no `users.update` for {', '.join(left)}"
            raise NeedsHuman(self.name, doing, what, self.by_hand("update"))

    def switches(self, on: bool) -> bool:
        """Whether the YAML says how accounts are enabled, or disabled."""
        active = self.active
        call = active and (active.enable if on else active.disable)
        return bool(active and (call or active.entitlement or self.users.update))

    def switch(self, id: str, on: bool, looked: bool, doing: str) -> Outcome:
        """Enable or disable: by a call of its own, by an entitlement, or by the field."""
        active = self.declared(self.active if self.switches(on) else None, "active", doing)
        call = active.enable if on else active.disable
        if not looked and not (call and call.already):
            row = self.row(id, doing)
            if row is None:
                raise Refused(self.name, doing, "there is no such account", status=404)
            if self.is_active(row) == on:
                return Outcome.ALREADY
        if call:
            return call.done(self.http, doing, id=id)
        self.flip(id, active, on, doing)
        return Outcome.DONE

    def flip(self, id: str, active: Active, on: bool, doing: str) -> None:
        """Write the field that stands for it."""
        value = places.filled(active.enabling if on else active.disabling, places.moments())
        if isinstance(value, str) and active.date and (day := moment(value, "")):
            value = stamped(day, active.date)
        where = active.write or active.field
        self.send(id, {where: {where: value}}, doing)

    # what it looks like

    def is_active(self, row: Row) -> bool:
        """Whether the account is usable, as far as a field of it tells."""
        active = self.active
        if active is None or active.entitlement:
            return True
        value = pick(row, active.field)
        if active.past or active.future:
            return self.still(value, active) if active.past or not value else not self.still(value, active)
        return not value if active.set else not any(same(value, off) for off in active.off)

    def still(self, value: Any, active: Active) -> bool:
        """Whether a last day or moment is not over; nothing there means for ever. A day ends with its day."""
        if value in (None, "", 0, "0"):
            return True
        end = moment(value, active.date)
        if end is None:
            why = f"{active.field} shows {value!r}, which is no date"
            raise Refused(self.name, "read an account", why, "Check `active.date` in the app's YAML.")
        whole_day = end.time() == datetime.min.time()
        return end + timedelta(days=whole_day) > datetime.now(UTC)

    def value(self, row: Row, field: str) -> str | None:
        """An attribute as the account shows it."""
        return self.options.fields.get(field, PLAIN).shown(row, field)

    def held(self, row: Row) -> frozenset[str]:
        """Names of the entitlements held: none in an app without them."""
        return frozenset()

    def shown(self, row: Row) -> frozenset[str]:
        """Names of the entitlements that the account itself shows."""
        return frozenset()

    def account(self, row: Row, held: frozenset[str] | None = None) -> Account:
        values = {field: self.value(row, field) for field in self.fields}
        return Account(
            id=self.id_of(row),
            key=self.value(row, self.key) or "",
            active=self.is_active(row),
            attributes={field: value for field, value in values.items() if value is not None},
            entitlements=self.shown(row) if held is None else held,
        )

    def declared(self, what: Declared | None, word: str, doing: str) -> Declared:
        """What the YAML declares, or the step is for a person."""
        if what is None:
            why = f"apps/{self.name}.yaml declares no `{word}`"
            raise NeedsHuman(self.name, doing, why, self.by_hand(doing.split()[0]))
        return what

    def by_hand(self, verb: str) -> str:
        """What a person is asked to do where the YAML declares nothing."""
        return self.rules.instructions.get(verb, f"Do it in {self.rules.title} by hand.")


def joined(call: Write, named: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One body of what each attribute makes, in the places where this call wants them."""
    return {call.into.get(name, path): value for name, part in named.items() for path, value in part.items()}
