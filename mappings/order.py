"""In which order steps may be done: a joiner's layer by layer, a leaver's SSO first, a mover's gains before losses."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.folder import Rules
from mappings.plan import LOSING, Layer, Step, Verb

FIRST = [Verb.EMAIL, Verb.CREATE, Verb.ENABLE, Verb.UPDATE, Verb.GRANT]
"""The order of gains at one app."""
LAST = [Verb.DISABLE, Verb.END_SESSIONS, Verb.REVOKE_TOKENS, Verb.HAND_OVER, Verb.REVOKE, Verb.DELETE]
"""The order of losses at one app."""
CUTS_OFF = (Verb.DISABLE, Verb.END_SESSIONS, Verb.DELETE)
"""What a leaver's other apps wait for at the SSO."""


def by_hand(rules: Rules, app: str) -> bool:
    """Whether people do this app's steps."""
    return app in rules.apps and rules.apps[app].connector == "manual"


def ordered(steps: list[Step], rules: Rules, leaving: bool) -> tuple[Step, ...]:
    """The steps with their edges: gains layer by layer; then, or for a leaver at once, the losses."""
    gains = gated([s for s in steps if s.verb not in LOSING])
    losses = [s for s in steps if s.verb in LOSING]
    placed = [s.model_copy(update={"needs": gain_needs(s, gains, rules)}) for s in by_layer(gains)]
    own = [p for p in placed if not by_hand(rules, p.app) and not p.approver]  # losses do not wait for people
    waited = {i for p in own for i in p.needs}
    ends = tuple(p.id for p in own if p.id not in waited)
    for step in sorted(losses, key=lambda s: (list(Layer).index(s.layer), rank(s, rules))):
        needs = (*(() if leaving else ends), *emptied_by(step, losses, rules))
        order = {"after": loss_after(step, losses, rules, leaving), "needs": needs}
        placed.append(step.model_copy(update=order))
    return tuple(in_order(placed))


def gated(gains: list[Step]) -> list[Step]:
    """Where the SSO account itself waits for an approval, all that is built upon it does."""
    first = next((s.approver for s in gains if s.layer is Layer.SSO and s.approver), "")
    return [s if s.approver or not first else s.model_copy(update={"approver": first}) for s in gains]


def gain_needs(step: Step, gains: list[Step], rules: Rules) -> tuple[str, ...]:
    """What must have worked before: the account in the same app, and the nearest earlier layer.

    A step that needs no approval does not wait for those that do.
    """
    own = [s.id for s in gains if s.app == step.app and s.layer is step.layer and earlier_verb(s, step)]
    if own:
        return (own[-1],)
    free = [s for s in gains if step.approver or not s.approver]
    until = list(Layer).index(step.layer)
    earlier: list[str] = []
    for layer in reversed(list(Layer)[:until]):
        earlier = [s.id for s in free if s.layer is layer]
        if earlier:
            break
    named = set(rules.apps[step.app].needs) if step.app in rules.apps else set()
    before = [s.id for s in free if s.app in named and list(Layer).index(s.layer) <= until]
    return tuple(dict.fromkeys([*earlier, *before]))


def emptied_by(step: Step, losses: list[Step], rules: Rules) -> tuple[str, ...]:
    """What must have succeeded before an account is lost for good: the hand-over of what it owns."""
    final = step.verb is Verb.DELETE or (step.verb is Verb.DISABLE and rules.apps[step.app].leaving.disable_deletes)
    return tuple(s.id for s in losses if final and s.app == step.app and s.verb is Verb.HAND_OVER)


def rank(step: Step, rules: Rules) -> float:
    """When a loss's turn comes at its app: what must be handed over first goes before the account, licences last."""
    leaving = rules.apps[step.app].leaving
    if step.verb is Verb.HAND_OVER and (leaving.hand_over_first or leaving.disable_deletes):
        return -1
    if step.verb is Verb.REVOKE and step.entitlement in leaving.licences:
        return LAST.index(Verb.REVOKE) + 0.5
    return LAST.index(step.verb)


def loss_after(step: Step, losses: list[Step], rules: Rules, leaving: bool) -> tuple[str, ...]:
    """A leaver's SSO goes first, everything else then side by side; within an app the account first.

    Licences, and an account that is deleted, wait for all the rest of their app.
    """
    mine = rank(step, rules)
    own = [s for s in losses if s.app == step.app and rank(s, rules) < mine]
    if mine <= LAST.index(Verb.REVOKE):
        account = [s for s in own if s.verb is Verb.DISABLE]
        own = account or [s for s in own if rank(s, rules) < 0]
    if own or not leaving or step.layer is Layer.SSO:
        return tuple(s.id for s in own)
    return tuple(s.id for s in losses if s.layer is Layer.SSO and s.verb in CUTS_OFF)


def earlier_verb(one: Step, other: Step) -> bool:
    """Whether an account gets `one` before `other`."""
    return FIRST.index(one.verb) < FIRST.index(other.verb)


def by_layer(steps: list[Step]) -> list[Step]:
    """In the order of layers, then of verbs; otherwise as they came."""
    return sorted(steps, key=lambda s: (list(Layer).index(s.layer), FIRST.index(s.verb)))


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
