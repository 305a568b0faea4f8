"""What a SCIM server says of itself (RFC 7644 §4): asked for once, used where it helps, never required."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from connectors.errors import Refused
from connectors.http import Http
from connectors.scim_attributes import CORE, Attribute, member, parse

OPERATIONS = 1000
COMMON = ("id", "externalid", "meta", "schemas")
"""What every resource has, and few schemas list (RFC 7643 §3.1)."""
PAYLOAD = 1_048_576
"""Of a server that announces bulk without its bounds: the numbers of RFC 7643 §8.5."""


class BulkBounds(NamedTuple):
    """How much one bulk request may hold."""

    operations: int
    payload: int
    """Bytes of the body."""


class Announced(NamedTuple):
    """Of ServiceProviderConfig; None: not said."""

    patch: bool | None = None
    filter: bool | None = None
    bulk: BulkBounds | None = None
    """None also where bulk is not supported."""
    told: bool = False
    """Whether there was an answer."""

    def words(self) -> str:
        """For `rollcall doctor`."""
        if not self.told:
            return "announces nothing"
        known = {"PATCH": self.patch, "filters": self.filter, "bulk": self.bulk is not None}
        return f"announces {', '.join(name for name, there in known.items() if there) or 'no features'}"


class Discovery:
    """One server's ServiceProviderConfig, read when it is first wanted. Safe to use from several threads."""

    def __init__(self, http: Http) -> None:
        self.http, self.lock = http, threading.Lock()
        self.known: Announced | None = None

    def announced(self) -> Announced:
        """1 call the first time. A server that has no such page, or shows it to nobody, has said nothing."""
        with self.lock:
            if self.known is None:
                self.known = announced_in(self.page())
            return self.known

    def page(self, path: str = "/ServiceProviderConfig") -> Any:
        """The page; None where there is none. A server that is down raises."""
        try:
            return self.http.json("GET", path, doing="read what the server announces")
        except Refused:
            return None

    def doubts(self, fields: Iterable[str], groups: bool) -> list[str]:
        """2 calls: what of the app's YAML the server's own pages contradict, in words. Nothing where there are none."""
        strange = unknown(resources(self.page("/Schemas")), fields)
        found = [f"its schemas do not have {', '.join(strange)}"] if strange else []
        kinds = [str(member(each, "endpoint") or "").strip("/") for each in resources(self.page("/ResourceTypes"))]
        if groups and kinds and "Groups" not in kinds:
            found.append("it names no /Groups (say `groups: false`)")
        return found

    def no_bulk(self) -> None:
        """Bulk was seen not to work."""
        self.known = self.announced()._replace(bulk=None)


def announced_in(page: Any) -> Announced:
    """What the page says; pages of another shape say nothing."""
    if not isinstance(page, Mapping):
        return Announced()
    return Announced(supported(page, "patch"), supported(page, "filter"), bounds(member(page, "bulk")), True)


def supported(page: Mapping[str, Any], feature: str) -> bool | None:
    """Whether a feature is announced, as bool or as text."""
    value = member(member(page, feature), "supported")
    return None if value is None else str(value).lower() == "true"


def bounds(bulk: Any) -> BulkBounds | None:
    """The bounds of bulk where it is announced and takes at least two operations."""
    if not isinstance(bulk, Mapping) or not supported({"bulk": bulk}, "bulk"):
        return None
    operations = number(member(bulk, "maxOperations"), OPERATIONS)
    payload = number(member(bulk, "maxPayloadSize"), PAYLOAD)
    return BulkBounds(operations, payload) if operations > 1 and payload > 0 else None


def number(value: Any, otherwise: int) -> int:
    """A number, also as text."""
    return int(value) if isinstance(value, (int, str)) and str(value).isdigit() else otherwise


def resources(page: Any) -> list[Any]:
    """The resources of a list, with or without its envelope (RFC 7644 §4); none where it is no list."""
    found = member(page, "Resources") if isinstance(page, Mapping) else page
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def unknown(schemas: list[Any], fields: Iterable[str]) -> list[str]:
    """The fields that none of the schemas describes; none where the core schema itself is not described."""
    known = {str(member(each, "id")).lower(): described(member(each, "attributes")) for each in schemas}
    if not known.get(CORE.lower()):
        return []
    return [name for name in fields if not is_known(parse(name), known)]


def is_known(attribute: Attribute, known: Mapping[str, Mapping[str, set[str]]]) -> bool:
    """Whether its schema has the attribute, and the part of it that is meant."""
    if not attribute.urn and attribute.name.lower() in COMMON:
        return True
    parts = known.get((attribute.urn or CORE).lower(), {}).get(attribute.name.lower())
    return parts is not None and (not attribute.sub or not parts or attribute.sub.lower() in parts)


def described(attributes: Any) -> dict[str, set[str]]:
    """Name of each attribute of a schema -> the names of its parts, in small letters."""
    listed = [each for each in attributes if isinstance(each, Mapping)] if isinstance(attributes, list) else []
    return {str(member(each, "name")).lower(): set(described(member(each, "subAttributes"))) for each in listed}
