"""A Workday report as a web service (RaaS), as JSON: `{"Report_Entry": [...]}`. No description exists: unverified.

The columns are the report's own aliases. There are no pages; an answer may take up to 30 minutes. A column that is
empty is left out of its row, so one that is empty for everybody cannot be told from one that is not there.

Least permission: an integration system user that may run the report and sees the report's fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from pydantic import Field

from connectors.auth import Auth
from connectors.errors import Refused
from connectors.fields import text
from connectors.http import Http, client
from connectors.surroundings import Surroundings
from mappings.feed import columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words

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
        rows = self.rows({})
        if not rows:
            todo = "Run it in Workday as the integration system user; an empty report removes nobody."
            raise Refused(self.name, "read the report", "it has no rows", todo)
        return self.frame(rows)

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """1 call."""
        key = self.rules.fields["employee_id"]
        rows = self.rows({self.options.one: employee_id} if self.options.one else {})
        return self.frame([row for row in rows if text(row.get(key)) == employee_id])

    def rows(self, prompts: Mapping[str, str]) -> list[dict[str, Any]]:
        doing = "read the report"
        asked = {**self.options.prompts, **prompts, "format": "json"}
        answer = self.http.json("GET", self.options.url, doing=doing, params=asked, timeout=TIMEOUT)
        rows = answer.get("Report_Entry") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise Refused(
                self.name, doing, "the answer has no Report_Entry", "Check options.url, and that it is shared."
            )
        return rows

    def frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        """Rows as text: every alias that occurs, and those that may be empty."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        expected = self.options.may_be_empty if rows else tuple(columns_of(self.rules).values())
        names += [name for name in dict.fromkeys(expected) if name not in names]
        index = pd.RangeIndex(2, 2 + len(rows), name="row")
        cells = [[told(row.get(name)) for name in names] for row in rows]
        frame = pd.DataFrame(cells, index=index, columns=names, dtype="string")
        frame.attrs = {"source": "the Workday report"}
        return frame


def told(value: Any) -> str | None:
    """A cell as text; what is a list of rows or values is joined."""
    if isinstance(value, list):
        parts = [text(part) or "" for each in value for part in (each.values() if isinstance(each, dict) else [each])]
        return "; ".join(part for part in parts if part)
    return text(value)
