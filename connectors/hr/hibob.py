"""HiBob (the OpenAPI description of March 2024; apidocs.hibob.com).

Everybody comes from `POST /people/search`, which has no pages: `GET /people` is deprecated. List fields are ids of
list items, so `humanReadable: APPEND` is asked for and the mapping names `humanReadable.work.department`; REPLACE is
not, because it would put a manager's name where the id has to be. A web application firewall blocks who repeats wrong
credentials: nothing here tries a 401 again.

Least permission: a service user that sees the mapped categories of everybody, and edits e-mail for the write-back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from connectors.auth import Auth, Basic
from connectors.fields import pick, text
from connectors.hr.base import Delivery, Reply
from connectors.hr.records import Row, Writable, answered, envelope
from connectors.hr.signatures import delivery, header, person_id, require_hmac, require_recent
from connectors.http import Http, client
from connectors.pages import listed
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

READABLE = "humanReadable."
MINUTE = 70.0  # seconds to wait out 50 searches a minute (apidocs.hibob.com/reference/rate-limiting)
OLDEST = timedelta(days=4)
"""Deliveries are tried again for some time (unverified for how long) with the time of the event."""
PING = "Ping test"


class Options(Words):
    """The words under `options` of a source with `connector: hibob`."""

    url: str
    """`https://api.hibob.com/v1`, or that of the sandbox."""
    user: str
    """The service user's id."""
    token: SecretStr
    webhook_secret: SecretStr | None = None
    """As Bob shows it beside the webhook; without it no delivery is believed."""
    work_domains: tuple[str, ...] = ()
    """Bob wants an e-mail of everybody new: an address of another domain is then read as none."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> HiBob:
    """The source that these rules declare; nothing is called yet."""
    auth = Auth(basic=Basic(user=options.user, password=options.token))
    http = Http(name, client(options.url.rstrip("/"), auth), around, "options.url", patience=MINUTE)
    return HiBob(name, rules, options, http)


class HiBob(Writable):
    """One company's Bob; keeps Source, WriteBack and Signals."""

    title, key = "HiBob", "root.id"

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        super().__init__(name, rules, http, options.work_domains)
        self.secret = options.webhook_secret
        self.asked = list(dict.fromkeys(field.removeprefix(READABLE) for field in self.fields))
        filled = ("employee_id", "hire_date", "employment_status")
        self.always = {category(rules.fields[name]) for name in filled if name in rules.fields}

    def check(self) -> str:
        """1 call, which is the whole feed: Bob has no pages."""
        rows = self.everybody()
        self.refuse_hidden(rows)
        return f"HiBob: {len(rows)} people, all {len(self.fields)} mapped fields readable"

    def everybody(self) -> list[Row]:
        """1 call."""
        return self.search("read people")

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call: the search finds leavers too."""
        found = self.search(doing, {"fieldPath": "root.id", "operator": "equals", "values": [employee_id]})
        return found[0] if found else None

    def search(self, doing: str, *filters: Row) -> list[Row]:
        body: Row = {"fields": self.asked, "showInactive": True, "humanReadable": "APPEND"}
        body |= {"filters": list(filters)} if filters else {}
        found = self.http.body(self.http.request("POST", "/people/search", doing=doing, reads=True, json=body), doing)
        return listed(self.name, doing, answered(self.http, pick(found, "employees"), list, "employees", doing), "")

    def cell(self, row: Row, field: str) -> str | None:
        return text(value_at(row, field))

    def hidden(self, row: Row) -> list[str]:
        """Bob leaves out what the service user may not see, and what is empty (unverified); so only a category in which
        everybody has something is missed in one person."""
        return [field for field in self.fields if category(field) in self.always and not has(row, category(field))]

    def put_email(self, row: Row, address: str, doing: str) -> None:
        """Bob sends an invitation to the new address where the person is invited or active."""
        path = f"/people/{quote(str(self.cell(row, self.key)), safe='')}/email"
        self.http.request("PUT", path, doing=doing, json={"email": address})

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Bob posts `Ping test` as text, then as JSON (apidocs.hibob.com/docs/working-with-webhooks)."""
        said: Any = body.decode("utf-8", "replace").strip() if len(body) < 200 else ""
        with suppress(ValueError, RecursionError):
            said = json.loads(said)
        return Reply() if said in (PING, {"text": PING}) else None

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """HMAC-SHA512 of the body with the webhook's secret, base64 (apidocs.hibob.com, Employee updated)."""
        require_hmac(self.secret, header(headers, "bob-signature"), body, "sha512", "base64")
        at = time_of(body)
        return delivery(self.name, body, at=require_recent(at, now, OLDEST) if at else None)

    def changed_ids(self, body: bytes) -> list[str]:
        """The employee of an event; in the first version of webhooks it stands elsewhere (unverified)."""
        said = envelope(body)
        found = next((pick(said, path) for path in ("data.employeeId", "employee.id") if pick(said, path)), None)
        return [person_id(found)] if found else []


def value_at(row: Row, field: str) -> Any:
    """A field's value: nested, fields of `root` at the top; or under its path as a name (`/address/city`: {value})."""
    inner = field.removeprefix(READABLE)
    where = row.get("humanReadable") if field != inner else row
    flat = pick(where, "/" + inner.replace(".", "/"))
    return pick(flat, "value") if isinstance(flat, dict) else flat or pick(where, inner.removeprefix("root."))


def category(field: str) -> str:
    """The category that a field belongs to: `work` of `humanReadable.work.title`."""
    return field.removeprefix(READABLE).partition(".")[0]


def has(row: Row, name: str) -> bool:
    """Whether anything of a category is shown of a person."""
    if name == "root":
        return value_at(row, "root.id") is not None
    return name in row or any(key.startswith(f"/{name}/") for key in row)


def time_of(body: bytes) -> str:
    """When the event was, as the signed body says."""
    try:
        return str(envelope(body).get("triggeredAt") or "")
    except ValueError:
        return ""
