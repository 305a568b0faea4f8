"""Personio: read by version 1 (OpenAPI description of January 2025), written by version 2 (developer.personio.de).

Version 1 cannot change an e-mail and ignores attributes it does not know, so the work e-mail goes to
`PATCH /v2/persons/{id}`. That both versions call a person by the same id is unverified: the person is read there first
and must have the same name.

Least permission: credentials that read the mapped employee attributes, with the scopes personio:persons:read and
personio:persons:write for the write-back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from pydantic import Field, SecretStr

from connectors.auth import Auth, OAuth
from connectors.errors import Refused
from connectors.fields import pick, text
from connectors.hr.base import Delivery, Reply
from connectors.hr.records import Row, Writable, answered, envelope, parts
from connectors.hr.signatures import delivery, header, require_token
from connectors.http import Http, client
from connectors.logins import Login, Place
from connectors.pages import Offset, Params, listed, walk
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

MOST_PER_PAGE = 100
"""Enforced since 2025-01-31 (changelog, pagination-enforcement-v1-employees-api)."""
EMPLOYEES = "/company/employees"
MINUTE = 70.0  # seconds to wait out 300 reads, or 60 sign-ins, a minute
TOKEN_LASTS = 23 * 3600  # seconds; tokens are good for 24 h (developer.personio.de/reference/auth)
ZONES = timedelta(hours=14)
"""`updated_since` names no time zone, and none is documented: ask from the earliest it could mean."""
FRACTION = re.compile(rb'"occurred_at"\s*:\s*"[0-9T:-]+[.,][0-9]')
"""Events have no ids: where their time is in whole seconds (how fine it is, is unverified), the same bytes may tell of
another change in the same second. Whoever has the token needs no replay."""
IN_PAYLOAD = ("person.id", "employment.person.id", "person_id")
"""Where an event may have the person; the payloads' fields are unverified."""


class Options(Words):
    """The words under `options` of a source with `connector: personio`."""

    url: str
    """`https://api.personio.de`."""
    client_id: str
    client_secret: SecretStr
    webhook_token: SecretStr | None = None
    """The token given to `POST /v2/webhooks`; without it no delivery is believed."""
    work_domains: tuple[str, ...] = ()
    """Version 1 wants an e-mail of everybody new: an address of another domain is then read as none."""
    page_size: int = Field(default=MOST_PER_PAGE, ge=1, le=MOST_PER_PAGE)


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> Personio:
    """The source that these rules declare; nothing is called yet."""
    root = re.sub(r"/v\d$", "", options.url.rstrip("/"))
    sent: dict[str, Any] = {"client_id": options.client_id, "client_secret": options.client_secret}
    login = Login.model_validate({"path": "auth", "json": sent, "lasts": TOKEN_LASTS, "ended": (401,)} | TOKEN)
    oauth = OAuth(token_url="auth/token", client="form", **sent)  # noqa: S106
    http, second = (
        Http(name, client(f"{root}/{version}", auth), around, "options.url", patience=MINUTE)
        for version, auth in (("v1", Auth(login=login)), ("v2", Auth(oauth=oauth)))
    )
    return Personio(name, rules, options, http, second)


TOKEN = {"token": Place(field="data.token")}


class Personio(Writable):
    """One company's Personio; keeps Source, WriteBack, Changes and Signals."""

    title, key = "Personio", "id"
    pace = timedelta(minutes=5)

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http, second: Http) -> None:
        super().__init__(name, rules, http, options.work_domains)
        self.second, self.token = second, options.webhook_token
        self.pages = Offset(size="limit", per=options.page_size, total="metadata.total_elements")
        self.attributes = sorted({part.partition(".")[0] for field in self.fields for part in parts(field)})

    def check(self) -> str:
        """1 call."""
        body = self.http.json("GET", EMPLOYEES, doing="read people", params=self.query({"limit": 1, "offset": 0}))
        found = answered(self.http, pick(body, "data"), list, "data", "read people")
        self.refuse_hidden(list(map(attributes, listed(self.name, "read people", found, ""))))
        total = pick(body, "metadata.total_elements")
        return f"Personio: {total} people, all {len(self.fields)} mapped fields readable"

    def everybody(self) -> Iterator[Row]:
        """1 call for each 100 people."""
        return self.listed("read people", {})

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call for each 100 people that changed."""
        earliest = (since.astimezone(UTC) - ZONES).strftime("%Y-%m-%dT%H:%M:%S")
        return self.frame(list(self.listed("read who changed", {"updated_since": earliest})))

    def listed(self, doing: str, query: Mapping[str, str]) -> Iterator[Row]:
        def get(path: str, sent: Params) -> tuple[httpx.Response, Any]:
            response = self.http.request("GET", path, doing=doing, params=self.query(sent))
            return response, self.http.body(response, doing)

        return map(attributes, walk(self.name, doing, get, EMPLOYEES, self.pages, "data", query))

    def query(self, sent: Params) -> dict[str, Any]:
        """With the mapped attributes, so that no salary comes along."""
        return {**sent, "attributes[]": self.attributes}

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call."""
        if not employee_id.isdecimal() or not employee_id.isascii():
            return None
        try:
            body = self.http.json("GET", f"{EMPLOYEES}/{employee_id}", doing=doing)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return attributes(answered(self.http, pick(body, "data"), dict, "data", doing))

    def cell(self, row: Row, field: str) -> str | None:
        """`hire_date`, or what is behind an attribute that is an object: `department.name`, `supervisor.id`."""
        name, _, inner = field.partition(".")
        attribute = pick(row, name)
        value = pick(attribute, "value")
        if inner:
            found = pick(value, f"attributes.{inner}")
            return text(found["value"] if isinstance(found, dict) and "value" in found else found)
        shown = text(value)
        return shown[:10] if shown and pick(attribute, "type") == "date" else shown

    def hidden(self, row: Row) -> list[str]:
        """Attributes that the credentials may not read are left out; empty ones are there."""
        return [field for field in self.fields if any(part.partition(".")[0] not in row for part in parts(field))]

    def put_email(self, row: Row, address: str, doing: str) -> None:
        """2 calls of version 2."""
        path = f"/persons/{self.cell(row, self.key)}"
        there = self.second.json("GET", path, doing=doing)
        wanted = [self.cell(row, name) for name in ("first_name", "last_name")]
        if [text(pick(there, name)) for name in ("first_name", "last_name")] != wanted:
            why = "version 2 of Personio's interface has another person under this id"
            raise Refused(self.name, doing, why, f"Enter {address} in Personio by hand.")
        self.second.request("PATCH", path, doing=doing, json={"email": address})

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Personio sets a webhook up without one."""
        return None

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """There is no signature: the token that was agreed stands in Authorization as it is."""
        require_token(self.token, header(headers, "authorization"))
        return delivery(self.name, body) if FRACTION.search(body) else Delivery("")

    def changed_ids(self, body: bytes) -> list[str]:
        """The person of an event about a person or an employment."""
        said = envelope(body)
        own = ("payload.id",) if str(said.get("event_name")).startswith("person.") else ()
        found = [text(pick(said, path)) for path in (*(f"payload.{each}" for each in IN_PAYLOAD), *own)]
        return next(([each] for each in found if each), [])


def attributes(item: Row) -> Row:
    """The attributes of an employee, each with its label, value and type."""
    found = item.get("attributes")
    return found if isinstance(found, dict) else {}
