"""Steps at a browser app as runs carry them out: what the record, the tasks and the evidence name."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.browser_chromium import installed, stop_all
from connectors.sandbox import Sandbox
from flows.proof import prove
from flows.record import history, tasks
from flows.site import Site
from mappings.vocabulary import AppRules
from tests.badge_recipe import BADGES
from tests.desks import Hr, a_site, carry_out, keep_snapshot, quick_sandbox

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not installed(), reason="there is no Chromium or Chrome; `playwright install chromium`"),
]
NOON = datetime(2026, 1, 9, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with quick_sandbox() as running:
        yield running
    stop_all()


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    sandbox.reset()
    site = a_site(sandbox, tmp_path)
    yield site
    site.db.close()


def driven(site: Site, **options: Any) -> None:
    """The Badge Office, by a browser."""
    words = site.rules.apps["badges"].model_dump(mode="json", by_alias=True)
    words |= {"connector": "browser", "entitlements": None, "options": BADGES | {"patience": 3} | options}
    site.rules = replace(site.rules, apps=site.rules.apps | {"badges": AppRules.model_validate(words)})


def hired(site: Site, sandbox: Sandbox) -> str:
    hr = Hr(sandbox)
    person = hr.hire("Bea", "Badge", location="Berlin", workEmail="bea.badge@juniperfinch.example")
    hr.close()
    keep_snapshot(site)
    return person


def packet(site: Site, person: str) -> Any:
    case = carry_out(site, person, NOON)
    row = prove(case, "run", NOON)
    assert row is not None
    said = json.loads(base64.b64decode(json.loads(row.envelope)["payload"]))
    return said["body"]


def files(site: Site) -> dict[str, str]:
    """Name -> hash of the pictures that are kept."""
    folder = site.settings.home / "apps" / "badges" / "pictures"
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def step_at(site: Site) -> Any:
    return next(row for row in history.steps(site.db, "run") if row.app == "badges")


def test_a_joiner_gets_a_badge_and_the_record_names_its_pictures(site: Site, sandbox: Sandbox) -> None:
    driven(site)

    said = packet(site, hired(site, sandbox))

    (badge,) = sandbox.control("badges").state()["badges"]
    assert badge["email"] == "bea.badge@juniperfinch.example" and badge["status"] == "Active"
    (step,) = [each for each in said["steps"] if each["app"] == "badges"]
    assert step["outcome"] == "done" and step["after"]["account"] == str(badge["id"])
    assert {each["shows"] for each in step["after"]["pictures"]} == {"before", "after"}
    assert {each["file"]: each["sha256"] for each in step["after"]["pictures"]} == files(site)


def test_a_recipe_that_does_not_fit_becomes_a_task_with_the_picture(site: Site, sandbox: Sandbox) -> None:
    driven(site, create=[*BADGES["create"][:-2], {"click": {"button": "Print badge"}}])

    said = packet(site, hired(site, sandbox))

    (task,) = [task for task in tasks.open_tasks(site.db) if task.app == "badges"]
    kept = files(site)
    (failure,) = [name for name in kept if name.endswith("failure.png")]
    assert str(site.settings.home / "apps" / "badges" / "pictures" / failure) in task.instructions
    assert kept[failure] in task.instructions and "Print a badge for Bea Badge" in task.instructions
    row = step_at(site)
    assert row.outcome == "task" and "click button 'Print badge'" in row.error
    (step,) = [each for each in said["steps"] if each["app"] == "badges"]
    assert {"file": failure, "sha256": kept[failure], "shows": "failure"} in step["after"]["pictures"]
    assert sandbox.control("badges").state()["badges"] == []
