"""Directories over LDAP v3 (RFC 4511): OpenLDAP, 389 Directory Server, Active Directory, Samba.

TLS with a checked certificate always; simple bind only (no GSSAPI). Least permission: docs/apps/openldap.md and
docs/apps/active_directory.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, cast

import ldap3

from connectors.base import Outcome
from connectors.belongings import composed
from connectors.errors import Refused
from connectors.ldap_ad import ActiveDirectory, ResetsPassword
from connectors.ldap_directory import Directory
from connectors.ldap_entries import normal
from connectors.ldap_errors import NO_ATTRIBUTE, LdapRefused
from connectors.ldap_options import Options
from connectors.ldap_wire import Wire
from connectors.surroundings import Surroundings
from mappings.access import Token
from mappings.vocabulary import AppRules

PROVED = "tests/test_ldap_contract.py"
"""Where the contract is held, at real servers in the place of a twin."""

__all__ = ["PROVED", "Options", "connect"]


class GivesGroups:
    """Adds groups as entitlements to a directory whose YAML declares them; keeps Grants and Prepares."""

    def entitlements(self: Any) -> Iterator[str]:
        """1 operation per page of groups."""
        return cast(Iterator[str], self.groups.names())

    def prepare(self: Any, entitlement: str) -> None:
        """1 operation: the group's DN."""
        self.groups.group(entitlement, f"look for group {entitlement!r}")

    def grant(self: Any, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """2 operations, the first time for a group 3. ALREADY only where the account is a member itself: what it has
        through another group would go with that group."""
        doing = f"add {id} to group {entitlement!r}"

        def attempt(again: bool) -> Outcome:
            entry = self.there(id, doing)
            if self.groups.is_primary(entry, entitlement, doing):
                return Outcome.ALREADY
            joined = self.groups.join(self.groups.wanted(entitlement, entry, doing), entry, doing)
            return Outcome.DONE if joined or again else Outcome.ALREADY

        return cast(Outcome, self.surely(attempt))

    def revoke(self: Any, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """2 operations, the first time for a group 3. Refused where the account has it through another group only."""
        doing = f"take {id} out of group {entitlement!r}"

        def attempt(again: bool) -> Outcome:
            entry = self.by_id(id, doing)
            group = self.groups.group(entitlement, doing) if entry else None
            if entry is None or group is None:
                return Outcome.ALREADY
            if self.groups.is_primary(entry, entitlement, doing):
                todo = "Make another group the primary one first (primaryGroupID)."
                raise Refused(self.name, doing, f"{entitlement} is the account's primary group", todo)
            if self.groups.leave(group, entry, doing) or again:
                return Outcome.DONE
            return cast(Outcome, self.explain(entry, group, doing))

        return cast(Outcome, self.surely(attempt))

    def explain(self: Any, entry: Any, group: Any, doing: str) -> Outcome:
        """ALREADY, or Refused with the way by which the account is in this group."""
        way = self.groups.indirect(entry, doing).get(normal(group.dn))
        if not way:
            return Outcome.ALREADY
        why = f"the account is no member of {group.name} itself, but is in it through {' > '.join(way)}"
        raise Refused(self.name, doing, why, "Revoke the first group of that way, or take the inner group out.")

    def indirect(self: Any, id: str) -> dict[str, list[str]]:
        """Group that the account is in only through others -> the way there. 1 operation per group on the way."""
        doing = f"read groups of {id}"
        return {way[-1]: way for way in self.groups.indirect(self.there(id, doing), doing).values()}


class KeepsKeys:
    """Adds `tokens` and `revoke_tokens` to a directory whose YAML names attributes with keys; keeps Tokens."""

    def tokens(self: Any, id: str) -> Iterator[Token]:
        """1 operation."""
        entry = self.by_id(id, f"list keys of {id}")
        for attribute, kind in self.options.tokens.items() if entry else ():
            for value in entry.all(attribute):
                print_ = hashlib.sha256(value.encode()).hexdigest()[:16]
                yield Token(id=f"{attribute}:{print_}", kind=kind, name=called(attribute, value))

    def revoke_tokens(self: Any, id: str) -> Outcome:
        """2 operations."""
        doing = f"revoke keys of {id}"

        def attempt(again: bool) -> Outcome:
            entry = self.by_id(id, doing)
            kept = [name for name in self.options.tokens if entry and entry.all(name)]
            try:
                self.wire.modify(entry.dn if entry else "", {name: [(ldap3.MODIFY_DELETE, [])] for name in kept}, doing)
            except LdapRefused as error:
                if error.code != NO_ATTRIBUTE:
                    raise
            return Outcome.DONE if kept or again else Outcome.ALREADY

        return cast(Outcome, self.surely(attempt))


def called(attribute: str, value: str) -> str:
    """What a key goes by: an SSH key's comment, else its kind."""
    words = value.split()
    return f"{attribute} {words[2]}" if len(words) > 2 else f"{attribute} {words[0] if words else ''}".strip()


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Directory:
    """The directory that these rules declare; nothing is sent yet."""
    kind: type[Directory] = ActiveDirectory if options.ad else Directory
    parts = {
        GivesGroups: options.groups is not None,
        KeepsKeys: bool(options.tokens),
        ResetsPassword: options.ad and options.end_sessions is not None,
    }
    whole = composed(cast(Any, kind), tuple(part for part, wanted in parts.items() if wanted))
    app = cast(Directory, whole(name, rules, options, Wire(name, options, around.secrets)))
    if isinstance(app, ActiveDirectory):
        app.person = next((field for field, template in rules.attributes.items() if template == "{employee_id}"), "")
    return app
