"""A small in-house tool on Django REST Framework (PyPI), as a process of its own: staff and teams behind a login page.

Its YAML is the one that docs/rest.md arrives at.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.foreign import GROUPS, Shown
from tests.own_process import Own, rows

USER, PASSWORD = "rollcall-robot", "canary-Keemun-0815"
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rest.md"
FIELDS = {"work_email": "email", "given_name": "first_name", "family_name": "last_name"}


class Drf(Own):
    """The server, and what its database holds."""

    name = "shelf"
    module, program, arguments = "rest_framework", "drf", (USER, PASSWORD, *GROUPS)

    @property
    def rules_yaml(self) -> str:
        """The YAML that the page ends with."""
        return re.findall(r"```yaml\n# apps/shelf\.yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]

    def environment(self) -> dict[str, str]:
        """What the YAML names."""
        return {"SHELF_URL": self.url, "SHELF_USER": USER, "SHELF_PASSWORD": PASSWORD}

    def account(self, email: str) -> Shown | None:
        """Straight from the database."""
        found = self.rows("SELECT * FROM auth_user WHERE lower(email) = lower(?)", email)
        if not found:
            return None
        query = "SELECT g.name FROM auth_group g JOIN auth_user_groups m ON m.group_id = g.id WHERE m.user_id = ?"
        names = frozenset(row["name"] for row in self.rows(query, found[0]["id"]))
        told = {ours: found[0][theirs] for ours, theirs in FIELDS.items()}
        return Shown(str(found[0]["id"]), bool(found[0]["is_active"]), names, told)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the database, or the effect of a statement on it."""
        return rows(self.folder / "django.db", query, *values)

    def sign_everybody_out(self) -> None:
        """End all sessions, as a restart with another key would."""
        self.rows("DELETE FROM django_session")


FOREIGN = (Drf,)
