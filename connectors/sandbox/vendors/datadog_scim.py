"""Datadog's SCIM API (docs.datadoghq.com/api/latest/scim): /api/v2/scim, users, and teams for select organisations.

Unverified: that it filters by userName and email alone, that a taken name is 409, that DELETE leaves a disabled user.
"""

from __future__ import annotations

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_twin import ScimTwin
from connectors.sandbox.wire import Answer, Call

TOKEN = "datadog-scim-key-of-the-sandbox"


class DatadogScim(ScimTwin):
    """Users, who are never deleted: DELETE disables. Here the organisation has no teams by SCIM, as most have not."""

    token = f"Bearer {TOKEN}"
    base = "/api/v2/scim"
    quotas = (Limit(20),)
    most_operations = 0
    extended = False
    has_groups = False
    needs = ("emails.value",)
    filters = {"users": '(userName|emails?(.value)?) eq ".*"'}

    def delete(self, call: Call) -> Answer:
        self.changed(call, "users", self.resource(call, "users") | {"active": False})
        return Answer(204)


TWIN = DatadogScim


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"DATADOG_SCIM_URL": f"{root}/api/v2/scim", "DATADOG_SCIM_TOKEN": TOKEN}
