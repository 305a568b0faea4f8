"""Zoom's API v2: users with a status, groups, server-to-server OAuth, page tokens that expire.

Made from the description of 2021 (APIs.guru) and developers.zoom.us (errors, rate limits by label). From memory: the
grant `account_credentials`, that group_ids come with a user, that an address with capitals is the same address.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

ACCOUNT, CLIENT, SECRET = "zoom-account", "zoom-client", "zoom-secret-of-the-sandbox"
GROUPS = ("Staff", "Sales", "Webinar Hosts")
ACTIONS = ("create", "autoCreate", "custCreate", "ssoCreate")
CREATING = ("email", "first_name", "last_name", "password", "type")
CHANGING = ("first_name", "last_name", "dept", "job_title", "location", "company", "manager", "timezone", "type")
MOST = 300
WRITES = "^(POST|PUT|PATCH|DELETE) "
BORN = "2026-01-05T09:00:00Z"
LASTS = 3599  # seconds


class Zoom(Twin):
    """One account of Zoom."""

    quotas = (Limit(40, 1.0, WRITES), Limit(60, 1.0))

    def make_tables(self) -> dict[str, Table]:
        emails = Index(lambda row: str(row["email"]))
        return {
            "users": Table("users", {"email": emails}),
            "groups": Table("groups", {}),
            "issued": Table("issued", {}),
        }

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/oauth/token", post=self.issue),
            route("/v2/users", get=self.list_users, post=self.create),
            route("/v2/users/{id}", get=self.show, patch=self.change, delete=self.delete),
            route("/v2/users/{id}/status", put=self.set_status),
            route("/v2/users/{id}/email", put=self.set_email),
            route("/v2/users/{id}/token", delete=self.sign_out),
            route("/v2/groups", get=self.list_groups),
            route("/v2/groups/{group}/members", post=self.join),
            route("/v2/groups/{group}/members/{id}", delete=self.leave),
        )

    def seed(self) -> None:
        for name in GROUPS:
            id = uuid4().hex[:22]
            self.store["groups"].put(id, {"id": id, "name": name})

    def authorise(self, call: Call) -> None:
        if call.path == "/oauth/token":
            return
        token = call.header(b"authorization").removeprefix("Bearer ")
        if token not in call["issued"].rows:
            raise Rejection(json_answer(401, {"code": 124, "message": "Invalid access token."}))

    def issue(self, call: Call) -> Answer:
        """Server-to-server OAuth: the client by Basic, the account in the form."""
        proof = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        form = call.form()
        if call.header(b"authorization") != f"Basic {proof}":
            raise Rejection(
                json_answer(401, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"})
            )
        if form != {"grant_type": "account_credentials", "account_id": ACCOUNT}:
            raise Rejection(json_answer(400, {"reason": "unsupported grant type", "error": "unsupported_grant_type"}))
        token = uuid4().hex
        self.store["issued"].put(token, {"id": token})
        return json_answer(200, {"access_token": token, "token_type": "bearer", "expires_in": LASTS})

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"code": status, "message": message}, *headers)

    def refused(self, status: int, code: int, message: str) -> Rejection:
        return Rejection(json_answer(status, {"code": code, "message": message}))

    def malformed(self, error: ValueError) -> Answer:
        return json_answer(400, {"code": 300, "message": f"Validation Failed. {error}"})

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("email", key)
        return str(found[0]["id"]) if found else None

    def list_users(self, call: Call) -> Answer:
        status = call.query.get("status", "active")
        if status not in ("active", "inactive", "pending"):
            raise self.refused(400, 300, "Invalid field: status")
        rows = [listed(user) for user in call["users"].rows.values() if user["status"] == status]
        size = page_number(call.query.get("page_size"), 30, MOST)
        start = int(call.query.get("next_page_token") or 0)
        more = str(start + size) if start + size < len(rows) else ""
        told = {"page_size": size, "total_records": len(rows), "next_page_token": more}
        return json_answer(200, told | {"page_count": -(-len(rows) // size), "users": rows[start : start + size]})

    def create(self, call: Call) -> Answer:
        asked = call.json()
        given = fields(asked["user_info"], CREATING)
        if asked["action"] not in ACTIONS or given.get("type") not in (1, 2, 3, 99):
            raise ValueError("action or type")
        if "@" not in given["email"]:
            raise ValueError("email")
        if call["users"].by("email", given["email"]):
            raise self.refused(409, 1005, f"User already in the account: {given['email']}")
        id = uuid4().hex[:22]
        blank = {"id": id, "first_name": "", "last_name": "", "status": "active", "group_ids": [], "sessions": 1}
        call["users"].put(id, blank | {"dept": "", "job_title": "", "location": "", "created_at": BORN} | given)
        return json_answer(201, {"id": id} | {k: given[k] for k in CREATING if k in given and k != "password"})

    def show(self, call: Call) -> Answer:
        return json_answer(200, shown(self.user(call)))

    def change(self, call: Call) -> Answer:
        user = self.user(call)
        call["users"].put(user["id"], user | fields(call.json(), CHANGING))
        return Answer(204)

    def delete(self, call: Call) -> Answer:
        user = self.user(call)
        if call.query.get("action", "disassociate") not in ("delete", "disassociate"):
            raise ValueError("action")
        call["users"].drop(user["id"])
        return Answer(204)

    def set_status(self, call: Call) -> Answer:
        user = self.user(call)
        status = {"activate": "active", "deactivate": "inactive"}.get(str(call.json().get("action")))
        if status is None:
            raise ValueError("action")
        sessions = 0 if status == "inactive" else user["sessions"]
        call["users"].put(user["id"], user | {"status": status, "sessions": sessions})
        return Answer(204)

    def set_email(self, call: Call) -> Answer:
        user, email = self.user(call), str(call.json()["email"])
        if any(other["id"] != user["id"] for other in call["users"].by("email", email)):
            raise self.refused(400, 1005, "Email has already been used")
        call["users"].put(user["id"], user | {"email": email})
        return Answer(204)

    def sign_out(self, call: Call) -> Answer:
        user = self.user(call)
        call["users"].put(user["id"], user | {"sessions": 0})
        return Answer(204)

    def user(self, call: Call, id: str = "") -> Row:
        """By id or address, as everywhere at Zoom."""
        id = id or call.params["id"]
        found = call["users"].rows.get(id) or next(iter(call["users"].by("email", id)), None)
        if not found:
            raise self.refused(404, 1001, f"User does not exist: {id}.")
        return found

    def list_groups(self, call: Call) -> Answer:
        groups = list(call["groups"].rows.values())
        return json_answer(200, {"total_records": len(groups), "groups": [g | {"total_members": 0} for g in groups]})

    def join(self, call: Call) -> Answer:
        group, members = self.group(call), call.json()["members"]
        for member in members[:30]:
            user = self.user(call, member["id"])
            held = [id for id in user["group_ids"] if id != group]
            call["users"].put(user["id"], user | {"group_ids": [*held, group]})
        return json_answer(201, {"ids": ",".join(member["id"] for member in members), "added_at": BORN})

    def leave(self, call: Call) -> Answer:
        group, user = self.group(call), self.user(call)
        if group not in user["group_ids"]:
            raise self.refused(404, 4131, "This group member does not exist.")
        call["users"].put(user["id"], user | {"group_ids": [held for held in user["group_ids"] if held != group]})
        return Answer(204)

    def group(self, call: Call) -> str:
        if call.params["group"] not in call["groups"].rows:
            raise self.refused(404, 4130, "A group with this ID does not exist.")
        return call.params["group"]


def shown(user: Row) -> Row:
    return {name: value for name, value in user.items() if name not in ("sessions", "password")}


def listed(user: Row) -> Row:
    """In lists there is less of a user: no job title, no place."""
    return {name: value for name, value in shown(user).items() if name not in ("job_title", "location")}


def fields(given: dict[str, Any], known: Sequence[str]) -> Row:
    if unknown := set(given) - set(known):
        raise ValueError(f"Invalid field: {', '.join(sorted(unknown))}")
    return given


TWIN = Zoom


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    own = {"CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, "ACCOUNT_ID": ACCOUNT}
    return {"ZOOM_URL": f"{root}/v2", "ZOOM_TOKEN_URL": f"{root}/oauth/token"} | {
        f"ZOOM_{name}": value for name, value in own.items()
    }
