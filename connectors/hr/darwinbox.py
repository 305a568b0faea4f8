"""Darwinbox, by its vendor's own code (github.com/darwinbox/darwinbox-mcp: paths, bodies, the TOKEN header, the form of
`last_modified`), the introduction of api-docs.darwinbox.com (Basic with `api_key`, or OAuth) and help.merge.dev 9681620
(fields; a key and a dataset of its own for each population). What else the answers say is unverified.

A population comes whole in one answer. Somebody may be in two: who came back, or who moved while it was read.

Least permission: a dataset of the mapped fields for each population, the same fields in all; for the write-back the
key of the update API.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import SecretStr, model_validator

from connectors.auth import Auth
from connectors.errors import NeedsHuman, Refused
from connectors.fields import pick, text
from connectors.hr.records import Row, Writable, answered, parts
from connectors.http import Http, client
from connectors.pages import listed
from connectors.surroundings import Surroundings
from mappings.vocabulary import HrSource
from mappings.words import Words

EMPLOYEES, UPDATE = "/masterapi/employee", "/importapi/update"
POPULATION = "population"
"""Where a row says which population it is of: pending, active or inactive."""
DOUBT = "_doubt"
JOINED, WRITTEN = "date_of_joining", "latest_modified_timestamp"
FORMS = ("%d-%m-%Y", "%d-%m-%Y %H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S")
"""How dates and times come; the day first (unverified but for what is asked)."""
ASKED = "%d-%m-%Y %H:%M:%S"
ZONES = timedelta(hours=14)
"""`last_modified` names no time zone: ask from the earliest it could mean."""
NOBODY = re.compile(
    r"\bno (employees?|data|records?)( data| details)? (found|available)\b|\b(employees?|data|records?) not found\b",
    re.IGNORECASE,
)
"""How Darwinbox may say with status 0 that there is nobody (unverified): never "no access to employee data"."""
AT_ONCE = 200
"""Changed people up to whom these alone are read whole."""
MINUTE = 70.0  # seconds to wait out a limit; none is published
SLOW = 180.0  # seconds that a whole population may take


class Population(Words):
    """What Darwinbox's integration team hands out for one population."""

    dataset_key: SecretStr
    api_key: SecretStr | None = None
    """Left out with OAuth."""


class Options(Words):
    """The words under `options` of a source with `connector: darwinbox`."""

    url: str
    """`https://<company>.darwinbox.in` or `.com`."""
    auth: Auth
    """`basic`, which goes with the api_keys, or `login` for a token."""
    active: Population
    inactive: Population
    pending: Population | None = None
    """Those who are hired and not activated, where Darwinbox has set such a dataset up."""
    update_key: SecretStr | None = None
    """The api_key of the update API, for the write-back with `basic`."""
    work_domains: tuple[str, ...] = ()
    """An address of another domain is then read as none."""

    @model_validator(mode="after")
    def keys_with_basic(self) -> Options:
        if self.auth.basic and not all(each.api_key for each in populations(self).values()):
            raise ValueError("with auth.basic every population needs its api_key")
        return self


def populations(options: Options) -> dict[str, Population]:
    """By name, in the order in which they are read: whoever moves on meanwhile is met twice rather than never."""
    found = {"pending": options.pending, "active": options.active, "inactive": options.inactive}
    return {name: each for name, each in found.items() if each}


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> Darwinbox:
    """The source that these rules declare; nothing is called yet."""
    made = client(options.url.rstrip("/"), options.auth)
    return Darwinbox(name, rules, options, Http(name, made, around, "options.url", patience=MINUTE))


class Darwinbox(Writable):
    """One company's Darwinbox; keeps Source, WriteBack and Changes."""

    title, key = "Darwinbox", "employee_id"
    pace = timedelta(minutes=15)

    def __init__(self, name: str, rules: HrSource, options: Options, http: Http) -> None:
        super().__init__(name, rules, http, options.work_domains)
        self.options, self.populations = options, populations(options)
        self.columns = {part for field in self.fields for part in parts(field)} - {POPULATION}

    def check(self) -> str:
        """1 call for each population, which is the whole feed: there are no pages."""
        rows = self.everybody()
        told = ", ".join(f"{sum(row[POPULATION] == name for row in rows)} {name}" for name in self.populations)
        return f"Darwinbox: {told}, all {len(self.fields)} mapped fields readable"

    def everybody(self) -> list[Row]:
        """1 call for each population."""
        found = [row for name in self.populations for row in self.whole(name, "read people")]
        return self.one_each(found)

    def whole(self, population: str, doing: str) -> list[Row]:
        """A population; Refused where a mapped field is shown of none in it, or where nobody works there."""
        rows = self.asked(population, doing)
        if not rows and population == "active":
            raise Refused(self.name, doing, "Darwinbox shows nobody who works there", "Check options.active.")
        if gone := sorted(column for column in self.columns if rows and not any(has(row, column) for row in rows)):
            raise self.not_shown(gone, f"{doing} ({population})")
        return rows

    def one(self, employee_id: str, doing: str) -> Row | None:
        """1 call for each population."""
        found = self.these([employee_id], doing)
        return found[0] if found else None

    def these(self, ids: Iterable[str], doing: str) -> list[Row]:
        """Each of these people's row that counts."""
        wanted = sorted(ids)
        found = [row for name in self.populations for row in self.asked(name, doing, employee_ids=wanted)]
        return self.one_each(row for row in found if self.cell(row, self.key) in wanted)

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 call for each population, and 1 more where somebody changed: the row that changed may not be the one that
        counts."""
        doing, after = "read who changed", (since.astimezone(UTC) - ZONES).strftime(ASKED)
        changed = [row for name in self.populations for row in self.asked(name, doing, last_modified=after)]
        ids = {self.cell(row, self.key) or "" for row in changed} - {""}
        if len(ids) > AT_ONCE:
            return self.frame([row for row in self.everybody() if self.cell(row, self.key) in ids])
        return self.frame(self.these(ids, doing) if ids else [])

    def asked(self, population: str, doing: str, **which: Any) -> list[Row]:
        """The rows of one population, each with its name."""
        keys = self.populations[population]
        body = {"datasetKey": keys.dataset_key.get_secret_value()} | keyed(keys.api_key) | which
        said = self.post(EMPLOYEES, body, doing, reads=True)
        if not succeeded(said) and (which or population != "active") and NOBODY.search(message(said)):
            return []
        self.require(said, f"{doing} ({population})")
        rows = answered(self.http, pick(said, "employee_data"), list, "employee_data", doing)
        return [{**row, POPULATION: population} for row in listed(self.name, doing, rows, "")]

    def post(self, path: str, body: Row, doing: str, reads: bool = False) -> Any:
        sent = self.http.request("POST", path, doing=doing, reads=reads, json=body, timeout=SLOW)
        return self.http.body(sent, doing)

    def require(self, said: Any, doing: str) -> None:
        """Refused where an answer says with 200 that it did not work."""
        if not succeeded(said):
            why = f"Darwinbox says: {self.http.redaction.mask(message(said)) or 'nothing'}"
            raise Refused(self.name, doing, why, "Check the dataset_key and the api_key of this API.")

    def one_each(self, rows: Iterable[Row]) -> list[Row]:
        """One row for each person: of several the one that counts."""
        people: dict[str, list[Row]] = {}
        for at, row in enumerate(rows):
            people.setdefault(self.cell(row, self.key) or f"row {at}", []).append(row)
        return [counting(found) for found in people.values()]

    def hidden(self, row: Row) -> list[str]:
        """Empty fields come as empty texts or null (unverified), so one that is not there at all is not shown."""
        return [field for field in self.fields if any(not has(row, part) for part in parts(field))]

    def wants(self, row: Row) -> str:
        return str(row.get(DOUBT) or super().wants(row))

    def put_email(self, row: Row, address: str, doing: str) -> None:
        """1 call; Darwinbox answers row by row."""
        if self.options.auth.basic and not self.options.update_key:
            todo = f"Set options.update_key in hr/{self.name}.yaml, or enter {address} in Darwinbox."
            raise NeedsHuman(self.name, doing, "there is no key for the update API", todo)
        person = {"employee_id": self.cell(row, self.key), "company_email_id": address}
        said = self.post(UPDATE, {"employees": [person]} | keyed(self.options.update_key), doing)
        self.require(said, doing)
        if errors := pick(said, "errors"):
            raise Refused(self.name, doing, f"Darwinbox says: {self.http.redaction.mask(str(errors))[:300]}")


def has(row: Row, column: str) -> bool:
    """Whether a row shows a column."""
    return column.partition(".")[0] in row


def keyed(key: SecretStr | None) -> Row:
    """The api_key for a body, where there is one."""
    return {"api_key": key.get_secret_value()} if key else {}


def succeeded(said: Any) -> bool:
    """`status` 1, as a number or as a text."""
    return text(pick(said, "status")) == "1"


def message(said: Any) -> str:
    """Darwinbox's own words."""
    return str(pick(said, "message") or pick(said, "error") or "")


def counting(rows: list[Row]) -> Row:
    """The one of a person's rows that counts: the stint begun last, then the row written last. Where neither tells,
    nobody can know whether they work there: a row that is held."""
    if all(row == rows[0] for row in rows):
        return rows[0]
    for field in (JOINED, WRITTEN):
        if (row := latest(rows, field)) is not None:
            return row
    where = " and ".join(dict.fromkeys(f"the {row[POPULATION]} ones" for row in rows))
    return {**rows[0], DOUBT: f"to be in Darwinbox once, but is {len(rows)} times among {where}"}


def latest(rows: list[Row], field: str) -> Row | None:
    """The row with the one latest moment; None where one has none, or two are as late."""
    moments = [moment(row.get(field)) for row in rows]
    known = [each for each in moments if each is not None]
    if len(known) < len(rows) or known.count(max(known)) > 1:
        return None
    return rows[known.index(max(known))]


def moment(value: Any) -> datetime | None:
    """A date or time as Darwinbox may write it, also in seconds since 1970; for comparing with its like."""
    word = str(value).strip()
    for form in FORMS:
        with suppress(ValueError):
            return datetime.strptime(word, form)
    return datetime.fromtimestamp(int(word), UTC).replace(tzinfo=None) if re.fullmatch(r"\d{10}", word) else None
