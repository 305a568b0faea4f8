"""SuccessFactors' OData v2: pages by `__next`, dates as `/Date(ms)/`, an upsert that answers row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from connectors.errors import Refused, Retryable
from connectors.fields import pick, text
from connectors.http import Http
from connectors.listing import getter
from connectors.pages import Link, walk

Row = dict[str, Any]
DATE = re.compile(r"/Date\((-?\d{1,15})([+-]\d{1,4})?\)/")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Odata:
    """The entities of one company."""

    def __init__(self, http: Http, page_size: int) -> None:
        self.http, self.page_size = http, page_size

    def rows(self, entity: str, select: tuple[str, ...], said: Mapping[str, str]) -> Iterator[Row]:
        """Every row, page by page of one snapshot; Retryable where there are fewer than the total stated. A $top would
        end the whole list, not a page (customPageSize: unverified)."""
        doing = f"read {entity}"
        query = {
            "$format": "json",
            "$select": ",".join(select),
            "$inlinecount": "allpages",
            "paging": "snapshot",
            **said,
        }
        style = Link(at="d.__next", size="customPageSize", per=self.page_size, total="d.__count")
        for row in walk(self.http.app, doing, getter(self.http, doing), f"/{entity}", style, "d.results", query):
            if gone := [f"{entity}.{name}" for name in select if name not in row]:  # what is empty is there as null
                todo = "Give the user's role access to it, or mend its name in the mapping."
                raise Refused(self.http.app, doing, f"SuccessFactors does not show {', '.join(gone)}", todo, 403)
            yield row

    def count(self, entity: str, select: tuple[str, ...], said: Mapping[str, str]) -> int:
        """How many rows there are, by a page of one."""
        doing = f"read {entity}"
        query = {"$format": "json", "$select": ",".join(select), "$inlinecount": "allpages", "$top": "1", **said}
        answer = self.http.json("GET", f"/{entity}", doing=doing, params=query)
        total = text(pick(answer, "d.__count")) or ""
        if not (total.isascii() and total.isdigit()):
            raise Refused(self.http.app, doing, "the answer has no d.__count", "Check options.url.")
        return int(total)

    def upsert(self, row: Row, doing: str) -> None:
        """Write one row. The HTTP status is 200 whatever became of it: the row's own counts."""
        query = {"$format": "json", "purgeType": "incremental"}  # a full purge takes the siblings away
        answer = self.http.json("POST", "/upsert", doing=doing, params=query, json=row)
        told = pick(answer, "d")
        if not isinstance(told, list) or len(told) != 1 or not isinstance(told[0], dict):
            raise Refused(self.http.app, doing, "the upsert does not say what became of the row", "Check options.url.")
        code, words = text(told[0].get("httpCode")) or "", self.http.redaction.mask(text(told[0].get("message")) or "")
        status = int(code) if code.isascii() and code.isdigit() else 0
        if status == 429 or status >= 500:
            raise Retryable(self.http.app, doing, f"the row was answered {status}: {words}", "Try again later.")
        if told[0].get("status") != "OK" or status >= 400:
            raise Refused(self.http.app, doing, f"the row was answered {status}: {words}", status=status or None)


def quoted(value: str) -> str:
    """A text in OData's quotation marks, its own ones doubled."""
    return "'" + value.replace("'", "''") + "'"


def told(value: Any) -> str:
    """A cell as text: a day or a moment of `/Date(ms)/`, true and false, numbers as they are."""
    at = moment(value)
    if at is None:
        return text(value) or ""
    midnight = at.tzinfo is None and at.time() == datetime.min.time()
    return at.date().isoformat() if midnight else at.isoformat(timespec="seconds")


def day(value: Any) -> str:
    """The day of `/Date(ms)/`, which has no zone and stands for midnight; nothing where it is none."""
    at = moment(value)
    return at.date().isoformat() if at else ""


def moment(value: Any) -> datetime | None:
    """What `/Date(ms)/` is, or `/Date(ms+minutes)/` with its offset (odata.org, OData v2, JSON format, section 4)."""
    found = DATE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    with suppress(OverflowError, ValueError):
        at = EPOCH + timedelta(milliseconds=int(found[1]))
        return at.astimezone(timezone(timedelta(minutes=int(found[2])))) if found[2] else at.replace(tzinfo=None)
    return None
