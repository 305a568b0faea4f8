"""The plan: what is to be done for one person, in which order, and what is left alone."""

from dataclasses import replace

import pytest
from mappings_house import app, book, house
from mappings_model import Model, terms

from mappings.access import Account, Target
from mappings.draft import Known, plan
from mappings.folder import Rules
from mappings.plan import Layer, Plan, Step, Verb

APPS = {"sso": app("sso"), "directory": app("idp"), "crm": app(), "desk": app()}
RULES = house(APPS)
GONE = "HR: the last day was 2025-06-30"


def target(name: str, *entitlements: str, **attributes: str) -> Target:
    held = {e: f"Playbook {e}" for e in entitlements}
    return Target(app=name, active=True, attributes=attributes, entitlements=held, why="Everyone: everybody")


def targets(*wanted: Target) -> dict[str, Target]:
    return {t.app: t for t in wanted}


def working(*wanted: Target, rules: Rules = RULES) -> Model:
    """Apps after somebody was onboarded."""
    model = Model(rules)
    model.carry_out(model.plan(targets(*wanted)))
    return model


def ids(drawn: Plan) -> list[str]:
    return [step.id for step in drawn.steps]


def step(drawn: Plan, ident: str) -> Step:
    return next(s for s in drawn.steps if s.id == ident)


def before(drawn: Plan, ident: str) -> set[str]:
    """Everything that must be over before a step."""
    found, todo = set(), [ident]
    while todo:
        one = step(drawn, todo.pop())
        todo += [i for i in (*one.needs, *one.after) if i not in found]
        found |= {*one.needs, *one.after}
    return found


FULL = (target("sso", "All", "Sales"), target("directory", "Mail"), target("crm", "Rep"), target("desk"))


def test_a_joiner_goes_from_the_address_by_sso_and_groups_to_the_apps():
    drawn = Model(RULES).plan(targets(*FULL), new_email="ana@larkspur.example")

    edges = {s.id: set(s.needs) for s in drawn.steps}
    groups = {"sso grant All", "sso grant Sales", "directory grant Mail"}
    assert edges == {
        "hr assign e-mail": set(),
        "sso create account": {"hr assign e-mail"},
        "directory create account": {"sso create account"},
        "sso grant All": {"sso create account"},
        "sso grant Sales": {"sso create account"},
        "directory grant Mail": {"directory create account"},
        "crm create account": groups | {"directory create account"},
        "desk create account": groups | {"directory create account"},
        "crm grant Rep": {"crm create account"},
    }
    assert [s.layer for s in drawn.steps] == sorted((s.layer for s in drawn.steps), key=list(Layer).index)
    assert step(drawn, "hr assign e-mail").attributes == {"work_email": "ana@larkspur.example"}


def test_every_step_says_why():
    drawn = Model(RULES).plan(targets(*FULL), new_email="ana@larkspur.example")

    assert step(drawn, "crm create account").why == "Everyone: everybody"
    assert step(drawn, "crm grant Rep").why == "Playbook Rep"
    assert step(drawn, "hr assign e-mail").why == "HR has no work e-mail"


def test_needs_between_apps_of_one_tier_are_kept_whatever_their_names():
    rules = house(APPS | {"desk": app(), "crm": app(needs=["desk"])})

    drawn = Model(rules).plan(targets(target("crm", "Rep"), target("desk", "Agent")))

    assert set(step(drawn, "crm create account").needs) == {"desk create account", "desk grant Agent"}
    assert ids(drawn).index("desk grant Agent") < ids(drawn).index("crm create account")


def test_an_sso_that_needs_another_sso_does_not_wait_for_its_groups():
    rules = house({"sso": app("sso", needs=["vault"]), "vault": app("sso"), "crm": app()})

    drawn = Model(rules).plan(targets(target("sso"), target("vault", "All"), target("crm")))

    assert step(drawn, "sso create account").needs == ("vault create account",)
    assert before(drawn, "vault grant All") == {"sso create account", "vault create account"}


def test_who_has_what_is_due_needs_no_steps():
    model = working(*FULL)

    assert model.plan(targets(*FULL)).steps == ()


def test_a_mover_gets_the_new_before_losing_the_old():
    model = working(target("sso", "All", "Sales"), target("crm", "Rep"))

    drawn = model.plan(targets(target("sso", "All", "Support"), target("desk", "Agent")))

    assert ids(drawn) == [
        "sso grant Support",
        "desk create account",
        "desk grant Agent",
        "sso revoke Sales",
        "crm disable account",
        "crm end sessions",
        "crm revoke Rep",
    ]
    gains, losses = drawn.steps[:3], drawn.steps[3:]
    for loss in losses:
        assert {s.id for s in gains} <= before(drawn, loss.id)
        assert loss.needs, "a loss whose gain failed must be blocked"


def test_the_losses_of_a_mover_do_not_wait_for_one_another():
    drawn = working(target("sso"), target("crm"), target("desk", "Agent")).plan(targets(target("desk")))

    after = {s.id: s.after for s in drawn.steps}
    assert after["crm disable account"] == after["sso disable account"] == after["desk revoke Agent"] == ()


def test_a_mover_is_told_what_gave_and_what_took():
    model = working(target("sso", "Sales"), target("crm"))

    drawn = model.plan(targets(target("sso")))

    assert step(drawn, "sso revoke Sales").why == "no rule gives it any more; it came by Playbook Sales"
    assert step(drawn, "crm disable account").why == "no rule gives this app any more"


def test_a_leaver_ends_at_the_sso_first_then_everywhere_side_by_side():
    drawn = working(*FULL).plan({}, leaving=GONE)

    ends = ("sso disable account", "sso end sessions")
    assert {s.id: s.after for s in drawn.steps} == {
        "sso disable account": (),
        "sso end sessions": ("sso disable account",),
        "sso revoke All": ("sso disable account",),
        "sso revoke Sales": ("sso disable account",),
        "directory disable account": ends,
        "directory end sessions": ("directory disable account",),
        "directory revoke Mail": ("directory disable account",),
        "crm disable account": ends,
        "crm end sessions": ("crm disable account",),
        "crm revoke Rep": ("crm disable account",),
        "desk disable account": ends,
        "desk end sessions": ("desk disable account",),
    }
    assert ids(drawn)[:2] == list(ends)


def test_no_step_of_a_leaver_is_blocked_by_another():
    drawn = working(*FULL).plan({}, leaving=GONE)

    assert all(s.needs == () for s in drawn.steps)
    assert {s.why for s in drawn.steps} == {GONE}


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        ("disable", ["crm disable account", "crm end sessions", "crm revoke Rep"]),
        ("delete", ["crm delete account"]),
        ("keep", ["crm revoke Rep"]),
    ],
)
def test_an_app_ends_accounts_by_its_own_policy(policy, steps):
    model = working(target("crm", "Rep"), rules=house({"crm": app(leaver=policy)}))

    drawn = model.plan({}, leaving=GONE)

    assert ids(drawn) == steps
    model.carry_out(drawn)
    assert model.plan({}, leaving=GONE).steps == ()


def test_a_leaver_loses_what_others_gave_too():
    account = Account(id="crm/1", key="ana", entitlements=frozenset({"Admin"}))

    drawn = plan("1", "ana", {}, {"crm": Known(account)}, RULES, terms(GONE))

    assert ids(drawn) == ["crm disable account", "crm revoke Admin"]


def test_sessions_are_ended_only_where_that_can_be_done():
    account = Account(id="crm/1", key="ana")
    known = {"crm": Known(account), "desk": Known(account)}

    drawn = plan("1", "ana", {}, known, RULES, terms(GONE, sessions=frozenset({"desk"})))

    assert ids(drawn) == ["crm disable account", "desk disable account", "desk end sessions"]


def test_a_disabled_account_of_a_leaver_is_not_disabled_again():
    account = Account(id="crm/1", key="ana", active=False)

    assert plan("1", "ana", {}, {"crm": Known(account, {}, False)}, RULES, terms(GONE)).steps == ()


def test_a_rehire_gets_the_same_account_back_with_todays_access():
    model = working(target("sso", "All", "Sales", team="Sales"), target("crm", "Rep"))
    model.carry_out(model.plan({}, leaving=GONE))

    drawn = model.plan(targets(target("sso", "All", team="Support")))

    assert ids(drawn) == ["sso enable account", "sso update account", "sso grant All"]
    assert [s.needs for s in drawn.steps] == [
        (),
        ("sso enable account",),
        ("sso enable account", "sso update account"),
    ]
    assert step(drawn, "sso update account").before == {"team": "Sales"}


def test_a_rehire_after_a_delete_gets_a_new_account():
    model = working(target("crm", "Rep"), rules=house({"crm": app(leaver="delete")}))
    model.carry_out(model.plan({}, leaving=GONE))

    assert ids(model.plan(targets(target("crm", "Rep")))) == ["crm create account", "crm grant Rep"]


def test_an_app_by_hand_gets_one_task_with_all_it_should_hold():
    rules = house({"badges": app(connector="manual"), "crm": app()})

    drawn = Model(rules).plan(targets(target("badges", "Office", "Garage"), target("crm", "Rep")))

    assert ids(drawn) == ["badges create account", "crm create account", "crm grant Rep"]
    assert step(drawn, "badges create account").entitlements == ("Garage", "Office")
    assert step(drawn, "crm create account").entitlements == ()


def test_an_account_by_hand_that_exists_is_changed_bit_by_bit():
    model = working(target("badges", "Office"), rules=house({"badges": app(connector="manual")}))

    assert ids(model.plan(targets(target("badges", "Garage")))) == ["badges grant Garage", "badges revoke Office"]


def test_what_others_gave_is_left_alone_and_noted():
    model = working(target("crm", "Rep"))
    model.accounts["crm"] = model.accounts["crm"].model_copy(update={"entitlements": frozenset({"Rep", "Admin"})})

    drawn = model.plan(targets(target("crm", "Rep")))

    assert drawn.steps == ()
    assert drawn.notes == ("crm: Admin is held but was not given by Rollcall; left alone",)


def test_a_drifted_attribute_is_put_back():
    model = working(target("crm", team="Sales", email="ana@larkspur.example"))
    model.accounts["crm"] = model.accounts["crm"].model_copy(update={"attributes": {"team": "x", "other": "y"}})

    [update] = model.plan(targets(target("crm", team="Sales", email="ana@larkspur.example"))).steps

    assert update.attributes == {"team": "Sales", "email": "ana@larkspur.example"}
    assert update.before == {"team": "x", "email": ""}


@pytest.mark.parametrize(
    ("field", "there", "steps"), [("email", "ANA@larkspur.example", 0), ("email", "bo@x", 1), ("team", "SALES", 1)]
)
def test_only_the_key_counts_without_case(field, there, steps):
    wanted = {"email": "Ana@larkspur.example", "team": "Sales"}
    account = Account(id="crm/1", key="ana", attributes=wanted | {field: there})

    assert (
        len(plan("1", "ana", targets(target("crm", **wanted)), {"crm": Known(account)}, RULES, terms()).steps) == steps
    )


def test_an_account_that_somebody_else_disabled_is_left_alone():
    account = Account(id="crm/1", key="ana", active=False, entitlements=frozenset({"Old"}))
    known = {"crm": Known(account, {"Old": "Playbook Old"}, active_by_us=True)}

    drawn = plan("1", "ana", targets(target("crm", "Rep", team="Sales")), known, RULES, terms())

    assert drawn.notes == ("crm: the account was disabled by somebody else; left alone",)
    assert ids(drawn) == ["crm revoke Old"]  # access that no rule gives ends all the same


@pytest.mark.parametrize("ours", [False, None])
def test_an_account_that_rollcall_disabled_or_found_disabled_is_enabled(ours):
    known = {"crm": Known(Account(id="crm/1", key="ana", active=False), {}, ours)}

    assert ids(plan("1", "ana", targets(target("crm")), known, RULES, terms())) == ["crm enable account"]


def test_an_app_that_never_knew_the_person_is_not_touched():
    assert plan("1", "ana", {}, {"crm": Known(None)}, RULES, terms(GONE)).steps == ()


def test_what_the_caller_saw_stands_in_the_notes():
    assert plan("1", "ana", {}, {}, RULES, terms(), notes=["HR names no manager"]).notes == ("HR names no manager",)


def drawn_once() -> Plan:
    return Model(RULES).plan(targets(*FULL), new_email="ana@larkspur.example")


def test_the_hash_is_the_same_for_the_same_plan():
    assert drawn_once().hash == drawn_once().hash
    assert drawn_once().model_copy(update={"notes": ("seen",), "user_name": "annie"}).hash == drawn_once().hash


def test_the_hash_does_not_depend_on_the_order_of_attributes():
    one = target("crm", a="1", b="2")
    other = target("crm", b="2", a="1")

    assert Model(RULES).plan(targets(one)).hash == Model(RULES).plan(targets(other)).hash


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"},
        {"app": "sso"},
        {"verb": Verb.ENABLE},
        {"layer": Layer.SSO},
        {"entitlement": "Rep"},
        {"attributes": {"a": "b"}},
        {"entitlements": ("Rep",)},
        {"before": {"a": "b"}},
        {"why": "because"},
        {"needs": ()},
        {"after": ("hr assign e-mail",)},
    ],
)
def test_the_hash_changes_with_every_word_of_a_step(change):
    plain = drawn_once()
    steps = [*plain.steps[:-2], plain.steps[-2].model_copy(update=change), plain.steps[-1]]

    assert plain.model_copy(update={"steps": tuple(steps)}).hash != plain.hash


def test_the_hash_changes_with_the_person_the_order_and_the_number_of_steps():
    plain = drawn_once()
    others = [
        plain.model_copy(update={"person_id": "2"}),
        plain.model_copy(update={"steps": plain.steps[::-1]}),
        plain.model_copy(update={"steps": plain.steps[1:]}),
    ]

    assert len({plain.hash, *(p.hash for p in others)}) == 4


def test_a_change_of_rules_alone_is_no_change_of_plan():
    other = Model(replace(RULES, hash="b" * 64, playbooks={"x": book("sso")}))

    assert other.plan(targets(*FULL), new_email="ana@larkspur.example").hash == drawn_once().hash


@pytest.mark.parametrize(("left", "expected"), [(True, ["sso end sessions"]), (False, [])])
def test_sessions_that_a_cut_off_run_left_open_are_ended_by_the_next(left: bool, expected: list[str]):
    disabled = Known(
        Account(id="7", key="ana", active=False),
        active_by_us=False,
        left=frozenset({Verb.END_SESSIONS}) if left else frozenset(),
    )

    drawn = plan("1", "ana", {}, {"sso": disabled}, RULES, terms(GONE, sessions=frozenset({"sso"})))

    assert ids(drawn) == expected


def test_a_movers_loss_does_not_wait_for_people():
    rules = house({"sso": app("sso"), "crm": app(), "badges": app().model_copy(update={"connector": "manual"})})
    model = working(target("sso", "Sales"), target("crm", "Rep"), rules=rules)

    drawn = model.plan(targets(target("sso", "Ops"), target("crm", "Rep"), target("badges")))

    assert "badges create account" in ids(drawn)
    assert "sso grant Ops" in before(drawn, "sso revoke Sales")
    assert "badges create account" not in before(drawn, "sso revoke Sales")
