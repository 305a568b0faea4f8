"""An app's published rate limits, kept by all workers together, with a share that only leavers may use.

A limit of n calls in t seconds is a ring of n moments: the next call may go t after the one n calls before it, and its
moment is written down at once. So nobody polls, nobody is overtaken, and no window of t holds more than n calls.
(pyrate-limiter's SQLite bucket keeps the same promise between processes, but its threads wait for the file lock by
looking every 50 ms.)
"""

from __future__ import annotations

import fcntl
import mmap
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from mappings.vocabulary import Limits

PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
KEPT = 16  # of so many calls one is for leavers alone
SLACK = 0.01  # a window is this much longer than published, and by JITTER: calls travel unevenly
JITTER = 0.02  # seconds
PATIENCE = 600.0  # seconds a call may wait for its turn: it comes for certain
MOMENT = struct.Struct("<d")
COUNT = struct.Struct("<q")


class Window(NamedTuple):
    """At most `calls` in any `seconds`, of the calls that `which` finds in `VERB /path`."""

    name: str
    calls: int
    seconds: float
    which: re.Pattern[str]


Ring = bytearray | mmap.mmap


class Shelf(Protocol):
    """Where rings are kept: small pieces of memory, each for one holder at a time."""

    def ring(self, name: str, size: int) -> AbstractContextManager[Ring]:
        """The ring's bytes, zeros at first; what is in them when the block ends is kept."""


class Memory:
    """Rings of this process alone."""

    def __init__(self) -> None:
        self.rings: dict[str, bytearray] = {}
        self.lock = threading.Lock()

    @contextmanager
    def ring(self, name: str, size: int) -> Iterator[Ring]:
        """See Shelf."""
        with self.lock:
            yield self.rings.setdefault(f"{name}-{size}", bytearray(size))


class Files:
    """Rings of all processes on this machine, one file each. A lock goes with its process, however that ends.

    `looking`: no file is made; rings that nobody keeps yet are this process's own.
    """

    def __init__(self, folder: Path, looking: bool = False) -> None:
        self.folder, self.own = folder, Memory() if looking else None
        if not looking:
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def ring(self, name: str, size: int) -> Iterator[Ring]:
        """See Shelf."""
        if self.own and not (self.folder / f"{name}-{size}").exists():
            with self.own.ring(name, size) as ring:
                yield ring
            return
        with open(self.folder / f"{name}-{size}", "a+b", buffering=0) as file:  # anew each time: a fork shares locks
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.tell() < size:
                file.truncate(size)
            with mmap.mmap(file.fileno(), size) as ring:
                yield ring


class Turns:
    """The turns of one app."""

    def __init__(
        self,
        app: str,
        limits: Sequence[Limits],
        shelf: Shelf,
        urgent: bool = False,
        patience: float = PATIENCE,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.shelf, self.urgent, self.patience, self.now, self.sleep = shelf, urgent, patience, now, sleep
        self.windows = [window(app, number, limit) for number, limit in enumerate(limits)]

    def take(self, call: str) -> bool:
        """Wait until the limits allow this call (`POST /Users`); False where that would be beyond all patience."""
        latest = self.now() + self.patience
        return all(self.wait(part, latest) for part in self.parts(call))

    def parts(self, call: str) -> Iterator[Window]:
        """The windows that count a call; before each, for those who are not urgent, the part of it that is theirs."""
        for whole in self.windows:
            if whole.which.search(call):
                if not self.urgent:
                    yield whole._replace(name=f"{whole.name}-rest", calls=left(whole.calls))
                yield whole

    def wait(self, part: Window, latest: float) -> bool:
        """Reserve the next moment of a window and sleep until it comes."""
        with self.shelf.ring(part.name, COUNT.size + part.calls * MOMENT.size) as ring:
            moment = reserve(ring, part, self.now(), latest)
        if moment is None:
            return False
        if (pause := moment - self.now()) > 0:
            self.sleep(pause)
        return True


def left(calls: int) -> int:
    """How many of a window's calls are for those who are not urgent."""
    return max(1, calls - max(1, calls // KEPT))


def reserve(ring: Ring, part: Window, now: float, latest: float) -> float | None:
    """The moment of the next call, written into the ring; None, and nothing written, where it is after `latest`."""
    (count,) = COUNT.unpack_from(ring)
    place = COUNT.size + count % part.calls * MOMENT.size
    (oldest,) = MOMENT.unpack_from(ring, place)
    length = part.seconds * (1 + SLACK) + JITTER
    moment = max(now, oldest + length) if oldest < now + length else now  # farther off: the clock was set back
    if moment > max(now, latest):
        return None
    MOMENT.pack_into(ring, place, moment)
    COUNT.pack_into(ring, 0, count + 1)
    return moment


def window(app: str, number: int, limit: Limits) -> Window:
    """What a limit of the YAML means. A burst of b refills at the limit's pace: b calls in the time that takes."""
    seconds = PERIODS[limit.per]
    calls = min(limit.burst or limit.requests, limit.requests)
    return Window(f"{app}-{number}", calls, seconds * calls / limit.requests, re.compile(limit.calls))
