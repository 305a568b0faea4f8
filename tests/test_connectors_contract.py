"""The contract of connectors.base, for every app found in mappings/sample/apps, at the twins of the sandbox.

State is read back from the twin's own door, not through the connector.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import mappings.sample
from connectors.base import App, Grants, Outcome, Sessions
from connectors.catalogue import capabilities, connect
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.sandbox import Sandbox, TwinControl
from mappings.folder import plain
from mappings.vocabulary import PLACE, AppRules

FOLDER = Path(next(iter(mappings.sample.__path__))) / "apps"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def rules_of(name: str) -> AppRules:
    """The app's rules without its client-side limit, which has a test of its own."""
    rules = AppRules.model_validate(plain(YAML().load((FOLDER / f"{name}.yaml").read_text())))
    return rules.model_copy(update={"limits": ()})


RULES = {name: rules_of(name) for name in NAMES}
REACHED = [name for name in NAMES if RULES[name].connector != "manual"]
MANUAL = [name for name in NAMES if RULES[name].connector == "manual"]


def someone(rules: AppRules, number: int) -> dict[str, str]:
    """Attributes of a made-up person, all different where they must be."""
    values = {"work_email": f"person.{number}@juniperfinch.example", "employee_id": f"{number:04}"}
    return {field: PLACE.sub(lambda m: values.get(m[1], m[1].title()), t) for field, t in rules.attributes.items()}


class Rig:
    """An app, its rules, and the twin behind it."""

    def __init__(self, name: str, sandbox: Sandbox) -> None:
        self.rules, self.twin, self.environment = RULES[name], sandbox.control(name), sandbox.environment
        self.name = name
        self.app: Any = self.again()

    def again(self) -> App:
        """The app in another process: nothing remembered."""
        return connect(self.name, self.rules, self.environment)

    def someone(self, number: int = 1) -> dict[str, str]:
        return someone(self.rules, number)

    def make(self, number: int = 1) -> str:
        outcome, id = self.app.create(self.someone(number))
        assert outcome == Outcome.DONE
        return str(id)

    def fault(self, match: str, kind: str, times: int | None = 1, **more: Any) -> None:
        self.twin.faults([{"match": match, "kind": kind, "times": times, "seconds": 0.02, **more}])

    def entitlement(self) -> str:
        return (self.rules.entitlements or ("Staff",))[0]

    def change(self) -> dict[str, str]:
        """One attribute, changed: the last that is not the key."""
        field = next(f for f, t in reversed(self.rules.attributes.items()) if "@" not in self.someone()[f])
        return {field: "Changed"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        for name in REACHED:
            running.control(name).limits(100_000)
        yield running


@pytest.fixture(params=REACHED)
def rig(request: pytest.FixtureRequest, sandbox: Sandbox) -> Rig:
    twin = sandbox.control(request.param)
    twin.reset()
    twin.faults([])
    twin.limits(100_000)
    return Rig(request.param, sandbox)


def accounts(twin: TwinControl) -> list[str]:
    """The accounts in the twin, as text, to look for keys in."""
    state = twin.state()
    return [str(row).lower() for row in state.get("users") or state.get("agents") or []]


def count(rig: Rig, number: int = 1) -> int:
    """How many accounts of this person there are."""
    return sum(rig.someone(number)[rig.rules.key].lower() in row for row in accounts(rig.twin))


def test_creates_once_however_often_it_is_asked(rig: Rig) -> None:
    first = rig.app.create(rig.someone())
    second = rig.app.create(rig.someone())
    elsewhere = rig.again().create(rig.someone())

    assert first[0] == Outcome.DONE and second == elsewhere == (Outcome.ALREADY, first[1])
    assert count(rig) == 1


def test_two_workers_at_once_make_one_account(rig: Rig) -> None:
    workers = [rig.app, rig.again()]
    rig.twin.latency(20)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda app: app.create(rig.someone()), workers))

    rig.twin.latency(0)
    assert len({id for _, id in made}) == 1 and count(rig) == 1


def test_reads_back_what_it_wrote(rig: Rig) -> None:
    id = rig.make()

    account = rig.app.read(id)
    found = rig.app.find(rig.someone()[rig.rules.key].upper())

    assert account.attributes == rig.someone() and account.active and account.id == id
    assert found.id == id and found.key == rig.someone()[rig.rules.key]


def test_updates_what_is_named_and_nothing_else(rig: Rig) -> None:
    id = rig.make()

    rig.app.update(id, rig.change())
    rig.app.update(id, rig.change())

    assert rig.app.read(id).attributes == rig.someone() | rig.change()


def test_disables_and_enables_twice(rig: Rig) -> None:
    id = rig.make()

    assert rig.app.enable(id) == Outcome.ALREADY
    assert [rig.app.disable(id), rig.app.disable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert not rig.app.read(id).active
    assert [rig.app.enable(id), rig.app.enable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert rig.app.read(id).active


def test_deletes_twice_or_hands_it_to_a_person(rig: Rig) -> None:
    id = rig.make()

    if "delete" in capabilities(rig.app):
        assert [rig.app.delete(id), rig.app.delete(id)] == [Outcome.DONE, Outcome.ALREADY]
        assert count(rig) == 0
    else:
        with pytest.raises(NeedsHuman, match="declares no `users.delete`"):
            rig.app.delete(id)


def test_grants_and_revokes_twice(rig: Rig) -> None:
    id, name = rig.make(), rig.entitlement()

    assert isinstance(rig.app, Grants)
    assert [rig.app.grant(id, name), rig.app.grant(id, name)] == [Outcome.DONE, Outcome.ALREADY]
    assert rig.again().read(id).entitlements == {name}  # type: ignore[union-attr]
    assert name in set(rig.app.entitlements())
    assert [rig.app.revoke(id, name), rig.app.revoke(id, name)] == [Outcome.DONE, Outcome.ALREADY]
    assert rig.app.read(id).entitlements == set()


def test_a_wrong_id_changes_nothing(rig: Rig) -> None:
    rig.make()
    before = rig.twin.state()
    wrong = "00000000-0000-4000-8000-00000000dead"

    assert rig.app.read(wrong) is None
    assert rig.app.disable(wrong) == Outcome.ALREADY
    assert rig.app.revoke(wrong, rig.entitlement()) == Outcome.ALREADY
    with pytest.raises(Refused):
        rig.app.update(wrong, rig.change())
    with pytest.raises(Refused):
        rig.app.grant(wrong, rig.entitlement())
    with pytest.raises(Refused):
        rig.app.enable(wrong)
    assert {k: v for k, v in rig.twin.state().items() if k != "groups"} == {
        k: v for k, v in before.items() if k != "groups"
    }


def test_a_wrong_first_hit_is_not_believed(rig: Rig) -> None:
    ids = {number: rig.make(number) for number in (1, 2, 11)}
    rig.fault("^GET", "wrong-first-hit", times=None)

    for number, id in ids.items():
        assert rig.app.find(rig.someone(number)[rig.rules.key]).id == id
    assert rig.app.find(rig.someone(3)[rig.rules.key]) is None
    outcome, made = rig.app.create(rig.someone(3))

    assert outcome == Outcome.DONE and made not in ids.values() and count(rig, 3) == 1


def test_lists_every_account_once_over_pages(rig: Rig) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(rig.make, range(1000, 1105)))

    listed = [account.id for account in rig.app.accounts()]

    assert len(listed) == len(set(listed)) and set(ids) <= set(listed)


@pytest.mark.parametrize("kind", ["429", "429-no-retry-after"])
def test_is_patient_with_a_busy_app(rig: Rig, kind: str) -> None:
    rig.fault("", kind, times=2)

    id = rig.make()

    assert rig.app.read(id) is not None and count(rig) == 1


def test_keeps_below_the_published_limit(rig: Rig) -> None:
    rig.twin.limits(20, 0.5)

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(rig.make, range(15)))

    assert len(set(ids)) == 15


@pytest.mark.parametrize("kind", ["500", "503", "timeout"])
def test_a_failing_write_is_handed_back_and_can_be_sent_again(rig: Rig, kind: str) -> None:
    rig.fault("^POST", kind)

    with pytest.raises(Retryable, match="read back before trying again"):
        rig.app.create(rig.someone())

    assert count(rig) == 0
    assert rig.app.create(rig.someone())[0] == Outcome.DONE


@pytest.mark.parametrize("kind", ["500", "timeout"])
def test_a_failing_read_is_tried_again(rig: Rig, kind: str) -> None:
    id = rig.make()
    rig.fault("^GET", kind)

    assert rig.app.read(id).id == id


def test_an_account_whose_answer_was_lost_is_found(rig: Rig) -> None:
    rig.fault("^POST", "lost-answer")

    outcome, id = rig.app.create(rig.someone())

    assert outcome == Outcome.DONE and count(rig) == 1
    assert rig.app.read(id).key == rig.someone()[rig.rules.key]


@pytest.mark.parametrize("verb", ["update", "disable", "grant"])
def test_any_write_whose_answer_was_lost_can_be_sent_again(rig: Rig, verb: str) -> None:
    id = rig.make()
    arguments = {"update": [rig.change()], "disable": [], "grant": [rig.entitlement()]}[verb]
    rig.app.grant(rig.make(2), rig.entitlement())  # so that the group is there
    rig.fault("^(POST|PUT|PATCH|DELETE)", "lost-answer")

    with pytest.raises(Retryable):
        getattr(rig.app, verb)(id, *arguments)
    after = rig.app.read(id)
    again = getattr(rig.app, verb)(id, *arguments)

    assert again == (Outcome.DONE if verb == "update" else Outcome.ALREADY)
    assert rig.app.read(id) == after


@pytest.mark.parametrize("verb", ["create", "disable", "grant"])
def test_a_write_that_did_nothing_shows_when_read(rig: Rig, verb: str) -> None:
    id = "" if verb == "create" else rig.make()
    rig.app.grant(rig.make(2), rig.entitlement())
    rig.fault("^(POST|PUT|PATCH|DELETE)", "silent-noop")

    if verb == "create":
        _, id = rig.app.create(rig.someone())
        assert rig.app.read(id) is None
    elif verb == "disable":
        rig.app.disable(id)
        assert rig.app.read(id).active
    else:
        rig.app.grant(id, rig.entitlement())
        assert rig.app.read(id).entitlements == set()


def test_costs_few_calls_in_a_new_process(rig: Rig) -> None:
    rig.app.grant(rig.make(), rig.entitlement())
    app: Any = rig.again()
    costs = {}
    for verb, most in {"create": 2, "read": 2, "grant": 3, "update": 1, "disable": 2}.items():
        rig.twin.clear_log()
        if verb == "create":
            _, id = app.create(rig.someone(2))
        else:
            getattr(app, verb)(id, *{"grant": [rig.entitlement()], "update": [rig.change()]}.get(verb, []))
        costs[verb] = len(rig.twin.log()) <= most

    assert all(costs.values()), costs


def test_a_wrong_token_is_refused_and_named(rig: Rig) -> None:
    variable = next(v for v in rig.environment if v.startswith(rig.name.upper()) and v.endswith(("TOKEN", "KEY")))
    app = connect(rig.name, rig.rules, rig.environment | {variable: "canary-in-a-token"})

    with pytest.raises(Refused, match=variable) as caught:
        app.check()

    assert caught.value.status in (401, 403) and "canary" not in str(caught.value)


def test_says_that_it_is_there(rig: Rig) -> None:
    assert rig.rules.title in rig.app.check()
    assert isinstance(rig.app, App)


def test_ends_sessions_at_the_sso(sandbox: Sandbox) -> None:
    rig = Rig("sso", sandbox)
    rig.twin.reset()
    id = rig.make()
    rig.twin.sign_in(rig.someone()["userName"])
    assert len(rig.twin.state()["sessions"]) == 1

    assert isinstance(rig.app, Sessions)
    outcome = rig.app.end_sessions(id)

    assert outcome in (Outcome.DONE, Outcome.ALREADY) and rig.twin.state()["sessions"] == []
    assert rig.app.end_sessions("00000000-0000-4000-8000-00000000dead") == Outcome.ALREADY


@pytest.mark.parametrize("status", [200, 204])
def test_takes_either_answer_to_a_patch(sandbox: Sandbox, status: int) -> None:
    rig = Rig("sso", sandbox)
    rig.twin.reset()
    rig.twin.options(patch_status=status)
    id = rig.make()

    rig.app.update(id, rig.change())
    rig.app.disable(id)

    account = rig.app.read(id)
    assert not account.active and account.attributes == rig.someone() | rig.change()


@pytest.mark.parametrize("name", MANUAL)
def test_an_app_without_an_api_asks_people(name: str) -> None:
    rules = RULES[name]
    app: Any = connect(name, rules, {})
    calls = {
        "create": [someone(rules, 1)],
        "update": ["7", {"site": "Leeds"}],
        "disable": ["7"],
        "grant": ["7", "Office"],
    }

    for verb, arguments in calls.items():
        with pytest.raises(NeedsHuman) as caught:
            getattr(app, verb)(*arguments)
        assert caught.value.todo and rules.title in str(caught.value)
    assert app.find("x") is None and app.read("7") is None and list(app.accounts()) == []
    assert capabilities(app) == {"check", "entitlements"} and rules.owner in app.check()
