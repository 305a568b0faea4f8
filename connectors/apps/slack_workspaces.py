"""The workspaces of an Enterprise organisation as entitlements, written `workspace:Name`.

Least permission: admin.teams:read, admin.users:read, admin.users:write, users:read.
"""

from __future__ import annotations

import threading

from connectors.apps.slack_http import GONE, Said, SlackHttp
from connectors.base import Outcome
from connectors.errors import Refused
from connectors.fields import pick

PREFIX = "workspace:"


class Workspaces:
    """The workspaces that the YAML names. Safe to use from several threads."""

    def __init__(self, http: SlackHttp, named: tuple[str, ...]) -> None:
        self.http, self.lock = http, threading.RLock()
        self.named = {name.removeprefix(PREFIX).casefold() for name in named}
        self.known: dict[str, str] = {}

    def teams(self, doing: str) -> dict[str, str]:
        """Team id -> name of the named ones; 1 call per 100 workspaces, once in a process."""
        with self.lock:
            if not self.known and self.named:
                rows = list(self.http.pages("admin.teams.list", "teams", doing, 100))
                self.known = {str(r["id"]): str(r["name"]) for r in rows if str(r["name"]).casefold() in self.named}
            return self.known

    def names(self) -> list[str]:
        """As rules write them."""
        return [f"{PREFIX}{name}" for name in self.teams("list workspaces").values()]

    def held(self, user_id: str, doing: str) -> list[str]:
        """1 call, the first time in a process 2; none where no workspace is named."""
        if not self.named:
            return []
        teams, said = self.teams(doing), self.http.ask("users.info", doing, user=user_id)
        mine = pick(said, "user.enterprise_user.teams") or []
        return [f"{PREFIX}{teams[id]}" for id in mine if id in teams]

    def by_user(self, doing: str) -> dict[str, set[str]]:
        """User id -> names; 1 call per 100 members of each workspace."""
        held: dict[str, set[str]] = {}
        for id, name in self.teams(doing).items():
            for user in self.http.pages("admin.users.list", "users", doing, 100, team_id=id):
                held.setdefault(str(user["id"]), set()).add(f"{PREFIX}{name}")
        return held

    def join(self, name: str, user_id: str, doing: str) -> Outcome:
        """1 call, the first time in a process 2. The user must be active: Slack would make them so."""
        try:
            self.http.tell("admin.users.assign", doing, team_id=self.id_of(name, doing), user_id=user_id)
        except Said as error:
            if error.error == "user_already_team_member":
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def leave(self, name: str, user_id: str, doing: str) -> Outcome:
        """1 call, the first time in a process 2."""
        try:
            self.http.tell("admin.users.remove", doing, team_id=self.id_of(name, doing), user_id=user_id)
        except Said as error:
            if error.error in ("user_already_deleted", "user_not_found"):
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def id_of(self, name: str, doing: str) -> str:
        """The workspace's id; Refused where the YAML does not name it, or it is not there."""
        bare = name.removeprefix(PREFIX).casefold()
        found = next((id for id, title in self.teams(doing).items() if title.casefold() == bare), None)
        if not found:
            todo = "Name it under `options.workspaces` in the app's YAML, and as Slack does."
            raise Refused(
                self.http.app, doing, f"no workspace {name.removeprefix(PREFIX)!r} is looked after", todo, GONE
            )
        return found
