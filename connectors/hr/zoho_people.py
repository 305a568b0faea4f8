"""Zoho People (zoho.com/people/api: bulk-records, forms-api/fetch-single, update-records, get-record-count,
error-codes, api-limits; zoho.com/accounts/protocol/oauth: token-limits). It has no machine-readable description.

Errors come with 200 and `response.errors`, some with other statuses: the code counts, never the status. A list with
nobody in it is an error too (7024). Look-ups are words (`Marlene Juniper 0101`) with the record's id beside them
(`Reporting_To.ID`). Dates are text in the format that the company has set: the mapping says which.

Least permission: ZOHOPEOPLE.forms.READ, and ZOHOPEOPLE.forms.UPDATE for the write-back, of a user whose role may view
(and edit) all employees.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
import pandas as pd
import pyarrow as pa
from pydantic import Field, SecretStr

from connectors.answers import Failure, Told
from connectors.auth import below
from connectors.errors import Refused, Retryable
from connectors.fields import listing, pick, text
from connectors.hr.base import Delivery, Reply
from connectors.hr.batches import frame_of, hidden_of_all, laid_over
from connectors.hr.kept import Kept, reading
from connectors.hr.paging import List, Page, whole
from connectors.hr.records import Row, Writable, answered, envelope, parts
from connectors.hr.renewal import Grant, Renewal
from connectors.hr.signatures import header, require_token
from connectors.http import LONGEST_WORDS, client, spoken
from connectors.pages import Offset, Params, walk
from connectors.signing import json_of
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

MOST_PER_PAGE = 200
AT_ONCE = 4  # pages
A_BREATH = timedelta(minutes=10)
"""Clocks differ."""
LOCK = 300.0  # seconds for which an endpoint is closed to whoever passed its threshold
TEN_MINUTES = 600.0  # in which 10 access tokens may be asked for
MEANS = {"7024": 204, "7049": 404, "7202": 401, "7213": 401, "7051": 409}
MEANS |= dict.fromkeys(("7037", "7038", "7039", "7040", "7041"), 403)
"""error-codes: nobody, no such record, twice the same, not permitted. Not in it are 7202 and 7213, which third parties
saw where the token was none or had ended."""
FAILURES = (
    Failure(field="response.errors.0", code="response.errors.0.code", means=MEANS),  # a list of them: unverified
    Failure(field="response.errors", code="response.errors.code", means=MEANS),
    Failure.model_validate({"field": "response.status", "is": 1}),
)
TOKEN, HEADER, ID = "token", "x-rollcall-token", "recordId"  # noqa: S105


class Options(Words):
    """The words under `options` of a source with `connector: zoho_people`."""

    url: str
    """`https://people.zoho.com`, or that of the company's data centre: .eu, .in, .com.au, .jp, …"""
    accounts_url: str
    """`https://accounts.zoho.com`, in the same data centre."""
    client_id: str
    """Of a self client in api-console.zoho.com."""
    client_secret: SecretStr
    refresh_token: SecretStr
    webhook_token: SecretStr | None = None
    """A word of one's own that the workflow's webhook sends as the parameter `token`; without it nobody is believed."""
    work_domains: tuple[str, ...] = ()
    """Zoho wants an e-mail of everybody new: an address of another domain is then read as none."""
    form: str = "employee"
    """The link name of the form with the people."""
    counted: bool = True
    """Whether as many people must come as getRecordCount says; false where Zoho counts some that it does not list: then
    pages are read one after another, and somebody can be missed where HR changes meanwhile."""
    page_size: int = Field(default=MOST_PER_PAGE, ge=1, le=MOST_PER_PAGE)


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> ZohoPeople:
    """The source that these rules declare; nothing is called yet."""
    made = client(options.url.rstrip("/"))
    made.auth = Renewal(grant(name, options), around.keep)
    http = Zoho(name, made, around, "options.url")
    http.understand(FAILURES, "json")
    return ZohoPeople(name, rules, options, http, around.notes)


def grant(name: str, options: Options) -> Grant:
    """How an access token is asked for; the refresh token stays good until it is revoked."""
    return Grant(
        url=below(options.accounts_url, "/oauth/v2/token"),
        client_id=options.client_id,
        client_secret=options.client_secret,
        refresh_token=options.refresh_token,
        prefix="Zoho-oauthtoken",
        too_often=lambda body: TEN_MINUTES if pick(body, "error") == "Access Denied" else None,
        again=f"Make another one as docs/hr/zoho_people.md says, and set refresh_token of hr/{name}.yaml.",
    )


class Zoho(Told):
    """Calls to Zoho, which says why in a place of its own."""

    def words(self, response: httpx.Response) -> str:
        """The code, and the message, which may be an object by field."""
        errors = pick(json_of(response), "response.errors")
        first = errors[0] if isinstance(errors, list) and errors else errors
        if not isinstance(first, Mapping):
            return super().words(response)
        said = self.redaction.mask(spoken(first.get("message")))
        return f" (Zoho's {first.get('code')}): {said[:LONGEST_WORDS]}"

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """Who asks again while an endpoint is closed keeps it closed: nothing but waiting helps."""
        found = super().error(method, response, doing)
        if isinstance(found, Retryable) and found.after is None and self.meant(response) == 429:
            found.after = LOCK
        return found


class ZohoPeople(Writable):
    """One company's Zoho People; keeps Source, WriteBack, Changes and Signals."""

    title, key = "Zoho People", ID
    pace = timedelta(minutes=15)
    """96 calls a day: the smallest allowance is 250 for each user (api-limits)."""

    def __init__(self, name: str, rules: HrSource, options: Options, http: Zoho, keep: Path | None = None) -> None:
        super().__init__(name, rules, http, options.work_domains)
        self.secret, self.counted, self.keep = options.webhook_token, options.counted, keep
        self.form, self.written = (f"/people/api/forms/{way}{quote(options.form)}" for way in ("", "json/"))
        self.pages = Offset(param="sIndex", base=1, size="limit", per=options.page_size)

    def check(self) -> str:
        """2 calls."""
        total, doing = self.total("count people"), "read people"
        rows = self.some(doing, 1)
        if not rows:
            raise self.nobody(doing)
        self.refuse_hidden(rows)
        return f"Zoho People: {total} people, all {len(self.fields)} mapped fields readable"

    def read(self) -> pd.DataFrame:
        """1 call for the number of people and 1 for each 200 of them; where those are several, 1 more for who changed
        meanwhile. Retryable where HR never holds still, or where the API's user may not view them all."""
        if not self.counted:
            return super().read()
        with reading(self.keep, json.dumps([self.fields, self.form, self.pages.per])) as kept:
            tables = whole(self.whole_list(kept), kept)
        if not any(map(len, tables)):
            raise self.nobody("read people")
        if gaps := hidden_of_all(tables):
            raise self.not_shown(gaps, "read people")
        return frame_of(tables, self.title)

    def whole_list(self, kept: Kept) -> List:
        """The list as counted: offsets miss people where HR changes meanwhile, and then the count does not fit."""
        doing, counted = "read people", list[int]()

        def ask(number: int) -> Page:
            if number == 1 or not counted:
                kept.begin(datetime.now(UTC).isoformat())
                counted[:] = [self.total(doing)]
            rows = self.some(doing, number)
            return Page(self.table(rows), counted[0], max(1, math.ceil(counted[0] / self.pages.per)))

        def settle(tables: list[pa.Table]) -> list[pa.Table]:
            news = self.changed(datetime.fromisoformat(kept.moment) - A_BREATH)
            return laid_over(tables, self.key, self.table(news))

        return List(self.name, doing, self.key, ask, AT_ONCE, settle, self.http.sleep)

    def everybody(self) -> Iterator[Row]:
        """1 call for each 200 people."""
        doing, found = "read people", False
        for row in self.listed(doing, {}):
            found = True
            yield row
        if not found:
            raise self.nobody(doing)

    def nobody(self, doing: str) -> Refused:
        """The API's user is an employee too."""
        todo = "Let the role of the API's user view all employees."
        return Refused(self.name, doing, "Zoho People shows nobody, not even the API's own user", todo)

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call for each 200 people who were added or changed."""
        return self.frame(self.changed(since))

    def changed(self, since: datetime) -> list[Row]:
        """People who were added or changed."""
        return list(self.listed("read who changed", {"modifiedtime": str(int(since.timestamp() * 1000))}))

    def total(self, doing: str) -> int:
        """1 call."""
        body = self.http.json("GET", f"{self.form}/getRecordCount", doing=doing)
        return int(answered(self.http, pick(body, "response.result.RecordCount"), int, "RecordCount", doing))

    def listed(self, doing: str, query: Mapping[str, str]) -> Iterator[Row]:
        def get(path: str, sent: Params) -> tuple[httpx.Response, Any]:
            return self.page(path, sent, doing)

        found = walk(self.name, doing, get, f"{self.form}/getRecords", self.pages, "response.result", query)
        return (known(self.name, each, doing) for each in found)

    def some(self, doing: str, number: int) -> list[Row]:
        """The people of one page; the first is 1."""
        per = self.pages.per
        body = self.page(f"{self.form}/getRecords", {"sIndex": 1 + (number - 1) * per, "limit": per}, doing)[1]
        return [known(self.name, each, doing) for each in listing(pick(body, "response.result"))]

    def page(self, path: str, sent: Params, doing: str) -> tuple[httpx.Response, Any]:
        response = self.http.request("GET", path, doing=doing, params=sent)
        return response, answered(self.http, self.http.body(response, doing), dict, "response", doing)

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call; its answer has no id, so that it cannot be told to be another's."""
        if not employee_id.isdecimal():
            return None
        try:
            body = self.page(f"{self.form}/getDataByID", {ID: employee_id}, doing)[1]
        except Refused as error:
            if error.status == 404:
                return None
            raise
        found = answered(self.http, pick(body, "response.result.0"), dict, "result", doing)
        return {**found, ID: text(found.get("Zoho_ID")) or employee_id}

    def hidden(self, row: Row) -> list[str]:
        """Empty fields come as empty texts (recorded), so one that is not there is not shown."""
        return [field for field in self.fields if any(missing(row, part) for part in parts(field))]

    def put_email(self, row: Row, address: str, doing: str) -> None:
        """1 call."""
        form = {ID: row[ID], "inputData": json.dumps({parts(self.email)[0]: address})}
        self.http.request("POST", f"{self.written}/updateRecord", doing=doing, data=form)

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Zoho sets webhooks up without a word."""
        return None

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """By the word that was agreed, since nothing is signed; a replay cannot be told and would only make us look."""
        try:
            sent = parameters(body)
        except ValueError:
            sent = {}
        require_token(self.secret, header(headers, HEADER) or text(sent.get(TOKEN)) or "")
        return Delivery("")

    def changed_ids(self, body: bytes) -> list[str]:
        """The record that the workflow was about."""
        found = text(parameters(body).get(ID))
        return [found] if found else []


def known(name: str, item: Mapping[str, Any], doing: str) -> Row:
    """A person as lists have one: `{"7594…": [{fields}]}`. The number beside it is rounded by some on the way."""
    for key, records in item.items():
        if len(item) == 1 and isinstance(records, list) and len(records) == 1 and isinstance(records[0], dict):
            return {**records[0], ID: key}
    raise Refused(name, doing, "the answer has a record in an unknown form", "Check options.form.")


def missing(row: Row, field: str) -> bool:
    """Whether a field is not shown: it is not there, and not because the look-up that it goes with is empty."""
    whole, dot, _ = field.rpartition(".")
    return field not in row and not (dot and row.get(whole) == "")


def parameters(body: bytes) -> Mapping[str, Any]:
    """What a webhook sends: a form, or an object of JSON. ValueError where it is neither."""
    said = body.decode("utf-8").strip()
    if said.startswith("{"):
        return envelope(body)
    if not said:
        raise ValueError("the body is empty")
    return dict(parse_qsl(said, keep_blank_values=True, strict_parsing=True, max_num_fields=100))
