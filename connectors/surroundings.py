"""What whoever runs a connector gives it besides its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.quota import Turns


@dataclass(frozen=True)
class Surroundings:
    """A connector reads no environment and no clock of others: all it may use of the world is here."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variable -> value. Values never show, names do."""
    turns: Turns | None = None
    """When the app's published rate limits allow the next call; None where it has none."""
    keep: Path | None = None
    """A folder for what must outlive a call: pictures as proof, saved sessions."""
    looking: bool = False
    """Whether this is a look only, which leaves nothing behind but a token that had to be renewed."""

    @property
    def notes(self) -> Path | None:
        """The folder for what helps the next call; none where this one is to leave nothing behind."""
        return None if self.looking else self.keep
