"""SCIM for one organisation at GitHub (its OpenAPI description, `scim` of organizations): users only."""

from __future__ import annotations

from connectors.sandbox.scim_schema import USER_ATTRIBUTES
from connectors.sandbox.vendors.github_scim import GithubScim

TOKEN = "ghp_scim-organisation-of-the-sandbox"
KNOWN = ("userName", "name", "displayName", "active", "emails", "groups")


class GithubOrgScim(GithubScim):
    """`active: false` removes somebody from the organisation and forgets the SCIM id."""

    token = f"Bearer {TOKEN}"
    base = "/scim/v2/organizations/juniper-finch"
    has_groups = False
    inactive_is_gone = True
    needs = ("name.givenName", "name.familyName", "emails.value")
    user_attributes = tuple(each for each in USER_ATTRIBUTES if each.name in KNOWN)
    filters = {"users": '(id|userName|emails|externalId) eq "[^"]*"'}


TWIN = GithubOrgScim


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {"GITHUB_ORG_SCIM_URL": f"{root}{GithubOrgScim.base}", "GITHUB_ORG_SCIM_TOKEN": TOKEN}
