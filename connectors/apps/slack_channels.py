"""Slack's channels as entitlements, written `#name`: those that the YAML names, since people join others themselves.

Least permission: channels:read, channels:write (groups:read, groups:write for private channels), and that the token's
user is in the channel; in an Enterprise organisation admin.conversations:write, and then the user need not be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from connectors.apps.slack_http import GONE, Said, SlackHttp
from connectors.base import Outcome
from connectors.errors import Refused
from connectors.listing import Row

PREFIX = "#"
TYPES = {"types": "public_channel,private_channel", "exclude_archived": "true"}


class Channels:
    """The channels that the YAML names. Safe to use from several threads."""

    def __init__(self, http: SlackHttp, team: str, named: tuple[str, ...], grid: bool) -> None:
        self.http, self.grid = http, grid
        self.named = {name.removeprefix(PREFIX).casefold() for name in named}
        self.where = {"team_id": team} if team else {}
        self.ids: dict[str, str] = {}
        self.lock = threading.RLock()

    def names(self, doing: str = "list channels") -> list[str]:
        """As rules write them, as far as they are there; 1 call per 1,000 channels."""
        return [f"{PREFIX}{row['name']}" for row in self.rows("conversations.list", doing, 1000, **TYPES)]

    def held(self, user_id: str, doing: str) -> list[str]:
        """1 call per 200 channels of the user; none where no channel is named."""
        if not self.named:
            return []
        rows = self.rows("users.conversations", doing, 200, user=user_id, **TYPES)
        return [f"{PREFIX}{row['name']}" for row in rows]

    def by_user(self, doing: str) -> dict[str, set[str]]:
        """User id -> names; 1 call per 1,000 channels and 1 per 1,000 members of each."""
        held: dict[str, set[str]] = {}
        for row in self.rows("conversations.list", doing, 1000, **TYPES) if self.named else ():
            for user in self.http.pages("conversations.members", "members", doing, 1000, channel=row["id"]):
                held.setdefault(str(user["id"]), set()).add(f"{PREFIX}{row['name']}")
        return held

    def invite(self, name: str, user_ids: list[str], doing: str) -> None:
        """Let these in, 1 call, the first time in a process 2. Refused where one of them is in, or cannot be."""
        id, users = self.id_of(name, doing), ",".join(user_ids)
        if self.grid:
            self.http.tell("admin.conversations.invite", doing, channel_id=id, user_ids=users)
        else:
            self.http.tell("conversations.invite", doing, channel=id, users=users)

    def join(self, name: str, user_id: str, doing: str) -> Outcome:
        """1 call, the first time in a process 2."""
        try:
            self.invite(name, [user_id], doing)
        except Said as error:
            if "already" in error.error:
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def leave(self, name: str, user_id: str, doing: str) -> Outcome:
        """1 call, the first time in a process 2. ALREADY where the user is not in it."""
        id = self.id_of(name, doing)
        try:
            self.http.tell("conversations.kick", doing, channel=id, user=user_id)
        except Said as error:
            if error.error in ("not_in_channel", "user_not_found"):
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def rows(self, method: str, doing: str, most: int, **asked: str) -> Iterator[Row]:
        """The named channels in a list of channels."""
        for row in self.http.pages(method, "channels", doing, most, **asked, **self.where):
            if str(row.get("name", "")).casefold() in self.named:
                yield row

    def id_of(self, name: str, doing: str) -> str:
        """The channel's id; Refused where the YAML does not name it, or the token does not see it."""
        bare = name.removeprefix(PREFIX).casefold()
        if bare not in self.named:
            todo = f"Add {name.removeprefix(PREFIX)} to `options.channels` in the app's YAML."
            raise Refused(self.http.app, doing, f"{name} is not one of the channels that are looked after", todo)
        with self.lock:
            if bare not in self.ids:
                found = self.rows("conversations.list", doing, 1000, **TYPES)
                self.ids = {str(row["name"]).casefold(): str(row["id"]) for row in found}
        if bare not in self.ids:
            todo = "Make it, or add the token's user to it if it is private."
            raise Refused(self.http.app, doing, f"no channel {name} can be seen", todo, GONE)
        return self.ids[bare]
