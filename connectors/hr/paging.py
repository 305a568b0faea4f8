"""Lists in numbered pages: several asked for at a time, each made compact as it comes, all counted at the end.

A list that moves while it is read (its total is another one, somebody came twice or not at all) is read again. Where a
folder is given, pages that came are kept until the end, so that a reading which was cut off goes on (see kept).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa

from connectors.errors import Retryable
from connectors.hr.batches import different
from connectors.hr.kept import Kept

TRIES = 3
PAUSE = 2.0  # seconds for HR to hold still
LONG = 5
"""Pages from which a list is long: its progress is told, and its pages are kept."""
PACE = 5.0  # seconds between two lines on the progress
STATED = b"stated"
LOG = logging.getLogger("connectors.hr")
Tables = list[pa.Table]


class Page(NamedTuple):
    """One page: people as text, and what the answer states of the whole list."""

    people: pa.Table
    total: int
    last: int
    """The last page's number; the first is 1."""


class Moved(Exception):
    """The pages do not belong together; says why in a sentence."""


class List(NamedTuple):
    """A list to be read."""

    source: str
    doing: str
    """`read people`."""
    key: str
    """The column that tells people apart."""
    ask: Callable[[int], Page]
    """Fetches a page, from any thread."""
    at_once: int = 4
    """Pages asked for at the same time; the source's limits hold for them together."""
    settle: Callable[[Tables], Tables] = list
    """Looks at the whole once more where it took several pages; raises Moved."""
    sleep: Callable[[float], None] = time.sleep


def whole(what: List, kept: Kept) -> Tables:
    """All pages, in order. Retryable where HR never held still."""
    for tried in range(1, TRIES + 1):
        try:
            return once(what, kept)
        except Moved as moved:
            why = f"{moved}: HR changed while it was read, or pages are missing"
            kept.forget()
        if tried < TRIES:
            LOG.info("%s: %s; reading again", what.source, why)
            what.sleep(PAUSE)
    raise Retryable(what.source, what.doing, why, "Run again.")


def once(what: List, kept: Kept) -> Tables:
    """All pages of one look; Moved where they do not belong together."""
    first = asked(what, 1, kept)
    tables, progress, people = Tables(), Progress(what.source), 0
    for number, page in enumerate(pages(what, first, kept), 1):
        if (page.total, page.last) != (first.total, first.last):
            raise Moved(f"there were {first.total} people, then {page.total}")
        tables.append(page.people)
        people += len(page.people)
        if first.last >= LONG:
            far = f"{people:,} of {first.total:,} people ({number:,} of {first.last:,} pages)"
            progress.tell(far, number == first.last)
    if (came := different(tables, what.key)) != first.total or came != people:
        raise Moved(f"{came} different people came of {first.total}")
    return what.settle(tables) if first.last > 1 else tables


def pages(what: List, first: Page, kept: Kept) -> Iterator[Page]:
    """In order; never more than `at_once` of them wait to be taken."""
    yield first
    numbers = iter(range(2, first.last + 1))
    with ThreadPoolExecutor(what.at_once) as pool:
        coming: deque[Future[Page]] = deque()
        try:
            for number in numbers:
                coming.append(pool.submit(asked, what, number, kept))
                if len(coming) == what.at_once:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def asked(what: List, number: int, kept: Kept) -> Page:
    """A page that was kept, or as HR gives it now."""
    name = f"{what.doing.replace(' ', '-')}-{number}.arrow"
    if (held := kept.page(name)) is not None:
        total, last = map(int, held.schema.metadata[STATED].split())
        return Page(held.replace_schema_metadata(None), total, last)
    page = what.ask(number)
    if page.last >= LONG:
        kept.put(name, page.people.replace_schema_metadata({STATED: f"{page.total} {page.last}"}))
    return page


class Progress:
    """Tells how far a long reading is, every few seconds, in the thread that reads."""

    def __init__(self, source: str) -> None:
        self.source, self.told = source, time.monotonic()

    def tell(self, how_far: str, end: bool = False) -> None:
        """`12,000 of 100,000 people`."""
        now = time.monotonic()
        if end or now - self.told >= PACE:
            self.told = now
            LOG.info("%s: read %s", self.source, how_far)
