"""The sample company without limits: for stories in which more happens in a day than a small company would let pass."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

ANY = "{count: 1000000, percent: 100}"
TRUST = ("vanished", "leavers", "emptied", "changed", "identity", "held", "new")
RADIUS = ("leavers", "disables", "deletes", "removals", "changes")


def boundless(folder: Path) -> Path:
    """A mappings folder inside `folder`, made from the sample company."""
    target = folder / "mappings"
    with as_file(files("mappings") / "sample") as sample:
        shutil.copytree(sample, target)
    lines = ["trust:", *(f"  {word}: {ANY}" for word in TRUST)]
    lines += ["blast_radius:", *(f"  {word}: {ANY}" for word in RADIUS)]
    with (target / "company.yaml").open("a") as company:
        company.write("\n".join(lines) + "\n")
    return target
