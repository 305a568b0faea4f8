"""greytHR, by public clients of it: airbytehq/airbyte source-greythr (paths, paging, fields), grv2003/tap-greythr (the
sign-in), Fivetran's connector example (pages from 0, `pages.hasNext`). The vendor's own collection at
api-docs.greythr.com was not at hand: what is called unverified here is told by a single company's integration.

A person's fields are spread over lists that are joined by employeeId; a column is `firstName` of the employees
themselves, or `separation.leavingDate` of another list. Categories have names and days: `categories.Department` is the
one that holds today. Only lists that the mapping names are read; bank details cannot be.

Least permission: an API user that reads employees and lists of values.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import httpx
import pandas as pd
from pydantic import Field, SecretStr

from connectors.auth import Auth
from connectors.errors import Refused, Retryable
from connectors.fields import pick, text
from connectors.hr.greythr_person import held_today, named, wanting, without_placeholders
from connectors.hr.records import Records, Row, answered, parts
from connectors.http import Http, client
from connectors.logins import Login, Place
from connectors.pages import Numbered, Params, walk
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

EMPLOYEES, VALUES = "/employee/v2/employees", "/hr/v2/lov"
ROSTER = "employees"
CATEGORIES, SEPARATION, TREE = "categories", "separation", "org-tree"
Part = Literal["categories", "separation", "org-tree", "profile", "work", "personal"]
PARTS: tuple[str, ...] = get_args(Part)
ASKED = {ROSTER: {"state": "ALL"}, CATEGORIES: {"descRequired": "true"}}
"""What a list is asked with: without `state` those who left may be missing (unverified); names for categories."""
LASTS = 3000  # seconds; a token was seen to be good for 3,599, and for weeks
MINUTE = 70.0  # seconds to wait out a limit; none is published
FILLED = ("employee_id", "given_name", "hire_date", "employment_status")
"""What everybody has: not shown in one row, it is hidden there."""


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
    """One company's greytHR; keeps Source and Changes."""

    title, key = "greytHR", "employeeId"
    pace = timedelta(hours=1)
    """Each question reads everybody."""

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        super().__init__(name, rules, http)
        self.columns = list(dict.fromkeys(part for field in self.fields for part in parts(field)))
        self.lists = [part for part in PARTS if any(column.startswith(f"{part}.") for column in self.columns)]
        self.every = [ROSTER, *self.lists]
        self.filled = {rules.fields[name] for name in FILLED if name in rules.fields}
        self.needed = [which for which in self.lists if which not in options.may_lack]
        self.pages = Numbered(
            param="page",
            first_page=options.first_page,
            size="size",
            per=options.page_size,
            more="pages.hasNext",
            total="pages.totalElements",
        )

    def check(self) -> str:
        """1 call for each list: its first page."""
        firsts = {
            which: self.page(path_of(which), {**asked(which), **self.pages.first()}, which) for which in self.every
        }
        found = {which: self.by_person(pick(body, "data") or (), which) for which, (_, body) in firsts.items()}
        self.refuse_hidden([row for row in self.joined(found) if ROSTER not in row])
        total = pick(firsts[ROSTER][1], "pages.totalElements")
        return f"greytHR: {total} people, all {len(self.fields)} mapped fields readable"

    def everybody(self) -> Iterator[Row]:
        """1 call for each page of each list."""
        return self.joined({which: self.by_person(self.listed(which), which) for which in self.every})

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """Everybody, whom the caller compares with what it knows. The employees can be asked for `modifiedSince`
        (unverified), but not the lists in which a move and a resignation stand, and those tell no time of change."""
        return self.read()

    def listed(self, which: str) -> Iterator[Row]:
        """A list, whole. Retryable where a page of it is missing."""
        return walk(
            self.name,
            f"read {which}",
            lambda path, sent: self.page(path, sent, which),
            path_of(which),
            self.pages,
            "data",
            asked(which),
        )

    def page(self, path: str, sent: Params, which: str) -> tuple[httpx.Response, Any]:
        """One page, which must say whether there is another."""
        doing = f"read {which}"
        response = self.http.request("GET", path, doing=doing, params=sent)
        body = self.http.body(response, doing)
        answered(self.http, pick(body, "pages.hasNext"), bool, "pages.hasNext", doing)
        return response, body

    def by_person(self, rows: Iterable[Row], which: str) -> dict[str, Row]:
        """A list by its people; Retryable where one came twice, since another was then pushed out of the page."""
        found: dict[str, Row] = {}
        for row in rows:
            if (key := text(row.get(self.key)) or "") in found:
                why = f"{key or 'somebody without employeeId'} came twice: HR changed while it was read"
                raise Retryable(self.name, f"read {which}", why, "Run again.")
            found[key] = row
        return found

    def joined(self, found: Mapping[str, dict[str, Row]]) -> Iterator[Row]:
        """Everybody who is in any list."""
        for key in dict.fromkeys(key for which in found.values() for key in which):
            yield self.whole({which: rows[key] for which, rows in found.items() if key in rows}, key)

    def whole(self, found: Mapping[str, Row], key: str) -> Row:
        """A person out of the rows in each list; ROSTER is a word of it where they are not among the employees."""
        rest: Row = {which: row for which, row in found.items() if which != ROSTER}
        if CATEGORIES in rest:
            rest[CATEGORIES] = held_today(rest[CATEGORIES].get("categoryList") or (), today())
        row = {**found[ROSTER], **rest} if ROSTER in found else {self.key: key, ROSTER: None, **rest}
        return without_placeholders(row)

    # one person

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call for each list, and 1 for the names of categories."""
        if not (employee_id.isascii() and employee_id.isdigit()):
            return None
        found = {which: row for which in self.every if (row := self.single(which, employee_id, doing))}
        return self.whole(found, employee_id) if ROSTER in found else None

    def single(self, which: str, employee_id: str, doing: str) -> Row | None:
        """A person's row in a list as the list has it: alone, categories and managers come as bare lists
        (unverified)."""
        path = f"{EMPLOYEES}/{employee_id}" + ("" if which == ROSTER else f"/{which}")
        try:
            body = self.http.json("GET", path, doing=doing, params=asked(which) if which == CATEGORIES else None)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        if isinstance(body, list):
            body = {"categoryList": self.with_names(body, doing)} if which == CATEGORIES else {"orgtree": body}
        row: Row = answered(self.http, body, dict, which, doing) if body else {}
        return row or None

    def with_names(self, entries: list[Row], doing: str) -> list[Row]:
        """A person's categories with the words for their numbers."""
        if all(entry.get("valueDesc") for entry in entries):
            return entries
        wanted = [column.partition(".")[2] for column in self.columns if column.startswith(f"{CATEGORIES}.")]
        keys = ["lov::transitiontype", *(f"cat::{name}" for name in wanted)]
        known = self.http.body(self.http.request("POST", VALUES, doing=doing, reads=True, json=keys), doing)
        try:
            return named(entries, known, wanted)
        except LookupError as error:
            why = f"greytHR names no {error.args[0]}"
            raise Refused(self.name, doing, why, "Let the API user read lists of values.") from None

    # what is not shown

    def refuse_hidden(self, rows: list[Row]) -> None:
        """Refuse a feed in which a mapped column is shown of nobody; where nobody is in a list, it hides nothing."""
        there = [which for which in self.lists if any(which in row for row in rows)]
        asked_for = [column for column in self.columns if list_of(column) in (ROSTER, *there)]
        if gone := [column for column in asked_for if rows and not any(shows(row, column) for row in rows)]:
            raise self.not_shown(gone, "read people")

    def hidden(self, row: Row) -> list[str]:
        """Whether an empty field is left out or null is unverified; so only what everybody has is missed in one row."""
        return [column for column in self.filled if not shows(row, column)]

    def wants(self, row: Row) -> str:
        """A row in each list that everybody must be in, and what else cannot be guessed."""
        if ROSTER in row:
            return "a row among the employees"
        lacking = [f"a row in {which}" for which in self.needed if which not in row]
        return " and ".join(filter(None, [*lacking, super().wants(row), wanting(row)]))


def path_of(which: str) -> str:
    return EMPLOYEES if which == ROSTER else f"{EMPLOYEES}/{which}"


def asked(which: str) -> dict[str, str]:
    """What a list is asked with, besides the page."""
    return ASKED.get(which, {})


def list_of(column: str) -> str:
    """Which list a column is of."""
    head = column.partition(".")[0]
    return head if head in PARTS else ROSTER


def shows(row: Row, column: str) -> bool:
    """Whether a row has a column, empty or not; of a list in which the person is not it is not expected."""
    head, _, inner = column.partition(".")
    if head not in PARTS:
        return head in row
    name = inner if head == CATEGORIES else inner.partition(".")[0]
    return name in (row.get(head) or {})


def today() -> date:
    """The day by which categories hold; people east of here are at most some hours ahead."""
    return datetime.now(UTC).date()
