"""The contract of connectors.base, its writes: each may be sent twice, by two workers, and to the wrong account.

State is read back from the twin's own door, or by a connector that remembers nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.base import App, Bulk, Grants, Outcome, Write
from connectors.errors import NeedsHuman, Refused
from tests.contract_rig import ELSEWHERE, HERE, RULES, TWINS, Rig, keeps, needs, proved_elsewhere, rig

__all__ = ["rig"]
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY


@pytest.mark.parametrize("name", HERE)
def test_every_app_has_a_twin(name: str) -> None:
    assert name in TWINS, f"connectors/sandbox/vendors/{name}.py is missing: a preset is proved at a twin of its name"


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_app_without_a_twin_is_proved_at_a_real_server(name: str) -> None:
    assert (Path(__file__).parents[1] / proved_elsewhere(RULES[name])).is_file()


def test_keeps_the_contract(rig: Rig) -> None:
    assert isinstance(rig.app, App)
    assert rig.rules.title in rig.app.check()


def test_creates_once_however_often_it_is_asked(rig: Rig) -> None:
    first = rig.app.create(rig.someone())
    second = rig.app.create(rig.someone())
    elsewhere = rig.again().create(rig.someone())

    assert first[0] == DONE and second == elsewhere == (ALREADY, first[1])
    assert rig.count() == 1


def test_two_workers_at_once_make_one_account(rig: Rig) -> None:
    workers = [rig.app, rig.again()]
    rig.twin.latency(20)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda app: app.create(rig.someone()), workers))

    rig.twin.latency(0)
    assert len({id for _, id in made}) == 1 and rig.count() == 1


def test_makes_an_account_that_can_be_used_at_once(rig: Rig) -> None:
    id = rig.make()

    account = rig.again().read(id)

    assert account is not None and account.active and account.id == id


def test_reads_back_what_it_wrote(rig: Rig) -> None:
    id = rig.make()

    account = rig.app.read(id)
    found = rig.app.find(rig.key().upper())

    assert account.attributes == rig.someone()
    assert found.id == id and found.key == rig.key()


@needs("update", changes=True)
def test_updates_what_is_named_and_nothing_else(rig: Rig) -> None:
    change = rig.change()
    id = rig.make()

    rig.app.update(id, change)
    rig.app.update(id, change)

    assert rig.again().read(id).attributes == rig.someone() | change  # type: ignore[union-attr]


@needs("disable")
def test_disables_twice(rig: Rig) -> None:
    id = rig.make()

    outcomes = [rig.app.disable(id), rig.app.disable(id), rig.again().disable(id)]

    account = rig.again().read(id)
    assert outcomes == [DONE, ALREADY, ALREADY]
    assert account is None or not account.active
    assert account is not None or rig.rules.leaving.disable_deletes


@needs("disable", "enable")
def test_enables_twice_and_only_where_disabling_can_be_undone(rig: Rig) -> None:
    id = rig.make()
    assert rig.app.enable(id) == ALREADY
    rig.app.disable(id)

    outcomes = [rig.app.enable(id), rig.app.enable(id)]

    assert not rig.rules.leaving.disable_deletes
    assert outcomes == [DONE, ALREADY] and rig.again().read(id).active  # type: ignore[union-attr]


@needs("disable", "enable", "grant")
def test_keeps_attributes_and_groups_of_who_is_disabled_and_enabled(rig: Rig) -> None:
    id, name = rig.make(), rig.entitlement()
    rig.app.grant(id, name)
    before = rig.app.read(id)

    rig.app.disable(id)
    rig.app.enable(id)

    after = rig.again().read(id)
    assert after is not None and after.attributes == before.attributes
    assert after.entitlements == before.entitlements or rig.rules.leaving.disable_deletes


@needs("delete")
def test_deletes_twice(rig: Rig) -> None:
    id = rig.make()

    outcomes = [rig.app.delete(id), rig.app.delete(id)]

    assert outcomes == [DONE, ALREADY]
    assert rig.again().find(rig.key()) is None
    gone = rig.again().read(id)
    assert gone is None or not gone.active


def test_what_is_left_to_people_is_said_to_be(rig: Rig) -> None:
    id = rig.make()

    for verb in getattr(rig.app, "undeclared", ()):
        arguments = {"update": [{}], "grant": ["Staff"], "revoke": ["Staff"], "hand_over": ["x"]}.get(verb, [])
        with pytest.raises(NeedsHuman) as caught:
            getattr(rig.app, verb)(id, *arguments)
        assert caught.value.todo, f"{verb}: nobody is told what to do"


@needs("grant", "revoke")
def test_grants_and_revokes_twice(rig: Rig) -> None:
    name, id = rig.entitlement(), rig.make()
    before = rig.app.read(id).entitlements

    assert isinstance(rig.app, Grants)
    assert [rig.app.grant(id, name), rig.app.grant(id, name)] == [DONE, ALREADY]
    assert rig.again().read(id).entitlements == before | {name}  # type: ignore[union-attr]
    assert name in set(rig.app.entitlements())
    assert [rig.app.revoke(id, name), rig.app.revoke(id, name)] == [DONE, ALREADY]
    assert rig.again().read(id).entitlements == before  # type: ignore[union-attr]


@needs("grant", "revoke")
def test_two_people_share_an_entitlement_and_one_loses_it(rig: Rig) -> None:
    name, ids = rig.entitlement(), [rig.make(1), rig.make(2)]
    for id in ids:
        rig.app.grant(id, name)

    rig.app.revoke(ids[0], name)

    held = [name in rig.again().read(id).entitlements for id in ids]  # type: ignore[union-attr]
    assert held == [False, True]


def test_a_wrong_id_changes_nothing(rig: Rig) -> None:
    wrong = rig.wrong(rig.make())
    before = rig.rows()

    assert rig.app.read(wrong) is None
    if "disable" in rig.can:
        assert rig.app.disable(wrong) == ALREADY
    if "delete" in rig.can:
        assert rig.app.delete(wrong) == ALREADY
    if "enable" in rig.can:
        with pytest.raises(Refused):
            rig.app.enable(wrong)
    assert rig.rows() == before


@needs("grant", "revoke")
def test_a_wrong_id_gets_nothing(rig: Rig) -> None:
    name, wrong = rig.entitlement(), rig.wrong(rig.make())
    before = rig.rows()

    assert rig.app.revoke(wrong, name) == ALREADY
    with pytest.raises(Refused):
        rig.app.grant(wrong, name)
    assert rig.rows() == before


@needs("update", changes=True)
def test_a_wrong_id_is_not_updated(rig: Rig) -> None:
    change, wrong = rig.change(), rig.wrong(rig.make())

    with pytest.raises(Refused):
        rig.app.update(wrong, change)


@needs("grant", without="create_groups")
def test_an_entitlement_that_is_not_there_is_refused_and_named(rig: Rig) -> None:
    id = rig.make()

    with pytest.raises(Refused, match="No Such Group"):
        rig.app.grant(id, "No Such Group")


@keeps(Bulk)
def test_many_writes_in_one_call_are_as_safe_as_one(rig: Rig) -> None:
    writes = [Write("create", attributes=rig.someone(number)) for number in range(1, 6)]

    made = [w for batch in rig.app.batches(writes) for w in rig.app.write_many(batch)]
    again = [w for batch in rig.app.batches(writes) for w in rig.app.write_many(batch)]

    assert {id(w.write) for w in made} == {id(w) for w in writes}
    assert [w.outcome for w in made] == [DONE] * 5 and {w.id for w in made} == {w.id for w in again}
    assert [rig.count(number) for number in range(1, 6)] == [1] * 5


@needs("update", changes=True, patch_status=True)
def test_takes_whatever_a_change_is_answered_with(rig: Rig) -> None:
    change = rig.change()
    id = rig.make()

    for status in rig.kind.settable["patch_status"]:
        rig.twin.options(patch_status=status)
        rig.app.update(id, {field: f"Changed {status}" for field in change})
        account = rig.app.read(id)
        assert account.attributes == rig.someone() | {field: f"Changed {status}" for field in change}
