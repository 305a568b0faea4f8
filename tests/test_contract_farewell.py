"""The contract of connectors.base at the end of an account: sessions, tokens, belongings; and apps without an API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connectors.base import Outcome, Owns, Sessions, Tokens
from connectors.catalogue import capabilities, connect
from connectors.errors import NeedsHuman, Refused
from mappings.rules import attributes_of
from tests.contract_rig import MANUAL, RULES, VALUES, Rig, keeps, rig

__all__ = ["rig"]
FINE = (Outcome.DONE, Outcome.ALREADY)


@keeps(Sessions)
def test_ends_sessions(rig: Rig) -> None:
    id = rig.make()
    signed_in = sign_in(rig)

    outcome = rig.app.end_sessions(id)

    assert outcome in FINE and rig.app.end_sessions(id) in FINE
    assert rig.app.end_sessions(rig.wrong(id)) == Outcome.ALREADY
    if signed_in:
        assert not any(rig.twin.state()["sessions"])


def sign_in(rig: Rig) -> bool:
    """A session at the twin, where it has sessions of its own."""
    try:
        rig.twin.sign_in(rig.key())
    except httpx.HTTPStatusError:
        return False
    return bool(rig.twin.state().get("sessions"))


@keeps(Tokens)
def test_a_new_account_has_no_tokens(rig: Rig) -> None:
    id = rig.make()

    assert list(rig.app.tokens(id)) == [] and rig.app.revoke_tokens(id) == Outcome.ALREADY
    assert list(rig.app.tokens(rig.wrong(id))) == []


@keeps(Owns)
def test_a_new_account_owns_nothing(rig: Rig) -> None:
    ids = [rig.make(1), rig.make(2)]

    assert list(rig.app.owned(ids[0])) == [] and rig.app.hand_over(*ids) == Outcome.ALREADY
    with pytest.raises(Refused):
        rig.app.hand_over(ids[0], ids[0])


@pytest.mark.parametrize("name", MANUAL)
def test_an_app_without_an_api_asks_people(name: str) -> None:
    rules = RULES[name]
    app: Any = connect(name, rules, {})
    calls = {
        "create": [attributes_of(rules, VALUES | {"work_email": "person.1@juniperfinch.example"})],
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
