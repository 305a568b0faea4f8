"""Being signed in at an app: by steps with a one-time code, or by a session that was saved; renewed when it ends."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.browser_chromium import Chromium, leave
from connectors.browser_page import Broken, Missing, Seat, SignedOut, Told, View, visible
from connectors.browser_proof import Camera
from connectors.browser_scripts import RESTORE, TAB
from connectors.browser_steps import Walker
from connectors.recipes import Login, Options

if TYPE_CHECKING:
    from playwright.async_api import StorageState

SESSION = "session.json"
COVERED = "input[type=password]"
VIEWPORT = {"width": 1280, "height": 1000}
TRIES = 2  # at a code that somebody else has used just before


class Refusal(Exception):
    """The app lets nobody in with what we have; the words are for people."""


class Session:
    """The cookies and local storage of one app, shared by its pages. Lives in the browser's thread."""

    def __init__(self, options: Options, keep: Path | None) -> None:
        self.options = options
        self.file = keep / SESSION if keep else None
        self.state: StorageState | None = None
        self.tab: dict[str, Any] = {}
        """What the app keeps in the tab (sessionStorage), which belongs to no browser's state: {origin, items}."""
        self.generation = 0
        """Grows with each renewal."""
        self.read_at = 0.0
        """When the file was written that the state is from."""
        self.last_code = -1
        """The period of the last one-time code: servers take each code once."""
        self.one_login = asyncio.Lock()
        self.places = asyncio.Semaphore(options.at_once)

    @property
    def owner(self) -> str:
        return str(id(self))

    @asynccontextmanager
    async def seat(self, chromium: Chromium, camera: Camera) -> AsyncIterator[Seat]:
        """A page that is signed in as far as we know; kept for the next call unless it was spoilt. `camera`: for a
        login that fails."""
        async with self.places, chromium.rooms():
            browser = await chromium.ready()
            if self.options.login is not None and self.state is None:
                await self.renew(chromium, self.generation, camera)
            seat = await chromium.waiting(self.owner)
            if seat is None or seat.generation != self.generation or seat.page.is_closed():
                if seat is not None:
                    await leave(seat)
                seat = await self.opened(browser, self.state)
            whole = False
            try:
                yield seat
                whole = True
            finally:
                for page in seat.context.pages:
                    if page is not seat.page:
                        await page.close()
                if whole and not seat.spoilt:
                    chromium.park(self.owner, seat)
                else:
                    await leave(seat)

    async def opened(self, browser: Any, state: StorageState | None) -> Seat:
        """A new context with this session."""
        context = await browser.new_context(
            storage_state=state, locale=self.options.locale, viewport=VIEWPORT, accept_downloads=True
        )
        if state is not None and self.tab:
            await context.add_init_script(RESTORE.replace("TAB", json.dumps(self.tab)))
        return Seat(context, await context.new_page(), self.generation)

    async def renew(self, chromium: Chromium, generation: int, camera: Camera) -> None:
        """Sign in, unless somebody has done so since this generation: another page, or another process."""
        async with self.one_login, self.locked():
            if self.generation == generation and not self.taken_over():
                await self.sign_in(chromium, camera)
            elif self.generation == generation:
                self.generation += 1

    def taken_over(self) -> bool:
        """Read the saved session, where there is one that we have not tried."""
        if self.file is None or not self.file.exists() or self.file.stat().st_mtime <= self.read_at:
            return False
        self.read_at = self.file.stat().st_mtime
        try:
            saved = json.loads(self.file.read_text(encoding="utf-8"))
        except ValueError:
            return False
        self.last_code = max(self.last_code, int(saved.pop("code", -1)))
        self.tab = saved.pop("tab", {})
        self.state = saved
        return True

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Alone among the processes of this installation."""
        if self.file is None:
            yield
            return
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.file.with_suffix(".lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield

    async def sign_in(self, chromium: Chromium, camera: Camera) -> None:
        """Walk the login's steps in a page of its own. Refusal where the app does not let us in."""
        login = self.options.login
        assert login is not None
        if not login.steps:
            raise Refusal("the saved session has ended")
        browser = await chromium.ready()
        for last in range(1, TRIES + 1):
            seat = await self.opened(browser, None)
            try:
                await self.walk_in(seat, login)
                self.tab = await seat.page.evaluate(TAB)
                self.keep(await seat.context.storage_state())
                return
            except (SignedOut, Told) as error:
                if last == TRIES or not login.totp.get_secret_value():
                    await camera.take(seat.page, "failure")
                    raise Refusal(str(error) or "the login page is shown again") from None
            except Broken:
                await camera.take(seat.page, "failure")
                raise
            finally:
                await leave(seat)

    async def walk_in(self, seat: Seat, login: Login) -> None:
        """The login's steps, and the proof that they led somewhere."""
        view = View(seat, self.options, signing_in=True)
        walker = Walker(view, self.values(login, view))
        try:
            await view.open(login.page)
            await walker.walk(login.steps, "login")
        except Missing as error:
            raise Broken(str(error)) from None
        except Broken as error:
            raise Broken(f"{walker.now}: {error}") from None
        if not await walker.comes_true(lambda: self.inside(view)):
            raise SignedOut(await view.problem() or "the login page is shown again")

    async def inside(self, view: View) -> bool:
        """Whether the login is no longer shown."""
        if view.traffic.pending or await view.at_login():
            return False
        return not await visible(view.page.locator(COVERED)).count()  # the form again, at another address

    def values(self, login: Login, view: View) -> dict[str, Any]:
        """What places in the login's steps stand for. Secrets are typed at known hosts only."""

        def only_here(value: str) -> Any:
            async def give() -> str:
                self.check_host(login, view.page.url)
                return value

            return give

        async def code() -> str:
            self.check_host(login, view.page.url)
            return await self.code(login)

        return {"user": login.user, "password": only_here(login.password.get_secret_value()), "totp": code}

    def check_host(self, login: Login, url: str) -> None:
        """Refuse to type a secret at a host that the recipe does not name."""
        here = urlsplit(url).netloc
        if here not in (urlsplit(self.options.url).netloc, *login.hosts):
            raise Refusal(f"the login is at {here}, which `login.hosts` does not name; nothing was typed there")

    async def code(self, login: Login) -> str:
        """A one-time code that was not used before."""
        from pyotp import TOTP, parse_uri

        seed = login.totp.get_secret_value()
        made = parse_uri(seed) if seed.startswith("otpauth:") else TOTP(seed.replace(" ", ""))
        assert isinstance(made, TOTP)
        while (period := int(time.time() // made.interval)) <= self.last_code:
            await asyncio.sleep((self.last_code + 1) * made.interval - time.time())
        self.last_code = period
        return made.at(period * made.interval)

    def keep(self, state: StorageState) -> None:
        """Use this session from now on, and save it for other processes where there is a place."""
        self.state = state
        self.generation += 1
        if self.file is None:
            return
        partial = self.file.with_suffix(".new")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({**state, "code": self.last_code, "tab": self.tab}, out)
        partial.replace(self.file)
        self.read_at = self.file.stat().st_mtime
