"""greytHR, by public clients of it: airbytehq/airbyte source-greythr (paths, paging, fields), grv2003/tap-greythr (the
sign-in), Fivetran's connector example (pages from 0). The vendor's own collection at api-docs.greythr.com was not at
hand: what is called unverified here is told by a single company's integration.

A person's fields are spread over lists that are joined by employeeId; a column is `firstName` of the employees
themselves, or `separation.leavingDate` of another list. Categories have names and days: `categories.Department` is the
one that holds today. Only lists that the mapping names are read; bank details cannot be.

Least permission: an API user that reads employees and lists of values.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import pyarrow as pa
from pydantic import Field, SecretStr

from connectors.auth import Auth
from connectors.errors import Refused
from connectors.fields import pick, text
from connectors.hr.batches import SIZE, table_of
from connectors.hr.greythr_person import MEANING, held_today, named, wanting, without_placeholders
from connectors.hr.kept import Kept
from connectors.hr.paging import List, Moved, Page, Tables, whole
from connectors.hr.records import Records, Row, answered, parts
from connectors.http import Http, client
from connectors.logins import Login, Place
from connectors.pages import listed
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

EMPLOYEES, VALUES = "/employee/v2/employees", "/hr/v2/lov"
KEY, ROSTER, CATEGORIES = "employeeId", "employees", "categories"
Part = Literal["categories", "separation", "org-tree", "profile", "work", "personal"]
PARTS: tuple[str, ...] = get_args(Part)
ASKED = {ROSTER: {"state": "ALL"}, CATEGORIES: {"descRequired": "true"}}
"""What a list is asked with: without `state` those who left may be missing (unverified); names for categories."""
LASTS = 3000  # seconds; a token was seen to be good for 3,599, and for weeks
MINUTE = 70.0  # seconds to wait out a limit; none is published
FILLED = ("employee_id", "given_name", "hire_date", "employment_status")
"""What everybody has: not shown in one row, it is hidden there."""
PLACE = "_place"


class Options(Words):
    """The words under `options` of a source with `connector: greythr`."""

    url: str = "https://api.greythr.com"
    domain: str
    """`<company>.greythr.com`."""
    user: str
    password: SecretStr
    token_url: str = ""
    """Left out: `https://<domain>/uas/v1/oauth2/client-token`."""
    first_page: int = Field(default=0, ge=0, le=1)
    """The number of a list's first page: 0 as seen, 1 in the vendor's samples."""
    page_size: int = Field(default=100, ge=1, le=500)
    parallel: int = Field(default=2, ge=1, le=8)
    """Pages asked for at the same time."""
    may_lack: tuple[Part, ...] = ("separation", "profile", "org-tree")
    """Lists in which somebody need not be: no resignation, no nickname, no manager."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> GreytHr:
    """The source that these rules declare; nothing is called yet."""
    pair = f"{options.user}:{options.password.get_secret_value()}".encode()
    basic = {"Authorization": f"Basic {b64encode(pair).decode()}"}
    where = options.token_url or f"https://{options.domain}/uas/v1/oauth2/client-token"
    said: dict[str, Any] = {"path": where, "form": {"grant_type": "client_credentials"}, "headers": basic}
    said |= {"token": Place(field="access_token"), "header": "ACCESS-TOKEN", "prefix": "", "lasts": LASTS}
    login = Login.model_validate(said | {"ended": (401,)})
    made = client(options.url.rstrip("/"), Auth(login=login), {"x-greythr-domain": options.domain})
    return GreytHr(name, rules, options, Http(name, made, around, "options.url", patience=MINUTE))


class GreytHr(Records):
    """One company's greytHR; keeps Source and Changes. A row has its columns by their names as the mapping has them,
    and of each list in which the person is, which mapped columns it does not show."""

    title, key = "greytHR", KEY
    pace = timedelta(hours=1)
    """Each question reads everybody."""

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        super().__init__(name, rules, http)
        mapped = list(dict.fromkeys(part for field in self.fields for part in parts(field)))
        self.options = options
        self.mapped = {which: [c for c in mapped if list_of(c) == which and c != KEY] for which in (ROSTER, *PARTS)}
        self.lists = [which for which in PARTS if self.mapped[which]]
        self.needed = [which for which in self.lists if which not in options.may_lack]
        self.filled = {rules.fields[each] for each in FILLED if each in rules.fields} & set(self.mapped[ROSTER])

    def check(self) -> str:
        """1 call for each list: its first page."""
        firsts = {which: self.page(which, 1) for which in (ROSTER, *self.lists)}
        self.refuse_unseen({which: [page.people] for which, page in firsts.items()})
        return f"greytHR: {firsts[ROSTER].total} people, all {len(self.fields)} mapped fields readable"

    def everybody(self) -> Iterator[Row]:
        """1 call for each page of each list. Retryable where a list is not whole, or moved while it was read."""
        found = {which: whole(self.listing(which), Kept(None, which)) for which in (ROSTER, *self.lists)}
        self.refuse_unseen(found)
        return self.joined(found)

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """Everybody, whom the caller compares with what it knows. The employees can be asked for `modifiedSince`
        (unverified), but not the lists in which a move and a resignation stand, and those tell no time of change."""
        return self.read()

    def listing(self, which: str) -> List:
        """A list, to be read whole."""
        options, sleep = self.options, self.http.sleep
        return List(self.name, f"read {which}", KEY, lambda at: self.page(which, at), options.parallel, sleep=sleep)

    def page(self, which: str, number: int) -> Page:
        """A page of a list, and what it states of the whole; `number` counts from 1."""
        doing, options = f"read {which}", self.options
        asked = {"page": number - 1 + options.first_page, "size": options.page_size, **ASKED.get(which, {})}
        body = self.http.json("GET", path_of(which), doing=doing, params=asked)
        rows = listed(self.name, doing, answered(self.http, pick(body, "data"), list, "data", doing), "")
        total, last = (
            answered(self.http, pick(body, where), int, where, doing)
            for where in ("pages.totalElements", "pages.totalPages")
        )
        if number > 1 and not rows:
            raise Moved(f"page {number} of {last} is empty")
        return Page(self.compact(which, rows), total, last)

    def compact(self, which: str, rows: Sequence[Row]) -> pa.Table:
        """Rows of a list as columns of text."""
        flat = [self.flat(which, row) for row in rows]
        names = [KEY, *self.columns(which), note(which)]
        return table_of(names, [[row.get(name) for name in names] for row in flat])

    def columns(self, which: str) -> list[str]:
        """The columns of a list that count: what is mapped, and what says how it is meant."""
        return list(dict.fromkeys([*self.mapped[which], *MEANING.get(which, ())]))

    def flat(self, which: str, row: Row) -> Row:
        """The texts of a row of a list, under the columns' names, and what of them it does not show."""
        entries = listed(self.name, f"read {which}", row.get("categoryList") or [], "")
        there = held_today(entries, today()) if which == CATEGORIES else row
        inner = {column: column if which == ROSTER else column.partition(".")[2] for column in self.columns(which)}
        cells = {column: text(pick(there, name)) for column, name in inner.items()}
        gone = [column for column in self.mapped[which] if not shows(there, inner[column], which)]
        return {KEY: text(row.get(KEY)), **cells, note(which): ", ".join(gone)}

    def joined(self, found: Mapping[str, Tables]) -> Iterator[Row]:
        """Everybody who is in any list, the employees first, as they come."""
        table = pa.concat_tables(found[ROSTER])
        table = table.append_column(PLACE, pa.array(range(len(table))))
        for which in self.lists:
            table = table.join(pa.concat_tables(found[which]), KEY, join_type="full outer")
        for batch in table.sort_by(PLACE).to_batches(SIZE):
            yield from map(without_placeholders, batch.to_pylist())

    # one person

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call for each list, and 1 for the names of categories."""
        if not (employee_id.isascii() and employee_id.isdigit()):
            return None
        found: Row = {}
        for which in (ROSTER, *self.lists):
            row = self.single(which, employee_id, doing)
            if which == ROSTER and row is None:
                return None
            found |= self.flat(which, {KEY: employee_id, **row}) if row is not None else {}
        return without_placeholders(found)

    def single(self, which: str, employee_id: str, doing: str) -> Row | None:
        """A person's row in a list, as the list has it: alone, categories and managers come as bare lists
        (unverified)."""
        path = f"{EMPLOYEES}/{employee_id}" + ("" if which == ROSTER else f"/{which}")
        try:
            body = self.http.json("GET", path, doing=doing)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        if isinstance(body, list):
            found = listed(self.name, doing, body, "")
            return {"categoryList": self.with_names(found, doing)} if which == CATEGORIES else {"orgtree": found}
        row: Row = answered(self.http, body, dict, which, doing) if body else {}
        return row or None

    def with_names(self, entries: list[Row], doing: str) -> list[Row]:
        """A person's categories with the words for their numbers."""
        if all(entry.get("valueDesc") for entry in entries):
            return entries
        wanted = [column.partition(".")[2] for column in self.mapped[CATEGORIES]]
        keys = ["lov::transitiontype", *(f"cat::{name}" for name in wanted)]
        known = self.http.body(self.http.request("POST", VALUES, doing=doing, reads=True, json=keys), doing)
        try:
            return named(entries, known, wanted)
        except LookupError as error:
            why = f"greytHR names no {error.args[0]}"
            raise Refused(self.name, doing, why, "Let the API user read lists of values.") from None

    # what is not shown

    def refuse_unseen(self, found: Mapping[str, Tables]) -> None:
        """Refuse a feed in which a mapped column is shown of nobody; where nobody is in a list, it hides nothing."""
        for which, tables in found.items():
            notes = pa.concat_tables(tables)[note(which)].unique().to_pylist()
            if gone := sorted(set.intersection(*(set(each.split(", ")) for each in notes)) - {""} if notes else ()):
                raise self.not_shown(gone, f"read {which}")

    def hidden(self, row: Row) -> list[str]:
        """Whether an empty field is left out or null is unverified; so only what everybody has is missed in one row."""
        return sorted(self.filled & set((row.get(note(ROSTER)) or "").split(", ")))

    def wants(self, row: Row) -> str:
        """A row in each list that everybody must be in, and what else cannot be guessed."""
        if row.get(note(ROSTER)) is None:
            return "a row among the employees"
        lacking = [f"a row in {which}" for which in self.needed if row.get(note(which)) is None]
        return " and ".join(filter(None, [*lacking, super().wants(row), wanting(row)]))


def path_of(which: str) -> str:
    """Where a list is: all but the employees below theirs."""
    return EMPLOYEES if which == ROSTER else f"{EMPLOYEES}/{which}"


def list_of(column: str) -> str:
    """Which list a column is of."""
    head = column.partition(".")[0]
    return head if head in PARTS else ROSTER


def note(which: str) -> str:
    """The column that says of a list which mapped columns it does not show; there is none where the person is not."""
    return f"_{which}"


def shows(row: Row, name: str, which: str) -> bool:
    """Whether a row has a field, empty or not."""
    return (name if which == CATEGORIES else name.partition(".")[0]) in row


def today() -> date:
    """The day by which categories hold; the local day of people east of here may have begun already."""
    return datetime.now(UTC).date()
