"""Users of Microsoft Graph as accounts, and attributes as Graph wants them.

Sources: learn.microsoft.com/graph/api/resources/user (only some properties come without $select), user-post-users
(required properties).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.fields import nested, pick, text
from connectors.listing import Row
from mappings.access import Account

MANAGER = "manager"
"""No property but a link: written by itself, read by $expand, and held as the manager's user principal name."""
LISTS = ("businessPhones", "otherMails")
"""Properties with several values, of which one is kept."""
MOMENTS = ("employeeHireDate", "employeeLeaveDateTime")
"""Properties that are moments where HR has days."""
BOOLS = ("showInAddressList", "isResourceAccount")
ALWAYS = ("id", "accountEnabled", "userPrincipalName", "userType", "licenseAssignmentStates")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MIDNIGHT = re.compile(r"T00:00:00(\.0+)?Z$")
NOT_IN_NICKNAMES = re.compile(r"[^\w.'+-]", re.ASCII)
LONGEST_NICKNAME = 64


def selected(fields: Iterable[str]) -> str:
    """What to $select so that these fields come."""
    tops = (field.split(".")[0] for field in fields)
    return ",".join(dict.fromkeys([*ALWAYS, *(top for top in tops if top != MANAGER)]))


def account(user: Row, key: str, fields: Sequence[str], entitlements: Iterable[str]) -> Account:
    """A user as an account."""
    values = {field: value_of(user, field) for field in fields}
    return Account(
        id=str(user["id"]),
        key=value_of(user, key) or "",
        active=user.get("accountEnabled") is not False,
        attributes={field: value for field, value in values.items() if value is not None},
        entitlements=frozenset(entitlements),
    )


def value_of(user: Row, field: str) -> str | None:
    """One field as text; a day where Graph has a day's midnight."""
    if field == MANAGER:
        return text(pick(user, "manager.userPrincipalName"))
    found = pick(user, field)
    if field in LISTS:
        found = found[0] if isinstance(found, list) and found else None
    shown = text(found)
    return MIDNIGHT.sub("", shown) if shown and field in MOMENTS else shown


def body_of(attributes: Mapping[str, str]) -> Row:
    """The attributes as a body; the manager is left out. Nothing is null: Graph refuses an empty text."""
    return nested({field: wire(field, value) for field, value in attributes.items() if field != MANAGER})


def wire(field: str, value: str) -> Any:
    """One value as Graph wants it."""
    if field in LISTS:
        return [value] if value else []
    if value == "":
        return None
    if field in MOMENTS and DAY.fullmatch(value):
        return f"{value}T00:00:00Z"
    return value.lower() == "true" if field in BOOLS else value


def new_user(attributes: Mapping[str, str], key: str) -> Row:
    """The body that makes an account: active, with a password that nobody knows and that must be changed."""
    given = {field: value for field, value in attributes.items() if value != ""}
    name = given.get("userPrincipalName", "")
    blank = {"accountEnabled": True, "displayName": given.get(key, name), "mailNickname": nickname(name)}
    password = {"password": password_nobody_knows(), "forceChangePasswordNextSignIn": True}
    return blank | body_of(given) | {"passwordProfile": password}


def nickname(name: str) -> str:
    """The mail alias out of a user principal name."""
    return NOT_IN_NICKNAMES.sub("", name.partition("@")[0])[:LONGEST_NICKNAME]


def password_nobody_knows() -> str:
    """Random, and of all kinds of characters; it is sent once and kept nowhere."""
    return f"{secrets.token_urlsafe(32)}-aZ9"
