"""One job at an app's pages: who walks, who reads, and the camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.browser_page import Seat, View
from connectors.browser_proof import Camera
from connectors.browser_reading import Reader, Row, of_key
from connectors.browser_steps import Walker
from mappings.access import Account

if TYPE_CHECKING:
    from connectors.browser import Browser


class Visit:
    """One job at the app's pages: the walker, the reader and the camera of it."""

    def __init__(self, app: Browser, seat: Seat, camera: Camera, values: Mapping[str, str]) -> None:
        self.app, self.camera = app, camera
        self.values = dict(values)
        self.view = View(seat, app.options)

    def walker(self, given: frozenset[str] | None = None, **more: str) -> Walker:
        """A walker whose places are those of the visit and these."""
        self.last = Walker(self.view, {**self.values, **more}, given, self.app.turn)
        return self.last

    def reader(self, **more: str) -> Reader:
        return Reader(self.walker(None, **more), self.app.rules.key)

    last: Walker | None = None

    async def picture(self, shows: str) -> None:
        await self.camera.take(self.view.page, shows)

    # reading

    async def read(self, id: str) -> Account | None:
        """The account with this id, with what it holds."""
        page, words = self.app.options.account, self.app.options.accounts
        if page is None:
            row = await self.row(id)
            return await self.held_by(row.account, row.held) if row else None
        account = await self.reader(id=id, key=id).account(page, id)
        return await self.held_by(account, False) if account and (words is None or account.key) else account

    async def row(self, id: str) -> Row | None:
        """The row with this id, where an account has no page of its own."""
        assert self.app.options.accounts is not None
        if self.app.options.accounts.id is None:
            return next((row for row in await self.listed(id) if row.account.id.casefold() == id.casefold()), None)
        return next((row for row in await self.listed() if row.account.id == id), None)

    async def held_by(self, account: Account, known: bool) -> Account:
        """The account with its entitlements, from its page or another."""
        access = self.app.options.entitlements
        if access is None or known:
            return account
        reader = self.reader(id=account.id, key=account.key)
        await reader.walker.walk(access.held.all(), "entitlements.held")
        names = await reader.names(access.held.names)
        return account.model_copy(update={"entitlements": names})

    async def find(self, key: str) -> Account | None:
        """The account with this key, by the list or by its page."""
        if self.app.options.accounts is None:
            account = await self.read(key)
            return account if account and account.key.casefold() == key.casefold() else None
        return of_key(await self.listed(key), key)

    async def listed(self, key: str = "") -> list[Row]:
        """The list, narrowed down to a key where one is given and the recipe can."""
        words, find = self.app.options.accounts, self.app.options.find
        assert words is not None
        reader = self.reader(key=key)
        narrowed = find is not None and key
        await reader.walker.walk(find.all() if find and key else words.all(), "find" if narrowed else "accounts")
        return await reader.rows(words if not narrowed else words.model_copy(update={"total": None}))

    async def everybody(self) -> list[Account]:
        """The whole list, with who is not active."""
        words = self.app.options.accounts
        assert words is not None
        found = {row.account.id: row.account for row in await self.listed()}
        if words.inactive is not None:
            reader = self.reader()
            await reader.walker.walk(words.inactive.all(), "accounts.inactive")
            for row in await reader.rows(words):
                found[row.account.id] = row.account.model_copy(update={"active": False})
        return list(found.values())

    async def names(self) -> list[str]:
        """All entitlements that the app shows."""
        access = self.app.options.entitlements
        assert access is not None and access.list is not None
        reader = self.reader()
        await reader.walker.walk(access.list.all(), "entitlements.list")
        return sorted(await reader.names(access.list.names))
