"""What lets a user of the Graph twin in: sessions, OAuth grants, authentication methods.

Sources: learn.microsoft.com/graph/api/user-revokesigninsessions, user-list-oauth2permissiongrants,
oauth2permissiongrant-delete, authentication-list-methods, and the delete page of each kind of method.
"""

from __future__ import annotations

from uuid import uuid4

from connectors.sandbox.possessions import owned
from connectors.sandbox.store import Row
from connectors.sandbox.vendors import entra_odata as odata
from connectors.sandbox.vendors.entra_users import Users, moment
from connectors.sandbox.wire import Answer, Call, Route, json_answer, route

PASSWORD = "28c10230-6103-485e-b985-444c60001490"
"""The id that every password method has (learn.microsoft.com/graph/api/resources/passwordauthenticationmethod)."""


class Credentials(Users):
    """The part of Graph that is about signing in."""

    def credential_routes(self) -> tuple[Route, ...]:
        one = "/v1.0/users/{id}"
        return (
            route(f"{one}/revokeSignInSessions", post=self.revoke_sessions),
            route(f"{one}/oauth2PermissionGrants", get=self.list_grants),
            route("/v1.0/oauth2PermissionGrants/{id}", delete=self.drop_grant),
            route(f"{one}/authentication/methods", get=self.list_methods),
            route(f"{one}/authentication/{{kind}}/{{method}}", delete=self.drop_method),
        )

    def revoke_sessions(self, call: Call) -> Answer:
        row = self.user(call)
        self.put(call, row | {"signInSessionsValidFromDateTime": moment()})
        for session in call["sessions"].by("user", row["id"]):
            call["sessions"].drop(session["id"])
        return json_answer(200, {"@odata.context": f"{call.base}/v1.0/$metadata#Edm.Boolean", "value": True})

    def sign_in(self, user_name: str) -> Row | None:
        found = self.store["users"].by("userPrincipalName", user_name)
        if not found or not found[0]["accountEnabled"]:
            return None
        row = {"id": str(uuid4()), "userId": found[0]["id"], "created": moment()}
        return self.store["sessions"].put(row["id"], row)

    def list_grants(self, call: Call) -> Answer:
        rows = owned(call["oauth2PermissionGrants"], self.user(call)["id"])
        return json_answer(200, odata.page(call, rows, dict, "oauth2PermissionGrants"))

    def drop_grant(self, call: Call) -> Answer:
        if call.params["id"] not in call["oauth2PermissionGrants"].rows:
            raise self.missing(call.params["id"])
        call["oauth2PermissionGrants"].drop(call.params["id"])
        return Answer(204)

    def list_methods(self, call: Call) -> Answer:
        rows = owned(call["methods"], self.user(call)["id"])
        password = {"@odata.type": "#microsoft.graph.passwordAuthenticationMethod", "id": str(PASSWORD)}
        shown = [
            {"@odata.type": f"#microsoft.graph.{row['kind']}AuthenticationMethod"}
            | {name: value for name, value in row.items() if name in ("id", "displayName", "phoneType") and value}
            for row in rows
        ]
        return json_answer(200, {"value": [password, *shown]})

    def drop_method(self, call: Call) -> Answer:
        """The default method cannot go while there are others."""
        user, row = self.user(call), call["methods"].rows.get(call.params["method"])
        if not row or row["user"] != user["id"] or call.params["kind"].removesuffix("Methods") != row["kind"]:
            raise self.missing(call.params["method"])
        if row["default"] and len(owned(call["methods"], user["id"])) > 1:
            raise self.no(400, "The default authentication method cannot be deleted while there are others.")
        call["methods"].drop(row["id"])
        return Answer(204)
