"""Dotted names for nested fields: `contact.email` is the field `email` of the object `contact`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pick(body: Any, path: str) -> Any:
    """The value at a dotted path; numbers index lists; an empty path is the body itself; None where absent."""
    for part in path.split(".") if path else ():
        if isinstance(body, Mapping):
            body = body.get(part)
        elif isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        else:
            return None
    return body


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, making objects on the way."""
    *way, last = path.split(".")
    for part in way:
        body = body.setdefault(part, {})
    body[last] = value


def nested(values: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """A body out of dotted names, the whole of it below `under` where that is given."""
    body: dict[str, Any] = {}
    for path, value in values.items():
        put(body, f"{under}.{path}" if under else path, value)
    return body


def text(value: Any) -> str | None:
    """A value as attributes hold it: text, `true`/`false` for bools; None for nothing and for objects."""
    if value is None or isinstance(value, (Mapping, list)):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
