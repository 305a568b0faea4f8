"""Slack's user groups as entitlements, written `@handle`.

`usergroups.users.update` replaces the whole list (docs.slack.dev/reference/methods/usergroups.users.update): so it is
read, written, and read again, until the member is in it or out of it. In one process nobody else writes a group
meanwhile; another process that writes it between our read and our write loses, and finds that out when it reads back.
A group cannot be emptied: the last one out disables it, the next one in enables it.

Least permission: usergroups:read, usergroups:write, and that members may manage user groups.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.apps.slack_http import GONE, SlackHttp
from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.listing import Row

PREFIX = "@"
TRIES = 5
BELIEVED = 3.0  # seconds; 20 of them make a minute


class Usergroups:
    """The user groups of one workspace. Safe to use from several threads."""

    def __init__(self, http: SlackHttp, team: str, create: bool) -> None:
        self.http, self.create = http, create
        self.where = {"team_id": team} if team else {}
        """For tokens of an organisation (newer than the description of 2021)."""
        self.lock = threading.Lock()
        self.locks: dict[str, threading.Lock] = {}
        """Handle -> whose turn it is to write."""
        self.seen: tuple[float, list[Row]] | None = None

    def all(self, doing: str) -> list[Row]:
        """Every user group with its members; a disabled one is shown without any. 1 call."""
        asked = {"include_users": "true", "include_disabled": "true", **self.where}
        rows: list[Row] = self.http.ask("usergroups.list", doing, **asked).get("usergroups") or []
        return [row | {"users": [] if row.get("date_delete") else row.get("users") or []} for row in rows]

    def lately(self, doing: str) -> list[Row]:
        """The same, some seconds old at the most: the method may be called 20 times a minute, and accounts are read
        more often."""
        with self.lock:
            if self.seen is None or time.monotonic() - self.seen[0] > BELIEVED:
                self.seen = time.monotonic(), self.all(doing)
            return self.seen[1]

    def names(self) -> list[str]:
        """As rules write them."""
        return [name_of(row) for row in self.all("list user groups")]

    def held(self, user_id: str, doing: str) -> list[str]:
        """1 call every few seconds."""
        return [name_of(row) for row in self.lately(doing) if user_id in row["users"]]

    def by_user(self, doing: str) -> dict[str, set[str]]:
        """User id -> names; 1 call."""
        held: dict[str, set[str]] = {}
        for row in self.all(doing):
            for user in row["users"]:
                held.setdefault(str(user), set()).add(name_of(row))
        return held

    def join(self, name: str, user_id: str, doing: str) -> Outcome:
        """3 calls, 4 where the group was disabled or is made."""
        return self.turn(name, [user_id], True, doing)

    def leave(self, name: str, user_id: str, doing: str) -> Outcome:
        """3 calls."""
        return self.turn(name, [user_id], False, doing)

    def turn(self, name: str, user_ids: list[str], on: bool, doing: str) -> Outcome:
        """Let all of these into the group, or out of it: as many calls as for one."""
        with self.alone(name):
            row = self.one(name, doing) or (self.made(name, doing) if on else None)
            return self.put(row, user_ids, on, doing) if row else Outcome.ALREADY

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Nobody else in this process writes the group meanwhile; what was seen of groups is forgotten."""
        with self.lock:
            mine = self.locks.setdefault(handle(name), threading.Lock())
        with mine:
            try:
                yield
            finally:
                self.seen = None

    def put(self, row: Row, user_ids: list[str], on: bool, doing: str) -> Outcome:
        """Write the list until it shows what was written."""
        if so(row, user_ids, on):
            return Outcome.ALREADY
        for _ in range(TRIES):
            self.write(row, user_ids, on, doing)
            row = row | {"users": self.users(row, doing), "date_delete": 0}
            if so(row, user_ids, on):
                return Outcome.DONE
        why = f"others write the user group {name_of(row)} all the time"
        raise Retryable(self.http.app, doing, why, "Run again later.")

    def write(self, row: Row, user_ids: list[str], on: bool, doing: str) -> None:
        """One write: the list with or without these members."""
        users = [id for id in row["users"] if id not in user_ids] + (user_ids if on else [])
        at = {"usergroup": str(row["id"]), **self.where}
        if not users:
            self.http.tell("usergroups.disable", doing, **at)
            return
        if row.get("date_delete"):
            self.http.tell("usergroups.enable", doing, **at)
        self.http.tell("usergroups.users.update", doing, users=",".join(users), **at)

    def users(self, row: Row, doing: str) -> list[str]:
        """Who is in it now; nobody where it is disabled. 1 call."""
        try:
            found = self.http.ask("usergroups.users.list", doing, usergroup=str(row["id"]), **self.where)
        except Refused as error:
            if error.status == GONE:
                return []
            raise
        return [str(id) for id in found.get("users") or []]

    def one(self, name: str, doing: str) -> Row | None:
        """The user group with this handle; 1 call."""
        return next((row for row in self.all(doing) if handle(str(row.get("handle", ""))) == handle(name)), None)

    def made(self, name: str, doing: str) -> Row:
        """Make the group; Refused where it does not exist and may not be made."""
        if not self.create:
            todo = f"Make the user group {name} there, or say `create_groups: true` in its YAML."
            raise Refused(self.http.app, doing, f"there is no user group {name}", todo, GONE)
        bare = name.removeprefix(PREFIX)
        try:
            made = self.http.tell("usergroups.create", doing, name=bare, handle=bare, **self.where)["usergroup"]
        except Refused:
            if there := self.one(name, doing):
                return there
            raise
        return {**made, "users": made.get("users") or []}


def so(row: Row, user_ids: list[str], on: bool) -> bool:
    """Whether all of these are in the group, or none."""
    return all((id in row["users"]) == on for id in user_ids)


def handle(name: str) -> str:
    """`@Sales` and `sales` are one."""
    return name.removeprefix(PREFIX).casefold()


def name_of(row: Row) -> str:
    """`@handle`."""
    return f"{PREFIX}{row['handle']}"
