"""Paging styles as small objects, and the walk through the pages that no server can lead astray."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from pydantic import Field, model_validator

from connectors.errors import Refused, Retryable
from connectors.fields import pick
from mappings.words import Words

Params = dict[str, str | int]
MOST_EMPTY = 100
"""Empty pages in a row that an app may give and still have more: filters are applied to pages after the fact."""


@dataclass(frozen=True)
class Page:
    """One answer of a listing, and where in the listing it stands."""

    response: httpx.Response
    body: Any
    items: list[dict[str, Any]]
    sent: Params
    before: int
    """Items on the pages before this one."""

    @property
    def so_far(self) -> int:
        return self.before + len(self.items)


class Style(Protocol):
    """How a listing goes on."""

    @property
    def total(self) -> str | None:
        """Where an answer states the number of all items (dotted); None: not stated, or not to be believed."""

    def first(self) -> Params:
        """Query parameters of the first page."""

    def after(self, page: Page) -> Params | str | None:
        """Parameters or URL of the page after this one; None at the end."""


class Counted(Words):
    """Styles that count: the end is a short page that reaches the stated total, the stated last page, an answer that
    says there is no more, or an empty page."""

    size: str | None = None
    """The parameter with the page size."""
    per: int = Field(default=100, gt=0)
    """Items asked for per page."""
    total: str | None = None
    """Where the number of all items is stated (dotted, or `header:X-Total`); leave out where it is wrong."""
    more: str | None = None
    """Where it is stated whether there is more (dotted): true, or anything that is there."""

    def sized(self, **params: int) -> Params:
        return {**params, **({self.size: self.per} if self.size else {})}

    def ended(self, page: Page) -> bool:
        """A full page is never the end, whatever the total says (some state the page's own count); a short one
        is not, where the total says more (a server may give fewer per page than were asked for)."""
        if self.more is not None:
            return not page.items or not pick(page.body, self.more)
        stated = stated_total(self.total, page)
        short = bool(self.size) and len(page.items) < self.per
        if not page.items or stated is None:
            return not page.items or short
        return page.so_far >= stated and (short or not self.size)


class Numbered(Counted):
    """`?page=2&per_page=50`."""

    param: str = "page"
    """The parameter with the page's number."""
    first_page: int = 1
    last: str | None = None
    """Where the number of the last page is stated (dotted, or `header:X-Total-Pages`)."""

    def first(self) -> Params:
        return self.sized(**{self.param: self.first_page})

    def after(self, page: Page) -> Params | None:
        number, last = int(page.sent[self.param]), stated_total(self.last, page)
        if last is not None:  # a full page is not believed to be the last where the total says more
            ended = number >= last and page.so_far >= (stated_total(self.total, page) or 0)
        else:
            ended = self.ended(page)
        return None if ended else self.sized(**{self.param: number + 1})


class Offset(Counted):
    """`?offset=100&limit=100`; SCIM's `startIndex` counts from 1."""

    param: str = "offset"
    """The parameter with the place of the first item."""
    base: int = 0
    """The place of the very first item: 0, or 1."""

    def first(self) -> Params:
        return self.sized(**{self.param: self.base})

    def after(self, page: Page) -> Params | None:
        return None if self.ended(page) else self.sized(**{self.param: self.base + page.so_far})


class Cursor(Words):
    """Each answer carries the cursor of the next page, or it is a field of the last item; none at the end."""

    param: str = "cursor"
    """The parameter that takes the cursor."""
    at: str = ""
    """Where an answer has the next cursor (dotted, or `header:X-Next`)."""
    last_item: str = ""
    """Or the field of a page's last item that is the cursor (dotted): its id."""
    more: str | None = None
    """Where it is stated whether there is more (dotted), for apps that always give a cursor."""
    size: str | None = None
    """The parameter with the page size."""
    per: int = Field(default=100, gt=0)
    total: str | None = None
    """Where the number of all items is stated (dotted)."""

    @model_validator(mode="after")
    def one_source(self) -> Cursor:
        if bool(self.at) == bool(self.last_item):
            raise ValueError("give one of at, last_item")
        return self

    def first(self) -> Params:
        return {self.size: self.per} if self.size else {}

    def after(self, page: Page) -> Params | None:
        if self.more is not None and not pick(page.body, self.more):
            return None
        last = page.items[-1] if page.items else None
        cursor = stated(self.at, page) if self.at else pick(last, self.last_item)
        return {**self.first(), self.param: str(cursor)} if cursor not in (None, "", False) else None


class Link(Words):
    """The URL of the next page: in the `Link: <…>; rel="next"` header (RFC 8288), or in the answer."""

    at: str = ""
    """Where an answer has it (dotted): `next`, `links.next`, `@odata.nextLink`; left out: the header."""
    size: str | None = None
    """The parameter with the page size."""
    per: int = Field(default=100, gt=0)
    total: str | None = None

    def first(self) -> Params:
        return {self.size: self.per} if self.size else {}

    def after(self, page: Page) -> str | None:
        url = pick(page.body, self.at) if self.at else page.response.links.get("next", {}).get("url")
        return str(url) if url else None


class Whole(Words):
    """Everything in one answer."""

    total: str | None = None

    def first(self) -> Params:
        return {}

    def after(self, page: Page) -> None:
        return None


class Paging(Words):
    """How an app pages its lists: one of these; none means everything in one answer."""

    page: Numbered | None = None
    offset: Offset | None = None
    cursor: Cursor | None = None
    link: Link | None = None

    @model_validator(mode="after")
    def one_at_most(self) -> Paging:
        if len(self.chosen()) > 1:
            raise ValueError("give one of page, offset, cursor, link")
        return self

    def chosen(self) -> list[Style]:
        return [s for s in (self.page, self.offset, self.cursor, self.link) if s is not None]

    def style(self) -> Style:
        """The style chosen."""
        return next(iter(self.chosen()), Whole())


def scim(per: int, total: bool = True) -> Offset:
    """SCIM's paging (RFC 7644 §3.4.2.4)."""
    return Offset(param="startIndex", base=1, size="count", per=per, total="totalResults" if total else None)


Get = Callable[[str, Params], tuple[httpx.Response, Any]]
"""Fetches one page: path or URL, and parameters."""


def walk(
    app: str, doing: str, get: Get, path: str, style: Style, items: str, query: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Every item of a listing; `items` says where an answer has them (dotted; empty: it is the list).

    Refused where the server gives one page twice or leads to another host; Retryable where it ends before its
    own total, because a short list would make people vanish.
    """
    seen: set[bytes] = set()
    step: Params | str | None = style.first()
    sent: Params = {}
    so_far, empty = 0, 0
    page: Page | None = None
    while step is not None:
        url, sent = (step, {}) if isinstance(step, str) else (path, {**(query or {}), **step})
        try:
            response, body = get(url, sent)
        except Refused as error:
            if page is None or error.status != 404 or isinstance(step, str):
                raise
            break  # some say 404 to a page after the last one (Django REST Framework)
        page = Page(response, body, listed(app, doing, body, items), sent, so_far)
        check_new(app, doing, page, seen)
        yield from page.items
        so_far, step = page.so_far, style.after(page)
        empty = 0 if page.items else empty + 1
        if empty > MOST_EMPTY:
            raise endless(app, doing, "page after page is empty")
        step = at_home(app, doing, response, step)
    total = stated_total(style.total, page) if page else None
    if total is not None and so_far < total:
        raise Retryable(app, doing, f"the list ended after {so_far} of {total} items", "Try again later.")


def listed(app: str, doing: str, body: Any, items: str) -> list[dict[str, Any]]:
    """The items of an answer. An absent list is an empty one: SCIM leaves out empty Resources."""
    found = pick(body, items)
    if found is None and isinstance(body, dict) and (items or not body):
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(
            app, doing, f"there is no list at {items or 'the top'!r} of the answer{there(body)}", "Check `items`."
        )
    return found


def there(body: Any) -> str:
    """The names that an answer has, for whoever looks for the right one."""
    return f"; there is {', '.join(map(str, body)) or 'nothing'}" if isinstance(body, dict) else ""


def check_new(app: str, doing: str, page: Page, seen: set[bytes]) -> None:
    """Refuse a page that came before: going on would never end."""
    print_ = hashlib.sha256(json.dumps(page.items, sort_keys=True).encode()).digest()
    if page.items and print_ in seen:
        raise endless(app, doing, "the server gives the same page again and again")
    seen.add(print_)


def endless(app: str, doing: str, why: str) -> Refused:
    """The end of a listing that has none."""
    return Refused(app, doing, why, "Check `pages` in the app's YAML.")


def at_home(app: str, doing: str, response: httpx.Response, step: Params | str | None) -> Params | str | None:
    """The next step, unless it leads to another host: the app's token would go there. Where only the scheme differs,
    as behind a proxy that does not pass it on, it stays ours."""
    if not isinstance(step, str):
        return step
    here, there = response.url, response.url.join(step)
    if here.host == there.host and here.scheme != there.scheme and there.port in (None, here.port):
        there = there.copy_with(scheme=here.scheme, port=here.port)
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
        raise Refused(app, doing, f"the next page is on another host ({there.host})", "Ask the vendor.")
    return str(there)


def stated(where: str, page: Page) -> Any:
    """A value that an answer states: in a field of its body (dotted), or in a header."""
    kind, colon, name = where.partition(":")
    return page.response.headers.get(name) if colon and kind == "header" else pick(page.body, where)


def stated_total(where: str | None, page: Page) -> int | None:
    """The number of all items, or of the last page, as the answer states it."""
    found = stated(where, page) if where else None
    return int(found) if isinstance(found, (int, str)) and str(found).isdigit() else None
