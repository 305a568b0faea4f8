"""A pipe by which a process notices that the one it works for is gone, however that one ended.

The kernel closes a dead process's end of the pipe, even after SIGKILL; the other end then reads end-of-file."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

GRACE = 8.0  # seconds between being asked to end and being ended


def watch(fd: int, then: Callable[[], None]) -> None:
    """Call `then` in a thread as soon as nobody holds the writing end of the pipe any more."""
    threading.Thread(target=_wait, args=(fd, then), name="lifeline", daemon=True).start()


def _wait(fd: int, then: Callable[[], None]) -> None:
    while os.read(fd, 1):
        pass
    then()


def end_group() -> None:
    """End this process and its whole group at once."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def end_gently() -> None:
    """Ask this process to end, and end its whole group if it has not done so after a grace."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    end_group()
