"""Rippling, REST version 2 (OpenAPI description in a third-party SDK, 2026-04).

Workers are read only there: the work e-mail is entered in Rippling by a person. What a token may not see is missing
from the workers and named in `__meta.redacted_fields` alone. There are no webhooks: who changed is asked at a pace.

Least permission: an API token with workers.read, users.read, departments.read, employment-types.read and
work-locations.read, and the entitlements for the mapped fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pandas as pd
from pydantic import SecretStr

from connectors.auth import Auth
from connectors.errors import Refused
from connectors.fields import pick
from connectors.hr.records import Records, Row, answered, parts
from connectors.http import Http, client
from connectors.pages import Link, Params, listed, walk
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

EXPANDABLE = ("user", "department", "employment_type", "legal_entity", "level", "manager", "teams", "custom_fields")
PLACE = "work_location"
"""Rippling gives the id of a work location only; its name is joined to the worker under this word."""
HIDDEN = "redacted"
"""Where a worker's redacted fields are kept."""


class Options(Words):
    """The words under `options` of a source with `connector: rippling`."""

    url: str
    """`https://rest.ripplingapis.com`."""
    token: SecretStr


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> Rippling:
    """The source that these rules declare; nothing is called yet."""
    http = Http(name, client(options.url.rstrip("/"), Auth(bearer=options.token)), around, "options.url")
    return Rippling(name, rules, http)


class Rippling(Records):
    """One company's Rippling; keeps Source and Changes."""

    title = "Rippling"
    pace = timedelta(minutes=5)

    def __init__(self, name: str, rules: HrSource, http: Http) -> None:
        super().__init__(name, rules, http)
        heads = {part.partition(".")[0] for field in self.fields for part in parts(field)}
        self.expand = ",".join(word for word in EXPANDABLE if word in heads)
        self.places = PLACE in heads

    def check(self) -> str:
        """1 call, and those for work locations."""
        doing = "read workers"
        body = self.http.json("GET", "/workers/", doing=doing, params=self.query())
        rows = answered(self.http, pick(body, "results"), list, "results", doing)
        self.refuse_hidden([self.whole(row, body, {}) for row in listed(self.name, doing, rows, "")])
        return f"Rippling: workers can be read, all {len(self.fields)} mapped fields among them"

    def everybody(self) -> Iterable[Row]:
        """1 call for each page of workers, and those for work locations."""
        return self.workers("read workers", {"order_by": "id"})

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call for each page of who changed. The operator `ge` is unverified: the description shows `eq` only."""
        asked = {"filter": f"updated_at ge '{since.astimezone(UTC).isoformat()}'"}
        return self.frame(list(self.workers("read who changed", asked)))

    def workers(self, doing: str, asked: Mapping[str, str]) -> Iterator[Row]:
        names = self.place_names()
        body: Any = None

        def get(path: str, sent: Params) -> tuple[httpx.Response, Any]:
            nonlocal body
            response = self.http.request("GET", path, doing=doing, params=sent or None)
            body = self.http.body(response, doing)
            return response, body

        for row in walk(self.name, doing, get, "/workers/", Link(at="next_link"), "results", {**self.query(), **asked}):
            yield self.whole(row, body, names)

    def query(self) -> dict[str, str]:
        return {"expand": self.expand} if self.expand else {}

    def place_names(self) -> dict[str, str]:
        """Work location's id -> its name, where the mapping asks for it."""
        doing = "read work locations"

        def get(path: str, sent: Params) -> tuple[httpx.Response, Any]:
            response = self.http.request("GET", path, doing=doing)
            return response, self.http.body(response, doing)

        listed = walk(self.name, doing, get, "/work-locations/", Link(at="next_link"), "results") if self.places else ()
        return {str(row.get("id")): str(row.get("name")) for row in listed}

    def whole(self, row: Row, body: Any, names: Mapping[str, str]) -> Row:
        """A worker with the name of the place, and with what was redacted in the answer."""
        place = names.get(str(pick(row, "location.work_location_id")))
        told = pick(body, "__meta.redacted_fields") or []
        redacted = [pick(each, "name") for each in told] if isinstance(told, list) else [None]
        if not all(isinstance(each, str) for each in redacted):
            why = "the answer's redacted_fields name no fields: what is hidden could be taken for empty"
            raise Refused(self.name, "read workers", why, "Tell the makers of Rollcall.")
        return {**row, PLACE: {"name": place}, HIDDEN: redacted}

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call, and those for work locations."""
        path = f"/workers/{quote(employee_id, safe='')}/"
        try:
            row = self.http.json("GET", path, doing=doing, params=self.query())
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return self.whole(answered(self.http, row, dict, "worker", doing), row, self.place_names())

    def hidden(self, row: Row) -> list[str]:
        """A field is hidden where it, what it is part of, or the id of that is named as redacted."""
        gone = set(row[HIDDEN])
        return [field for field in self.fields if any(gone & covers(part) for part in parts(field))]


def covers(field: str) -> set[str]:
    """The names under which Rippling may redact a field: `department.name` with `department` and `department_id`."""
    way = field.split(".")
    begun = {".".join(way[:length]) for length in range(1, len(way) + 1)}
    place = {"location", "location.work_location_id"} if way[0] == PLACE else set()
    return begun | {f"{way[0]}_id"} | place
