"""Okta's users: look-ups, searches that lag behind, and the life cycle from STAGED to DEPROVISIONED."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from connectors.sandbox.possessions import dropped
from connectors.sandbox.scim_filter import Test, parsed, values
from connectors.sandbox.store import Index, Replica, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

REQUIRED = ("login", "email", "firstName", "lastName")
NULLABLE = {
    *("middleName", "honorificPrefix", "honorificSuffix", "title", "displayName", "nickName", "profileUrl", "manager"),
    *("secondEmail", "mobilePhone", "primaryPhone", "streetAddress", "city", "state", "zipCode", "countryCode"),
    *("postalAddress", "preferredLanguage", "timezone", "userType", "costCenter", "organization", "division"),
    "managerId",
}
PROFILE = {*REQUIRED, *NULLABLE, "department", "employeeNumber", "locale"}
FILTERED = {"status", "lastUpdated", "id", "profile.login", "profile.email", "profile.firstName", "profile.lastName"}
SIGNS_IN = ("ACTIVE", "PROVISIONED", "PASSWORD_EXPIRED", "RECOVERY")
"""Who may still come in, by the activation or recovery mail or with the password."""
NOT_NOW = "This operation is not allowed in the user's current status."
TAKEN = "An object with this field already exists in the current organization"
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
MOST = 200


class Users(Twin):
    """The part of Okta that keeps people."""

    delay = 0.0
    """Seconds that an activation or deactivation takes after it was answered."""
    index_delay = 0.5
    """Seconds by which `search` lags behind; `filter` does not."""
    index: Replica | None = None

    def user_tables(self) -> dict[str, Table]:
        indexes = {"login": Index(lambda row: str(row["profile"]["login"]))}
        return {"users": Table("users", indexes), "mails": Table("mails", {})}

    def user_routes(self) -> Sequence[Route]:
        one = "/api/v1/users/{id}"
        return (
            route("/api/v1/users", get=self.list_users, post=self.create),
            route(one, get=self.show, post=self.update, put=self.replace, delete=self.delete),
            route(f"{one}/lifecycle/{{verb}}", post=self.lifecycle),
        )

    def error(
        self, status: int, code: str, summary: str, causes: Iterable[str] = (), *headers: tuple[str, str]
    ) -> Answer:
        """Okta's shape of an error."""
        listed = [{"errorSummary": cause} for cause in causes]
        body = {"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": f"oae{token_hex(8)}"}
        return json_answer(status, body | {"errorCauses": listed}, *headers)

    def invalid(self, field: str, why: str) -> Rejection:
        """A validation that failed."""
        return Rejection(self.error(400, "E0000001", f"Api validation failed: {field}", [f"{field}: {why}"]))

    # finding

    def list_users(self, call: Call) -> Answer:
        """All but the deprovisioned; with `filter` (exact) or `search` (lagging) also those."""
        query = call.query
        if "search" in query:
            rows, exact = list(self.searched(call).rows.values()), False
        else:
            rows, exact = list(call["users"].rows.values()), True
        rows = [self.settled(row) for row in rows]
        if asked := query.get("search") or query.get("filter"):
            test = self.test(asked, exact)
            rows = [row for row in rows if fits(test, row, exact)]
        else:
            rows = [row for row in rows if row["status"] != "DEPROVISIONED"]
        if call.wrong_first_hit and asked:
            rows = [row for row in call["users"].rows.values() if row not in rows][:1] + rows
        return linked(call, rows, MOST, MOST, shown)

    def searched(self, call: Call) -> Table:
        """The index that searches see."""
        if call.store is not self.store or not self.index_delay or not self.index:
            return call["users"]
        return self.index.now()

    def test(self, asked: str, exact: bool) -> Test:
        try:
            test = parsed(asked)
        except ValueError as error:
            raise Rejection(self.error(400, "E0000031", f"Invalid search criteria: {error}")) from error
        if exact and (unknown := set(attributes(test)) - FILTERED):
            text = f"Invalid search criteria: no filter by {', '.join(unknown)}"
            raise Rejection(self.error(400, "E0000031", text))
        return test

    def show(self, call: Call) -> Answer:
        return json_answer(200, shown(self.user(call)))

    def user(self, call: Call, id: str = "") -> Row:
        """By id, login, or the part of a login before the @ where only one has it; also who is deactivated."""
        asked = id or call.params["id"]
        found = call["users"].rows.get(asked) or self.by_login(call, asked)
        if not found and "@" not in asked:
            short = [u for u in call["users"].rows.values() if u["profile"]["login"].partition("@")[0] == asked]
            found = short[0] if len(short) == 1 else None
        if not found:
            raise Rejection(self.error(404, "E0000007", f"Not found: Resource not found: {asked} (User)"))
        return self.settled(found)

    def by_login(self, call: Call, login: str) -> Row | None:
        found = call["users"].by("login", login)
        return found[0] if found else None

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("login", key)
        return str(found[0]["id"]) if found else None

    # writing

    def create(self, call: Call) -> Answer:
        asked, query = call.json(), call.query
        profile = self.profile(call, asked.get("profile"), {})
        credentials = asked.get("credentials") or {}
        provider = credentials.get("provider") or {"type": "OKTA", "name": "OKTA"}
        password = (credentials.get("password") or {}).get("value")
        id = f"00u{token_hex(8)}0g7"
        row: Row = {
            "id": id, "status": "STAGED", "created": stamp(), "activated": None, "statusChanged": None,
            "lastLogin": None, "lastUpdated": stamp(), "passwordChanged": None, "transitioningToStatus": None,
            "type": {"id": "oty0000000000000000"}, "profile": profile, "credentials": {"provider": provider},
            "_password": password, "_wrong": 0, "_due": 0.0,
        }  # fmt: skip
        self.write(call, row)
        if query.get("activate", "true") == "true":
            row = self.activated(call, row, mail=not password, at_once=True)
        return json_answer(200, shown(row))

    def update(self, call: Call) -> Answer:
        """What is not named stays as it is."""
        user, asked = self.editable(call), call.json()
        profile = self.profile(call, asked.get("profile") or {}, user["profile"], user["id"])
        return json_answer(200, shown(self.write(call, user | {"profile": profile})))

    def replace(self, call: Call) -> Answer:
        """What is not named becomes nothing."""
        user, asked = self.editable(call), call.json()
        profile = self.profile(call, asked.get("profile"), {}, user["id"])
        return json_answer(200, shown(self.write(call, user | {"profile": profile})))

    def editable(self, call: Call) -> Row:
        user = self.user(call)
        if "DEPROVISIONED" in (user["status"], user["transitioningToStatus"]):
            raise Rejection(self.error(403, "E0000038", NOT_NOW))
        if user["credentials"]["provider"]["type"] in ("ACTIVE_DIRECTORY", "LDAP"):
            text = "Operation failed because user profile is mastered under another system"
            raise Rejection(self.error(403, "E0000023", text))
        return user

    def profile(self, call: Call, asked: Any, before: Row, id: str = "") -> Row:
        """The profile that is asked for, as far as the schema and the other users let it."""
        if not isinstance(asked, dict):
            raise self.invalid("profile", "The field cannot be left blank")
        for name, value in asked.items():
            if name not in PROFILE:
                raise self.invalid(name, "Property is not defined in the user schema")
            if not (isinstance(value, str) or (value is None and name in NULLABLE)):
                raise self.invalid(name, "Property value is of the wrong type")
        profile: Row = {**before, **asked}
        for name in REQUIRED:
            if not profile.get(name):
                raise self.invalid(name, "The field cannot be left blank")
        if not MAIL.fullmatch(profile["login"]):
            raise self.invalid("login", "Username must be in the form of an email address")
        if not MAIL.fullmatch(profile["email"]):
            raise self.invalid("email", "Does not match required pattern")
        if any(other["id"] != id for other in call["users"].by("login", profile["login"])):
            raise self.invalid("login", TAKEN)
        return profile

    def write(self, call: Call | None, row: Row) -> Row:
        """Put a user, and let the index of searches learn of it later."""
        row = row | {"lastUpdated": stamp()}
        store = call.store if call else self.store
        self.index = self.index or Replica(self.store["users"], self.index_delay)
        self.index.lag = self.index_delay
        store["users"].put(row["id"], row)
        if store is self.store:
            self.index.follow(row["id"], row)
        return row

    # the life cycle

    def lifecycle(self, call: Call) -> Answer:
        verb, user = call.params["verb"], self.user(call)
        doing = getattr(self, f"do_{verb}", None)
        if doing is None:
            raise Rejection(self.problem(404, f"Not found: Resource not found: {call.path}"))
        answer: Answer = doing(call, user)
        return answer

    def do_activate(self, call: Call, user: Row) -> Answer:
        if user["status"] not in ("STAGED", "DEPROVISIONED"):
            text = "Activation failed because the user is already active"
            raise Rejection(self.error(403, "E0000016", text))
        mail = call.query.get("sendEmail", "true") == "true"
        self.activated(call, user, mail)
        token = {"activationToken": token_hex(8), "activationUrl": f"{call.base}/welcome"}
        return json_answer(200, {} if mail else token)

    def do_reactivate(self, call: Call, user: Row) -> Answer:
        self.only(user, ("PROVISIONED", "RECOVERY"), "E0000038", NOT_NOW, 403)
        return json_answer(200, {"activationToken": token_hex(8), "activationUrl": f"{call.base}/welcome"})

    def do_suspend(self, call: Call, user: Row) -> Answer:
        self.only(user, ("ACTIVE",), "E0000001", "Cannot suspend a user that is not active", 400)
        return self.moved(call, user, "SUSPENDED")

    def do_unsuspend(self, call: Call, user: Row) -> Answer:
        self.only(user, ("SUSPENDED",), "E0000001", "Cannot unsuspend a user that is not suspended", 400)
        return self.moved(call, user, "ACTIVE")

    def do_deactivate(self, call: Call, user: Row) -> Answer:
        self.only(user, ("DEPROVISIONED",), "E0000007", "Not found: Resource not found", 404, unless=True)
        self.leave(call, user)
        return Answer(200)

    def do_unlock(self, call: Call, user: Row) -> Answer:
        if user["status"] != "LOCKED_OUT" or user["credentials"]["provider"]["type"] != "OKTA":
            raise Rejection(self.error(403, "E0000032", "Unlock is not allowed for this user."))
        return self.moved(call, user | {"_wrong": 0}, "ACTIVE")

    def do_expire_password(self, call: Call, user: Row) -> Answer:
        self.moved(call, user, "PASSWORD_EXPIRED")
        return json_answer(200, shown(self.user(call)))

    def do_reset_password(self, call: Call, user: Row) -> Answer:
        self.moved(call, user, "RECOVERY")
        return json_answer(200, {"resetPasswordUrl": f"{call.base}/reset"})

    def only(self, user: Row, statuses: Sequence[str], code: str, text: str, status: int, unless: bool = False) -> None:
        if (user["status"] in statuses) is unless:
            summary = f"Api validation failed: {text}" if status == 400 else text
            raise Rejection(self.error(status, code, summary, [text]))

    def moved(self, call: Call, user: Row, status: str) -> Answer:
        self.write(call, user | {"status": status, "statusChanged": stamp()})
        return Answer(200)

    def activated(self, call: Call, user: Row, mail: bool, at_once: bool = False) -> Row:
        """ACTIVE with a password or a federation, else PROVISIONED until the user has followed the mail."""
        federated = user["credentials"]["provider"]["type"] not in ("OKTA", "ACTIVE_DIRECTORY", "LDAP")
        status = "ACTIVE" if user["_password"] or federated else "PROVISIONED"
        if mail:
            key = f"{len(call['mails'].rows) + 1}"
            call["mails"].put(key, {"id": key, "to": user["profile"]["email"], "about": "activation"})
        delay = 0.0 if at_once else self.delay
        return self.transit(call, user | {"activated": stamp()}, status, delay)

    def leave(self, call: Call, user: Row) -> None:
        """Deactivate: apps and sessions go, memberships stay."""
        dropped(call["sessions"], user["id"])
        for row in call["app_users"].by("user", user["id"]):
            call["app_users"].drop(row["id"])
        self.transit(call, user | {"_password": None}, "DEPROVISIONED", self.delay)

    def transit(self, call: Call, user: Row, status: str, delay: float) -> Row:
        if not delay:
            return self.write(call, user | {"status": status, "statusChanged": stamp()})
        return self.write(call, user | {"transitioningToStatus": status, "_due": time.monotonic() + delay})

    def state(self) -> dict[str, list[Row]]:
        """With what is done by now."""
        for row in list(self.store["users"].rows.values()):
            self.settled(row)
        return super().state()

    def settled(self, row: Row) -> Row:
        """The user as it is by now."""
        if not row["transitioningToStatus"] or time.monotonic() < row["_due"]:
            return row
        done = {"status": row["transitioningToStatus"], "transitioningToStatus": None, "statusChanged": stamp()}
        settled = row | done
        if self.store["users"].rows.get(row["id"]) is row:
            self.write(None, settled)
        return settled

    def delete(self, call: Call) -> Answer:
        """The first time it deactivates, then it deletes."""
        user = self.user(call)
        if user["transitioningToStatus"] == "DEPROVISIONED":
            return Answer(204)
        if user["status"] != "DEPROVISIONED":
            self.leave(call, user)
            return Answer(204)
        for table in ("tokens", "grants", "roles"):
            dropped(call[table], user["id"])
        for row in call["members"].by("user", user["id"]):
            call["members"].drop(row["id"])
        call["users"].drop(user["id"])
        if self.index and call.store is self.store:
            self.index.follow(user["id"], None)
        return Answer(204)


def shown(row: Row) -> Row:
    """A user as it goes out."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def attributes(test: Test) -> list[str]:
    return [name for part in test.parts for name in attributes(part)] + ([test.attr] if test.attr else [])


def fits(test: Test, row: Row, exact: bool) -> bool:
    """Whether a user passes; `filter` minds the case of values, `search` does not."""
    if test.parts:
        passed = [fits(part, row, exact) for part in test.parts]
        return all(passed) if test.op == "and" else any(passed)
    held = next(iter(values(row, test.attr)), None)
    if test.op == "pr" or held is None:
        return test.op == "pr" and held not in (None, "")
    left, right = (str(held), str(test.value)) if exact else (str(held).casefold(), str(test.value).casefold())
    order = {"eq": left == right, "gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}
    return left.startswith(right) if test.op == "sw" else order[test.op]


def linked(call: Call, rows: list[Row], default: int, most: int, show: Callable[[Row], Row] = dict) -> Answer:
    """A page of rows, and in the Link header where the next one is."""
    query = call.query
    limit, start = page_number(query.get("limit"), default, most), int(query.get("after", "0"))
    page = [show(row) for row in rows[start : start + limit]]
    if start + limit >= len(rows):
        return json_answer(200, page)
    kept = "&".join(part for part in call.query_string.split("&") if part and not part.startswith("after="))
    where = f"{call.base}{call.path}?{kept}{'&' if kept else ''}after={start + limit}"
    return json_answer(200, page, ("Link", f'<{where}>; rel="next"'))
