"""Darwinbox, after its vendor's own client (darwinbox/darwinbox-mcp), the introduction of api-docs.darwinbox.com and
help.merge.dev 9681620; the rest of its answers, refusals and status words is unverified.

Below the prefix the paths are those of https://{company}.darwinbox.in. All are POSTs, with one api_key for each API
and population, or with an OAuth token in the header TOKEN.
"""

from __future__ import annotations

import secrets
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import StaffTwin
from connectors.sandbox.store import Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

USER, PASSWORD = "rollcall-api", "darwinbox-password-of-the-sandbox"
CLIENT = {
    "client_id": "darwinbox-client-of-the-sandbox",
    "client_secret": "darwinbox-secret-of-the-sandbox",
    "grant_type": "authorization_code",
    "code": "darwinbox-code-of-the-sandbox",
}
POPULATIONS = ("pending", "active", "inactive")
DATASETS = {f"darwinbox-{name}-dataset-of-the-sandbox": name for name in POPULATIONS}
BEGUN, LATER = "2024-12-02T09:00:00+00:00", "2099-12-01T09:00:00+00:00"
TYPES = {"Employee": "Permanent", "Contractor": "Contractual"}
OURS = {
    "first_name": "firstName",
    "last_name": "lastName",
    "company_email_id": "workEmail",
    "personal_email_id": "homeEmail",
    "department_name": "department",
    "designation_name": "jobTitleName",
    "office_city": "location",
    "direct_manager_employee_id": "reportsToId",
}
DATES = {"date_of_joining": "hireDate", "date_of_exit": "terminationDate"}
LEAVING = ("employee_id", "deactivate_type", "deactivate_reason", "date_of_resignation", "date_of_exit")


def key_of(api: str) -> str:
    """The api_key of an API; of the employee master there is one for each population."""
    return f"darwinbox-{api}-key-of-the-sandbox"


class Darwinbox(StaffTwin):
    """People in three populations, each a dataset that comes whole."""

    quotas = (Limit(60, 60),)
    settable = {
        "unseen": ("", "active.date_of_exit", "inactive.company_email_id", "active.company_email_id"),
        "lingers": (False, True),
        "touched": (False, True),
        "undated": (False, True),
        "silent": (False, True),
        "refusal": ("", "You have no access to this employee data"),
        "empty": (False, True),
    }
    unseen = ""
    """A population's field that is not in its dataset."""
    lingers = False
    """Whether a population keeps the old row of somebody who is in another one now."""
    touched = False
    """Whether such old rows were written last, as after a settlement."""
    undated = False
    """Whether the datasets have no latest_modified_timestamp."""
    silent = False
    """Whether nobody found is an empty list, and not status 0 with a message."""
    refusal = ""
    """What the employee master says, with 200, in place of people."""
    empty = False
    """Whether it shows nobody at all."""

    def make_tables(self) -> dict[str, Table]:
        return super().make_tables() | {"tokens": Table("tokens", {}), "left": Table("left", {})}

    def seed(self) -> None:
        """As it was when the company began to use Darwinbox."""
        super().seed()
        for key, row in list(self.store["people"].rows.items()):
            self.store["people"].put(key, row | {"changed": BEGUN})

    def id_of(self, number: str) -> str:
        return f"00{number}"

    def make_routes(self) -> Sequence[Route]:
        changes = {
            "add": self.add,
            "activate": self.activate,
            "update": self.update,
            "deactivate": self.deactivate,
            "undodeactivation": self.take_back,
        }
        return (
            route("/oauth/v1token", post=self.token),
            route("/masterapi/employee", post=self.employees),
            *(route(f"/importapi/{name}", post=handler) for name, handler in changes.items()),
        )

    def authorise(self, call: Call) -> None:
        """Basic with the api_key of this API (of this population), or a token."""
        if call.path == "/oauth/v1token" or call.header(b"token") in self.store["tokens"].rows:
            return
        kind, _, value = call.header(b"authorization").partition(" ")
        try:
            known = kind.lower() == "basic" and b64decode(value, validate=True).decode() == f"{USER}:{PASSWORD}"
        except (NoBase64, UnicodeDecodeError):
            known = False
        if not known:
            raise Rejection(self.problem(401, "Unauthorized access"))
        asked = call.json()
        api = DATASETS.get(str(asked.get("datasetKey")), "") if "masterapi" in call.path else call.path.split("/")[2]
        if asked.get("api_key") != key_of(api):
            raise Rejection(self.problem(200, "Invalid api_key"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"status": 0, "message": message}, *headers)

    def token(self, call: Call) -> Answer:
        if call.json() != CLIENT:
            raise Rejection(self.problem(401, "invalid_client"))
        token = secrets.token_hex(16)
        self.store["tokens"].put(token, {"token": token})
        return json_answer(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    # reading

    def employees(self, call: Call) -> Answer:
        asked = call.json()
        population = DATASETS.get(str(asked.get("datasetKey")))
        if not population:
            raise Rejection(self.problem(200, "Invalid datasetKey"))
        if self.refusal:
            raise Rejection(self.problem(200, self.refusal))
        rows = [] if self.empty else self.dataset(call, population)
        if "employee_ids" in asked:
            rows = [row for row in rows if row["id"] in asked["employee_ids"]]
        elif "last_modified" in asked:
            since = self.instant(asked["last_modified"])
            rows = [row for row in rows if datetime.fromisoformat(row["changed"]) >= since]
        if not rows and not self.silent:
            return self.problem(200, "No employee data found")
        found = [self.shown(row, population) for row in rows]
        return json_answer(
            200, {"status": 1, "message": "Successfully loaded all employees data", "employee_data": found}
        )

    def instant(self, said: str) -> datetime:
        """`last_modified` is DD-MM-YYYY HH:mm:ss."""
        try:
            return datetime.strptime(said, "%d-%m-%Y %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            raise Rejection(self.problem(200, "last_modified should be DD-MM-YYYY HH:mm:ss")) from None

    def dataset(self, call: Call, population: str) -> list[Row]:
        """A population's rows, and those that linger in it."""
        here = [row for row in call["people"].rows.values() if self.population(row) == population]
        known = {row["id"] for row in here}
        gone = [row for row in call["left"].rows.values() if row["in"] == population and row["id"] not in known]
        gone = [row | {"changed": LATER} for row in gone] if self.touched else gone
        return here + (gone if self.lingers else [])

    def population(self, row: Row) -> str:
        return "pending" if row.get("pending") else "inactive" if self.ended(row) else "active"

    def shown(self, row: Row, population: str) -> Row:
        """The same fields for everybody; empty ones are empty texts, and days are written with the day first."""
        said = {theirs: row.get(ours) or "" for theirs, ours in OURS.items()}
        said |= {theirs: day_first(row.get(ours)) for theirs, ours in DATES.items()}
        written = datetime.fromisoformat(row["changed"]).strftime("%d-%m-%Y %H:%M:%S")
        said |= {
            "employee_id": row["id"],
            "employee_status": population.title(),
            "employee_type": TYPES.get(row["customWorkerType"], row["customWorkerType"]),
            "office_country": row.get("country") or "",
            "group_company": "Juniper & Finch",
        } | ({} if self.undated else {"latest_modified_timestamp": written})
        return {name: value for name, value in said.items() if f"{population}.{name}" != self.unseen}

    # writing

    def change(self, call: Call, key: str, fields: Mapping[str, Any]) -> Row:
        before = self.person(call, key)
        after = super().change(call, key, fields)
        if (left := self.population(before)) != self.population(after):
            call["left"].put(f"{left} {key}", before | {"in": left})
        return after

    def person(self, call: Call, key: str) -> Row:
        found = call["people"].rows.get(key)
        if not found:
            raise Rejection(self.problem(200, f"Employee {key} not found"))
        return found

    def taken(self) -> Answer:
        said = {"status": 1, "message": "Processed", "errors": [{"company_email_id": "Email already exists"}]}
        return json_answer(200, said)

    def fields(self, asked: Row) -> Row:
        """What a row of an import says, in our words."""
        days = {ours: self.day(asked[theirs], theirs) for theirs, ours in DATES.items() if theirs in asked}
        return {ours: asked[theirs] for theirs, ours in OURS.items() if theirs in asked} | days

    def day(self, said: str, name: str) -> str:
        try:
            return datetime.strptime(said, "%d-%m-%Y").date().isoformat()
        except ValueError:
            raise Rejection(self.problem(200, f"{name} should be DD-MM-YYYY")) from None

    def add(self, call: Call) -> Answer:
        """Who is added is pending until activated."""
        made = [self.hire(call, self.fields(each) | {"pending": True})["id"] for each in call.json()["employees"]]
        return json_answer(200, {"status": 1, "message": "Processed", "success": made, "errors": []})

    def activate(self, call: Call) -> Answer:
        for key in call.json()["user_ids"]:
            self.change(call, key, {"pending": False})
        return json_answer(200, {"status": 1, "message": "Activated", "errors": []})

    def update(self, call: Call) -> Answer:
        for each in call.json()["employees"]:
            self.change(call, each["employee_id"], self.fields(each))
        return json_answer(200, {"status": 1, "message": "Processed", "errors": []})

    def deactivate(self, call: Call) -> Answer:
        """They stay active until the day of exit is over."""
        for each in call.json()["employees"]:
            if missing := [name for name in LEAVING if not each.get(name)]:
                raise Rejection(self.problem(200, f"{', '.join(missing)} required"))
            self.change(call, each["employee_id"], {"terminationDate": self.day(each["date_of_exit"], "date_of_exit")})
        return json_answer(200, {"status": 1, "message": "Processed", "errors": []})

    def take_back(self, call: Call) -> Answer:
        for each in call.json()["employees"]:
            self.change(call, each["employee_id"], {"terminationDate": None})
        return json_answer(200, {"status": 1, "message": "Processed", "errors": []})


TWIN = Darwinbox


def day_first(said: str | None) -> str:
    return "-".join(reversed(said.split("-"))) if said else ""


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    keys = {name.upper(): key_of(name) for name in (*POPULATIONS, "update")}
    return {
        "DARWINBOX_URL": root,
        "DARWINBOX_USER": USER,
        "DARWINBOX_PASSWORD": PASSWORD,
        **{f"DARWINBOX_{name}_KEY": key for name, key in keys.items()},
        **{f"DARWINBOX_{name.upper()}_DATASET_KEY": dataset for dataset, name in DATASETS.items()},
        "DARWINBOX_CLIENT_ID": CLIENT["client_id"],
        "DARWINBOX_CLIENT_SECRET": CLIENT["client_secret"],
        "DARWINBOX_CODE_SECRET": CLIENT["code"],
    }
