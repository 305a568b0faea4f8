"""The door's end of the pipe to the room behind it: this process loads nothing that only the dispatcher needs, so that
it is back soon after a kill."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress

AGAIN = 1.0  # seconds until a room that has ended is opened anew
LOG = logging.getLogger("rollcall.webhook")


class Backroom:
    """`wake()` from the door; `await run()` keeps the process alive until it is cancelled."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.writing, False)

    def wake(self) -> None:
        """Something was stored. A full pipe wakes as well as one byte more."""
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self.writing, b".")

    async def run(self) -> None:
        """The record keeps what is signalled while nobody is there."""
        command = (sys.executable, "-m", "flows.webhook_backroom", str(self.reading))
        try:
            while True:
                process = await asyncio.create_subprocess_exec(*command, pass_fds=(self.reading,))
                LOG.error("the dispatcher has ended with %d; it is started again", await process.wait())
                await asyncio.sleep(AGAIN)
        finally:
            os.close(self.writing)


def logs() -> None:
    """As the receiver writes them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
