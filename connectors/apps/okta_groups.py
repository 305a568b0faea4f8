"""What Okta can grant: groups made in Okta, and, where wanted, assignments to apps (`app:LABEL`).

Groups that an app import (AD) or Okta itself fills are nobody's to grant. A group that an active rule fills can be
given by hand, but not taken: Okta would put the user on that rule's list of exceptions for good, of which it takes a
hundred (support.okta.com, "Removing user from exception list in group rule").
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import quote

from connectors.apps.okta_http import TAKEN, OktaHttp, OktaRefused, Row
from connectors.calls import GONE
from connectors.errors import Refused
from connectors.fields import pick
from connectors.scim_attributes import quoted

OURS = "OKTA_GROUP"
WHOSE = {
    "APP_GROUP": "an app or directory fills it: change the membership there",
    "BUILT_IN": "Okta itself fills it",
}
APP = "app:"
PER_GROUP = 200
FRESH = 600.0  # seconds for which the group rules are believed


class Groups:
    """The groups of one organisation, by name."""

    def __init__(self, http: OktaHttp, create: bool) -> None:
        self.http, self.create = http, create
        self.ids: dict[str, str] = {}
        self.read_rules: dict[str, str] = {}
        self.read_at = -FRESH

    def names(self) -> Iterator[str]:
        """1 call per page of 200 groups."""
        for group in self.ours():
            yield str(group["profile"]["name"])

    def ours(self) -> Iterator[Row]:
        """Those whose members may be changed."""
        return self.http.rows("/api/v1/groups", "list groups", filter=f'type eq "{OURS}"')

    def held(self, user_id: str, doing: str) -> dict[str, str]:
        """Name -> id of the groups made in Okta that the user is in. 1 call."""
        found = self.http.json("GET", f"/api/v1/users/{quote(user_id, safe='')}/groups", doing=doing) or []
        return {str(g["profile"]["name"]): str(g["id"]) for g in found if g["type"] == OURS}

    def by_user(self) -> dict[str, set[str]]:
        """User id -> names of groups. 1 call per page of groups and per 200 members of each."""
        found: dict[str, set[str]] = defaultdict(set)
        for group in self.ours():
            name = str(group["profile"]["name"])
            for member in self.http.rows(f"/api/v1/groups/{group['id']}/users", f"list members of {name!r}", PER_GROUP):
                found[str(member["id"])].add(name)
        return found

    def join(self, name: str, user_id: str, doing: str) -> None:
        """1 call where the group's id is known; once more where the group was made anew meanwhile."""
        id = self.id_of(name, doing)
        try:
            self.change("PUT", id, user_id, doing)
        except Refused as error:
            self.ids.pop(name, None)
            if error.status not in GONE or (fresh := self.id_of(name, doing)) == id:
                raise
            self.change("PUT", fresh, user_id, doing)

    def leave(self, name: str, id: str, user_id: str, doing: str) -> None:
        """1 call, and in each process one for the rules."""
        if rule := self.rules().get(id):
            todo = f"Change the rule {rule!r} or what it looks at. By hand the person would become its exception."
            raise Refused(self.http.app, doing, f"the rule {rule!r} fills the group {name!r}", todo)
        self.change("DELETE", id, user_id, doing)

    def change(self, verb: str, id: str, user_id: str, doing: str) -> None:
        self.http.request(verb, f"/api/v1/groups/{quote(id, safe='')}/users/{quote(user_id, safe='')}", doing=doing)

    def id_of(self, name: str, doing: str) -> str:
        """The group's id; one that is not there is made where that is allowed."""
        if name not in self.ids:
            self.ids[name] = self.found(name, doing) or self.made(name, doing)
        return self.ids[name]

    def found(self, name: str, doing: str) -> str | None:
        """1 call, 2 where there seems to be none: a search learns late of new groups, a query at once."""
        search = f"profile.name eq {quoted(name)}"
        for asked in ({"search": search}, {"q": name, "limit": "300"}):
            rows = self.http.json("GET", "/api/v1/groups", doing=doing, params=asked) or []
            mine = [row for row in rows if pick(row, "profile.name") == name]
            if ours := [row for row in mine if row["type"] == OURS]:
                return str(ours[0]["id"])
            if mine:
                why = WHOSE.get(str(mine[0]["type"]), f"it is a group of the type {mine[0]['type']}")
                todo = "Name a group made in Okta in the playbook instead."
                raise Refused(self.http.app, doing, f"members of {name!r} cannot be changed: {why}", todo)
        return None

    def made(self, name: str, doing: str) -> str:
        """1 call. Two workers may make it at once: the second takes the first one's."""
        if not self.create:
            todo = "Make it in Okta (Directory > Groups), or mend the name in the playbook."
            raise Refused(self.http.app, doing, f"there is no group {name!r}", todo)
        try:
            made = self.http.json("POST", "/api/v1/groups", doing=doing, json={"profile": {"name": name}})
        except OktaRefused as error:
            if TAKEN in error.causes and (id := self.found(name, doing)):
                return id
            raise
        return str(made["id"])

    def rules(self) -> dict[str, str]:
        """Group id -> name of the active rule that fills it; nothing where rules may not be read. Read again after ten
        minutes."""
        if time.monotonic() - self.read_at > FRESH:
            self.read_at, self.read_rules = time.monotonic(), self.active_rules()
        return self.read_rules

    def active_rules(self) -> dict[str, str]:
        """1 call per 200 rules."""
        try:
            listed = list(self.http.rows("/api/v1/groups/rules", "list group rules"))
        except Refused as error:
            if error.status != 403:
                raise
            listed = []
        active = [rule for rule in listed if rule.get("status") == "ACTIVE"]
        ids = "actions.assignUserToGroups.groupIds"
        return {str(id): str(rule.get("name")) for rule in active for id in pick(rule, ids) or ()}


class Assignments:
    """Who is assigned to which app by hand. Assignments that come with a group are the group's."""

    def __init__(self, http: OktaHttp) -> None:
        self.http = http

    def names(self) -> Iterator[str]:
        """1 call per page of 200 apps."""
        for app in self.http.rows("/api/v1/apps", "list apps"):
            yield f"{APP}{app['label']}"

    def held(self, user_id: str, doing: str) -> dict[str, str]:
        """`app:LABEL` -> id of the app. 1 call."""
        asked = f"user.id eq {quoted(user_id)}"
        apps = self.http.rows("/api/v1/apps", doing, filter=asked, expand=f"user/{user_id}")
        return {f"{APP}{a['label']}": str(a["id"]) for a in apps if pick(a, "_embedded.user.scope") == "USER"}

    def by_user(self) -> dict[str, set[str]]:
        """User id -> names. 1 call per page of apps and per 500 people assigned to each."""
        found: dict[str, set[str]] = defaultdict(set)
        for app in self.http.rows("/api/v1/apps", "list apps"):
            for one in self.http.rows(f"/api/v1/apps/{app['id']}/users", f"list who has {app['label']}", 500):
                if one.get("scope") == "USER":
                    found[str(one["id"])].add(f"{APP}{app['label']}")
        return found

    def join(self, name: str, user_id: str, doing: str) -> None:
        """2 calls."""
        path = f"/api/v1/apps/{self.id_of(name, doing)}/users"
        self.http.request("POST", path, doing=doing, json={"id": user_id, "scope": "USER"})

    def leave(self, name: str, id: str, user_id: str, doing: str) -> None:
        """1 call. With provisioning on, the app may delete what the person has there."""
        self.http.request("DELETE", f"/api/v1/apps/{id}/users/{quote(user_id, safe='')}", doing=doing)

    def id_of(self, name: str, doing: str) -> str:
        """The id of the app with this very label. 1 call."""
        label = name.removeprefix(APP)
        for app in self.http.rows("/api/v1/apps", doing, q=label):
            if app.get("label") == label:
                return str(app["id"])
        raise Refused(self.http.app, doing, f"there is no app {label!r}", "Mend the label in the playbook.")
