"""A vendor's rate limits, counted as the vendor counts them."""

from __future__ import annotations

import re
import time
from typing import NamedTuple


class Limit(NamedTuple):
    """So many requests each `per_seconds`; with a burst, a bucket of that size that refills at that pace."""

    requests: int
    per_seconds: float = 1.0
    calls: str = ""
    """Which requests count: a regular expression on `VERB /path`, the path below the twin's prefix."""
    burst: int = 0


class Meter:
    """One limit at work."""

    def __init__(self, limit: Limit) -> None:
        self.limit, self.which = limit, re.compile(limit.calls)
        self.began, self.seen = 0.0, 0
        self.full, self.at = float(limit.burst), time.monotonic()

    def counts(self, call: str) -> bool:
        """Whether the limit is about this call."""
        return bool(self.which.search(call))

    def wait(self) -> float:
        """Count a request; seconds until one would be let in, 0 where this one is."""
        return self.drawn() if self.limit.burst else self.counted()

    def counted(self) -> float:
        now, length = time.monotonic(), self.limit.per_seconds
        if now - self.began >= length:
            self.began, self.seen = now, 0
        self.seen += 1
        return max(length - (now - self.began), 0.001) if self.seen > self.limit.requests else 0.0

    def drawn(self) -> float:
        now, pace = time.monotonic(), self.limit.requests / self.limit.per_seconds
        self.full, self.at = min(self.limit.burst, self.full + (now - self.at) * pace), now
        if self.full < 1:
            return (1 - self.full) / pace
        self.full -= 1
        return 0.0

    @property
    def left(self) -> int:
        """How many more requests the window or bucket takes."""
        return int(self.full) if self.limit.burst else max(0, self.limit.requests - self.seen)
