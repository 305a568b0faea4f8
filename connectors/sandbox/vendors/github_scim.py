"""What GitHub's two SCIM APIs have in common (GitHub's OpenAPI description, github/rest-api-description)."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_body import ERROR, scim
from connectors.sandbox.scim_patch import operations
from connectors.sandbox.scim_schema import ENTERPRISE
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Route

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"


class GithubScim(ScimTwin):
    """Paths with filters in a PATCH of a user are ineffective: nothing is said, and nothing done."""

    quotas = (Limit(5000, 3600),)
    most_operations = 0
    extended = False

    def discovery(self) -> Sequence[Route]:
        """Nothing is told; the description has no such pages."""
        return ()

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        """The status is a number here."""
        return scim(status, {"schemas": [ERROR], "status": status, "detail": message, "scimType": None}, *headers)

    def malformed(self, error: ValueError) -> Answer:
        return self.problem(400, str(error))

    def patch_of(self, call: Call) -> Row:
        body = super().patch_of(call)
        plain = [each._asdict() for each in operations(body) if "[" not in (each.path or "")]
        return {"Operations": plain or [{"op": "add", "value": {}}]}

    def whole(self, call: Call, table: str, row: Row, derived: bool = True) -> Row:
        found = {k: v for k, v in super().whole(call, table, row, derived).items() if k != ENTERPRISE}
        return found | ({"schemas": [CORE]} if table == "users" else {"members": found.get("members", [])})
