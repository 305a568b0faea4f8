"""The contract of connectors.base when things go wrong: busy servers, answers lost, writes that did nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.base import Outcome
from connectors.errors import ConnectorError, Retryable
from tests.contract_rig import WRITES, Rig, needs, rig

__all__ = ["rig"]


@pytest.mark.parametrize("kind", ["429", "429-no-retry-after"])
def test_is_patient_with_a_busy_app(rig: Rig, kind: str) -> None:
    rig.fault("", kind)

    id = rig.make()

    assert rig.app.read(id) is not None and rig.count() == 1


def test_is_patient_with_a_write_that_comes_too_early(rig: Rig) -> None:
    create = rig.creating()
    rig.fault(create, "over")

    rig.make()

    assert rig.count() == 1


def test_many_at_once_stay_within_what_the_vendor_allows(rig: Rig) -> None:
    rig.app.check()
    rig.twin.limits(20, 0.5)

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(rig.make, range(12)))

    assert len(set(ids)) == 12


@pytest.mark.parametrize("kind", ["500", "503", "timeout"])
def test_a_failing_create_is_handed_back_and_can_be_sent_again(rig: Rig, kind: str) -> None:
    create = rig.creating()
    rig.fault(create, kind)

    with pytest.raises(Retryable):
        rig.app.create(rig.someone())

    assert rig.count() == 0
    assert rig.app.create(rig.someone())[0] == Outcome.DONE


@pytest.mark.parametrize("kind", ["500", "timeout"])
def test_a_failing_read_is_tried_again(rig: Rig, kind: str) -> None:
    id = rig.make()
    rig.fault("^GET", kind)

    assert rig.app.read(id).id == id


def test_an_account_whose_answer_was_lost_is_found(rig: Rig) -> None:
    create = rig.creating()
    rig.fault(create, "lost-answer")

    outcome, id = rig.app.create(rig.someone())

    assert outcome == Outcome.DONE and rig.count() == 1
    assert rig.app.read(id).key == rig.key()


@needs("update", changes=True)
def test_an_update_whose_answer_was_lost_can_be_sent_again(rig: Rig) -> None:
    assert_sent_again(rig, "update", Outcome.DONE)


@needs("disable")
def test_a_disable_whose_answer_was_lost_can_be_sent_again(rig: Rig) -> None:
    assert_sent_again(rig, "disable")


@needs("grant")
def test_a_grant_whose_answer_was_lost_can_be_sent_again(rig: Rig) -> None:
    assert_sent_again(rig, "grant")


@needs("grant", "revoke")
def test_a_revoke_whose_answer_was_lost_can_be_sent_again(rig: Rig) -> None:
    assert_sent_again(rig, "revoke")


@needs("delete")
def test_a_delete_whose_answer_was_lost_can_be_sent_again(rig: Rig) -> None:
    assert_sent_again(rig, "delete")


def assert_sent_again(rig: Rig, verb: str, then: Outcome = Outcome.ALREADY) -> None:
    """The first try fails or is settled; the second finds it done and changes nothing."""
    id, arguments = prepared(rig, verb)
    rig.fault(WRITES, "lost-answer")

    first = attempt(rig, verb, id, arguments)
    after = rig.app.read(id)
    again = getattr(rig.app, verb)(id, *arguments)

    assert first in (Retryable, Outcome.DONE, Outcome.ALREADY)
    assert again == then and rig.app.read(id) == after


@needs("disable")
def test_a_disable_that_did_nothing_shows_when_read(rig: Rig) -> None:
    assert_shown(rig, "disable")


@needs("grant")
def test_a_grant_that_did_nothing_shows_when_read(rig: Rig) -> None:
    assert_shown(rig, "grant")


@needs("grant", "revoke")
def test_a_revoke_that_did_nothing_shows_when_read(rig: Rig) -> None:
    assert_shown(rig, "revoke")


def assert_shown(rig: Rig, verb: str) -> None:
    """A server that says yes and does nothing is seen through by reading."""
    id, arguments = prepared(rig, verb)
    before = rig.app.read(id)
    rig.fault(WRITES, "silent-noop", times=None)

    attempt(rig, verb, id, arguments)

    assert rig.app.read(id) == before


def test_a_create_that_did_nothing_shows_when_read(rig: Rig) -> None:
    create = rig.creating()
    rig.fault(create, "silent-noop", times=None)

    try:
        _, id = rig.app.create(rig.someone())
    except ConnectorError:
        id = ""

    assert rig.count() == 0
    assert not id or rig.app.read(id) is None


def prepared(rig: Rig, verb: str) -> tuple[str, list[object]]:
    """An account for which there is something to do, and what the verb takes besides its id."""
    id = rig.make()
    if verb in ("grant", "revoke"):
        rig.app.grant(rig.make(2), rig.entitlement())  # so that the group is there
    if verb == "revoke":
        rig.app.grant(id, rig.entitlement())
    return id, [rig.change()] if verb == "update" else [rig.entitlement()] if verb in ("grant", "revoke") else []


def attempt(rig: Rig, verb: str, id: str, arguments: list[object]) -> object:
    """The outcome, or the kind of error."""
    try:
        return getattr(rig.app, verb)(id, *arguments)
    except ConnectorError as error:
        return type(error) if not isinstance(error, Retryable) else Retryable
