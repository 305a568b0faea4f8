"""Zoho People, after zoho.com/people/api (bulk-records, forms-api/fetch-single, update-records, get-record-count,
error-codes), zoho.com/accounts/protocol/oauth (token-limits), and answers that third parties recorded (the tests of
NangoHQ/integration-templates and of ConductorOne/baton-zoho-people); what is unverified says so.

Below the prefix the paths are those of https://people.zoho.com and https://accounts.zoho.com. `/settings` stands for
the pages that HR people use.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from connectors.sandbox.deliveries import Letter
from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.staff import StaffTwin
from connectors.sandbox.store import Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

CLIENT, SECRET = "1000.ZOHOCLIENTOFTHESANDBOX", "zoho-client-secret-of-the-sandbox"
REFRESH = "1000.zoho-refresh-token-of-the-sandbox"
HOOK_TOKEN = "zoho-webhook-token-of-the-sandbox"
TOKENS = 10  # good at a time; the oldest ends (token-limits)
HOUR = 3600
MOST, USUAL = 200, 20  # the second from Deluge's page on getRecords
LOCK = 300.0  # seconds for which an endpoint is closed once its threshold is passed
OURS = {"FirstName": "firstName", "LastName": "lastName", "EmailID": "workEmail", "Nick_Name": "preferredName"}
OURS |= {"Other_Email": "homeEmail", "Department": "department", "Designation": "jobTitleName"}
OURS |= {"LocationName": "location", "Dateofjoining": "hireDate", "Dateofexit": "terminationDate"}
OURS |= {"EmployeeID": "code", "Reporting_To": "reportsToId"}
DATES, LOOKUPS = ("Dateofjoining", "Dateofexit"), ("Department", "Designation", "LocationName")
TYPES = {"Employee": "Permanent", "Contractor": "On Contract"}
NEEDED = ("EmployeeID", "FirstName", "LastName", "EmailID")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class ZohoPeople(StaffTwin):
    """One form, `employee`: nearly everything is text, dates are as the company has set them, errors come with 200."""

    quotas = (
        Limit(10, 600, r"POST /oauth/v2/token"),
        Limit(400, 60, r"/getRecords"),
        Limit(400, 60, r"/getDataByID"),
        Limit(300, 60, r"/updateRecord"),
    )
    settable = {
        "unseen": ("", "Dateofexit", "Reporting_To", "EmailID"),
        "outworn": (True, False),
        "unsigned": (200, 400, 401),
        "few": (True, False),
    }
    unseen = ""
    """A field that the API's user may not see, nor what goes with it; it is left out (unverified)."""
    outworn = False
    """Set to let all access tokens end with the next call."""
    unsigned = 400
    """The status of an answer to a token that is none: third parties saw several."""
    few = False
    """Whether the API's user sees only some people; the count is that of all (unverified)."""

    def make_tables(self) -> dict[str, Table]:
        return super().make_tables() | {"tokens": Table("tokens", {})}

    def id_of(self, number: str) -> str:
        return f"759415000001{int(number):06d}"

    def make_routes(self) -> Sequence[Route]:
        form, written = "/people/api/forms/{form}", "/people/api/forms/json/{form}"
        return (
            route("/oauth/v2/token", post=self.token),
            route(f"{form}/getRecords", get=self.records, post=self.records),
            route(f"{form}/getRecordCount", get=self.total),
            route(f"{form}/getDataByID", get=self.single),
            route(f"{written}/insertRecord", post=self.insert),
            route(f"{written}/updateRecord", post=self.update),
            route("/settings/employees/{id}", put=self.edit),
            route("/settings/webhooks", post=self.subscribe),
        )

    # saying no

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return self.fault(7000 + status, message, status, *headers)

    def fault(self, code: int, message: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
        """The form of all errors; the message may be an object, by field."""
        told = {"message": "Error occurred", "uri": "/api/forms", "errors": {"code": code, "message": message}}
        return json_answer(status, {"response": {**told, "status": 1}}, *headers)

    def taken(self) -> Answer:
        return self.fault(7051, {"EmailID": "Value already exists"})

    def keep_to(self, quotas: Sequence[Limit]) -> None:
        super().keep_to(quotas)
        self.locked: dict[str, float] = {}

    def count(self, call: Call) -> None:
        """Who passes a threshold is locked out of that endpoint for a while."""
        endpoint = call.path.rpartition("/")[2]
        if self.locked.get(endpoint, 0.0) > time.monotonic():
            raise Rejection(self.refusal() if endpoint == "token" else self.closed())
        try:
            super().count(call)
        except Rejection:
            self.locked[endpoint] = time.monotonic() + LOCK
            raise

    def over(self, meter: Meter, wait: float) -> Answer:
        return self.refusal() if "token" in meter.limit.calls else self.closed()

    def refusal(self) -> Answer:
        """Too many tokens (token-limits)."""
        why = "You have made too many requests continuously. Please try again after some time."
        return json_answer(400, {"error_description": why, "error": "Access Denied", "status": "failure"})

    def closed(self) -> Answer:
        """Status and words are unverified."""
        return self.fault(7429, "The threshold limit is exceeded", 429)

    # tokens

    def authorise(self, call: Call) -> None:
        if call.path == "/oauth/v2/token" or call.path.startswith("/settings/"):
            return
        tokens = self.store["tokens"]
        if self.outworn:
            self.outworn = False
            for each in list(tokens.rows):
                tokens.drop(each)
        row = tokens.rows.get(call.header(b"authorization").removeprefix("Zoho-oauthtoken "))
        if not row or row["until"] <= time.time():
            raise Rejection(self.fault(7202, "The provided OAuth token is invalid.", self.unsigned))

    def token(self, call: Call) -> Answer:
        """Errors come with 200, too many requests with 400."""
        said = call.query | call.form()
        if (said.get("client_id"), said.get("client_secret")) != (CLIENT, SECRET):
            return json_answer(200, {"error": "invalid_client"})
        if (said.get("grant_type"), said.get("refresh_token")) != ("refresh_token", REFRESH):
            return json_answer(200, {"error": "invalid_code"})
        held = self.store["tokens"]
        for oldest in list(held.rows)[: max(0, len(held.rows) - TOKENS + 1)]:
            held.drop(oldest)
        token = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        held.put(token, {"token": token, "until": time.time() + HOUR})
        told = {"access_token": token, "api_domain": "https://www.zohoapis.com", "token_type": "Bearer"}
        return json_answer(200, told | {"scope": "ZOHOPEOPLE.forms.ALL", "expires_in": HOUR})

    # reading

    def records(self, call: Call) -> Answer:
        """The newest first, each under its id; nobody at all is an error."""
        query = call.query
        start, size = int(query.get("sIndex") or 1), int(query.get("limit") or USUAL)
        if size > MOST:
            return self.fault(7021, "Maximum record limit 200 is exceeded")
        since = int(query.get("modifiedtime") or 0)
        rows = [row for row in reversed(self.seen(call)) if milliseconds(row) >= since]
        page = rows[start - 1 : start - 1 + size]
        if not page:
            return self.fault(7024, "No records found")
        return self.done([{row["id"]: [self.shown(row) | {"Zoho_ID": int(row["id"])}]} for row in page], "getRecords")

    def total(self, call: Call) -> Answer:
        self.of_form(call)
        return self.done({"RecordCount": len(call["people"].rows)}, "getRecordCount", "Success")

    def single(self, call: Call) -> Answer:
        """A person without the id."""
        key = call.query.get("recordId", "")
        row = next((row for row in self.seen(call) if row["id"] == key), None)
        return self.done([self.shown(row)], "getDataByID") if row else self.fault(7049, "No record available")

    def seen(self, call: Call) -> list[Row]:
        self.of_form(call)
        rows = list(call["people"].rows.values())
        return rows[: len(rows) // 2] if self.few else rows

    def of_form(self, call: Call) -> None:
        if call.params["form"] not in ("employee", "P_Employee"):
            raise Rejection(self.fault(7011, f"Form name '{call.params['form']}' is invalid"))

    def done(self, result: object, verb: str, message: str = "Data fetched successfully") -> Answer:
        told = {"result": result, "message": message, "uri": f"/api/forms/employee/{verb}", "status": 0}
        return json_answer(200, {"response": told})

    def shown(self, row: Row) -> Row:
        """The fields: empty ones are empty texts, look-ups have companions."""
        boss = self.store["people"].rows.get(row.get("reportsToId") or "") or {}
        status = "Terminated" if self.ended(row) else row.get("status", "Active")
        whole = {name: row.get(ours) or "" for name, ours in OURS.items()}
        whole |= {name: day_of(row.get(OURS[name])) for name in DATES}
        whole |= {f"{name}.ID": lookup_id(name, row.get(OURS[name])) for name in LOOKUPS}
        whole |= {
            "EmployeeID": code(row),
            "Reporting_To": f"{boss['firstName']} {boss['lastName']} {code(boss)}" if boss else "",
            "Reporting_To.ID": boss.get("id", ""),
            "Reporting_To.MailID": boss.get("workEmail") or "",
            "Employee_type": TYPES.get(row["customWorkerType"], row["customWorkerType"]),
            "Employeestatus": status,
            "Employeestatus.type": int(status == "Active"),
            "ModifiedTime": str(milliseconds(row)),
            "ApprovalStatus": "Approval Not Enabled",
            "tabularSections": {"Work experience": [{}]},
        }
        hidden = [name for name in whole if self.unseen and name.split(".")[0] == self.unseen]
        return {name: value for name, value in whole.items() if name not in hidden}

    # writing

    def insert(self, call: Call) -> Answer:
        """Somebody new has no account yet: the status says Inactive."""
        self.of_form(call)
        asked = self.asked(call)
        if missing := [name for name in NEEDED if not asked.get(name)]:
            raise Rejection(self.fault(7052, dict.fromkeys(missing, "Missing mandatory field values")))
        row = self.hire(call, self.fields(call, asked) | {"status": "Inactive"})
        result = {"pkId": row["id"], "message": "Successfully Added"}
        return self.done(result, "insertRecord", "Data added successfully")

    def update(self, call: Call) -> Answer:
        self.of_form(call)
        key = (call.query | call.form()).get("recordId", "")
        if key not in call["people"].rows:
            raise Rejection(self.fault(7039, {"Security_Error": "Permission denied to edit records"}))
        asked, before = self.asked(call), call["people"].rows[key]
        if emptied := [name for name in NEEDED if asked.get(name) == ""]:
            raise Rejection(self.fault(7052, dict.fromkeys(emptied, "Missing mandatory field values")))
        after = self.change(call, key, self.fields(call, asked))
        said = "There is no modification done in this record" if after is before else "Successfully Updated"
        return self.done({"pkId": key, "message": said}, "updateRecord", "Data updated successfully")

    def asked(self, call: Call) -> dict[str, Any]:
        """What is to be written; 7016 where it is no object of JSON."""
        try:
            found = json.loads((call.query | call.form()).get("inputData", ""))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Rejection(self.fault(7016, "Invalid input data"))
        return found

    def fields(self, call: Call, asked: Mapping[str, Any]) -> Row:
        """The same under our names; look-ups are written by their ids."""
        if strange := [name for name in asked if name not in OURS]:
            raise Rejection(self.fault(7020, dict.fromkeys(strange, "Invalid field")))
        if asked.get("EmailID") and not EMAIL.fullmatch(str(asked["EmailID"])):
            raise Rejection(self.fault(7053, {"EmailID": "Invalid email address"}))
        return {OURS[name]: self.value(call, name, str(value)) for name, value in asked.items()}

    def value(self, call: Call, name: str, said: str) -> str | None:
        known = {lookup_id(name, row.get(OURS[name])): row.get(OURS[name]) for row in call["people"].rows.values()}
        if name in LOOKUPS and said not in known:
            raise Rejection(self.fault(7050, {name: "Invalid value for the field"}))
        if name in DATES and said:
            try:
                return datetime.strptime(said, "%d-%b-%Y").date().isoformat()
            except ValueError:
                raise Rejection(self.fault(7055, {name: "Invalid date format"})) from None
        return known[said] if name in LOOKUPS else said or None

    def edit(self, call: Call) -> Answer:
        """What HR people change on their pages, where look-ups go by name."""
        self.change(call, call.params["id"], call.json())
        return json_answer(200, {})

    # webhooks

    def subscribe(self, call: Call) -> Answer:
        """A workflow's webhook: URL, and parameters that are sent as they are set."""
        asked = call.json()
        call["hooks"].put(asked["url"], {"url": asked["url"], "parameters": asked.get("parameters") or {}})
        return json_answer(200, {})

    def letters(self, hook: Row, what: str, row: Row) -> Iterator[Letter]:
        """A form with the record's id and the parameters that were set; nothing signs it."""
        body = urlencode({"recordId": row["id"], **hook["parameters"]}).encode()
        yield Letter(hook["url"], body, {"Content-Type": "application/x-www-form-urlencoded"})


def code(row: Row) -> str:
    """The number on the badge, which keeps its zeros."""
    return str(row.get("code") or f"0{row['number']}")


def milliseconds(row: Row) -> int:
    """When a row was changed, in Unix time."""
    return int(datetime.fromisoformat(row["changed"]).timestamp() * 1000)


def day_of(iso: str | None) -> str:
    """A date as this company has it."""
    return datetime.fromisoformat(iso).strftime("%d-%b-%Y") if iso else ""


def lookup_id(name: str, value: str | None) -> str:
    """The id of an entry of another form."""
    return f"75941500000{zlib.crc32(f'{name}/{value}'.encode()) % 10**7:07d}" if value else ""


TWIN = ZohoPeople


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "ZOHO_PEOPLE_URL": root,
        "ZOHO_ACCOUNTS_URL": root,
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": SECRET,
        "ZOHO_REFRESH_TOKEN": REFRESH,
        "ZOHO_WEBHOOK_TOKEN": HOOK_TOKEN,
    }
