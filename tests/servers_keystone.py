"""OpenStack Keystone (PyPI) as a process of its own: a token in a header, wrapped bodies, groups made when wanted."""

from __future__ import annotations

import json

from tests.foreign import Shown
from tests.own_process import Own, rows

USER, PASSWORD = "rollcall-robot", "canary-Dooars-3141"


class Keystone(Own):
    """The server, and what its database holds."""

    name = "cloud"
    module, program, arguments = "keystone", "keystone_api", (USER, PASSWORD)
    rules_yaml = """\
title: Private cloud
tier: app
connector: rest
owner: it@juniperfinch.example
key: name
attributes:
  name: "{work_email}"
  email: "{work_email}"
  description: "{display_name}"
leaver: disable
options:
  url: ${CLOUD_URL}/v3
  auth:
    login:
      path: /auth/tokens
      json:
        auth.identity.methods: [password]
        auth.identity.password.user.name: ${CLOUD_USER}
        auth.identity.password.user.domain.id: default
        auth.identity.password.user.password: ${CLOUD_PASSWORD}
        auth.scope.project.name: ops
        auth.scope.project.domain.id: default
      token: {header: X-Subject-Token}
      header: X-Auth-Token
      prefix: ""
      ended: [401]
  pages:
    link: {at: links.next}
  users:
    list: {path: /users, items: users}
    find: {path: /users, query: {name: "{key}"}}
    read: /users/{id}
    item: user
    create: {verb: POST, path: /users, wrap: user, body: {password: "{random}", enabled: true}}
    update: {verb: PATCH, path: "/users/{id}", wrap: user}
    delete: {verb: DELETE, path: "/users/{id}"}
  active:
    field: enabled
  entitlements:
    list: {path: /groups, items: groups}
    held: {list: {path: "/users/{id}/groups", items: groups}}
    members: {path: "/groups/{entitlement}/users", items: users}
    grant: {verb: PUT, path: "/groups/{entitlement}/users/{id}"}
    revoke: {verb: DELETE, path: "/groups/{entitlement}/users/{id}", already: [404]}
    create: {verb: POST, path: /groups, body: {group.name: "{name}"}}
"""

    def environment(self) -> dict[str, str]:
        """What the YAML names."""
        return {"CLOUD_URL": self.url, "CLOUD_USER": USER, "CLOUD_PASSWORD": PASSWORD}

    def account(self, email: str) -> Shown | None:
        """Straight from the database, where people's own fields are in JSON."""
        db = self.folder / "keystone.db"
        query = "SELECT u.id, u.enabled, u.extra FROM user u JOIN local_user l ON l.user_id = u.id WHERE l.name = ?"
        found = rows(db, query, email)
        if not found:
            return None
        query = 'SELECT g.name FROM "group" g JOIN user_group_membership m ON m.group_id = g.id WHERE m.user_id = ?'
        names = frozenset(row["name"] for row in rows(db, query, found[0]["id"]))
        extra = json.loads(found[0]["extra"])
        given, _, family = extra["description"].partition(" ")
        told = {"work_email": extra["email"], "given_name": given, "family_name": family}
        return Shown(found[0]["id"], bool(found[0]["enabled"]), names, told)


FOREIGN = (Keystone,)
