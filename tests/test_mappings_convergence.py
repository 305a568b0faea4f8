"""Whatever stands in the apps: carrying a plan out in any order that its edges allow gives exactly what should be,
and then there is nothing left to do."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from mappings_house import app, house
from mappings_model import Model

from mappings.access import Account, Target
from mappings.folder import Rules
from mappings.plan import LOSING, Layer

NAMES = ("ann", "bee", "cat", "dog", "eel")
WORDS = ("A", "B", "C")
TIERS = ("sso", "idp", "app")
entitlements = st.frozensets(st.sampled_from(WORDS))
attributes = st.dictionaries(st.sampled_from(("email", "team")), st.sampled_from(("x", "X", "y")))


@st.composite
def houses(draw: st.DrawFn) -> Rules:
    """Apps of all tiers and policies; each may need others that come before it in a drawn order."""
    order = draw(st.permutations(NAMES))
    tiers = sorted(draw(st.lists(st.sampled_from(TIERS), min_size=5, max_size=5)), key=TIERS.index)
    apps = {}
    for place, (name, tier) in enumerate(zip(order, tiers, strict=True)):
        needs = draw(st.lists(st.sampled_from(order[:place]), unique=True)) if place else []
        policy = draw(st.sampled_from(("disable", "delete", "keep")))
        connector = draw(st.sampled_from(("rest", "manual")))
        apps[name] = app(tier, needs=needs, leaver=policy, connector=connector)
    return house(apps)


@dataclass
class World:
    """A house, what stands in its apps, and what should."""

    model: Model
    targets: dict[str, Target]
    leaving: str = ""
    alone: set[str] = field(default_factory=set)
    """Apps whose account somebody else disabled."""


@st.composite
def worlds(draw: st.DrawFn) -> World:
    model = Model(draw(houses()))
    for name in draw(st.sets(st.sampled_from(NAMES))):
        held = draw(entitlements)
        account = Account(
            id=f"{name}/1", key="ana", active=draw(st.booleans()), attributes=draw(attributes), entitlements=held
        )
        model.accounts[name] = account
        model.granted[name] = {e: "earlier" for e in ("", *held) if draw(st.booleans())}
        if (ours := draw(st.sampled_from((True, False, None)))) is not None:
            model.ours[name] = ours
    leaving = draw(st.sampled_from(("", "HR: gone")))
    wanted = {} if leaving else {n: draw(target_of(n)) for n in draw(st.sets(st.sampled_from(NAMES)))}
    alone = {n for n, a in model.accounts.items() if n in wanted and not a.active and model.ours.get(n)}
    return World(model, wanted, leaving, alone)


def target_of(name: str) -> st.SearchStrategy[Target]:
    def made(held: frozenset[str], fields: dict[str, str]) -> Target:
        return Target(app=name, active=True, attributes=fields, entitlements=dict.fromkeys(held, "rule"), why="rule")

    return st.builds(made, entitlements, attributes)


@settings(max_examples=300, deadline=None)
@given(worlds(), st.data())
def test_any_allowed_order_gives_exactly_the_targets_and_then_nothing_is_left(world: World, data: st.DataObject):
    model, before = world.model, dict(world.model.accounts)
    others = {n: a.entitlements - set(model.granted[n]) for n, a in before.items()}
    ours = {n for n in before if "" in model.granted[n]}
    drawn = model.plan(world.targets, world.leaving, new_email="ana@x.example" if world.targets else None)

    model.carry_out(drawn, lambda ready: data.draw(st.sampled_from(ready)))

    for name in NAMES:
        if name in world.targets:
            check_gained(world, name, others.get(name, frozenset()), before.get(name))
        elif name in before and (world.leaving or name in ours):
            check_lost(model, name, before[name])
        elif name in before:
            check_left_alone(model.accounts[name], before[name], others[name])
        else:
            assert name not in model.accounts
    assert model.plan(world.targets, world.leaving).steps == ()


def check_gained(world: World, name: str, others: frozenset[str], before: Account | None) -> None:
    account, target = world.model.accounts[name], world.targets[name]
    if name in world.alone:
        assert before is not None and not account.active and account.attributes == before.attributes
        assert account.entitlements == before.entitlements & (set(target.entitlements) | others)
        return
    assert account.active
    assert account.entitlements == set(target.entitlements) | (others if before and before.active else frozenset())
    for key, value in target.attributes.items():
        there = account.attributes[key]
        assert there == value or (key == "email" and there.casefold() == value.casefold())


def check_left_alone(account: Account, before: Account, others: frozenset[str]) -> None:
    """An account that somebody else made: only what Rollcall added to it goes."""
    assert (account.active, account.attributes) == (before.active, before.attributes)
    assert account.entitlements == others


def check_lost(model: Model, name: str, before: Account) -> None:
    policy = model.rules.apps[name].leaver
    account = model.accounts.get(name)
    if policy == "delete":
        assert account is None
        return
    assert account is not None and account.entitlements == frozenset()
    assert account.active is (before.active and policy == "keep")


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_steps_stand_after_all_that_they_name(world: World):
    drawn = world.model.plan(world.targets, world.leaving, new_email="ana@x.example" if world.targets else None)

    seen: set[str] = set()
    for step in drawn.steps:
        assert seen.issuperset((*step.needs, *step.after)), f"{step.id} names a step that does not come before it"
        assert step.id not in seen
        seen.add(step.id)


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_a_loss_needs_every_gain_of_a_machine_and_a_leavers_loss_needs_nothing(world: World):
    drawn = world.model.plan(world.targets, world.leaving)

    behind = {}
    for step in drawn.steps:
        behind[step.id] = {step.id}.union(*(behind[i] for i in step.needs))
    apps = world.model.rules.apps
    gains = {s.id for s in drawn.steps if s.verb not in LOSING and apps[s.app].connector != "manual"}
    for step in drawn.steps:
        if step.verb in LOSING:
            assert gains <= behind[step.id]
            assert not (world.leaving and step.needs)


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_gains_go_layer_by_layer_and_by_the_needs_of_apps(world: World):
    drawn = world.model.plan(world.targets)
    gains = [s for s in drawn.steps if s.verb not in LOSING]

    behind: dict[str, set[str]] = {}
    for step in gains:
        behind[step.id] = set(step.needs).union(*(behind[i] for i in step.needs))
    for step in gains:
        earlier = {s.id for s in gains if list(Layer).index(s.layer) < list(Layer).index(step.layer)}
        needed = {s.id for s in gains if s.app in world.model.rules.apps[step.app].needs and s.layer is step.layer}
        assert behind[step.id] >= earlier | needed


@given(worlds())
def test_the_same_world_gives_the_same_plan(world: World):
    one, other = (world.model.plan(world.targets, world.leaving) for _ in range(2))

    assert one == other and one.hash == other.hash
