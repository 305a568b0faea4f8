"""Okta's groups, the rules that fill some of them, and the apps that people are assigned to."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors.okta_users import Users, fits, linked, shown, stamp
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

MOST = 200
MADE_BY_US = "OKTA_GROUP"
CLOSED = "You do not have permission to perform the requested action"


class Groups(Users):
    """The part of Okta that keeps groups and assignments. Everyone is in Everyone."""

    def group_tables(self) -> dict[str, Table]:
        pair = {"group": Index(lambda row: row["group"]), "user": Index(lambda row: row["user"])}
        apps = {"app": Index(lambda row: row["app"]), "user": Index(lambda row: row["user"])}
        return {
            "groups": Table("groups", {"name": Index(lambda row: row["profile"]["name"])}),
            "members": Table("members", pair),
            "rules": Table("rules", {}),
            "apps": Table("apps", {}),
            "app_users": Table("app_users", apps),
        }

    def group_routes(self) -> Sequence[Route]:
        one = "/api/v1/groups/{group}"
        return (
            route("/api/v1/groups", get=self.list_groups, post=self.add_group),
            route("/api/v1/groups/rules", get=self.list_rules, post=self.add_rule),
            route(one, get=self.show_group),
            route(f"{one}/users", get=self.list_members),
            route(f"{one}/users/{{id}}", put=self.join, delete=self.part),
            route("/api/v1/users/{id}/groups", get=self.groups_of),
            route("/api/v1/apps", get=self.list_apps),
            route("/api/v1/apps/{app}/users", get=self.list_assigned, post=self.assign),
            route("/api/v1/apps/{app}/users/{id}", get=self.show_assigned, delete=self.unassign),
        )

    def seed(self) -> None:
        for name, kind in (("Everyone", "BUILT_IN"), ("Warehouse AD", "APP_GROUP"), ("Staff", MADE_BY_US)):
            self.new_group(self.store["groups"], name, kind)
        for label in ("Ledgerline CRM", "Parcel Desk"):
            id = f"0oa{token_hex(8)}"
            row = {"id": id, "label": label, "name": label.lower().replace(" ", ""), "status": "ACTIVE"}
            self.store["apps"].put(id, row | {"signOnMode": "SAML_2_0", "created": stamp(), "lastUpdated": stamp()})

    # groups

    def new_group(self, groups: Table, name: str, kind: str, description: str = "") -> Row:
        now = stamp()
        profile = {"name": name, "description": description}
        id = f"00g{token_hex(8)}"
        row = {"id": id, "type": kind, "profile": profile, "objectClass": ["okta:user_group"]}
        return groups.put(id, row | {"created": now, "lastUpdated": now, "lastMembershipUpdated": now})

    def list_groups(self, call: Call) -> Answer:
        """By `search`, `filter`, or `q`, which is a prefix of the name and has no pages."""
        query, rows = call.query, list(call["groups"].rows.values())
        if "q" in query:
            wanted = query["q"].casefold()
            found = [r for r in rows if r["profile"]["name"].casefold().startswith(wanted)]
            return json_answer(200, found[: int(query.get("limit", "300"))])
        if asked := query.get("search") or query.get("filter"):
            test = self.test(asked, exact=False)
            rows = [row for row in rows if fits(test, row, exact=False)]
        if call.wrong_first_hit:
            rows = list(call["groups"].rows.values())[:1] + rows
        return linked(call, rows, MOST, 10_000)

    def add_group(self, call: Call) -> Answer:
        profile = call.json().get("profile") or {}
        name = profile.get("name")
        if not isinstance(name, str) or not name:
            raise self.invalid("name", "The field cannot be left blank")
        if any(group["type"] == MADE_BY_US for group in call["groups"].by("name", name)):
            raise self.invalid("name", "An object with this field already exists in the current organization")
        return json_answer(200, self.new_group(call["groups"], name, MADE_BY_US, profile.get("description", "")))

    def show_group(self, call: Call) -> Answer:
        return json_answer(200, self.group(call))

    def group(self, call: Call) -> Row:
        found = call["groups"].rows.get(call.params["group"])
        if not found:
            text = f"Not found: Resource not found: {call.params['group']} (UserGroup)"
            raise Rejection(self.error(404, "E0000007", text))
        return found

    def list_members(self, call: Call) -> Answer:
        users = [call["users"].rows[m["user"]] for m in call["members"].by("group", self.group(call)["id"])]
        return linked(call, users, 1000, 1000, lambda user: shown(self.settled(user)))

    def groups_of(self, call: Call) -> Answer:
        user = self.user(call)
        mine = [call["groups"].rows[m["group"]] for m in call["members"].by("user", user["id"])]
        everyone = [group for group in call["groups"].rows.values() if group["type"] == "BUILT_IN"]
        return json_answer(200, everyone + mine)

    def join(self, call: Call) -> Answer:
        group, user = self.ours(call), self.user(call)
        key = f"{group['id']}/{user['id']}"
        if key not in call["members"].rows:
            call["members"].put(key, {"id": key, "group": group["id"], "user": user["id"], "by": "hand"})
        return Answer(204)

    def part(self, call: Call) -> Answer:
        """A member whom a rule put there is from now on an exception of that rule."""
        group, user = self.ours(call), self.user(call)
        key = f"{group['id']}/{user['id']}"
        if key in call["members"].rows:
            for rule in self.rules_for(call, group["id"]):
                excluded = [*rule["conditions"]["people"]["users"]["exclude"], user["id"]]
                people = {"users": {"exclude": excluded}, "groups": {"exclude": []}}
                call["rules"].put(rule["id"], rule | {"conditions": rule["conditions"] | {"people": people}})
            call["members"].drop(key)
        return Answer(204)

    def ours(self, call: Call) -> Row:
        """The group, where memberships may be written."""
        group = self.group(call)
        if group["type"] != MADE_BY_US:
            raise Rejection(self.error(403, "E0000006", CLOSED))
        return group

    # rules

    def list_rules(self, call: Call) -> Answer:
        return linked(call, list(call["rules"].rows.values()), 50, MOST)

    def add_rule(self, call: Call) -> Answer:
        """A rule that is at work at once, for everybody there is; Okta wants it activated first."""
        asked = call.json()
        people: Row = {"users": {"exclude": []}, "groups": {"exclude": []}}
        row = {"id": f"0pr{token_hex(8)}", "type": "group_rule", "status": "ACTIVE", "created": stamp()}
        row |= {"lastUpdated": stamp(), "name": asked["name"], "actions": asked["actions"]}
        row |= {"conditions": asked["conditions"] | {"people": people}}
        for group in asked["actions"]["assignUserToGroups"]["groupIds"]:
            for user in call["users"].rows:
                key = f"{group}/{user}"
                call["members"].put(key, {"id": key, "group": group, "user": user, "by": row["id"]})
        return json_answer(200, call["rules"].put(str(row["id"]), row))

    def rules_for(self, call: Call, group: str) -> list[Row]:
        rules = call["rules"].rows.values()
        return [rule for rule in rules if group in rule["actions"]["assignUserToGroups"]["groupIds"]]

    # apps

    def list_apps(self, call: Call) -> Answer:
        rows = list(call["apps"].rows.values())
        if asked := call.query.get("filter", ""):
            user = asked.removeprefix('user.id eq "').rstrip('"')
            held = {row["app"] for row in call["app_users"].by("user", user)}
            rows = [row | self.embedded(call, row["id"], user) for row in rows if row["id"] in held]
        if "q" in call.query:
            rows = [row for row in rows if row["label"].casefold().startswith(call.query["q"].casefold())]
        return linked(call, rows, MOST, MOST)

    def embedded(self, call: Call, app: str, user: str) -> Row:
        """The assignment itself, where it is asked for."""
        expanded = call.query.get("expand") == f"user/{user}"
        row = call["app_users"].rows.get(f"{app}/{user}")
        return {"_embedded": {"user": assignment(row)}} if expanded and row else {}

    def app(self, call: Call) -> Row:
        found = call["apps"].rows.get(call.params["app"])
        if not found:
            raise Rejection(self.error(404, "E0000007", "Not found: Resource not found (AppInstance)"))
        return found

    def list_assigned(self, call: Call) -> Answer:
        rows = call["app_users"].by("app", self.app(call)["id"])
        return linked(call, [assignment(row) for row in rows], 50, 500)

    def assign(self, call: Call) -> Answer:
        app, user = self.app(call), self.user(call, str(call.json().get("id")))
        key = f"{app['id']}/{user['id']}"
        row = {"id": key, "app": app["id"], "user": user["id"], "scope": "USER", "created": stamp()}
        return json_answer(200, assignment(call["app_users"].put(key, row)))

    def show_assigned(self, call: Call) -> Answer:
        return json_answer(200, assignment(self.assigned(call)))

    def unassign(self, call: Call) -> Answer:
        row = self.assigned(call)
        if row["scope"] == "GROUP":
            raise Rejection(self.error(403, "E0000006", CLOSED))
        call["app_users"].drop(row["id"])
        return Answer(204)

    def assigned(self, call: Call) -> Row:
        found = call["app_users"].rows.get(f"{self.app(call)['id']}/{self.user(call)['id']}")
        if not found:
            raise Rejection(self.error(404, "E0000007", "Not found: Resource not found (AppUser)"))
        return found


def assignment(row: Row) -> Row:
    """An assignment as it goes out."""
    return {"id": row["user"], "scope": row["scope"], "status": "ACTIVE", "created": row["created"]}
