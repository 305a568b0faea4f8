"""Personio: version 1 after its OpenAPI description of January 2025; version 2, webhooks after developer.personio.de.

Below the prefix the paths are those of https://api.personio.de. Bodies of version 2 are unverified.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from urllib.parse import parse_qsl

from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import StaffTwin, now
from connectors.sandbox.store import Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

CLIENT, SECRET = "papi-client-of-the-sandbox", "personio-secret-of-the-sandbox"
HOOK_TOKEN = "personio-webhook-token-of-the-sandbox"
MOST, USUAL = 100, 50
ENTITIES = ("department", "office", "subcompany")
WRITABLE = {"first_name": "firstName", "last_name": "lastName", "position": "jobTitleName", "department": "department"}
WRITABLE |= {"office": "location", "hire_date": "hireDate", "supervisor_id": "reportsToId"}
WITHHELD = ("status", "hire_date", "email")


class Personio(StaffTwin):
    """Employees as version 1 shows them: each attribute an object; those not permitted are left out."""

    quotas = (
        Limit(300, 60, r"GET /v1/company/employees", burst=15),
        Limit(60, 60, r"POST /v\d/auth"),
        Limit(2000, 60),
    )
    settable = {"unseen": ("", *WITHHELD), "shifted": (True, False)}
    unseen = ""
    """An attribute that the credentials may not read."""
    shifted = False
    """Whether version 2 knows people by other ids."""

    def make_tables(self) -> dict[str, Table]:
        return super().make_tables() | {"tokens": Table("tokens", {})}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/v1/auth", post=self.sign_in_first),
            route("/v1/company/employees", get=self.list_employees, post=self.create),
            route("/v1/company/employees/{id}", get=self.show, patch=self.update),
            route("/v2/auth/token", post=self.sign_in_second),
            route("/v2/persons/{id}", get=self.show_person, patch=self.patch_person),
            route("/v2/webhooks", post=self.subscribe),
            route("/v2/webhooks/{id}", patch=self.switch),
            route("/settings/employees/{id}/end", post=self.end),
        )

    def authorise(self, call: Call) -> None:
        if call.path in ("/v1/auth", "/v2/auth/token"):
            return
        kind, _, token = call.header(b"authorization").partition(" ")
        held = self.store["tokens"].rows.get(token)
        if kind != "Bearer" or not held or held["version"] != call.path[1:3] and not call.path.startswith("/settings"):
            raise Rejection(self.problem(401, "Unauthorized"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"success": False, "error": {"code": status, "message": message}}, *headers)

    def sign_in_first(self, call: Call) -> Answer:
        token = self.token(call.json(), "v1")
        return json_answer(
            200, {"success": True, "data": {"token": token, "expires_in": 86400, "scope": "employees:read"}}
        )

    def sign_in_second(self, call: Call) -> Answer:
        return json_answer(200, {"access_token": self.token(call.form(), "v2"), "expires_in": 86400})

    def token(self, said: Row, version: str) -> str:
        if (said.get("client_id"), said.get("client_secret")) != (CLIENT, SECRET):
            raise Rejection(self.problem(403, "Wrong credentials"))
        token = f"papi-{secrets.token_hex(8)}"
        self.store["tokens"].put(token, {"version": version})
        return token

    # version 1

    def list_employees(self, call: Call) -> Answer:
        query = call.query
        size = page_number(query.get("limit"), USUAL, MOST)
        start = page_number(query.get("offset"), 0, 10**9, 0)
        rows = [r for r in call["people"].rows.values() if r["changed"] >= query.get("updated_since", "")]
        names = [value for name, value in parse_qsl(call.query_string) if name == "attributes[]"]
        data = [{"type": "Employee", "attributes": self.attributes(r, names)} for r in rows[start : start + size]]
        pages = {"total_elements": len(rows), "current_page": start // size, "total_pages": -(-len(rows) // size)}
        return json_answer(200, {"success": True, "metadata": pages, "offset": start, "limit": size, "data": data})

    def show(self, call: Call) -> Answer:
        row = self.person(call, call.params["id"])
        return json_answer(200, {"success": True, "data": {"type": "Employee", "attributes": self.attributes(row, [])}})

    def attributes(self, row: Row, names: list[str]) -> Row:
        kinds = {
            "hire_date": "date",
            "contract_end_date": "date",
            "termination_date": "date",
            "last_working_day": "date",
        }
        return {
            name: {"label": name, "value": value, "type": kinds.get(name, "standard"), "universal_id": name}
            for name, value in self.values(row).items()
            if name != self.unseen and (not names or name in names)
        }

    def values(self, row: Row) -> Row:
        """Dates come as the midnight of the company's place."""
        status = "inactive" if self.ended(row) else "active" if self.begun(row) else "onboarding"
        contractor, last = row["customWorkerType"] == "Contractor", midnight(row.get("terminationDate"))
        return {
            "id": int(row["id"]),
            "first_name": row["firstName"],
            "last_name": row["lastName"],
            "email": row.get("workEmail"),
            "status": status,
            "position": row.get("jobTitleName"),
            "department": entity("Department", row.get("department")),
            "office": entity("Office", row.get("location")),
            "subcompany": entity("Subcompany", "Juniper & Finch"),
            "supervisor": supervisor(row.get("reportsToId")),
            "employment_type": "external" if contractor else "internal",
            "hire_date": midnight(row.get("hireDate")),
            "contract_end_date": last if contractor else None,
            "termination_date": None if contractor else last,
            "termination_type": None,
            "last_working_day": None if contractor else last,
        }

    def create(self, call: Call) -> Answer:
        asked = call.json().get("employee") or {}
        if missing := [name for name in ("email", "first_name", "last_name") if not asked.get(name)]:
            raise Rejection(self.problem(422, f"{missing[0]} is required"))
        row = self.hire(call, {**taken(asked), "workEmail": asked["email"]})
        return json_answer(200, {"success": True, "data": {"id": int(row["id"]), "message": "success"}})

    def update(self, call: Call) -> Answer:
        """Neither the e-mail nor an unknown attribute changes, and nothing says so."""
        row = self.change(call, call.params["id"], taken(call.json().get("employee") or {}))
        return json_answer(200, {"success": True, "data": {"id": int(row["id"]), "message": "success"}})

    def end(self, call: Call) -> Answer:
        """Stands for the page on which HR ends somebody's employment, or takes it back."""
        self.change(call, call.params["id"], {"terminationDate": call.json().get("last_working_day")})
        return json_answer(200, {"success": True})

    # version 2

    def person_of(self, call: Call) -> Row:
        key = call.params["id"]
        return self.person(call, str(int(key) + 1) if self.shifted else key)

    def show_person(self, call: Call) -> Answer:
        row = self.person_of(call)
        names = {"first_name": row["firstName"], "last_name": row["lastName"], "email": row.get("workEmail")}
        return json_answer(200, {"id": call.params["id"], **names})

    def patch_person(self, call: Call) -> Answer:
        self.change(call, self.person_of(call)["id"], {"workEmail": call.json()["email"]})
        return Answer(204)

    # webhooks

    def subscribe(self, call: Call) -> Answer:
        """Disabled unless it is told to be enabled."""
        asked, number = call.json(), str(call["hooks"].next_number())
        if missing := [name for name in ("url", "enabled_events", "auth_type") if not asked.get(name)]:
            raise Rejection(self.problem(422, f"{missing[0]} is required"))
        hook = call["hooks"].put(number, {"id": number, "status": "DISABLED", **asked})
        return json_answer(201, {name: value for name, value in hook.items() if name != "token"})

    def switch(self, call: Call) -> Answer:
        hook = call["hooks"].rows[call.params["id"]]
        call["hooks"].put(hook["id"], hook | call.json())
        return Answer(204)

    def events(self, what: str, row: Row) -> list[Row]:
        event = {"company_id": "4711", "occurred_at": now(), "event_name": f"person.{what}", "meta": {}}
        return [event | {"payload": {"person": {"id": row["id"]}}}]

    def signed(self, hook: Row, body: bytes) -> dict[str, str]:
        """The agreed token as it is."""
        return {"Authorization": hook["token"]} if hook["auth_type"] == "TOKEN" else {}

    def wants(self, hook: Row, event: Row) -> bool:
        return hook["status"] == "ENABLED" and event["event_name"] in hook["enabled_events"]


def entity(kind: str, name: str | None) -> Row | None:
    return {"type": kind, "attributes": {"id": sum(name.encode()), "name": name}} if name else None


def supervisor(key: str | None) -> Row | None:
    own = {"label": "ID", "value": int(key or 0), "type": "integer", "universal_id": "id"}
    return {"type": "Employee", "attributes": {"id": own}} if key else None


def midnight(day: str | None) -> str | None:
    """Half of the year the place is an hour further from UTC, which nobody should ever notice."""
    return f"{day}T00:00:00{'+02:00' if '04' <= day[5:7] <= '10' else '+01:00'}" if day else None


def taken(asked: Row) -> Row:
    known = {ours: asked[theirs] for theirs, ours in WRITABLE.items() if theirs in asked}
    return known | ({"reportsToId": str(known["reportsToId"])} if known.get("reportsToId") else {})


TWIN = Personio


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "PERSONIO_URL": root,
        "PERSONIO_CLIENT_ID": CLIENT,
        "PERSONIO_CLIENT_SECRET": SECRET,
        "PERSONIO_WEBHOOK_TOKEN": HOOK_TOKEN,
    }
