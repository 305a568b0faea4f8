"""Reads off pages what they show: one account, the rows of a list over its pages, the names held."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from connectors.browser_page import Broken, Missing, Unanswered, View, visible
from connectors.browser_scripts import NAMES, READ, ROWS
from connectors.browser_steps import Walker
from connectors.recipes import AccountList, AccountPage, Reading, State, Target
from mappings.access import Account

if TYPE_CHECKING:
    from playwright.async_api import Locator

MOST_PAGES = 2000


class Row(NamedTuple):
    """One row of a list."""

    account: Account
    held: bool
    """Whether the row tells the entitlements."""


class Reader:
    """Reads with a walker; `key` is the attribute that finds an account."""

    def __init__(self, walker: Walker, key: str) -> None:
        self.walker, self.key = walker, key

    @property
    def view(self) -> View:
        return self.walker.view

    # one account

    async def account(self, page: AccountPage, id: str) -> Account | None:
        """The account on its page; None where the page says there is none."""
        try:
            await self.walker.walk(page.all(), "account")
            await self.arrived(page)
        except Missing:
            return None
        values = {field: await self.value(reading) for field, reading in page.fields.items()}
        attributes = {field: value for field, value in values.items() if value is not None}
        active = await self.state(page.active) if page.active else True
        return Account(id=id, key=attributes.get(self.key, ""), active=active, attributes=attributes)

    async def arrived(self, page: AccountPage) -> None:
        """Wait for the key's field; Missing where the page says that there is no such account."""
        self.walker.now = "account, reading the page"
        target = await self.walker.target(page.fields[self.key])
        if "url" in target.ways():
            return
        missing = [self.view.locate(await self.walker.target(each)) for each in page.missing]
        wanted = self.view.locate(target)
        await self.view.until_shown(target, [wanted, *missing])
        if not await visible(wanted).count():
            raise Missing("the page says so")

    async def value(self, reading: Reading) -> str | None:
        """What one thing tells; None where it is not there."""
        if reading.url is not None:
            return part(urlsplit(self.view.page.url).path, reading.url)
        target = await self.walker.target(reading)
        locator = self.view.locate(target)
        if not await visible(locator).count():
            return None
        return await self.told(await self.view.only(target, locator), reading)

    async def told(self, thing: Locator, reading: Reading) -> str | None:
        """The value, text or attribute of a thing."""
        if reading.attribute:
            found = await thing.get_attribute(reading.attribute)
        else:
            found = await thing.evaluate(READ)
        return taken(found, reading)

    async def state(self, state: State) -> bool:
        """Whether the account is active by what the page shows."""
        target = await self.walker.target(state)
        if state.shown:
            return bool(await visible(self.view.locate(target)).count())
        value = await self.value(state)
        if value is None:
            raise Broken(f"the page {await self.view.named()} does not show {state}, which tells whether it is active")
        return means_active(value, state)

    async def names(self, reading: Reading) -> frozenset[str]:
        """The names that all things of this kind on the page tell."""
        if reading.split is not None:
            value = await self.value(reading) or ""
            return frozenset(name.strip() for name in value.split(reading.split) if name.strip())
        await self.listed(reading)
        found = await self.view.locate(await self.walker.target(reading)).evaluate_all(NAMES)
        told = (taken(name, reading) for name, chosen in found if chosen or not reading.chosen)
        return frozenset(name for name in told if name)

    async def listed(self, reading: Reading) -> None:
        """Wait for the list that has the names, or for what it is in: without names, neither would be told apart from a
        page that is not ready."""
        there = reading if reading.ways()[0] in ("listbox", "combobox", "label") else reading.within
        if there is not None:
            await self.walker.find(there)

    # lists

    async def rows(self, words: AccountList) -> list[Row]:
        """All rows of the list that is open, over its pages."""
        if words.download is not None:
            return [self.csv_row(words, row) for row in await self.downloaded(words.download)]
        found: list[Row] = []
        seen: set[tuple[str, ...]] = set()
        for _ in range(MOST_PAGES):
            page = await self.page_of(words)
            mark = tuple(row.account.id for row in page)
            if page and mark in seen:
                raise Broken("the list shows the same page again and again; check `next`")
            seen.add(mark)
            found += page
            if not page or not await self.turned(words, mark):
                break
        await self.complete(words, len(found))
        return found

    async def page_of(self, words: AccountList) -> list[Row]:
        """The rows shown now; none only where the page says that there are none."""
        self.walker.now = "accounts, reading the list"
        rows = self.view.locate(await self.walker.target(words.rows))
        if words.empty is not None:
            await self.arrived_at_rows(words, rows)
        tables = await visible(rows).evaluate_all(ROWS)
        shown = [(place, row) for place, row in enumerate(tables) if not row["heading"]]
        if not shown and words.empty and not await visible(self.view.locate(words.empty)).count():
            raise Broken(f"the page {await self.view.named()} shows neither rows nor {words.empty}")
        return [await self.row(words, visible(rows).nth(place), row) for place, row in shown]

    async def arrived_at_rows(self, words: AccountList, rows: Locator) -> None:
        """Wait until there are rows, or the page says that there are none."""
        assert words.empty is not None
        empty = self.view.locate(await self.walker.target(words.empty))
        await self.view.until_shown(words.rows, [self.in_rows(rows), empty])

    def in_rows(self, rows: Locator) -> Locator:
        """Rows that are more than headings, where they are rows of a table."""
        headings = self.view.page.locator("td, [role=cell], [role=gridcell], [role=rowheader]")
        return rows.filter(has=headings).or_(rows.filter(has_not=self.view.page.locator("th, [role=columnheader]")))

    async def row(self, words: AccountList, locator: Locator, table: Mapping[str, Any]) -> Row:
        """One row as an account."""

        async def get(reading: Reading) -> str | None:
            if reading.column is not None:
                return in_column(table, reading)
            if reading.url is not None:
                raise Broken("a row of a list has no address; use `attribute: href` and `like`")
            thing = self.view.locate(await self.walker.target(reading), locator)
            return await self.told(thing.first, reading) if await thing.count() else None

        read = {name: await get(reading) for name, reading in words.fields.items()}
        active = await self.row_state(words.active, get, locator)
        id = await get(words.id) if words.id else read.get(self.key)
        held = (await get(words.held) or "") if words.held else None
        return self.made(words, read, id, active, held)

    async def row_state(self, state: State | None, get: Any, row: Locator) -> bool:
        """Whether a row's account is active."""
        if state is None:
            return True
        if state.shown:
            return bool(await visible(self.view.locate(await self.walker.target(state), row)).count())
        value = await get(state)
        if value is None:
            raise Broken(f"a row does not show {state}, which tells whether it is active")
        return means_active(value, state)

    def made(
        self, words: AccountList, read: Mapping[str, str | None], id: str | None, active: bool, held: str | None
    ) -> Row:
        """An account out of what a row tells; Broken where it has no key or id."""
        attributes = {name: value for name, value in read.items() if value is not None}
        if not attributes.get(self.key) or not id:
            raise Broken(f"a row shows no {self.key if not attributes.get(self.key) else 'id'}")
        names = frozenset(n.strip() for n in (held or "").split((words.held and words.held.split) or ",") if n.strip())
        account = Account(id=id, key=attributes[self.key], active=active, attributes=attributes, entitlements=names)
        return Row(account, held is not None)

    async def turned(self, words: AccountList, mark: tuple[str, ...]) -> bool:
        """Go to the next page and wait until it shows other rows; False on the last page."""
        if words.next is None:
            return False
        link = visible(self.view.locate(await self.walker.target(words.next)))
        if not await link.count() or not await usable(link.first):
            return False
        self.walker.now = f"accounts, to the next page ({words.next})"
        await link.first.click(timeout=self.view.milliseconds)
        await self.view.at_rest()

        async def other() -> bool:
            return tuple(row.account.id for row in await self.page_of(words)) != mark

        if not await self.walker.comes_true(other):
            raise Broken("the next page shows the same rows; check `next`")
        return True

    async def complete(self, words: AccountList, many: int) -> None:
        """Raise Unanswered where the list ended before its own total: a short list would make people vanish."""
        stated = await self.value(words.total) if words.total and words.download is None else None
        digits = re.sub(r"[.,'](?=\d{3})", "", stated or "")
        numbers = re.findall(r"\d+", digits)
        if numbers and many < int(numbers[-1]):
            raise Unanswered(f"the list ended after {many} of {numbers[-1]}")

    async def downloaded(self, target: Target) -> list[dict[str, str]]:
        """The rows of the CSV file that a click gives."""
        thing = await self.walker.find(target)
        async with self.view.page.expect_download(timeout=self.view.milliseconds * 2) as coming:
            await thing.click(timeout=self.view.milliseconds)
        file = await (await coming.value).path()
        return table_of(file.read_bytes())

    def csv_row(self, words: AccountList, row: Mapping[str, str]) -> Row:
        """A line of a CSV file as an account."""

        def get(reading: Reading | None) -> str | None:
            return taken(column_of(row, reading.column or ""), reading) if reading else None

        read = {name: get(reading) for name, reading in words.fields.items()}
        active = means_active(get(words.active) or "", words.active) if words.active else True
        return self.made(words, read, get(words.id) if words.id else read.get(self.key), active, get(words.held))


async def usable(link: Locator) -> bool:
    """Whether what leads to the next page can be clicked."""
    off = await link.get_attribute("aria-disabled")
    return (
        await link.is_enabled()
        and off != "true"
        and "disabled" not in (await link.get_attribute("class") or "").split()
    )


def in_column(table: Mapping[str, Any], reading: Reading) -> str | None:
    """What a row's cell tells, found by its column's heading or number. Broken where there is no such column."""
    cells, wanted = table["cells"], (reading.column or "").casefold()
    heads = [[name.casefold() for name in names] for names in table["heads"]]
    place = next((i for i, names in enumerate(heads) if wanted in names), None)
    if place is None and wanted.isdigit():
        place = int(wanted) - 1
    if place is None or place >= len(cells):
        seen = ", ".join(repr(names[0]) for names in table["heads"] if names[0])
        raise Broken(f"the list has no column {reading.column!r}; it has {seen or 'no headings'}")
    cell = cells[place]
    if reading.attribute:
        return taken(
            cell["href"] if reading.attribute == "href" else cell["attributes"].get(reading.attribute), reading
        )
    return taken(cell["text"], reading)


def column_of(row: Mapping[str, str], name: str) -> str | None:
    """A value of a CSV row by its heading, without case. Broken where there is no such heading."""
    for heading, value in row.items():
        if (heading or "").strip().casefold() == name.casefold():
            return value
    raise Broken(f"the file has no column {name!r}; it has {', '.join(map(repr, row))}")


def taken(found: str | None, reading: Reading) -> str | None:
    """A value without blanks, or the part of it that is wanted."""
    if found is None:
        return None
    text = found.strip()
    return part(text, reading.like) if reading.like else text


def part(text: str, template: str) -> str | None:
    """What stands at `{}`; the text may have more before and after it."""
    before, _, after = template.partition("{}")
    end = re.escape(after) if after else r"(?=[/?#&]|$)"
    found = re.search(f"{re.escape(before)}([^/?#]+?){end}", text)
    return unquote(found[1]) if found else None


def means_active(value: str, state: State) -> bool:
    """Whether a value is one of those that an active account shows."""
    return value.casefold() in {word.casefold() for word in state.is_}


def table_of(content: bytes) -> list[dict[str, str]]:
    """A CSV file with headings, whatever separates its columns."""
    text = content.decode("utf-8-sig", errors="replace")
    head = text.partition("\n")[0]
    separator = max(",;\t|", key=head.count)
    return [dict(row) for row in csv.DictReader(io.StringIO(text), delimiter=separator)]


def of_key(rows: Iterable[Row], key: str) -> Account | None:
    """The account whose key is this one, whatever came first. Broken where two are."""
    found = [row.account for row in rows if row.account.key.casefold() == key.casefold()]
    if len({account.id for account in found}) > 1:
        raise Broken(f"the list shows {len(found)} accounts with one key")
    return found[0] if found else None
