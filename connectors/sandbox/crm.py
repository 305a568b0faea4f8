"""Ledgerline CRM: a department app with a bearer token, numbered pages, 422 for bad fields and a treacherous search."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from connectors.sandbox.possessions import Possession, dropped, owned, passed
from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

TOKEN = "crm-token-of-the-sandbox"
ROLES = ("Sales Rep", "Sales Manager", "Read Only", "Finance Viewer")
PER_PAGE = 50
REQUIRED = ("email", "first_name", "last_name")
WRITABLE = (*REQUIRED, "title", "team", "status")
STATUSES = ("active", "deactivated")


class Crm(Twin):
    """Users with numeric ids, roles they hold, deals and API keys they own. A deleted user's deals have no owner,
    and the keys are gone."""

    quotas = (Limit(50),)
    settable = {"unique": (True, False)}
    unique = True
    """Whether an address may belong to one user only; many apps do not care."""

    possessions = {
        "deals": Possession("owner_id", {"title": "", "stage": "open", "amount": 0}),
        "api_keys": Possession("owner_id", {"name": "", "last_four": "0000"}),
    }

    def make_tables(self) -> dict[str, Table]:
        emails = Index(lambda row: str(row["email"]), prefixes=True)
        return {"users": Table("users", {"email": emails}), "roles": Table("roles", {})}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/api/v2/users", get=self.list_users, post=self.create),
            route("/api/v2/users/{id}", get=self.show, patch=self.update, delete=self.delete),
            route("/api/v2/users/{id}/roles/{role}", put=self.give_role, delete=self.take_role),
            route("/api/v2/roles", get=self.list_roles),
            route("/api/v2/deals", get=self.list_owned),
            route("/api/v2/deals/{id}", patch=self.change_owner),
            route("/api/v2/api_keys", get=self.list_owned),
            route("/api/v2/api_keys/{id}", patch=self.change_owner),
        )

    def seed(self) -> None:
        for number, role in enumerate(ROLES, start=1):
            self.store["roles"].put(str(number), {"id": number, "name": role})

    def authorise(self, call: Call) -> None:
        if call.header(b"authorization") != f"Bearer {TOKEN}":
            raise Rejection(self.problem(401, "invalid or missing API key"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"error": {"status": status, "message": message}}, *headers)

    def list_users(self, call: Call) -> Answer:
        query, users = call.query, call["users"]
        if "email" in query:
            return paged(query, search(call, query["email"]))
        wanted = query.get("status")
        rows = [u for u in users.rows.values() if not wanted or u["status"] == wanted]
        return paged(query, rows)

    def list_roles(self, call: Call) -> Answer:
        return paged(call.query, list(call["roles"].rows.values()))

    def create(self, call: Call) -> Answer:
        users, asked = call["users"], call.json()
        number = users.next_number()
        blank: Row = {"id": number, "title": None, "team": None, "status": "active", "role_ids": []}
        row = blank | {name: asked[name] for name in WRITABLE if name in asked}
        self.check(call, row, REQUIRED)
        users.put(str(number), row)
        return json_answer(201, {"data": row}, ("Location", f"{call.base}/api/v2/users/{number}"))

    def show(self, call: Call) -> Answer:
        return json_answer(200, {"data": self.user(call)})

    def update(self, call: Call) -> Answer:
        row, asked = self.user(call), call.json()
        changed = row | {name: asked[name] for name in WRITABLE if name in asked}
        self.check(call, changed, REQUIRED)
        call["users"].put(str(row["id"]), changed)
        return json_answer(200, {"data": changed})

    def delete(self, call: Call) -> Answer:
        user = self.user(call)
        for deal in owned(call["deals"], user["id"]):
            passed(call["deals"], self.possessions["deals"], deal, None)
        dropped(call["api_keys"], user["id"])
        call["users"].drop(str(user["id"]))
        return Answer(204)

    def give_role(self, call: Call) -> Answer:
        user, role = self.user(call), self.role(call)
        if role not in user["role_ids"]:
            call["users"].put(str(user["id"]), user | {"role_ids": [*user["role_ids"], role]})
        return Answer(204)

    def take_role(self, call: Call) -> Answer:
        user, role = self.user(call), self.role(call)
        if role not in user["role_ids"]:
            raise Rejection(self.problem(404, "the user does not hold this role"))
        kept = [held for held in user["role_ids"] if held != role]
        call["users"].put(str(user["id"]), user | {"role_ids": kept})
        return Answer(204)

    def list_owned(self, call: Call) -> Answer:
        table, owner = call[call.path.rpartition("/")[2]], call.query.get("owner_id")
        return paged(call.query, list(table.rows.values()) if owner is None else owned(table, owner))

    def change_owner(self, call: Call) -> Answer:
        name = call.path.split("/")[3]
        row, owner = call[name].rows.get(call.params["id"]), str(call.json().get("owner_id"))
        if not row:
            raise Rejection(self.problem(404, f"no such {name.removesuffix('s')}"))
        user = call["users"].rows.get(owner)
        if not user or user["status"] != "active":
            fields = {"owner_id": ["is not an active user"]}
            body = {"error": {"status": 422, "message": "validation failed", "fields": fields}}
            raise Rejection(json_answer(422, body))
        return json_answer(200, {"data": passed(call[name], self.possessions[name], row, user["id"])})

    def account_id(self, key: str) -> int | None:
        found = self.store["users"].by("email", key)
        return int(found[0]["id"]) if found else None

    def user(self, call: Call) -> Row:
        found = call["users"].rows.get(call.params["id"])
        if not found:
            raise Rejection(self.problem(404, "no such user"))
        return found

    def role(self, call: Call) -> int:
        found = call["roles"].rows.get(call.params["role"])
        if not found:
            raise Rejection(self.problem(404, "no such role"))
        return int(found["id"])

    def check(self, call: Call, row: Row, required: Sequence[str]) -> None:
        """Reject a user whose fields are not as they must be, naming each."""
        errors: dict[str, list[str]] = {}
        for name in required:
            if not row.get(name) or not isinstance(row[name], str):
                errors.setdefault(name, []).append("can't be blank")
        if row["status"] not in STATUSES:
            errors["status"] = [f"is not one of {', '.join(STATUSES)}"]
        if "email" not in errors:
            errors |= email_errors(call["users"], row, self.unique)
        if errors:
            body = {"error": {"status": 422, "message": "validation failed", "fields": errors}}
            raise Rejection(json_answer(422, body))


def email_errors(users: Table, row: Row, unique: bool) -> dict[str, list[str]]:
    email = row["email"]
    if "@" not in email:
        return {"email": ["is not an e-mail address"]}
    if unique and any(other["id"] != row["id"] for other in users.by("email", email)):
        return {"email": ["has already been taken"]}
    return {}


def search(call: Call, email: str) -> list[Row]:
    """Users whose address starts with the part before the @, newest first: so `ann@` also finds `anna@`."""
    users = call["users"]
    found = [users.rows[key] for key in users.indexes["email"].starting_with(email.partition("@")[0])]
    found.sort(key=lambda row: -int(row["id"]))
    if call.wrong_first_hit:
        strangers = (u for u in users.rows.values() if u["email"].casefold() != email.casefold())
        found = [*islice(strangers, 1), *(u for u in found if u["email"].casefold() == email.casefold())]
    return found


def paged(query: dict[str, str], rows: Sequence[Row]) -> Answer:
    """A page of rows; page sizes above the maximum are cut down to it, as vendors do."""
    size = page_number(query.get("per_page"), 25, PER_PAGE)
    page = page_number(query.get("page"), 1, 1_000_000)
    pages = max(1, -(-len(rows) // size))
    pagination: dict[str, Any] = {"page": page, "pages": pages, "per_page": size, "total": len(rows)}
    start = (page - 1) * size
    return json_answer(200, {"data": list(rows[start : start + size]), "pagination": pagination})


TWIN = Crm


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "CRM_URL": f"{root}/api/v2",
        "CRM_TOKEN": TOKEN,
    }
