"""Accounts that come by a sync from another directory (Active Directory to Entra, …): waited for, never made twice.

One source of authority per attribute: what the other app masters is read here and never written. A connector offers it
by `synced: Synced | None = None` among its options, `fitting_synced(Kind, options.synced)` for its class, and
`with_mark(rules, options.synced)` for what it reads.

Least permission: reading accounts; creating is not needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from pydantic import Field
from tenacity import RetryCallState, Retrying, retry_if_result, stop_before_delay, wait_exponential

from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from mappings.access import Account
from mappings.vocabulary import AppRules
from mappings.words import Words

FIRST, LONGEST = 1.0, 30.0  # seconds between looks

Kind = TypeVar("Kind")


class Synced(Words):
    """The words under `options.synced`."""

    created_by: str
    """The app whose accounts appear here by a sync; name it under `needs` too, so that its steps come first."""
    masters: tuple[str, ...] = ()
    """Attributes that this sync writes: read here, written there."""
    mark: str = ""
    """An attribute that only synced accounts have, e.g. onPremisesImmutableId: an account without it was made by hand
    and is not the one that is waited for."""
    wait: float = Field(default=60, ge=0)
    """Seconds that one try of a step waits for the sync; the step is tried again after that."""


class Reached(Protocol):
    """What is needed of the app."""

    name: str
    synced: Synced

    def find(self, key: str) -> Account | None: ...

    def read(self, id: str) -> Account | None: ...


class ComesBySync:
    """Put before a connector's class: `create` waits, `update` leaves alone what is mastered elsewhere, and `delete`
    waits until the sync has taken the account away."""

    name: str
    key: str
    synced: Synced
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call per look; ALREADY, since somebody else made it. Retryable where it does not appear in time."""
        key, by = attributes[self.key], self.synced.created_by
        doing = f"wait for the account of {key} from {by}"
        account = self.until(lambda: self.arrived(key, doing), lambda found: found is not None)
        if account is None:
            why = f"it has not appeared within {self.synced.wait:g} s of this try"
            todo = f"Check that {key} is in the scope of the sync from {by}, and that the sync runs and shows no error."
            raise Retryable(self.name, doing, why, todo)
        ours = self.own(attributes, account)
        if ours:
            cast(Any, super()).update(account.id, ours)
        return Outcome.ALREADY, account.id

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """The calls of the update itself; 1 per look for what the sync has to bring."""
        ours = self.own(attributes)
        outcome: Outcome = cast(Any, super()).update(id, ours) if ours else Outcome.ALREADY
        theirs = {name: value for name, value in attributes.items() if name not in ours}
        if theirs and self.until(lambda: self.lacking(id, theirs), lambda lacking: not lacking):
            by = self.synced.created_by
            why = f"{', '.join(sorted(theirs))} must come by the sync from {by}, and has not come in time"
            todo = f"Check that the account in {by} has the new values, and that the sync runs and shows no error."
            raise Retryable(self.name, f"update account {id}", why, todo)
        return outcome

    def delete(self, id: str) -> Outcome:
        """1 call per look. The account goes when the other app's has gone."""
        reached = cast(Reached, self)
        if self.until(lambda: reached.read(id), lambda account: account is None) is None:
            return Outcome.ALREADY
        by = self.synced.created_by
        why = f"it goes when the account in {by} is deleted, and is still there"
        raise Retryable(self.name, f"delete account {id}", why, f"Delete it in {by} and let the sync run.")

    def own(self, attributes: Mapping[str, str], account: Account | None = None) -> dict[str, str]:
        """Those that may be written here; with an account: only those that differ there."""
        there = account.attributes if account else None
        return {
            name: value
            for name, value in attributes.items()
            if name not in (self.key, *self.synced.masters) and (there is None or there.get(name, "") != value)
        }

    def arrived(self, key: str, doing: str) -> Account | None:
        """The account, once the sync has brought it; Refused where somebody made another one under this key."""
        account = cast(Reached, self).find(key)
        mark = self.synced.mark
        if account is None or not mark or account.attributes.get(mark):
            return account
        why = f"there is an account {key} that no sync brought ({mark} is empty)"
        raise Refused(self.name, doing, why, "Match the two (hard match) or remove the one made by hand.", 409)

    def lacking(self, id: str, wanted: Mapping[str, str]) -> list[str]:
        """Names of the attributes that are not yet as wanted."""
        account = cast(Reached, self).read(id)
        there = account.attributes if account else {}
        return [name for name, value in wanted.items() if there.get(name, "").casefold() != value.casefold()]

    def until(self, look: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
        """Look until it is enough, or until the time is over; the last that was seen."""
        looking = Retrying(
            retry=retry_if_result(lambda seen: not enough(seen)),
            wait=wait_exponential(FIRST, max=LONGEST),
            stop=stop_before_delay(self.synced.wait),
            sleep=self.sleep,
            retry_error_callback=last,
        )
        return looking(look)


def with_mark(rules: AppRules, synced: Synced | None) -> AppRules:
    """The rules, with the mark among what is read of an account; nothing is ever written there."""
    if not synced or not synced.mark or synced.mark in rules.attributes:
        return rules
    return rules.model_copy(update={"attributes": {**rules.attributes, synced.mark: ""}})


def last(state: RetryCallState) -> Any:
    """What the last look showed; what it raised is raised."""
    return state.outcome.result() if state.outcome else None


def fitting_synced(kind: type[Kind], synced: Synced | None) -> type[Kind]:
    """The class, waiting for the sync where the options say so; set its attribute `synced`."""
    return cast(type[Kind], waiting(cast(Any, kind))) if synced else kind


@cache
def waiting(kind: type) -> type:
    """`EntraBySync`."""
    return type(f"{kind.__name__}BySync", (ComesBySync, kind), {})
