"""SAP SuccessFactors Employee Central by OData v2 (EDMX exports of ECEmploymentInformation, ECPersonalInformation,
ECFoundationOrganization; what they do not say is unverified).

A column is `Entity.property`: `EmpJob.jobTitle`; `PerEmail.<kind>` for the kinds under options.email_types;
`Manager.personIdExternal`. A person is a personIdExternal: a rehire or a second employment has another userId.

Least permission: a technical user whose role has API read access to Employee Central's entities and foundation objects
for everybody (its target population: people outside it do not exist for the API), and edit on e-mail for write-back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from pydantic import Field

from connectors.auth import Auth
from connectors.base import Outcome
from connectors.errors import Mismatch, Refused
from connectors.fields import text
from connectors.hr.batches import frame_of, table_of
from connectors.hr.successfactors_odata import Odata, Row, quoted
from connectors.hr.successfactors_person import Staff
from connectors.hr.write_back import Entry
from connectors.http import Http, client
from connectors.surroundings import Surroundings
from mappings.feed import columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words

NEEDED = {
    "EmpEmployment": ("personIdExternal", "userId", "startDate", "endDate"),
    "EmpJob": ("userId", "startDate", "endDate", "seqNumber", "managerId", "department", "location"),
    "PerPersonal": ("personIdExternal", "startDate", "endDate"),
    "PerEmail": ("personIdExternal", "emailType", "emailAddress", "isPrimary"),
    "FODepartment": ("externalCode", "startDate"),
    "FOLocation": ("externalCode", "startDate"),
}
"""Entity -> what is always asked for."""
EFFECTIVE = ("EmpEmployment", "EmpJob", "PerPersonal")
"""Without a range of dates these show what holds today alone."""
MANAGER = "Manager.personIdExternal"
AT_ONCE = 100
"""Ids in one `in`."""


class Options(Words):
    """The words under `options` of a source with `connector: successfactors`."""

    url: str
    """`https://<api server>/odata/v2`."""
    auth: Auth
    """`oauth` with the SAML bearer grant, or `basic` with `user@company` while that is allowed."""
    email_types: dict[str, str] = Field(default_factory=dict)
    """Our kind of e-mail -> the picklist option's id there: `{work: "8448", private: "8446"}`."""
    ahead_days: int = Field(default=90, ge=0, le=366)
    """How many days ahead future hires are looked for."""
    page_size: int = Field(default=1000, ge=1, le=1000)


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> SuccessFactors:
    """The source that these rules declare; nothing is called yet."""
    if rules.fields["employee_id"] != "EmpEmployment.personIdExternal":
        why = "employee_id must be EmpEmployment.personIdExternal: a rehire has another userId"
        raise Refused(name, f"hr/{name}.yaml", why)
    emails = [f"PerEmail.{kind}" for kind in options.email_types]
    strange = [c for c in columns_of(rules).values() if c not in (MANAGER, *emails) and not plain(c)]
    if strange:
        known = ", ".join([*(f"{entity}.<property>" for entity in NEEDED if entity != "PerEmail"), *emails, MANAGER])
        raise Refused(name, f"hr/{name}.yaml", f"no column {', '.join(strange)}; known are {known}")
    http = Http(name, client(options.url, options.auth), around, "options.url")
    return SuccessFactors(name, rules, options, Odata(http, options.page_size))


def plain(column: str) -> bool:
    """Whether a column is a property of an entity."""
    entity, _, name = column.partition(".")
    return entity in NEEDED and entity != "PerEmail" and name.isidentifier()


class SuccessFactors:
    """One company; keeps Source, Changes and WriteBack."""

    pace = timedelta(hours=1)
    """SAP note 2735876: do not poll much more often."""

    def __init__(self, name: str, rules: HrSource, options: Options, odata: Odata) -> None:
        self.name, self.rules, self.options, self.odata = name, rules, options, odata
        self.fields = list(dict.fromkeys(columns_of(rules).values()))

    def check(self) -> str:
        """6 calls: one short page of each entity."""
        counts = {entity: self.odata.count(entity, self.selected(entity), self.range(entity)) for entity in NEEDED}
        told = ", ".join(f"{many} {entity}" for entity, many in counts.items())
        return f"SuccessFactors: all mapped fields readable; {told}"

    def read(self) -> pd.DataFrame:
        """1 call for each 1,000 rows of each of 6 entities."""
        return self.frame({entity: self.rows(entity) for entity in NEEDED})

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """6 or 7 calls."""
        return self.people([employee_id])

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """At least 4 calls; people of whom a record was written since then, also one that holds later."""
        after = f"lastModifiedDateTime gt datetimeoffset'{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"
        persons, users = set[str](), set[str]()
        for entity in ("EmpEmployment", "PerPersonal", "PerEmail", "EmpJob"):
            key = "userId" if entity == "EmpJob" else "personIdExternal"
            dates = {"fromDate": "1900-01-01", "toDate": "9999-12-31"} if entity in EFFECTIVE else {}
            found = self.odata.rows(entity, (key,), {"$filter": after, **dates})
            (users if entity == "EmpJob" else persons).update(str(row[key]) for row in found)
        employed = self.among("EmpEmployment", "userId", users)
        return self.people(sorted(persons | {str(row["personIdExternal"]) for row in employed}))

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """2 or 3 calls."""
        entry = Entry(self.name, "SuccessFactors", employee_id, address, instead_of)
        entry.require_allowed(self.rules)
        kind, held = self.work_kind(entry.doing), self.emails(employee_id)
        if entry.stands(address_in(held, kind)):
            return Outcome.ALREADY
        primary = bool(held.get(kind, {}).get("isPrimary")) or not any(row.get("isPrimary") for row in held.values())
        key = f"PerEmail(emailType={quoted(kind)},personIdExternal={quoted(employee_id)})"
        self.odata.upsert({"__metadata": {"uri": key}, "emailAddress": address, "isPrimary": primary}, entry.doing)
        shown = self.emails(employee_id)
        entry.require_shown(address_in(shown, kind))
        if lost := set(held) - set(shown):
            why = f"SuccessFactors accepted {address} and lost other addresses (types {', '.join(sorted(lost))})"
            raise Mismatch(self.name, entry.doing, why)
        return Outcome.DONE

    def work_kind(self, doing: str) -> str:
        """The picklist option of work e-mail, as the mapping has it."""
        kind = self.rules.fields.get("work_email", "").removeprefix("PerEmail.")
        if kind not in self.options.email_types:
            raise Refused(self.name, doing, "work_email is not mapped to PerEmail.<kind>", "Say its id in email_types.")
        return self.options.email_types[kind]

    def emails(self, person: str) -> dict[str, Row]:
        """A person's addresses by type."""
        return {str(row["emailType"]): row for row in self.among("PerEmail", "personIdExternal", [person])}

    # what is asked

    def selected(self, entity: str) -> tuple[str, ...]:
        """The properties to ask for."""
        mapped = [c.removeprefix(f"{entity}.") for c in self.fields if c.startswith(f"{entity}.")]
        return tuple(dict.fromkeys([*NEEDED[entity], *(mapped if entity != "PerEmail" else [])]))

    def range(self, entity: str) -> dict[str, str]:
        """Today's records and those to come; the foundation's of all time, by which old codes keep their names."""
        today = datetime.now(UTC).date()
        if entity.startswith("FO"):
            return {"fromDate": "1900-01-01", "toDate": "9999-12-31"}
        ahead = (today + timedelta(days=self.options.ahead_days)).isoformat()
        return {"fromDate": today.isoformat(), "toDate": ahead} if entity in EFFECTIVE else {}

    def rows(self, entity: str) -> list[Row]:
        return list(self.odata.rows(entity, self.selected(entity), self.range(entity)))

    def among(self, entity: str, key: str, ids: Iterable[str]) -> list[Row]:
        """Rows of an entity with one of these ids, a hundred ids in a call."""
        wanted, found = sorted(ids), list[Row]()
        for at in range(0, len(wanted), AT_ONCE):
            some = f"{key} in {','.join(quoted(each) for each in wanted[at : at + AT_ONCE])}"
            found += self.odata.rows(entity, self.selected(entity), {**self.range(entity), "$filter": some})
        return found

    def people(self, persons: list[str]) -> pd.DataFrame:
        """Their rows, whole."""
        employed = self.among("EmpEmployment", "personIdExternal", persons)
        jobs = self.among("EmpJob", "userId", {str(row["userId"]) for row in employed})
        managers = self.among("EmpEmployment", "userId", {str(row["managerId"] or "") for row in jobs} - {""})
        named = {entity: self.among(entity, "personIdExternal", persons) for entity in ("PerPersonal", "PerEmail")}
        foundation = {entity: self.rows(entity) for entity in ("FODepartment", "FOLocation")} if employed else {}
        rows = {"EmpEmployment": employed, "EmpJob": jobs, **named, **foundation}
        return self.frame(rows, managers)

    def frame(self, rows: Mapping[str, list[Row]], managers: Iterable[Row] = ()) -> pd.DataFrame:
        """One row of texts for each person."""
        staff = Staff(rows, managers, self.options.email_types, datetime.now(UTC).date())
        people = [staff.row(person, self.fields) for person in staff.persons()]
        cells = [[row[name] or None for name in self.fields] for row in people]
        return frame_of([table_of(self.fields, cells)], "SuccessFactors")


def address_in(emails: Mapping[str, Row], kind: str) -> str:
    """The address of a type; empty where there is none."""
    return text(emails.get(kind, {}).get("emailAddress")) or ""
