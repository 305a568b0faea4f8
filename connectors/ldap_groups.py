"""Groups of a directory as entitlements: who is in which, directly or through another group; joining and leaving.

An entitlement is a group's name, or its DN where the YAML says a DN or two groups have one name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import ldap3

from connectors.errors import Refused
from connectors.ldap_entries import FORBIDDEN, Entry, both, equals, escape, normal
from connectors.ldap_errors import CLASS_VIOLATION, EXISTS, NO_ATTRIBUTE, UNWILLING, VALUE_EXISTS, LdapRefused
from connectors.ldap_options import GroupOptions
from connectors.ldap_wire import Wire

UNKNOWN = "?"


class Group(NamedTuple):
    """A group by its DN and its name there."""

    dn: str
    name: str


class Groups:
    """The groups below one DN. Safe to use from several threads."""

    def __init__(self, wire: Wire, options: GroupOptions, ad: bool, named: Iterable[str]) -> None:
        self.wire, self.options, self.ad = wire, options, ad
        self.object_class = options.object_class or ("group" if ad else "groupOfNames")
        self.member_of = ad if options.member_of is None else options.member_of
        self.by_dn = {normal(name): name for name in named if is_dn(name)}
        """Normal DN -> as the YAML or a caller writes it: groups that go by their DN."""
        self.known: dict[str, Group] = {}
        self.tokens: dict[str, str] = dict.fromkeys(named, UNKNOWN) if ad else {}
        """Entitlement that may be somebody's primary group -> its primaryGroupToken."""
        self.lock = threading.RLock()

    @property
    def attributes(self) -> list[str]:
        """What accounts are asked for because of their groups."""
        more = [] if self.options.member_is == "dn" else [self.options.member_is]
        return [*more, *(["memberOf"] if self.member_of else []), *(["primaryGroupID"] if self.ad else [])]

    @property
    def leaves_stale(self) -> bool:
        """Whether the server may leave a DN in a group whose entry is gone: without referential integrity it does."""
        return not self.ad and self.options.member_is == "dn"

    # reading

    def search(self, filter: str, doing: str) -> list[Group]:
        """Groups that match."""
        wanted = both(f"(objectClass={self.object_class})", filter) if filter else f"(objectClass={self.object_class})"
        rows = self.wire.search(self.options.base, wanted, [self.options.name], doing)
        return [Group(entry.dn, entry.first(self.options.name)) for entry in rows]

    def names(self) -> Iterator[str]:
        """What all groups go by."""
        return iter(self.called(self.search("", "list groups")).values())

    def called(self, groups: list[Group]) -> dict[str, str]:
        """DN -> what the group goes by, for all groups of the directory."""
        often: dict[str, int] = {}
        for group in groups:
            often[group.name.casefold()] = often.get(group.name.casefold(), 0) + 1
        return {
            group.dn: self.by_dn.get(normal(group.dn))
            or (group.name if often[group.name.casefold()] == 1 else group.dn)
            for group in groups
        }

    def member(self, account: Entry) -> str:
        """What stands in a group for this account."""
        return account.dn if self.options.member_is == "dn" else account.first(self.options.member_is)

    def direct(self, account: Entry, doing: str) -> list[Group]:
        """The groups whose own members the account is among: 1 search."""
        return self.search(equals(self.options.member, self.member(account)), doing)

    def held(self, account: Entry, doing: str) -> set[str]:
        """What the account is directly in, by what it goes by: 1 search, and 1 more for a name that is not unique."""
        return {self.one_name(group, doing) for group in self.direct(account, doing)} | self.primary(account, doing)

    def primary(self, account: Entry, doing: str) -> set[str]:
        """The account's primary group (it stands in nobody's `member`), where the YAML or a step named it."""
        names = [name for name in list(self.tokens) if self.token(name, doing)]
        return {name for name in names if self.tokens[name] == account.first("primaryGroupID")}

    def token(self, entitlement: str, doing: str) -> str:
        """A group's primaryGroupToken; looked up once."""
        if self.tokens.get(entitlement, UNKNOWN) == UNKNOWN:
            group = self.group(entitlement, doing)
            entry = self.wire.entry(group.dn, ["primaryGroupToken"], doing) if group else None
            self.tokens[entitlement] = entry.first("primaryGroupToken") if entry else ""
        return self.tokens[entitlement]

    def is_primary(self, account: Entry, entitlement: str, doing: str) -> bool:
        """Whether it is the account's primary group, in Active Directory."""
        return self.ad and bool(self.token(entitlement, doing)) and entitlement in self.primary(account, doing)

    def one_name(self, group: Group, doing: str) -> str:
        """What one group goes by."""
        if (known := self.by_dn.get(normal(group.dn))) is not None:
            return known
        with self.lock:
            if (same := self.known.get(group.name.casefold())) and normal(same.dn) == normal(group.dn):
                return group.name
        if len(self.search(equals(self.options.name, group.name), doing)) > 1:
            return group.dn
        with self.lock:
            self.known[group.name.casefold()] = group
        return group.name

    def by_account(self, doing: str) -> dict[str, set[str]]:
        """Normal member -> what it is in, from one listing of all groups with their members."""
        wanted = f"(objectClass={self.object_class})"
        names = [self.options.name, self.options.member]
        found: dict[str, set[str]] = {}
        entries = list(self.wire.search(self.options.base, wanted, names, doing))
        called = self.called([Group(entry.dn, entry.first(self.options.name)) for entry in entries])
        for entry in entries:
            for member in entry.all(self.options.member):
                found.setdefault(self.normal(member), set()).add(called[entry.dn])
        return found

    def normal(self, member: str) -> str:
        return normal(member) if self.options.member_is == "dn" else member.casefold()

    def indirect(self, account: Entry, doing: str) -> dict[str, list[str]]:
        """Normal DN of what the account is in only through other groups -> the way there, by names:
        `[Sales, Staff]` for Sales within Staff. 1 search per group on the way."""
        found: dict[str, list[str]] = {}
        level = [(group, [group.name]) for group in self.direct(account, doing)]
        seen = {normal(group.dn) for group, _ in level}
        while level:
            level = [
                (parent, [*way, parent.name])
                for group, way in level
                for parent in self.search(equals(self.options.member, group.dn), doing)
                if normal(parent.dn) not in seen and not seen.add(normal(parent.dn))  # type: ignore[func-returns-value]
            ]
            found |= {normal(parent.dn): way for parent, way in level}
        return found

    # finding one

    def group(self, entitlement: str, doing: str) -> Group | None:
        """The group of this name or DN; Refused where several have the name."""
        if is_dn(entitlement):
            self.by_dn.setdefault(normal(entitlement), entitlement)
            entry = self.wire.entry(entitlement, [self.options.name], doing)
            return Group(entry.dn, entry.first(self.options.name)) if entry else None
        with self.lock:
            if known := self.known.get(entitlement.casefold()):
                return known
        found = self.search(equals(self.options.name, entitlement), doing)
        if len(found) > 1:
            why = f"{len(found)} groups are called {entitlement!r}: {'; '.join(sorted(g.dn for g in found))}"
            raise Refused(self.wire.app, doing, why, "Give the group by its DN in the playbook.", 409)
        if not found:
            return None
        with self.lock:
            return self.known.setdefault(entitlement.casefold(), found[0])

    def wanted(self, entitlement: str, account: Entry, doing: str) -> Group:
        """As `group`; made where that is allowed, with the account in it where a group must not be empty."""
        if found := self.group(entitlement, doing):
            return found
        if not self.options.create or is_dn(entitlement):
            todo = f"Make the group {entitlement!r} below {self.options.base}, or say `create: true` under groups."
            raise Refused(self.wire.app, doing, f"there is no group {entitlement!r}", todo, 404)
        self.make(entitlement, account, doing)
        made = self.group(entitlement, doing)
        if made is None:
            raise Refused(self.wire.app, doing, f"the group {entitlement!r} was made, but cannot be found")
        return made

    def make(self, name: str, account: Entry, doing: str) -> None:
        """Make a group; one that somebody else makes at the same moment will do as well."""
        dn = f"{self.options.name}={escape(name)},{self.options.base}"
        values: dict[str, list[str | bytes]] = {self.options.name: [name]}
        if self.ad:
            values["sAMAccountName"] = [FORBIDDEN.sub("", name)]
        elif self.options.member_is == "dn":
            values[self.options.member] = [self.options.placeholder or account.dn]
        try:
            self.wire.add(dn, [self.object_class], values, doing)
        except LdapRefused as error:
            if error.code != EXISTS:
                raise

    # writing

    def join(self, group: Group, account: Entry, doing: str) -> bool:
        """Add the account; False where it was in."""
        try:
            self.change(group, [(ldap3.MODIFY_ADD, [self.member(account)])], doing)
        except LdapRefused as error:
            if error.code in (VALUE_EXISTS, EXISTS):
                return False
            raise
        return True

    def leave(self, group: Group, account: Entry, doing: str) -> bool:
        """Take the account out; False where it was not in. A group that must not be empty keeps its placeholder."""
        out: list[tuple[str, list[str | bytes]]] = [(ldap3.MODIFY_DELETE, [self.member(account)])]
        try:
            self.change(group, out, doing)
        except LdapRefused as error:
            if error.code in (NO_ATTRIBUTE, UNWILLING) and not self.is_in(group, account, doing):
                return False
            if error.code != CLASS_VIOLATION:
                raise
            self.leave_empty(group, out, doing, error)
        return True

    def leave_empty(self, group: Group, out: list[tuple[str, list[str | bytes]]], doing: str, error: Refused) -> None:
        """Put the placeholder into the last member's place."""
        if not self.options.placeholder:
            todo = "Say under groups which DN stays in an empty group (placeholder), or put somebody else in."
            why = f"{group.name} must not be empty"
            raise Refused(self.wire.app, doing, why, todo) from error
        self.change(group, [(ldap3.MODIFY_ADD, [self.options.placeholder]), *out], doing)

    def change(self, group: Group, changes: list[tuple[str, list[str | bytes]]], doing: str) -> None:
        """Modify the members. A group that is gone is forgotten, so that the next try looks for it again."""
        try:
            self.wire.modify(group.dn, {self.options.member: changes}, doing)
        except LdapRefused as error:
            if error.status == 404:
                with self.lock:
                    self.known.pop(group.name.casefold(), None)
            raise

    def is_in(self, group: Group, account: Entry, doing: str) -> bool:
        """Whether the account is among the group's own members."""
        return any(same(held, group) for held in self.direct(account, doing))

    def renamed(self, old: str, new: str, doing: str) -> None:
        """Put an account's new DN in the place of the old one, where the server does not do that itself."""
        if not self.leaves_stale:
            return
        for group in self.search(equals(self.options.member, old), doing):
            swap: list[tuple[str, list[str | bytes]]] = [(ldap3.MODIFY_ADD, [new]), (ldap3.MODIFY_DELETE, [old])]
            try:
                self.change(group, swap, doing)
            except LdapRefused as error:  # the server was quicker
                if error.code not in (VALUE_EXISTS, NO_ATTRIBUTE):
                    raise


def same(one: Group, other: Group) -> bool:
    """Whether they are one group, however their DNs are written."""
    return normal(one.dn) == normal(other.dn)


def is_dn(entitlement: str) -> bool:
    """Whether an entitlement is a DN and no name: it has several parts, each with an attribute."""
    head, _, rest = entitlement.partition("=")
    return head.strip().isalnum() and "," in rest and "=" in rest
