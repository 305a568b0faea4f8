"""Keyring, an SSO with SCIM 2.0 (RFC 7643, 7644) for users and groups, and sessions that can be ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import timestamp
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.sso_credentials import Credentials
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

TOKEN = "sso-token-of-the-sandbox"


class Sso(Credentials, ScimTwin):
    """Users, groups, memberships and sessions. A disabled user keeps sessions until they are ended."""

    quotas = (Limit(100),)
    settable = {"patch_status": (200, 204)}

    def make_tables(self) -> dict[str, Table]:
        return {**super().make_tables(), "sessions": Table("sessions", {"user": Index(lambda row: str(row["userId"]))})}

    def make_routes(self) -> Sequence[Route]:
        mine = "/api/v1/users/{id}/sessions"
        sessions = route(mine, get=self.sessions, delete=self.end_sessions)
        return (*super().make_routes(), sessions, *self.credential_routes())

    def authorise(self, call: Call) -> None:
        if call.header(b"authorization") not in (f"Bearer {TOKEN}", f"SSWS {TOKEN}"):
            challenge = ("WWW-Authenticate", 'Bearer realm="Keyring"')
            raise Rejection(self.problem(401, "invalid or missing token", challenge))

    def besides(self) -> Sequence[str]:
        return ("sessions", *self.possessions)

    def forget(self, call: Call, table: str, key: str) -> None:
        """A deleted user takes along the sessions and all that Keyring has of them."""
        super().forget(call, table, key)
        if table == "users":
            for row in call["sessions"].by("user", key):
                call["sessions"].drop(row["id"])
            self.forget_credentials(call, key)

    def sign_in(self, user_name: str) -> Row | None:
        """What a sign-in of this user makes: a session, or nothing for the unknown and the disabled."""
        found = self.store["users"].by("username", user_name)
        if not found or not found[0].get("active", True):
            return None
        row = {"id": str(uuid4()), "userId": found[0]["id"], "created": timestamp()}
        return self.store["sessions"].put(row["id"], row)

    def sessions(self, call: Call) -> Answer:
        return json_answer(200, call["sessions"].by("user", self.resource(call, "users")["id"]))

    def end_sessions(self, call: Call) -> Answer:
        for row in call["sessions"].by("user", self.resource(call, "users")["id"]):
            call["sessions"].drop(row["id"])
        return Answer(204)


TWIN = Sso


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "SSO_URL": f"{root}/scim/v2",
        "SSO_TOKEN": TOKEN,
        "SSO_API_URL": f"{root}/api/v1",
    }
