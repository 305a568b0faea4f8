"""Keka (a third party's copy of the vendor's documentation, August 2026, without schemas): unverified but for paths.

Statuses are numbers: the mapping says what each means. Dates come as ISO texts with a time, or as day-month-year: the
mapping lists the formats, and which one is meant is never guessed. There are no webhooks, and nothing published writes
an e-mail: HR enters the work e-mail. Fields of the answers are from memory.

Least permission: an API key of Global Admin with the scope of employees, read only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pandas as pd
from pydantic import Field, SecretStr

from connectors.auth import Auth
from connectors.errors import Refused, Retryable
from connectors.fields import pick
from connectors.hr.records import Records, Row, answered, parts
from connectors.http import Http, client
from connectors.logins import Login, Place
from connectors.pages import Numbered, Params, listed, walk
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

EMPLOYEES = "/hris/employees"
AGENT = {"User-Agent": "Mozilla/5.0 (compatible; Rollcall)"}
"""Some clients are refused without one like a browser's (developers.keka.com/reference)."""
MOST_PER_PAGE = 200  # unverified; the default is 100
MINUTE = 70.0  # seconds to wait out 50 calls a minute
LONGEST = timedelta(days=90)
"""The longest window of dates that is answered (secondary: api-evangelist/keka)."""


class Options(Words):
    """The words under `options` of a source with `connector: keka`."""

    url: str
    """`https://<company>.keka.com/api/v1`."""
    token_url: str = "https://login.keka.com/connect/token"  # noqa: S105
    client_id: str
    client_secret: SecretStr
    api_key: SecretStr
    page_size: int = Field(default=100, ge=1, le=MOST_PER_PAGE)


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> Keka:
    """The source that these rules declare; nothing is called yet."""
    form = {"grant_type": "kekaapi", "scope": "kekaapi", "client_id": options.client_id}
    form |= {"client_secret": options.client_secret.get_secret_value(), "api_key": options.api_key.get_secret_value()}
    said = {"path": options.token_url, "form": form, "headers": AGENT, "ended": (401,)}
    login = Login.model_validate(said | {"token": Place(field="access_token")})
    made = client(options.url.rstrip("/"), Auth(login=login), AGENT)
    return Keka(name, rules, options, Http(name, made, around, "options.url", patience=MINUTE))


class Keka(Records):
    """One company's Keka; keeps Source and Changes."""

    title = "Keka"
    pace = timedelta(minutes=15)

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        super().__init__(name, rules, http)
        self.pages = Numbered(
            param="pageNumber", size="pageSize", per=options.page_size, last="totalPages", total="totalRecords"
        )

    def check(self) -> str:
        """1 call."""
        body = self.page(EMPLOYEES, {"pageNumber": 1, "pageSize": 1}, "read employees")[1]
        found = answered(self.http, pick(body, "data"), list, "data", "read employees")
        self.refuse_hidden(listed(self.name, "read employees", found, ""))
        return f"Keka: {pick(body, 'totalRecords')} people, all {len(self.fields)} mapped fields readable"

    def everybody(self) -> Iterable[Row]:
        """1 call for each page: those who work and those who left."""
        return self.listed("read employees", {})

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call for each page of who changed. Retryable where that is too long ago to be asked."""
        if datetime.now(UTC) - since >= LONGEST:
            raise Retryable(self.name, "read who changed", "Keka answers for 90 days only", "Read everybody.")
        at = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.frame(list(self.listed("read who changed", {"lastModified": at})))

    def listed(self, doing: str, query: Mapping[str, str]) -> Iterable[Row]:
        return walk(
            self.name, doing, lambda path, sent: self.page(path, sent, doing), EMPLOYEES, self.pages, "data", query
        )

    def page(self, path: str, sent: Params, doing: str) -> tuple[httpx.Response, Any]:
        """One answer; Keka may say with 200 that it did not succeed (unverified)."""
        response = self.http.request("GET", path, doing=doing, params=sent or None)
        body = self.http.body(response, doing)
        if pick(body, "succeeded") is False:
            raise Refused(self.name, doing, f"Keka says: {self.http.redaction.mask(str(pick(body, 'message')))}")
        return response, body

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call."""
        try:
            body = self.page(f"{EMPLOYEES}/{quote(employee_id, safe='')}", {}, doing)[1]
        except Refused as error:
            if error.status == 404:
                return None
            raise
        found: Row = answered(self.http, pick(body, "data"), dict, "data", doing)
        return found

    def hidden(self, row: Row) -> list[str]:
        """Empty fields come as null (unverified), so one that is not there at all is not shown."""
        return [field for field in self.fields if any(part.partition(".")[0] not in row for part in parts(field))]
