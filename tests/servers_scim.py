"""scim2-server of python-scim as a server of tests/foreign.py, read back by plain HTTP."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.connectors_servers import scim2_server
from tests.foreign import Shown

TOKEN = "token-of-a-foreign-server"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Scim2Server:
    """Users and groups of scim2-server."""

    name = "scim2"
    rules_yaml = """\
title: Company sign-on
tier: sso
connector: scim
owner: it@juniperfinch.example
attributes:
  userName: "{work_email}"
  externalId: "{employee_id}"
  name.givenName: "{given_name}"
  name.familyName: "{family_name}"
  displayName: "{display_name}"
  emails.work: "{work_email}"
  title: "{title}"
  enterprise.department: "{department}"
options:
  url: ${SCIM2_URL}
  auth: {bearer: "${SCIM2_TOKEN}"}
  create_groups: true
"""

    def __init__(self) -> None:
        self.running = ExitStack()
        self.client = httpx.Client()

    def missing(self) -> str:
        return "" if importlib.util.find_spec("scim2_server") else "scim2-server is not installed"

    def start(self, folder: Path) -> dict[str, str]:
        url = self.running.enter_context(scim2_server(TOKEN))
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        return {"SCIM2_URL": url, "SCIM2_TOKEN": TOKEN}

    def stop(self) -> None:
        self.client.close()
        self.running.close()

    def account(self, email: str) -> Shown | None:
        user = next((u for u in self.all("Users") if u["userName"] == email), None)
        if user is None:
            return None
        held = {g["displayName"] for g in self.all("Groups") for m in g.get("members", []) if m["value"] == user["id"]}
        attributes = {
            "work_email": user["emails"][0]["value"],
            "given_name": user["name"]["givenName"],
            "family_name": user["name"]["familyName"],
            "department": user[ENTERPRISE]["department"],
            "title": user["title"],
        }
        return Shown(user["id"], user["active"], frozenset(held), attributes)

    def all(self, kind: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/{kind}", params={"count": 1000}).raise_for_status()
        return list(answer.json().get("Resources", []))


FOREIGN = (Scim2Server,)
