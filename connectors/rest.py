"""Any app with an HTTP API, declared in YAML alone. The words are those of connectors.rest_options.

Verbs name the calls they make; a page of a listing counts as one call.

Least permission: exactly the calls that the app's YAML names. What a vendor calls that differs: unverified here.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.answers import Told
from connectors.base import Outcome
from connectors.belongings import fitting
from connectors.calls import GONE
from connectors.errors import Refused
from connectors.http import client
from connectors.listing import Row
from connectors.rest_access import Access
from connectors.rest_accounts import Rest
from connectors.rest_options import Active, Options
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules


class RestWithGrants(Rest):
    """An app with groups, roles or teams; keeps Grants."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: Told) -> None:
        super().__init__(name, rules, options, http)
        fixed = rules.entitlements or ()
        self.kinds = [Access(self, words, own_names(fixed, words.prefix)) for words in options.entitlements]
        self.lists_entitlements = all(kind.on_account or kind.words.members for kind in self.kinds)

    def accounts(self) -> Iterator[Account]:
        """1 call per page; before them, where `members` is declared, 1 per page of each entitlement's accounts."""
        asked = [kind for kind in self.kinds if kind.words.members and not kind.on_account]
        holders = [(f"{kind.words.prefix}{name}", ids) for kind in asked for name, ids in kind.holders()]
        for row in self.everybody("list accounts"):
            id = self.id_of(row)
            names = {name for name, ids in holders if id in ids} | self.shown(row)
            yield self.account(row, frozenset(names))

    def entitlements(self) -> Iterator[str]:
        """1 call per page of each kind that has a list."""
        if any(kind.names for kind in self.kinds):
            named = (
                f"{kind.words.prefix}{name}" for kind in self.kinds for name in kind.visible(frozenset(kind.known()))
            )
            return (name for name in named if name.casefold() != self.mark.casefold())
        return iter(self.rules.entitlements or ())

    def prepare(self, entitlement: str) -> None:
        """1 call per page of entitlements, none where their ids are known or are their names."""
        kind, name = self.kind_of(entitlement, f"look up {entitlement!r}")
        if kind.names is not None and name not in kind.names.ids:
            kind.names.all()

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
        """Grant or revoke at the kind that the name's prefix says."""
        kind, name = self.kind_of(entitlement, doing)
        return kind.turn(id, name, on, looked, doing)

    def kind_of(self, entitlement: str, doing: str) -> tuple[Access, str]:
        """The kind that an entitlement is of, and its name there."""
        for kind in sorted(self.kinds, key=lambda kind: -len(kind.words.prefix)):
            if entitlement.casefold().startswith(kind.words.prefix.casefold()):
                return kind, entitlement[len(kind.words.prefix) :]
        known = ", ".join(repr(kind.words.prefix) for kind in self.kinds)
        why = f"{entitlement!r} begins with no prefix that is known; there are {known}"
        raise Refused(self.name, doing, why, "Correct the name in the playbook.", 404)

    def held(self, row: Row) -> frozenset[str]:
        return frozenset(f"{kind.words.prefix}{name}" for kind in self.kinds for name in kind.held(row))

    def shown(self, row: Row) -> frozenset[str]:
        return frozenset(f"{kind.words.prefix}{name}" for kind in self.kinds for name in kind.shown(row))

    # where an entitlement says whether an account is usable

    @property
    def mark(self) -> str:
        """The entitlement that stands for it, if one does."""
        return self.active.entitlement if self.active else ""

    def account(self, row: Row, held: frozenset[str] | None = None) -> Account:
        if not self.mark:
            return super().account(row, held)
        told = self.lists_entitlements or held is not None
        names = (self.shown(row) if told else self.held(row)) if held is None else held
        others = frozenset(name for name in names if name.casefold() != self.mark.casefold())
        return super().account(row, others).model_copy(update={"active": self.usable(names)})

    def is_active(self, row: Row) -> bool:
        return self.usable(self.held(row)) if self.mark else super().is_active(row)

    def usable(self, names: frozenset[str]) -> bool:
        """Whether somebody with these entitlements can work in the app."""
        assert self.active is not None
        marked = self.mark.casefold() in {name.casefold() for name in names}
        return marked if self.active.lacks else not marked

    def flip(self, id: str, active: Active, on: bool, doing: str) -> None:
        if self.mark:
            self.turn(id, self.mark, on == bool(active.lacks), False, doing)
        else:
            super().flip(id, active, on, doing)


def own_names(entitlements: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    """Names of one kind as the app has them."""
    return tuple(name[len(prefix) :] for name in entitlements if name.casefold().startswith(prefix.casefold()))


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Rest:
    """The app that these rules declare; nothing is called yet."""
    accept = {"Accept": "application/xml"} if options.answers == "xml" else {}
    inner = client(options.url, options.auth, accept | options.headers)
    http = Told(name, inner, around, str(rules.options["url"]))
    http.understand(options.failed_if, options.answers)
    kind = fitting(RestWithGrants if options.entitlements else Rest, options)
    return kind(name, rules, options, http)
