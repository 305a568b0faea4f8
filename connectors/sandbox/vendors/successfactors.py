"""SAP SuccessFactors' OData v2: entities and properties after the EDMX exports, the rest is unverified.

Below the prefix the paths are those of https://{api server}. People in HR write by the same upsert.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from connectors.sandbox import company
from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors.successfactors_door import CLIENT, COMPANY, PASSWORD, PRIVATE_KEY, USER, Door
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

WORK, PRIVATE = "8448", "8446"
LAST = "9999-12-31"
BEGINNING = "2020-01-01T00:00:00.000+00:00"
STAMPS = ("lastModifiedDateTime",)
ENTITIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "EmpEmployment": (
        ("personIdExternal", "userId"),
        ("startDate", "endDate", "lastDateWorked", "originalStartDate", "isContingentWorker", "okToRehire"),
    ),
    "EmpJob": (
        ("seqNumber", "startDate", "userId"),
        ("endDate", "department", "location", "jobTitle", "managerId", "emplStatus", "employeeClass", "company")
        + ("costCenter", "countryOfCompany", "event", "eventReason"),
    ),
    "PerPersonal": (("personIdExternal", "startDate"), ("endDate", "firstName", "lastName", "preferredName")),
    "PerEmail": (("emailType", "personIdExternal"), ("emailAddress", "isPrimary")),
    "FODepartment": (("externalCode", "startDate"), ("endDate", "name", "status")),
    "FOLocation": (("externalCode", "startDate"), ("endDate", "name", "timezone", "status")),
}
"""Entity -> its key, and the further properties that this twin has."""
RECORDS = ("EmpJob", "PerPersonal", "FODepartment", "FOLocation")
"""Entities of records that end where the next one begins."""
DATES = ("startDate", "endDate", "lastDateWorked", "originalStartDate")
MOST = 1000
OWNER = {"EmpJob": "userId", "PerPersonal": "personIdExternal", "PerEmail": "personIdExternal"}


class SuccessFactors(Door):
    """Entities of rows, effective-dated where SAP's are."""

    quotas = (Limit(50),)  # SAP publishes no number
    settable = {"most": (1000, 20, 7), "basic": (True, False)}
    most = MOST
    """Rows of a page."""

    def make_tables(self) -> dict[str, Table]:
        tables = {name: Table(name, {"key": Index(lambda row: row["_key"])}) for name in ENTITIES}
        return tables | {"tokens": Table("tokens", {})}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/oauth/token", post=self.token),
            route("/odata/v2/upsert", post=self.upsert),
            route("/odata/v2/{entity}", get=self.entities),
        )

    def seed(self) -> None:
        names = {str(row[field]) for row in company.population() for field in ("department",)}
        for name in sorted(names):
            self.put("FODepartment", {"externalCode": code(name), "startDate": "1990-01-01", "name": name})
        for name in company.COUNTRIES:
            self.put("FOLocation", {"externalCode": code(name), "startDate": "1990-01-01", "name": name})
        for person in company.population():
            self.employ(person)
        for table in (self.store[name] for name in ENTITIES):
            for key, row in table.rows.items():
                table.put(key, row | {"lastModifiedDateTime": BEGINNING})

    def employ(self, person: Row) -> None:
        """A person of the sample company with their records."""
        key, begin, end = str(person["id"]), person["hireDate"], person.get("terminationDate")
        own = {"personIdExternal": key, "userId": f"u{key}"}
        hired = {"startDate": begin, "endDate": end, "lastDateWorked": end, "originalStartDate": begin}
        self.put("EmpEmployment", own | hired | {"isContingentWorker": person["customWorkerType"] == "Contractor"})
        named = {"firstName": person["firstName"], "lastName": person["lastName"]}
        self.put("PerPersonal", {"personIdExternal": key, "startDate": begin, **named})
        work = {"emailType": WORK, "emailAddress": person["workEmail"], "isPrimary": True}
        self.put("PerEmail", {"personIdExternal": key, **work})
        boss = person.get("reportsToId")
        job = {"department": code(person["department"]), "location": code(person["location"])}
        job |= {"jobTitle": person["jobTitleName"], "managerId": f"u{boss}" if boss else "NO_MANAGER"}
        job |= {"emplStatus": "A", "countryOfCompany": person["country"]}
        self.put("EmpJob", {"userId": f"u{key}", "startDate": begin, "seqNumber": 1, **job})
        if end and end < self.clock.today().isoformat():
            after = (date.fromisoformat(end) + timedelta(days=1)).isoformat()
            self.put("EmpJob", {"userId": f"u{key}", "startDate": after, "seqNumber": 1, **job, "emplStatus": "T"})

    def put(self, entity: str, fields: Row, table: Table | None = None) -> None:
        """Make or change a row; what is not said stays."""
        table = table or self.store[entity]
        key = "|".join(str(fields[name]) for name in ENTITIES[entity][0])
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        table.put(key, {**table.rows.get(key, {}), **fields, "_key": key, "lastModifiedDateTime": stamp})

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        body = {"error": {"code": f"COE{status}", "message": {"lang": "en-US", "value": message}}}
        return json_answer(status, body, *headers)

    # reading

    def entities(self, call: Call) -> Answer:
        entity, query = call.params["entity"], call.query
        if entity not in ENTITIES:
            raise Rejection(self.problem(404, f"Resource not found for the segment '{entity}'."))
        known = (*ENTITIES[entity][0], *ENTITIES[entity][1], *STAMPS)
        select = query.get("$select", ",".join(known)).split(",")
        if strange := [name for name in select if name not in known]:
            raise Rejection(self.problem(400, f"[COE_PROPERTY_NOT_FOUND]Invalid property names: {', '.join(strange)}"))
        rows = self.effective(call, entity, [call[entity].rows[key] for key in call[entity].rows])
        rows = [row for row in rows if all(test(row) for test in tests(query.get("$filter", "")))]
        size = min(page_number(query.get("customPageSize"), self.most, MOST), self.most)
        total = len(rows)
        rows = rows[: int(query["$top"])] if "$top" in query else rows
        start = page_number(query.get("$skiptoken"), 0, 10**9, 0)
        shown = [wired(entity, row, select, f"{call.base}/odata/v2") for row in rows[start : start + size]]
        answer: Row = {"results": shown}
        if query.get("$inlinecount") == "allpages":
            answer["__count"] = str(total)
        if start + size < len(rows) and "paging" in query:
            again = query | {"$skiptoken": str(start + size)}
            said = "&".join(f"{name}={quote(value)}" for name, value in again.items())
            answer["__next"] = f"{call.base}{call.path}?{said}"
        return json_answer(200, {"d": answer})

    def effective(self, call: Call, entity: str, rows: list[Row]) -> list[Row]:
        """The records of a range of days; without one those of today."""
        query, today = call.query, call.today.isoformat()
        if entity == "PerEmail":
            return rows
        first = query.get("asOfDate") or query.get("fromDate") or today
        last = query.get("asOfDate") or query.get("toDate") or today
        ends = self.ends(rows) if entity in RECORDS else {}
        rows = [row | {"endDate": ends[row["_key"]]} if ends else row for row in rows]
        held = [row for row in rows if row["startDate"] <= last]
        return [row for row in held if entity == "EmpEmployment" or row["endDate"] >= first]

    def ends(self, rows: list[Row]) -> dict[str, str]:
        """Key -> the day before the next record of the same thing, or the last day there is."""
        ends: dict[str, str] = {}
        by_owner: dict[str, list[Row]] = {}
        for row in rows:
            owner = str(row.get("userId") or row.get("personIdExternal") or row.get("externalCode"))
            by_owner.setdefault(owner, []).append(row)
        for records in by_owner.values():
            ordered = sorted(records, key=lambda row: (row["startDate"], int(row.get("seqNumber", 0))))
            for row, after in zip(ordered, [*ordered[1:], None], strict=True):
                day = date.fromisoformat(after["startDate"]) - timedelta(days=1) if after else LAST
                ends[row["_key"]] = str(day)
        return ends

    # writing

    def upsert(self, call: Call) -> Answer:
        """Each row is answered for itself, whatever the status of the whole."""
        if "json" not in call.header(b"content-type"):
            raise Rejection(self.problem(415, "Unsupported media type"))
        sent = call.json()
        full = call.query.get("purgeType") == "full"
        return json_answer(200, {"d": [self.upserted(call, 0, sent, full)]})

    def upserted(self, call: Call, index: int, row: Row, full: bool) -> Row:
        try:
            entity, key = resource(row)
            fields = {name: unwired(name, value) for name, value in row.items() if name != "__metadata"} | key
            self.check(entity, fields)
        except (ValueError, KeyError, TypeError) as error:
            why = {"status": "ERROR", "editStatus": None, "httpCode": 400, "message": f"[COE0021]{error}"}
            return {"key": None, "index": index, "inlineResults": None, **why}
        if full and entity in OWNER:
            same = [each for each in call[entity].rows.values() if each[OWNER[entity]] == fields[OWNER[entity]]]
            for each in same:
                call[entity].drop(each["_key"])
        self.put(entity, fields, call[entity])
        good = {"status": "OK", "editStatus": "UPSERTED", "httpCode": 200, "message": None}
        return {"key": row["__metadata"]["uri"], "index": index, "inlineResults": None, **good}

    def check(self, entity: str, fields: Row) -> None:
        keys, others = ENTITIES[entity]
        if strange := set(fields) - {*keys, *others}:
            raise ValueError(f"unknown property {', '.join(sorted(strange))}")
        if missing := set(keys) - set(fields):
            raise ValueError(f"missing key {', '.join(sorted(missing))}")
        if entity == "PerEmail" and "@" not in str(fields.get("emailAddress", "")):
            raise ValueError("Invalid e-mail address")
        persons = {row["personIdExternal"] for row in self.store["EmpEmployment"].rows.values()}
        if entity == "PerEmail" and fields["personIdExternal"] not in persons:
            raise ValueError("Invalid personIdExternal")


def code(name: str) -> str:
    """A foundation object's external code."""
    return f"{name[:3].upper()}_{len(name)}"


def resource(row: Row) -> tuple[str, Row]:
    """Entity and key out of `__metadata.uri`: `PerEmail(emailType='8448',…)`, or the name alone."""
    uri = str(row["__metadata"]["uri"]).rsplit("/", 1)[-1]
    found = re.fullmatch(r"(\w+)(?:\((.*)\))?", uri)
    if not found or found[1] not in ENTITIES:
        raise ValueError(f"no such entity: {uri}")
    pairs = re.findall(r"(\w+)='((?:[^']|'')*)'", found[2] or "")
    return found[1], {name: value.replace("''", "'") for name, value in pairs}


def tests(text: str) -> list[Any]:
    """The conditions of a $filter, as far as this twin knows any."""
    return [condition(part.strip()) for part in text.split(" and ") if part.strip()]


def condition(text: str) -> Any:
    if found := re.fullmatch(r"(\w+) (?:in|eq) ((?:'(?:[^']|'')*',?)+)", text):
        values = {value.replace("''", "'") for value in re.findall(r"'((?:[^']|'')*)'", found[2])}
        return lambda row: str(row.get(found[1])) in values
    if found := re.fullmatch(r"(\w+) gt datetimeoffset'([^']*)'", text):
        since = datetime.fromisoformat(found[2])
        return lambda row: datetime.fromisoformat(row[found[1]]) > since
    raise Rejection(
        json_answer(400, {"error": {"code": "COE0011", "message": {"lang": "en", "value": f"filter: {text}"}}})
    )


def wired(entity: str, row: Row, select: Sequence[str], base: str) -> Row:
    """A row as JSON has it: dates in milliseconds, and where it is."""
    key = ",".join(f"{name}='{row[name]}'" for name in ENTITIES[entity][0])
    shown = {name: cell(name, row.get(name)) for name in select}
    return {"__metadata": {"uri": f"{base}/{entity}({key})", "type": f"SFOData.{entity}"}, **shown}


def cell(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in DATES:
        at = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return f"/Date({int(at.timestamp() * 1000)})/"
    if name in STAMPS:
        return f"/Date({int(datetime.fromisoformat(value).timestamp() * 1000)}+0000)/"
    return str(value) if name == "seqNumber" else value


def unwired(name: str, value: Any) -> Any:
    if name not in DATES or value is None:
        return value
    found = re.fullmatch(r"/Date\((-?\d+)\)/", str(value))
    if not found:
        raise ValueError(f"{name} is no /Date(ms)/")
    return datetime.fromtimestamp(int(found[1]) / 1000, UTC).date().isoformat()


TWIN = SuccessFactors


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "SUCCESSFACTORS_URL": f"{root}/odata/v2",
        "SUCCESSFACTORS_USER": USER,
        "SUCCESSFACTORS_PASSWORD": PASSWORD,
        "SUCCESSFACTORS_TOKEN_URL": f"{root}/oauth/token",
        "SUCCESSFACTORS_COMPANY": COMPANY,
        "SUCCESSFACTORS_CLIENT_ID": CLIENT,
        "SUCCESSFACTORS_API_USER": USER.partition("@")[0],
        "SUCCESSFACTORS_PRIVATE_KEY": PRIVATE_KEY.replace("\n", "\\n"),
    }
