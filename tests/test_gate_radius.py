"""What an edited rule does to people is weighed, not that it makes everybody due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from connectors.sandbox import Sandbox
from tests.lives import Lives, company, edit

LIMITED = {"count": 3, "percent": 1}


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    limits = {"blast_radius": {"changes": LIMITED}, "trust": {"new": {"count": 50, "percent": 100}}}
    with Sandbox() as sandbox, company(sandbox, tmp_path, **limits) as lives:
        for n in range(6):
            lives.hire(f"20{n}", f"Kim{n}", f"Crowd{n}")
        lives.sync(day())
        yield lives


def day(number: int = 2) -> date:
    return date(2026, 3, number)


def test_an_edited_comment_holds_nobody_back(lives: Lives) -> None:
    everyone = lives.site.rules.folder / "playbooks" / "everyone.yaml"
    everyone.write_text("# nothing new\n" + everyone.read_text())
    lives.reload()

    ended = lives.sync(day(3))

    assert lives.waits is not None and lives.waits.who.empty
    assert {e.message for e in ended if e.person_id != "1"} == {"nothing to do"}


def test_a_template_that_rewrites_everybody_waits(lives: Lives) -> None:
    rules = lives.site.rules
    edit(rules.folder, "apps/crm.yaml", attributes=rules.apps["crm"].attributes | {"team": "{department} team"})
    lives.reload()

    lives.sync(day(3))

    assert lives.waits is not None and len(lives.waits.who) == 6
    assert "6 people would get other attributes (limit 3)" in lives.waits.title
    assert {u["team"] for u in lives.state("crm")["users"]} == {"Sales"}
