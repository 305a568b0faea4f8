"""Readable names for SCIM attributes (RFC 7643), in and out of resources, PATCH paths and filters.

userName, name.givenName         as they are
emails.work, addresses.work.city the value of that type in a multi-valued attribute
enterprise.department            of the enterprise extension
urn:…:User:badge                 of any other extension, by its whole URN
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from connectors.fields import text

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MULTI = ("emails", "phoneNumbers", "addresses", "ims", "photos", "entitlements", "roles")
COMPLEX = {"manager": "value"}
"""Complex attributes and the part of them that is meant where none is named."""

Resource = dict[str, Any]


class Attribute(NamedTuple):
    """One attribute by its parts."""

    urn: str
    """The extension's schema; empty for the core."""
    name: str
    type: str
    """Which value of a multi-valued attribute; empty for single-valued ones."""
    sub: str
    """The part of a complex attribute; empty for simple ones."""

    @property
    def path(self) -> str:
        """As PATCH and filters write it, e.g. `emails[type eq "work"].value`."""
        head = f"{self.urn}:{self.name}" if self.urn else self.name
        return head + (f"[type eq {quoted(self.type)}]" if self.type else "") + (f".{self.sub}" if self.sub else "")


def parse(name: str) -> Attribute:
    """The parts of a readable name."""
    urn, rest = "", name
    if name.startswith("urn:"):
        urn, _, rest = name.rpartition(":")
    elif name.startswith("enterprise."):
        urn, rest = ENTERPRISE, name.removeprefix("enterprise.")
    first, *more = rest.split(".")
    if first in MULTI and more:
        return Attribute(urn, first, more[0], more[1] if len(more) > 1 else "value")
    return Attribute(urn, first, "", more[0] if more else COMPLEX.get(first, ""))


def quoted(value: str) -> str:
    """A string in a filter: JSON's escapes (RFC 7644 §3.4.2.2)."""
    return json.dumps(value, ensure_ascii=False)


def document(attributes: Mapping[str, str]) -> Resource:
    """A User resource with these attributes; empty values are left out."""
    resource: Resource = {"schemas": [CORE]}
    for name, value in attributes.items():
        if value != "":
            place(resource, parse(name), value)
    return resource


def place(resource: Resource, attribute: Attribute, value: str) -> None:
    """Set one attribute in a resource, and leave the rest as it is."""
    home = resource
    if attribute.urn:
        if attribute.urn not in resource.setdefault("schemas", [CORE]):
            resource["schemas"].append(attribute.urn)
        home = resource.setdefault(attribute.urn, {})
    if attribute.type:
        place_typed(home.setdefault(attribute.name, []), attribute, value)
    elif attribute.sub:
        home.setdefault(attribute.name, {})[attribute.sub] = value
    else:
        home[attribute.name] = value


def place_typed(values: list[Resource], attribute: Attribute, value: str) -> None:
    """Set the value of one type; the first one of all becomes the primary."""
    entry = next((v for v in values if str(v.get("type", "")).lower() == attribute.type.lower()), None)
    if entry is None:
        entry = {"type": attribute.type} | ({} if values else {"primary": True})
        values.append(entry)
    entry[attribute.sub] = value


def flat(resource: Resource, names: Iterable[str]) -> dict[str, str]:
    """The named attributes of a resource as text; absent ones are left out."""
    found = {name: text(value_of(resource, parse(name))) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def value_of(resource: Resource, attribute: Attribute) -> Any:
    """One attribute's value. Names compare without case (RFC 7643 §2.1); untyped single values count."""
    home = member(resource, attribute.urn) if attribute.urn else resource
    value = member(home, attribute.name)
    if attribute.type:
        value = typed(value, attribute.type)
    if attribute.sub and isinstance(value, dict):
        return member(value, attribute.sub)
    return value


def typed(values: Any, type_: str) -> Any:
    """The entry of that type; the only entry where it has no type."""
    entries = [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []
    if len(entries) == 1 and not entries[0].get("type"):
        return entries[0]
    return next((v for v in entries if str(v.get("type", "")).lower() == type_.lower()), None)


def member(body: Any, name: str) -> Any:
    """An object's member by name, without case."""
    if not isinstance(body, Mapping):
        return None
    if name in body:
        return body[name]
    return next((v for k, v in body.items() if k.lower() == name.lower()), None)


def is_active(resource: Resource) -> bool:
    """`active` as bool or string; an account that says nothing is active."""
    value = member(resource, "active")
    return value is None or str(value).strip().lower() not in ("false", "0", "no")


def operations(attributes: Mapping[str, str], add: Collection[str] = ()) -> list[Resource]:
    """PATCH operations that set these attributes and no others; an empty value removes.

    `add` names typed attributes (`emails.home`) of which there is no value yet: it is added whole, since `replace`
    would find no target (RFC 7644 §3.5.2.3: noTarget).
    """
    found: list[Resource] = []
    for name, value in attributes.items():
        attribute = parse(name)
        if value == "":
            found.append({"op": "remove", "path": attribute.path})
        elif name in add and attribute.type:
            head = f"{attribute.urn}:{attribute.name}" if attribute.urn else attribute.name
            found.append({"op": "add", "path": head, "value": [{"type": attribute.type, attribute.sub: value}]})
        else:
            found.append({"op": "replace", "path": attribute.path, "value": value})
    return found


def patch(operations: list[Resource]) -> Resource:
    """The body of a PATCH."""
    return {"schemas": [PATCH], "Operations": operations}
