"""Clients of the sandbox for its own tests: bare httpx, none of the connectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from connectors.sandbox import Sandbox

JSON = {"Accept": "application/json"}
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@contextmanager
def clients(sandbox: Sandbox) -> Iterator[dict[str, httpx.Client]]:
    """One client per twin, signed in as the sandbox's environment says."""
    env = sandbox.environment
    made = {
        "bamboohr": httpx.Client(
            verify=False, base_url=env["BAMBOOHR_URL"], auth=(env["BAMBOOHR_API_KEY"], "x"), headers=JSON
        ),
        "sso": httpx.Client(
            verify=False, base_url=env["SSO_URL"], headers={"Authorization": f"Bearer {env['SSO_TOKEN']}"}
        ),
        "crm": httpx.Client(
            verify=False, base_url=env["CRM_URL"], headers={"Authorization": f"Bearer {env['CRM_TOKEN']}"}
        ),
        "desk": httpx.Client(verify=False, base_url=env["DESK_URL"], headers={"X-Api-Key": env["DESK_KEY"]}),
        "badges": httpx.Client(verify=False, base_url=env["BADGE_URL"], follow_redirects=True),
    }
    try:
        yield made
    finally:
        for client in made.values():
            client.close()


def crm_user(name: str) -> dict[str, str]:
    return {"email": f"{name}@juniperfinch.example", "first_name": name.title(), "last_name": "Finch"}


def scim_user(name: str) -> dict[str, object]:
    return {"schemas": [USER_URN], "userName": f"{name}@juniperfinch.example"}


def patch(*operations: dict[str, object]) -> dict[str, object]:
    return {"schemas": [PATCH_URN], "Operations": list(operations)}
