"""A dummy account walked through everything an app should do, each write read back: what the app really supports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from connectors.base import App, Grants, Outcome, Owns, Sessions, Tokens
from connectors.catalogue import capabilities
from connectors.errors import ConnectorError, NeedsHuman, OutOfDate
from flows.dummy import Note
from flows.mends import differences
from mappings.access import Account
from mappings.vocabulary import AppRules

MOST_LISTED = 20_000
FEW_CALLS = 3  # a look-up that costs more has read the whole list
UNGIVEN = ("admin", "owner", "root", "super", "billing", "everyone", "all users", "licence", "license")
"""Entitlements with such words are not given to a dummy unless they are asked for."""


class Verdict(StrEnum):
    """How one thing went."""

    WORKS = "works"
    DIFFERS = "differs"
    FAILS = "FAILS"
    PEOPLE = "people"
    NONE = "–"
    SKIPPED = "not tried"


@dataclass
class Finding:
    """One line of the report."""

    what: str
    verdict: Verdict = Verdict.WORKS
    says: str = ""
    calls: int | None = None
    seconds: float = 0.0
    mends: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.verdict not in (Verdict.FAILS, Verdict.DIFFERS)


class Wrong(Exception):
    """The app did something else than what it was asked; `mends` says what to change."""

    def __init__(self, says: str, *mends: str, verdict: Verdict = Verdict.FAILS) -> None:
        super().__init__(says)
        self.mends, self.verdict = list(mends), verdict


class Occupied(ConnectorError):
    """Somebody has the dummy's key already, and it was no trial that made the account."""


class Trial:
    """One app, tried with one dummy account."""

    def __init__(
        self, app: App, rules: AppRules, attributes: dict[str, str], note: Note, patience: float, entitlement: str = ""
    ) -> None:
        self.app: Any = app
        self.rules, self.attributes, self.note, self.patience = rules, attributes, note, patience
        self.key, self.entitlement = attributes[rules.key], entitlement
        self.can, self.calls, self.id = capabilities(app), Calls(app), ""
        self.begun = self.left_before = False

    def walk(self, keep: bool = False) -> Iterator[Finding]:
        """Each finding as it comes. Whatever happens, also an interruption, the account is gone afterwards, or is
        disabled where it cannot be deleted; unless it is to be kept. Raises Occupied before anything is written."""
        yield self.tried("check", "check", lambda: str(self.app.check()))
        if not {"find", "read", "create"} <= self.can:
            yield Finding("all the rest", Verdict.PEOPLE, "nothing can be read there: every step is a manual task")
            return
        yield self.tried("nobody there yet", "find", self.nobody)
        try:
            yield from self.life(keep)
        finally:
            if not keep:
                self.leave()

    def life(self, keep: bool) -> Iterator[Finding]:
        """From the first write on."""
        made = self.tried("create", "create", self.create)
        yield made
        if not self.id:
            return
        yield self.tried("create again", "create", self.create_again)
        yield self.tried("read", "read", self.read)
        yield self.tried("find", "find", self.find)
        yield self.tried("list", "accounts", self.listed)
        yield self.tried("update", "update", self.update)
        yield from self.groups()
        yield from self.ends() if not self.rules.leaving.disable_deletes else ()
        yield from self.farewell()
        if not keep:
            yield from self.last()

    def tried(self, what: str, verb: str, act: Callable[[], str]) -> Finding:
        """Do one thing and tell how it went."""
        if verb not in self.can:
            left_out = verb in getattr(self.app, "undeclared", ())
            return Finding(what, Verdict.PEOPLE if left_out else Verdict.NONE, "a manual task" if left_out else "")
        found, began, before = Finding(what), time.monotonic(), self.calls.count
        try:
            found.says = act()
        except Occupied:
            raise
        except Wrong as wrong:
            found.verdict, found.says, found.mends = wrong.verdict, str(wrong), wrong.mends
        except OutOfDate as error:
            found.says, found.verdict = error.why, Verdict.FAILS
        except NeedsHuman as error:
            found.verdict, found.says = Verdict.PEOPLE, error.todo or str(error)
        except ConnectorError as error:
            found.verdict, found.says = Verdict.FAILS, str(error)
            found.mends = self.permission(verb, error)
        found.seconds = time.monotonic() - began
        found.calls = self.calls.count - before if self.calls.counted else None
        return found

    def permission(self, verb: str, error: ConnectorError) -> list[str]:
        """What to grant, where that may be why."""
        if getattr(error, "status", None) not in (401, 403):
            return []
        wanted = [what for what, verbs in self.rules.permissions.items() if verb in verbs or "all" in verbs]
        return [f"{verb} needs {' and '.join(wanted)}"] if wanted else []

    # the life of an account

    def nobody(self) -> str:
        """The key must be free, but for what an earlier trial left behind."""
        found = self.app.find(self.key)
        if found is None:
            return f"no account has the key {self.key}"
        if not self.note.is_of(self.key, found.id):
            doing = f"try it with {self.key}"
            why = f"account {found.id} has this key, and no trial of this installation made it"
            raise Occupied(self.app.name, doing, why, "Name another address: --key ADDRESS. Nothing was changed.")
        self.id, self.left_before = found.id, "delete" not in self.can
        self.clean()
        return "an earlier trial's account was there" + (", disabled" if self.left_before else "; it was removed")

    def create(self) -> str:
        """Write the note first: what is interrupted from here on is cleaned up by the next trial at the latest."""
        self.note.write(self.key)
        self.begun = True
        outcome, self.id = self.app.create(self.attributes)
        self.note.write(self.key, self.id)
        if self.left_before:
            self.app.enable(self.id)
            self.app.update(self.id, self.attributes)
        took = self.shown("the new account", lambda a: a is not None and a.active)
        if outcome is not Outcome.DONE and not self.left_before:
            raise Wrong("it says that the account was there before, which the search did not show")
        return f"id {self.id}, read back{took}{self.compare(self.attributes)}"

    def create_again(self) -> str:
        outcome, id = self.app.create(self.attributes)
        if id != self.id:
            raise Wrong(f"asked twice, it made two accounts: {self.id} and {id}", "look at how accounts are found")
        if outcome is not Outcome.ALREADY:
            raise Wrong("asked twice, it says both times that it made the account")
        return "the same account, said to be there already"

    def read(self) -> str:
        account = self.account()
        if account.key.casefold() != self.key.casefold():
            raise Wrong(f"the account shows the key {account.key!r}", "check `key` and `attributes`")
        held = f", in {', '.join(sorted(account.entitlements))} from the start" if account.entitlements else ""
        return f"as written{held}"

    def find(self) -> str:
        before = self.calls.count
        found = self.app.find(self.key.upper())
        if found is None or found.id != self.id:
            raise Wrong("looked up in upper case, the account is not found", "declare the search as not exact")
        if self.app.find(f"nobody.{self.key}") is not None:
            raise Wrong("a key that nobody has finds somebody")
        believed(found, "looked up by its key")
        dear = self.calls.counted and self.calls.count - before > 2 * FEW_CALLS
        return "by key, whatever its case" + ("; each look-up reads the whole list, declare a search" if dear else "")

    def listed(self) -> str:
        listed = list(islice(self.app.accounts(), MOST_LISTED))
        found = [account.id for account in listed]
        if found.count(self.id) != 1 and len(found) < MOST_LISTED:
            raise Wrong(f"the list has it {found.count(self.id)} times", "check `list`, `items` and `pages`")
        if len(found) != len(set(found)):
            raise Wrong("the list has accounts twice", "check `pages`")
        if self.id in found:
            believed(listed[found.index(self.id)], "in the list")
        return f"one of {len(found)} accounts"

    def update(self) -> str:
        """Change one attribute that is not the key, and see that the others stay."""
        names = [f for f, v in self.attributes.items() if f != self.rules.key and "@" not in v and v]
        names.sort(key=lambda f: not any(word in f.lower() for word in ("title", "name")))
        if not names:
            return "there is no attribute besides the key"
        change = {names[0]: "Changed"}
        self.app.update(self.id, change)
        self.shown("the change", lambda a: a is not None and a.attributes.get(names[0], "").casefold() == "changed")
        self.compare(self.attributes | change)
        self.app.update(self.id, {names[0]: self.attributes[names[0]]})
        return f"{names[0]} and nothing else"

    # groups

    def groups(self) -> Iterator[Finding]:
        """List, grant twice, revoke twice."""
        if not isinstance(self.app, Grants):
            yield Finding("groups", Verdict.NONE)
            return
        known: list[str] = []
        yield self.tried("groups", "entitlements", lambda: self.known(known))
        wanted = self.entitlement or next(iter(self.rules.entitlements or harmless(known)), "")
        if not wanted:
            yield Finding("grant and revoke", Verdict.SKIPPED, "no harmless group to try; name one: --entitlement NAME")
            return
        yield self.tried("grant", "grant", lambda: self.turned("grant", wanted, True))
        yield self.tried("revoke", "revoke", lambda: self.turned("revoke", wanted, False))

    def known(self, into: list[str]) -> str:
        into += islice(self.app.entitlements(), MOST_LISTED)
        return f"{len(into)}: {', '.join(into[:5])}{' …' if len(into) > 5 else ''}"

    def turned(self, verb: str, wanted: str, held: bool) -> str:
        """Grant or revoke, twice, with a look after each."""
        first = getattr(self.app, verb)(self.id, wanted)
        took = self.shown(
            f"{wanted!r} {'held' if held else 'gone'}", lambda a: a is not None and (wanted in a.entitlements) == held
        )
        again = getattr(self.app, verb)(self.id, wanted)
        return f"{wanted!r}{took}{odd(first, again)}"

    # the end of an account

    def ends(self) -> Iterator[Finding]:
        yield self.tried("disable", "disable", lambda: self.switched("disable", False))
        yield self.tried("enable", "enable", lambda: self.switched("enable", True))

    def switched(self, verb: str, active: bool) -> str:
        """Disable or enable, twice, with a look after each."""
        first = getattr(self.app, verb)(self.id)
        took = self.shown(
            "an active account" if active else "a disabled one", lambda a: a is not None and a.active == active
        )
        if not active:
            what = "a disabled one when it is looked up by its key"
            self.shown(what, lambda a: a is None or not a.active, lambda: self.app.find(self.key))
        again = getattr(self.app, verb)(self.id)
        return f"read back{took}{odd(first, again)}"

    def farewell(self) -> Iterator[Finding]:
        """What goes with an account. A dummy never signed in and owns nothing: this proves the right to ask."""
        for what, verb, kept in (("end sessions", "end_sessions", Sessions), ("tokens", "revoke_tokens", Tokens)):
            act = lambda verb=verb: f"answers {getattr(self.app, verb)(self.id)}"  # noqa: E731
            yield self.tried(what, verb, act) if isinstance(self.app, kept) else Finding(what, Verdict.NONE)
        if isinstance(self.app, Owns):
            yield self.tried("belongings", "owned", lambda: f"{len(list(self.app.owned(self.id)))} listed")
        else:
            yield Finding("belongings", Verdict.NONE)

    def last(self) -> Iterator[Finding]:
        """The account goes for good."""
        if self.rules.leaving.disable_deletes:
            yield self.tried("disable, for good", "disable", lambda: self.gone("disable"))
        elif "delete" in self.can:
            yield self.tried("delete", "delete", lambda: self.gone("delete"))
        else:
            self.tried("disable", "disable", lambda: str(self.app.disable(self.id)))
            yield Finding("delete", Verdict.PEOPLE, f"the app's file declares none: {self.key} stays there, disabled")
            self.id, self.begun = "", False

    def gone(self, verb: str) -> str:
        """Remove it, twice."""
        first = getattr(self.app, verb)(self.id)
        took = self.shown("no account", lambda a: a is None or not a.active)
        again = getattr(self.app, verb)(self.id)
        self.note.tear_up()
        self.id, self.begun = "", False
        return f"read back{took}{odd(first, again)}"

    def leave(self) -> None:
        """Clean up what is there, also an account whose making was interrupted before its id was known."""
        if self.begun and not self.id and (found := self.app.find(self.key)):
            self.id = found.id
        if self.id:
            self.clean()

    def clean(self) -> None:
        """Remove the dummy's account, or at least disable it; the note stays where it is not gone."""
        for verb in ("delete", "disable"):
            if verb in self.can:
                getattr(self.app, verb)(self.id)
                break
        if "delete" in self.can or self.rules.leaving.disable_deletes:
            self.note.tear_up()
        self.id, self.begun = "", False

    # how it is seen

    def account(self) -> Account:
        found = self.app.read(self.id)
        if found is None:
            raise Wrong("the account cannot be read by its id", "check `read` and `id`")
        return Account.model_validate(found.model_dump())

    def shown(
        self, what: str, right: Callable[[Account | None], bool], look: Callable[[], Account | None] | None = None
    ) -> str:
        """Read until it is right; how long that took, where it took a while. Wrong when it never is."""
        began = time.monotonic()
        looking = Retrying(
            retry=retry_if_result(lambda account: not right(account)),
            wait=wait_exponential(0.1, max=3),
            stop=stop_after_delay(self.patience),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        found: Account | None = looking(look or (lambda: self.app.read(self.id)))
        if not right(found):
            told = "no account" if found is None else f"active={found.active}, {sorted(found.entitlements)}"
            raise Wrong(f"it said yes, but {self.patience:g} s later it does not show {what}: {told}")
        took = time.monotonic() - began
        return f", shown after {took:.1f} s" if took > 1 else ""

    def compare(self, written: dict[str, str]) -> str:
        """The account's attributes against what was written; what is different and does not matter."""
        found = differences(written, self.account().attributes)
        if any(one.matters for one in found):
            says = "; ".join(one.says() for one in found if one.matters)
            raise Wrong(says, *(one.mend() for one in found), verdict=Verdict.DIFFERS)
        return "".join(f"; {one.mend()}" for one in found)


class Calls:
    """How many requests an app's connector has sent, where it speaks HTTP."""

    def __init__(self, app: App) -> None:
        self.count = 0
        client = getattr(getattr(app, "http", None), "client", None)
        self.counted = client is not None
        if client is not None:
            client.event_hooks["request"].append(self.one_more)

    def one_more(self, request: object) -> None:
        self.count += 1


def harmless(names: list[str]) -> list[str]:
    """Those that a dummy may hold for a moment."""
    return [name for name in names if not any(word in name.lower() for word in UNGIVEN)]


def believed(account: Account, where: str) -> None:
    """Wrong where an account that is active is not shown so: all would be taken for disabled."""
    if not account.active:
        raise Wrong(f"{where}, the active account is shown as disabled", "check what tells there that it is `active`")


def odd(first: Outcome, again: Outcome) -> str:
    """What is strange about the answers to the same call sent twice."""
    return "" if (first, again) == (Outcome.DONE, Outcome.ALREADY) else f"; answered {first}, then {again}"
