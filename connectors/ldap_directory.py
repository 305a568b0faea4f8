"""Accounts of a directory: found by key, known by an id that renames and moves keep, written attribute by attribute."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from connectors.base import Outcome
from connectors.errors import Refused
from connectors.ldap_entries import Entry, below, both, equals, filled, id_filter, id_text, normal
from connectors.ldap_errors import EXISTS, NO_OBJECT, LdapRefused, Lost
from connectors.ldap_groups import Groups
from connectors.ldap_options import Options
from connectors.ldap_places import Places
from connectors.ldap_switch import Switch
from connectors.ldap_values import attributes_of, changes, first_values, held, parse, shown, written
from connectors.ldap_wire import Wire
from mappings.access import Account
from mappings.vocabulary import AppRules

Result = TypeVar("Result")
ADDRESSES = ("mail", "userPrincipalName", "mailAlternateAddress")


class Directory:
    """Accounts of one directory; keeps App. Verbs name the operations they send; a page of a listing is one."""

    lists_entitlements = True

    def __init__(self, name: str, rules: AppRules, options: Options, wire: Wire) -> None:
        self.name, self.title, self.options, self.wire = name, rules.title, options, wire
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)
        self.places = Places(wire, options, self.key)
        self.switch = Switch(options.switch, options.ad)
        self.groups: Any = None
        if options.groups:
            self.groups = Groups(wire, options.groups, options.ad, rules.entitlements or ())
        self.names: dict[str, str] = {}
        """DN -> the `dn_by` of the entry, for managers."""

    # reading

    def check(self) -> str:
        """1 operation, and the bind."""
        doing = "check the connection"
        for base in self.options.bases:
            if self.wire.entry(base, ["objectClass"], doing) is None:
                raise Refused(self.name, doing, f"there is no {base}, or it may not be read", "Check base and move_to.")
        return f"{self.title} answers over TLS; {' and '.join(self.options.bases)} can be read."

    def accounts(self) -> Iterator[Account]:
        """1 operation per page; groups and managers are listed once before."""
        doing = "list accounts"
        in_groups = self.groups.by_account(doing) if self.groups and not self.groups.member_of else None
        called = self.groups.called(self.groups.search("", doing)) if self.groups and in_groups is None else {}
        self.learn_names(doing)
        for base in self.options.bases:
            for entry in self.wire.search(base, self.options.accounts, self.wanted(), doing):
                yield self.account(entry, self.listed(entry, in_groups, called), doing)

    def listed(self, entry: Entry, in_groups: Mapping[str, set[str]] | None, called: Mapping[str, str]) -> set[str]:
        """What an account in the listing holds."""
        if in_groups is not None:
            return in_groups.get(self.groups.normal(self.groups.member(entry)), set())
        return {called[dn] for dn in entry.all("memberOf") if dn in called}

    def find(self, key: str) -> Account | None:
        """1 operation, 2 with groups."""
        doing = f"find account {key}"
        entry = self.search(key, doing)
        return self.whole(entry, doing) if entry else None

    def holds_address(self, address: str) -> bool:
        """1 operation per base."""
        doing = f"look for the address {address}"
        asked = [equals(name, address) for name in dict.fromkeys((parse(self.key).attribute, *ADDRESSES))]
        asked += [equals("proxyAddresses", f"smtp:{address}")]
        wanted = f"(|{''.join(asked)})"
        return any(True for base in self.options.bases for _ in self.wire.search(base, wanted, ["1.1"], doing))

    def read(self, id: str) -> Account | None:
        """1 operation, 2 with groups."""
        doing = f"read account {id}"
        entry = self.by_id(id, doing)
        return self.whole(entry, doing) if entry else None

    # writing

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """2 operations after a look, else 3; more where names or places are taken or lacking. A lost answer makes it
        look again."""
        key = attributes[self.key]
        doing = f"create account for {key}"

        def attempt(again: bool) -> tuple[Outcome, str]:
            if (again or not looked) and (found := self.search(key, doing)):
                return (Outcome.DONE if again else Outcome.ALREADY), self.id_of(found)
            return self.make(attributes, doing)

        return self.surely(attempt)

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """2 operations; 1 more to rename or move, and 1 per group where the server does not follow."""
        doing = f"update account {id}"
        before: list[str] = []

        def attempt(again: bool) -> Outcome:
            entry = self.there(id, doing)
            before.append(entry.dn)
            self.follow(before[0], entry.dn, doing)
            wanted = self.written(attributes, doing, must=True)
            moved = self.relocate(entry, attributes, doing)
            entry = self.there(id, doing) if moved else entry
            new = changes(entry, wanted, self.options.demote)
            self.wire.modify(entry.dn, new, doing)
            return Outcome.DONE if new or moved or again else Outcome.ALREADY

        return self.surely(attempt)

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """2 operations, 3 where it is moved back."""
        doing = f"enable account {id}"
        before: list[str] = []
        return self.surely(lambda again: self.turn(self.there(id, doing), True, before, doing))

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """2 operations, 3 where it is moved away."""
        doing = f"disable account {id}"
        before: list[str] = []

        def attempt(again: bool) -> Outcome:
            entry = self.by_id(id, doing)
            return self.turn(entry, False, before, doing) if entry else Outcome.ALREADY

        return self.surely(attempt)

    def delete(self, id: str) -> Outcome:
        """2 operations, and 1 per group where the server does not follow."""
        doing = f"delete account {id}"

        def attempt(again: bool) -> Outcome:
            entry = self.by_id(id, doing)
            if entry is None:
                return Outcome.DONE if again else Outcome.ALREADY
            self.forget_memberships(entry, doing)
            try:
                self.wire.delete(entry.dn, doing)
            except LdapRefused as error:
                if error.code != NO_OBJECT:
                    raise
            return Outcome.DONE

        return self.surely(attempt)

    # how it is done

    def surely(self, attempt: Callable[[bool], Result]) -> Result:
        """Do it; where no answer came, look and do it once more. Each attempt reads before it writes."""
        try:
            return attempt(False)
        except Lost:
            return attempt(True)

    def wanted(self) -> list[str]:
        """The attributes to ask for."""
        own = [self.options.id_attribute, *self.switch.attributes, *self.options.tokens, *self.places.fields]
        of_groups = self.groups.attributes if self.groups else ()
        return list(dict.fromkeys((*own, *attributes_of((self.key, *self.fields)), *of_groups)))

    def entries(self, filter: str, doing: str) -> list[Entry]:
        """The accounts that match."""
        wanted = both(self.options.accounts, filter)
        return [e for base in self.options.bases for e in self.wire.search(base, wanted, self.wanted(), doing)]

    def by_id(self, id: str, doing: str) -> Entry | None:
        """The account with this id."""
        filter = id_filter(self.options.id_attribute, id)
        return next(iter(self.entries(filter, doing)), None) if filter else None

    def there(self, id: str, doing: str) -> Entry:
        """As `by_id`; Refused (404) where there is none."""
        if entry := self.by_id(id, doing):
            return entry
        raise self.wire.told.refused(doing, "there is no such account", "Run this again.", NO_OBJECT)

    def search(self, key: str, doing: str) -> Entry | None:
        """The account with this key; Refused where several have it."""
        attribute, prefix = parse(self.key)
        word = (prefix + key).casefold()
        found = {
            entry.dn: entry
            for entry in self.entries(equals(attribute, prefix + key), doing)
            if word in map(str.casefold, entry.all(attribute))
        }
        if len(found) > 1:
            why = f"{len(found)} accounts have this {self.key}: {'; '.join(sorted(found))}"
            raise Refused(self.name, doing, why, "Take it from all but one of them.", 409)
        return next(iter(found.values()), None)

    def id_of(self, entry: Entry) -> str:
        """What stays when the entry is renamed or moved."""
        values = entry.values.get(self.options.id_attribute.lower())
        if not values:
            todo = f"Let the account in {self.wire.told.who} read {self.options.id_attribute}, or name another `id`."
            raise Refused(self.name, "read an account", f"{entry.dn} shows no {self.options.id_attribute}", todo)
        return id_text(self.options.id_attribute, values[0])

    def whole(self, entry: Entry, doing: str) -> Account:
        """The account with what it holds."""
        return self.account(entry, self.groups.held(entry, doing) if self.groups else (), doing)

    def account(self, entry: Entry, holds: Iterable[str], doing: str) -> Account:
        values = {name: self.shown(entry, name, doing) for name in self.fields}
        return Account(
            id=self.id_of(entry),
            key=held(entry, self.key),
            active=self.switch.is_on(entry),
            attributes={name: value for name, value in values.items() if value},
            entitlements=frozenset(holds),
        )

    def shown(self, entry: Entry, name: str, doing: str) -> str:
        """A value as templates write it."""
        attribute, value = parse(name).attribute, held(entry, name)
        if value and self.options.form(attribute) == "dn":
            return self.named(value, doing)
        return shown(self.options, attribute, value)

    def named(self, dn: str, doing: str) -> str:
        """What another entry goes by; empty where it is gone."""
        if dn not in self.names:
            entry = self.wire.entry(dn, [self.options.dn_by], doing)
            self.names[dn] = entry.first(self.options.dn_by) if entry else ""
        return self.names[dn]

    def learn_names(self, doing: str) -> None:
        """What all entries go by, where accounts name others."""
        if any(self.options.form(parse(name).attribute) == "dn" for name in self.fields):
            for base in self.options.bases:
                for entry in self.wire.search(base, self.options.accounts, [self.options.dn_by], doing):
                    self.names[entry.dn] = entry.first(self.options.dn_by)

    def written(self, attributes: Mapping[str, str], doing: str, must: bool) -> dict[str, str]:
        """Values as the directory's. Somebody who cannot be found is left out, or Refused where `must`."""
        found: dict[str, str] = {}
        for name, value in attributes.items():
            attribute = parse(name).attribute
            if self.options.form(attribute) != "dn" or not value:
                found[name] = written(self.options, attribute, value)
            elif dn := self.dn_of(attribute, value, doing, must):
                found[name] = dn
        return found

    def dn_of(self, attribute: str, value: str, doing: str, must: bool) -> str:
        """The DN of the account whose `dn_by` this is; empty where there is none."""
        entry = next(iter(self.entries(equals(self.options.dn_by, value), doing)), None)
        if entry is None and must:
            why = f"{attribute}: no account has the {self.options.dn_by} {value}"
            raise Refused(self.name, doing, why, "It is set once that account is there.", 404)
        if entry:
            self.names[entry.dn] = value
        return entry.dn if entry else ""

    def make(self, attributes: Mapping[str, str], doing: str) -> tuple[Outcome, str]:
        """Add the entry under the first name that nobody else has."""
        key = attributes[self.key]
        values = self.first_values(attributes, doing)
        parent = self.places.of(attributes, doing)
        for rdn in self.places.rdns(attributes, doing):
            dn = f"{rdn},{parent}"
            self.clear(dn, doing)
            try:
                self.wire.add(dn, self.options.classes, values, doing)
            except LdapRefused as error:
                self.places.there.discard(parent)
                if error.code != EXISTS:
                    raise
                if found := self.search(key, doing):
                    return Outcome.ALREADY, self.id_of(found)
                if self.wire.entry(dn, ["1.1"], doing) is None:
                    raise  # not the name is taken, but a value that must be unique
                continue
            return Outcome.DONE, self.id_of(self.made(key, dn, doing))
        todo = "Give one of the two another name, or put another template into `names`."
        raise Refused(self.name, doing, f"all names are taken in {parent}", todo, 409)

    def made(self, key: str, dn: str, doing: str) -> Entry:
        """The entry just added."""
        entry = self.wire.entry(dn, self.wanted(), doing)
        if entry is None:
            raise Lost(self.name, doing, "the server said yes, but the entry cannot be read", "Try again later.")
        return entry

    def first_values(self, attributes: Mapping[str, str], doing: str) -> dict[str, list[str | bytes]]:
        """All values of a new entry."""
        fixed = {name: filled(template, attributes) or "" for name, template in self.options.fixed.items()}
        return first_values(fixed | self.written(attributes, doing, must=False)) | self.beginning(attributes, doing)

    def beginning(self, attributes: Mapping[str, str], doing: str) -> dict[str, list[str | bytes]]:
        """What a new account has besides its attributes."""
        random = self.options.password == "random"  # noqa: S105
        return dict(self.switch.on_values()) | ({"userPassword": [random_password()]} if random else {})

    def relocate(self, entry: Entry, attributes: Mapping[str, str], doing: str) -> bool:
        """Rename or move the entry where its changed attributes say so; whether anything was done."""
        there = self.places.values(entry)
        changed = {name.lower() for name, value in attributes.items() if there.get(name.lower(), value) != value}
        now = there | {name.lower(): value for name, value in attributes.items()}
        rdn = self.places.renamed(entry, now, changed, doing)
        parent = self.places.moved(entry, now, changed, doing) if not self.away(entry) else entry.parent
        return self.place(entry, rdn, parent, now, doing)

    def place(self, entry: Entry, rdn: str, parent: str, values: Mapping[str, str], doing: str) -> bool:
        """Bring the entry there, under another name where that is taken; whether anything was done."""
        new = self.places.settle(entry, rdn, parent, values, doing)
        if new:
            self.follow(entry.dn, new, doing)
        return bool(new)

    def follow(self, old: str, new: str, doing: str) -> None:
        """Put the new DN into the account's groups, where the server does not."""
        if self.groups and normal(old) != normal(new):
            self.groups.renamed(old, new, doing)

    def away(self, entry: Entry) -> bool:
        """Whether it is where disabled accounts are."""
        return bool(self.switch.options.move_to) and below(entry.dn, self.switch.options.move_to)

    def turn(self, entry: Entry, on: bool, before: list[str], doing: str) -> Outcome:
        """Enable or disable, and move where that goes with it. `before`: its DN at earlier attempts."""
        again = bool(before)
        before.append(entry.dn)
        self.follow(before[0], entry.dn, doing)
        new = self.switch.changes(entry, on)
        self.wire.modify(entry.dn, new, doing)
        parent = entry.parent
        if on and self.away(entry):
            parent = self.places.of(self.places.values(entry), doing)
        elif not on and self.switch.options.move_to and not self.away(entry):
            parent = self.switch.options.move_to
        moved = self.place(entry, entry.rdn, parent, self.places.values(entry), doing)
        return Outcome.DONE if new or moved or again else Outcome.ALREADY

    def clear(self, dn: str, doing: str) -> None:
        """Take a DN that nobody has out of all groups: whoever gets it must not inherit what somebody left behind."""
        stale = self.groups.direct(Entry(dn, {}), doing) if self.groups and self.groups.leaves_stale else ()
        if stale and self.wire.entry(dn, ["1.1"], doing) is None:
            for group in stale:
                self.groups.leave(group, Entry(dn, {}), doing)

    def forget_memberships(self, entry: Entry, doing: str) -> None:
        """Take an entry out of its groups: a later one of the same DN must not inherit them."""
        if self.groups and not self.options.ad:
            for group in self.groups.direct(entry, doing):
                self.groups.leave(group, entry, doing)


def random_password() -> str:
    """Known to nobody: made, sent once, and forgotten. Of all four kinds of characters, as policies want."""
    return f"{secrets.token_urlsafe(32)}aZ7!"
