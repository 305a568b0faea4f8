"""Keka, after a third party's copy of its documentation (August 2026); the fields of its answers are unverified.

Below the prefix the paths are those of https://{company}.keka.com; the token endpoint is there too.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Sequence

from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import StaffTwin
from connectors.sandbox.store import Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

CLIENT, SECRET, KEY = "keka-client-of-the-sandbox", "keka-secret-of-the-sandbox", "keka-key-of-the-sandbox"
USUAL, MOST = 100, 200
DAY_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4})")


class Keka(StaffTwin):
    """Employees with numbers for statuses; a client must look like a browser."""

    quotas = (Limit(50, 60),)
    settable = {"unseen": ("", "exitDate", "employmentStatus"), "refuses": (True, False)}
    unseen = ""
    refuses = False
    """Whether a list says with 200 that it did not succeed."""

    def make_tables(self) -> dict[str, Table]:
        return super().make_tables() | {"tokens": Table("tokens", {})}

    def id_of(self, number: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"keka/{number}"))

    def make_routes(self) -> Sequence[Route]:
        employee = "/api/v1/hris/employees/{id}"
        return (
            route("/connect/token", post=self.token),
            route("/api/v1/hris/employees", get=self.employees, post=self.create),
            route(employee, get=self.show),
            route(f"{employee}/jobdetails", put=self.job),
            route(f"{employee}/exitrequest", post=self.leave, put=self.leave),
            route("/api/v1/pages/employees/{id}", put=self.edit),
        )

    def authorise(self, call: Call) -> None:
        if not call.header(b"user-agent").startswith("Mozilla/"):
            raise Rejection(self.problem(403, "Forbidden"))
        held = self.store["tokens"].rows
        if call.path != "/connect/token" and call.header(b"authorization").removeprefix("Bearer ") not in held:
            raise Rejection(self.problem(401, "Unauthorized"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(
            status, {"succeeded": False, "message": message, "errors": [message], "data": None}, *headers
        )

    def token(self, call: Call) -> Answer:
        said = call.form()
        wanted = {"grant_type": "kekaapi", "scope": "kekaapi", "client_id": CLIENT, "client_secret": SECRET}
        if said != wanted | {"api_key": KEY}:
            raise Rejection(json_answer(400, {"error": "invalid_client"}))
        token = secrets.token_hex(16)
        self.store["tokens"].put(token, {"token": token})
        return json_answer(
            200, {"access_token": token, "expires_in": 86400, "token_type": "Bearer", "scope": "kekaapi"}
        )

    def employees(self, call: Call) -> Answer:
        if self.refuses:
            return self.problem(200, "The window of dates is too long")
        query = call.query
        size = page_number(query.get("pageSize"), USUAL, MOST)
        number = page_number(query.get("pageNumber"), 1, 10**9)
        rows = [row for row in call["people"].rows.values() if row["changed"] >= query.get("lastModified", "")]
        data = [self.shown(row) for row in rows[(number - 1) * size : number * size]]
        pages = {"pageNumber": number, "pageSize": size, "totalPages": -(-len(rows) // size), "totalRecords": len(rows)}
        return json_answer(200, {"succeeded": True, "message": "", "errors": None, "data": data} | pages)

    def show(self, call: Call) -> Answer:
        row = self.person(call, call.params["id"])
        return json_answer(200, {"succeeded": True, "message": "", "errors": None, "data": self.shown(row)})

    def shown(self, row: Row) -> Row:
        groups = [(2, row.get("department")), (3, row.get("location"))]
        whole = {
            "id": row["id"],
            "employeeNumber": f"0{row['number']}",
            "firstName": row["firstName"],
            "lastName": row["lastName"],
            "displayName": f"{row['firstName']} {row['lastName']}",
            "email": row.get("workEmail"),
            "personalEmail": row.get("homeEmail"),
            "jobTitle": {"identifier": self.id_of(str(row.get("jobTitleName"))), "title": row.get("jobTitleName")},
            "groups": [
                {"id": self.id_of(str(name)), "title": name, "groupType": kind} for kind, name in groups if name
            ],
            "reportsTo": {"id": row["reportsToId"]} if row.get("reportsToId") else None,
            "workerType": 2 if row["customWorkerType"] == "Contractor" else 1,
            "timeType": 1,
            "employmentStatus": int(self.ended(row)),
            "accountStatus": 1,
            "joiningDate": f"{row['hireDate']}T00:00:00Z" if row.get("hireDate") else None,
            "exitDate": f"{row['terminationDate']}T00:00:00" if row.get("terminationDate") else "0001-01-01T00:00:00Z",
        }
        return {name: value for name, value in whole.items() if name != self.unseen}

    # writing

    def create(self, call: Call) -> Answer:
        """Dates of joining are written with the day first."""
        asked = call.json()
        joined = DAY_FIRST.fullmatch(str(asked.get("DateJoined")))
        if not joined:
            raise Rejection(self.problem(400, "DateJoined is not a date (dd-mm-yyyy)"))
        names = {"FirstName": "firstName", "LastName": "lastName", "Email": "workEmail", "department": "department"}
        names |= {"JobTitle": "jobTitleName", "Location": "location"}
        fields = {ours: asked[theirs] for theirs, ours in names.items() if theirs in asked}
        row = self.hire(call, fields | {"hireDate": f"{joined[3]}-{joined[2]}-{joined[1]}"})
        return json_answer(200, {"succeeded": True, "data": row["id"]})

    def job(self, call: Call) -> Answer:
        names = {"department": "department", "jobTitle": "jobTitleName", "location": "location"}
        asked = call.json()
        self.change(call, call.params["id"], {ours: asked[name] for name, ours in names.items() if name in asked})
        return json_answer(200, {"succeeded": True})

    def leave(self, call: Call) -> Answer:
        """Dates of leaving are ISO texts."""
        self.change(call, call.params["id"], {"terminationDate": call.json()["lastWorkingDate"][:10]})
        return json_answer(200, {"succeeded": True})

    def edit(self, call: Call) -> Answer:
        """Stands for the pages on which HR takes somebody back."""
        self.change(call, call.params["id"], call.json())
        return json_answer(200, {"succeeded": True})


TWIN = Keka


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "KEKA_URL": f"{root}/api/v1",
        "KEKA_TOKEN_URL": f"{root}/connect/token",
        "KEKA_CLIENT_ID": CLIENT,
        "KEKA_CLIENT_SECRET": SECRET,
        "KEKA_API_KEY": KEY,
    }
