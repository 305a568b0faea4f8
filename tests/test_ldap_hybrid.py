"""Active Directory (a real Samba domain) masters the accounts, and a sync brings them to Entra (the twin).

The sync is played here: it reads the domain with ldapsearch and writes to the twin by a client of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.sandbox import Sandbox
from flows import presets
from mappings.order import ordered
from mappings.plan import Layer, Step, Verb
from mappings.rules import attributes_of
from tests.entra_house import RULES, House
from tests.ldap_ground import Ground, ground
from tests.servers_ldap import SambaDomain

DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
MASTERS = [name for name in RULES.attributes if name != "usageLocation"]
CLOUD = {"usageLocation": "{country}"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Hybrid:
    """Both sides, and somebody new."""

    def __init__(self, ad: Ground, house: House) -> None:
        self.ad, self.house = ad, house
        self.looks, self.waiting, self.go_on = 0, threading.Event(), threading.Event()
        self.person = ad.person(country="PT", worker_type="employee")
        self.wanted = attributes_of(RULES.model_copy(update={"attributes": RULES.attributes | CLOUD}), self.person)

    def entra(self, **words: Any) -> Any:
        """Entra as the company's YAML has it: what comes by the sync is waited for."""
        synced = {"created_by": "active_directory", "masters": MASTERS, "mark": "onPremisesImmutableId", "wait": 3600}
        app = self.house.again(CLOUD, synced=synced | words)
        app.sleep = self.briefly
        return app

    def briefly(self, seconds: float) -> None:
        """In the place of the waits between looks, which are of seconds: the third lasts until it may go on."""
        self.looks += 1
        if self.looks == 3:
            self.waiting.set()
            self.go_on.wait(300)

    def in_ad(self, **values: str) -> str:
        self.person |= values
        return self.ad.make(self.ad.attributes(self.person))

    def sync(self, mark: bool = True) -> None:
        """One round of it: who is in the domain is made or brought up to date in the cloud."""
        row = self.ad.server.row(f"(mail={self.person['work_email']})", "*")
        assert row is not None
        names = {"displayname": "displayName", "givenname": "givenName", "sn": "surname", "title": "jobTitle"}
        brought = {theirs: row[ours][0] for ours, theirs in names.items()}
        others = {name: self.wanted[name] for name in MASTERS if name not in brought}
        upn = row["userprincipalname"][0]
        found = self.house.app.find(upn)
        if found is None:
            self.house.app.create(brought | others)
        else:
            self.house.app.update(found.id, brought)
        if mark:
            self.house.twin.give("onPremises", upn, {})


@pytest.fixture
def hybrid(sandbox: Sandbox) -> Hybrid:
    return Hybrid(ground(SambaDomain.name), House(sandbox))


def test_the_cloud_waits_until_the_sync_has_brought_the_account(hybrid: Hybrid) -> None:
    entra = hybrid.entra()
    hybrid.in_ad()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(entra.create, hybrid.wanted)
        assert hybrid.waiting.wait(120)
        before = hybrid.house.named(hybrid.wanted["userPrincipalName"])
        hybrid.sync()
        hybrid.go_on.set()
        outcome, id = waiting.result(120)

    users = hybrid.house.named(hybrid.wanted["userPrincipalName"])
    assert before == [] and len(users) == 1 and outcome == ALREADY
    assert users[0]["id"] == id and users[0]["usageLocation"] == "PT"  # the cloud's own attribute is written
    assert entra.create(hybrid.wanted) == (ALREADY, id)


def test_an_account_that_never_comes_is_told_with_what_to_look_at(hybrid: Hybrid) -> None:
    hybrid.in_ad()

    with pytest.raises(Retryable, match="in the scope of the sync from active_directory"):
        hybrid.entra(wait=0.2).create(hybrid.wanted)

    assert hybrid.house.named(hybrid.wanted["userPrincipalName"]) == []


def test_an_account_made_by_hand_is_not_taken_for_the_synced_one(hybrid: Hybrid) -> None:
    hybrid.in_ad()
    hybrid.sync(mark=False)

    with pytest.raises(Refused, match="that no sync brought"):
        hybrid.entra().create(hybrid.wanted)


def test_what_the_domain_masters_is_waited_for_and_never_written(hybrid: Hybrid) -> None:
    entra = hybrid.entra()
    id = hybrid.in_ad()
    hybrid.sync(mark=False)
    cloud = hybrid.house.app.find(hybrid.wanted["userPrincipalName"]).id
    hybrid.ad.app.update(id, {"title": "Team Lead"})

    with pytest.raises(Retryable, match="jobTitle must come by the sync from active_directory"):
        hybrid.entra(wait=0.2).update(cloud, {"jobTitle": "Team Lead"})
    untouched = hybrid.house.user(cloud)["jobTitle"]
    hybrid.sync()
    outcome = entra.update(cloud, {"jobTitle": "Team Lead", "usageLocation": "ES"})

    user = hybrid.house.user(cloud)
    assert untouched == "Account Executive" and outcome == DONE
    assert (user["jobTitle"], user["usageLocation"]) == ("Team Lead", "ES")


def test_the_cloud_account_goes_when_the_domains_has_gone(hybrid: Hybrid) -> None:
    hybrid.in_ad()
    hybrid.sync(mark=False)
    cloud = hybrid.house.app.find(hybrid.wanted["userPrincipalName"]).id

    with pytest.raises(Retryable, match="goes when the account in active_directory is deleted"):
        hybrid.entra(wait=0.2).delete(cloud)
    hybrid.house.app.delete(cloud)

    assert hybrid.entra(wait=0.2).delete(cloud) == ALREADY


def test_the_clouds_steps_come_after_the_domains() -> None:
    apps = {
        "active_directory": presets.rules("active_directory"),
        "entra": RULES.model_copy(update={"needs": ("active_directory",)}),
    }
    steps = [
        Step(id=f"{app} {verb}", app=app, verb=verb, layer=Layer.SSO, why="hired")
        for app in ("entra", "active_directory")
        for verb in (Verb.CREATE, Verb.GRANT)
    ]

    placed = ordered(steps, type("Rules", (), {"apps": apps})(), leaving=False)

    order = [step.id for step in placed]
    create = next(step for step in placed if step.id == "entra create account")
    assert order.index("active_directory create account") < order.index("entra create account")
    assert "active_directory create account" in create.needs
