"""Slack's Web API: methods that answer 200 whatever happens, with `ok` and an error's name.

Made from the description of slackapi/slack-api-specs (2021) and the pages under docs.slack.dev/reference/methods;
names of errors as slack-ruby/slack-api-ref has them. A user group cannot be emptied: it is disabled, and comes back
with whoever was in it last (the latter unverified).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.sandbox.scim_body import timestamp
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors.slack_scim import SlackScim
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

CALLER = "W0ADMIN00"
TEAM, ENTERPRISE = "T0JUNIPER", "E0JUNIPERFINCH"
TEAMS = {TEAM: "Juniper", "T0FINCH00": "Finch"}
CHANNELS = {"C0GENERAL": "general", "C0SALES00": "sales", "C0TEAROOM": "tea-room", "C0ARCHIVE": "old-news"}
ABSENT = "C0TEAROOM"
"""The channel that the app is not in."""
SCOPES = {
    "usergroups.list": "usergroups:read",
    "usergroups.users.list": "usergroups:read",
    "usergroups.": "usergroups:write",
    "conversations.invite": "channels:write",
    "conversations.kick": "channels:write",
    "conversations.": "channels:read",
    "users.conversations": "channels:read",
    "users.": "users:read",
    "admin.teams.": "admin.teams:read",
    "admin.users.list": "admin.users:read",
    "admin.users.": "admin.users:write",
    "admin.conversations.": "admin.conversations:write",
}
"""Beginning of a method's name -> the scope it needs; the first that fits."""


class No(Exception):
    """A method says no: the error's name, and what goes with it."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.body = {"ok": False, "error": error} | more


class WebApi(SlackScim):
    """Channels, user groups, workspaces and sessions of the users that SCIM makes."""

    missing_scope = ""
    """A scope that the token has not got."""
    grid = True
    """Whether this is an Enterprise organisation; else there are no admin methods."""

    def make_tables(self) -> dict[str, Table]:
        plain = {name: Table(name, {}) for name in ("usergroups", "channels", "teams")}
        sessions = Table("sessions", {"user": Index(lambda row: str(row["user"]))})
        return {**super().make_tables(), **plain, "sessions": sessions}

    def make_routes(self) -> Sequence[Route]:
        return (*super().make_routes(), route("/api/{method}", get=self.run, post=self.run))

    def seed_web(self) -> None:
        for id, name in TEAMS.items():
            self.store["teams"].put(id, {"id": id, "name": name, "members": []})
        for id, name in CHANNELS.items():
            members = [] if id == ABSENT else [CALLER]
            row: Row = {"id": id, "name": name, "is_archived": name == "old-news", "members": members}
            self.store["channels"].put(id, row)

    def besides(self) -> Sequence[str]:
        return (*super().besides(), "usergroups", "channels", "teams", "sessions")

    def sign_in(self, user_name: str) -> Row | None:
        found = self.store["users"].by("username", user_name)
        if not found or not found[0].get("active", True):
            return None
        number = self.store["sessions"].next_number()
        return self.store["sessions"].put(str(number), {"id": number, "user": found[0]["id"], "created": timestamp()})

    def run(self, call: Call) -> Answer:
        """Any method: 200, or 429."""
        name = call.params["method"]
        method = self.methods().get(name)
        try:
            if not method or (name.startswith("admin.") and not self.grid):
                raise No("feature_not_enabled" if method else "unknown_method")
            self.scoped(name)
            return json_answer(200, {"ok": True} | method(call, arguments(call)))
        except No as no:
            return json_answer(200, no.body)

    def scoped(self, name: str) -> None:
        needed = next((scope for start, scope in SCOPES.items() if name.startswith(start)), "")
        if needed and needed == self.missing_scope:
            provided = ",".join(sorted(set(SCOPES.values()) - {needed}))
            raise No("missing_scope", needed=needed, provided=provided)

    def methods(self) -> Mapping[str, Callable[[Call, Row], Row]]:
        return {
            "auth.test": self.test,
            "usergroups.list": self.list_usergroups,
            "usergroups.create": self.create_usergroup,
            "usergroups.enable": self.enable_usergroup,
            "usergroups.disable": self.disable_usergroup,
            "usergroups.users.list": self.list_usergroup_users,
            "usergroups.users.update": self.update_usergroup_users,
            "conversations.list": self.list_channels,
            "conversations.members": self.list_members,
            "conversations.invite": self.invite,
            "conversations.kick": self.kick,
            "users.conversations": self.list_channels_of,
            "users.info": self.info,
            "admin.teams.list": self.list_teams,
            "admin.users.list": self.list_team_users,
            "admin.users.assign": self.assign,
            "admin.users.remove": self.remove,
            "admin.users.session.reset": self.reset,
            "admin.conversations.invite": self.admin_invite,
        }

    def test(self, call: Call, asked: Row) -> Row:
        said = {"url": "https://juniperfinch.enterprise.slack.example/", "team": "Juniper & Finch", "user": "ada"}
        return said | {"team_id": TEAM, "user_id": CALLER}

    # user groups

    def list_usergroups(self, call: Call, asked: Row) -> Row:
        with_users, disabled = yes(asked, "include_users"), yes(asked, "include_disabled")
        rows = [row for row in call["usergroups"].rows.values() if disabled or not row["date_delete"]]
        return {"usergroups": [usergroup(row, with_users) for row in rows]}

    def create_usergroup(self, call: Call, asked: Row) -> Row:
        name, handle = asked.get("name"), str(asked.get("handle") or asked.get("name") or "").lower()
        if not name:
            raise No("invalid_name")
        if any(row["handle"] == handle or row["name"] == name for row in call["usergroups"].rows.values()):
            raise No("name_already_exists")
        number = len(call["usergroups"].rows) + 1
        row: Row = {"id": f"S0{number:07}", "name": name, "handle": handle, "users": [], "date_delete": 0}
        return {"usergroup": usergroup(call["usergroups"].put(row["id"], row | dated()), True)}

    def enable_usergroup(self, call: Call, asked: Row) -> Row:
        row = self.usergroup(call, asked)
        return {"usergroup": usergroup(call["usergroups"].put(row["id"], row | {"date_delete": 0}), True)}

    def disable_usergroup(self, call: Call, asked: Row) -> Row:
        row = self.usergroup(call, asked)
        gone = {"date_delete": int(time.time())}
        return {"usergroup": usergroup(call["usergroups"].put(row["id"], row | gone), True)}

    def list_usergroup_users(self, call: Call, asked: Row) -> Row:
        row = self.usergroup(call, asked)
        if row["date_delete"] and not yes(asked, "include_disabled"):
            raise No("no_such_subteam")
        return {"users": row["users"]}

    def update_usergroup_users(self, call: Call, asked: Row) -> Row:
        """The whole list is replaced."""
        row, users = self.usergroup(call, asked), [id for id in str(asked.get("users") or "").split(",") if id]
        if not users:
            raise No("no_users_provided")
        if any(id not in call["users"].rows and id != CALLER for id in users):
            raise No("invalid_users")
        changed = row | {"users": list(dict.fromkeys(users))} | dated()
        return {"usergroup": usergroup(call["usergroups"].put(row["id"], changed), True)}

    def usergroup(self, call: Call, asked: Row) -> Row:
        found = call["usergroups"].rows.get(str(asked.get("usergroup")))
        if not found:
            raise No("no_such_subteam")
        return found

    # channels

    def list_channels(self, call: Call, asked: Row) -> Row:
        rows = list(call["channels"].rows.values())
        rows = [row for row in rows if not (yes(asked, "exclude_archived") and row["is_archived"])]
        return paged(asked, [channel(row) for row in rows], "channels")

    def list_channels_of(self, call: Call, asked: Row) -> Row:
        user = self.person(call, asked.get("user"))
        rows = [row for row in call["channels"].rows.values() if user in row["members"]]
        return paged(asked, [channel(row) for row in rows], "channels")

    def list_members(self, call: Call, asked: Row) -> Row:
        return paged(asked, self.channel(call, asked.get("channel"))["members"], "members")

    def invite(self, call: Call, asked: Row) -> Row:
        row = self.channel(call, asked.get("channel"))
        users = [self.person(call, id) for id in str(asked.get("users") or "").split(",")]
        if row["is_archived"]:
            raise No("is_archived")
        if CALLER not in row["members"]:
            raise No("not_in_channel")
        if all(user in row["members"] for user in users):
            raise No("already_in_channel")
        members = list(dict.fromkeys([*row["members"], *users]))
        return {"channel": channel(call["channels"].put(row["id"], row | {"members": members}))}

    def admin_invite(self, call: Call, asked: Row) -> Row:
        """The organisation's own way in: no need to be there."""
        row = self.channel(call, asked.get("channel_id"))
        users = [self.person(call, id) for id in str(asked.get("user_ids") or "").split(",")]
        if row["is_archived"]:
            raise No("channel_is_archived")
        members = list(dict.fromkeys([*row["members"], *users]))
        call["channels"].put(row["id"], row | {"members": members})
        return {}

    def kick(self, call: Call, asked: Row) -> Row:
        row, user = self.channel(call, asked.get("channel")), self.person(call, asked.get("user"))
        if row["name"] == "general":
            raise No("cant_kick_from_general")
        if user not in row["members"]:
            raise No("not_in_channel")
        call["channels"].put(row["id"], row | {"members": [id for id in row["members"] if id != user]})
        return {}

    def channel(self, call: Call, id: object) -> Row:
        found = call["channels"].rows.get(str(id))
        if not found:
            raise No("channel_not_found")
        return found

    def person(self, call: Call, id: object) -> str:
        if str(id) not in call["users"].rows and id != CALLER:
            raise No("user_not_found")
        return str(id)

    # the organisation

    def info(self, call: Call, asked: Row) -> Row:
        """A user, with the workspaces it is in."""
        row = call["users"].rows[self.person(call, asked.get("user"))]
        teams = [team["id"] for team in call["teams"].rows.values() if row["id"] in team["members"]]
        return {"user": member(row, teams)}

    def list_teams(self, call: Call, asked: Row) -> Row:
        return paged(asked, [{"id": t["id"], "name": t["name"]} for t in call["teams"].rows.values()], "teams")

    def list_team_users(self, call: Call, asked: Row) -> Row:
        users = self.team(call, asked)["members"]
        return paged(asked, [{"id": id} for id in users], "users")

    def assign(self, call: Call, asked: Row) -> Row:
        """Also makes a deactivated user active again (docs.slack.dev/reference/methods/admin.users.assign)."""
        team, user = self.team(call, asked), self.person(call, asked.get("user_id"))
        row = call["users"].rows[user]
        if user in team["members"] and row.get("active", True):
            raise No("user_already_team_member")
        call["users"].put(user, row | {"active": True})
        call["teams"].put(team["id"], team | {"members": list(dict.fromkeys([*team["members"], user]))})
        return {}

    def remove(self, call: Call, asked: Row) -> Row:
        team, user = self.team(call, asked), self.person(call, asked.get("user_id"))
        if user not in team["members"]:
            raise No("user_already_deleted")
        call["teams"].put(team["id"], team | {"members": [id for id in team["members"] if id != user]})
        return {}

    def reset(self, call: Call, asked: Row) -> Row:
        for row in call["sessions"].by("user", self.person(call, asked.get("user_id"))):
            call["sessions"].drop(str(row["id"]))
        return {}

    def team(self, call: Call, asked: Row) -> Row:
        found = call["teams"].rows.get(str(asked.get("team_id")))
        if not found:
            raise No("team_not_found")
        return found


def arguments(call: Call) -> Row:
    """What a method was given: in the query, as a form, or as JSON."""
    kind = call.header(b"content-type").split(";")[0]
    if call.body and kind not in ("application/x-www-form-urlencoded", "application/json"):
        raise No("invalid_post_type")
    given = (json.loads(call.body) if kind == "application/json" else call.form()) if call.body else {}
    return {**call.query, **given}


def yes(asked: Row, name: str) -> bool:
    return str(asked.get(name, "")).lower() in ("true", "1")


def paged(asked: Row, rows: Sequence[Any], name: str) -> Row:
    """A page, and the cursor of the next one; empty at the end."""
    size, cursor = page_number(asked.get("limit"), 100, 1000), str(asked.get("cursor") or "from:0")
    if not cursor.startswith("from:"):
        raise No("invalid_cursor")
    start = int(cursor.removeprefix("from:"))
    following = f"from:{start + size}" if start + size < len(rows) else ""
    return {name: list(rows[start : start + size]), "response_metadata": {"next_cursor": following}}


def dated() -> Row:
    return {"date_update": int(time.time())}


def usergroup(row: Row, users: bool) -> Row:
    """A user group as Slack shows it."""
    said = {"team_id": TEAM, "is_usergroup": True, "is_subteam": True, "is_external": False, "description": ""}
    said |= {"auto_type": None, "auto_provision": False, "enterprise_subteam_id": "", "date_create": row["date_update"]}
    said |= {"created_by": CALLER, "updated_by": CALLER, "prefs": {"channels": [], "groups": []}}
    said |= {"deleted_by": CALLER if row["date_delete"] else None, "user_count": len(row["users"])}
    shown = {name: value for name, value in row.items() if name != "users"}
    return said | shown | ({"users": row["users"]} if users else {})


def channel(row: Row) -> Row:
    """A channel as Slack shows it, as far as the description wants it."""
    words = {"value": "", "creator": "", "last_set": 0}
    no = ("is_general", "is_group", "is_im", "is_mpim", "is_private", "is_shared", "is_ext_shared", "is_org_shared")
    said: Row = dict.fromkeys(no, False) | {"id": row["id"], "name": row["name"], "name_normalized": row["name"]}
    said |= {"is_general": row["name"] == "general", "is_archived": row["is_archived"], "is_channel": True}
    said |= {"created": 1767225600, "creator": CALLER, "topic": words, "purpose": words}
    return said | {"is_pending_ext_shared": False, "pending_shared": [], "unlinked": 0, "previous_names": []}


def member(row: Row, teams: list[str]) -> Row:
    """A user as `users.info` shows it, as far as anybody here looks."""
    said = {"id": row["id"], "name": row["userName"], "deleted": not row.get("active", True), "is_bot": False}
    return said | {
        "enterprise_user": {
            "id": row["id"],
            "enterprise_id": ENTERPRISE,
            "enterprise_name": "Juniper & Finch",
            "is_admin": False,
            "is_owner": False,
            "teams": teams,
        }
    }


def refused(answer: Row) -> Rejection:
    """What stops a call before it reaches a method."""
    return Rejection(json_answer(200, answer))
