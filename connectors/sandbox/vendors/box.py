"""Box: managed users with a status, groups with memberships that have ids of their own, sessions that can be ended.

Made from box-2.0 (OpenAPI, APIs.guru). From memory: the client credentials grant and its subject, the error codes, that
a user who owns files cannot be deleted without force, that the filter finds beginnings of names and logins.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

ENTERPRISE, CLIENT, SECRET = "811937", "box-client", "box-secret-of-the-sandbox"
GROUPS = ("Staff", "Sales", "Vendors")
STATUSES = ("active", "inactive", "cannot_delete_edit", "cannot_delete_edit_upload")
WRITABLE = ("login", "name", "job_title", "status", "phone", "address", "role", "language", "timezone")
BORN = "2026-01-05T09:00:00-08:00"
MOST = 1000
CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict"}


class Box(Twin):
    """One enterprise."""

    quotas = (Limit(1000, 60.0),)

    def make_tables(self) -> dict[str, Table]:
        logins = Index(lambda row: str(row["login"]), prefixes=True)
        own = {name: Table(name, {}) for name in ("groups", "memberships", "sessions", "issued")}
        return {"users": Table("users", {"login": logins}), **own}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/oauth2/token", post=self.issue),
            route("/2.0/users", get=self.list_users, post=self.create),
            route("/2.0/users/terminate_sessions", post=self.end_sessions),
            route("/2.0/users/{id}", get=self.show, put=self.change, delete=self.delete),
            route("/2.0/users/{id}/memberships", get=self.memberships_of),
            route("/2.0/groups", get=self.list_groups),
            route("/2.0/groups/{group}/memberships", get=self.members_of),
            route("/2.0/group_memberships", post=self.join),
            route("/2.0/group_memberships/{membership}", delete=self.leave),
        )

    def seed(self) -> None:
        for number, name in enumerate(GROUPS, start=11446498):
            self.store["groups"].put(str(number), {"id": str(number), "name": name})

    def authorise(self, call: Call) -> None:
        token = call.header(b"authorization").removeprefix("Bearer ")
        if call.path != "/oauth2/token" and token not in call["issued"].rows:
            raise Rejection(Answer(401, headers=(("WWW-Authenticate", 'Bearer realm="Service"'),)))

    def issue(self, call: Call) -> Answer:
        """The client credentials grant: everything in the form."""
        form = call.form()
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            raise Rejection(json_answer(400, {"error": "invalid_client", "error_description": "client is invalid"}))
        subject = form.get("box_subject_type"), form.get("box_subject_id")
        if form.get("grant_type") != "client_credentials" or subject != ("enterprise", ENTERPRISE):
            raise Rejection(json_answer(400, {"error": "invalid_grant", "error_description": "Grant is invalid"}))
        token = uuid4().hex
        self.store["issued"].put(token, {"id": token})
        return json_answer(200, {"access_token": token, "expires_in": 4100, "token_type": "bearer"})

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        code = CODES.get(status, "internal_server_error" if status >= 500 else "rate_limit_exceeded")
        return self.error(status, code, message, *headers)

    def error(self, status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
        body = {"type": "error", "status": status, "code": code, "message": message, "request_id": "r1"}
        return json_answer(status, body, *headers)

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("login", key)
        return str(found[0]["id"]) if found else None

    def list_users(self, call: Call) -> Answer:
        users, term = call["users"], call.query.get("filter_term", "").casefold()
        rows = [users.rows[id] for id in users.indexes["login"].starting_with(term)] if term else [*users.rows.values()]
        if call.wrong_first_hit and term:
            rows = [*(user for user in users.rows.values() if user not in rows)][:1] + rows
        return entries(call, [shown(user) for user in rows])

    def create(self, call: Call) -> Answer:
        given = self.fields(call)
        if "@" not in str(given.get("login", "")) or not given.get("name"):
            raise Rejection(self.error(400, "bad_request", "Bad Request: login and name are needed"))
        if call["users"].by("login", given["login"]):
            raise Rejection(self.error(409, "user_login_already_used", "User with the specified login already exists"))
        id = str(max(10_000_000, call["users"].last_number) + 1)
        row: Row = {"id": id, "job_title": "", "status": "active"} | given
        return json_answer(201, shown(call["users"].put(id, row)))

    def show(self, call: Call) -> Answer:
        return json_answer(200, shown(self.user(call)))

    def change(self, call: Call) -> Answer:
        user, given = self.user(call), self.fields(call)
        if any(other["id"] != user["id"] for other in call["users"].by("login", str(given.get("login", "")))):
            raise Rejection(self.error(409, "user_login_already_used", "User with the specified login already exists"))
        return json_answer(200, shown(call["users"].put(user["id"], user | given)))

    def delete(self, call: Call) -> Answer:
        user = self.user(call)
        for one in self.held(call, user["id"]):
            call["memberships"].drop(one["id"])
        call["users"].drop(user["id"])
        return Answer(204)

    def end_sessions(self, call: Call) -> Answer:
        asked = call.json()
        if not isinstance(asked.get("user_ids"), list) or not isinstance(asked.get("user_logins"), list):
            raise ValueError("user_ids and user_logins are needed")
        for id in asked["user_ids"]:
            self.user(call, id)
        return json_answer(202, {"message": "Request is successful, please check the admin events for the status"})

    def list_groups(self, call: Call) -> Answer:
        return entries(call, [group | {"type": "group"} for group in call["groups"].rows.values()])

    def memberships_of(self, call: Call) -> Answer:
        return entries(call, [self.membership(call, one) for one in self.held(call, self.user(call)["id"])])

    def members_of(self, call: Call) -> Answer:
        group = self.group(call, call.params["group"])["id"]
        rows = [one for one in call["memberships"].rows.values() if one["group"] == group]
        return entries(call, [self.membership(call, one) for one in rows])

    def join(self, call: Call) -> Answer:
        asked = call.json()
        user, group = self.user(call, asked["user"]["id"])["id"], self.group(call, asked["group"]["id"])["id"]
        if any(one["group"] == group for one in self.held(call, user)):
            raise Rejection(self.error(409, "conflict", "User is already a collaborator"))
        id = str(max(12_000_000, call["memberships"].last_number) + 1)
        made = call["memberships"].put(id, {"id": id, "user": user, "group": group})
        return json_answer(201, self.membership(call, made))

    def leave(self, call: Call) -> Answer:
        if call.params["membership"] not in call["memberships"].rows:
            raise Rejection(self.problem(404, "Not Found"))
        call["memberships"].drop(call.params["membership"])
        return Answer(204)

    def held(self, call: Call, user: str) -> list[Row]:
        return [one for one in call["memberships"].rows.values() if one["user"] == user]

    def membership(self, call: Call, one: Row) -> Row:
        user, group = call["users"].rows[one["user"]], call["groups"].rows[one["group"]]
        who = {"id": user["id"], "type": "user", "name": user["name"], "login": user["login"]}
        return {"id": one["id"], "type": "group_membership", "role": "member", "user": who} | {
            "group": group | {"type": "group", "group_type": "managed_group"}
        }

    def fields(self, call: Call) -> Row:
        given = call.json()
        if unknown := set(given) - set(WRITABLE):
            raise ValueError(f"unknown fields {', '.join(sorted(unknown))}")
        if given.get("status", "active") not in STATUSES or len(str(given.get("name", ""))) > 50:
            raise ValueError("status or name")
        return given

    def user(self, call: Call, id: str = "") -> Row:
        found = call["users"].rows.get(id or call.params["id"])
        if not found:
            raise Rejection(self.problem(404, "Not Found"))
        return found

    def group(self, call: Call, id: str) -> Row:
        if id not in call["groups"].rows:
            raise Rejection(self.problem(404, "Not Found"))
        return call["groups"].rows[id]


def shown(user: Row) -> Row:
    return user | {"type": "user", "created_at": BORN, "modified_at": BORN}


def entries(call: Call, rows: list[Row]) -> Answer:
    """A page by offset and limit."""
    limit = page_number(call.query.get("limit"), 100, MOST)
    offset = page_number(call.query.get("offset"), 0, 1_000_000, 0)
    told = {"total_count": len(rows), "limit": limit, "offset": offset}
    return json_answer(200, told | {"entries": rows[offset : offset + limit]})


TWIN = Box


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    own = {"URL": f"{root}/2.0", "TOKEN_URL": f"{root}/oauth2/token", "ENTERPRISE_ID": ENTERPRISE}
    return {f"BOX_{name}": value for name, value in (own | {"CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}).items()}
