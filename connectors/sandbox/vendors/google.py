"""Google Workspace: the Directory API's users, with groups, licences, transfers and the ways in around them.

Made from Google's description of the APIs (discovery documents directory_v1, datatransfer_v1, licensing v1) and their
guides; words of errors that no description has are from memory. A deleted user can be brought back for 20 days.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

from connectors.sandbox.possessions import dropped
from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors.google_business import CUSTOMER, Business
from connectors.sandbox.vendors.google_door import ADMIN, CLIENT_EMAIL, PRIVATE_KEY, trouble
from connectors.sandbox.vendors.google_groups import V1, unit
from connectors.sandbox.vendors.google_listing import masked, page, searched
from connectors.sandbox.vendors.google_security import now
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

DOMAINS = ("juniperfinch.example", "juniper-finch.example")
KEPT = timedelta(days=20)
REASONS = {400: "invalid", 401: "authError", 403: "forbidden", 404: "notFound", 409: "conflict", 412: "conditionNotMet"}
LISTS = (
    "addresses",
    "emails",
    "externalIds",
    "ims",
    "keywords",
    "languages",
    "locations",
    "organizations",
    "phones",
    "posixAccounts",
    "relations",
    "sshPublicKeys",
    "websites",
)
TEXTS = ("primaryEmail", "orgUnitPath", "recoveryEmail", "recoveryPhone", "password", "hashFunction")
SWITCHES = ("suspended", "archived", "changePasswordAtNextLogin", "includeInGlobalAddressList", "ipWhitelisted")
OTHERS = ("name", "customSchemas", "notes", "gender")
READ_ONLY = ("id", "kind", "etag", "aliases", "customerId", "creationTime", "isAdmin", "isMailboxSetup", "emails")
SECRET = ("password", "hashFunction", "made")
UNITS = ("/", "/Staff", "/Staff/Engineering", "/Staff/Sales", "/Contractors", "/Leavers")

GROUPS = (
    ("0cyclists", "Cyclists", ""),
    ("0everyone-in-sales", "Everyone in Sales", "user.organizations.exists(org, org.department=='Sales')"),
)
"""Id, name, and the query of those that gather their members by themselves."""


class Google(Business):
    """Users with aliases, kept by id; a search may be behind what was written."""

    quotas = (Limit(2400, 60, r"/admin/(directory|datatransfer)/"), Limit(2400, 60, "/apps/licensing/"))
    settable = {
        "transfer_seconds": (0.05, 3600),
        "transfers_fail": (True, False),
        "auto_licensing": (True, False),
        "mailbox_seconds": (0, 3600),
        "propagation": (0, 1, 3600),
    }
    pages = 502
    """How many users take more than one page of the connector's, which asks for 500."""
    mailbox_seconds = 0.0
    """How long after a user is made Gmail knows them."""
    propagation = 0.0
    """How long a new user is missing in lists and searches."""

    def make_tables(self) -> dict[str, Table]:
        plain = {name: Table(name, {}) for name in ("access", "aliases")}
        users = {name: Table(name, email_index()) for name in ("users", "deleted")}
        return users | plain | self.group_tables() | self.business_tables()

    def make_routes(self) -> Sequence[Route]:
        one = f"{V1}/users/{{user}}"
        return (
            route("/token", post=self.token),
            route(f"{V1}/users", get=self.list_users, post=self.create),
            route(one, get=self.show, patch=self.patch, delete=self.delete),
            route(f"{one}/undelete", post=self.undelete),
            route(f"{one}/aliases", get=self.list_aliases, post=self.add_alias),
            route(f"{one}/aliases/{{alias}}", delete=self.drop_alias),
            route(f"{V1}/customers/{{customer}}", get=self.show_customer),
            *self.security_routes(),
            *self.group_routes(),
            *self.business_routes(),
        )

    def seed(self) -> None:
        for path in UNITS:
            self.store["orgunits"].put(path, unit(path))
        for id, name, query in GROUPS:
            row = {"id": id, "email": f"{id[1:]}@{DOMAINS[0]}", "name": name, "description": ""}
            self.store["groups"].put(id, row | ({"query": query} if query else {}))
        admin: Row = {"id": self.next_id(), "primaryEmail": ADMIN, "isAdmin": True, "made": 0.0}
        called = {"givenName": "Ada", "familyName": "Admin", "fullName": "Ada Admin"}
        self.store["users"].put(admin["id"], BLANK | admin | {"name": called, "creationTime": now()})

    def state(self) -> dict[str, list[Row]]:
        """Without tokens and passwords; of groups, members by their addresses too."""
        found = {name: rows for name, rows in super().state().items() if name != "access"}
        return found | {"users": [bare(row) for row in found["users"]]}

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        reason = REASONS.get(status, "backendError")
        if status == 409 and "already exists" in message:
            reason = "duplicate"
        if status == 429:
            return json_answer(status, trouble(status, message, "rateLimitExceeded", "usageLimits"), *headers)
        return json_answer(status, trouble(status, message, reason), *headers)

    def over(self, meter: Meter, wait: float) -> Answer:
        """Google says 403, and no time (developers.google.com/admin-sdk/directory/v1/limits)."""
        said = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'."
        return json_answer(403, trouble(403, said, "userRateLimitExceeded", "usageLimits"))

    def account_id(self, key: str) -> str | None:
        found = self.store["users"].by("email", key)
        return str(found[0]["id"]) if found else None

    def next_id(self) -> str:
        return str(max(10**20, self.store["users"].next_number(), self.store["deleted"].next_number()))

    # users

    def list_users(self, call: Call) -> Answer:
        query = call.query
        if query.get("customer", CUSTOMER) not in ("my_customer", CUSTOMER) or not {"customer", "domain"} & set(query):
            raise Rejection(self.problem(400, "Bad Request"))
        gone = query.get("showDeleted") == "true"
        if gone:
            rows = [row for row in call["deleted"].rows.values() if self.restorable(call, row)]
        else:
            late = time.time() - self.propagation
            rows = [row for row in call["users"].rows.values() if not self.propagation or row["made"] < late]
        if "query" in query:
            rows = self.found(call, rows, query["query"])
        if query.get("orderBy") == "email":
            rows = sorted(rows, key=lambda row: str(row["primaryEmail"]))
        return page(call, rows, "users", "users", 500, show=lambda row: self.shown(call, row))

    def found(self, call: Call, rows: list[Row], query: str) -> list[Row]:
        """Exact and beginning matches; with a fault, a stranger first."""
        hits = searched(
            rows,
            query,
            {
                "email": lambda row: [row["primaryEmail"], *self.aliases(call, row)],
                "externalId": lambda row: [str(e.get("value", "")) for e in row.get("externalIds") or ()],
                "orgUnitPath": lambda row: [row["orgUnitPath"]],
                "givenName": lambda row: [row["name"]["givenName"]],
                "familyName": lambda row: [row["name"]["familyName"]],
                "isSuspended": lambda row: [str(row["suspended"]).lower()],
            },
        )
        return [*(r for r in rows if r not in hits and call.wrong_first_hit), *hits]

    def create(self, call: Call) -> Answer:
        asked = self.readable(call)
        names = asked.get("name") or {}
        for field in ("primaryEmail", "password"):
            if not asked.get(field):
                raise Rejection(self.refused(400, f"Missing required field: {field}", "required"))
        if not names.get("givenName") or not names.get("familyName"):
            raise Rejection(self.refused(400, "Invalid Given/Family Name: FamilyName", "invalid"))
        row = BLANK | asked | {"id": self.next_id(), "creationTime": now(), "made": time.time()}
        self.check(call, row, None)
        row["name"] = full(names)
        return json_answer(200, self.shown(call, call["users"].put(row["id"], row)))

    def show(self, call: Call) -> Answer:
        return json_answer(200, masked(self.shown(call, self.user(call)), call.query.get("fields")))

    def patch(self, call: Call) -> Answer:
        """Names are merged, lists and all else replaced; another primary address keeps the old one as an alias."""
        old, asked = self.user(call), self.readable(call)
        row = old | asked | {"name": full(old["name"] | (asked.get("name") or {}))}
        if asked.get("archived") and not old["archived"]:
            row["suspended"] = True
        self.check(call, row, old)
        if row["primaryEmail"].lower() != old["primaryEmail"].lower():
            call["aliases"].put(old["primaryEmail"].lower(), {"alias": old["primaryEmail"], "user": old["id"]})
        return json_answer(200, self.shown(call, call["users"].put(row["id"], row)))

    def check(self, call: Call, row: Row, old: Row | None) -> None:
        """Reject a user as Google does."""
        email, before = str(row["primaryEmail"]), str((old or {}).get("primaryEmail", ""))
        if email.rpartition("@")[2].lower() not in DOMAINS:
            raise Rejection(self.problem(404, "Domain not found."))
        if email.lower() != before.lower() and self.taken(call, email):
            raise Rejection(self.problem(409, "Entity already exists."))
        if row["orgUnitPath"] not in call["orgunits"].rows:
            raise Rejection(self.problem(400, "Invalid Input: INVALID_OU_ID"))
        password = row.get("password", "x" * 8)
        if not 8 <= len(password) <= 100 or not password.isascii():
            raise Rejection(self.problem(400, "Invalid Password"))

    def readable(self, call: Call) -> Row:
        """The body's fields that may be written; ValueError where one is unknown or of another kind."""
        asked = call.json()
        kinds: dict[str, type] = dict.fromkeys(LISTS, list) | dict.fromkeys(TEXTS, str) | dict.fromkeys(SWITCHES, bool)
        kinds |= {"name": dict, "customSchemas": dict}
        for name, value in asked.items():
            if name not in (*kinds, *OTHERS, *READ_ONLY):
                raise ValueError(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
            if name in kinds and not isinstance(value, kinds[name]):
                raise ValueError(f"Invalid value at '{name}'")
        return {name: value for name, value in asked.items() if name not in READ_ONLY}

    def malformed(self, error: ValueError) -> Answer:
        return self.problem(400, str(error))

    def delete(self, call: Call) -> Answer:
        row = self.user(call)
        if row.get("isAdmin") and row["primaryEmail"] == ADMIN:
            raise Rejection(self.denied("Not Authorized to access this resource/api", "forbidden"))
        for each in call["members"].by("member", row["id"]):
            call["members"].drop(f"{each['group']}/{each['member']}")
        for each in call["licences"].by("user", row["id"]):
            call["licences"].drop(f"{each['product']}/{each['sku']}/{each['user']}")
        for alias in self.aliases(call, row):
            call["aliases"].drop(alias.lower())
        for name in self.possessions:
            dropped(call[name], row["id"])
        call["users"].drop(row["id"])
        call["deleted"].put(row["id"], row | {"deletionTime": f"{call.today.isoformat()}T12:00:00.000Z"})
        return Answer(204)

    def undelete(self, call: Call) -> Answer:
        """By id alone, for 20 days, into the org unit that is named."""
        row = call["deleted"].rows.get(unquote(call.params["user"]))
        if not row or not self.restorable(call, row):
            raise Rejection(self.problem(404, "Resource Not Found: userKey"))
        if self.taken(call, row["primaryEmail"]):
            raise Rejection(self.problem(409, "Entity already exists."))
        path = str(call.json().get("orgUnitPath") or "/")
        if path not in call["orgunits"].rows:
            raise Rejection(self.problem(400, "Invalid Input: INVALID_OU_ID"))
        call["deleted"].drop(row["id"])
        kept = {name: value for name, value in row.items() if name != "deletionTime"}
        call["users"].put(row["id"], kept | {"orgUnitPath": path, "suspended": False, "archived": False})
        return Answer(204)

    def restorable(self, call: Call, row: Row) -> bool:
        return call.today - date.fromisoformat(row["deletionTime"][:10]) <= KEPT

    # aliases and the customer

    def list_aliases(self, call: Call) -> Answer:
        rows = [{"alias": alias} for alias in self.aliases(call, self.user(call))]
        return json_answer(200, {"kind": "admin#directory#aliases"} | ({"aliases": rows} if rows else {}))

    def add_alias(self, call: Call) -> Answer:
        user, alias = self.user(call), str(call.json().get("alias") or "")
        if alias.rpartition("@")[2] not in DOMAINS:
            raise Rejection(self.problem(404, "Domain not found."))
        if self.taken(call, alias):
            raise Rejection(self.problem(409, "Entity already exists."))
        call["aliases"].put(alias.lower(), {"alias": alias, "user": user["id"]})
        return json_answer(200, {"kind": "admin#directory#alias", "alias": alias, "primaryEmail": user["primaryEmail"]})

    def drop_alias(self, call: Call) -> Answer:
        user, alias = self.user(call), unquote(call.params["alias"]).lower()
        if alias not in [each.lower() for each in self.aliases(call, user)]:
            raise Rejection(self.problem(404, "Resource Not Found: alias"))
        call["aliases"].drop(alias)
        return Answer(204)

    def aliases(self, call: Call, row: Row) -> list[str]:
        return [each["alias"] for each in call["aliases"].rows.values() if each["user"] == row["id"]]

    def show_customer(self, call: Call) -> Answer:
        said = {"kind": "admin#directory#customer", "id": CUSTOMER, "customerDomain": DOMAINS[0]}
        return json_answer(200, said)

    def shown(self, call: Call, row: Row) -> Row:
        """A user as `projection` asks for it; custom fields only in the full one."""
        aliases = self.aliases(call, row)
        ready = time.time() - row["made"] >= self.mailbox_seconds
        whole = (
            bare(row) | {"customerId": CUSTOMER, "isMailboxSetup": ready} | ({"aliases": aliases} if aliases else {})
        )
        if call.query.get("projection", "basic") == "basic":
            whole.pop("customSchemas", None)
        return whole


def email_index() -> dict[str, Index]:
    return {"email": Index(lambda row: str(row["primaryEmail"]))}


def bare(row: Row) -> Row:
    """What may be seen of a user."""
    return {name: value for name, value in row.items() if name not in SECRET}


def full(names: dict[str, Any]) -> Row:
    return names | {"fullName": f"{names['givenName']} {names['familyName']}"}


BLANK: Row = {
    "kind": "admin#directory#user",
    "etag": '"of-the-sandbox"',
    "isAdmin": False,
    "suspended": False,
    "archived": False,
    "orgUnitPath": "/",
    "lastLoginTime": "1970-01-01T00:00:00.000Z",
}

TWIN = Google


def environment(root: str) -> dict[str, str]:
    """What a client needs. At Google itself the two APIs have hosts of their own, and so has the token endpoint."""
    return {
        "GOOGLE_URL": root,
        "GOOGLE_LICENSING_URL": root,
        "GOOGLE_TOKEN_URL": f"{root}/token",
        "GOOGLE_ADMIN": ADMIN,
        "GOOGLE_CLIENT_EMAIL": CLIENT_EMAIL,
        "GOOGLE_PRIVATE_KEY": PRIVATE_KEY.strip().replace("\n", "\\n"),
    }
