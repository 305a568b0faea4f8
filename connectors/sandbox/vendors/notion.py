"""Notion's SCIM API (notion.com/help/provision-users-and-groups-with-scim; base from ConductorOne/baton-notion).

Unverified, since there is no description: nearly all beyond that members and groups are made, found and removed; above
all that `active: false` and DELETE both remove somebody from the workspace, and the shape of errors.
"""

from __future__ import annotations

from connectors.sandbox.quotas import Limit
from connectors.sandbox.scim_schema import USER_ATTRIBUTES
from connectors.sandbox.scim_twin import ScimTwin

TOKEN = "notion-scim-token-of-the-sandbox"
KNOWN = ("userName", "name", "displayName", "active", "emails", "groups")


class Notion(ScimTwin):
    """Members and groups of a workspace; whoever is set inactive is a member no more."""

    token = f"Bearer {TOKEN}"
    quotas = (Limit(10),)
    most_operations = 0
    extended = False
    inactive_is_gone = True
    needs = ("emails.value",)
    user_attributes = tuple(each for each in USER_ATTRIBUTES if each.name in KNOWN)
    filters = {"users": '(userName|emails?(.value)?|name.*) eq ".*"', "groups": 'displayName eq ".*"'}


TWIN = Notion


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"NOTION_SCIM_URL": f"{root}/scim/v2", "NOTION_SCIM_TOKEN": TOKEN}
