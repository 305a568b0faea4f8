"""Any app that speaks SCIM 2.0 (RFC 7643, RFC 7644), read leniently: what real servers do differently is expected.

Verbs name the calls they make; a page of a listing counts as one call.

Least permission: reading and writing /Users and /Groups (Groups only where entitlements are given), and what the paths
under `sessions`, `tokens`, `owned` and `hand_over` need. What a vendor calls that differs: unverified here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.base import Outcome
from connectors.belongings import fitting
from connectors.errors import Refused
from connectors.http import Http, client
from connectors.scim_attributes import Resource
from connectors.scim_options import Options
from connectors.scim_users import Scim, already_gone
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules

__all__ = ["Options", "Scim", "ScimWithGroups", "connect"]


class ScimWithGroups(Scim):
    """Users and groups; keeps App, Bulk and Grants."""

    def accounts(self) -> Iterator[Account]:
        """1 call per page; where users do not carry their groups, the groups are listed once before."""
        elsewhere: dict[str, set[str]] | None = None
        for user in self.users("list accounts"):
            if "groups" not in user and not self.groups.shown and elsewhere is None:
                elsewhere = self.groups.by_user()
            names = self.named(user) if "groups" in user else (elsewhere or {}).get(str(user["id"]), ())
            yield self.account(user, names)

    def entitlements(self) -> Iterator[str]:
        """1 call per page of groups."""
        return self.groups.names()

    def prepare(self, entitlement: str) -> None:
        """1 call: the group's id."""
        self.groups.learn(entitlement)

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2: who holds it, PATCH; the first time for a group also a look for its id."""
        doing = f"add {id} to group {entitlement!r}"
        if not looked and self.groups.of(id, entitlement, doing):
            return Outcome.ALREADY
        self.groups.turn(entitlement, [id], True, doing)
        return Outcome.DONE

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """2 calls: who holds it, PATCH."""
        doing = f"take {id} out of group {entitlement!r}"
        try:
            group_ids = self.groups.of(id, entitlement, doing)
            for group_id in group_ids:
                self.groups.leave(group_id, [id], doing)
        except Refused as error:
            return already_gone(error)
        return Outcome.DONE if group_ids else Outcome.ALREADY

    def named(self, user: Resource) -> Iterable[str]:
        return self.groups.held(user).values() if "groups" in user else ()

    def entitled(self, user: Resource) -> Iterable[str]:
        return self.groups.held(user).values()


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Scim:
    """The app that these rules declare; nothing is called yet."""
    sent = {"Accept": "application/scim+json, application/json", **options.headers}
    http = Http(name, client(options.url, options.auth, sent), around, str(rules.options["url"]))
    kind = ScimWithGroups if options.groups else Scim
    return fitting(kind, options)(name, rules, options, http)
