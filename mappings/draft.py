"""plan = desired − actual: from what should be and what is known, the steps for one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mappings.access import Account, Target
from mappings.folder import Rules
from mappings.order import by_hand, ordered
from mappings.plan import Keep, Layer, Plan, Step, Verb
from mappings.vocabulary import AppRules, Tier

NOBODY = "nothing explains it: no rule, no grant, no override"


@dataclass(frozen=True)
class Known:
    """What is known of one person's account in one app before planning."""

    account: Account | None
    """As read from the app, or from the record where the app cannot be read."""
    granted: Mapping[str, str] = field(default_factory=dict)
    """Entitlements that Rollcall gave and has not taken back -> why; the account itself under ''."""
    active_by_us: bool | None = None
    """Whether Rollcall last left the account active; None: it never touched it."""
    until: Mapping[str, datetime] = field(default_factory=dict)
    """What of `granted` ends by itself -> when."""
    left: frozenset[Verb] = frozenset()
    """What of plan.FAREWELL was not done since the account was last usable."""
    disabled_at: datetime | None = None
    """When Rollcall disabled the account."""

    @property
    def entitlements(self) -> list[str]:
        """Names held: as the app shows them, else as the record has them."""
        return sorted(self.account.entitlements if self.account else set(self.granted) - {""})


@dataclass(frozen=True)
class Terms:
    """What else a plan depends on."""

    at: datetime
    """The instant for which it is made, aware."""
    leaving: str = ""
    """Why the person should have nothing (then there are no targets)."""
    new_email: str | None = None
    """An address to be assigned first, and why."""
    new_email_why: str = "HR has no work e-mail"
    can: Mapping[Verb, frozenset[str]] = field(default_factory=dict)
    """Verb -> apps whose connectors can do it, for verbs that not all can."""
    approver: str = ""
    """Who must approve whatever the person is given."""
    putting_back: bool = False
    """Whether what others did in apps with `drift: put_back` is undone."""
    legal_hold: str = ""
    """Why nothing of the person's may be deleted."""


def plan(
    person_id: str,
    user_name: str,
    targets: Mapping[str, Target],
    known: Mapping[str, Known],
    rules: Rules,
    terms: Terms,
    notes: Iterable[str] = (),
) -> Plan:
    """The steps from `known` to `targets`."""
    work = Draft(rules, terms, notes=list(notes))
    if terms.new_email:
        address = {"work_email": terms.new_email}
        work.add("hr", Verb.EMAIL, terms.new_email_why, terms.approver, layer=Layer.EMAIL, attributes=address)
    for app in rules.apps:
        here = known.get(app, Known(None))
        if app in targets:
            work.gain(targets[app], here)
        elif here.account or here.granted:
            work.lose(app, here, terms.leaving or "no rule gives this app any more")
    return Plan(
        person_id=person_id,
        user_name=user_name,
        steps=ordered(work.steps, rules, bool(terms.leaving)),
        notes=tuple(work.notes),
        keeps=tuple(work.keeps),
        next_look=min(work.looks, default=None),
    )


@dataclass
class Draft:
    """Steps being collected, before their order is known."""

    rules: Rules
    terms: Terms
    notes: list[str]
    steps: list[Step] = field(default_factory=list)
    keeps: list[Keep] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)

    def add(
        self, app: str, verb: Verb, why: str, approver: str = "", layer: Layer | None = None, **more: object
    ) -> None:
        """Add a step at `app`; its layer follows from the app's tier and the verb."""
        name = more.get("entitlement")
        ident = f"{app} {verb}" + (f" {name}" if name else "")
        step = {"id": ident, "app": app, "verb": verb, "layer": layer or self.layer(app, verb), "why": why}
        self.steps.append(Step.model_validate(step | {"approver": approver} | more))

    def layer(self, app: str, verb: Verb) -> Layer:
        """Groups of the SSO itself belong to the second layer."""
        tier = self.rules.apps[app].tier
        if tier is Tier.SSO and verb in (Verb.GRANT, Verb.REVOKE):
            return Layer.IDP
        return Layer(tier.value)

    # what somebody should have

    def gain(self, target: Target, here: Known) -> None:
        """Steps that bring an account up to its target."""
        account = here.account
        if not target.active:
            self.suspend(target, here)
        elif account is None:
            self.make(target)
        elif here.active_by_us and not account.active and not self.puts_back(target.app):
            self.notes.append(f"{target.app}: the account was disabled by somebody else; left alone")
            self.take_back(target, account, here, everything=False)
        else:
            gate = "" if account.active else self.gate(target, "")
            self.mend(target, account, gate)
            self.give(target, account.entitlements, gate)
            self.take_back(target, account, here, everything=not account.active or self.puts_back(target.app))

    def puts_back(self, app: str) -> bool:
        """Whether this plan undoes what others did in the app."""
        return self.terms.putting_back and self.rules.apps[app].drift == "put_back"

    def gate(self, target: Target, name: str) -> str:
        """Who must approve an entitlement, or under '' the account."""
        return self.terms.approver or target.approvers.get(name, "")

    def suspend(self, target: Target, here: Known) -> None:
        """An account that should rest: as it is, but unusable. One that is not there is not made for that."""
        if here.account and here.account.active:
            self.add(target.app, Verb.DISABLE, target.why)
        self.farewell(target.app, here, target.why, (Verb.END_SESSIONS,))

    def make(self, target: Target) -> None:
        """A new account with its entitlements. Somebody who makes it by hand is asked once for all of it."""
        asked = by_hand(self.rules, target.app)
        names = tuple(sorted(target.entitlements)) if asked else ()
        gate = self.gate(target, "")
        self.add(target.app, Verb.CREATE, target.why, gate, attributes=target.attributes, entitlements=names)
        if not asked:
            self.give(target, frozenset(), gate)

    def give(self, target: Target, holds: frozenset[str], gate: str) -> None:
        """Grant what is lacking. `gate`: who must approve the account, and with it all that it holds."""
        for name, why in sorted(target.entitlements.items()):
            if name not in holds:
                self.add(target.app, Verb.GRANT, why, gate or self.gate(target, name), entitlement=name)

    def take_back(self, target: Target, account: Account, here: Known, everything: bool) -> None:
        """Revoke what Rollcall gave and no rule gives any more. What others gave is noted, unless `everything`
        goes: whoever comes back has today's rights only."""
        for name in sorted(account.entitlements - set(target.entitlements)):
            if everything and (not account.active or name not in here.granted):
                self.add(target.app, Verb.REVOKE, NOBODY, entitlement=name)
            elif name in here.granted:
                self.end(target.app, name, here)
            else:
                self.notes.append(f"{target.app}: {name} is held but was not given by Rollcall; left alone")
        for name in {"", *target.entitlements} & set(here.until):
            self.keeps.append(Keep(app=target.app, entitlement=name, until=None))

    def mend(self, target: Target, account: Account, gate: str) -> None:
        """Enable and update an account that exists. Its key counts without case, as apps compare it."""
        if not account.active:
            self.add(target.app, Verb.ENABLE, target.why, gate)
        there, key = account.attributes, self.rules.apps[target.app].key
        differs = {k: v for k, v in target.attributes.items() if there.get(k, "") != v}
        if differs.get(key, "").casefold() == there.get(key, "").casefold():
            differs.pop(key, None)
        if differs:
            before = {k: account.attributes.get(k, "") for k in differs}
            self.add(target.app, Verb.UPDATE, "HR's values differ", gate, attributes=differs, before=before)

    # what somebody should have no more

    def end(self, app: str, name: str, here: Known) -> None:
        """Revoke at once, or once the grace days are over."""
        if not self.kept(app, name, here):
            why = f"no rule gives it any more; it came by {here.granted[name]}"
            self.add(app, Verb.REVOKE, why, entitlement=name)

    def kept(self, app: str, name: str, here: Known) -> bool:
        """Whether the grace days of what gave it are not over; they begin when it is first seen to be unjustified."""
        until = here.until.get(name)
        if until is None:
            days = grace_of(here.granted.get(name, ""), self.rules)
            if not days:
                return False
            until = self.terms.at + timedelta(days=days)
            self.keeps.append(Keep(app=app, entitlement=name, until=until))
        if self.terms.at >= until:
            return False
        self.notes.append(f"{app}: {name or 'the account'} is kept until {until:%Y-%m-%d}: grace days")
        self.looks.append(until)
        return True

    def lose(self, app: str, here: Known, why: str) -> None:
        """Steps that end an account, by the app's own policy."""
        rules, account = self.rules.apps[app], here.account
        if not self.terms.leaving and self.stays(app, here):
            for name in sorted(set(here.entitlements) & set(here.granted)):
                self.end(app, name, here)
            return
        if account and rules.leaver != "keep" and not self.close(app, rules, here, why):
            return
        for name in here.entitlements:
            self.add(app, Verb.REVOKE, why, entitlement=name)

    def stays(self, app: str, here: Known) -> bool:
        """Whether an account that no rule gives is left alone: in its grace days, or because others made it."""
        if here.account and "" not in here.granted and not self.puts_back(app):
            self.notes.append(f"{app}: there is an account, which was not given by Rollcall; left alone")
            return True
        return self.kept(app, "", here)

    def close(self, app: str, rules: AppRules, here: Known, why: str) -> bool:
        """Disable or delete the account with all that goes with it; whether entitlements are left to be revoked."""
        account = here.account
        assert account is not None
        deletes = rules.leaver == "delete" or (rules.leaving.disable_deletes and account.active)
        if self.terms.legal_hold and deletes:
            self.notes.append(f"{app}: nothing is deleted: {self.terms.legal_hold}")
            deletes = False
        if rules.leaver == "delete" and deletes:
            self.delete(app, rules, here, why)
            return False
        if account.active and not (rules.leaving.disable_deletes and self.terms.legal_hold):
            self.add(app, Verb.DISABLE, why)
        self.farewell(app, here, why, (Verb.END_SESSIONS, Verb.REVOKE_TOKENS))
        if not self.delete_later(app, rules, here):
            self.farewell(app, here, why, (Verb.HAND_OVER,))
        return True

    def delete(self, app: str, rules: AppRules, here: Known, why: str) -> None:
        """Delete the account; what it owns is handed over first, and access does not outlast that."""
        before = len(self.steps)
        if self.terms.leaving and rules.leaving.hand_over and app in self.terms.can.get(Verb.HAND_OVER, frozenset()):
            self.add(app, Verb.HAND_OVER, why, attributes={"to": rules.leaving.hand_over})  # looked for once more
        else:
            self.farewell(app, here, why, (Verb.HAND_OVER,))
        able = app in self.terms.can.get(Verb.DISABLE, frozenset()) and not rules.leaving.disable_deletes
        if len(self.steps) > before and able and here.account and here.account.active:
            self.add(app, Verb.DISABLE, why)
        self.add(app, Verb.DELETE, why)

    def farewell(self, app: str, here: Known, why: str, verbs: tuple[Verb, ...]) -> None:
        """What an account's end brings with it, where it was not done since the account was last usable."""
        to = self.rules.apps[app].leaving.hand_over if self.terms.leaving else ""
        for verb in verbs:
            able = bool(to) if verb is Verb.HAND_OVER else app in self.terms.can.get(verb, frozenset())
            if able and here.account and (here.account.active or verb in here.left):
                attributes = {"to": to} if verb is Verb.HAND_OVER else {}
                self.add(app, verb, why, attributes=attributes)

    def delete_later(self, app: str, rules: AppRules, here: Known) -> bool:
        """Delete an account that was disabled long enough ago, unless a legal hold keeps it; whether it is deleted."""
        days = rules.leaving.delete_after_days
        if not days or not self.terms.leaving or here.account is None:
            return False
        when = (here.disabled_at if not here.account.active else None) or self.terms.at
        when += timedelta(days=days)
        if self.terms.at < when:
            self.looks.append(when)
        elif self.terms.legal_hold:
            self.notes.append(f"{app}: the account is not deleted: {self.terms.legal_hold}")
        else:
            self.delete(app, rules, here, f"{days} days after it was disabled")
            return True
        return False


def grace_of(why: str, rules: Rules) -> int:
    """Grace days of the playbook whose title leads this reason."""
    found = (p.grace_days for p in rules.playbooks.values() if why.startswith(f"{p.title}:"))
    return max(found, default=0)
