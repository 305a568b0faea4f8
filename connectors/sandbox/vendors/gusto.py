"""Gusto, embedded, after its OpenAPI description of 2025-06-15; limits and webhooks after docs.gusto.com.

Below the prefix the paths are those of https://api.gusto.com. Access tokens end after two hours (docs.gusto.com/
embedded-payroll/docs/company-access-tokens); a refresh token ends when the access token that it gave is used for the
first time (docs.gusto.com/app-integrations/reference/refresh-access-token), and so does the access token before it
(unverified: Doorkeeper, which Gusto seems to use, keeps the two in one row).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.sandbox.quotas import Limit
from connectors.sandbox.staff import DELIVERIES, StaffTwin
from connectors.sandbox.store import Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

CLIENT, SECRET = "gusto-client-of-the-sandbox", "gusto-client-secret-of-the-sandbox"
REFRESH = "gusto-first-refresh-token-of-the-sandbox"
DESK, SYSTEM = "gusto-token-of-the-desk-in-hr", "gusto-system-token-of-the-sandbox"
TWO_HOURS = 7200
HOOK_TOKEN = "gusto-verification-token-of-the-sandbox"
COMPANY = "5c7a9a0e-0000-4000-8000-000000000001"
NAMES = {"first_name": "firstName", "last_name": "lastName", "email": "homeEmail", "work_email": "workEmail"}
NAMES |= {"preferred_first_name": "preferredName"}
MOST, USUAL = 100, 25


class Gusto(StaffTwin):
    """Employees with versions, contractors apart; webhooks that must be verified first."""

    quotas = (Limit(200, 60),)
    settable = {"outworn": (True, False), "at_once": (True, False)}
    outworn = False
    """Set to let all access tokens end with the next call."""
    at_once = False
    """Whether a refresh token ends with its use already."""

    def make_tables(self) -> dict[str, Table]:
        return super().make_tables() | {"tokens": Table("tokens", {})}

    def seed(self) -> None:
        super().seed()
        self.store["tokens"].put("", {"access": "", "refresh": REFRESH, "before": None, "until": 0.0})

    def id_of(self, number: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"gusto/{number}"))

    def make_routes(self) -> Sequence[Route]:
        company = "/v1/companies/{company}"
        return (
            route("/oauth/token", post=self.token),
            route(f"{company}/employees", get=self.employees, post=self.create),
            route(f"{company}/contractors", get=self.contractors),
            route("/v1/employees/{id}", get=self.show, put=self.update),
            route("/v1/employees/{id}/jobs", post=self.job),
            route("/v1/employees/{id}/terminations", post=self.terminate, delete=self.stay),
            route("/v1/employees/{id}/rehire", post=self.rehire),
            route("/v1/webhook_subscriptions", post=self.subscribe),
            route("/v1/webhook_subscriptions/{id}/verify", put=self.verify),
            route("/settings/employees/{id}/department", put=self.move),
        )

    # tokens

    def authorise(self, call: Call) -> None:
        """By the application's token, or by that of the desk, an application that HR people use and that stays."""
        shown = call.header(b"authorization").removeprefix("Bearer ")
        if call.path.startswith("/v1/webhook_subscriptions"):
            good = shown == SYSTEM
        else:
            good = call.path == "/oauth/token" or shown == DESK or self.opens(shown)
        if not good:
            raise Rejection(self.problem(401, "The access token is invalid"))

    def opens(self, shown: str) -> bool:
        """Whether an access token is good; its first use ends the pair that it came for."""
        tokens = self.store["tokens"]
        if self.outworn:
            self.outworn = False
            for each in list(tokens.rows.values()):
                tokens.put(each["access"], {**each, "until": 0.0})
        row = tokens.rows.get(shown)
        if not row or not shown or row["until"] <= time.time():
            return False
        if row["before"] in tokens.rows:
            tokens.drop(row["before"])
        return True

    def token(self, call: Call) -> Answer:
        asked = call.json()
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT, SECRET):
            raise Rejection(json_answer(401, {"error": "invalid_client", "error_description": "unknown client"}))
        if asked.get("grant_type") != "refresh_token":
            raise Rejection(json_answer(400, {"error": "unsupported_grant_type"}))
        held = call["tokens"].rows.values()
        row = next((each for each in held if each["refresh"] == asked.get("refresh_token")), None)
        if not row:
            why = "The provided authorization grant is invalid, expired, or revoked"
            raise Rejection(json_answer(400, {"error": "invalid_grant", "error_description": why}))
        if self.at_once:
            call["tokens"].drop(row["access"])
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        fresh = {"access": access, "refresh": refresh, "before": row["access"], "until": time.time() + TWO_HOURS}
        call["tokens"].put(access, fresh)
        told = {"access_token": access, "token_type": "bearer", "expires_in": TWO_HOURS, "refresh_token": refresh}
        return json_answer(200, told | {"scope": "employees:read", "created_at": int(time.time())})

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        error = {"error_key": "base", "category": "invalid_operation", "message": message}
        return json_answer(status, {"errors": [error]}, *headers)

    # reading

    def employees(self, call: Call) -> Answer:
        return self.page(call, [self.employee(r) for r in self.of_kind(call, "Employee")])

    def contractors(self, call: Call) -> Answer:
        return self.page(call, [self.contractor(r) for r in self.of_kind(call, "Contractor")])

    def of_kind(self, call: Call, kind: str) -> list[Row]:
        if call.params["company"] != COMPANY:
            raise Rejection(self.problem(404, "no such company"))
        return [row for row in call["people"].rows.values() if row["customWorkerType"] == kind]

    def page(self, call: Call, rows: list[Row]) -> Answer:
        size = page_number(call.query.get("per"), USUAL, MOST)
        start = (page_number(call.query.get("page"), 1, 10**9) - 1) * size
        return json_answer(200, rows[start : start + size])

    def show(self, call: Call) -> Answer:
        return json_answer(200, self.employee(self.known(call)))

    def known(self, call: Call) -> Row:
        """An employee: contractors are not found here."""
        row = self.person(call, call.params["id"])
        if row["customWorkerType"] != "Employee":
            raise Rejection(self.problem(404, "there is nobody with this id"))
        return row

    def employee(self, row: Row) -> Row:
        job = {"uuid": self.id_of(f"job/{row['id']}"), "primary": True, "title": row.get("jobTitleName")}
        job |= {"hire_date": row["hireDate"]} if row.get("hireDate") else {}
        job |= (
            {"location": {"uuid": self.id_of(str(row["location"])), "city": row["location"]}}
            if row.get("location")
            else {}
        )
        ends = [{"uuid": self.id_of(day), "effective_date": day, "active": self.over_by(day)} for day in days(row)]
        return {name: row.get(ours) for name, ours in NAMES.items()} | {
            "uuid": row["id"],
            "company_uuid": COMPANY,
            "version": version(row),
            "manager_uuid": row.get("reportsToId"),
            "department": row.get("department"),
            "terminated": self.ended(row),
            "onboarded": True,
            "jobs": [job] if row.get("jobTitleName") else [],
            "terminations": ends,
        }

    def over_by(self, day: str) -> bool:
        return day < self.clock.today().isoformat()

    def contractor(self, row: Row) -> Row:
        return {
            "uuid": row["id"],
            "company_uuid": COMPANY,
            "type": "Individual",
            "first_name": row["firstName"],
            "last_name": row["lastName"],
            "email": row.get("workEmail"),
            "start_date": row["hireDate"],
            "address": {"city": row["location"]},
            "is_active": not self.ended(row),
            "department": row["department"],
            "department_title": row["jobTitleName"],
            "dismissal_date": row.get("terminationDate"),
        }

    # writing

    def create(self, call: Call) -> Answer:
        asked = call.json()
        if missing := [name for name in ("first_name", "last_name") if not asked.get(name)]:
            raise Rejection(self.problem(422, f"{missing[0]} is required"))
        row = self.hire(call, {ours: asked[name] for name, ours in NAMES.items() if name in asked})
        return json_answer(201, self.employee(row))

    def update(self, call: Call) -> Answer:
        """The version must be the one that was read last."""
        before, asked = self.known(call), call.json()
        if not asked.get("version"):
            raise Rejection(self.problem(422, "version is required"))
        if asked["version"] != version(before):
            raise Rejection(self.problem(409, "The resource version is out of date"))
        fields = {ours: asked[name] for name, ours in NAMES.items() if name in asked}
        return json_answer(200, self.employee(self.change(call, before["id"], fields)))

    def job(self, call: Call) -> Answer:
        asked = call.json()
        fields = {"hireDate": asked["hire_date"], "jobTitleName": asked.get("title")}
        return json_answer(201, self.employee(self.change(call, call.params["id"], fields))["jobs"][0])

    def move(self, call: Call) -> Answer:
        """Stands for the pages on which departments, places and managers are chosen."""
        self.change(call, self.known(call)["id"], call.json())
        return json_answer(200, {})

    def terminate(self, call: Call) -> Answer:
        row = self.change(call, self.known(call)["id"], {"terminationDate": call.json()["effective_date"]})
        return json_answer(201, self.employee(row)["terminations"][-1])

    def stay(self, call: Call) -> Answer:
        """Take back a termination that is to come."""
        self.change(call, self.known(call)["id"], {"terminationDate": None})
        return Answer(204)

    def rehire(self, call: Call) -> Answer:
        """The old termination stays in the list."""
        row = self.known(call)
        self.change(call, row["id"], {"terminationDate": None, "past": [*days(row)]})
        return json_answer(201, {})

    # webhooks

    def subscribe(self, call: Call) -> Answer:
        """The verification token is posted at once."""
        asked = call.json()
        key = str(uuid.uuid4())
        hook = {
            "uuid": key,
            "url": asked["url"],
            "status": "pending",
            "subscription_types": asked["subscription_types"],
        }
        call["hooks"].put(key, hook)
        letter = json.dumps({"verification_token": HOOK_TOKEN, "webhook_subscription_uuid": key}).encode()
        DELIVERIES.post(asked["url"], letter, {})
        return json_answer(201, hook)

    def verify(self, call: Call) -> Answer:
        if call.json().get("verification_token") != HOOK_TOKEN:
            raise Rejection(self.problem(422, "wrong verification token"))
        hook = call["hooks"].rows[call.params["id"]]
        return json_answer(200, call["hooks"].put(hook["uuid"], {**hook, "status": "verified"}))

    def wants(self, hook: Row, event: Row) -> bool:
        return hook["status"] == "verified" and event["entity_type"] in hook["subscription_types"]

    def events(self, what: str, row: Row) -> list[Row]:
        kind = row["customWorkerType"]
        event = {"uuid": str(uuid.uuid4()), "event_type": f"{kind.lower()}.{what}", "resource_type": "Company"}
        event |= {"resource_uuid": COMPANY, "entity_type": kind, "entity_uuid": row["id"]}
        return [{**event, "timestamp": int(time.time())}]

    def signed(self, hook: Row, body: bytes) -> dict[str, str]:
        return {"X-Gusto-Signature": hmac.new(HOOK_TOKEN.encode(), body, hashlib.sha256).hexdigest()}

    def over(self, meter: object, wait: float) -> Answer:
        """The reset is a moment, not a number of seconds."""
        reset = datetime.fromtimestamp(time.time() + wait, UTC).isoformat()
        headers = (("Retry-After", str(int(wait) + 1)), ("X-RateLimit-Reset", reset))
        return self.problem(429, "rate limit exceeded", *headers)


def days(row: Row) -> list[str]:
    """Last days of all terminations."""
    return [*row.get("past", []), *([row["terminationDate"]] if row.get("terminationDate") else [])]


def version(row: Row) -> str:
    return hashlib.md5(json.dumps(row, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


TWIN = Gusto


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "GUSTO_URL": root,
        "GUSTO_COMPANY": COMPANY,
        "GUSTO_CLIENT_ID": CLIENT,
        "GUSTO_CLIENT_SECRET": SECRET,
        "GUSTO_REFRESH_TOKEN": REFRESH,
        "GUSTO_WEBHOOK_TOKEN": HOOK_TOKEN,
    }
