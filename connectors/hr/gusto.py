"""Gusto, embedded (OpenAPI description of 2025-06-15; docs.gusto.com/embedded-payroll).

Employees and contractors are two lists. A write carries the `version` that was read and is refused with 409 where
somebody changed the person meanwhile. A termination's `active` says that it has gone into effect: one to come is not.
Access tokens end after two hours, and each renewal gives another refresh token; the one before ends when the new
access token is used for the first time (docs.gusto.com/app-integrations/reference/refresh-access-token).

Least permission: a company's token with the scopes employees:read and employees:write, contractors:read, jobs:read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from connectors.auth import below
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.fields import listing, text
from connectors.hr.base import Delivery, Reply
from connectors.hr.records import Row, Writable, answered, envelope
from connectors.hr.renewal import Grant, Renewal
from connectors.hr.signatures import delivery, header, require_hmac, require_recent
from connectors.http import Http, client
from connectors.pages import Numbered, Params, walk
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

VERSION = {"X-Gusto-API-Version": "2025-06-15"}
MOST_PER_PAGE = 100
"""Unverified: the description names no maximum."""
MINUTE = 70.0  # seconds to wait out 200 calls a minute (changelog, added-rate-limit-headers)
OLDEST = timedelta(days=4)
"""How old an event may be; for how long Gusto sends again is unverified."""
ABOUT = {"Employee", "Contractor"}
EMPLOYEE, CONTRACTOR = "employee", "contractor"


class Options(Words):
    """The words under `options` of a source with `connector: gusto`."""

    url: str
    """`https://api.gusto.com`, or that of the demo."""
    company: str
    """The company's uuid."""
    client_id: str
    """Of the application in Gusto's developer portal."""
    client_secret: SecretStr
    refresh_token: SecretStr
    """The first one, as it came with the company's first access token; those after it Rollcall keeps itself."""
    webhook_token: SecretStr | None = None
    """The subscription's verification token, which signs all its deliveries; without it none is believed."""
    work_domains: tuple[str, ...] = ()
    """Contractors have one e-mail only: an address of another domain is then no work e-mail."""
    page_size: int = Field(default=MOST_PER_PAGE, ge=1, le=MOST_PER_PAGE)


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> Gusto:
    """The source that these rules declare; nothing is called yet."""
    url = options.url.rstrip("/").removesuffix("/v1")
    made = client(url, headers=VERSION)
    made.auth = Renewal(grant(name, url, options), around.keep)
    return Gusto(name, rules, options, Http(name, made, around, "options.url", patience=MINUTE))


def grant(name: str, url: str, options: Options) -> Grant:
    """How the company's tokens are renewed (POST /oauth/token)."""
    return Grant(
        url=below(url, "/oauth/token"),
        client_id=options.client_id,
        client_secret=options.client_secret,
        refresh_token=options.refresh_token,
        takes="json",
        single_use=True,
        again=f"Authorise Rollcall in Gusto again and set refresh_token of hr/{name}.yaml (docs/hr/gusto.md says how).",
    )


class Gusto(Writable):
    """One company's Gusto; keeps Source, WriteBack and Signals."""

    title, key = "Gusto", "uuid"

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        super().__init__(name, rules, http, options.work_domains)
        self.company, self.secret = quote(options.company, safe=""), options.webhook_token
        self.pages = Numbered(size="per", per=options.page_size)

    def check(self) -> str:
        """2 calls."""
        for kind in (EMPLOYEE, CONTRACTOR):
            path, doing = self.path(kind), f"read {kind}s"
            answered(self.http, self.http.json("GET", path, doing=doing, params={"per": 1}), list, "list", doing)
        return "Gusto: employees and contractors can be read"

    def everybody(self) -> Iterator[Row]:
        """1 call for each 100 people, of employees and of contractors."""
        yield from self.listed(EMPLOYEE, "read employees")
        yield from self.listed(CONTRACTOR, "read contractors")

    def listed(self, kind: str, doing: str) -> Iterator[Row]:
        def get(path: str, sent: Params) -> tuple[httpx.Response, Any]:
            response = self.http.request("GET", path, doing=doing, params=sent)
            return response, self.http.body(response, doing)

        return (known(row, kind) for row in walk(self.name, doing, get, self.path(kind), self.pages, ""))

    def path(self, kind: str) -> str:
        return f"/v1/companies/{self.company}/{kind}s"

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call for an employee; contractors are looked up in their list."""
        try:
            row = self.http.json("GET", f"/v1/employees/{quote(employee_id, safe='')}", doing=doing)
        except Refused as error:
            if error.status != 404:
                raise
            return next((row for row in self.listed(CONTRACTOR, doing) if row.get("uuid") == employee_id), None)
        return known(answered(self.http, row, dict, "employee", doing), EMPLOYEE)

    def put_email(self, row: Row, address: str, doing: str) -> None:
        """1 call; Retryable where somebody changed the person meanwhile."""
        if row["kind"] == CONTRACTOR:
            todo = f"Enter {address} as their e-mail there."
            raise NeedsHuman(self.name, doing, "Gusto has no work e-mail of contractors", todo)
        body = {"version": row.get("version"), "work_email": address}
        try:
            self.http.request("PUT", f"/v1/employees/{quote(str(row['uuid']), safe='')}", doing=doing, json=body)
        except Refused as error:
            if error.status != 409:
                raise
            raise Retryable(self.name, doing, "somebody changed the person meanwhile", "Run again.") from None

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Gusto posts the verification token once; the operator sends it back with `PUT …/verify`."""
        try:
            said = envelope(body)
        except ValueError:
            return None
        token = said.get("verification_token")
        if "event_type" in said or not isinstance(token, str) or not token:
            return None
        return Reply(keep=token)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """HMAC-SHA256 of the body with the verification token, in hexadecimal; the event's time is part of the body."""
        require_hmac(self.secret, header(headers, "x-gusto-signature"), body, "sha256", "hex")
        try:
            at = text(envelope(body).get("timestamp"))
        except ValueError:
            at = None
        return delivery(self.name, body, at=require_recent(at, now, OLDEST) if at else None)

    def changed_ids(self, body: bytes) -> list[str]:
        """The employee or contractor of an event; none of events about anything else."""
        said = envelope(body)
        found = text(said.get("entity_uuid")) if said.get("entity_type") in ABOUT else None
        return [found] if found else []


def known(row: Row, kind: str) -> Row:
    """A person with `kind` and with `last_day`: that of the last termination, unless the person came back after it."""
    ends = [each for each in listing(row.get("terminations")) if isinstance(each, dict) and each.get("effective_date")]
    last = max(ends, key=lambda each: str(each["effective_date"]), default={})
    back = last.get("active") is True and row.get("terminated") is False
    return {
        **row,
        "kind": kind,
        "last_day": row.get("dismissal_date") or (None if back else last.get("effective_date")),
    }
