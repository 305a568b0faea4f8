"""Asking BambooHR who changed: its twin's answers, and what becomes a signal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from connectors.hr.base import Changes, Signals
from connectors.sandbox import Sandbox
from flows.record import signals, snapshots
from flows.record.database import Database
from flows.settings import Settings
from flows.site import Site
from flows.webhook_poll import Poll
from mappings.feed import people_of
from mappings.folder import read_folder
from tests.lives import SAMPLE


class Sites:
    """One site that stays."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def now(self) -> Site:
        return self.site


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    sandbox.control("bamboohr").reset()
    db = Database(f"sqlite:///{tmp_path / 'record.db'}")
    db.migrate()
    rules = read_folder(SAMPLE)
    yield Site(Settings(home=tmp_path, mappings=SAMPLE), sandbox.environment, rules, db)
    db.close()


def ask(site: Site, moment: datetime) -> list[list[str]]:
    """One question; the people of the signals that are open then."""
    Poll(Sites(site), lambda: None).once(moment)  # type: ignore[arg-type]
    return [row.people for row in signals.open_now(site.db, moment + timedelta(days=1))]


def change(sandbox: Sandbox, person: str, **fields: str) -> None:
    values = sandbox.environment
    url = f"{values['BAMBOOHR_URL']}/employees/{person}"
    httpx.post(url, json=fields, auth=(values["BAMBOOHR_API_KEY"], "x")).raise_for_status()


def first_feed(site: Site) -> None:
    snapshots.save(site.db, "bamboohr", people_of(site.hr.read(), site.rules.hr).people, datetime.now(UTC))


def test_bamboohr_can_be_asked_and_calls(site: Site) -> None:
    assert isinstance(site.hr, Changes) and isinstance(site.hr, Signals)


def test_who_changed_comes_whole(site: Site, sandbox: Sandbox) -> None:
    assert isinstance(site.hr, Changes)
    since = datetime.now(UTC)
    change(sandbox, "104", lastName="Harbour")

    frame = site.hr.changed_since(since)

    assert frame.set_index("id").loc["104", "lastName"] == "Harbour"
    assert list(frame.columns) == list(site.hr.read().columns)
    assert site.hr.changed_since(datetime.now(UTC) + timedelta(hours=1)).empty


def test_only_news_becomes_a_signal_and_only_at_the_pace(site: Site, sandbox: Sandbox) -> None:
    now = datetime.now(UTC)
    assert ask(site, now) == []  # no feed yet
    first_feed(site)
    assert ask(site, now) == []  # all of it is known

    change(sandbox, "104", lastName="Harbour")
    assert ask(site, now + timedelta(minutes=1)) == []  # too soon
    assert ask(site, now + timedelta(minutes=6)) == [["104"]]
