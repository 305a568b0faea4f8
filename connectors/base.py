"""The contract every app connector keeps: the same verbs in the same order, each safe to send twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from connectors.errors import ConnectorError
from mappings.access import Account, Owned, Token


class Outcome(StrEnum):
    """Whether a write changed anything. Both are successes."""

    DONE = "done"
    ALREADY = "already"


@runtime_checkable
class App(Protocol):
    """An app whose accounts can be read and written. All calls block; errors are of `connectors.errors`.

    Ids are the app's own account ids. Attributes go by the app's own field names, dotted when nested.
    `looked` says that the caller has just read the app and seen that the write is not done yet: a connector
    that would look before writing need not. It is a hint only: a write stays safe to send twice.
    """

    name: str
    """File name of the app's YAML, without the ending."""

    def check(self) -> str:
        """Prove connection and permission with one cheap read; returns a sentence for `rollcall doctor`."""

    def accounts(self) -> Iterator[Account]:
        """Every account, page by page. Entitlements may be left out where the app lists them elsewhere."""

    def find(self, key: str) -> Account | None:
        """The account whose key equals `key` (without case), whatever the search returned first."""

    def read(self, id: str) -> Account | None:
        """The account with this id, with its entitlements; None where the app says there is none."""

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """Make an active account; returns its id. ALREADY where the key was taken by the same account."""

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """Set these attributes and no others."""

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """Make the account usable again."""

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """Make the account unusable. ALREADY where it is, or is gone."""

    def delete(self, id: str) -> Outcome:
        """Remove the account for good. ALREADY where it is gone."""


@runtime_checkable
class Grants(Protocol):
    """An app that has entitlements: groups, roles, teams, licences."""

    lists_entitlements: bool
    """Whether `accounts()` tells them too; where not, none there means unknown, and `read` knows."""

    def entitlements(self) -> Iterator[str]:
        """Names of all entitlements the app knows."""

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """Give the account this entitlement."""

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """Take it away. ALREADY where it is not held."""


@runtime_checkable
class Prepares(Protocol):
    """An app that can be asked ahead for what a grant will need."""

    def prepare(self, entitlement: str) -> None:
        """Learn the entitlement's id, so that the grant itself is one call. Changes nothing."""


@runtime_checkable
class Mailboxes(Protocol):
    """An app that can be asked for addresses that are not its keys."""

    def holds_address(self, address: str) -> bool:
        """Whether any account has this address, as its key or as an alias."""


@runtime_checkable
class Sessions(Protocol):
    """An app whose sessions can be ended."""

    def end_sessions(self, id: str) -> Outcome:
        """Sign the account out everywhere."""


@runtime_checkable
class Tokens(Protocol):
    """An app that tells and revokes what lets somebody in without a password: OAuth grants, API keys, app passwords."""

    def tokens(self, id: str) -> Iterator[Token]:
        """Those of the account; none where it is gone."""

    def revoke_tokens(self, id: str) -> Outcome:
        """Make all of them worthless. ALREADY where there are none. What fails at one is raised after the others."""


@runtime_checkable
class Owns(Protocol):
    """An app whose accounts own things that must find another owner before the account goes."""

    def owned(self, id: str) -> Iterator[Owned]:
        """What the account owns; nothing where it is gone."""

    def hand_over(self, id: str, to_id: str) -> Outcome:
        """Give all of it to the account `to_id`. ALREADY where it owns nothing. What fails at one is raised after the
        others; Refused where the two are one account."""


@dataclass(frozen=True)
class Write:
    """One write of many: a verb of App or Grants, and what it is done with."""

    verb: Literal["create", "update", "enable", "disable", "delete", "grant", "revoke"]
    id: str = ""
    """The account's; none for `create`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """For `create` and `update`."""
    entitlement: str = ""
    """For `grant` and `revoke`."""


class Written(NamedTuple):
    """What became of one of them."""

    write: Write
    """The very object that was handed in."""
    outcome: Outcome | ConnectorError
    """DONE also where the app does not tell that it was so before. An error concerns this write alone; after a
    Retryable one the write may have been carried out: read back before it is tried again."""
    id: str = ""
    """The account's; of a `create` that failed: none."""


@runtime_checkable
class Bulk(Protocol):
    """An app that takes many writes in one call. Nothing is verified: read back before dependents start."""

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """All of the writes, split so that each batch is about one call. Batches may be written side by side; of
        writes that must follow each other (create, then grant) hand in the second after the first was written."""

    def write_many(self, batch: Sequence[Write], looked: bool = False) -> Iterator[Written]:
        """Carry out one batch; one answer for each write, in any order. Raises nothing of `connectors.errors`.
        `looked` as in App, for all of them."""
