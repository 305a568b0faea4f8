"""Apps in memory, for carrying plans out: just accounts, and a rule for each verb."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mappings.access import Account, Target
from mappings.draft import Known, Terms, plan
from mappings.folder import Rules
from mappings.plan import FAREWELL, Plan, Step, Verb

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def terms(leaving: str = "", sessions: frozenset[str] = frozenset(), **more: Any) -> Terms:
    """The terms of a plan at NOW. `sessions`: apps whose sessions can be ended."""
    return Terms(**({"at": NOW, "leaving": leaving, "can": {Verb.END_SESSIONS: sessions}} | more))


@dataclass
class Model:
    """What stands in the apps and what Rollcall remembers of its own doing."""

    rules: Rules
    accounts: dict[str, Account] = field(default_factory=dict)
    granted: dict[str, dict[str, str]] = field(default_factory=dict)
    ours: dict[str, bool] = field(default_factory=dict)
    """App -> whether Rollcall last left the account active."""

    def known(self) -> dict[str, Known]:
        return {
            app: Known(self.accounts.get(app), dict(self.granted.get(app, {})), self.ours.get(app))
            for app in self.rules.apps
        }

    def plan(self, targets: Mapping[str, Target], leaving: str = "", new_email: str | None = None, **more: Any) -> Plan:
        said = terms(leaving, frozenset(self.rules.apps), new_email=new_email, **more)
        return plan("1", "ana", targets, self.known(), self.rules, said)

    def carry_out(self, drawn: Plan, choose: Callable[[list[Step]], Step] = lambda ready: ready[0]) -> list[Step]:
        """All steps, in an order that `choose` picks among those allowed; returns the order."""
        left, done = list(drawn.steps), []
        while left:
            over = {s.id for s in done}
            ready = [s for s in left if over.issuperset((*s.needs, *s.after))]
            assert ready, "the plan's edges leave no order"
            step = choose(ready)
            self.do(step)
            done.append(step)
            left.remove(step)
        return done

    def do(self, step: Step) -> None:
        """One step, as an app would: strict about accounts that are missing or disabled."""
        if step.verb is Verb.EMAIL:
            return
        app, account = step.app, self.accounts.get(step.app)
        if step.verb is Verb.CREATE:
            assert account is None, "a second account"
            names = frozenset(step.entitlements)
            self.accounts[app] = Account(id=f"{app}/1", key="ana", attributes=step.attributes, entitlements=names)
            self.granted.setdefault(app, {}).update(dict.fromkeys(names, "by hand") | {"": step.why})
            self.ours[app] = True
            return
        assert account is not None, "a step without an account"
        if step.verb is Verb.DELETE:
            del self.accounts[app]
            self.granted.pop(app, None)
            self.ours.pop(app, None)
            return
        self.accounts[app] = self.changed(step, account)

    def changed(self, step: Step, account: Account) -> Account:
        """The account after a step that keeps it."""
        held, name = account.entitlements, step.entitlement or ""
        if step.verb is Verb.UPDATE:
            assert account.active
            return account.model_copy(update={"attributes": account.attributes | step.attributes})
        if step.verb is Verb.GRANT:
            assert account.active and name not in held
            self.granted.setdefault(step.app, {})[name] = step.why
            return account.model_copy(update={"entitlements": held | {name}})
        if step.verb is Verb.REVOKE:
            assert name in held
            self.granted.get(step.app, {}).pop(name, None)
            return account.model_copy(update={"entitlements": held - {name}})
        if step.verb in FAREWELL:
            return account
        self.ours[step.app] = step.verb is Verb.ENABLE
        return account.model_copy(update={"active": step.verb is Verb.ENABLE})
