"""Finds what a recipe names on a page and waits for it: for states, never for a time.

what the page does                          becomes
the thing is shown                          its locator
the login page is shown instead             SignedOut
a thing that `problems` names is shown      Told, with its words
no answer, connection lost, 429, 5xx        Unanswered: it may have been done
404 of the page itself                      Missing
nothing of the kind in `patience` seconds   Broken: the recipe does not fit the page (any more)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from connectors.recipes import HOLDERS, ROLES, Login, Options, Target

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page, Request, Response

WATCHED = ("document", "xhr", "fetch")
REPLACED = "net::ERR_ABORTED"  # a download, or a page that gave way to another
FORGIVING = 2.0  # seconds after which a request that goes on, such as a long poll, is no longer waited for
LONGEST_WORDS = 300
LONGEST_NAME, MOST_NAMES = 40, 10
CONTROLS = {
    "button": "button, [role=button]",
    "tab": "[role=tab]",
    "menuitem": "[role=menuitem]",
    "label": "label",
}
"""What is told of a page where a control of that kind is missing: its words, never data."""
DOWN = (408, 425, 429)


class SignedOut(Exception):
    """The login page is shown."""


class Told(Exception):
    """The page says what is wrong."""


class Missing(Exception):
    """There is no such page."""


class Broken(Exception):
    """The page is not as the recipe says."""


class Unanswered(Exception):
    """The server gave no (good) answer; `after` as it asked for."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Traffic:
    """What a page's server was asked and how it answered, of what matters to a person."""

    def __init__(self, page: Page) -> None:
        self.pending: set[Request] = set()
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.document: Unanswered | Told | None = None
        """Why the page itself could not be had."""
        self.weak: Unanswered | None = None
        """What went wrong behind the page."""
        page.on("request", self.asked)
        page.on("requestfinished", self.ended)
        page.on("requestfailed", self.failed)
        page.on("response", self.answered)

    def forget(self) -> None:
        """Begin anew before a step."""
        self.document = self.weak = None

    def asked(self, request: Request) -> None:
        if request.resource_type in WATCHED:
            self.pending.add(request)
            self.quiet.clear()

    def ended(self, request: Request) -> None:
        self.pending.discard(request)
        if not self.pending:
            self.quiet.set()

    def failed(self, request: Request) -> None:
        self.ended(request)
        why = request.failure or "the connection broke"
        if request.resource_type in WATCHED and not why.startswith(REPLACED):
            self.note(request, Unanswered(f"no answer from {host(request.url)} ({why})"))

    def answered(self, response: Response) -> None:
        if response.request.resource_type not in WATCHED:
            return
        said, wait = response.status, response.headers.get("retry-after", "")
        if said >= 500 or said in DOWN:
            after = float(wait) if wait.isdigit() else None
            self.note(response.request, Unanswered(f"the server said {said}", after))
        elif said == 403 and response.request.is_navigation_request():
            self.document = Told("not permitted (403)")

    def note(self, request: Request, trouble: Unanswered) -> None:
        if request.is_navigation_request():
            self.document = trouble
        else:
            self.weak = trouble

    async def rest(self, patience: float) -> None:
        """Until what was asked is answered. A page's own requests are waited for; what polls behind it only a while."""
        if not self.waits_for_page():
            patience = min(patience, FORGIVING)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.quiet.wait(), patience)
        if self.waits_for_page():
            raise Unanswered("the page did not come in time")

    def waits_for_page(self) -> bool:
        """Whether a page was asked for that has not come."""
        return any(request.is_navigation_request() for request in self.pending)


class Seat:
    """A browser context with its first page, kept for one app."""

    def __init__(self, context: BrowserContext, page: Page, generation: int) -> None:
        self.context, self.page, self.generation = context, page, generation
        """`generation`: of the session that it was opened with."""
        self.traffic = Traffic(page)
        self.spoilt = False
        """Whether it must not be used again."""
        self.traced = False
        """Whether what happens in it is recorded."""


class View:
    """A page, as the recipe sees it."""

    def __init__(self, seat: Seat, options: Options, signing_in: bool = False) -> None:
        self.seat, self.options, self.signing_in = seat, options, signing_in
        self.page, self.traffic = seat.page, seat.traffic
        self.traffic.forget()
        self.patience = options.patience

    @property
    def milliseconds(self) -> float:
        return self.patience * 1000

    def turn_to(self, page: Page) -> None:
        """Go on in another tab."""
        self.page, self.traffic = page, Traffic(page)

    async def open(self, path: str) -> None:
        """Go to a path below the app's url. Missing on 404 and 410."""
        from playwright.async_api import Error, TimeoutError

        self.traffic.forget()
        try:
            response = await self.page.goto(below(self.options.url, path), timeout=self.milliseconds * 2)
        except TimeoutError:
            raise Unanswered("the page did not come in time") from None
        except Error as error:
            if REPLACED not in error.message:
                raise Unanswered(f"cannot open the page ({error.message.splitlines()[0].split(' at ')[0]})") from None
            response = None
        if response and response.status in (404, 410):
            raise Missing(f"the app has no page {path}")
        if response and response.status == 401 and not self.signing_in:
            raise SignedOut
        await self.at_rest()

    async def at_rest(self) -> None:
        """Wait for the answers under way, and raise what they say."""
        await self.traffic.rest(self.patience)
        if self.traffic.document:
            raise self.traffic.document
        await self.still_in()

    async def still_in(self) -> None:
        """Raise SignedOut where the login is shown."""
        if not self.signing_in and await self.at_login():
            raise SignedOut

    async def at_login(self) -> bool:
        """Whether the login is shown: by its address, or by what it shows."""
        login = self.options.login
        if login is None:
            return False
        if place(self.page.url) == place(below(self.options.url, login.page)) and not own(login):
            return True
        return login.shown is not None and await visible(self.locate(login.shown)).count() > 0

    async def find(self, target: Target) -> Any:
        """The thing, once it is shown; exactly one."""
        locator = self.locate(target)
        await self.until_shown(target, [locator])
        return await self.only(target, locator)

    async def until_shown(self, target: Target, wanted: Iterable[Locator]) -> None:
        """Wait until one of these is shown, or else something that says why none is."""
        from playwright.async_api import TimeoutError

        locators = list(wanted)
        any_ = locators[0]
        others = [] if target.frame else self.told_elsewhere()
        for other in (*locators[1:], *others):
            any_ = any_.or_(other)
        try:
            await visible(any_).first.wait_for(timeout=self.milliseconds)
        except TimeoutError:
            await self.why_not(target)
        if not await self.shows_one(locators):
            await self.why_not(target)

    async def shows_one(self, locators: Iterable[Locator]) -> bool:
        return any([await visible(each).count() for each in locators])

    def told_elsewhere(self) -> list[Locator]:
        """What ends the waiting besides the thing itself."""
        shown = self.options.login.shown if self.options.login and not self.signing_in else None
        return [self.locate(each) for each in (*self.options.problems, *([shown] if shown else []))]

    async def why_not(self, target: Target) -> None:
        """Raise what is known about why a thing is not shown."""
        if self.traffic.waits_for_page():  # which answers no question until it is there
            raise Unanswered("the page did not come in time")
        await self.still_in()
        if words := await self.problem():
            raise Told(words)
        if trouble := self.traffic.document or self.traffic.weak:
            raise trouble
        if self.traffic.pending:
            raise Unanswered("the page is still waiting for its server")
        raise Broken(f"there is no {target} on the page {await self.named()}{await self.instead(target)}")

    async def instead(self, target: Target) -> str:
        """What controls of that kind the page shows, by their words."""
        css = CONTROLS.get(target.ways()[0])
        if css is None or target.frame:
            return ""
        told = await visible(self.page.locator(css)).all_inner_texts()
        words = list(dict.fromkeys(" ".join(each.split())[:LONGEST_NAME] for each in told if each.strip()))
        return f"; there are {', '.join(map(repr, words[:MOST_NAMES]))}" if words else ""

    async def named(self) -> str:
        """The page by title and path, without its query, which may hold anything."""
        title = ""
        with suppress(Exception):
            title = await self.page.title()
        return f"{title!r} ({urlsplit(self.page.url).path})"

    async def problem(self) -> str:
        """The words of the first problem that the page shows; empty where there is none."""
        for target in self.options.problems:
            for each in await visible(self.locate(target)).all_inner_texts():
                if words := " ".join(each.split()):
                    return words[:LONGEST_WORDS]
        return ""

    async def only(self, target: Target, locator: Locator) -> Any:
        """The one thing that is meant: what matches exactly wins over what has the name as a part."""
        shown = visible(locator)
        many = await shown.count()
        if many > 1 and not target.exact:
            exactly = visible(self.locate(target, whole=True))
            if await exactly.count() == 1:
                return exactly
        if many > 1:
            raise Broken(f"{many} things on the page {await self.named()} are {target}; say exact, within or nth")
        return shown

    def locate(self, target: Target, root: Any = None, whole: bool = False) -> Any:
        """The locator of a thing, below `root` (the page). `whole`: by all of its name, but for signs like `*`."""
        if target.frame is not None:
            root = self.locate(target.frame, root).content_frame
        if target.within is not None:
            root = self.locate(target.within, root)
        found = named_by(root or self.page, target, self.page, whole)
        if target.having is not None:
            found = found.filter(has=reading(self.page, target.having))
        return found.nth(target.nth - 1) if target.nth else found


def named_by(root: Any, target: Target, page: Page, whole: bool = False) -> Any:
    """The locator of a thing by its one way."""
    word = target.ways()[0]
    value: Any = getattr(target, word)
    found: Any
    if word in HOLDERS:
        found = root.get_by_role(word).filter(has=reading(page, value))
    elif word in ROLES:
        found = root.get_by_role(word, **called(value, "name", target.exact, whole))
    elif word == "role":
        found = root.get_by_role(value, **(called(target.name, "name", target.exact, whole) if target.name else {}))
    elif word == "term":
        found = root.locator("dt, th").filter(has_text=re.compile(rf"^\s*{letters(value)}\s*:?\s*$", re.IGNORECASE))
        found = found.locator("xpath=following-sibling::*[self::dd or self::td][1]")
    elif word in ("css", "test_id"):
        found = root.locator(value) if word == "css" else root.get_by_test_id(value)
    else:
        finder = getattr(root, {"alt": "get_by_alt_text"}.get(word, f"get_by_{word}"))
        found = finder(**called(value, "text", target.exact, whole))
    return found


def called(name: str, parameter: str, exact: bool, whole: bool) -> dict[str, Any]:
    """What Playwright is told about a name: all of it, or whole words of it. (By itself it takes parts of words, and
    `Activate` would find the button `Deactivate`.)"""
    if exact:
        return {parameter: name, "exact": True}
    if whole:
        return {parameter: re.compile(rf"^\W*{letters(name)}\W*$", re.IGNORECASE)}
    return {parameter: re.compile(rf"(?<!\w){letters(name)}(?!\w)", re.IGNORECASE)}


def letters(text: str) -> str:
    """A regular expression for a text, whatever blanks it has, in which no sign has a meaning to Playwright either."""
    return r"\s+".join("".join(map(letter, word)) for word in text.split())


def letter(sign: str) -> str:
    """One sign that stands for itself."""
    return sign if sign.isalnum() or sign == "_" or ord(sign) > 0xFFFF else f"\\u{ord(sign):04x}"


def reading(page: Page, text: str) -> Any:
    """Something that reads exactly this text, without case and surrounding blanks."""
    return page.get_by_text(re.compile(rf"^\s*{letters(text)}\s*$", re.IGNORECASE))


def visible(locator: Locator) -> Any:
    """Of these, those that are shown."""
    return locator.filter(visible=True)


def own(login: Login) -> bool:
    """Whether the login's address says nothing, because it shows at any."""
    return login.shown is not None and login.page in ("", "/")


def below(url: str, path: str) -> str:
    """An address below the app's url; whole ones stay."""
    return path if "://" in path else urljoin(url.rstrip("/") + "/", path.lstrip("/"))


def place(url: str) -> tuple[str, str, str]:
    """Host, path and fragment of an address, for comparing."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/"), parts.fragment.rstrip("/")


def host(url: str) -> str:
    """`example.com:443`, for messages."""
    return urlsplit(url).netloc or "the app"
