"""Replacing an account by the whole of it, changed: read, change, send back, and again where somebody was faster."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol

from connectors import places
from connectors.answers import Told
from connectors.errors import Refused
from connectors.fields import drop, nested, pick, put
from connectors.listing import Row
from connectors.rest_options import Users, Write

CONFLICT = (409, 412)
"""What servers say to whoever changes an old version (RFC 9110 §15.5.10, §15.5.13)."""
ATTEMPTS = 3


class Kept(Protocol):
    """What replacing needs of the app."""

    name: str
    http: Told
    users: Users

    def row(self, id: str, doing: str) -> Row | None:
        """The account as the app shows it."""


def replaced(app: Kept, call: Write, id: str, fields: Mapping[str, Any], doing: str) -> None:
    """2 calls. Refused where the account is gone, or changes under our hands again and again."""
    for last in (False,) * (ATTEMPTS - 1) + (True,):
        row, tag = seen(app, id, doing)
        try:
            call.deliver(whole(call, row, fields, id), app.http, doing, headers(call, tag), id=id)
            return
        except Refused as error:
            if last or error.status not in CONFLICT:
                raise


def seen(app: Kept, id: str, doing: str) -> tuple[Row, str | None]:
    """The account as it is, and its ETag."""
    tag = None
    if app.users.read is None:
        row = app.row(id, doing)
    else:
        answer = app.users.read.send(app.http, doing, id=id)
        row, tag = pick(app.http.body(answer, doing), app.users.item), answer.headers.get("etag")
    if not isinstance(row, dict) or not row:
        raise Refused(app.name, doing, "there is no such account", status=404)
    return row, tag


def whole(call: Write, row: Row, fields: Mapping[str, Any], id: str) -> dict[str, Any]:
    """The body that replaces the account."""
    changed = deepcopy(row)
    for path in call.leave_out:
        drop(changed, path)
    for path, value in {**places.filled(call.body, places.moments() | {"id": id}), **fields}.items():
        put(changed, path, value)
    return nested({call.wrap: changed}) if call.wrap else changed


def headers(call: Write, tag: str | None) -> dict[str, str]:
    """If-Match, where it is wanted and there is a tag."""
    return {"If-Match": tag} if call.if_match and tag else {}
