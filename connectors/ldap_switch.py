"""What makes an account unusable in a directory, seen and changed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import ldap3

from connectors.ldap_entries import Entry, below
from connectors.ldap_options import Disabled
from connectors.ldap_values import EPOCH, NEVER, Change

ACCOUNT_DISABLED = 0x2
"""ADS_UF_ACCOUNTDISABLE in userAccountControl (MS-ADTS 2.2.16)."""
NORMAL_ACCOUNT = 0x200
LOCKED_FOR_GOOD = "000001010000Z"
"""pwdAccountLockedTime of an account that only an administrator unlocks (draft-behera-ldap-password-policy §5.3.3)."""


class Switch:
    """On and off, as the options say it."""

    def __init__(self, options: Disabled, ad: bool) -> None:
        self.options, self.ad = options, ad

    @property
    def attributes(self) -> list[str]:
        """What must be read to know it."""
        named = {"attribute": self.options.attribute, "place": "objectClass"}.get(self.options.by, self.options.by)
        return [named, "accountExpires"] if self.ad else [named]

    def is_on(self, entry: Entry) -> bool:
        """Whether nothing of what disables stands there."""
        if self.options.by == "userAccountControl":
            return not entry.number("userAccountControl") & ACCOUNT_DISABLED
        if self.options.by == "pwdAccountLockedTime":
            return entry.first("pwdAccountLockedTime") != LOCKED_FOR_GOOD
        if self.options.by == "attribute":
            return self.options.value.casefold() not in map(str.casefold, entry.all(self.options.attribute))
        return not below(entry.dn, self.options.move_to)

    def on_values(self) -> Iterator[tuple[str, list[str | bytes]]]:
        """What a new account needs for being on."""
        if self.options.by == "userAccountControl":
            yield "userAccountControl", [str(NORMAL_ACCOUNT)]
        if self.options.by == "attribute" and self.options.otherwise:
            yield self.options.attribute, [self.options.otherwise]

    def changes(self, entry: Entry, on: bool) -> dict[str, list[Change]]:
        """What to modify; nothing where it is so."""
        found: dict[str, list[Change]] = {}
        if self.is_on(entry) != on and self.options.by != "place":
            found[self.attributes[0]] = [self.turned(entry, on)]
        if on and self.expired(entry):
            found["accountExpires"] = [(ldap3.MODIFY_REPLACE, [NEVER[1]])]
        return found

    def turned(self, entry: Entry, on: bool) -> Change:
        """The change of the attribute that says it."""
        if self.options.by == "userAccountControl":
            bits = entry.number("userAccountControl")
            bits = bits & ~ACCOUNT_DISABLED if on else bits | ACCOUNT_DISABLED
            return ldap3.MODIFY_REPLACE, [str(bits)]
        if self.options.by == "pwdAccountLockedTime":
            return (ldap3.MODIFY_DELETE, []) if on else (ldap3.MODIFY_REPLACE, [LOCKED_FOR_GOOD])
        value = self.options.otherwise if on else self.options.value
        return (ldap3.MODIFY_REPLACE, [value]) if value else (ldap3.MODIFY_DELETE, [])

    def expired(self, entry: Entry) -> bool:
        """Whether an end that HR once said is over: whoever is enabled again would still be shut out."""
        value = entry.first("accountExpires") if self.ad else ""
        return value not in ("", *NEVER) and EPOCH.timestamp() + int(value) / 1e7 < time.time()
