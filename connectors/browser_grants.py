"""What a browser app gains where its recipe declares it: entitlements, and the end of sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.base import Outcome
from connectors.recipes import Access, Options
from mappings.access import Account
from mappings.vocabulary import AppRules


class WithGrants:
    """Adds the entitlements that a recipe declares; keeps Grants."""

    options: Options
    rules: AppRules
    lists_entitlements = False

    @property
    def access(self) -> Access:
        assert self.options.entitlements is not None
        return self.options.entitlements

    def entitlements(self: Any) -> Iterator[str]:
        """1 page where the recipe has a list, else those that the YAML names."""
        if self.access.list is None:
            return iter(self.rules.entitlements or ())
        return iter(self.look("list entitlements", lambda visit: visit.names()))

    def grant(self: Any, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """Reads before and after."""

        def so(account: Account | None) -> bool:
            return account is not None and holds(account, entitlement)

        doing = f"grant {entitlement!r} to {id}"
        done: Outcome = self.write("grant", id, doing, so, None, self.access.grant, entitlement=entitlement)
        return done

    def revoke(self: Any, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """Reads before and after. ALREADY also where the account is gone."""

        def so(account: Account | None) -> bool:
            return account is None or not holds(account, entitlement)

        doing = f"revoke {entitlement!r} from {id}"
        done: Outcome = self.write("revoke", id, doing, so, None, self.access.revoke, entitlement=entitlement)
        return done


class EndsSessionsByPage:
    """Adds `end_sessions` where there is a recipe for it; keeps Sessions."""

    def end_sessions(self: Any, id: str) -> Outcome:
        """ALREADY where the account is gone; otherwise the page's own words have to do."""
        done: Outcome = self.write("end_sessions", id, f"end sessions of {id}", lambda account: account is None)
        return done


def holds(account: Account, entitlement: str) -> bool:
    """Whether an account has an entitlement, without case."""
    return entitlement.casefold() in {name.casefold() for name in account.entitlements}
