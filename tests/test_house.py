"""The house rules that no linter knows: sizes of files and functions, nothing of one machine in the tree."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "connectors", "mappings")
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
MOST_LINES = 400
FORBIDDEN = ("utils", "common", "helpers", "manager", "service")


def lengths(path: Path) -> list[int]:
    """Lines of each function's body, its docstring left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            found.append((body[-1].end_lineno or 0) - body[0].lineno + 1)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_overgrown(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_functions_are_short() -> None:
    found = [n for path in SOURCES for n in lengths(path)]

    assert statistics.median(found) <= 8
    assert statistics.quantiles(found, n=10)[-1] <= 25


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_a_noun_of_the_house(path: Path) -> None:
    assert path.stem not in FORBIDDEN


def test_every_public_function_says_what_its_name_cannot() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not path.is_relative_to(ROOT / "connectors" / "sandbox")
        and "migrations" not in path.parts
    ]

    assert silent == []


def test_nothing_of_one_machine_stands_in_the_tree() -> None:
    suspicious = re.compile(r"/work/|/opt/(pypi|wheels)|/root/|/tmp/w\b")
    texts = [p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".yaml", ".toml", ".lock", ".sh"}]
    inside = [p for p in texts if not {".venv", ".git", ".rollcall"} & set(p.relative_to(ROOT).parts)]

    found = [
        str(p.relative_to(ROOT)) for p in inside if p != Path(__file__) and suspicious.search(p.read_text("utf-8"))
    ]

    assert found == []
