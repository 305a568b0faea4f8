"""Google's groups, their members, and org units (Directory API v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import unquote
from uuid import uuid4

from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors.google_door import Door
from connectors.sandbox.vendors.google_listing import masked, page, searched
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

ROLES = ("MEMBER", "MANAGER", "OWNER")
V1 = "/admin/directory/v1"
SEARCHES = {"email": lambda row: [row["email"]], "name": lambda row: [row["name"]]}


class Gatherings(Door):
    """Groups have members that are users or groups; a group with a `query` gathers them by itself."""

    def group_tables(self) -> dict[str, Table]:
        return {
            "groups": Table("groups", {"email": Index(lambda row: str(row["email"]))}),
            "members": Table(
                "members",
                {"group": Index(lambda row: str(row["group"])), "member": Index(lambda row: str(row["member"]))},
            ),
            "orgunits": Table("orgunits", {}),
        }

    def group_routes(self) -> Sequence[Route]:
        units = f"{V1}/customer/{{customer}}/orgunits"
        return (
            route(f"{V1}/groups", get=self.list_groups, post=self.make_group),
            route(f"{V1}/groups/{{group}}", get=self.show_group, delete=self.drop_group),
            route(f"{V1}/groups/{{group}}/members", get=self.list_members, post=self.join),
            route(f"{V1}/groups/{{group}}/members/{{member}}", get=self.show_member, delete=self.leave),
            route(f"{V1}/groups/{{group}}/hasMember/{{member}}", get=self.has_member),
            route(units, get=self.list_units, post=self.make_unit),
            route(f"{units}/{{path:path}}", get=self.show_unit),
        )

    # groups

    def list_groups(self, call: Call) -> Answer:
        query, groups = call.query, call["groups"]
        if "userKey" in query:
            held = call["members"].by("member", self.member_id(call, query["userKey"]))
            rows = [groups.rows[each["group"]] for each in held]
        elif "customer" not in query and "domain" not in query:
            raise Rejection(self.problem(400, "Bad Request"))
        else:
            rows = list(groups.rows.values())
        if "query" in query:
            rows = searched(rows, query["query"], SEARCHES)
            if call.wrong_first_hit:
                rows = [row for row in groups.rows.values() if row not in rows][:1] + rows
        return page(call, rows, "groups", "groups", 200, 200, lambda row: self.shown_group(call, row))

    def make_group(self, call: Call) -> Answer:
        asked = call.json()
        email = str(asked.get("email") or "").lower()
        if "@" not in email:
            raise Rejection(self.problem(400, "Missing required field: email"))
        if self.taken(call, email):
            raise Rejection(self.problem(409, "Entity already exists."))
        name = str(asked.get("name") or email.partition("@")[0])
        row: Row = {"id": f"0{uuid4().hex[:14]}", "email": email, "name": name}
        row["description"] = str(asked.get("description") or "")
        return json_answer(200, self.shown_group(call, call["groups"].put(row["id"], row)))

    def show_group(self, call: Call) -> Answer:
        return json_answer(200, masked(self.shown_group(call, self.group(call)), call.query.get("fields")))

    def drop_group(self, call: Call) -> Answer:
        row = self.group(call)
        for each in call["members"].by("group", row["id"]):
            call["members"].drop(f"{each['group']}/{each['member']}")
        call["groups"].drop(row["id"])
        return Answer(204)

    def group(self, call: Call) -> Row:
        key = unquote(call.params["group"])
        found = call["groups"].rows.get(key) or next(iter(call["groups"].by("email", key)), None)
        if not found:
            raise Rejection(self.problem(404, "Resource Not Found: groupKey"))
        return found

    def shown_group(self, call: Call, row: Row) -> Row:
        count = len(call["members"].by("group", row["id"]))
        plain = {name: value for name, value in row.items() if name != "query"}
        return {"kind": "admin#directory#group"} | plain | {"directMembersCount": str(count), "adminCreated": True}

    # members

    def list_members(self, call: Call) -> Answer:
        group = self.group(call)
        rows = call["members"].by("group", group["id"])
        return page(call, rows, "members", "members", 200, 200, lambda row: self.shown_member(call, row))

    def join(self, call: Call) -> Answer:
        group, asked = self.group(call), call.json()
        self.not_dynamic(group)
        member = self.member_id(call, str(asked.get("id") or asked.get("email") or ""))
        role = asked.get("role") or "MEMBER"
        if role not in ROLES:
            raise Rejection(self.problem(400, f"Invalid Input: {role}"))
        key = f"{group['id']}/{member}"
        if key in call["members"].rows:
            raise Rejection(self.problem(409, "Member already exists."))
        if member == group["id"] or group["id"] in self.within(call, member):
            raise Rejection(self.refused(412, "Cyclic memberships not allowed.", "conditionNotMet"))
        row: Row = {"group": group["id"], "member": member, "role": role}
        return json_answer(200, self.shown_member(call, call["members"].put(key, row)))

    def show_member(self, call: Call) -> Answer:
        return json_answer(200, self.shown_member(call, self.membership(call)))

    def leave(self, call: Call) -> Answer:
        self.not_dynamic(self.group(call))
        row = self.membership(call)
        call["members"].drop(f"{row['group']}/{row['member']}")
        return Answer(204)

    def has_member(self, call: Call) -> Answer:
        """Direct or through another group."""
        group, member = self.group(call), self.member_id(call, unquote(call.params["member"]))
        return json_answer(200, {"isMember": member in self.within(call, group["id"])})

    def membership(self, call: Call) -> Row:
        group, member = self.group(call), self.member_id(call, unquote(call.params["member"]))
        found = call["members"].rows.get(f"{group['id']}/{member}")
        if not found:
            raise Rejection(self.problem(404, "Resource Not Found: memberKey"))
        return found

    def member_id(self, call: Call, key: str) -> str:
        """The id of a user or a group."""
        user = self.user_by(call, key)
        group = call["groups"].rows.get(key) or next(iter(call["groups"].by("email", key)), None)
        if not user and not group:
            raise Rejection(self.problem(404, "Resource Not Found: memberKey"))
        return str((user or group or {})["id"])

    def within(self, call: Call, group: str) -> set[str]:
        """Ids of all members, those of member groups too."""
        direct = [each["member"] for each in call["members"].by("group", group)]
        return {*direct, *(inner for each in direct for inner in self.within(call, each))}

    def shown_member(self, call: Call, row: Row) -> Row:
        user, group = call["users"].rows.get(row["member"]), call["groups"].rows.get(row["member"])
        said = {"email": (user or {}).get("primaryEmail") or (group or {}).get("email", "")}
        kind = "GROUP" if group else "USER"
        status = "SUSPENDED" if (user or {}).get("suspended") else "ACTIVE"
        return (
            {"kind": "admin#directory#member", "id": row["member"], "role": row["role"], "type": kind}
            | said
            | {"status": status}
        )

    def not_dynamic(self, group: Row) -> None:
        """A group whose members follow a query takes none by hand (words from memory)."""
        if group.get("query"):
            said = "Members of a dynamic group cannot be changed by hand: its query decides."
            raise Rejection(self.refused(400, said, "invalid"))

    # org units

    def list_units(self, call: Call) -> Answer:
        below = call.query.get("orgUnitPath", "/").rstrip("/") + "/"
        rows = [row for path, row in call["orgunits"].rows.items() if path != "/" and path.startswith(below)]
        return json_answer(200, {"kind": "admin#directory#orgUnits", "organizationUnits": rows})

    def make_unit(self, call: Call) -> Answer:
        asked = call.json()
        name, parent = str(asked.get("name") or ""), str(asked.get("parentOrgUnitPath") or "")
        if not name or not parent or "/" in name:
            raise Rejection(self.problem(400, "Required parameter: name, parentOrgUnitPath"))
        if parent not in call["orgunits"].rows:
            raise Rejection(self.problem(400, "Invalid Parent Orgunit Id"))
        path = f"{parent.rstrip('/')}/{name}"
        if path in call["orgunits"].rows:
            raise Rejection(self.refused(400, "Invalid Ou Id", "invalid"))
        return json_answer(200, call["orgunits"].put(path, unit(path)))

    def show_unit(self, call: Call) -> Answer:
        found = call["orgunits"].rows.get("/" + unquote(call.params["path"]).strip("/"))
        if not found:
            raise Rejection(self.problem(404, "Org unit not found"))
        return json_answer(200, found)

    # what both need of the users

    def user_by(self, call: Call, key: str) -> Row | None:
        """The user with this id, primary address or alias."""
        alias = call["aliases"].rows.get(key.lower())
        found = call["users"].rows.get(alias["user"] if alias else key)
        return found or next(iter(call["users"].by("email", key)), None)

    def taken(self, call: Call, address: str) -> bool:
        """Whether an address belongs to a user, an alias or a group."""
        return bool(self.user_by(call, address) or call["groups"].by("email", address))


def unit(path: str) -> Row:
    """An org unit as Google shows it."""
    parent, _, name = path.rpartition("/")
    row: Row = {"kind": "admin#directory#orgUnit", "name": name, "orgUnitPath": path, "orgUnitId": f"id:{path}"}
    return row | {"parentOrgUnitPath": parent or "/"}


def chain(path: str) -> Iterator[str]:
    """`/a/b` after `/a`."""
    parts = path.strip("/").split("/")
    yield from ("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))
