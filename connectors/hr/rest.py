"""Any HR system with a REST API, declared in YAML: where the list is, how it is paged, which field is what.

The columns are dotted names within an item (`contact.email`, `emails.type=work.value`). SCIM is one of these.

Least permission: to read people; for write-back, to change the work e-mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pandas as pd
from pydantic import BeforeValidator, Field

from connectors.auth import Auth
from connectors.base import Outcome
from connectors.calls import Call, Readable, Texts
from connectors.errors import Refused
from connectors.fields import pick, text
from connectors.hr.batches import frame_of, table_of
from connectors.hr.write_back import Entry
from connectors.http import Http, client
from connectors.listing import Listing
from connectors.pages import Paging
from connectors.surroundings import Surroundings
from mappings.feed import columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words, as_list

Row = dict[str, Any]


class Options(Words):
    """The words under `options` of a source with `connector: rest`."""

    url: str
    """The base of all paths."""
    auth: Auth | None = None
    headers: Texts = Field(default_factory=dict)
    pages: Paging = Paging()
    """How lists are paged; left out: everything in one answer."""
    people: Annotated[tuple[Listing, ...], BeforeValidator(as_list)] = Field(min_length=1)
    """The list, or several where future hires or leavers are kept apart."""
    one: Readable | None = None
    """One person by `{id}`; left out: the whole list is read. 404 is nobody."""
    item: str = ""
    """Where the person is in the answer to `one` (dotted)."""
    changed: Annotated[tuple[Listing, ...], BeforeValidator(as_list)] = ()
    """The list of those changed since `{since}` (ISO 8601, UTC), whole as in `people`."""
    pace_minutes: int = Field(default=10, gt=0)
    """How often `changed` may be asked."""
    write: Call | None = None
    """Sets the work e-mail `{address}` of `{id}`."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> RestSource:
    """The source that these rules declare; nothing is called yet."""
    http = Http(name, client(options.url, options.auth, options.headers), around, "options.url")
    kinds = [RestSource, *([Changing] if options.changed else []), *([Writing] if options.write else [])]
    made: type[RestSource] = type("RestSource", tuple(reversed(kinds)), {})
    return made(name, rules, options, http)


class RestSource:
    """One system; keeps Source."""

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        self.name, self.rules, self.options, self.http = name, rules, options, http
        self.fields = list(dict.fromkeys(columns_of(rules).values()))

    def check(self) -> str:
        """As many calls as `read`."""
        return f"{self.options.url}: {len(self.read())} people"

    def read(self) -> pd.DataFrame:
        """1 call for each page. Refused where there is nobody, or where nobody has the key."""
        frame = self.frame(self.listed(self.options.people, "read people"))
        key = self.rules.fields["employee_id"]
        if frame.empty or frame[key].isna().all():
            why = f"nobody has {key!r}" if len(frame) else "the list is empty"
            raise Refused(self.name, "read people", why, "Check options.people and its items; this removes nobody.")
        return frame

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """1 call, or as many as `read`."""
        doing, key = f"read person {employee_id}", self.rules.fields["employee_id"]
        if self.options.one is None:
            rows = list(self.listed(self.options.people, doing))
        else:
            rows = self.found(employee_id, doing)
        return self.frame([row for row in rows if text(pick(row, key)) == employee_id])

    def found(self, employee_id: str, doing: str) -> list[Row]:
        assert self.options.one is not None
        try:
            answer = self.options.one.send(self.http, doing, id=quote(employee_id, safe=""))
        except Refused as error:
            if error.status == 404:
                return []
            raise
        body = pick(self.http.body(answer, doing), self.options.item)
        return [each for each in (body if isinstance(body, list) else [body]) if isinstance(each, dict)]

    def listed(self, lists: Iterable[Listing], doing: str, **at: str) -> Iterable[Row]:
        style = self.options.pages.style()
        return (row for each in lists for row in each.rows(self.http, style, doing, **at))

    def frame(self, rows: Iterable[Row]) -> pd.DataFrame:
        """The mapped fields of each item as text."""
        cells = [[told(pick(row, name)) for name in self.fields] for row in rows]
        return frame_of([table_of(self.fields, cells)], self.name)


class Changing(RestSource):
    """Where `changed` is declared; keeps Changes."""

    @property
    def pace(self) -> timedelta:
        """As declared."""
        return timedelta(minutes=self.options.pace_minutes)

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call for each page."""
        stamp = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return self.frame(self.listed(self.options.changed, "read changes", since=stamp))


class Writing(RestSource):
    """Where `write` is declared; keeps WriteBack."""

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """2 or 3 calls where `one` is declared."""
        entry = Entry(self.name, "the system", employee_id, address, instead_of)

        def put() -> None:
            assert self.options.write is not None
            self.options.write.send(self.http, entry.doing, id=quote(employee_id, safe=""), address=address)

        return entry.written(self.rules, lambda: entry.among(self.read_one(employee_id), self.rules), put)


def told(value: Any) -> str | None:
    """A cell as text; the texts of a list are joined."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(text, value))) or None
    return text(value)
