"""What only Active Directory has: passwords over TLS, logon names, primary groups, deleted objects that come back.

Sources: MS-ADTS (3.1.1.3.1.5 passwords, 3.1.1.5.3.7 undelete, 3.1.1.3.4.1 controls), MS-SAMR 3.1.1.6 (sAMAccountName).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ldap3

from connectors.base import Outcome
from connectors.errors import Refused
from connectors.ldap_directory import Directory, random_password
from connectors.ldap_entries import FORBIDDEN, Entry, both, equals, fields, filled, split
from connectors.ldap_errors import LdapRefused
from connectors.ldap_groups import Group
from connectors.ldap_values import changes

SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)
LONGEST_LOGON = 20  # characters of a user's sAMAccountName
NUMBERS = 1000


class ActiveDirectory(Directory):
    """Keeps App; what else follows from its options."""

    def check(self) -> str:
        """1 operation more per place without an attribute in it: the directory says itself what may be made there
        (MS-ADTS 3.1.1.4.5.4)."""
        told, doing = super().check(), "check the permissions"
        for dn in self.options.place or (self.options.base,):
            entry = None if fields(dn) else self.wire.entry(dn, ["allowedChildClassesEffective"], doing)
            if entry and "user" not in entry.all("allowedChildClassesEffective"):
                todo = "Delegate it, as docs/apps/active_directory.md says."
                raise Refused(self.name, doing, f"users may not be made in {dn}", todo, 403)
        return told

    def make(self, attributes: Mapping[str, str], doing: str) -> tuple[Outcome, str]:
        """As everywhere; an object of the same person among the deleted ones is brought back instead."""
        if self.options.restore is not False and (deleted := self.deleted(attributes, doing)):
            return self.restored(deleted, attributes, doing)
        return super().make(attributes, doing)

    def beginning(self, attributes: Mapping[str, str], doing: str) -> dict[str, list[str | bytes]]:
        """Enabled, with a password that nobody knows and a logon name of its own."""
        found = dict(self.switch.on_values())
        if self.options.password != "none":  # noqa: S105
            found["unicodePwd"] = [coded(random_password())]
            if self.options.must_change_password:
                found["pwdLastSet"] = ["0"]
        else:
            found["userAccountControl"] = ["544"]  # without a password it can only be enabled with PASSWD_NOTREQD
        if name := self.logon_name(attributes, doing):
            found["sAMAccountName"] = [name]
        return found

    # logon names

    def logon_name(self, attributes: Mapping[str, str], doing: str) -> str:
        """The sAMAccountName to add: made where the YAML does not give one; empty where it does."""
        given = next((value for name, value in attributes.items() if name.lower() == "samaccountname"), "")
        if given:
            self.must_be_logon_name(given, doing)
            return ""
        for template in self.options.sam_account_name:
            if value := filled(template, attributes):
                return self.free(logon(value.partition("@")[0]), doing)
        return ""

    def must_be_logon_name(self, name: str, doing: str) -> None:
        """Refuse here what the directory would refuse in other words, or cut in silence."""
        if len(name) > LONGEST_LOGON or FORBIDDEN.search(name) or name.endswith("."):
            why = f"sAMAccountName {name!r} is longer than {LONGEST_LOGON} characters or has forbidden ones"
            todo = "Take it out of `attributes` and say `sam_account_name`, so that one is made that fits."
            raise Refused(self.name, doing, why, todo)

    def free(self, name: str, doing: str) -> str:
        """The name, or with a number behind it: it must be unique among users, groups and computers."""
        for number in range(1, NUMBERS):
            tail = str(number) if number > 1 else ""
            tried = name[: LONGEST_LOGON - len(tail)] + tail
            if not any(self.wire.search(self.domain, equals("sAMAccountName", tried), ["1.1"], doing)):
                return tried
        raise Refused(self.name, doing, f"all logon names like {name} are taken", "Give one by hand.", 409)

    @property
    def domain(self) -> str:
        """The DN of the domain."""
        return ",".join(part for part in split(self.options.base) if part.lower().startswith("dc="))

    # deleted objects

    def deleted(self, attributes: Mapping[str, str], doing: str) -> Entry | None:
        """The youngest deleted object with this key that is not known to be somebody else's."""
        wanted = both("(isDeleted=TRUE)", "(objectClass=user)", equals(self.key, attributes[self.key]))
        base = f"CN=Deleted Objects,{self.domain}"
        try:
            found = list(
                self.wire.search(base, wanted, [*self.wanted(), "whenChanged"], doing, controls=[SHOW_DELETED])
            )
        except LdapRefused as error:
            if error.status in (403, 404):  # may not be read: then it cannot be restored
                return None
            raise
        mine = [entry for entry in found if not self.somebody_elses(entry, attributes)]
        return max(mine, key=lambda entry: entry.first("whenChanged"), default=None)

    def somebody_elses(self, entry: Entry, attributes: Mapping[str, str]) -> bool:
        """Whether the object has another employee number."""
        theirs, ours = entry.first(self.person), attributes.get(self.person, "")
        return bool(self.person and theirs and ours and theirs != ours)

    person = ""
    """The attribute with HR's number; set by `connect`."""

    def restored(self, deleted: Entry, attributes: Mapping[str, str], doing: str) -> tuple[Outcome, str]:
        """Bring the object back with its id and SID, without the groups it had, and as a new account would be."""
        id = self.id_of(deleted)
        parent, now = self.places.of(attributes, doing), {**attributes}
        for rdn in self.places.rdns(now, doing):
            back: dict[str, list[tuple[str, list[str | bytes]]]] = {
                "isDeleted": [(ldap3.MODIFY_DELETE, [])],
                "distinguishedName": [(ldap3.MODIFY_REPLACE, [f"{rdn},{parent}"])],
            }
            if self.wire.entry(f"{rdn},{parent}", ["1.1"], doing) is None:
                self.wire.modify(deleted.dn, back, doing, [SHOW_DELETED])
                break
        entry = self.there(id, doing)
        self.forget_groups(entry, doing)
        new = changes(entry, self.written(attributes, doing, must=False), self.options.demote)
        self.wire.modify(entry.dn, new | self.afresh(entry), doing)
        return Outcome.DONE, id

    def forget_groups(self, entry: Entry, doing: str) -> None:
        """Whoever comes back has what today's rules give, and nothing of before."""
        for dn in entry.all("memberOf") if self.groups else ():
            self.groups.leave(Group(dn, dn), entry, doing)

    def afresh(self, entry: Entry) -> dict[str, list[tuple[str, list[str | bytes]]]]:
        """Enabled, never expiring, with a password that nobody knows."""
        return self.switch.changes(entry, True) | {"unicodePwd": [(ldap3.MODIFY_REPLACE, [coded(random_password())])]}


class ResetsPassword:
    """Adds `end_sessions` to an Active Directory; keeps Sessions.

    Nothing ends a Kerberos ticket: it lives on until it expires (10 hours by default), though domain controllers refuse
    new service tickets to a disabled account once its ticket is older than 20 minutes (MS-KILE 3.3.5.7.1: unverified).
    """

    def end_sessions(self: Any, id: str) -> Outcome:
        """2 resets, so that the old password is no longer accepted as the previous one (NTLM accepts that for an hour:
        OldPasswordAllowedPeriod, unverified). ALREADY where the account is gone."""
        doing = f"end sessions of {id}"
        entry = self.by_id(id, doing)
        if entry is None:
            return Outcome.ALREADY
        for _ in range(2):
            new = {"unicodePwd": [(ldap3.MODIFY_REPLACE, [coded(random_password())])]}
            self.surely(lambda again, new=new: self.wire.modify(entry.dn, new, doing))
        return Outcome.DONE


def coded(password: str) -> bytes:
    """A password as unicodePwd takes it: in quotes, UTF-16LE (MS-ADTS 3.1.1.3.1.5.1)."""
    return f'"{password}"'.encode("utf-16-le")


def logon(value: str) -> str:
    """A logon name made of this: without forbidden characters, short enough, not ending in a dot."""
    return FORBIDDEN.sub("", value).replace(" ", ".")[:LONGEST_LOGON].rstrip(".") or "user"
