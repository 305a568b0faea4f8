"""REST apps in YAML alone at servers that we did not write; what they hold is read from their own databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.catalogue import capabilities, connect
from connectors.errors import Refused
from mappings.folder import plain
from mappings.rules import attributes_of
from mappings.vocabulary import AppRules
from tests.foreign import DOMAIN, GROUPS, Foreign, Shown, servers

KINDS = {server.name: server for server in servers() if "connector: rest\n" in server.rules_yaml}


class Rig:
    """An app, its YAML, and the server behind it."""

    def __init__(self, server: Foreign, values: dict[str, str]) -> None:
        self.server, self.values = server, values
        self.rules = AppRules.model_validate(plain(YAML().load(server.rules_yaml)))
        self.app: Any = connect(server.name, self.rules, values)

    def someone(self, name: str) -> dict[str, str]:
        """Attributes of a made-up person."""
        person = {"work_email": f"{name}@{DOMAIN}", "user_name": name, "given_name": name.title(), "employee_id": name}
        person |= {"family_name": "Nakamura", "display_name": f"{name.title()} Nakamura", "title": "Clerk"}
        return attributes_of(self.rules, person | {"department": "Sales", "hire_date": "2026-03-02"})

    def make(self, name: str) -> str:
        outcome, id = self.app.create(self.someone(name))
        assert outcome == Outcome.DONE
        return str(id)

    def there(self, name: str) -> Shown:
        """The account by the server's own word."""
        shown = self.server.account(f"{name}@{DOMAIN}")
        assert shown is not None
        return shown


@pytest.fixture(scope="module", params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    server = KINDS[request.param]
    if why := server.missing():
        pytest.skip(why)
    try:
        yield Rig(server, server.start(tmp_path_factory.mktemp(request.param)))
    finally:
        server.stop()


def able(rig: Rig, verb: str) -> None:
    if verb not in capabilities(rig.app):
        pytest.skip(f"{rig.rules.title} cannot {verb}")


def test_answers(rig: Rig) -> None:
    assert rig.rules.title in rig.app.check()


def test_creates_once_and_shows_it(rig: Rig) -> None:
    id = rig.make("ann")

    again = rig.app.create(rig.someone("ann"))

    assert again == (Outcome.ALREADY, id)
    assert (
        rig.app.read(id).attributes
        == rig.someone("ann")
        == rig.app.find(f"{rig.someone('ann')[rig.rules.key]}").attributes
    )
    assert rig.there("ann").active and rig.there("ann").attributes["given_name"] == "Ann"


def test_finds_nobody_else(rig: Rig) -> None:
    rig.make("joanna")
    rig.make("anna")

    key = rig.someone("joanna")[rig.rules.key].upper()

    assert rig.app.find(key).attributes == rig.someone("joanna")
    assert rig.app.find(rig.someone("nna")[rig.rules.key]) is None


def test_lists_everybody_once(rig: Rig) -> None:
    ids = [rig.make(f"many{n:02}") for n in range(12)]

    listed = [account.id for account in rig.app.accounts()]

    assert len(listed) == len(set(listed)) and set(ids) <= set(listed)


def test_updates_what_is_named(rig: Rig) -> None:
    able(rig, "update")
    id = rig.make("bea")
    field = next(f for f, t in rig.rules.attributes.items() if t in ("{family_name}", "{display_name}"))

    rig.app.update(id, {field: "Okafor-Lind"})

    assert rig.app.read(id).attributes == rig.someone("bea") | {field: "Okafor-Lind"}
    assert "Okafor-Lind" in rig.there("bea").attributes.values()


def test_disables_and_enables_twice(rig: Rig) -> None:
    able(rig, "disable")
    id = rig.make("cem")

    assert [rig.app.disable(id), rig.app.disable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert not rig.there("cem").active and not rig.app.read(id).active
    assert [rig.app.enable(id), rig.app.enable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert rig.there("cem").active and rig.app.read(id).active


def test_grants_and_revokes_twice(rig: Rig) -> None:
    able(rig, "grant")
    id, first, second = rig.make("dag"), *GROUPS[:2]

    assert [rig.app.grant(id, first), rig.app.grant(id, first)] == [Outcome.DONE, Outcome.ALREADY]
    assert rig.app.grant(id, second) == Outcome.DONE
    assert set(GROUPS[:2]) <= rig.there("dag").groups and rig.app.read(id).entitlements == {first, second}
    assert next(a for a in rig.app.accounts() if a.id == id).entitlements in ({first, second}, set())
    assert [rig.app.revoke(id, first), rig.app.revoke(id, first)] == [Outcome.DONE, Outcome.ALREADY]
    assert first not in rig.there("dag").groups and second in rig.there("dag").groups
    assert {first, second} <= set(rig.app.entitlements())


def test_a_wrong_group_is_refused_with_the_known_ones(rig: Rig) -> None:
    able(rig, "grant")
    id = rig.make("eli")

    if not any(kind.words.create for kind in rig.app.kinds):
        with pytest.raises(Refused, match=GROUPS[0]):
            rig.app.grant(id, "Astronauts")


def test_a_wrong_id_is_no_account(rig: Rig) -> None:
    id = rig.make("fay")
    wrong = (
        "".join("9" if c.isdigit() else c for c in f"9{id}")
        if id.isdigit()
        else f"{id[:-1]}{'0' if id[-1] != '0' else '1'}"
    )

    assert rig.app.read(wrong) is None
    if "disable" in capabilities(rig.app):
        assert rig.app.disable(wrong) == Outcome.ALREADY
        with pytest.raises(Refused):
            rig.app.enable(wrong)
    if "delete" in capabilities(rig.app):
        assert rig.app.delete(wrong) == Outcome.ALREADY
    assert rig.there("fay").active


def test_deletes_twice(rig: Rig) -> None:
    able(rig, "delete")
    id = rig.make("gus")

    assert [rig.app.delete(id), rig.app.delete(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert rig.server.account(f"gus@{DOMAIN}") is None and rig.app.read(id) is None


def test_a_wrong_password_is_told(rig: Rig) -> None:
    secret = next(name for name in rig.values if name.endswith(("PASSWORD", "TOKEN")))
    app: Any = connect(rig.server.name, rig.rules, rig.values | {secret: "canary-wrong-one"})

    with pytest.raises(Refused, match=secret) as caught:
        app.check()

    assert caught.value.status in (401, 403) and "canary" not in str(caught.value)


def test_goes_on_after_all_sessions_ended(rig: Rig) -> None:
    end = getattr(rig.server, "sign_everybody_out", None)
    if end is None:
        pytest.skip(f"{rig.rules.title} has no sessions")
    rig.app.check()
    end()

    id = rig.make("hana")

    assert rig.there("hana").id == id
