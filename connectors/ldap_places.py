"""Where an account is in the tree and what it is called there: templates filled, clashes and missing OUs settled."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from connectors.errors import Refused
from connectors.ldap_entries import Entry, below, escape, fields, filled, normal, numbered, split, value_of
from connectors.ldap_errors import EXISTS, LdapRefused
from connectors.ldap_options import Options
from connectors.ldap_wire import Wire


class Places:
    """The names and containers of one directory's accounts."""

    def __init__(self, wire: Wire, options: Options, key: str) -> None:
        self.wire, self.options, self.key = wire, options, key
        self.there: set[str] = set()
        """Containers that were seen."""

        templates = (*options.names, *options.place)
        self.fields = list(dict.fromkeys(name for template in templates for name in fields(template)))
        """The attributes that names and containers depend on."""

    def values(self, entry: Entry) -> dict[str, str]:
        """What stands in those attributes, by their names in lower case."""
        return {name.lower(): entry.first(name) for name in (*self.fields, self.key)}

    # names

    def candidates(self, values: Mapping[str, str], doing: str) -> list[str]:
        """The RDNs that the templates give, best first."""
        found = [rdn for template in self.options.names if (rdn := filled(template, values, escape))]
        if not found:
            known = {name.lower() for name, value in values.items() if value}
            wanted = {name for template in self.options.names for name in fields(template)}
            lacking = {name for name in wanted if name.lower() not in known}
            why = f"it has no name: {', '.join(sorted(lacking))} is empty"
            raise Refused(self.wire.app, doing, why, "Mend it in HR, or put another template into `names`.")
        return list(dict.fromkeys(found))

    def rdns(self, values: Mapping[str, str], doing: str) -> Iterator[str]:
        """All RDNs to try. One with the key in it is not counted up: the key is the person's."""
        found = self.candidates(values, doing)
        name, value = value_of(found[-1])
        keys = {values[known].casefold() for known in values if known.lower() == self.key.lower()}
        return iter(found) if value.casefold() in keys or name.lower() == "uid" else numbered(found)

    def renamed(self, entry: Entry, values: Mapping[str, str], changed: Collection[str], doing: str) -> str:
        """The RDN that an entry should have; its own where nothing of it changed, or where it has one that fits."""
        if not {name.lower() for template in self.options.names for name in fields(template)} & set(changed):
            return entry.rdn
        found = self.candidates(values, doing)
        own = normal(re.sub(r" \d+$", "", entry.rdn))
        fits = {normal(rdn) for rdn in found}
        return entry.rdn if own in fits or normal(entry.rdn) in fits else found[0]

    # containers

    def of(self, values: Mapping[str, str], doing: str) -> str:
        """The container for an account with these values: the first that exists, or that may be made."""
        wanted = [dn for template in self.options.place if (dn := filled(template, values, escape))]
        for dn in wanted:
            if self.is_there(dn, doing):
                return dn
        if wanted and self.options.create_place:
            self.make(wanted[0], doing)
            return wanted[0]
        if self.options.place:
            why = f"there is no {' and no '.join(wanted) or 'place: a value for its templates is lacking'}"
            todo = "Make the OU, add another template to `place`, or say `create_place: true`."
            raise Refused(self.wire.app, doing, why, todo, 404)
        return self.options.base

    def moved(self, entry: Entry, values: Mapping[str, str], changed: Collection[str], doing: str) -> str:
        """The container that an entry should be in; its own where nothing changed that says so."""
        if not {name.lower() for template in self.options.place for name in fields(template)} & set(changed):
            return entry.parent
        return self.of(values, doing)

    def is_there(self, dn: str, doing: str) -> bool:
        """Whether the container exists; remembered where it does."""
        if dn not in self.there and self.wire.entry(dn, ["1.1"], doing) is not None:
            self.there.add(dn)
        return dn in self.there

    def make(self, dn: str, doing: str) -> None:
        """Make an OU and those above it, down from `base`."""
        name, value = value_of(split(dn)[0])
        above = ",".join(split(dn)[1:])
        if name.lower() != "ou" or not below(dn, self.options.base):
            why, todo = f"there is no {dn}", "Make it by hand: only OUs below `base` are made."
            raise Refused(self.wire.app, doing, why, todo, 404)
        if not self.is_there(above, doing):
            self.make(above, doing)
        try:
            self.wire.add(dn, ["organizationalUnit"], {"ou": [value]}, doing)
        except LdapRefused as error:
            if error.code != EXISTS:
                raise

    # going there

    def settle(self, entry: Entry, rdn: str, parent: str, values: Mapping[str, str], doing: str) -> str:
        """Rename or move the entry, under the next name where one is taken; its new DN, empty where it stays."""
        if normal(rdn) == normal(entry.rdn) and rdn != entry.rdn and normal(parent) == normal(entry.parent):
            return self.go(entry, rdn, "", doing)  # only the case changes
        if normal(f"{rdn},{parent}") == normal(entry.dn):
            return ""
        tries = [rdn, *(self.rdns(values, doing) if values else ())]
        for name in dict.fromkeys(tries):
            try:
                return self.go(entry, name, parent, doing)
            except LdapRefused as error:
                self.there.discard(parent)
                if error.code != EXISTS:
                    raise
        todo = "Give one of the two another name, or put another template into `names`."
        raise Refused(self.wire.app, doing, f"all names are taken in {parent}", todo, 409)

    def go(self, entry: Entry, rdn: str, parent: str, doing: str) -> str:
        """Send it."""
        elsewhere = parent if parent and normal(parent) != normal(entry.parent) else ""
        self.wire.rename(entry.dn, rdn, elsewhere, doing)
        return f"{rdn},{parent or entry.parent}"
