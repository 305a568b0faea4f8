"""Faults that a test asks for: which calls they hit, and how often."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

KINDS = ("429-no-retry-after", "over", "timeout", "lost-answer", "silent-noop", "slow-replica", "wrong-first-hit")
LAG_KINDS = ("slow-replica",)


class Fault(BaseModel):
    """One way to misbehave. With `times` left out it lasts until the next PUT."""

    model_config = ConfigDict(extra="forbid")

    match: str = ""
    """Regular expression, searched in `METHOD /path?query`; the path is the one below the server's root."""
    kind: str
    """A status from 400 to 599, or one of KINDS."""
    times: int | None = Field(default=None, gt=0)
    """How many matching calls it hits."""
    after: int = Field(default=0, ge=0)
    """How many matching calls it lets pass first."""
    seconds: float = Field(default=1.0, ge=0)
    """Retry-After of a 429 or of the vendor's own answer (`over`), the hold of a timeout, the lag of a slow replica."""
    _seen: int = PrivateAttr(default=0)

    @field_validator("kind")
    @classmethod
    def known_kind(cls, kind: str) -> str:
        if kind not in KINDS and not re.fullmatch(r"[45]\d\d", kind):
            raise ValueError(f"unknown kind {kind!r}; known ones are 400 to 599, {', '.join(KINDS)}")
        return kind

    @field_validator("match")
    @classmethod
    def valid_expression(cls, match: str) -> str:
        try:
            re.compile(match)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return match

    def hits(self, line: str) -> bool:
        """Whether this call is one of those to be spoilt; counts it."""
        if not re.search(self.match, line):
            return False
        self._seen += 1
        nth = self._seen - self.after
        return nth > 0 and (self.times is None or nth <= self.times)


class Faults:
    """The faults of one twin; the first that hits counts."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def replace(self, wanted: list[dict[str, Any]]) -> None:
        self.all = [Fault(**each) for each in wanted]

    def lag(self) -> float:
        """Seconds by which reads lag behind writes."""
        return max((f.seconds for f in self.all if f.kind in LAG_KINDS), default=0.0)

    def hitting(self, method: str, path: str, query: str) -> Fault | None:
        if not self.all:
            return None
        line = f"{method} {path}" + (f"?{query}" if query else "")
        return next((f for f in self.all if f.hits(line)), None)
