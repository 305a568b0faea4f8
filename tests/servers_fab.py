"""Flask-AppBuilder (PyPI), whose user API Superset and Airflow have, as a process of its own: JWT login, pages inside a
Rison query, roles as a whole list that must not be empty."""

from __future__ import annotations

from tests.foreign import GROUPS, Shown
from tests.own_process import Own, rows

USER, PASSWORD = "rollcall-robot", "canary-Assam-2277"
FIELDS = {"work_email": "email", "given_name": "first_name", "family_name": "last_name"}


class Dashboards(Own):
    """The server, and what its database holds."""

    name = "dashboards"
    module, program, arguments = "flask_appbuilder", "fab", (USER, PASSWORD, *GROUPS)
    rules_yaml = """\
title: Dashboards
tier: app
connector: rest
owner: it@juniperfinch.example
key: username
attributes:
  username: "{work_email}"
  email: "{work_email}"
  first_name: "{given_name}"
  last_name: "{family_name}"
leaver: disable
options:
  url: ${DASHBOARDS_URL}/api/v1
  auth:
    login:
      path: /security/login
      json: {username: "${DASHBOARDS_USER}", password: "${DASHBOARDS_PASSWORD}", provider: db}
      token: {field: access_token}
  pages:
    page: {param: page, first_page: 0, size: per, per: 5, total: count}
  users:
    list: {path: /security/users/, items: result, query: {q: "(page:{page},page_size:{per})"}}
    find:                  # `eq` minds case; `ct` finds parts
      path: /security/users/
      query: {q: "(filters:!((col:username,opr:ct,value:'{key}')),page:{page},page_size:{per})"}
      exact: false
    read: /security/users/{id}
    item: result
    create: {verb: POST, path: /security/users/, item: "", body: {password: "{random}", active: true, roles: [2]}}
    update: {verb: PUT, path: "/security/users/{id}"}
    delete: {verb: DELETE, path: "/security/users/{id}"}
  active:
    field: active
  entitlements:
    list: {path: /security/roles/, items: result, query: {q: "(page:{page},page_size:{per})"}}
    held: {field: roles}
    hidden: [Public]       # nobody may be without a role: it is the one that means nothing
"""

    def environment(self) -> dict[str, str]:
        """What the YAML names."""
        return {"DASHBOARDS_URL": self.url, "DASHBOARDS_USER": USER, "DASHBOARDS_PASSWORD": PASSWORD}

    def account(self, email: str) -> Shown | None:
        """Straight from the database. Public is left out: it is what anybody has who is not signed in."""
        db = self.folder / "fab.db"
        found = rows(db, "SELECT * FROM ab_user WHERE lower(email) = lower(?)", email)
        if not found:
            return None
        query = "SELECT r.name FROM ab_role r JOIN ab_user_role m ON m.role_id = r.id WHERE m.user_id = ?"
        names = frozenset(row["name"] for row in rows(db, query, found[0]["id"])) - {"Public"}
        told = {ours: found[0][theirs] for ours, theirs in FIELDS.items()}
        return Shown(str(found[0]["id"]), bool(found[0]["active"]), names, told)


FOREIGN = (Dashboards,)
