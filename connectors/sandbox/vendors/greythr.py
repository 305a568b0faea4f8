"""greytHR, after public clients of it (airbytehq/airbyte source-greythr, grv2003/tap-greythr, Fivetran's example): the
sign-in, paths, paging and names of fields. The single person's shapes, categories with days, managers, placeholders for
leaving dates and the page in place of a refusal are told by single integrations: unverified.

Below the prefix are the paths of https://api.greythr.com and of https://{company}.greythr.com. `/pages` stands for the
pages on which HR works.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import orjson

from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import StaffTwin
from connectors.sandbox.store import Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

USER, PASSWORD, DOMAIN = "rollcall", "greythr-password-of-the-sandbox", "juniperfinch.greythr.example"
USUAL, MOST = 25, 500
KINDS = {"1": ("Location", "location"), "2": ("Department", "department"), "6": ("Designation", "jobTitleName")}
"""A category's number -> its name, and our word for it."""
STATUS = {"Employee": 2, "Contractor": 3}
"""The kind of employment, whatever its name: confirmed, contract."""
NO_DAY = "1900-01-01"
ROSTER = "employees"
OTHERS: dict[str, Row] = {
    "profile": {"nickname": None, "biography": None, "linkedIn": None},
    "work": {"confirmDate": None, "noticePeriod": 60, "onboardingStatus": None},
    "personal": {"bloodGroup": None, "maritalStatus": 1, "spouseName": None},
}
"""Lists that say the same of everybody."""
LISTS = ("categories", "separation", "org-tree", *OTHERS)
PAGE = Answer(200, b"<!doctype html><title>greytHR</title><p>Sign in to continue", "text/html")


class GreytHr(StaffTwin):
    """Five lists of the same people, in pages that count from 0."""

    quotas = (Limit(50),)
    settable = {
        "unseen": ("", "firstName", "email", "leftorg", "categories.Department"),
        "first_page": (0, 1),
        "gap": ("", ROSTER, *LISTS),
        "cut": ("", ROSTER, *LISTS),
        "shifted": ("", ROSTER, *LISTS),
        "nameless": (False, True),
    }
    unseen = ""
    """A field, or a category, that is shown of nobody."""
    first_page = 0
    gap = ""
    """The list in which 103 is not."""
    cut = ""
    """The list whose second page comes empty."""
    shifted = ""
    """The list whose second page begins with the last row of the first, as after somebody was added."""

    nameless = False
    """Whether the lists of values come empty."""

    def make_tables(self) -> dict[str, Table]:
        return super().make_tables() | {"tokens": Table("tokens", {}), "values": Table("values", {})}

    def make_routes(self) -> Sequence[Route]:
        one = "/employee/v2/employees/{id}"
        return (
            route("/uas/v1/oauth2/client-token", post=self.token),
            route("/employee/v2/employees", get=self.roster, post=self.create),
            *(route(f"/employee/v2/employees/{name}", get=self.list_of(name)) for name in LISTS),
            route(one, get=self.show),
            route(f"{one}/categories", get=self.categories_of, post=self.move),
            *(route(f"{one}/{name}", get=self.one_of(name)) for name in LISTS if name != "categories"),
            route("/hr/v2/lov", post=self.lov),
            route("/pages/employees/{id}", put=self.edit),
        )

    def seed(self) -> None:
        super().seed()
        for key, row in list(self.store["people"].rows.items()):
            self.store["people"].put(key, row | {"held": self.placed(row, row["hireDate"])})

    def placed(self, fields: Row, since: str | None) -> list[Row]:
        """Categories from a day on, for those of these fields that are one."""
        return [
            {
                "category": int(kind),
                "value": self.value(kind, fields[ours]),
                "effectiveFrom": since,
                "effectiveTo": None,
            }
            for kind, (_, ours) in KINDS.items()
            if fields.get(ours)
        ]

    def value(self, kind: str, name: str) -> int:
        """The number of a category's value, which is made where there is none."""
        values = self.store["values"]
        held = (row["id"] for row in values.rows.values() if (row["kind"], row["name"]) == (kind, name))
        if (known := next(held, None)) is not None:
            return int(known)
        number = values.next_number()
        values.put(str(number), {"id": number, "kind": kind, "name": name})
        return number

    # who may ask

    def authorise(self, call: Call) -> None:
        if call.path.startswith("/uas/"):
            return
        if call.header(b"access-token") not in self.store["tokens"].rows:
            raise Rejection(self.problem(401, "Access token is invalid"))
        if call.header(b"x-greythr-domain") != DOMAIN:
            raise Rejection(PAGE)

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"code": f"ERROR-{status}", "message": message}, *headers)

    def token(self, call: Call) -> Answer:
        wanted = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        if call.header(b"authorization") != wanted:
            raise Rejection(self.problem(403, "Invalid API credentials"))
        token = secrets.token_hex(16)
        self.store["tokens"].put(token, {"token": token})
        return json_answer(200, {"access_token": token, "token_type": "bearer", "expires_in": 3599})

    # reading

    def roster(self, call: Call) -> Answer:
        """Without `state=ALL` those who have left are not in it."""
        rows = [row for row in call["people"].rows.values() if call.query.get("state") == "ALL" or not self.ended(row)]
        return self.paged(call, ROSTER, [self.employee(row) for row in rows])

    def list_of(self, name: str) -> Any:
        def handler(call: Call) -> Answer:
            found = ((row, self.part(call, name, row)) for row in call["people"].rows.values())
            return self.paged(call, name, [{"employeeId": int(row["id"]), **part} for row, part in found if part])

        return handler

    def paged(self, call: Call, name: str, rows: list[Row]) -> Answer:
        rows = [row for row in rows if not (self.gap == name and row["employeeId"] == 103)]
        size = page_number(call.query.get("size"), USUAL, MOST)
        at = page_number(call.query.get("page"), self.first_page, 10**9, self.first_page) - self.first_page
        data, more = rows[at * size : (at + 1) * size], (at + 1) * size < len(rows)
        if at == 1 and name == self.cut:
            data = []
        if at == 1 and name == self.shifted:
            data = rows[size - 1 : 2 * size - 1]
        pages = {"totalPages": -(-len(rows) // size), "totalElements": len(rows), "size": size, "first": at == 0}
        pages |= {"hasNext": more, "hasPrevious": at > 0, "last": not more}
        return json_answer(200, {"data": data, "pages": pages})

    def show(self, call: Call) -> Answer:
        return json_answer(200, self.employee(self.person(call, call.params["id"])))

    def one_of(self, name: str) -> Any:
        def handler(call: Call) -> Answer:
            row = self.person(call, call.params["id"])
            part = self.part(call, name, row)
            if not part or (self.gap == name and row["id"] == "103"):
                raise Rejection(self.problem(404, f"there is no {name}"))
            return json_answer(200, part["orgtree"] if name == "org-tree" else {"employeeId": int(row["id"]), **part})

        return handler

    def categories_of(self, call: Call) -> Answer:
        """Alone they come without their names, whatever is asked for."""
        row = self.person(call, call.params["id"])
        if self.gap == "categories" and row["id"] == "103":
            raise Rejection(self.problem(404, "there are no categories"))
        return json_answer(200, row.get("held") or [])

    def employee(self, row: Row) -> Row:
        """A row of the roster: nobody's leaving date is empty."""
        whole = {
            "employeeId": int(row["id"]),
            "employeeNo": f"JF0{row['number']}",
            "name": f"{row['firstName']} {row['lastName']}",
            "firstName": row["firstName"],
            "middleName": None,
            "lastName": row["lastName"],
            "email": row.get("workEmail"),
            "personalEmail": row.get("homeEmail"),
            "dateOfJoin": row.get("hireDate"),
            "leavingDate": row.get("terminationDate") or NO_DAY,
            "leftorg": self.gone(row),
            "status": STATUS[row["customWorkerType"]],
            "lastModified": row["changed"][:19] + "Z",
        }
        return {name: value for name, value in whole.items() if name != self.unseen}

    def gone(self, row: Row) -> bool:
        """From the day on which it is entered, not from the last day."""
        return bool(row.get("resigned")) or self.ended(row)

    def part(self, call: Call, name: str, row: Row) -> Row:
        """What a list has of somebody; nothing where it has no row."""
        if name == "categories":
            return self.categories(call, row)
        if name == "separation":
            return self.separation(row)
        return self.tree(call, row) if name == "org-tree" else OTHERS[name]

    def categories(self, call: Call, row: Row) -> Row:
        named = call.query.get("descRequired") == "true"
        held = [entry | (self.words(entry) if named else {}) for entry in row.get("held") or ()]
        hidden = self.unseen.removeprefix("categories.")
        return {"categoryList": [entry for entry in held if entry.get("categoryDesc") != hidden]}

    def words(self, entry: Row) -> Row:
        value = self.store["values"].rows[str(entry["value"])]
        return {"categoryDesc": KINDS[str(entry["category"])][0], "valueDesc": value["name"]}

    def separation(self, row: Row) -> Row:
        """Of nobody who stays."""
        if not (row.get("terminationDate") or row.get("resigned")):
            return {}
        said = {"leftOrg": self.gone(row), "leavingDate": row.get("terminationDate"), "leavingReason": None}
        return said | {"submittedResignation": bool(row.get("resigned")), "tentativeLeavingDate": row.get("tentative")}

    def tree(self, call: Call, row: Row) -> Row:
        """All managers, the highest first; whom nobody leads is not in it."""
        found, level, boss = [], 0, call["people"].rows.get(str(row.get("reportsToId")))
        while boss:
            who = {"employeeId": int(boss["id"]), "employeeNo": f"JF0{boss['number']}", "name": boss["firstName"]}
            found.append({"manager": who, "level": level})
            level, boss = level - 1, call["people"].rows.get(str(boss.get("reportsToId")))
        return {"orgtree": found[::-1]} if found else {}

    def lov(self, call: Call) -> Answer:
        """Lists of values by name: `lov::transitiontype` has the categories, `cat::Department` a category's values."""
        asked = orjson.loads(call.body)
        if not isinstance(asked, list):
            raise ValueError("the body is not a JSON list")
        return json_answer(200, {key: [] if self.nameless else self.values_of(key) for key in asked})

    def values_of(self, key: str) -> list[list[Any]]:
        if key == "lov::transitiontype":
            return [[int(kind), name] for kind, (name, _) in KINDS.items()]
        rows = self.store["values"].rows.values()
        return [[row["id"], row["name"]] for row in rows if f"cat::{KINDS[row['kind']][0]}" == key]

    # writing

    def create(self, call: Call) -> Answer:
        asked = call.json()
        if missing := [name for name in ("employeeNo", "name", "dateOfJoin") if not asked.get(name)]:
            raise Rejection(self.problem(400, f"{', '.join(missing)} required"))
        first, _, last = asked["name"].rpartition(" ")
        named = {"firstName": asked.get("firstName") or first, "lastName": asked.get("lastName") or last}
        row = self.hire(call, {**named, "workEmail": asked.get("email"), "hireDate": asked["dateOfJoin"], "held": []})
        return json_answer(201, {"employeeId": int(row["id"])})

    def move(self, call: Call) -> Answer:
        """Each entry ends the one of its category before; one of the same day takes its place."""
        row = self.person(call, call.params["id"])
        held = list(row.get("held") or ())
        for each in call.json()["list"]:
            if str(each["value"]) not in call["values"].rows:
                raise Rejection(self.problem(400, "no such value"))
            held = moved(held, each["category"], each["value"], each["effectiveDate"])
        self.change(call, row["id"], {"held": held})
        return json_answer(200, {"message": "Updated"})

    def edit(self, call: Call) -> Answer:
        """Stands for the pages on which HR lets somebody go, and takes somebody back."""
        self.change(call, call.params["id"], call.json())
        return json_answer(200, {"message": "Saved"})


TWIN = GreytHr


def moved(held: list[Row], kind: int, value: int, since: str) -> list[Row]:
    """Categories after a change of one of them."""
    eve = (date.fromisoformat(since) - timedelta(days=1)).isoformat()
    kept = [entry for entry in held if (entry["category"], entry["effectiveFrom"]) != (kind, since)]
    ended = [
        entry | {"effectiveTo": eve} if entry["category"] == kind and not entry["effectiveTo"] else entry
        for entry in kept
    ]
    return [*ended, {"category": kind, "value": value, "effectiveFrom": since, "effectiveTo": None}]


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "GREYTHR_URL": root,
        "GREYTHR_TOKEN_URL": f"{root}/uas/v1/oauth2/client-token",
        "GREYTHR_DOMAIN": DOMAIN,
        "GREYTHR_USER": USER,
        "GREYTHR_PASSWORD": PASSWORD,
    }
