"""Datadog's API v2: users in JSON:API, roles, teams, application keys. Nobody is ever deleted: DELETE disables.

Made from datadog-v2 (OpenAPI, pip datadog-api-client 2.62.0). From memory: the quota and its headers, that an address
that is taken is a 400 at POST, that a role given twice is taken without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from connectors.sandbox.possessions import Possession, owned
from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

API_KEY, APPLICATION_KEY = "datadog-api-key-of-the-sandbox", "datadog-application-key-of-the-sandbox"
ROLES = ("Datadog Admin Role", "Datadog Standard Role", "Datadog Read Only Role")
TEAMS = ("Platform", "Checkout")
MOST = 100
BORN = "2026-01-05T09:00:00.000000+00:00"
KINDS = {"application_keys": "application_keys", "personal_access_tokens": "personal_access_tokens"}


class Datadog(Twin):
    """One organisation."""

    quotas = (Limit(1000, 60.0),)
    possessions = {
        "application_keys": Possession("owner", {"name": "", "last4": "abcd"}),
        "personal_access_tokens": Possession("owner", {"name": "", "last4": "abcd"}),
    }

    def make_tables(self) -> dict[str, Table]:
        emails = Index(lambda row: str(row["email"]))
        return {"users": Table("users", {"email": emails}), "roles": Table("roles", {}), "teams": Table("teams", {})}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/api/v2/users", get=self.list_users, post=self.create),
            route("/api/v2/users/{id}", get=self.show, patch=self.change, delete=self.disable),
            route("/api/v2/users/{id}/memberships", get=self.teams_of),
            route("/api/v2/roles", get=self.list_roles),
            route("/api/v2/roles/{role}/users", post=self.give_role, delete=self.take_role),
            route("/api/v2/team", get=self.list_teams),
            route("/api/v2/team/{team}/memberships", get=self.members_of, post=self.join),
            route("/api/v2/team/{team}/memberships/{id}", delete=self.leave),
            route("/api/v2/{kind:str}", get=self.list_keys),
            route("/api/v2/{kind:str}/{key}", delete=self.drop_key),
        )

    def seed(self) -> None:
        for table, names in (("roles", ROLES), ("teams", TEAMS)):
            for name in names:
                id = str(uuid4())
                self.store[table].put(id, {"id": id, "name": name})

    def authorise(self, call: Call) -> None:
        keys = call.header(b"dd-api-key"), call.header(b"dd-application-key")
        if keys != (API_KEY, APPLICATION_KEY):
            raise Rejection(self.problem(403, "Forbidden"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"errors": [message]}, *headers)

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("email", key)
        return str(found[0]["id"]) if found else None

    # users

    def list_users(self, call: Call) -> Answer:
        word, users = call.query.get("filter", "").casefold(), list(call["users"].rows.values())
        found = [user for user in users if word in f"{user['name']} {user['email']}".casefold()]
        if call.wrong_first_hit and word:
            found = [*(user for user in users if user not in found)][:1] + found
        return listed(call, map(shown, found), len(users), len(found))

    def create(self, call: Call) -> Answer:
        given = attributes(call, "users", ("email", "name", "title"))
        if "@" not in str(given.get("email", "")):
            raise Rejection(self.problem(400, "Invalid email"))
        if call["users"].by("email", given["email"]):
            raise Rejection(self.problem(400, f"User with email {given['email']} already exists"))
        id = str(uuid4())
        row: Row = {"id": id, "name": "", "title": None, "disabled": False, "roles": [], "teams": []} | given
        return json_answer(201, {"data": shown(call["users"].put(id, row))})

    def show(self, call: Call) -> Answer:
        return json_answer(200, {"data": shown(self.user(call))})

    def change(self, call: Call) -> Answer:
        user = self.user(call)
        given = attributes(call, "users", ("email", "name", "title", "disabled"), user["id"])
        if len(str(given.get("name", ""))) > 55:
            raise Rejection(self.problem(400, "Name is too long"))
        return json_answer(200, {"data": shown(call["users"].put(user["id"], user | given))})

    def disable(self, call: Call) -> Answer:
        user = self.user(call)
        call["users"].put(user["id"], user | {"disabled": True})
        return Answer(204)

    def user(self, call: Call, id: str = "") -> Row:
        found = call["users"].rows.get(id or call.params["id"])
        if not found:
            raise Rejection(self.problem(404, "User not found"))
        return found

    # roles and teams

    def list_roles(self, call: Call) -> Answer:
        roles = call["roles"].rows.values()
        data = [{"id": r["id"], "type": "roles", "attributes": {"name": r["name"]}} for r in roles]
        return listed(call, data, len(data), len(data))

    def give_role(self, call: Call) -> Answer:
        return self.turned(call, True)

    def take_role(self, call: Call) -> Answer:
        return self.turned(call, False)

    def turned(self, call: Call, on: bool) -> Answer:
        """The user of the body with or without the role."""
        role, data = call.params["role"], related(call)
        if role not in call["roles"].rows:
            raise Rejection(self.problem(404, "Role not found"))
        user = self.user(call, data["id"])
        others = [held for held in user["roles"] if held != role]
        call["users"].put(user["id"], user | {"roles": [*others, role] if on else others})
        return json_answer(200, {"data": []})

    def list_teams(self, call: Call) -> Answer:
        teams = call["teams"].rows.values()
        names = [{"name": t["name"], "handle": t["name"].lower()} for t in teams]
        data = [{"id": t["id"], "type": "team", "attributes": n} for t, n in zip(teams, names, strict=True)]
        return json_answer(200, {"data": page(call, data)})

    def teams_of(self, call: Call) -> Answer:
        user = self.user(call)
        return json_answer(200, {"data": [membership(team, user["id"]) for team in user["teams"]]})

    def members_of(self, call: Call) -> Answer:
        team = self.team(call)
        data = [membership(team, u["id"]) for u in call["users"].rows.values() if team in u["teams"]]
        return json_answer(200, {"data": page(call, data)})

    def join(self, call: Call) -> Answer:
        team, data = self.team(call), call.json()["data"]
        if data.get("type") != "team_memberships":
            raise Rejection(self.problem(400, "wrong type"))
        user = self.user(call, data["relationships"]["user"]["data"]["id"])
        if team in user["teams"]:
            raise Rejection(self.problem(409, "The user is already a member of this team"))
        call["users"].put(user["id"], user | {"teams": [*user["teams"], team]})
        return json_answer(200, {"data": membership(team, user["id"])})

    def leave(self, call: Call) -> Answer:
        team, user = self.team(call), self.user(call)
        if team not in user["teams"]:
            raise Rejection(self.problem(404, "The user is no member of this team"))
        call["users"].put(user["id"], user | {"teams": [held for held in user["teams"] if held != team]})
        return Answer(204)

    def team(self, call: Call) -> str:
        if call.params["team"] not in call["teams"].rows:
            raise Rejection(self.problem(404, "Team not found"))
        return call.params["team"]

    # keys

    def list_keys(self, call: Call) -> Answer:
        table, owner = call[self.kind(call)], call.query.get("filter[owned_by]")
        rows = list(table.rows.values()) if owner is None else owned(table, owner)
        data = [key_shown(row, table.name) for row in rows]
        return listed(call, data, len(table.rows), len(data))

    def drop_key(self, call: Call) -> Answer:
        table = call[self.kind(call)]
        if call.params["key"] not in table.rows:
            raise Rejection(self.problem(404, "Not found"))
        table.drop(call.params["key"])
        return Answer(204)

    def kind(self, call: Call) -> str:
        if call.params["kind"] not in KINDS:
            raise Rejection(self.problem(404, "Not found"))
        return KINDS[call.params["kind"]]


def shown(user: Row) -> Row:
    told = {name: user[name] for name in ("email", "name", "title", "disabled")}
    told |= {"handle": user["email"], "status": "Disabled" if user["disabled"] else "Pending", "created_at": BORN}
    roles = {"data": [{"id": role, "type": "roles"} for role in user["roles"]]}
    return {"id": user["id"], "type": "users", "attributes": told, "relationships": {"roles": roles}}


def membership(team: str, user: str) -> Row:
    related = {"team": {"data": {"id": team, "type": "team"}}, "user": {"data": {"id": user, "type": "users"}}}
    return {"id": f"TeamMembership-{team}-{user}", "type": "team_memberships", "relationships": related}


def key_shown(row: Row, kind: str) -> Row:
    told = {"name": row["name"], "created_at": BORN}
    return {
        "id": row["id"],
        "type": kind,
        "attributes": told | ({"last4": "abcd"} if kind == "application_keys" else {}),
    }


def attributes(call: Call, kind: str, known: Sequence[str], id: str | None = None) -> Row:
    """The attributes of a JSON:API body; ValueError where its type, its id or a name is wrong."""
    data = call.json()["data"]
    if data.get("type") != kind or (id is not None and data.get("id") != id):
        raise ValueError("type and id must be those of the resource")
    given: dict[str, Any] = data.get("attributes", {})
    if unknown := set(given) - set(known):
        raise ValueError(f"unknown attributes {', '.join(sorted(unknown))}")
    return given


def related(call: Call) -> Row:
    """The one user that a relationship's body names."""
    data: Row = call.json()["data"]
    if data.get("type") != "users" or not data.get("id"):
        raise ValueError("data must name a user")
    return data


def page(call: Call, rows: Sequence[Row]) -> list[Row]:
    size = page_number(call.query.get("page[size]"), 10, MOST)
    start = page_number(call.query.get("page[number]"), 0, 1_000_000, 0) * size
    return list(rows[start : start + size])


def listed(call: Call, rows: Iterable[Row], total: int, filtered: int) -> Answer:
    meta = {"page": {"total_count": total, "total_filtered_count": filtered}}
    return json_answer(200, {"data": page(call, list(rows)), "meta": meta})


TWIN = Datadog


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"DATADOG_URL": root, "DATADOG_API_KEY": API_KEY, "DATADOG_APPLICATION_KEY": APPLICATION_KEY}
