"""Rippling, REST version 2, after its OpenAPI description of 2026-04; errors and limits are unverified.

Below the prefix the paths are those of https://rest.ripplingapis.com; slashes at their end are part of them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime

from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import StaffTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

TOKEN = "rippling-token-of-the-sandbox"
PAGE = 20
BEGUN = "2026-01-01T00:00:00Z"
CODES = {"Germany": "DE", "Portugal": "PT", "New Zealand": "NZ", "United States": "US"}
FILTER = re.compile(r"(status|work_email|updated_at) (eq|ge) '([^']*)'")
EXPANDED = ("user", "department", "employment_type")


class Rippling(StaffTwin):
    """Workers that are only read; fields that the token may not see are left out and named once."""

    quotas = (Limit(100),)
    settable = {"unseen": ("", "end_date", "department", "work_email")}
    unseen = ""

    def id_of(self, number: str) -> str:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"rippling/{number}").hex[:24]

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/workers/", get=self.workers),
            route("/workers/{id}/", get=self.worker),
            route("/work-locations/", get=self.places),
            route("/pages/people", post=self.enter),
            route("/pages/people/{id}", put=self.edit),
        )

    def authorise(self, call: Call) -> None:
        if call.header(b"authorization") != f"Bearer {TOKEN}":
            raise Rejection(self.problem(401, "Invalid token"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"error": {"code": status, "message": message}}, *headers)

    def workers(self, call: Call) -> Answer:
        query = call.query
        rows = [row for row in call["people"].rows.values() if self.fits(row, query.get("filter", ""))]
        start = page_number(query.get("cursor"), 0, 10**9, 0)
        expand = query.get("expand", "").split(",")
        found = [self.shown(row, expand) for row in rows[start : start + PAGE]]
        after = {"cursor": str(start + PAGE)} | {
            name: query[name] for name in ("filter", "expand", "order_by") if name in query
        }
        link = f"{call.base}/workers/?{'&'.join(f'{name}={quoted(value)}' for name, value in after.items())}"
        return json_answer(
            200, self.meta() | {"results": found} | ({"next_link": link} if start + PAGE < len(rows) else {})
        )

    def fits(self, row: Row, text: str) -> bool:
        if not text:
            return True
        asked = FILTER.fullmatch(text)
        if not asked:
            raise Rejection(self.problem(400, "unknown filter"))
        name, operator, wanted = asked.groups()
        if name == "updated_at" and operator == "ge":
            return datetime.fromisoformat(row["changed"]) >= datetime.fromisoformat(wanted)
        return bool(self.shown(row, []).get(name) == wanted)

    def worker(self, call: Call) -> Answer:
        row = self.person(call, call.params["id"])
        return json_answer(200, self.meta() | self.shown(row, call.query.get("expand", "").split(",")))

    def meta(self) -> Row:
        gone = [{"name": self.unseen, "reason": "Insufficient entitlements"}] if self.unseen else []
        return {"__meta": {"redacted_fields": gone}}

    def shown(self, row: Row, expand: list[str]) -> Row:
        """What is empty or redacted is left out."""
        status = "TERMINATED" if self.ended(row) else "ACTIVE" if self.begun(row) else "ACCEPTED"
        kind = "CONTRACTOR" if row["customWorkerType"] == "Contractor" else "EMPLOYEE"
        name = {"given_name": row["firstName"], "family_name": row["lastName"]}
        whole = {
            "manager_id": row.get("reportsToId"),
            "country": CODES.get(row.get("country", "")),
            "start_date": row.get("hireDate"),
            "end_date": row.get("terminationDate"),
            "number": int(row["number"]),
            "work_email": row.get("workEmail"),
            "personal_email": row.get("homeEmail"),
            "status": status,
            "title": row.get("jobTitleName"),
            "location": {"type": "WORK", "work_location_id": self.id_of(str(row.get("location")))},
            "department_id": self.id_of(str(row.get("department"))),
            "user": record(self.id_of(f"user/{row['id']}")) | {"name": name},
            "department": record(self.id_of(str(row.get("department")))) | {"name": row.get("department", "")},
            "employment_type": record(self.id_of(kind)) | {"label": kind.title(), "type": kind},
        }
        held = {name: value for name, value in whole.items() if name not in EXPANDED or name in expand}
        held = {
            name: value for name, value in held.items() if value is not None and name.removesuffix("_id") != self.unseen
        }
        return record(row["id"]) | {"updated_at": row["changed"]} | held

    def places(self, call: Call) -> Answer:
        names = sorted({str(row["location"]) for row in call["people"].rows.values() if row.get("location")})
        found = [record(self.id_of(name)) | {"name": name, "address": {}} for name in names]
        return json_answer(200, {"results": found})

    # the pages on which HR works: version 2 writes no workers

    def enter(self, call: Call) -> Answer:
        return json_answer(200, {"id": self.hire(call, call.json())["id"]})

    def edit(self, call: Call) -> Answer:
        self.change(call, call.params["id"], call.json())
        return json_answer(200, {})


def record(key: str) -> Row:
    return {"id": key, "created_at": BEGUN, "updated_at": BEGUN}


def quoted(text: str) -> str:
    return text.replace("+", "%2B").replace(" ", "%20").replace("'", "%27")


TWIN = Rippling


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"RIPPLING_URL": root, "RIPPLING_TOKEN": TOKEN}
