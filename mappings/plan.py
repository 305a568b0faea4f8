"""plan = desired − actual: the steps for one person, ordered, with a content hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from mappings.access import Account, Target
from mappings.folder import Rules
from mappings.rules import canonical
from mappings.vocabulary import Tier


class Verb(StrEnum):
    """What a step does."""

    EMAIL = "assign e-mail"
    CREATE = "create account"
    ENABLE = "enable account"
    UPDATE = "update account"
    GRANT = "grant"
    REVOKE = "revoke"
    DISABLE = "disable account"
    END_SESSIONS = "end sessions"
    REVOKE_TOKENS = "revoke tokens"
    HAND_OVER = "hand over"
    DELETE = "delete account"


LOSING = (Verb.REVOKE, Verb.DISABLE, Verb.END_SESSIONS, Verb.REVOKE_TOKENS, Verb.HAND_OVER, Verb.DELETE)


class Layer(StrEnum):
    """Whose turn it is: the work e-mail, the SSO account, groups, the department apps."""

    EMAIL = "email"
    SSO = "sso"
    IDP = "idp"
    APP = "app"


class Step(BaseModel):
    """One verb at one app for one person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """`app verb entitlement`: the same for the same step of the same person, always."""
    app: str
    verb: Verb
    layer: Layer
    entitlement: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    """For create and update: what to set. For the work e-mail: `work_email`."""
    entitlements: tuple[str, ...] = ()
    """For an account made by hand: what it should hold, said in one task."""
    before: dict[str, str] = Field(default_factory=dict)
    """For update: what stood there."""
    why: str
    needs: tuple[str, ...] = ()
    """Steps that must have succeeded; otherwise this one is blocked."""
    after: tuple[str, ...] = ()
    """Steps that must be over, well or badly."""
    approver: str = ""
    """Who must approve it first; nobody where it is empty."""


class Keep(BaseModel):
    """Something in place that ends by itself, or, without `until`, does so no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    entitlement: str = ""
    """'' for the account."""
    until: datetime | None


class Plan(BaseModel):
    """The steps that make the apps agree with HR for one person, in an order that may be carried out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person_id: str
    user_name: str
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    """What was seen and left alone, or could not be read."""
    keeps: tuple[Keep, ...] = ()
    """For the record alone: what grace days begin or end for."""
    next_look: datetime | None = None
    """When something changes although HR says nothing new."""

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical steps."""
        body = [s.model_dump(mode="json") for s in self.steps]
        return hashlib.sha256(canonical([self.person_id, body])).hexdigest()

    @property
    def gated(self) -> tuple[Step, ...]:
        """The steps that wait for an approval."""
        return tuple(s for s in self.steps if s.approver)

    @property
    def gated_hash(self) -> str:
        """SHA-256 of what an approver approves: the gated steps without their edges, which change as others are done."""
        body = [s.model_dump(mode="json", exclude={"needs", "after"}) for s in self.gated]
        return hashlib.sha256(canonical([self.person_id, body])).hexdigest()


@dataclass(frozen=True)
class Known:
    """What is known of one person's account in one app before planning."""

    account: Account | None
    """As read from the app, or from the record where the app cannot be read."""
    granted: Mapping[str, str] = field(default_factory=dict)
    """Entitlements that Rollcall gave and has not taken back -> why."""
    active_by_us: bool | None = None
    """Whether Rollcall last left the account active; None: it never touched it."""
    sessions_left: bool = False
    """Whether Rollcall disabled the account and has not ended its sessions since."""


def plan(
    person_id: str,
    user_name: str,
    targets: Mapping[str, Target],
    known: Mapping[str, Known],
    rules: Rules,
    *,
    leaving: str = "",
    new_email: str | None = None,
    sessions: frozenset[str] = frozenset(),
    notes: Iterable[str] = (),
) -> Plan:
    """The steps from `known` to `targets`.

    `leaving`: why the person should have nothing (then `targets` is empty). `new_email`: an address to be
    assigned first. `sessions`: apps whose sessions can be ended.
    """
    work = Draft(rules, sessions, notes=list(notes))
    if new_email:
        why = "HR has no work e-mail"
        work.add("hr", Verb.EMAIL, why, layer=Layer.EMAIL, attributes={"work_email": new_email})
    for app in rules.apps:
        here = known.get(app, Known(None))
        if app in targets:
            work.gain(targets[app], here)
        elif here.account or here.granted:
            work.lose(app, here, leaving or "no rule gives this app any more")
    return Plan(person_id=person_id, user_name=user_name, steps=work.ordered(bool(leaving)), notes=tuple(work.notes))


@dataclass
class Draft:
    """Steps being collected, before their order is known."""

    rules: Rules
    sessions: frozenset[str]
    notes: list[str]
    steps: list[Step] = field(default_factory=list)

    def add(self, app: str, verb: Verb, why: str, layer: Layer | None = None, **more: object) -> None:
        """Add a step at `app`; its layer follows from the app's tier and the verb."""
        name = more.get("entitlement")
        ident = f"{app} {verb}" + (f" {name}" if name else "")
        step = {"id": ident, "app": app, "verb": verb, "layer": layer or self.layer(app, verb), "why": why}
        self.steps.append(Step.model_validate(step | more))

    def layer(self, app: str, verb: Verb) -> Layer:
        """Groups of the SSO itself belong to the second layer."""
        tier = self.rules.apps[app].tier
        if tier is Tier.SSO and verb in (Verb.GRANT, Verb.REVOKE):
            return Layer.IDP
        return Layer(tier.value)

    def gain(self, target: Target, here: Known) -> None:
        """Steps that bring an account up to its target."""
        app, account = target.app, here.account
        if account is None:
            by_hand = self.by_hand(app)
            names = tuple(sorted(target.entitlements)) if by_hand else ()
            self.add(app, Verb.CREATE, target.why, attributes=target.attributes, entitlements=names)
            if not by_hand:
                self.give(target, frozenset())
            return
        if here.active_by_us and not account.active:
            self.notes.append(f"{app}: the account was disabled by somebody else; left alone")
        else:
            self.mend(target, account)
            self.give(target, account.entitlements)
        self.take_back(target, account, here)

    def give(self, target: Target, holds: frozenset[str]) -> None:
        """Grant what is lacking."""
        for name, why in sorted(target.entitlements.items()):
            if name not in holds:
                self.add(target.app, Verb.GRANT, why, entitlement=name)

    def take_back(self, target: Target, account: Account, here: Known) -> None:
        """Revoke what Rollcall gave and no rule gives any more; what others gave is only noted."""
        for name in sorted(account.entitlements - set(target.entitlements)):
            if name in here.granted:
                why = f"no rule gives it any more; it came by {here.granted[name]}"
                self.add(target.app, Verb.REVOKE, why, entitlement=name)
            else:
                self.notes.append(f"{target.app}: {name} is held but was not given by Rollcall; left alone")

    def mend(self, target: Target, account: Account) -> None:
        """Enable and update an account that exists. Its key counts without case, as apps compare it."""
        if not account.active:
            self.add(target.app, Verb.ENABLE, target.why)
        there, key = account.attributes, self.rules.apps[target.app].key
        differs = {k: v for k, v in target.attributes.items() if there.get(k, "") != v}
        if differs.get(key, "").casefold() == there.get(key, "").casefold():
            differs.pop(key, None)
        if differs:
            before = {k: account.attributes.get(k, "") for k in differs}
            self.add(target.app, Verb.UPDATE, "HR's values differ", attributes=differs, before=before)

    def lose(self, app: str, here: Known, why: str) -> None:
        """Steps that end an account, by the app's own policy."""
        account, policy = here.account, self.rules.apps[app].leaver
        if policy == "delete" and account:
            self.add(app, Verb.DELETE, why)
            return
        if account and account.active and policy == "disable":
            self.add(app, Verb.DISABLE, why)
        if account and policy == "disable" and app in self.sessions and (account.active or here.sessions_left):
            self.add(app, Verb.END_SESSIONS, why)
        for name in sorted(account.entitlements if account else here.granted):
            self.add(app, Verb.REVOKE, why, entitlement=name)

    def ordered(self, leaving: bool) -> tuple[Step, ...]:
        """The steps with their edges: gains layer by layer; then, or for a leaver at once, the losses."""
        gains = [s for s in self.steps if s.verb not in LOSING]
        losses = [s for s in self.steps if s.verb in LOSING]
        placed = [s.model_copy(update={"needs": self.gain_needs(s, gains)}) for s in by_layer(gains)]
        own = [p for p in placed if not self.by_hand(p.app)]  # people take days: losses do not wait for them
        waited = {i for p in own for i in p.needs}
        ends = tuple(p.id for p in own if p.id not in waited)
        for step in sorted(losses, key=lambda s: (list(Layer).index(s.layer), LAST.index(s.verb))):
            order = {"after": self.loss_after(step, losses, leaving), "needs": () if leaving else ends}
            placed.append(step.model_copy(update=order))
        return tuple(in_order(placed))

    def by_hand(self, app: str) -> bool:
        """Whether people do this app's steps."""
        return app in self.rules.apps and self.rules.apps[app].connector == "manual"

    def gain_needs(self, step: Step, gains: list[Step]) -> tuple[str, ...]:
        """What must have worked before: the account in the same app, and the nearest earlier layer."""
        own = [s.id for s in gains if s.app == step.app and s.layer is step.layer and earlier_verb(s, step)]
        if own:
            return (own[-1],)
        earlier: list[str] = []
        for layer in reversed(list(Layer)[: list(Layer).index(step.layer)]):
            earlier = [s.id for s in gains if s.layer is layer]
            if earlier:
                break
        named = set(self.rules.apps[step.app].needs) if step.app in self.rules.apps else set()
        until = list(Layer).index(step.layer)
        before = [s.id for s in gains if s.app in named and list(Layer).index(s.layer) <= until]
        return tuple(dict.fromkeys([*earlier, *before]))

    def loss_after(self, step: Step, losses: list[Step], leaving: bool) -> tuple[str, ...]:
        """A leaver's SSO goes first, everything else then side by side; within an app the account first."""
        own = [s.id for s in losses if s.app == step.app and LAST.index(s.verb) < LAST.index(step.verb)]
        if own or not leaving or step.layer is Layer.SSO:
            return tuple(own[:1])
        return tuple(s.id for s in losses if s.layer is Layer.SSO)


VERBS = [Verb.EMAIL, Verb.CREATE, Verb.ENABLE, Verb.UPDATE, Verb.GRANT]
LAST = [Verb.DELETE, Verb.DISABLE, Verb.END_SESSIONS, Verb.REVOKE]


def earlier_verb(one: Step, other: Step) -> bool:
    """Whether an account gets `one` before `other`."""
    return VERBS.index(one.verb) < VERBS.index(other.verb)


def by_layer(steps: list[Step]) -> list[Step]:
    """In the order of layers, then of verbs; otherwise as they came."""
    return sorted(steps, key=lambda s: (list(Layer).index(s.layer), VERBS.index(s.verb)))


def in_order(steps: list[Step]) -> Iterator[Step]:
    """The same steps, each after those it names; otherwise as they came."""
    waiting = {s.id: s for s in steps}

    def first(ident: str) -> Iterator[Step]:
        if step := waiting.pop(ident, None):
            for earlier in (*step.needs, *step.after):
                yield from first(earlier)
            yield step

    for step in steps:
        yield from first(step.id)
