"""The two directories as tests use them: started once, each test with people of its own, with a door for faults."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.catalogue import connect
from flows import presets
from mappings.rules import attributes_of
from mappings.vocabulary import AppRules
from tests.ldap_client import Row, quoted
from tests.ldap_faults import Door
from tests.servers_ldap import LdapServer, SambaDomain, Slapd

KINDS: dict[str, type[LdapServer]] = {kind.name: kind for kind in (Slapd, SambaDomain)}
PASSWORD = "Set-by-4dmin-for-the-test"
NUMBERS = itertools.count(1)
VALUES = {"given_name": "Nadia", "location": "Lisbon", "company": "Juniper & Finch", "title": "Account Executive"}


@cache
def running(name: str) -> tuple[LdapServer, Door]:
    """The server and its door, for the whole test run; ended with it."""
    server, folder = KINDS[name](), Path(tempfile.mkdtemp(prefix=f"rollcall-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    server.start(folder)
    door = Door(server.authority, server.host, server.port)
    atexit.register(door.close)
    return server, door


class Ground:
    """An app of the preset, its directory, and people whom no other test knows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.server, self.door = running(name)
        self.door.heal()
        self.rules = presets.rules(name)
        self.app: Any = self.again()

    def again(self, rules: AppRules | None = None, **environment: str) -> Any:
        """The app in another process: nothing remembered."""
        here = self.server.environment | {f"{self.server.prefix}_URL": self.door.url} | environment
        return connect(self.name, rules or self.rules, here)

    def with_options(self, more: Mapping[str, Any] = {}, **options: Any) -> Any:
        """The app with these options changed, and `more` attributes."""
        changed = {"options": {**self.rules.options, **options}, "attributes": {**self.rules.attributes, **more}}
        return self.again(self.rules.model_copy(update=changed))

    def person(self, **values: str) -> dict[str, str]:
        """HR's values of somebody new."""
        number = next(NUMBERS)
        own = {
            "family_name": f"Okafor{number}",
            "display_name": f"Nadia Okafor{number}",
            "work_email": f"nadia.okafor{number}@juniperfinch.example",
            "user_name": f"nadia.okafor{number}",
            "employee_id": f"{number:05}",
            "department": "Sales",
        }
        return {**VALUES, **own, **values}

    def attributes(self, person: Mapping[str, str]) -> dict[str, str]:
        return attributes_of(self.rules, dict(person))

    def someone(self, **values: str) -> dict[str, str]:
        """The attributes of somebody new."""
        return self.attributes(self.person(**values))

    def make(self, attributes: Mapping[str, str] | None = None) -> str:
        _, id = self.app.create(attributes or self.someone())
        return str(id)

    # the other client

    def row(self, id: str) -> Row | None:
        """The entry with this id, by ldapsearch."""
        if self.name == "openldap":
            return self.server.row(f"(entryUUID={id})")
        rows = self.server.admin.rows(self.server.base, "(objectClass=user)", "*")
        return next((row for row in rows if row["objectguid"] == [id]), None)

    def there(self, id: str) -> Row:
        row = self.row(id)
        assert row is not None
        return row

    def count(self, attributes: Mapping[str, str]) -> int:
        """How many entries have this address."""
        return len(self.server.admin.rows(self.server.base, f"(mail={quoted(attributes['mail'])})", "mail"))

    def give_password(self, id: str) -> None:
        """One that an administrator sets, and that `usable` tries."""
        self.server.set_password(self.there(id)["dn"][0], PASSWORD)

    def usable(self, id: str) -> bool:
        """Whether that password lets its owner in."""
        return self.server.sign_in(self.there(id)["dn"][0], PASSWORD)

    def members(self, group: str) -> list[str]:
        rows = self.server.admin.rows(self.server.base, f"(cn={quoted(group)})", "member")
        return [member for row in rows for member in row.get("member", ())]


def ground(name: str) -> Ground:
    """The directory, or a skip that says why there is none here."""
    if why := KINDS[name]().missing():
        pytest.skip(why)
    return Ground(name)
