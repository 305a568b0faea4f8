"""An app that no machine can reach: every write is a task for a person, and nothing can be read.

Least permission: none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NoReturn

from connectors.base import Outcome
from connectors.calls import fill
from connectors.errors import NeedsHuman
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules
from mappings.words import Words

SENTENCES = {
    "create": "Make an account in {title}: {attributes}.",
    "update": "Change account {id} in {title}: {attributes}.",
    "enable": "Make account {id} in {title} usable again.",
    "disable": "Make account {id} in {title} unusable, and end its sessions.",
    "delete": "Remove account {id} from {title} for good.",
    "grant": "Give account {id} in {title} the entitlement {entitlement}.",
    "revoke": "Take the entitlement {entitlement} away from account {id} in {title}.",
}
"""What to do where the app's YAML has no instructions of its own for the verb."""


class Options(Words):
    """A manual app has no options."""


class Manual:
    """Keeps App and Grants. No verb makes a call."""

    lists_entitlements = False

    def __init__(self, name: str, rules: AppRules) -> None:
        self.name, self.rules = name, rules

    @property
    def undeclared(self) -> frozenset[str]:
        """Verbs that people do here: all that write, and reading, which nobody can."""
        return frozenset({*SENTENCES, "accounts", "find", "read"})

    def check(self) -> str:
        """Says who does the work."""
        return f"{self.rules.title} has no API; its steps become manual tasks for {self.rules.owner}."

    def accounts(self) -> Iterator[Account]:
        """Nothing is known."""
        return iter(())

    def find(self, key: str) -> Account | None:
        """Unknown, which is not `absent`: the record of manual tasks knows more."""
        return None

    def read(self, id: str) -> Account | None:
        """Unknown, as find."""
        return None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        return self.ask("create", attributes.get(self.rules.key, "somebody"), attributes)

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        return self.ask("update", id, attributes)

    def enable(self, id: str, looked: bool = False) -> Outcome:
        return self.ask("enable", id)

    def disable(self, id: str, looked: bool = False) -> Outcome:
        return self.ask("disable", id)

    def delete(self, id: str) -> Outcome:
        return self.ask("delete", id)

    def entitlements(self) -> Iterator[str]:
        """Those that the app's YAML names."""
        return iter(self.rules.entitlements or ())

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        return self.ask("grant", id, entitlement=entitlement)

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        return self.ask("revoke", id, entitlement=entitlement)

    def ask(self, verb: str, whom: str, attributes: Mapping[str, str] | None = None, entitlement: str = "") -> NoReturn:
        """Raise NeedsHuman with what to do. Places that only the caller can fill stay in the text."""
        listed = ", ".join(f"{field} {value}" for field, value in (attributes or {}).items())
        at = {"id": whom, "title": self.rules.title, "attributes": listed, "entitlement": entitlement}
        todo = fill(self.rules.instructions.get(verb, SENTENCES[verb]), {**(attributes or {}), **at})
        doing = f"{verb} {entitlement + ' for ' if entitlement else ''}{whom}"
        raise NeedsHuman(self.name, doing, f"{self.rules.title} has no API", todo)


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Manual:
    """The app that these rules declare."""
    return Manual(name, rules)
