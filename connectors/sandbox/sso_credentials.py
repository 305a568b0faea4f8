"""Keyring's own API beside SCIM: OAuth grants, API tokens and app passwords of a user, and service accounts.

None of them ends when the user is disabled. A deleted user takes all of them along, service accounts too.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from connectors.sandbox.possessions import Possession, dropped, owned, passed
from connectors.sandbox.store import Row
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

MOST = 20
TOKEN_TYPES = ("api", "app-password")


class Credentials(Twin):
    """The part of the SSO that keeps what lets people and programs in."""

    possessions = {
        "grants": Possession("userId", {"app": "", "scopes": ["openid"]}),
        "tokens": Possession("userId", {"type": "api", "label": ""}),
        "service_accounts": Possession("ownerId", {"name": ""}),
    }

    def credential_routes(self) -> Sequence[Route]:
        mine = "/api/v1/users/{user}"
        return (
            route(f"{mine}/grants", get=self.list_mine),
            route(f"{mine}/grants/{{id}}", delete=self.revoke),
            route(f"{mine}/tokens", get=self.list_mine, delete=self.revoke_all),
            route(f"{mine}/tokens/{{id}}", delete=self.revoke),
            route("/api/v1/service-accounts", get=self.list_service_accounts),
            route("/api/v1/service-accounts/{id}", patch=self.change_owner),
        )

    def list_mine(self, call: Call) -> Answer:
        return linked(call, owned(call[call.path.rpartition("/")[2]], self.owner(call)))

    def revoke(self, call: Call) -> Answer:
        table = call[call.path.split("/")[5]]
        row = table.rows.get(call.params["id"])
        if not row or row["userId"] != self.owner(call):
            raise Rejection(self.problem(404, "no such credential"))
        table.drop(row["id"])
        return Answer(204)

    def revoke_all(self, call: Call) -> Answer:
        dropped(call["tokens"], self.owner(call))
        return Answer(204)

    def list_service_accounts(self, call: Call) -> Answer:
        table, owner = call["service_accounts"], call.query.get("owner")
        return linked(call, list(table.rows.values()) if owner is None else owned(table, owner))

    def change_owner(self, call: Call) -> Answer:
        row = call["service_accounts"].rows.get(call.params["id"])
        if not row:
            raise Rejection(self.problem(404, "no such service account"))
        owner = call["users"].rows.get(str(call.json().get("ownerId")))
        if not owner or not owner.get("active", True):
            raise Rejection(self.problem(400, "ownerId is no active user"))
        kind = self.possessions["service_accounts"]
        return json_answer(200, passed(call["service_accounts"], kind, row, owner["id"]))

    def forget_credentials(self, call: Call, user: str) -> None:
        """What goes with a deleted user."""
        for name in self.possessions:
            dropped(call[name], user)

    def owner(self, call: Call) -> str:
        if call.params["user"] not in call["users"].rows:
            raise Rejection(self.problem(404, "no such user"))
        return call.params["user"]


def linked(call: Call, rows: Sequence[Row]) -> Answer:
    """A page of rows, and the way to the next one in a Link header."""
    size = page_number(call.query.get("limit"), MOST, MOST)
    start = page_number(call.query.get("after"), 0, 10**9, 0)
    page = list(rows[start : start + size])
    if start + size >= len(rows):
        return json_answer(200, page)
    following = urlencode(call.query | {"after": str(start + size)})
    return json_answer(200, page, ("Link", f'<{call.base}{call.path}?{following}>; rel="next"'))
