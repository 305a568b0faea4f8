"""Pictures of what an app's pages showed: files that tasks and evidence name with their hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Picture:
    """A file kept as proof."""

    file: str
    """Its path. Nothing personal and no secret stands in it."""
    sha256: str
    shows: str
    """before, after, failure, trace."""

    def __str__(self) -> str:
        return f"{self.file} (sha256 {self.sha256})"


@runtime_checkable
class Pictured(Protocol):
    """An app that keeps pictures of what it does."""

    def pictures(self) -> tuple[Picture, ...]:
        """Those made by calls of this thread since it last asked."""


def kept(file: Path, shows: str) -> Picture:
    """A file as a picture, readable by its owner alone."""
    file.chmod(0o600)
    return Picture(str(file), hashlib.sha256(file.read_bytes()).hexdigest(), shows)
