"""SuccessFactors' OData v2: pages by `__next`, dates as `/Date(ms)/`, an upsert that answers row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import Refused, Retryable
from connectors.fields import text
from connectors.http import Http
from connectors.listing import getter
from connectors.pages import Link, walk

Row = dict[str, Any]
DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
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
        return walk(self.http.app, doing, getter(self.http, doing), f"/{entity}", style, "d.results", query)

    def count(self, entity: str, select: tuple[str, ...], said: Mapping[str, str]) -> int:
        """How many rows there are, by a page of one."""
        doing = f"read {entity}"
        query = {"$format": "json", "$select": ",".join(select), "$inlinecount": "allpages", "$top": "1", **said}
        answer = self.http.json("GET", f"/{entity}", doing=doing, params=query)
        if not isinstance(answer, dict) or not str(answer.get("d", {}).get("__count", "")).isdigit():
            raise Refused(self.http.app, doing, "the answer has no d.__count", "Check options.url.")
        return int(answer["d"]["__count"])

    def upsert(self, row: Row, doing: str) -> None:
        """Write one row. The HTTP status is 200 whatever became of it: the row's own counts."""
        query = {"$format": "json", "purgeType": "incremental"}  # a full purge takes the siblings away
        answer = self.http.json("POST", "/upsert", doing=doing, params=query, json=row)
        told = answer.get("d") if isinstance(answer, dict) else None
        if not isinstance(told, list) or len(told) != 1:
            raise Refused(self.http.app, doing, "the upsert does not say what became of the row", "Check options.url.")
        status, words = int(told[0].get("httpCode") or 0), self.http.redaction.mask(str(told[0].get("message") or ""))
        if status == 429 or status >= 500:
            raise Retryable(self.http.app, doing, f"the row was answered {status}: {words}", "Try again later.")
        if told[0].get("status") != "OK" or status >= 400:
            raise Refused(self.http.app, doing, f"the row was answered {status}: {words}", status=status or None)


def quoted(value: str) -> str:
    """A text in OData's quotation marks, its own ones doubled."""
    return "'" + value.replace("'", "''") + "'"


def told(value: Any) -> str:
    """A cell as text: a day of `/Date(ms)/`, true and false, numbers as they are."""
    return day(value) or text(value) or ""


def day(value: Any) -> str:
    """The day of `/Date(ms)/`, which has no zone and stands for midnight; nothing where it is none."""
    found = DATE.fullmatch(value) if isinstance(value, str) else None
    return (EPOCH + timedelta(milliseconds=int(found[1]))).date().isoformat() if found else ""
