"""BambooHR, after its published OpenAPI document and planned-changes page; what is from memory says so.

Below the prefix the paths are those of https://{company}.bamboohr.com/api, so the base URL ends in /api/v1.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.sandbox import bamboohr_dataset as dataset
from connectors.sandbox import bamboohr_webhooks as webhooks
from connectors.sandbox import company
from connectors.sandbox.bamboohr_fields import (
    DATES,
    FIELDS,
    JOB,
    OWN,
    TABLES,
    TERMINATED,
    chosen,
    employee_fields,
    field_name,
)
from connectors.sandbox.bamboohr_xml import from_xml, to_xml
from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

API_KEY = "bamboohr-key-of-the-sandbox"
OAUTH_TOKEN = "bamboohr-oauth-token-of-the-sandbox"
DIRECTORY = ("displayName", "firstName", "lastName", "preferredName", "jobTitle", "workPhone", "mobilePhone") + (
    "workEmail",
    "department",
    "location",
    "division",
    "supervisor",
)
LISTED = ("employeeId", "firstName", "lastName", "preferredName", "photoUrl", "jobTitleName", "status")
MAX_FIELDS = 400


class BambooHr(Twin):
    """Employees with history tables; today's values depend on the sandbox's clock."""

    quotas = (Limit(60),)  # BambooHR publishes no number

    def make_tables(self) -> dict[str, Table]:
        emails = Index(lambda row: str(row.get("workEmail") or ""))
        histories = {name: Table(name, {"employee": Index(lambda row: str(row["employeeId"]))}) for name in TABLES}
        return {
            "employees": Table("employees", {"email": emails}),
            "changes": Table("changes", {}),
            "webhooks": Table("webhooks", {}),
            **histories,
        }

    def make_routes(self) -> Sequence[Route]:
        table = {"get": self.table_rows, "post": self.add_row}
        return (
            route("/api/v1/employees", get=self.list_employees, post=self.create),
            route("/api/v1/employees/directory", get=self.directory),
            route("/api/v1/employees/changed", get=self.changed),
            route("/api/v1/employees/{id}", get=self.show, post=self.update),
            route("/api/v1/employees/{id}/tables/{table}", **table),
            route("/api/v1_1/employees/{id}/tables/{table}", **table),
            route("/api/v1/meta/fields", get=self.meta_fields),
            route("/api/v2/datasets/{name}/data", post=self.dataset),
            route("/api/v1/webhooks", get=self.list_webhooks, post=self.add_webhook),
            route("/api/v1/webhooks/{id}", delete=self.drop_webhook),
            route("/screen/{id}", delete=self.delete),
        )

    def seed(self) -> None:
        for fields in company.population():
            self.add(self.call_for_seed(), fields, str(fields["id"]))
        long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="microseconds")
        for key, row in list(self.store["changes"].rows.items()):
            self.store["changes"].put(key, row | {"lastChanged": long_ago})

    def call_for_seed(self) -> Call:
        return Call("POST", "", "", {}, b"", self.store, self.clock.today(), "")

    def authorise(self, call: Call) -> None:
        """Basic with the key as user name; the list endpoint wants OAuth instead."""
        kind, _, value = call.header(b"authorization").partition(" ")
        if kind.lower() == "bearer" and value == OAUTH_TOKEN:
            return
        if kind.lower() != "basic" or b64decode(value).partition(b":")[0] != API_KEY.encode():
            raise Rejection(self.problem(401, "Invalid API key"))
        if call.path == "/api/v1/employees" and call.method == "GET":
            raise Rejection(self.problem(401, "This endpoint takes an OAuth token, not an API key"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        """The text stands in a header (memory), the body is empty."""
        return Answer(status, b"", "application/json", (("X-BambooHR-Error-Message", message), *headers))

    def state(self) -> dict[str, list[Row]]:
        call = self.call_for_seed()
        return super().state() | {"employees": [self.fields(call, key) for key in call["employees"].rows]}

    # reading

    def show(self, call: Call) -> Answer:
        names = call.query.get("fields", "firstName,lastName").split(",")
        if len(names) > MAX_FIELDS:
            raise Rejection(self.problem(400, "too many fields"))
        key = self.employee(call)["id"]
        return self.given(call, "employee", {"id": key} | chosen(self.fields(call, key), names))

    def directory(self, call: Call) -> Answer:
        """Active employees; future hires too with onlyCurrent=false."""
        future = call.query.get("onlyCurrent", "true") in ("false", "0")
        everyone = [self.fields(call, key) for key in call["employees"].rows]
        today = call.today.isoformat()
        shown = [e for e in everyone if e["status"] == "Active" or (future and (e["hireDate"] or "") > today)]
        if not shown:
            raise Rejection(self.problem(404, "the directory is empty"))
        fields = [{"id": name, "type": "text", "name": name} for name in DIRECTORY]
        rows = [{"id": e["id"]} | chosen(e, DIRECTORY) for e in shown]
        return self.given(call, "directory", {"fields": fields, "employees": rows})

    def list_employees(self, call: Call) -> Answer:
        """The list of 2026, paged by cursor; JSON only."""
        query = call.query
        rows = [self.fields(call, key) for key in call["employees"].rows]
        if wanted := query.get("filter[status]"):
            rows = [row for row in rows if row["status"].lower() == wanted]
        size = page_number(query.get("page[limit]"), 250, 2500)
        start = page_number(query.get("page[after]"), 0, 10**9, 0)
        names = (*LISTED, *filter(None, query.get("fields", "").split(",")))
        data: list[Row] = [{"photoUrl": None} | chosen(row, names) | {"_restrictedFields": []} for row in rows]
        after = start + size if start + size < len(rows) else None
        page = {"limit": size, "nextCursor": after, "prevCursor": max(0, start - size) if start else None}
        href = f"{call.base}/api/v1/employees?page[limit]={size}"
        links = {"self": {"href": href}} | ({"next": {"href": f"{href}&page[after]={after}"}} if after else {})
        meta = {"total": len(rows), "page": page}
        return json_answer(200, {"data": data[start : start + size], "meta": meta, "_links": links})

    def dataset(self, call: Call) -> Answer:
        """Many columns of everybody (v2)."""
        if call.params["name"] != "employee":
            raise Rejection(dataset.problem_details(404, "no such dataset"))
        return dataset.answer(call, list(call["employees"].rows), lambda key: self.fields(call, key))

    def changed(self, call: Call) -> Answer:
        since = instant(call.query.get("since", ""))
        kind = call.query.get("type", "all")
        if kind not in ("inserted", "updated", "deleted", "all"):
            raise Rejection(self.problem(400, "type is one of inserted, updated, deleted, all"))
        rows = [row for row in call["changes"].rows.values() if instant(row["lastChanged"]) > since]
        rows = [row for row in rows if kind in ("all", row["action"].lower())]
        latest = max((row["lastChanged"] for row in rows), default=since.isoformat())
        return self.given(call, "changed", {"latest": latest, "employees": {row["id"]: row for row in rows}})

    def table_rows(self, call: Call) -> Answer:
        table = self.history(call)
        if call.params["id"] == "all":
            return self.given(call, "table", list(table.rows.values()))
        return self.given(call, "table", table.by("employee", self.employee(call)["id"]))

    def meta_fields(self, call: Call) -> Answer:
        return self.given(
            call, "fields", [{"id": name, "name": name, "type": "text", "alias": name} for name in FIELDS]
        )

    # writing

    def create(self, call: Call) -> Answer:
        asked = self.asked(call)
        for name in ("firstName", "lastName"):
            if not asked.get(name):
                raise Rejection(self.problem(400, f"{name} is required"))
        key = str(call["employees"].next_number())
        self.add(call, asked, key)
        location = f"{call.base}/api/v1/employees/{key}"
        return Answer(201, headers=(("Location", location),))

    def add(self, call: Call, asked: Row, key: str) -> None:
        """Make an employee with the first rows of the history tables."""
        self.check(call, asked, key)
        own = {"id": key, "employeeNumber": key} | {name: asked[name] for name in OWN if name in asked}
        own.setdefault("originalHireDate", own.get("hireDate"))
        call["employees"].put(key, own)
        begin = own.get("hireDate") or call.today.isoformat()
        self.write_history(call, key, asked, begin)
        if asked.get("terminationDate"):
            self.append(
                call, "employmentStatus", key, {"date": asked["terminationDate"], "employmentStatus": TERMINATED}
            )
        self.note(call, key, "Inserted")

    def update(self, call: Call) -> Answer:
        """Fields that live in a history table get a new row dated today."""
        own, asked = self.employee(call), self.asked(call)
        self.check(call, asked, own["id"])
        call["employees"].put(own["id"], own | {name: asked[name] for name in OWN if name in asked})
        self.write_history(call, own["id"], asked, call.today.isoformat())
        if asked.get("terminationDate"):
            row = {"date": asked["terminationDate"], "employmentStatus": TERMINATED}
            self.append(call, "employmentStatus", own["id"], row)
        self.note(call, own["id"], "Updated")
        return Answer(200)

    def write_history(self, call: Call, key: str, asked: Row, begin: str) -> None:
        """Rows for what was asked: the job as it was, with the changes; the employment status."""
        columns = {column: asked[name] for name, column in JOB.items() if name in asked}
        if "reportsToId" in asked:
            columns["reportsTo"] = str(asked["reportsToId"])
        if columns:
            now = self.fields(call, key)
            before = {column: now[name] for name, column in JOB.items()} | {"reportsTo": now["reportsToId"]}
            self.append(call, "jobInfo", key, {"date": begin} | before | columns)
        if asked.get("employmentStatus"):
            self.append(call, "employmentStatus", key, {"date": begin, "employmentStatus": asked["employmentStatus"]})

    def delete(self, call: Call) -> Answer:
        """What somebody does in BambooHR's own pages: no call of the API deletes an employee."""
        key = self.employee(call)["id"]
        call["employees"].drop(key)
        self.note(call, key, "Deleted")
        return Answer(200)

    def add_row(self, call: Call) -> Answer:
        own, table, asked = self.employee(call), self.history(call), self.asked(call)
        unknown = set(asked) - set(TABLES[table.name])
        if unknown or not asked.get("date"):
            raise Rejection(
                self.problem(400, f"unknown: {', '.join(sorted(unknown))}" if unknown else "date is required")
            )
        self.check_dates(asked, 406)
        self.append(call, table.name, own["id"], asked)
        self.note(call, own["id"], "Updated")
        return Answer(200)

    def append(self, call: Call, table: str, key: str, row: Row) -> None:
        number = str(call[table].next_number())
        call[table].put(number, {"id": number, "employeeId": key} | row)

    def note(self, call: Call, key: str, action: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        call["changes"].put(key, {"id": key, "action": action, "lastChanged": at})
        for hook in self.store["webhooks"].rows.values() if call.store is self.store else ():
            webhooks.tell(hook, key, action)

    # webhooks

    def list_webhooks(self, call: Call) -> Answer:
        return json_answer(200, {"webhooks": list(call["webhooks"].rows.values())})

    def add_webhook(self, call: Call) -> Answer:
        """The key is shown here and never again."""
        asked = call.json()
        if why := webhooks.problem_with(asked):
            return json_answer(400, {"errors": [{"error": why}]})
        hook = webhooks.made(asked, call["webhooks"].next_number())
        call["webhooks"].put(hook["id"], hook)
        return json_answer(201, hook | {"privateKey": webhooks.PRIVATE_KEY})

    def drop_webhook(self, call: Call) -> Answer:
        if not call["webhooks"].rows.get(call.params["id"]):
            raise Rejection(self.problem(404, "No webhook was found"))
        call["webhooks"].drop(call.params["id"])
        return Answer(200)

    # shared by both

    def fields(self, call: Call, key: str) -> Row:
        jobs, statuses = call["jobInfo"].by("employee", key), call["employmentStatus"].by("employee", key)
        people = call["employees"].rows

        def name_of(boss: str) -> str | None:
            found = people.get(boss)
            return f"{found['firstName']} {found['lastName']}" if found else None

        return employee_fields(people[key], jobs, statuses, call.today, name_of)

    def employee(self, call: Call) -> Row:
        found = call["employees"].rows.get(call.params["id"])
        if not found:
            raise Rejection(self.problem(404, "Employee not found"))
        return found

    def history(self, call: Call) -> Table:
        if call.params["table"] not in TABLES:
            raise Rejection(self.problem(404, "no such table"))
        return call[call.params["table"]]

    def asked(self, call: Call) -> Row:
        """The fields sent, as JSON or XML, by the schema's names."""
        xml = "xml" in call.header(b"content-type")
        sent = from_xml(call.body) if xml else call.json()
        if "table" in call.params:
            return sent
        return {field_name(name): value for name, value in sent.items()}

    def check(self, call: Call, asked: Row, key: str) -> None:
        """Reject dates that are none, and another employee's work e-mail."""
        self.check_dates(asked, 409)
        email = asked.get("workEmail")
        if email and any(other["id"] != key for other in call["employees"].by("email", email)):
            raise Rejection(self.problem(409, "Duplicate email"))

    def check_dates(self, asked: Row, status: int) -> None:
        for name in DATES:
            if asked.get(name) and not is_date(asked[name]):
                raise Rejection(self.problem(status, f"{name} is not a date (YYYY-MM-DD)"))

    def given(self, call: Call, what: str, value: Any) -> Answer:
        """JSON for those who accept it by name, XML for all others."""
        if "application/json" in call.header(b"accept"):
            return json_answer(200, value)
        return Answer(200, to_xml(what, value), "text/xml")


def is_date(text: object) -> bool:
    try:
        date.fromisoformat(str(text))
    except ValueError:
        return False
    return re.fullmatch(r"\d{4}-\d\d-\d\d", str(text)) is not None


def instant(text: str) -> datetime:
    """A moment from ISO 8601; ValueError where it is none."""
    moment = datetime.fromisoformat(text.replace(" ", "+"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


TWIN = BambooHr


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "BAMBOOHR_URL": f"{root}/api/v1",
        "BAMBOOHR_API_KEY": API_KEY,
        "BAMBOOHR_OAUTH_TOKEN": OAUTH_TOKEN,
        "BAMBOOHR_WEBHOOK_KEY": webhooks.PRIVATE_KEY,
    }
