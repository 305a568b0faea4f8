"""How a body is written down: JSON, an HTML form, multipart, JSON Patch, XML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import xmltodict

from connectors.fields import text

Format = Literal["json", "form", "multipart", "json-patch", "xml"]


def encoded(format: Format, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What httpx takes for this body, and the headers that httpx does not set for it."""
    if not body:
        return {}, {}
    if format == "form":
        return {"data": by_name(body)}, {}
    if format == "multipart":
        return {"files": [(name, (None, value.encode())) for name, value in pairs(body)]}, {}
    if format == "json-patch":
        return {"json": list(operations(body))}, {"Content-Type": "application/json-patch+json"}
    if format == "xml":
        return {"content": xmltodict.unparse(body).encode()}, {"Content-Type": "application/xml"}
    return {"json": body}, {}


def by_name(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values of a form's fields."""
    found: dict[str, list[str]] = {}
    for name, value in pairs(body):
        found.setdefault(name, []).append(value)
    return found


def pairs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """A form's fields: `user[email]` for nested ones, the name again for each item of a list."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            many = key.endswith("[]")  # `user[tags][]`, as PHP and Rails want it
            inside = f"{name}[{key.removesuffix('[]')}]{'[]' * many}"
            yield from pairs(inner, inside if name else key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from pairs(inner, name)
    else:
        yield name, text(value) or ""


def operations(body: Mapping[str, Any], under: str = "") -> Iterator[dict[str, Any]]:
    """A JSON Patch that sets every field (RFC 6902 §4.3; `add` sets what is absent too, §4.1)."""
    for key, value in body.items():
        path = f"{under}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and value:
            yield from operations(value, path)
        else:
            yield {"op": "add", "path": path, "value": value}
