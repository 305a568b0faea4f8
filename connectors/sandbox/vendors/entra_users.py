"""The users of the Graph twin: making, changing, disabling, deleting softly, restoring, telling changes.

Sources: learn.microsoft.com/graph/api/user-post-users, user-update, user-delete, user-delta, user-post-manager,
directory-deleteditems-restore; property names from the schema of microsoft.graph.user. The wording of refusals is from
the error messages that people quote; unverified against a tenant.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from connectors.sandbox.possessions import dropped
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.vendors import entra_odata as odata
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

DOMAINS = ("juniperfinch.example", "juniperfinch.onmicrosoft.com")
DEFAULT = (
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
)
"""What comes without $select."""
TEXTS = (
    "city",
    "companyName",
    "country",
    "department",
    "displayName",
    "employeeId",
    "employeeType",
    "faxNumber",
    "givenName",
    "jobTitle",
    "mail",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "postalCode",
    "preferredLanguage",
    "state",
    "streetAddress",
    "surname",
    "usageLocation",
    "userPrincipalName",
    "userType",
)
LISTS = ("businessPhones", "otherMails")
MOMENTS = ("employeeHireDate", "employeeLeaveDateTime")
OTHERS = ("accountEnabled", "employeeOrgData", "onPremisesExtensionAttributes", "onPremisesImmutableId")
READ_ONLY = (
    "assignedLicenses",
    "createdDateTime",
    "deletedDateTime",
    "licenseAssignmentStates",
    "onPremisesSyncEnabled",
    "proxyAddresses",
    "signInSessionsValidFromDateTime",
)
WRITABLE = (*TEXTS, *LISTS, *MOMENTS, *OTHERS)
REQUIRED = ("accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile")
CLOUD = ("usageLocation", "otherMails", "employeeLeaveDateTime")
"""What of a synced user is not mastered on premises."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
NICKNAME = re.compile(r"[^@()\[\]\"\\;:<>, ]{1,64}")
KEPT = timedelta(days=30)
MASTERED = (
    "Unable to update the specified properties for on-premises mastered Directory Sync objects "
    "or objects currently undergoing migration."
)


class Users(Twin):
    """The part of Graph that is about users. With `lag`, what was just made is not to be seen for that time."""

    lag = 0.0

    def user_tables(self) -> dict[str, Table]:
        indexes = {
            "userPrincipalName": Index(lambda row: str(row["userPrincipalName"])),
            "employeeId": Index(lambda row: str(row.get("employeeId") or "")),
        }
        self.born: dict[str, float] = {}
        self.told: list[tuple[str, bool]] = []
        """Ids in the order of their changes, and whether each was deleted."""
        return {"users": Table("users", indexes), "deleted": Table("deleted", {})}

    def user_routes(self) -> tuple[Route, ...]:
        one = "/v1.0/users/{id}"
        return (
            route("/v1.0/users", get=self.list_users, post=self.create_user),
            route("/v1.0/users/delta", get=self.delta),
            route("/v1.0/users/getByIds", post=self.by_ids),
            route(one, get=self.show_user, patch=self.update_user, delete=self.delete_user),
            route(f"{one}/manager/$ref", put=self.set_manager, delete=self.drop_manager),
            route("/v1.0/directory/deletedItems/microsoft.graph.user", get=self.list_deleted),
            route("/v1.0/directory/deletedItems/{id}", delete=self.purge),
            route("/v1.0/directory/deletedItems/{id}/restore", post=self.restore),
        )

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("userPrincipalName", key)
        return str(found[0]["id"]) if found else None

    # reading

    def list_users(self, call: Call) -> Answer:
        rows = [row for row in self.candidates(call) if not self.unborn(row["id"])]
        if call.wrong_first_hit and "$filter" in call.query:
            strangers = [row for row in call["users"].rows.values() if row not in rows]
            rows = [*strangers[:1], *rows]
        select = self.selected(call)
        return json_answer(200, odata.page(call, rows, lambda row: self.shown(call, row, select), "users"))

    def candidates(self, call: Call) -> list[Row]:
        """The rows that pass the filter, by index where it names one."""
        filter = odata.asked(call)
        users = call["users"]
        if filter is None:
            return list(users.rows.values())
        indexed = filter.equals and filter.equals[0] in users.indexes
        rows = users.by(*filter.equals) if filter.equals and indexed else users.rows.values()
        return [row for row in rows if filter.passes(row)]

    def show_user(self, call: Call) -> Answer:
        return json_answer(200, self.shown(call, self.user(call), self.selected(call)))

    def selected(self, call: Call) -> list[str]:
        wanted = odata.names(call, "$select")
        if strange := odata.unknown(wanted, (*DEFAULT, *WRITABLE, *READ_ONLY)):
            raise self.no(400, f"Could not find a property named '{strange[0]}' on type 'microsoft.graph.user'.")
        return wanted

    def shown(self, call: Call, row: Row, select: list[str]) -> Row:
        """The properties asked for; the manager only by $expand."""
        body = odata.chosen(row, select, DEFAULT)
        if "manager" in odata.names(call, "$expand") and (boss := call["users"].rows.get(row.get("manager") or "")):
            body["manager"] = {"@odata.type": "#microsoft.graph.user"} | odata.chosen(boss, (), DEFAULT)
        return body

    def user(self, call: Call) -> Row:
        """The user whom a path names, by id or user principal name."""
        name = call.params["id"]
        rows = [call["users"].rows[name]] if name in call["users"].rows else call["users"].by("userPrincipalName", name)
        if not rows or self.unborn(rows[0]["id"]):
            raise self.missing(name)
        return rows[0]

    def unborn(self, id: str) -> bool:
        """Whether the replicas have not heard of it yet."""
        return bool(self.lag) and time.monotonic() - self.born.get(id, 0.0) < self.lag

    def missing(self, name: str) -> Rejection:
        return self.no(
            404,
            f"Resource '{name}' does not exist or one of its queried reference-property objects are not present.",
        )

    def no(self, status: int, message: str) -> Rejection:
        return Rejection(self.problem(status, message))

    # writing

    def create_user(self, call: Call) -> Answer:
        body = call.json()
        for name in REQUIRED:
            if body.get(name) in (None, "", {}):
                raise self.no(400, f"A value is required for property '{name}' of resource 'User'.")
        self.check_password(body.pop("passwordProfile"))
        row: Row = {"id": str(uuid4()), "createdDateTime": moment(), "userType": "Member", "proxyAddresses": []}
        row |= {"businessPhones": [], "assignedLicenses": [], "licenseAssignmentStates": []}
        row |= self.checked(call, body, row["id"])
        self.born[row["id"]] = time.monotonic()
        self.put(call, row)
        whole = {"@odata.context": f"{call.base}/v1.0/$metadata#users/$entity"}
        return json_answer(201, whole | odata.chosen(row, (), DEFAULT))

    def update_user(self, call: Call) -> Answer:
        row, body = self.user(call), call.json()
        if not body:
            raise self.no(400, "Empty Payload. JSON content expected.")
        if profile := body.pop("passwordProfile", None):
            self.check_password(profile)
        if row.get("onPremisesSyncEnabled") and set(body) - set(CLOUD):
            raise self.no(400, MASTERED)
        changes = self.checked(call, body, row["id"])
        for name in ("employeeOrgData", "onPremisesExtensionAttributes"):
            if isinstance(changes.get(name), dict):
                changes[name] = (row.get(name) or {}) | changes[name]
        self.put(call, row | changes)
        return Answer(204)

    def put(self, call: Call, row: Row) -> None:
        call["users"].put(row["id"], row)
        self.told.append((row["id"], False))

    def checked(self, call: Call, body: Row, id: str) -> Row:
        """The body, or a refusal as the vendor words it."""
        for property, value in body.items():
            self.check_value(property, value)
        name: str | None = body.get("userPrincipalName")
        if name is not None and name.rpartition("@")[2].lower() not in DOMAINS:
            raise self.no(
                400,
                "The domain portion of the userPrincipalName property is invalid. You must use one of the verified "
                "domain names in your organization.",
            )
        if name is not None and any(other["id"] != id for other in self.store["users"].by("userPrincipalName", name)):
            raise Rejection(self.conflict("userPrincipalName"))
        return body

    def check_value(self, name: str, value: Any) -> None:
        wrong = f"Invalid value specified for property '{name}' of resource 'User'."
        if name not in WRITABLE:
            raise self.no(400, f"Property '{name}' is read-only or does not exist on type 'microsoft.graph.user'.")
        if name in TEXTS and value is not None and (not isinstance(value, str) or not value):
            raise self.no(400, wrong)
        if name in LISTS and not (isinstance(value, list) and all(isinstance(item, str) and item for item in value)):
            raise self.no(400, wrong)
        if name in MOMENTS and value is not None and not MOMENT.fullmatch(str(value)):
            raise self.no(400, f"Cannot convert the literal '{value}' to the expected type 'Edm.DateTimeOffset'.")
        if name == "accountEnabled" and not isinstance(value, bool):
            raise self.no(400, wrong)
        if name == "mailNickname" and not (isinstance(value, str) and NICKNAME.fullmatch(value)):
            raise self.no(400, wrong)
        if name == "usageLocation" and value is not None and not re.fullmatch("[A-Z]{2}", value):
            raise self.no(400, wrong)

    def check_password(self, profile: Any) -> None:
        """Three of four kinds of characters, 8 to 256 of them (learn.microsoft.com/entra …/concept-sspr-policy)."""
        password = str(profile.get("password") or "") if isinstance(profile, dict) else ""
        kinds = sum(bool(re.search(kind, password)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]"))
        if not 8 <= len(password) <= 256 or kinds < 3:
            raise self.no(400, "The specified password does not comply with password complexity requirements.")

    def conflict(self, property: str) -> Answer:
        """Somebody else has this value."""
        message = f"Another object with the same value for property {property} already exists."
        details = [{"code": "ObjectConflict", "message": message, "target": property}]
        return json_answer(400, {"error": {"code": "Request_BadRequest", "message": message, "details": details}})

    def set_manager(self, call: Call) -> Answer:
        row = self.user(call)
        if row.get("onPremisesSyncEnabled"):
            raise self.no(400, MASTERED)
        boss = self.referred(call, "users")
        if boss["id"] == row["id"]:
            raise self.no(400, "A user cannot be their own manager.")
        self.put(call, row | {"manager": boss["id"]})
        return Answer(204)

    def drop_manager(self, call: Call) -> Answer:
        row = self.user(call)
        if not row.get("manager"):
            raise self.missing("manager")
        self.put(call, row | {"manager": None})
        return Answer(204)

    def referred(self, call: Call, *tables: str) -> Row:
        """The object behind an `@odata.id`."""
        return self.pointed(call, str(call.json().get("@odata.id") or ""), *tables)

    def pointed(self, call: Call, link: str, *tables: str) -> Row:
        """The object that an address names."""
        match = re.fullmatch(r".*/(users|groups|directoryObjects)/([^/]+)", link)
        if not match:
            raise self.no(400, "Invalid URL format specified in payload.")
        found = next((call[t].rows[match[2]] for t in tables if match[2] in call[t].rows), None)
        if not found or self.unborn(match[2]):
            raise self.missing(match[2])
        return found

    # deleting and restoring

    def delete_user(self, call: Call) -> Answer:
        row = self.user(call)
        call["users"].drop(row["id"])
        call["deleted"].put(row["id"], row | {"deletedDateTime": moment()})
        self.told.append((row["id"], True))
        return Answer(204)

    def list_deleted(self, call: Call) -> Answer:
        filter = odata.asked(call)
        rows = [self.mangled(row) for row in self.recent(call)]
        rows = [row for row in rows if filter is None or filter.passes(row)]
        return json_answer(200, odata.page(call, rows, lambda row: odata.chosen(row, (), DEFAULT), "directoryObjects"))

    def recent(self, call: Call) -> Iterator[Row]:
        """Those that are not yet gone for good."""
        for row in call["deleted"].rows.values():
            if datetime.now(UTC) - datetime.fromisoformat(row["deletedDateTime"]) < KEPT:
                yield row

    def mangled(self, row: Row) -> Row:
        """A deleted user's name makes room for others: the id stands before it."""
        return row | {"userPrincipalName": row["id"].replace("-", "") + row["userPrincipalName"]}

    def kept(self, call: Call) -> Row:
        found = next((row for row in self.recent(call) if row["id"] == call.params["id"]), None)
        if not found:
            raise self.missing(call.params["id"])
        return found

    def restore(self, call: Call) -> Answer:
        row = self.kept(call)
        if self.store["users"].by("userPrincipalName", row["userPrincipalName"]):
            raise Rejection(self.conflict("userPrincipalName"))
        call["deleted"].drop(row["id"])
        self.born[row["id"]] = time.monotonic()
        self.put(call, {name: value for name, value in row.items() if name != "deletedDateTime"})
        return json_answer(200, {"@odata.type": "#microsoft.graph.user", "id": row["id"], "deletedDateTime": None})

    def purge(self, call: Call) -> Answer:
        row = self.kept(call)
        call["deleted"].drop(row["id"])
        for name in self.possessions:
            dropped(call[name], row["id"])
        return Answer(204)

    # changes

    def delta(self, call: Call) -> Answer:
        """What has changed since a token; `latest` gives a token alone. Everybody, where there is none."""
        token, now = call.query.get("$deltatoken", ""), len(self.told)
        link = f"{call.base}/v1.0/users/delta?$deltatoken={now}"
        if token and token != "latest" and (not token.isdigit() or int(token) > now):
            raise self.no(410, "The delta token is no longer valid.")
        if not token:
            rows = [odata.chosen(row, self.selected(call), DEFAULT) for row in call["users"].rows.values()]
            return json_answer(200, {"@odata.deltaLink": link, "value": rows})
        since = dict(self.told[now if token == "latest" else int(token) :])
        rows = [{"id": id} | ({"@removed": {"reason": "changed"}} if gone else {}) for id, gone in since.items()]
        return json_answer(200, {"@odata.deltaLink": link, "value": rows})

    def by_ids(self, call: Call) -> Answer:
        """The directory objects with these ids, up to 1000."""
        ids = call.json().get("ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= 1000:
            raise self.no(400, "ids must have between 1 and 1000 items.")
        kinds = {"servicePrincipals": "servicePrincipal", "groups": "group", "users": "user"}
        rows = [
            {"@odata.type": f"#microsoft.graph.{kind}", "id": id, "displayName": call[table].rows[id]["displayName"]}
            for table, kind in kinds.items()
            for id in ids
            if id in call[table].rows
        ]
        return json_answer(200, {"value": rows})


def moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
