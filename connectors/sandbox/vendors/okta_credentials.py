"""What outlives a password at Okta: sessions, refresh tokens, consents; and the admin roles that somebody holds."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

from connectors.sandbox.possessions import Possession, dropped, owned
from connectors.sandbox.store import Row
from connectors.sandbox.vendors.okta_users import Users, linked, stamp
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

MOST = 200


class Credentials(Users):
    """The part of Okta that keeps what lets people and programs in."""

    possessions = {
        "tokens": Possession("userId", {"client": "Ledgerline CRM", "scopes": ["offline_access"]}),
        "grants": Possession("userId", {"client": "Ledgerline CRM", "scopeId": "openid"}),
        "roles": Possession("userId", {"type": "HELP_DESK_ADMIN", "label": "Help Desk Administrator"}),
        "sessions": Possession("userId", {"created": ""}),
    }

    def credential_routes(self) -> Sequence[Route]:
        mine = "/api/v1/users/{id}"
        return (
            route(f"{mine}/sessions", delete=self.end_sessions),
            route(f"{mine}/clients", get=self.list_clients),
            route(f"{mine}/clients/{{client}}/tokens", get=self.list_tokens, delete=self.revoke_tokens),
            route(f"{mine}/grants", get=self.list_grants, delete=self.revoke_grants),
            route(f"{mine}/roles", get=self.list_roles),
        )

    def session(self, user: Row) -> Row:
        """A session of this user."""
        id = f"102{token_hex(8)}"
        return self.store["sessions"].put(id, {"id": id, "userId": user["id"], "created": stamp()})

    def end_sessions(self, call: Call) -> Answer:
        """With `oauthTokens=true` the refresh tokens go too; consents stay."""
        user = self.user(call)
        dropped(call["sessions"], user["id"])
        if call.query.get("oauthTokens") == "true":
            dropped(call["tokens"], user["id"])
        return Answer(204)

    def list_clients(self, call: Call) -> Answer:
        """Clients for which the user has tokens or grants."""
        user = self.user(call)["id"]
        names = {row["client"] for table in ("tokens", "grants") for row in owned(call[table], user)}
        listed = [{"client_id": client_id(name), "client_name": name} for name in sorted(names)]
        return json_answer(200, listed)

    def list_tokens(self, call: Call) -> Answer:
        now = stamp()
        told = [
            {"id": row["id"], "clientId": client_id(row["client"]), "userId": row["userId"], "status": "ACTIVE"}
            | {"created": now, "expiresAt": now, "scopes": row["scopes"], "issuer": call.base}
            for row in self.of_client(call)
        ]
        return linked(call, told, 20, MOST)

    def revoke_tokens(self, call: Call) -> Answer:
        rows = self.of_client(call)
        if not rows:
            raise Rejection(self.error(404, "E0000007", "Not found: Resource not found"))
        for row in rows:
            call["tokens"].drop(row["id"])
        return Answer(204)

    def of_client(self, call: Call) -> list[Row]:
        mine = owned(call["tokens"], self.user(call)["id"])
        return [row for row in mine if client_id(row["client"]) == call.params["client"]]

    def list_grants(self, call: Call) -> Answer:
        told = [
            {"id": row["id"], "clientId": client_id(row["client"]), "userId": row["userId"], "status": "ACTIVE"}
            | {"scopeId": row["scopeId"], "issuer": call.base, "created": stamp(), "source": "END_USER"}
            for row in owned(call["grants"], self.user(call)["id"])
        ]
        return linked(call, told, 20, MOST)

    def revoke_grants(self, call: Call) -> Answer:
        dropped(call["grants"], self.user(call)["id"])
        return Answer(204)

    def list_roles(self, call: Call) -> Answer:
        rows = owned(call["roles"], self.user(call)["id"])
        kept = ("id", "type", "label")
        told = [{k: row[k] for k in kept} | {"status": "ACTIVE", "assignmentType": "USER"} for row in rows]
        return json_answer(200, told)


def client_id(name: str) -> str:
    """An app's client_id, as it would be."""
    return "0oa" + "".join(c for c in name.lower() if c.isalnum())
