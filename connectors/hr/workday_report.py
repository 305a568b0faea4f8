"""A Workday report as a web service (RaaS), as JSON: `{"Report_Entry": [...]}`. No description exists: unverified.

The columns are the report's own aliases. There are no pages; an answer may take up to 30 minutes. A column that is
empty is left out of its row, so one that is empty for everybody cannot be told from one that is not there.

Least permission: an integration system user that may run the report and sees the report's fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from json import JSONDecoder
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
from pydantic import Field

from connectors.auth import Auth
from connectors.errors import Refused
from connectors.fields import pick, text
from connectors.hr.batches import TEXT, frame_of, in_batches, table_of
from connectors.http import Http, client
from connectors.surroundings import Surroundings
from mappings.feed import columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words

DOING, ENTRIES = "read the report", "Report_Entry"
BEGIN, NEXT, END = (re.compile(p) for p in (rf'\s*\{{\s*"{ENTRIES}"\s*:\s*\[\s*', r"\s*,?\s*", r"\]\s*\}\s*$"))
Row = dict[str, Any]
TIMEOUT = httpx.Timeout(1800, connect=5)  # seconds; Workday ends a report after 30 minutes


class Options(Words):
    """The words under `options` of a source with `connector: workday_report`."""

    url: str
    """`https://<host>/ccx/service/customreport2/<tenant>/<owner>/<report>`."""
    auth: Auth
    """`basic` with the integration system user, or `oauth`."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """The report's prompts, by their names in the URL: `Effective_Date`, `Worker_Type!WID`."""
    one: str = ""
    """The prompt that takes one person's employee_id: `Worker!WID`. Without it one person means the whole report."""
    may_be_empty: tuple[str, ...] = ()
    """Columns in which nobody need have a value: the last day of a company that nobody has left."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> WorkdayReport:
    """The source that these rules declare; nothing is called yet."""
    http = Http(name, client(options.url, options.auth), around, "options.url")
    return WorkdayReport(name, rules, options, http)


class WorkdayReport:
    """One report; keeps Source."""

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        self.name, self.rules, self.options, self.http = name, rules, options, http

    def check(self) -> str:
        """1 call, which runs the report."""
        frame = self.read()
        return f"Workday report: {len(frame)} rows, columns {', '.join(frame.columns)}"

    def read(self) -> pd.DataFrame:
        """1 call. Refused where nobody is in the report."""
        tables = [self.table(some) for some in in_batches(self.rows({}))]
        if not any(map(len, tables)):
            todo = "Run it in Workday as the integration system user; an empty report removes nobody."
            raise Refused(self.name, DOING, "it has no rows", todo)
        return self.frame(tables, self.options.may_be_empty)

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """1 call. A column that is empty for this person is there if it is for anybody in the answer.

        Where the answer is about this one alone, the mapping says which columns there are: `read` checks them.
        """
        key, names, found = self.rules.fields["employee_id"], dict[str, None](), list[Row]()
        for row in self.rows({self.options.one: employee_id} if self.options.one else {}):
            names |= dict.fromkeys(row)
            found += [row] if text(row.get(key)) == employee_id else []
        mapped = columns_of(self.rules).values() if self.options.one or not found else ()
        return self.frame([self.table(found)], (*names, *self.options.may_be_empty, *mapped))

    def rows(self, prompts: Mapping[str, str]) -> Iterator[Row]:
        """One after another, so that they are never all there as objects."""
        asked = {**self.options.prompts, **prompts, "format": "json"}
        answer = self.http.request("GET", self.options.url, doing=DOING, params=asked, timeout=TIMEOUT)
        begin = BEGIN.match(answer.text)
        for row in self.listed(answer, begin.end()) if begin else self.otherwise(answer):
            if not isinstance(row, dict):
                raise self.no_entries()
            yield row

    def listed(self, answer: httpx.Response, at: int) -> Iterator[Any]:
        """The items of the list that begins there; Refused where the answer breaks off."""
        said, decoder = answer.text, JSONDecoder()
        with suppress(ValueError, IndexError):
            while said[at] != "]":
                row, at = decoder.raw_decode(said, at)
                yield row
                at = NEXT.match(said, at).end()  # type: ignore[union-attr]
        if not END.match(said, at):
            self.http.body(answer, DOING)  # refuses what is no JSON
        if not said.startswith("]", at):
            raise self.no_entries()

    def otherwise(self, answer: httpx.Response) -> list[Any]:
        """The items of the list, wherever it stands in the answer."""
        rows = pick(self.http.body(answer, DOING), ENTRIES)
        if not isinstance(rows, list):
            raise self.no_entries()
        return rows

    def no_entries(self) -> Refused:
        todo = "Check options.url, and that it is shared."
        return Refused(self.name, DOING, f"the answer has no {ENTRIES}", todo)

    def table(self, rows: Sequence[Row]) -> pa.Table:
        """Rows as columns of text: every alias that occurs in them."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        return table_of(names, [[told(row.get(name)) for name in names] for row in rows])

    def frame(self, tables: Sequence[pa.Table], expected: Sequence[str]) -> pd.DataFrame:
        """Every alias that occurs, and those that may be empty."""
        table = pa.concat_tables(tables, promote_options="default")
        for name in dict.fromkeys(expected):
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table), TEXT))
        return frame_of([table], "the Workday report")


def told(value: Any) -> str | None:
    """A cell as text; what is a list of rows or values is joined."""
    if isinstance(value, list):
        parts = [text(part) or "" for each in value for part in (each.values() if isinstance(each, dict) else [each])]
        return "; ".join(part for part in parts if part)
    return text(value)
