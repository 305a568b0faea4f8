"""Groups, their members and owners, and licences of the Graph twin.

Sources: learn.microsoft.com/graph/api/group-post-members, group-delete-members, group-post-owners, user-assignlicense,
user-list-ownedobjects, /entra/fundamentals/concept-group-based-licensing. Wording of refusals: as people quote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5

from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors import entra_odata as odata
from connectors.sandbox.vendors.entra_credentials import Credentials
from connectors.sandbox.vendors.entra_users import MASTERED, moment
from connectors.sandbox.wire import Answer, Call, Route, json_answer, route

DEFAULT = (
    "id",
    "displayName",
    "groupTypes",
    "mail",
    "mailEnabled",
    "membershipRule",
    "onPremisesSyncEnabled",
    "proxyAddresses",
    "securityEnabled",
)
SELECTABLE = (*DEFAULT, "assignedLicenses", "mailNickname", "description", "isAssignableToRole")
SKUS = {
    "SPE_E3": ("05e9a617-0261-4cee-bb44-138d3ef5d965", 100_000),
    "SPB": ("cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", 100_000),
    "VISIOCLIENT": ("c5928f49-12ba-48f7-ada3-0d743a3601d5", 1),
}
"""Part number -> id, and how many were bought."""
GROUPS: dict[str, Row] = {
    "Staff": {},
    "Sales Team": {"groupTypes": ["Unified"], "mailEnabled": True, "mail": "sales.team@juniperfinch.example"},
    "All Company": {"groupTypes": ["DynamicMembership"], "membershipRule": "(user.accountEnabled -eq true)"},
    "Domain Printers": {"onPremisesSyncEnabled": True},
    "Announcements": {"mailEnabled": True, "mail": "announcements@juniperfinch.example"},
    "Microsoft 365 E3": {"assignedLicenses": [{"skuId": SKUS["SPE_E3"][0], "disabledPlans": []}]},
    "Visio": {"assignedLicenses": [{"skuId": SKUS["VISIOCLIENT"][0], "disabledPlans": []}]},
}
BLANK: Row = {
    "groupTypes": [],
    "mail": None,
    "mailEnabled": False,
    "mailNickname": None,
    "description": None,
    "membershipRule": None,
    "onPremisesSyncEnabled": None,
    "proxyAddresses": [],
    "securityEnabled": True,
    "assignedLicenses": [],
}
THERE = "One or more added object references already exist for the following modified properties: '{}'."
MOST_AT_ONCE = 20
SERVICES = {"Grapevine Notes": "grapevine", "Parcel Tracker": "parcels"}


class Groups(Credentials):
    """The part of Graph that is about groups and licences."""

    def group_tables(self) -> dict[str, Table]:
        pairs = {"user": Index(lambda row: row["user"]), "group": Index(lambda row: row["group"])}
        owns = {"user": Index(lambda row: row["user"]), "object": Index(lambda row: row["object"])}
        sessions = Table("sessions", {"user": Index(lambda row: str(row["userId"]))})
        plain = {name: Table(name, {}) for name in ("servicePrincipals", "directoryRoles")}
        groups = Table("groups", {"displayName": Index(lambda row: str(row["displayName"]))})
        named = {"groups": groups, "members": Table("members", pairs), "owners": Table("owners", owns)}
        return named | plain | {"sessions": sessions}

    def group_routes(self) -> tuple[Route, ...]:
        one = "/v1.0/groups/{id}"
        return (
            route("/v1.0/groups", get=self.list_groups, post=self.create_group),
            route(one, get=self.show_group, patch=self.update_group),
            route(f"{one}/members", get=self.list_members),
            route(f"{one}/members/$ref", post=self.add_member),
            route(f"{one}/members/{{user}}/$ref", delete=self.drop_member),
            *(
                owned_route
                for kind in ("groups", "applications")
                for owned_route in (
                    route(f"/v1.0/{kind}/{{id}}/owners", get=self.list_owners),
                    route(f"/v1.0/{kind}/{{id}}/owners/$ref", post=self.add_owner),
                    route(f"/v1.0/{kind}/{{id}}/owners/{{user}}/$ref", delete=self.drop_owner),
                )
            ),
            route("/v1.0/users/{id}/memberOf", get=self.member_of),
            route("/v1.0/users/{id}/ownedObjects", get=self.owned_objects),
            route("/v1.0/users/{id}/assignLicense", post=self.assign),
            route("/v1.0/subscribedSkus", get=self.list_skus),
        )

    def seed(self) -> None:
        """What the company made there by hand."""
        for name, more in GROUPS.items():
            id = str(uuid5(NAMESPACE_DNS, f"{name}.groups.juniperfinch.example"))
            self.store["groups"].put(id, BLANK | {"id": id, "displayName": name} | more)
        for name, word in SERVICES.items():
            id = str(uuid5(NAMESPACE_DNS, f"{word}.services.juniperfinch.example"))
            self.store["servicePrincipals"].put(id, {"id": id, "displayName": name})
        role = str(uuid5(NAMESPACE_DNS, "user-administrator.roles.juniperfinch.example"))
        self.store["directoryRoles"].put(role, {"id": role, "displayName": "User Administrator"})

    def give(self, what: str, to: str, items: list[Row]) -> list[Row]:
        """Groups and applications are owned by several, and the account is the first. `memberships` ({"of": name}) are
        of groups and roles that nobody may change; `onPremises` makes it an account of Active Directory's."""
        user = self.account_id(to) or ""
        if what == "onPremises":
            marked = {"onPremisesSyncEnabled": True, "onPremisesImmutableId": uuid4().hex}
            self.store["users"].put(user, self.store["users"].rows[user] | marked)
            return items
        if what == "memberships":
            for item in items:
                self.link(self.store["members"], "group", self.called(item["of"]), user)
            return items
        if what == "groups":
            made = [self.store["groups"].put(id, BLANK | {"id": id} | item) for item in items for id in [str(uuid4())]]
        else:
            made = super().give(what, to, items)
        for row in made if what in ("groups", "applications") else ():
            self.link(self.store["owners"], "object", row["id"], user)
        return made

    def called(self, name: str) -> str:
        """The id of a group or role."""
        tables = (self.store["groups"], self.store["directoryRoles"])
        return str(next(id for table in tables for id, row in table.rows.items() if row["displayName"] == name))

    # groups

    def list_groups(self, call: Call) -> Answer:
        filter, select = odata.asked(call), odata.names(call, "$select")
        if strange := odata.unknown(select, SELECTABLE):
            raise self.no(400, f"Could not find a property named '{strange[0]}' on type 'microsoft.graph.group'.")
        rows = [row for row in call["groups"].rows.values() if filter is None or filter.passes(row)]
        return json_answer(200, odata.page(call, rows, lambda row: odata.chosen(row, select, DEFAULT), "groups"))

    def create_group(self, call: Call) -> Answer:
        body = call.json()
        for name in ("displayName", "mailEnabled", "mailNickname", "securityEnabled"):
            if body.get(name) in (None, ""):
                raise self.no(400, f"A value is required for property '{name}' of resource 'Group'.")
        row = BLANK | {"id": str(uuid4())} | body
        return json_answer(201, call["groups"].put(row["id"], row))

    def show_group(self, call: Call) -> Answer:
        select = odata.names(call, "$select")
        return json_answer(200, odata.chosen(self.group(call), select, DEFAULT))

    def group(self, call: Call) -> Row:
        found = call["groups"].rows.get(call.params["id"])
        if not found:
            raise self.missing(call.params["id"])
        return found

    # members

    def list_members(self, call: Call) -> Answer:
        held = call["members"].by("group", self.group(call)["id"])
        rows = [call["users"].rows[m["user"]] for m in held if m["user"] in call["users"].rows]
        return json_answer(200, odata.page(call, rows, lambda row: self.typed("user", row, call), "directoryObjects"))

    def typed(self, kind: str, row: Row, call: Call) -> Row:
        """A directory object of a mixed list."""
        default = DEFAULT if kind == "group" else ("id", "displayName")
        return {"@odata.type": f"#microsoft.graph.{kind}"} | odata.chosen(row, odata.names(call, "$select"), default)

    def add_member(self, call: Call) -> Answer:
        group, user = self.group(call), self.referred(call, "users")
        self.may_change(group)
        if f"{group['id']}:{user['id']}" in call["members"].rows:
            raise self.no(400, THERE.format("members"))
        self.link(call["members"], "group", group["id"], user["id"])
        self.relicense(call, user["id"])
        return Answer(204)

    def update_group(self, call: Call) -> Answer:
        """Only `members@odata.bind`: up to 20 members at once, all or none."""
        group, links = self.group(call), call.json().get("members@odata.bind")
        if not isinstance(links, list) or not 0 < len(links) <= MOST_AT_ONCE:
            raise self.no(400, f"members@odata.bind takes 1 to {MOST_AT_ONCE} members.")
        self.may_change(group)
        users = [self.pointed(call, str(link), "users")["id"] for link in links]
        if any(f"{group['id']}:{user}" in call["members"].rows for user in users):
            raise self.no(400, THERE.format("members"))
        for user in users:
            self.link(call["members"], "group", group["id"], user)
            self.relicense(call, user)
        return Answer(204)

    def drop_member(self, call: Call) -> Answer:
        group, user = self.group(call), call.params["user"]
        self.may_change(group)
        if f"{group['id']}:{user}" not in call["members"].rows:
            raise self.missing(user)
        call["members"].drop(f"{group['id']}:{user}")
        self.relicense(call, user)
        return Answer(204)

    def may_change(self, group: Row) -> None:
        """Refuse what rules, the domain or Exchange decide."""
        if "DynamicMembership" in group["groupTypes"]:
            raise self.no(403, "Insufficient privileges to complete the operation.")
        if group["onPremisesSyncEnabled"]:
            raise self.no(400, MASTERED)
        if group["mailEnabled"] and "Unified" not in group["groupTypes"]:
            raise self.no(400, "Cannot Update a mail-enabled security groups and or distribution list.")

    def link(self, table: Table, side: str, object: str, user: str) -> None:
        table.put(f"{object}:{user}", {side: object, "user": user})

    def member_of(self, call: Call) -> Answer:
        user = self.user(call)["id"]
        rows = [self.membership(call, row["group"]) for row in call["members"].by("user", user)]
        return json_answer(200, odata.page(call, [row for row in rows if row], dict, "directoryObjects"))

    def membership(self, call: Call, id: str) -> Row | None:
        for table, kind in (("groups", "group"), ("directoryRoles", "directoryRole")):
            if row := call[table].rows.get(id):
                return self.typed(kind, row, call)
        return None

    # owners

    def thing(self, call: Call) -> Row:
        """The group or application that a path names."""
        table = call.path.split("/")[2]
        found = call[table].rows.get(call.params["id"])
        if not found:
            raise self.missing(call.params["id"])
        return found

    def list_owners(self, call: Call) -> Answer:
        held = call["owners"].by("object", self.thing(call)["id"])
        rows = [call["users"].rows[row["user"]] for row in held if row["user"] in call["users"].rows]
        return json_answer(200, odata.page(call, rows, lambda row: self.typed("user", row, call), "directoryObjects"))

    def add_owner(self, call: Call) -> Answer:
        thing, user = self.thing(call), self.referred(call, "users")
        if f"{thing['id']}:{user['id']}" in call["owners"].rows:
            raise self.no(400, THERE.format("owners"))
        self.link(call["owners"], "object", thing["id"], user["id"])
        return Answer(204)

    def drop_owner(self, call: Call) -> Answer:
        thing, user = self.thing(call), call.params["user"]
        held = call["owners"].by("object", thing["id"])
        if not any(row["user"] == user for row in held):
            raise self.missing(user)
        if len(held) == 1 and "Unified" in thing.get("groupTypes", ()):
            raise self.no(400, "The group must have at least one owner, hence this owner cannot be removed.")
        call["owners"].drop(f"{thing['id']}:{user}")
        return Answer(204)

    def owned_objects(self, call: Call) -> Answer:
        rows = []
        for held in call["owners"].by("user", self.user(call)["id"]):
            kind = "group" if held["object"] in call["groups"].rows else "application"
            rows.append(self.typed(kind, call[f"{kind}s"].rows[held["object"]], call))
        return json_answer(200, odata.page(call, rows, dict, "directoryObjects"))

    # licences

    def list_skus(self, call: Call) -> Answer:
        rows = [
            {
                "id": f"tenant_{id}",
                "skuId": id,
                "skuPartNumber": name,
                "appliesTo": "User",
                "capabilityStatus": "Enabled",
                "consumedUnits": self.consumed(call, id),
                "prepaidUnits": {"enabled": bought, "suspended": 0, "warning": 0},
                "servicePlans": [],
            }
            for name, (id, bought) in SKUS.items()
        ]
        return json_answer(200, {"value": rows})

    def consumed(self, call: Call, sku: str) -> int:
        return sum(any(held["skuId"] == sku for held in u["assignedLicenses"]) for u in call["users"].rows.values())

    def left(self, call: Call, sku: str) -> int:
        return next(bought for id, bought in SKUS.values() if id == sku) - self.consumed(call, sku)

    def assign(self, call: Call) -> Answer:
        user, body = self.user(call), call.json()
        if not isinstance(body.get("addLicenses"), list) or not isinstance(body.get("removeLicenses"), list):
            raise self.no(400, "addLicenses and removeLicenses are required.")
        states: list[Row] = list(user["licenseAssignmentStates"])
        for id in body["removeLicenses"]:
            states = self.without(states, id)
        for added in body["addLicenses"]:
            states = self.with_direct(call, user, states, str(added.get("skuId")))
        row = self.licensed(call, user["id"], states)
        return json_answer(
            202, {"@odata.context": f"{call.base}/v1.0/$metadata#users/$entity"} | odata.chosen(row, (), ())
        )

    def without(self, states: list[Row], sku: str) -> list[Row]:
        held = [state for state in states if state["skuId"] == sku]
        if not held:
            raise self.no(400, "User does not have a corresponding license.")
        if all(state["assignedByGroup"] for state in held):
            raise self.no(
                400,
                "User license is inherited from a group membership and it cannot be removed directly from the user.",
            )
        return [state for state in states if state["skuId"] != sku or state["assignedByGroup"]]

    def with_direct(self, call: Call, user: Row, states: list[Row], sku: str) -> list[Row]:
        if sku not in [id for id, _ in SKUS.values()]:
            raise self.no(400, f"License {sku} does not correspond to a valid company License.")
        if not user.get("usageLocation"):
            raise self.no(400, "License assignment cannot be done for user with invalid usage location.")
        if not any(held["skuId"] == sku for held in user["assignedLicenses"]) and self.left(call, sku) <= 0:
            raise self.no(400, f"Subscription with SKU {sku} does not have any available licenses.")
        kept = [state for state in states if state["skuId"] != sku or state["assignedByGroup"]]
        return [*kept, state_of(sku, None, "")]

    def relicense(self, call: Call, user: str) -> None:
        """What group-based licensing makes of the groups: a failure is noted at the user and told to nobody."""
        row = call["users"].rows.get(user)
        if row is None:
            return
        states: list[Row] = [state for state in row["licenseAssignmentStates"] if not state["assignedByGroup"]]
        for member in call["members"].by("user", user):
            for licence in call["groups"].rows.get(member["group"], BLANK)["assignedLicenses"]:
                states.append(state_of(licence["skuId"], member["group"], self.trouble(call, row, licence["skuId"])))
        if states != row["licenseAssignmentStates"]:
            self.licensed(call, user, states)

    def trouble(self, call: Call, user: Row, sku: str) -> str:
        if any(held["skuId"] == sku for held in user["assignedLicenses"]):
            return ""
        return "CountViolation" if self.left(call, sku) <= 0 else ""

    def licensed(self, call: Call, user: str, states: Sequence[Row]) -> Row:
        active = dict.fromkeys(state["skuId"] for state in states if state["state"] == "Active")
        assigned: list[dict[str, Any]] = [{"skuId": sku, "disabledPlans": []} for sku in active]
        row = call["users"].rows[user] | {"licenseAssignmentStates": list(states), "assignedLicenses": assigned}
        self.put(call, row)
        return row


def state_of(sku: str, group: str | None, error: str) -> Row:
    """One licenseAssignmentState."""
    return {
        "skuId": sku,
        "assignedByGroup": group,
        "disabledPlans": [],
        "state": "Error" if error else "Active",
        "error": error or "None",
        "lastUpdatedDateTime": moment(),
    }
