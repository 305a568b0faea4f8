"""Carries out a recipe's steps on a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from connectors.browser_page import Broken, Told, Unanswered, View, visible
from connectors.browser_scripts import KIND, OPTIONS, READ
from connectors.recipes import SETS, Step, Steps, Target, places

if TYPE_CHECKING:
    from playwright.async_api import Dialog, FilePayload, Locator

NO_ATTRIBUTES = ("key", "id", "entitlement", "random")
YES = ("true", "yes", "1", "on")
Values = Mapping[str, str | Callable[[], Awaitable[str]]]
"""What places are filled with; one-time codes are made when they are typed."""


class Walker:
    """One walk over an app's pages: the view, what the places stand for, and the step it is at."""

    def __init__(self, view: View, values: Values, given: frozenset[str] | None = None, turn: Any = None) -> None:
        self.view, self.values = view, values
        self.given = given
        """Attributes that are to be set; None: all. Fields of others are left as they are."""
        self.turn = turn
        """Waits until the app's limits allow one more page."""
        self.now = self.verb = ""
        """The step under way, for messages."""
        self.asked: list[str] = []
        """What boxes of the browser said that no step confirms."""
        self.expects: bool | str | None = None

    async def walk(self, steps: Steps, name: str) -> None:
        """All steps in order. Raises what connectors.browser_page lists."""
        listener = self.on_dialog
        self.view.page.on("dialog", listener)
        try:
            for number, step in enumerate(steps, 1):
                self.now = f"{name}, step {number} ({step})"
                if not self.leaves_out(step):
                    await self.carry(step)
        finally:
            with suppress(Exception):
                self.view.page.remove_listener("dialog", listener)

    def leaves_out(self, step: Step) -> bool:
        """Whether the step sets a field of an attribute that is not to be set."""
        if self.given is None or step.verb not in SETS:
            return False
        return any(name not in self.given and name not in NO_ATTRIBUTES for name in places(step))

    async def carry(self, step: Step) -> None:
        """One step."""
        from playwright.async_api import Error

        self.view.traffic.forget()
        self.expects, self.asked, self.verb = step.confirm, [], step.verb
        try:
            await CARRY[step.verb](self, step)
        except Error as error:
            if not self.view.traffic.waits_for_page():
                await self.view.still_in()
            raise self.meaning(error) from None
        if self.asked:
            raise Broken(f"the page asks {self.asked[0]!r}, and the step says no `confirm`")
        if step.verb not in ("expect", "gone", "at", "when"):
            await self.view.at_rest()

    def meaning(self, error: Any) -> Exception:
        """A failure of the browser itself. Playwright's words quote what was typed: only their kind is kept."""
        first = str(error.message).splitlines()[0]
        if "closed" in first or "crashed" in first:
            return Unanswered("the browser ended in the middle")
        if trouble := self.view.traffic.document:
            return trouble
        if self.view.traffic.waits_for_page():
            return Unanswered("the page did not come in time")
        if "net::" in first:
            return Unanswered("the connection broke")
        return Broken(f"it cannot be done there ({type(error).__name__})")

    async def on_dialog(self, dialog: Dialog) -> None:
        """A box of the browser's own: yes, where the step says so."""
        with suppress(Exception):
            if dialog.type == "beforeunload" or self.confirmed(dialog.message):
                await dialog.accept()
            else:
                self.asked.append(dialog.message)
                await dialog.dismiss()

    def confirmed(self, message: str) -> bool:
        """Whether the step under way says yes to this."""
        return self.expects is True or (isinstance(self.expects, str) and self.expects.casefold() in message.casefold())

    async def filled(self, template: str, quoted: bool = False) -> str:
        """A text with its places filled."""
        text = template
        for name in dict.fromkeys(places(template)):
            value = self.values.get(name)
            made = value if isinstance(value, str) else await value() if value else self.nothing(name)
            text = text.replace("{" + name + "}", quote(made, safe="") if quoted else made)
        return text

    def nothing(self, name: str) -> str:
        """What an attribute without a value is: an empty field. Nobody is looked for by it."""
        if self.verb not in SETS:
            raise Broken(f"there is no value for {{{name}}}")
        return ""

    async def target(self, target: Target) -> Target:
        """A thing with the places in its name filled."""
        words: dict[str, Any] = {}
        for name in type(target).model_fields:
            value = getattr(target, name)
            if isinstance(value, str) and name != "css":
                words[name] = await self.filled(value)
            elif isinstance(value, Target):
                words[name] = await self.target(value)
        return target.model_copy(update=words)

    async def find(self, target: Target) -> Any:
        """The one thing that is meant, once it is shown."""
        return await self.view.find(await self.target(target))

    # the verbs

    async def open(self, step: Step) -> None:
        path = await self.filled(str(step.open), quoted=True)
        if self.turn:
            await self.turn(f"GET /{path.lstrip('/')}")
        await self.view.open(path)

    async def click(self, step: Step) -> None:
        assert step.click is not None
        thing = await self.find(step.click)
        if not step.tab:
            await thing.click(timeout=self.view.milliseconds)
            return
        async with self.view.page.context.expect_page(timeout=self.view.milliseconds) as opened:
            await thing.click(timeout=self.view.milliseconds)
        self.view.turn_to(await opened.value)
        self.view.page.on("dialog", self.on_dialog)
        await self.view.page.wait_for_load_state(timeout=self.view.milliseconds)

    async def fill(self, step: Step) -> None:
        assert step.fill is not None and step.with_ is not None
        thing, value = await self.find(step.fill), await self.filled(step.with_)
        kind = await thing.evaluate(KIND)
        if kind == "box":
            await thing.set_checked(value.casefold() in YES, timeout=self.view.milliseconds)
        elif kind == "select":
            await self.choose(thing, [value])
        else:
            await thing.fill(value, timeout=self.view.milliseconds)

    async def select(self, step: Step) -> None:
        assert step.select is not None
        await self.choose(await self.find(step.select), [await self.filled(each) for each in step.choose])

    async def choose(self, thing: Locator, names: list[str]) -> None:
        """Options by the names that are shown; Told where there is no such one. No value leaves the list as it is."""
        there = await thing.evaluate(OPTIONS)
        known = {each.casefold(): each for each in there}
        names = [name for name in names if name.strip() or "" in known]
        if not names:
            return
        if unknown := [name for name in names if name.strip().casefold() not in known]:
            raise Told(f"there is no option {unknown[0]!r}; there are {', '.join(map(repr, there[:20])) or 'none'}")
        labels = [known[name.strip().casefold()] for name in names]
        await thing.select_option(label=labels, timeout=self.view.milliseconds)

    async def check(self, step: Step) -> None:
        assert step.check is not None
        await (await self.find(step.check)).set_checked(True, timeout=self.view.milliseconds)

    async def uncheck(self, step: Step) -> None:
        assert step.uncheck is not None
        await (await self.find(step.uncheck)).set_checked(False, timeout=self.view.milliseconds)

    async def press(self, step: Step) -> None:
        key = str(step.press)
        if step.on is None:
            await self.view.page.keyboard.press(key)
            return
        await (await self.find(step.on)).press(key, timeout=self.view.milliseconds)

    async def upload(self, step: Step) -> None:
        """A small text file of the recipe's own, such as one line of a CSV."""
        assert step.upload is not None and step.with_ is not None
        content = (await self.filled(step.with_)).encode()
        file: FilePayload = {"name": "rollcall.csv", "mimeType": "text/csv", "buffer": content}
        thing = self.view.locate(await self.target(step.upload))
        await thing.set_input_files(file, timeout=self.view.milliseconds)

    async def expect(self, step: Step) -> None:
        assert step.expect is not None
        thing = await self.find(step.expect)
        if step.reads is None:
            return
        wanted = (await self.filled(step.reads)).strip().casefold()
        if not await self.comes_true(lambda: self.reads(thing, wanted)):
            raise Broken(f"{step.expect} does not read what was expected")

    async def reads(self, thing: Locator, wanted: str) -> bool:
        return str(await thing.evaluate(READ)).strip().casefold() == wanted

    async def comes_true(self, so: Callable[[], Awaitable[bool]]) -> bool:
        """Wait until the page is so: looked at anew whenever it has drawn itself."""
        for _ in range(int(self.view.patience * 20)):
            if await so():
                return True
            await self.view.page.wait_for_timeout(50)
        return await so()

    async def gone(self, step: Step) -> None:
        assert step.gone is not None
        from playwright.async_api import TimeoutError

        shown = visible(self.view.locate(await self.target(step.gone)))
        try:
            await shown.first.wait_for(state="hidden", timeout=self.view.milliseconds)
        except TimeoutError:
            if words := await self.view.problem():
                raise Told(words) from None
            raise Broken(f"{step.gone} is still on the page {await self.view.named()}") from None

    async def at(self, step: Step) -> None:
        wanted = (await self.filled(str(step.at), quoted=True)).rstrip("/")

        async def there() -> bool:
            await self.view.still_in()
            parts = urlsplit(self.view.page.url)
            seen = parts.path + (f"#{parts.fragment}" if "#" in wanted else "")
            return fnmatchcase(seen.rstrip("/"), wanted) or fnmatchcase(seen.rstrip("/"), f"*{wanted}")

        if not await self.comes_true(there):
            if words := await self.view.problem():
                raise Told(words)
            raise Broken(f"the page is {await self.view.named()}, not {step.at}")

    async def when(self, step: Step) -> None:
        assert step.when is not None and step.or_ is not None
        target, other = await self.target(step.when), await self.target(step.or_)
        wanted = self.view.locate(target)
        await self.view.until_shown(target, [wanted, self.view.locate(other)])
        if await visible(wanted).count():
            for inner in step.then:
                if not self.leaves_out(inner):
                    await self.carry(inner)

    async def first_tab(self, step: Step) -> None:
        for page in self.view.page.context.pages[1:]:
            await page.close()
        self.view.page, self.view.traffic = self.view.seat.page, self.view.seat.traffic


CARRY: dict[str, Callable[[Walker, Step], Awaitable[None]]] = {
    "open": Walker.open,
    "click": Walker.click,
    "fill": Walker.fill,
    "select": Walker.select,
    "check": Walker.check,
    "uncheck": Walker.uncheck,
    "press": Walker.press,
    "upload": Walker.upload,
    "expect": Walker.expect,
    "gone": Walker.gone,
    "at": Walker.at,
    "when": Walker.when,
    "first_tab": Walker.first_tab,
}
