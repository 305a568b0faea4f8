"""The auditor's script in docs/evidence.md works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from record_databases import fresh_database

from flows.record import evidence, signing
from flows.record.packet import CONTROLS

PAGE = (Path(__file__).parents[1] / "docs" / "evidence.md").read_text()
AT = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script, an export of four packets by two keys, and the public keys."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "verify.py").write_text(script)
    hashes = {"plan_hash": "h", "rules_hash": "u"}
    with fresh_database("sqlite", tmp_path) as db:
        for name in ("old", "new"):
            signer = signing.generate(tmp_path / f"{name}.pem")
            (tmp_path / f"{name}.pub").write_bytes(signing.public_pem(signer))
            for n in range(2):
                times = {"started_at": AT, "finished_at": AT}
                evidence.append(db, signer, {"run_id": f"{name} {n}", "controls": (), **hashes, **times})
        evidence.export(db, tmp_path / "export")
    return tmp_path


def run(folder: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "verify.py", "export", *keys]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_script_accepts_an_export_and_tells_its_head(folder: Path) -> None:
    told = run(folder, "old.pub", "new.pub")

    head = signing.read_head(folder / "new.head")
    assert head is not None
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("4 packets, chain intact")
    assert told.stdout.strip().endswith(head.sha256)


def test_the_script_refuses_a_key_that_was_not_given(folder: Path) -> None:
    told = run(folder, "old.pub")

    assert (told.returncode, told.stderr) == (1, "packet 3: signature does not fit\n")


def test_the_script_finds_a_changed_and_a_removed_packet(folder: Path) -> None:
    export = folder / "export" / "packets.jsonl"
    lines = export.read_bytes().splitlines(keepends=True)

    export.write_bytes(b"".join([lines[0], *lines[2:]]))
    removed = run(folder, "old.pub", "new.pub")
    export.write_bytes(b"".join([lines[0], lines[1].replace(b'"eyJ', b'"eyK'), *lines[2:]]))
    changed = run(folder, "old.pub", "new.pub")

    assert (removed.returncode, removed.stderr) == (1, "packet 2: does not follow the one before it\n")
    assert (changed.returncode, changed.stderr) == (1, "packet 2: signature does not fit\n")


def test_the_page_names_every_control() -> None:
    for control in {c for controls in CONTROLS.values() for c in controls}:
        assert control.split(":")[1] in PAGE
