"""HiBob, after the OpenAPI description of March 2024 and apidocs.hibob.com; what is unverified says so.

Below the prefix the paths are those of https://api.hibob.com. `/settings/webhooks` stands for Bob's settings page.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence

from connectors.sandbox.deliveries import Deliveries
from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import DELIVERIES, StaffTwin, now
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

USER, TOKEN = "SERVICE-4711", "hibob-token-of-the-sandbox"
SECRET = "hibob-webhook-secret-of-the-sandbox"
LISTS = {"work.department": "department", "work.title": "title", "work.site": "site"}
LISTS |= {"payroll.employment.contract": "contract"}
CONTRACTS = {"Employee": "Permanent", "Contractor": "Contractor"}
OURS = {"firstName": "firstName", "surname": "lastName", "email": "workEmail"}
CATEGORIES = ("root", "work", "home", "address", "payroll", "internal")


class HiBob(StaffTwin):
    """People with list fields as ids; a service user may be kept from a category."""

    quotas = (Limit(50, 60, r"POST /v1/people/search"), Limit(200))
    settable = {"unseen": ("", *CATEGORIES)}
    unseen = ""
    """A category that the service user may not see."""
    deliveries: Deliveries = DELIVERIES

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/v1/people/search", post=self.search),
            route("/v1/people", post=self.create),
            route("/v1/people/{id}", put=self.update),
            route("/v1/people/{id}/email", put=self.email),
            route("/v1/people/{id}/work", post=self.work),
            route("/v1/employees/{id}/terminate", post=self.terminate),
            route("/v1/employees/{id}/start-date", post=self.start_date),
            route("/v1/company/named-lists", get=self.named_lists),
            route("/settings/webhooks", post=self.subscribe),
        )

    def authorise(self, call: Call) -> None:
        kind, _, value = call.header(b"authorization").partition(" ")
        if kind.lower() != "basic" or b64decode(value).decode() != f"{USER}:{TOKEN}":
            raise Rejection(self.problem(401, "Unauthorized"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"key": f"error.{status}", "error": message}, *headers)

    def taken(self) -> Answer:
        return self.problem(400, "email already exists")

    # reading

    def search(self, call: Call) -> Answer:
        """One filter at most, by id or e-mail; without showInactive only those employed."""
        asked = call.json()
        rows = [row for row in call["people"].rows.values() if asked.get("showInactive") or not self.ended(row)]
        for each in asked.get("filters") or ():
            rows = [row for row in rows if self.fits(row, each)]
        fields, mode = asked.get("fields") or ["root.id"], asked.get("humanReadable")
        return json_answer(200, {"employees": [self.shown(row, fields, mode) for row in rows]})

    def fits(self, row: Row, asked: Row) -> bool:
        names = {"root.id": "id", "root.email": "workEmail"}
        if asked.get("fieldPath") not in names or asked.get("operator") != "equals" or not asked.get("values"):
            raise Rejection(self.problem(400, "unsupported filter"))
        return row.get(names[asked["fieldPath"]]) in asked["values"]

    def shown(self, row: Row, fields: list[str], mode: str | None) -> Row:
        """The asked fields that are not empty, nested; lists as ids, with their words beside them where asked."""
        values, found, words = self.values(row), Row(), Row()
        for field in fields:
            path = field.split(".")
            if path[0] == self.unseen or field not in values:
                continue
            value = values.get(field)
            if value is None:
                continue
            put(found, path, self.item(field, value) if field in LISTS and mode != "REPLACE" else value)
            put(words, path, value)
        return found | ({"humanReadable": words} if mode == "APPEND" else {})

    def values(self, row: Row) -> Row:
        status = "Terminated" if self.ended(row) else "Employed" if self.begun(row) else "Hired"
        return {f"root.{theirs}": row.get(ours) for theirs, ours in OURS.items()} | {
            "root.id": row["id"],
            "root.displayName": f"{row['firstName']} {row['lastName']}",
            "home.privateEmail": row.get("homeEmail"),
            "work.department": row.get("department"),
            "work.title": row.get("jobTitleName"),
            "work.site": row.get("location"),
            "work.reportsTo.id": row.get("reportsToId"),
            "work.startDate": row.get("hireDate"),
            "address.country": row.get("country"),
            "payroll.employment.contract": CONTRACTS.get(row["customWorkerType"], row["customWorkerType"]),
            "internal.lifecycleStatus": status,
            "internal.terminationDate": row.get("terminationDate"),
        }

    def item(self, field: str, word: str | None) -> str | None:
        """The id of a list's item."""
        return next((str(each["id"]) for each in self.items(field) if each["name"] == word), None)

    def items(self, field: str) -> list[Row]:
        words = sorted({self.values(row)[field] for row in self.store["people"].rows.values()} - {None})
        number = 1000 * (1 + list(LISTS).index(field))
        return [{"id": number + at, "name": word, "archived": False, "children": []} for at, word in enumerate(words)]

    def named_lists(self, call: Call) -> Answer:
        return json_answer(200, [{"name": name, "items": self.items(field)} for field, name in LISTS.items()])

    # writing

    def create(self, call: Call) -> Answer:
        asked = call.json()
        if missing := [name for name in ("firstName", "surname", "email") if not asked.get(name)]:
            raise Rejection(self.problem(400, f"{missing[0]} is required"))
        work = asked.get("work") or {}
        job = {"location": work.get("site"), "hireDate": work.get("startDate")}
        row = self.hire(call, {ours: asked.get(theirs) for theirs, ours in OURS.items()} | job)
        return json_answer(200, {"id": row["id"]})

    def update(self, call: Call) -> Answer:
        """304 where nothing changed."""
        asked = {OURS[name]: value for name, value in call.json().items() if name in OURS and name != "email"}
        before = self.person(call, call.params["id"])
        return Answer(304) if self.change(call, before["id"], asked) is before else Answer(200)

    def email(self, call: Call) -> Answer:
        self.change(call, call.params["id"], {"workEmail": call.json()["email"]})
        return Answer(200)

    def work(self, call: Call) -> Answer:
        """A row of the job history; this twin takes it from its effective date on at once."""
        names = {"title": "jobTitleName", "department": "department", "site": "location"}
        asked = call.json()
        job = {ours: asked[theirs] for theirs, ours in names.items() if theirs in asked}
        boss = {"reportsToId": asked["reportsTo"]["id"]} if "reportsTo" in asked else {}
        self.change(call, call.params["id"], job | boss)
        return Answer(200)

    def terminate(self, call: Call) -> Answer:
        asked = call.json()
        if not asked.get("terminationDate"):
            raise Rejection(self.problem(400, "terminationDate is required"))
        self.change(call, call.params["id"], {"terminationDate": asked["terminationDate"]})
        return Answer(200)

    def start_date(self, call: Call) -> Answer:
        self.change(call, call.params["id"], {"hireDate": call.json()["startDate"], "terminationDate": None})
        return Answer(200)

    # webhooks

    def subscribe(self, call: Call) -> Answer:
        """A new webhook is asked whether it is there, with both forms of the ping."""
        url = call.json()["url"]
        call["hooks"].put(url, {"id": url, "url": url, "secret": SECRET})
        for ping in (b"Ping test", b'{"text":"Ping test"}'):
            self.deliveries.post(url, ping, {})
        return json_answer(200, {"secret": SECRET})

    def events(self, what: str, row: Row) -> list[Row]:
        """Ids only, as version 2 does; created comes alone."""
        data: Row = {"employeeId": row["id"]} | ({"fieldUpdates": []} if what == "updated" else {})
        base = {"companyId": 622545, "triggeredBy": row["id"], "triggeredAt": now(), "version": "v2"}
        return [{**base, "type": f"employee.{what}", "data": data}]

    def signed(self, hook: Row, body: bytes) -> dict[str, str]:
        digest = hmac.new(hook["secret"].encode(), body, hashlib.sha512).digest()
        return {"Bob-Signature": b64encode(digest).decode()}


def put(body: Row, path: list[str], value: object) -> None:
    """Set a value at its path; fields of `root` stand at the top."""
    *way, last = path[1:] if path[0] == "root" else path
    for part in way:
        body = body.setdefault(part, {})
    body[last] = value


TWIN = HiBob


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "HIBOB_URL": f"{root}/v1",
        "HIBOB_USER": USER,
        "HIBOB_TOKEN": TOKEN,
        "HIBOB_WEBHOOK_SECRET": SECRET,
    }
