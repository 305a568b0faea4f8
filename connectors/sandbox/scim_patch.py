"""SCIM PATCH (RFC 7644 3.5.2) on one resource held as a dict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from connectors.sandbox.scim_filter import Test, parsed, passes
from connectors.sandbox.scim_schema import (
    ENTERPRISE,
    ENTERPRISE_ATTRIBUTES,
    EXTERNAL_ID,
    GROUP,
    USER,
    Attribute,
    BadValue,
    fitted,
    fitted_one,
    named,
)
from connectors.sandbox.store import Row

PATH = re.compile(r"([\w$-]+)(?:\[(.*)\])?(?:\.([\w$-]+))?", re.DOTALL)
OPERATIONS = ("add", "remove", "replace")


class Operation(NamedTuple):
    op: str
    path: str | None
    value: Any


class Target(NamedTuple):
    """Where an operation points: in which part of the resource, at what, at which values, at which part of them."""

    holder: Row
    attribute: Attribute
    where: Test | None
    sub: Attribute | None


def operations(body: Row) -> Iterator[Operation]:
    """The operations of a PatchOp message, those without path spread into one per attribute."""
    listed = next((v for k, v in body.items() if k.lower() == "operations"), None)
    if not isinstance(listed, list) or not listed:
        raise BadValue("Operations is missing", "invalidSyntax")
    for each in listed:
        yield from spread(each)


def spread(sent: Any) -> Iterator[Operation]:
    op = str(sent.get("op", "")).lower() if isinstance(sent, dict) else ""
    if op not in OPERATIONS:
        raise BadValue(f"op is one of {', '.join(OPERATIONS)}", "invalidSyntax")
    path, value = sent.get("path"), sent.get("value")
    if path:
        yield from deeper(op, str(path), value)
    elif op == "remove":
        raise BadValue("remove needs a path", "noTarget")
    elif not isinstance(value, dict):
        raise BadValue("without a path, value is an object")
    else:
        for name, part in value.items():
            if name.lower() != "schemas":
                yield from deeper(op, name, part)


def deeper(op: str, path: str, value: Any) -> Iterator[Operation]:
    """An operation on the whole extension is one on each attribute named."""
    if path.lower() == ENTERPRISE.lower() and isinstance(value, dict):
        for name, part in value.items():
            if name.lower() != "schemas":
                yield Operation(op, f"{ENTERPRISE}:{name}", part)
    else:
        yield Operation(op, path, value)


def patched(row: Row, attributes: tuple[Attribute, ...], body: Row) -> Row:
    """The resource after all operations; BadValue where one of them cannot be done, and then none is."""
    result: Row = orjson.loads(orjson.dumps(row))
    for operation in operations(body):
        apply(result, attributes, operation)
    if not result.get(ENTERPRISE, True):
        del result[ENTERPRISE]
    return result


def apply(row: Row, attributes: tuple[Attribute, ...], operation: Operation) -> None:
    path = operation.path or ""
    if path.lower() == ENTERPRISE.lower():
        row.pop(ENTERPRISE, None)
        return
    target = resolved(row, attributes, path)
    if operation.op == "remove" or operation.value is None:
        remove(target)
    elif target.attribute.multi:
        set_values(target, operation.op, operation.value)
    else:
        set_value(target, operation.value)


def resolved(row: Row, attributes: tuple[Attribute, ...], path: str) -> Target:
    holder, known = row, (*attributes, EXTERNAL_ID)
    for urn in (ENTERPRISE, USER, GROUP):
        if path.lower().startswith(f"{urn.lower()}:"):
            path = path[len(urn) + 1 :]
            if urn == ENTERPRISE:
                holder, known = row.setdefault(ENTERPRISE, {}), ENTERPRISE_ATTRIBUTES
            break
    found = PATH.fullmatch(path)
    attribute = named(known, found[1]) if found else None
    if not found or not attribute:
        raise BadValue(f"unknown path {path!r}", "invalidPath")
    sub = named(attribute.sub, found[3]) if found[3] else None
    if found[3] and not sub:
        raise BadValue(f"unknown path {path!r}", "invalidPath")
    if "readOnly" in (attribute.mutability, sub.mutability if sub else ""):
        raise BadValue(f"{path} is read-only", "mutability")
    return Target(holder, attribute, parsed(found[2]) if found[2] else None, sub)


def chosen(target: Target) -> list[Row]:
    """The values of a multi-valued attribute that the path's filter picks, or all."""
    held: list[Row] = target.holder.get(target.attribute.name, [])
    return [each for each in held if target.where is None or passes(target.where, each)]


def remove(target: Target) -> None:
    name = target.attribute.name
    if target.attribute.required and not target.where:
        raise BadValue(f"{name} is required", "mutability")
    if name not in target.holder:
        return
    if target.sub:
        for part in chosen(target) if target.attribute.multi else [target.holder[name]]:
            part.pop(target.sub.name, None)
        return
    gone = chosen(target) if target.where else None
    left = [each for each in target.holder[name] if each not in gone] if gone is not None else []
    if left:
        target.holder[name] = left
    else:
        del target.holder[name]


def set_value(target: Target, value: Any) -> None:
    """A simple attribute is replaced; of a complex one the parts that are given."""
    name = target.attribute.name
    if target.sub:
        target.holder.setdefault(name, {})[target.sub.name] = fitted(target.sub, value)
        return
    new = fitted(target.attribute, value)
    target.holder[name] = target.holder.get(name, {}) | new if target.attribute.sub else new


def set_values(target: Target, op: str, value: Any) -> None:
    name = target.attribute.name
    if target.where or target.sub:
        return set_parts(target, op, value)
    new = fitted(target.attribute, value if isinstance(value, list) else [value])
    held = target.holder.get(name, []) if op == "add" else []
    if any(each.get("primary") for each in new):
        held = [each | {"primary": False} if each.get("primary") else each for each in held]
    target.holder[name] = held + [each for each in new if each not in held]


def set_parts(target: Target, op: str, value: Any) -> None:
    """Change the picked values; with `add`, one that is not there is made from the filter's `eq`."""
    picked = chosen(target)
    if not picked and target.where and op == "add" and target.where.op == "eq":
        picked = [{target.where.attr: target.where.value}]
        target.holder.setdefault(target.attribute.name, []).extend(picked)
    if not picked and target.where:
        raise BadValue("no value fits the filter of the path", "noTarget")
    for each in picked:
        each |= {target.sub.name: fitted(target.sub, value)} if target.sub else fitted_one(target.attribute, value)
