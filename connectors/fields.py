"""Dotted names for nested fields: `contact.email` is the field `email` of the object `contact`.

In a list a number is an item's place, `name=value` the first item whose `name` is that value, `*` every item.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pick(body: Any, path: str) -> Any:
    """The value at a dotted path; an empty path is the body itself; None where absent. A field whose own name has
    dots (`@odata.nextLink`) is found by its whole name. Behind `*` comes a list."""
    if isinstance(body, Mapping) and path in body:
        return body[path]
    if isinstance(body, Mapping) and (whole := dotted(body, path)):
        return pick(body[whole], path[len(whole) + 1 :])
    head, _, tail = path.partition(".")
    while head:
        if head == "*":
            return [found for item in listing(body) if (found := pick(item, tail)) is not None]
        body = step(body, head)
        head, _, tail = tail.partition(".")
    return body


def dotted(body: Mapping[str, Any], path: str) -> str:
    """The field whose own name has dots that a path begins with, a schema's of SCIM; empty where there is none."""
    if path.partition(".")[0] in body:
        return ""
    return next((name for name in body if "." in name and path.startswith(f"{name}.")), "")


def step(body: Any, part: str) -> Any:
    """One part of a path further."""
    if isinstance(body, Mapping):
        return body.get(part)
    if isinstance(body, list) and part.isdigit():
        return body[int(part)] if int(part) < len(body) else None
    name, equals, value = part.partition("=")
    return next((item for item in listing(body) if text(pick(item, name)) == value), None) if equals else None


def listing(body: Any) -> list[Any]:
    """A list as it is; nothing of anything else."""
    return body if isinstance(body, list) else []


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, making objects and lists of them on the way."""
    *way, last = path.split(".")
    here: Any = body
    for part, following in zip(way, [*way, last][1:], strict=True):
        here = inside(here, part, following)
    here[last] = value


def inside(here: Any, part: str, following: str) -> Any:
    """The object or list at a part of a path, made where it is missing."""
    if not isinstance(here, list):
        made: Any = [] if "=" in following else {}
        if not isinstance(here.get(part), (dict, list)):
            here[part] = made
        return here[part]
    found = step(here, part)
    if found is None:
        name, _, value = part.partition("=")
        found = {name: int(value) if value.isdigit() else value}
        here.append(found)
    return found


def drop(body: Any, path: str) -> None:
    """Take the field at a dotted path away, where there is one."""
    way, _, last = path.rpartition(".")
    there = pick(body, way)
    if isinstance(there, dict):
        there.pop(last, None)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """A body out of dotted names."""
    body: dict[str, Any] = {}
    for path, value in values.items():
        put(body, path, value)
    return body


def text(value: Any) -> str | None:
    """A value as attributes hold it: text, `true`/`false` for bools; None for nothing and for objects."""
    if value is None or isinstance(value, (Mapping, list)):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
