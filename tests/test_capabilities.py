"""Presets are complete: permissions for all that they do, limits with their source, variables that the twin knows; and
the page that tells it all is not stale."""

from __future__ import annotations

import json
import re
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from connectors.catalogue import variables
from connectors.sandbox.kinds import twins
from flows import presets
from flows.capabilities import VERBS, able, markdown, shipped
from mappings.folder import read_folder
from tests.stage import rollcall

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "capabilities.md"
NAMES = presets.names()
SOURCE = re.compile(r"#.*(\w+\.\w{2,}|unverified|no number|not published|publishes no)", re.IGNORECASE)
"""A comment that names a page of the vendor's, or says that there is none."""


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(shipped()), (
        "run: rollcall capabilities --markdown > docs/capabilities.md"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_of_a_preset_has_its_least_permission(name: str) -> None:
    assert able(name, presets.rules(name)).without_permission == []


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_asks_for_no_permission_that_it_does_not_need(name: str) -> None:
    assert [what for what, verbs in able(name, presets.rules(name)).permissions.items() if not verbs] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_states_the_published_limits_and_their_source(name: str) -> None:
    lines = presets.text(name).splitlines()
    stated = [number for number, line in enumerate(lines) if re.search(r"^#?\s*limits?\b", line)]

    assert stated, "neither `limits:` nor a comment that says why there are none (`# limits: …`)"
    around = lines[max(0, stated[0] - 4) : stated[0] + 8]
    assert any(SOURCE.search(line) for line in around), "no source beside the limits"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_names_its_variables_alike(name: str) -> None:
    names = variables(presets.rules(name))

    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", variable) for variable in names)
    if name in twins():
        known = twins()[name].environment("http://127.0.0.1:9/x")
        assert set(names) <= set(known), "the twin's `environment` lacks some of the preset's variables"


@pytest.mark.parametrize("name", NAMES)
def test_an_app_has_a_page_of_documentation(name: str) -> None:
    assert (ROOT / "docs" / "apps" / f"{name}.md").is_file()


def test_all_presets_fit_into_one_company(tmp_path: Path) -> None:
    with as_file(files("mappings") / "sample") as sample:
        for path in sample.rglob("*.yaml"):
            copy = tmp_path / path.relative_to(sample)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    for name in NAMES:
        (tmp_path / "apps" / f"{name}.yaml").write_text(presets.text(name))

    assert set(NAMES) <= set(read_folder(tmp_path).apps)


def test_the_command_tells_the_same_as_the_page(tmp_path: Path) -> None:
    told = rollcall("capabilities", "--json", folder=tmp_path, environment={})
    page = rollcall("capabilities", "--markdown", folder=tmp_path, environment={})

    assert [row["app"] for row in json.loads(told.out)] == NAMES
    assert all(set(row["verbs"]) <= set(VERBS) for row in json.loads(told.out))
    assert page.out == markdown(shipped())
