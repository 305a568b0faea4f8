"""A vendor with much to tell: calls at a pace, each sent again until it is answered with 2xx, as vendors do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.sandbox.deliveries import Letter
from tests.webhook_door import Receiver
from tests.webhook_vendors import Vendor

AT_ONCE = 64  # connections
PAUSE = 0.1  # seconds before a call is sent again


@dataclass
class Answered:
    """How a call went."""

    status: int
    took: float
    """Seconds of the try that was answered."""
    tries: int


def call_of(vendor: Vendor, letter: Letter) -> bytes:
    """The bytes of a request."""
    headers = {"Host": "rollcall", "Content-Length": str(len(letter.body)), "Connection": "close", **letter.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {vendor.path} HTTP/1.1\r\n{lines}\r\n".encode() + letter.body


async def status_of(port: int, call: bytes) -> int:
    """The answer's status; OSError or ValueError where there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(call)
        return int((await reader.read()).split(b" ", 2)[1])
    except IndexError:
        raise ConnectionError("the line ended without an answer") from None
    finally:
        writer.close()


class Burst:
    """`answers = burst.run()`."""

    def __init__(
        self,
        door: Receiver,
        vendor: Vendor,
        letters: Sequence[Letter],
        seconds: float = 0.0,
        halfway: Callable[[], None] = lambda: None,
    ) -> None:
        """Evenly over the seconds; without any as fast as it goes. `halfway`: done once half is answered, and before
        any more is."""
        self.port, self.vendor, self.letters, self.seconds = door.port, vendor, letters, seconds
        self.halfway, self.answered = halfway, 0

    def run(self) -> list[Answered]:
        """One answer for each letter."""
        return asyncio.run(self.all())

    async def all(self) -> list[Answered]:
        lines, begin = asyncio.Semaphore(AT_ONCE), time.monotonic()

        async def one(number: int, letter: Letter) -> Answered:
            await asyncio.sleep(begin + number * self.seconds / len(self.letters) - time.monotonic())
            async with lines:
                return await self.deliver(call_of(self.vendor, letter))

        return await asyncio.gather(*(one(n, letter) for n, letter in enumerate(self.letters)))

    async def deliver(self, call: bytes) -> Answered:
        """Send until it is taken; a refusal is final."""
        tries = 0
        while True:
            tries, started = tries + 1, time.perf_counter()
            try:
                status = await status_of(self.port, call)
            except OSError:
                status = 503
            if status < 500:
                self.answered += 1
                if self.answered == len(self.letters) // 2:
                    self.halfway()
                return Answered(status, time.perf_counter() - started, tries)
            await asyncio.sleep(PAUSE)
