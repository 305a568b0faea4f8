"""Parcel Desk: an app that names and nests things differently, pages by cursor and has 409 for what is so already."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from uuid import uuid4

from connectors.sandbox.possessions import Possession, owned, passed
from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

KEY = "desk-key-of-the-sandbox"
GROUPS = {"grp_support": "Support", "grp_shipping": "Shipping", "grp_oncall": "Engineering On-call"}
PAGE_SIZE = 40


class Desk(Twin):
    """Agents with random ids, found by login, groups of them, and the tickets and macros they look after. Agents are
    suspended, never deleted; what a suspended agent looks after stays theirs until they are active again."""

    quotas = (Limit(40),)
    possessions = {
        "tickets": Possession("assignee_id", {"subject": "", "status": "open"}),
        "macros": Possession("agent_id", {"title": ""}),
    }

    def make_tables(self) -> dict[str, Table]:
        members = {"agent": Index(lambda row: str(row["agent_id"])), "group": Index(lambda row: str(row["group_id"]))}
        return {
            "agents": Table("agents", {"login": Index(lambda row: str(row["login"]))}),
            "groups": Table("groups", {}),
            "members": Table("members", members),
        }

    def make_routes(self) -> Sequence[Route]:
        return (
            route("/v1/agents", get=self.list_agents, post=self.create),
            route("/v1/agents/by-login/{login}", get=self.by_login),
            route("/v1/agents/{id}", get=self.show, patch=self.update),
            route("/v1/agents/{id}/suspend", post=self.suspend),
            route("/v1/agents/{id}/reactivate", post=self.reactivate),
            route("/v1/agents/{id}/groups", get=self.groups_of),
            route("/v1/agents/{id}/transfer", post=self.transfer),
            route("/v1/tickets", get=self.list_owned),
            route("/v1/macros", get=self.list_owned),
            route("/v1/groups", get=self.list_groups),
            route("/v1/groups/{group}/agents", get=self.members_of, post=self.add_member),
            route("/v1/groups/{group}/agents/{id}", delete=self.remove_member),
        )

    def seed(self) -> None:
        for key, name in GROUPS.items():
            self.store["groups"].put(key, {"id": key, "name": name})

    def authorise(self, call: Call) -> None:
        if not call.header(b"x-api-key"):
            raise Rejection(self.problem(401, "X-Api-Key is missing"))
        if call.header(b"x-api-key") != KEY:
            raise Rejection(self.problem(403, "this key may not use the API"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return json_answer(status, {"errors": [{"code": str(status), "detail": message}]}, *headers)

    def list_agents(self, call: Call) -> Answer:
        return paged(call, list(call["agents"].rows.values()))

    def list_groups(self, call: Call) -> Answer:
        return paged(call, list(call["groups"].rows.values()))

    def create(self, call: Call) -> Answer:
        asked = agent_part(call)
        key = str(uuid4())
        row = {"id": key, "active": asked.get("active", True), "contact": {"email": None, "phone": None}}
        row = merged(row, asked, ("login", "full_name", "contact"))
        self.check(call, row)
        call["agents"].put(key, row)
        return json_answer(200, {"agent": row})

    def show(self, call: Call) -> Answer:
        return json_answer(200, {"agent": self.agent(call, call.params["id"])})

    def by_login(self, call: Call) -> Answer:
        found = call["agents"].by("login", call.params["login"])
        if call.wrong_first_hit:
            found = [a for a in call["agents"].rows.values() if a not in found] or found
        if not found:
            raise Rejection(self.problem(404, "no agent with this login"))
        return json_answer(200, {"agent": found[0]})

    def update(self, call: Call) -> Answer:
        """Changes anything but `active`, which has calls of its own."""
        row = merged(self.agent(call, call.params["id"]), agent_part(call), ("login", "full_name", "contact"))
        self.check(call, row)
        call["agents"].put(row["id"], row)
        return json_answer(200, {"agent": row})

    def suspend(self, call: Call) -> Answer:
        return self.switch(call, False, "the agent is suspended already")

    def reactivate(self, call: Call) -> Answer:
        return self.switch(call, True, "the agent is active already")

    def switch(self, call: Call, active: bool, already: str) -> Answer:
        row = self.agent(call, call.params["id"])
        if row["active"] == active:
            raise Rejection(self.problem(409, already))
        changed = call["agents"].put(row["id"], row | {"active": active})
        return json_answer(200, {"agent": changed})

    def groups_of(self, call: Call) -> Answer:
        agent = self.agent(call, call.params["id"])
        held = call["members"].by("agent", agent["id"])
        return paged(call, [call["groups"].rows[m["group_id"]] for m in held])

    def members_of(self, call: Call) -> Answer:
        held = call["members"].by("group", self.group(call))
        return paged(call, [call["agents"].rows[m["agent_id"]] for m in held])

    def add_member(self, call: Call) -> Answer:
        group, asked = self.group(call), call.json()
        if not isinstance(asked.get("agent_id"), str):
            raise Rejection(self.problem(400, "agent_id is required"))
        agent = self.agent(call, asked["agent_id"])
        key = f"{group}/{agent['id']}"
        if key in call["members"].rows:
            raise Rejection(self.problem(409, "the agent is in this group already"))
        call["members"].put(key, {"group_id": group, "agent_id": agent["id"]})
        return json_answer(201, {"group_id": group, "agent_id": agent["id"]})

    def remove_member(self, call: Call) -> Answer:
        key = f"{self.group(call)}/{self.agent(call, call.params['id'])['id']}"
        if key not in call["members"].rows:
            raise Rejection(self.problem(404, "the agent is not in this group"))
        call["members"].drop(key)
        return Answer(204)

    def list_owned(self, call: Call) -> Answer:
        table, agent = call[call.path.rpartition("/")[2]], call.query.get("agent")
        return paged(call, list(table.rows.values()) if agent is None else owned(table, agent))

    def transfer(self, call: Call) -> Answer:
        """Everything at once, from an active agent to an active one."""
        agent, other = self.agent(call, call.params["id"]), call["agents"].rows.get(str(call.json().get("to")))
        if not agent["active"]:
            raise Rejection(self.problem(409, "a suspended agent's work cannot be transferred; reactivate first"))
        if not other or not other["active"] or other is agent:
            raise Rejection(self.problem(422, "to must be another active agent"))
        moved = {name: owned(call[name], agent["id"]) for name in self.possessions}
        for name, rows in moved.items():
            for row in rows:
                passed(call[name], self.possessions[name], row, other["id"])
        return json_answer(200, {"moved": {name: len(rows) for name, rows in moved.items()}})

    def account_id(self, key: str) -> str | None:
        found = self.store["agents"].by("login", key)
        return str(found[0]["id"]) if found else None

    def agent(self, call: Call, key: str) -> Row:
        found = call["agents"].rows.get(key)
        if not found:
            raise Rejection(self.problem(404, "no such agent"))
        return found

    def group(self, call: Call) -> str:
        if call.params["group"] not in call["groups"].rows:
            raise Rejection(self.problem(404, "no such group"))
        return call.params["group"]

    def check(self, call: Call, row: Row) -> None:
        """Reject an agent that lacks a field or takes another one's login."""
        for name in ("login", "full_name"):
            if not isinstance(row.get(name), str) or not row[name]:
                raise Rejection(self.problem(400, f"agent.{name} is required"))
        if not isinstance(row["contact"].get("email"), str):
            raise Rejection(self.problem(400, "agent.contact.email is required"))
        if any(other["id"] != row["id"] for other in call["agents"].by("login", row["login"])):
            raise Rejection(self.problem(409, "login is taken"))


def agent_part(call: Call) -> Row:
    agent = call.json().get("agent")
    if not isinstance(agent, dict):
        raise ValueError("agent is missing")
    return agent


def merged(row: Row, asked: Row, names: Sequence[str]) -> Row:
    """The row with the named fields as asked; nested ones field by field."""
    changed = dict(row)
    for name in names:
        value = asked.get(name, row.get(name))
        changed[name] = row[name] | value if isinstance(value, dict) and name in row else value
    return changed


def paged(call: Call, rows: Sequence[Row]) -> Answer:
    """The rows after the cursor, and the cursor of the next ones."""
    query = call.query
    size = page_number(query.get("limit"), 20, PAGE_SIZE)
    start = int(urlsafe_b64decode(query["cursor"])) if query.get("cursor") else 0
    after = start + size
    following = urlsafe_b64encode(str(after).encode()).decode() if after < len(rows) else None
    return json_answer(200, {"items": list(rows[start:after]), "next_cursor": following})


TWIN = Desk


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "DESK_URL": f"{root}/v1",
        "DESK_KEY": KEY,
    }
