"""What the README tells a newcomer to type exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli import DOORS, app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```\w*\n(.*?)```", README, re.S))
COMMANDS = sorted(set(re.findall(r"rollcall ([a-z-]+)\b", BLOCKS)))
USAGES = re.findall(r"^rollcall (.+?)(?:  |$)", BLOCKS, re.M)
TARGETS = sorted(set(re.findall(r"^make ([a-z]+)", BLOCKS, re.M)))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str) -> None:
    group = get_command(app).get_command(None, name)  # type: ignore[attr-defined]
    names = [[name, inner] for inner in getattr(group, "commands", {})] or [[name]]

    for words in names:
        told = CliRunner().invoke(app, [*words, "--help"])
        assert told.exit_code == 0
        assert f"Example: rollcall {' '.join(words)}" in told.output


def test_every_command_stands_in_the_readme() -> None:
    assert set(DOORS) - {word for usage in USAGES for word in re.findall(r"[a-z-]+", usage)} == set()


@pytest.mark.parametrize("name", TARGETS)
def test_each_make_target_exists(name: str) -> None:
    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_the_files_it_names_exist() -> None:
    assert [p for p in re.findall(r"docs/[a-z]+\.md", README) if not (ROOT / p).is_file()] == []
