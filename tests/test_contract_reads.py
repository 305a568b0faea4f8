"""The contract of connectors.base, its reads: no search is believed, no page is missed, no call is wasted."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connectors.base import Mailboxes, Outcome
from connectors.catalogue import connect, secret_variables
from connectors.errors import ConnectorError, Refused
from tests.contract_rig import MANY, Rig, keeps, needs, rig

__all__ = ["rig"]
CANARY = "canary-in-a-token"
MOST_CALLS = {"create": 3, "read": 3, "grant": 3, "update": 2, "disable": 2}
LAG = 0.4  # seconds by which a slow replica is behind
PATIENCE = 10.0


def test_a_wrong_first_hit_is_not_believed(rig: Rig) -> None:
    ids = {number: rig.make(number) for number in (1, 2, 11)}
    rig.fault("", "wrong-first-hit", times=None)

    for number, id in ids.items():
        assert rig.app.find(rig.key(number)).id == id
    assert rig.app.find(rig.key(3)) is None
    outcome, made = rig.app.create(rig.someone(3))

    assert outcome == Outcome.DONE and made not in ids.values() and rig.count(3) == 1


def test_an_app_with_nobody_in_it_finds_nobody(rig: Rig) -> None:
    assert rig.app.find(rig.key()) is None


def test_lists_every_account_once_over_pages(rig: Rig) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(rig.make, range(1000, 1000 + rig.many())))
    app = rig.again()

    listed: list[Any] = []
    lines = rig.lines(lambda: listed.extend(app.accounts()))

    found = [account.id for account in listed]
    assert len(found) == len(set(found)) and set(ids) <= set(found)
    assert len(lines) > 1, f"{rig.many()} accounts came in one page: name more as `pages` in the twin"


def test_a_list_tells_what_reading_one_tells(rig: Rig) -> None:
    id = rig.make()
    rig.make(2)
    if "grant" in rig.can:
        rig.app.grant(id, rig.entitlement())
    app: Any = rig.again()

    listed = {account.id: account for account in app.accounts()}
    read = app.read(id)

    assert listed[id].key == read.key and listed[id].active == read.active
    assert listed[id].attributes == read.attributes
    if getattr(app, "lists_entitlements", False):
        assert listed[id].entitlements == read.entitlements


@needs("disable", "enable")
def test_who_is_disabled_is_still_found_and_listed(rig: Rig) -> None:
    id = rig.make()
    rig.make(2)
    rig.app.disable(id)
    app: Any = rig.again()

    assert app.find(rig.key()).id == id
    assert [account.active for account in app.accounts() if account.id == id] == [False]


def test_a_slow_replica_makes_no_second_account(rig: Rig) -> None:
    rig.fault("^GET", "slow-replica", times=None, seconds=LAG)
    id = rig.make()

    try:
        again = rig.again().create(rig.someone())
    except ConnectorError:
        again = (Outcome.ALREADY, id)  # refused, since the name is taken by an account that cannot be seen yet

    assert again == (Outcome.ALREADY, id) and rig.count() == 1
    assert seen_in_time(rig, id).key == rig.key()


@needs("disable")
def test_a_slow_replica_shows_a_change_in_time(rig: Rig) -> None:
    id = rig.make()
    rig.fault("^GET", "slow-replica", times=None, seconds=LAG)

    rig.app.disable(id, looked=True)

    until = time.monotonic() + PATIENCE
    while (account := rig.app.read(id)) and account.active and time.monotonic() < until:
        pass
    assert account is None or not account.active


def seen_in_time(rig: Rig, id: str) -> Any:
    """The account, as soon as the replica shows it."""
    until = time.monotonic() + PATIENCE
    while (account := rig.app.read(id)) is None and time.monotonic() < until:
        pass
    return account


def test_costs_few_calls_in_a_new_process(rig: Rig) -> None:
    grants = "grant" in rig.can
    if grants:
        rig.app.grant(rig.make(), rig.entitlement())
    app: Any = rig.again()
    app.check()
    made: list[str] = []
    costs = {"create": len(rig.lines(lambda: made.append(app.create(rig.someone(2))[1])))}
    costs["read"] = len(rig.lines(lambda: app.read(made[0])))
    if grants:
        costs["grant"] = len(rig.lines(lambda: app.grant(made[0], rig.entitlement())))
    if "disable" in rig.can:
        costs["disable"] = len(rig.lines(lambda: app.disable(made[0])))

    assert {verb: n for verb, n in costs.items() if n > MOST_CALLS[verb]} == {}


def test_a_second_look_at_the_list_costs_no_more_than_the_first(rig: Rig) -> None:
    rig.make()
    app: Any = rig.again()
    app.check()

    first, second = (len(rig.lines(lambda: list(app.accounts()))) for _ in range(2))

    assert second <= first


def test_a_wrong_secret_is_refused_and_named(rig: Rig) -> None:
    for variable in secret_variables(rig.rules):
        if re.search(r"URL|USER|ID$", variable):
            continue
        with pytest.raises(Refused, match=variable) as caught:
            connect(rig.name, rig.rules, rig.environment | {variable: CANARY}).check()
        assert CANARY not in str(caught.value) and caught.value.todo


@keeps(Mailboxes)
def test_tells_whether_an_address_is_taken(rig: Rig) -> None:
    rig.make()

    assert rig.app.holds_address(rig.key().upper()) and not rig.app.holds_address(rig.key(MANY))
