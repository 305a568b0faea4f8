"""What an app's pages showed, in the words of tasks and in the record: the file's name and its hash."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorError
from connectors.pictures import Picture, Pictured


def beside(after: dict[str, Any] | None, pictures: Iterable[Picture]) -> dict[str, Any] | None:
    """What was read back, with the pictures of it; as it was where there are none. No path of this machine."""
    named = [{"file": Path(p.file).name, "sha256": p.sha256, "shows": p.shows} for p in pictures]
    return {**(after or {}), "pictures": named} if named else after


def taken(app: Any) -> tuple[Picture, ...]:
    """The pictures of the calls that this thread has just made."""
    return app.pictures() if isinstance(app, Pictured) else ()


def of(error: Exception) -> tuple[Picture, ...]:
    """The pictures that an error carries."""
    return error.pictures if isinstance(error, ConnectorError) else ()


def told(pictures: Iterable[Picture]) -> str:
    """Where whoever gets the task finds them; empty where there are none."""
    listed = "; ".join(f"{picture.shows}: {picture}" for picture in pictures)
    return f" What the page showed: {listed}." if listed else ""
