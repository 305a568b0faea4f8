"""Whoever waits for a long reading hears how far it is: once, and only of the own one."""

import logging
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors.sandbox import Sandbox
from flows import gate, progress
from flows.record.database import Database
from flows.settings import Settings
from flows.site import Site
from mappings.folder import read_folder
from tests.lives import SAMPLE


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found = list[str]()
    monkeypatch.setattr(progress, "listener", lambda: found.append)
    return found


def test_the_reading_of_a_feed_is_heard(sandbox: Sandbox, tmp_path: Path, lines: list[str]) -> None:
    db = Database(f"sqlite:///{tmp_path / 'record.db'}")
    db.migrate()
    rules = read_folder(SAMPLE)
    small = rules.hr.model_copy(update={"options": rules.hr.options | {"page_size": 4}})
    site = Site(Settings(home=tmp_path), sandbox.environment, replace(rules, hr=small), db)

    gate.read(site, date(2026, 3, 2))

    assert lines == ["bamboohr: read 24 of 24 people (6 of 6 pages)"]
    assert not list((tmp_path / "hr" / "bamboohr").glob("pages/*"))
    db.close()


def test_only_the_own_thread_is_heard_and_only_meanwhile(lines: list[str], caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("connectors.hr")

    with progress.heard():
        log.info("mine")
        other = threading.Thread(target=log.info, args=("another's",))
        other.start()
        other.join()
    log.info("later")

    assert lines == ["mine"] and caplog.messages == ["another's", "later"]


def test_without_a_run_and_a_terminal_nobody_hears(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.heard():
        logging.getLogger("connectors.hr").info("far")

    assert capsys.readouterr().err == ""
