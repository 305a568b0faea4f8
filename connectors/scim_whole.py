"""Changing a resource by reading it and putting it back whole, so that nobody else's change in between is lost."""

from __future__ import annotations

from collections.abc import Callable

from connectors.errors import Refused
from connectors.fields import pick
from connectors.http import Http
from connectors.scim_attributes import Resource

CHANGED = 412
TRIES = 6


def put_back(
    http: Http, path: str, change: Callable[[Resource], Resource], doing: str, read: Resource | None = None
) -> None:
    """2 calls, 1 where it was `read` just now; `change` makes the body out of the resource.

    A server that gives versions is told which one was read (RFC 7644 §3.14); one that has another by now (412) is read
    again.
    """
    for last in range(1, TRIES + 1):
        resource = read or http.json("GET", path, doing=doing)
        version = pick(resource, "meta.version")
        try:
            http.request("PUT", path, doing=doing, json=change(resource), headers=matching(version))
            return
        except Refused as error:
            if error.status != CHANGED or last == TRIES:
                raise
            read = None


def matching(version: object) -> dict[str, str]:
    """The header that names the version; none where there is none."""
    return {"If-Match": version} if isinstance(version, str) and version else {}
