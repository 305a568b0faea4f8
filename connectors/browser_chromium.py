"""One browser per process, on a thread and event loop of its own; pages for it side by side, bounded.

Started at the first use in the process that uses it (runs are forked), ended with it: orderly at exit, and else because
Playwright's driver ends with its parent's pipe and Chromium with the driver's.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

    from connectors.browser_page import Seat

T = TypeVar("T")
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
CHANNELS = ("chrome", "msedge")
OWN = "playwright"
QUIET = (
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-domain-reliability"),
)
"""Against calls to the vendor of the browser."""
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "XDG_RUNTIME_DIR", "FONTCONFIG_PATH", "LD_LIBRARY_PATH", "DISPLAY")
"""Variables that the browser is given: none of the secrets."""
MOST = 8  # pages open at a time in a process, of all apps
FAREWELL = 10.0  # seconds for an orderly end


class Choice(NamedTuple):
    """Which browser to use, and how."""

    browser: str = ""
    sandbox: bool | None = None


class Chromium:
    """A browser in this process. `run` may be called from any thread but its own."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.turn, name="browser", daemon=True)
        self.playwright: Playwright | None = None
        self.browser: Browser | None = None
        self.idle: list[tuple[str, Seat]] = []
        """Pages that wait for their app's next call, the latest last."""
        self.starting: asyncio.Lock | None = None
        self.room: asyncio.Semaphore | None = None
        self.thread.start()

    def turn(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """The job's result, from the browser's own thread."""
        return asyncio.run_coroutine_threadsafe(job, self.loop).result()

    async def ready(self) -> Browser:
        """The browser, started if it is not there (any more)."""
        self.starting = self.starting or asyncio.Lock()
        async with self.starting:
            if self.browser is None or not self.browser.is_connected():
                self.idle.clear()
                self.browser = await self.launch()
            return self.browser

    async def launch(self) -> Browser:
        """Start Playwright's driver, and the browser that was chosen."""
        from playwright.async_api import async_playwright

        self.playwright = self.playwright or await async_playwright().start()
        sandbox = os.geteuid() != 0 if self.choice.sandbox is None else self.choice.sandbox
        return await self.playwright.chromium.launch(
            executable_path=executable(self.choice.browser).get("executable_path"),
            channel=executable(self.choice.browser).get("channel"),
            args=list(QUIET),
            chromium_sandbox=sandbox,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )

    def rooms(self) -> asyncio.Semaphore:
        """What bounds the pages of all apps."""
        self.room = self.room or asyncio.Semaphore(MOST)
        return self.room

    async def waiting(self, owner: str) -> Seat | None:
        """An idle page of this owner; where there is none and the house is full, another's is closed."""
        for place, (whose, seat) in enumerate(self.idle):
            if whose == owner:
                del self.idle[place]
                return seat
        if len(self.idle) >= MOST:
            await leave(self.idle.pop(0)[1])
        return None

    def park(self, owner: str, seat: Seat) -> None:
        """Keep a page for the owner's next call."""
        self.idle.append((owner, seat))

    def stop(self) -> None:
        """End the browser, the driver and the thread."""
        if not self.thread.is_alive():
            return
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(self.close(), self.loop).result(FAREWELL)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(FAREWELL)
        if not self.loop.is_running():
            self.loop.close()

    async def close(self) -> None:
        if self.browser is not None:
            with suppress(Exception):
                await self.browser.close()
        if self.playwright is not None:
            await self.playwright.stop()


async def leave(seat: Seat) -> None:
    """Close a page, whatever became of it."""
    with suppress(Exception):
        await seat.context.close()


def executable(browser: str) -> dict[str, str]:
    """What Playwright is told about the browser to start."""
    if browser == OWN:
        return {}
    if browser in CHANNELS:
        return {"channel": browser}
    if browser:
        path = shutil.which(browser)
        return {"executable_path": path or browser}
    system = next(filter(None, map(shutil.which, COMMANDS)), None)
    return {"executable_path": system} if system else {}


def installed(browser: str = "") -> bool:
    """Whether there is a browser to start, without starting it."""
    found = executable(browser)
    if path := found.get("executable_path"):
        return os.access(path, os.X_OK)
    if found:
        return any(shutil.which(name) for name in COMMANDS)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return os.path.exists(playwright.chromium.executable_path)


RUNNING: dict[Choice, Chromium] = {}
LOCK = threading.Lock()


def ours(choice: Choice) -> Chromium:
    """This process's browser, made when first asked for."""
    with LOCK:
        if choice not in RUNNING:
            RUNNING[choice] = Chromium(choice)
        return RUNNING[choice]


def stop_all() -> None:
    """End this process's browsers; the next use starts anew."""
    with LOCK:
        running = list(RUNNING.values())
        RUNNING.clear()
    for each in running:
        each.stop()


def forget() -> None:
    """In a forked child: the parent's browsers are the parent's."""
    global LOCK
    LOCK = threading.Lock()
    RUNNING.clear()


atexit.register(stop_all)
os.register_at_fork(after_in_child=forget)
