"""BambooHR (OpenAPI description of BambooHR/bhr-api-python, 2026-04).

Everybody comes from `POST /api/v2/datasets/employee/data`: `GET /employees` takes no API key, the directory
leaves out leavers, custom reports are deprecated. No filter is sent: future hires are `Inactive` there.

Least permission: a key acts as the user who made it, so a user of its own with an access level that views the mapped
fields of all employees, and edits the work e-mail where that is written back. The key ends with that user: never take
a person's who may leave. (help.merge.dev, article 5431279, on access levels; not tried at BambooHR itself.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
import pandas as pd
import pyarrow as pa
from pydantic import Field, SecretStr

from connectors.auth import Auth, Basic
from connectors.base import Outcome
from connectors.errors import Mismatch, Refused
from connectors.fields import listing, pick, text
from connectors.hr.base import Delivery, NotBelieved, Reply
from connectors.hr.batches import frame_of, hidden_of_all, laid_over, table_of, unseen
from connectors.hr.kept import Kept, reading
from connectors.hr.paging import List, Moved, Page, whole
from connectors.hr.records import envelope
from connectors.hr.signatures import delivery, header, person_id, require_hmac, require_recent
from connectors.hr.write_back import Entry
from connectors.http import Http, client, server_time
from connectors.surroundings import Surroundings
from mappings.feed import UNREADABLE, columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words

MOST_PER_PAGE = 1000
"""The maximum of the datasets call."""
ONE_BY_ONE = 50
"""People changed up to which each is read alone."""
AT_ONCE = 500
"""People whom one filter names; how long a filter may be is unverified."""
A_BREATH = timedelta(seconds=1)  # the Date header has no fractions
UPDATED, DELETED = "updated", "deleted"
ASIDE = {"api_key", "webhook_key", "parallel"}  # options that change nothing in what is read
FORM_ID = re.compile(r"data\[employeeId\]|employees\[\d+\]\[id\]")
"""documentation.bamboohr.com/docs/event-based-webhooks; the field-based form is unverified."""
SECONDS = re.compile(r"[0-9]{10}")
"""Unix time until the year 2286 (documentation.bamboohr.com/docs/webhooks-2)."""
Row = dict[str, Any]


class Options(Words):
    """The words under `options` of a source with `connector: bamboohr`."""

    url: str
    """`https://<company>.bamboohr.com`, with or without `/api/v1`."""
    api_key: SecretStr
    """Of a user who may see every mapped field of everybody, and edit the work e-mail if that is written back."""
    dataset_fields: dict[str, str] = Field(default_factory=dict)
    """Mapped field -> its name in the employee dataset, where that has another one."""
    page_size: int = Field(default=MOST_PER_PAGE, ge=1, le=MOST_PER_PAGE)
    parallel: int = Field(default=4, ge=1, le=16)
    """Pages asked for at the same time."""
    webhook_key: SecretStr | None = None
    """The webhook's `privateKey`, shown once when it is made; without it no webhook is believed."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> BambooHr:
    """The source that these rules declare; nothing is called yet."""
    if rules.fields["employee_id"] != "id":
        why = f"employee_id is {rules.fields['employee_id']!r}; it must be 'id', which never changes and finds people"
        raise Refused(name, f"hr/{name}.yaml", why)
    basic = Basic(user=options.api_key.get_secret_value(), password=SecretStr("x"))
    root = options.url.rstrip("/").removesuffix("/v1").removesuffix("/api")
    http = BambooHttp(name, client(root, Auth(basic=basic)), around)
    return BambooHr(name, rules, options, http, around.notes)


class BambooHttp(Http):
    """BambooHR says in a header what is wrong."""

    def words(self, response: httpx.Response) -> str:
        said = self.redaction.mask(response.headers.get("X-BambooHR-Error-Message", ""))
        return f": {said}" if said else super().words(response)


class BambooHr:
    """One company's BambooHR; keeps Source, WriteBack, Signals and Changes."""

    pace = timedelta(minutes=5)  # BambooHR publishes no limit

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http, keep: Path | None = None) -> None:
        self.name, self.rules, self.options, self.http, self.keep = name, rules, options, http, keep
        self.fields = list(dict.fromkeys(columns_of(rules).values()))
        self.email = rules.fields.get("work_email", "workEmail")

    def check(self) -> str:
        """1 call."""
        page = self.page(1, 1)
        self.refuse_hidden([self.table(self.rows(page))])
        return f"BambooHR: {page['meta']['totalItems']} people, all {len(self.fields)} mapped fields readable"

    def read(self) -> pd.DataFrame:
        """1 call for each page of 1,000 people; where that is more than one, 1 more for what changed meanwhile, and 1
        for each 500 people who did. Retryable where HR never holds still."""
        question = json.dumps([self.rules.fields, self.options.model_dump(mode="json", exclude=ASIDE)])
        with reading(self.keep, question) as kept:
            tables = whole(self.everybody(kept), kept)
            self.refuse_hidden(tables)
            return frame_of(tables, "BambooHR")

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """1 call."""
        row = self.employee(employee_id, self.fields, f"read person {employee_id}")
        return self.frame([row] if row else [])

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call, and 1 for each person, or for each 500 people where many have changed."""
        ids = [key for key, action in self.actions(since).items() if action != DELETED]
        if len(ids) > ONE_BY_ONE:
            return frame_of(self.people(ids), "BambooHR")
        rows = (self.employee(each, self.fields, f"read person {each}") for each in ids)
        return self.frame([row for row in rows if row])

    def actions(self, since: datetime) -> dict[str, str]:
        """Id -> inserted, updated or deleted, of everybody changed since."""
        query = {"since": since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}
        found = self.http.json("GET", "/api/v1/employees/changed", doing="read who changed", params=query)
        told = found.get("employees") if isinstance(found, dict) else None
        if not told:  # an empty object is an empty list in PHP
            return {}
        if not isinstance(told, dict):
            raise Refused(self.name, "read who changed", "the answer has no employees", "Check options.url.")
        return {key: str(pick(each, "action")).lower() for key, each in told.items()}

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """BambooHR sets a webhook up without a call."""
        return None

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """HMAC-SHA256 of the body with the timestamp behind it (documentation.bamboohr.com/docs/webhooks-2).

        A second change of the same fields of one person within the same second is a duplicate: the poll tells of it.
        """
        stamp = header(headers, "x-bamboohr-timestamp")
        if not SECONDS.fullmatch(stamp):  # of one length: nothing parts it from the body in what is signed
            raise NotBelieved("the timestamp is none")
        shown = header(headers, "x-bamboohr-signature")
        require_hmac(self.options.webhook_key, shown, body + stamp.encode(), form="either")
        return delivery(self.name, stamp, body, at=require_recent(stamp, now))

    def changed_ids(self, body: bytes) -> list[str]:
        """Of either kind of webhook, event-based and field-based, in JSON or as a form."""
        if not body.lstrip().startswith(b"{"):
            form = parse_qsl(body.decode(), strict_parsing=True, max_num_fields=10_000)
            if ids := [value for name, value in form if FORM_ID.fullmatch(name)]:
                return ids
            raise ValueError("the form names nobody")
        said = envelope(body)
        if isinstance(said.get("data"), dict):
            return [person_id(said["data"].get("employeeId"))]
        rows = said.get("employees")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("the body names nobody")
        return [person_id(row.get("id")) for row in rows]

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """2 or 3 calls."""
        entry = Entry(self.name, "BambooHR", employee_id, address, instead_of)
        return entry.written(
            self.rules,
            lambda: self.work_email(employee_id, entry.doing),
            lambda: self.http.request("POST", person_path(employee_id), doing=entry.doing, json={self.email: address}),
        )

    def work_email(self, employee_id: str, doing: str) -> str:
        """The work e-mail HR shows, empty for none; Refused where there is no such person or no permission."""
        row = self.employee(employee_id, [self.email], doing)
        if row is None:
            raise Refused(self.name, doing, "BambooHR has nobody with this id", status=404)
        if self.email in hidden(row, [self.email]):
            raise self.hidden_fields([self.email], doing)
        return (text(row[self.email]) or "").strip()

    def employee(self, employee_id: str, fields: list[str], doing: str) -> Row | None:
        """One person; fields the key may not see are left out by BambooHR."""
        if not employee_id.strip("0"):
            raise Refused(self.name, doing, "id 0 is the owner of the API key, nobody's own id")
        try:
            row: Row = self.http.json("GET", person_path(employee_id), doing=doing, params={"fields": ",".join(fields)})
        except Refused as error:
            if error.status == 404:
                return None
            raise
        if not isinstance(row, dict):
            raise Refused(self.name, doing, "the answer is no employee", "Check options.url.")
        if str(row.get("id")) != employee_id:
            raise Mismatch(self.name, doing, f"BambooHR answered with person {row.get('id')}")
        return row

    def everybody(self, kept: Kept) -> List:
        """All rows of the dataset, as of the moment at which the first page came."""

        def ask(number: int) -> Page:
            answer = self.answered(number, self.options.page_size)
            kept.begin(server_time(answer).isoformat())
            page = self.checked(answer, number)
            return Page(self.table(self.rows(page)), page["meta"]["totalItems"], page["meta"]["totalPages"])

        def settle(tables: list[pa.Table]) -> list[pa.Table]:
            return self.settled(tables, kept)

        return List(self.name, "read people", "id", ask, self.options.parallel, settle, self.http.sleep)

    def settled(self, tables: list[pa.Table], kept: Kept) -> list[pa.Table]:
        """BambooHR's pages are each of their own moment: with somebody come or gone they do not fit together; who was
        changed is read again."""
        actions = self.actions(datetime.fromisoformat(kept.moment) - A_BREATH)
        known = {key for table in tables for key in table["id"].to_pylist()} if actions else set()
        if strangers := [key for key, action in actions.items() if action != UPDATED or key not in known]:
            raise Moved(f"{len(strangers)} people came or went")
        return laid_over(tables, "id", pa.concat_tables(self.people(list(actions))))

    def people(self, ids: Sequence[str]) -> list[pa.Table]:
        """These people, out of the dataset."""
        groups = [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
        listed = (",".join("'{}'".format(each.replace("'", "''")) for each in group) for group in groups)
        pages = [self.page(1, AT_ONCE, f"{self.theirs('id')} in ({group})") for group in listed]
        return [self.table(self.rows(page)) for page in pages] or [self.table([])]

    def page(self, number: int, size: int, filter: str = "") -> Any:
        """One page, ordered by id so that pages neither overlap nor leave a gap."""
        return self.checked(self.answered(number, size, filter), number)

    def answered(self, number: int, size: int, filter: str = "") -> httpx.Response:
        names, order = [self.theirs(field) for field in self.fields], f"{self.theirs('id')} asc"
        body: Row = {"fields": names, "orderBy": order, "page": number, "pageSize": size}
        body |= {"filter": filter} if filter else {}
        doing = f"read people, page {number}"
        return self.http.request("POST", "/api/v2/datasets/employee/data", doing=doing, reads=True, json=body)

    def checked(self, answer: httpx.Response, number: int) -> Any:
        doing = f"read people, page {number}"
        page = self.http.body(answer, doing)
        if not is_page(page):
            raise Refused(self.name, doing, "the answer is no page of a dataset", "Check options.url.")
        return page

    def theirs(self, field: str) -> str:
        """A field's name in the dataset."""
        return self.options.dataset_fields.get(field, field)

    def rows(self, page: Any) -> list[Row]:
        return [self.named(row["fields"]) for row in page["data"]]

    def named(self, fields: Row) -> Row:
        """A dataset's row under the mapping's names."""
        ours = {theirs: field for field, theirs in self.options.dataset_fields.items()}
        return {ours.get(name, name): value for name, value in fields.items()}

    def refuse_hidden(self, tables: list[pa.Table]) -> None:
        """Refuse a feed in which a mapped field is hidden for everybody: hidden is not empty."""
        if everywhere := hidden_of_all(tables):
            raise self.hidden_fields(everywhere, "read people")

    def hidden_fields(self, fields: list[str], doing: str) -> Refused:
        todo = "Give the key's user access to them in BambooHR, or mend their names in the mapping."
        return Refused(self.name, doing, f"BambooHR does not show {', '.join(fields)}", todo, 403)

    def frame(self, rows: list[Row]) -> pd.DataFrame:
        """Rows as text."""
        return frame_of([self.table(rows)], "BambooHR")

    def table(self, rows: list[Row]) -> pa.Table:
        """Rows as columns of text; what is hidden in one row is named in UNREADABLE."""
        cells = [[*(text(row.get(field)) for field in self.fields), unseen(hidden(row, self.fields))] for row in rows]
        return table_of([*self.fields, UNREADABLE], cells)


def is_page(found: Any) -> bool:
    """Whether an answer is a page of a dataset, with its records and its counts."""
    rows, counts = pick(found, "data"), [pick(found, f"meta.{name}") for name in ("totalItems", "totalPages")]
    records = isinstance(rows, list) and all(isinstance(pick(row, "fields"), dict) for row in rows)
    return records and all(isinstance(count, int) for count in counts)


def hidden(row: Row, fields: list[str]) -> list[str]:
    """Fields that BambooHR left out, or named as restricted."""
    restricted = listing(row.get("_restrictedFields"))
    return [f for f in fields if f not in row or f in restricted]


def person_path(employee_id: str) -> str:
    """The path of one employee, whatever characters the id has."""
    return f"/api/v1/employees/{quote(employee_id, safe='')}"
