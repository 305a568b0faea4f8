"""Webhooks that twins send: posted by a thread of their own, tried again where the receiver is not there."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from typing import NamedTuple

import httpx

ATTEMPTS = 6
FIRST_PAUSE = 0.1  # seconds; doubles


class Letter(NamedTuple):
    """One call to make."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Deliveries:
    """Letters in the order of their making, one after the other."""

    def __init__(self) -> None:
        self.waiting: SimpleQueue[Letter] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send soon; the caller does not wait."""
        self.waiting.put(Letter(url, body, {"Content-Type": "application/json", **headers}))
        if self.thread is None:
            self.thread = threading.Thread(target=self.work, daemon=True)
            self.thread.start()

    def work(self) -> None:
        with httpx.Client(verify=False, timeout=3.0) as client:
            while True:
                self.send(client, self.waiting.get())

    def send(self, client: httpx.Client, letter: Letter) -> None:
        for attempt in range(ATTEMPTS):
            try:
                if client.post(letter.url, content=letter.body, headers=letter.headers).status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(FIRST_PAUSE * 2**attempt)
