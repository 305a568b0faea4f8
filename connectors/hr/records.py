"""What sources that answer with JSON records of people have in common: the frame, hidden fields, the write-back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused, Retryable
from connectors.fields import pick, text
from connectors.hr.batches import ahead, different, frame_of, in_batches, table_of
from connectors.hr.paging import Progress
from connectors.hr.write_back import Entry
from connectors.http import Http
from mappings.feed import UNREADABLE, columns_of
from mappings.vocabulary import HrSource

Row = dict[str, Any]


class Records(ABC):
    """A source whose people are JSON objects; the mapping's columns are dotted paths in them, or several behind `|`."""

    title = ""
    """The vendor's name."""
    key = "id"
    """The column that employee_id must be: the id by which one person is asked for."""

    def __init__(self, name: str, rules: HrSource, http: Http, work_domains: Sequence[str] = ()) -> None:
        self.name, self.rules, self.http = name, rules, http
        self.fields = list(dict.fromkeys(columns_of(rules).values()))
        self.email = rules.fields.get("work_email", "")
        self.domains = {domain.casefold().lstrip("@") for domain in work_domains}
        if rules.fields["employee_id"] != self.key:
            why = f"employee_id is {rules.fields['employee_id']!r}; it must be {self.key!r}, which never changes"
            raise Refused(name, f"hr/{name}.yaml", why)

    @abstractmethod
    def everybody(self) -> Iterable[Row]:
        """All people, leavers and future hires too."""

    @abstractmethod
    def one(self, employee_id: str, doing: str) -> Row | None:
        """One person; None where HR has nobody with this id."""

    def hidden(self, row: Row) -> list[str]:
        """Mapped fields that HR does not show of this person."""
        return []

    def wants(self, row: Row) -> str:
        """What a person's row would need to be used; empty where it needs nothing."""
        gap = ", ".join(self.hidden(row))
        return f"permission to see {gap}" if gap else ""

    def cell(self, row: Row, field: str) -> str | None:
        """A field of a person, as text."""
        return text(pick(row, field))

    def read(self) -> pd.DataFrame:
        """All people; Retryable where HR changed while it was read."""
        tables, people, progress, hidden = [], 0, Progress(self.name), set(self.fields)
        for rows in ahead(in_batches(self.everybody())):
            tables.append(self.table(rows))
            people += len(rows)
            hidden.intersection_update(*map(self.hidden, rows))
            progress.tell(f"{people:,} people")
        if different(tables, self.key) != people:
            raise Retryable(self.name, "read people", "somebody came twice: HR changed while it was read", "Run again.")
        if people and hidden:
            raise self.not_shown(sorted(hidden), "read people")
        return frame_of(tables, self.title)

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """The one row of a person."""
        row = self.person(employee_id, f"read person {employee_id}")
        return self.frame([row] if row else [])

    def person(self, employee_id: str, doing: str) -> Row | None:
        """One person, who is really the one that was asked for."""
        row = self.one(employee_id, doing) if employee_id.strip() else None
        if row is not None and (shown := self.cell(row, self.key)) != employee_id:
            raise Mismatch(self.name, doing, f"{self.title} answered with person {shown}")
        return row

    def refuse_hidden(self, rows: list[Row]) -> None:
        """Refuse a feed in which a mapped field is hidden for everybody: hidden is not empty."""
        gaps = [set(self.hidden(row)) for row in rows]
        if everywhere := sorted(set.intersection(*gaps)) if gaps else []:
            raise self.not_shown(everywhere, "read people")

    def not_shown(self, fields: Iterable[str], doing: str) -> Refused:
        todo = "Give the API user access to them, or mend their names in the mapping."
        return Refused(self.name, doing, f"{self.title} does not show {', '.join(fields)}", todo, 403)

    def frame(self, rows: list[Row]) -> pd.DataFrame:
        """Rows as text; what a row wants is named in UNREADABLE."""
        return frame_of([self.table(rows)], self.title)

    def table(self, rows: Sequence[Row]) -> pa.Table:
        """Rows as columns of text."""
        cells = [[*(self.shown(row, field) for field in self.fields), self.wants(row) or None] for row in rows]
        return table_of([*self.fields, UNREADABLE], cells)

    def shown(self, row: Row, field: str) -> str | None:
        """A cell; an address of a foreign domain is no work e-mail where the domains are told."""
        value = next(filter(None, (self.cell(row, part) for part in parts(field))), None)
        foreign = field == self.email and self.domains and value
        return None if foreign and str(value).casefold().rpartition("@")[2] not in self.domains else value


class Writable(Records):
    """Records whose work e-mail can be written."""

    @abstractmethod
    def put_email(self, row: Row, address: str, doing: str) -> None:
        """Write the address; `row` is the person as just read."""

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """3 calls."""
        entry = Entry(self.name, self.title, employee_id, address, instead_of)
        entry.require_allowed(self.rules, mapped=bool(self.email))
        row = self.readable(employee_id, entry.doing)
        if entry.stands((self.shown(row, self.email) or "").strip()):
            return Outcome.ALREADY
        self.put_email(row, address, entry.doing)
        entry.require_shown(self.shown(self.readable(employee_id, entry.doing), self.email) or "")
        return Outcome.DONE

    def readable(self, employee_id: str, doing: str) -> Row:
        """The person; Refused where there is none or where the work e-mail is hidden."""
        row = self.person(employee_id, doing)
        if row is None:
            raise Refused(self.name, doing, f"{self.title} has nobody with this id", status=404)
        if self.email in self.hidden(row):
            raise self.not_shown([self.email], doing)
        return row


def parts(field: str) -> list[str]:
    """`last_working_day | contract_end_date`: the first that says something counts."""
    return [part.strip() for part in field.split("|")]


def answered(http: Http, found: Any, kind: type, name: str, doing: str) -> Any:
    """The part of an answer that must be there; Refused where it is not of this kind."""
    if not isinstance(found, kind):
        raise Refused(http.app, doing, f"the answer has no {name}", f"Check {http.address}.")
    return found


def envelope(body: bytes) -> Mapping[str, Any]:
    """A webhook's body as a JSON object; ValueError where it is none."""
    try:
        found = json.loads(body)
    except (UnicodeDecodeError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    return found
