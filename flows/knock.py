"""A knock at the worker's door: what must not wait for its next look for work. Nothing hangs on it being heard."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio

DOOR = "worker.knock"
"""A named pipe in home; a socket's path would have to be short."""
KNOCKS = 4096  # bytes read at once: many knocks are one


def knock(home: Path) -> None:
    """Let the workers of this home look for work now. Where none listens they look at their own pace."""
    with suppress(OSError):
        door = os.open(home / DOOR, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(door, b"!")
        finally:
            os.close(door)


async def knocks(home: Path) -> AsyncIterator[None]:
    """Whenever somebody has knocked. Where there can be no pipe it ends at once."""
    with suppress(FileExistsError, OSError):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.mkfifo(home / DOOR, 0o600)
    try:
        door = os.open(home / DOOR, os.O_RDWR | os.O_NONBLOCK)  # both ways: it never comes to its end
    except OSError:
        return
    try:
        while True:
            await anyio.wait_readable(door)
            with suppress(BlockingIOError):  # another worker was faster
                os.read(door, KNOCKS)
            yield
    finally:
        os.close(door)
