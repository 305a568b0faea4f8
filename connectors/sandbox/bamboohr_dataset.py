"""The employee dataset (v2) as its OpenAPI description has it: chosen columns, filtered, in order, page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from connectors.sandbox.bamboohr_fields import chosen, field_name
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, json_answer

DEFAULT, MOST = 100, 1000
TEST = re.compile(r"\s*(\w+)\s+(?:eq\s+('[^']*')|in\s*\(((?:\s*'[^']*'\s*,?)+)\))\s*")
Fields = Callable[[str], Row]
"""All fields of the employee with a key."""


class Test(NamedTuple):
    """What a filter wants of a field: one of these values."""

    field: str
    values: Collection[str]


def texts(row: Row) -> Row:
    """A dataset's values are all texts, empty ones too (DatasetDataResponseV2)."""
    return {name: "" if value is None else str(value) for name, value in row.items()}


def answer(call: Call, keys: Sequence[str], fields: Fields) -> Answer:
    """One page; what is asked for is checked before."""
    asked = call.json()
    if not isinstance(asked.get("fields"), list) or not asked["fields"]:
        raise Rejection(problem_details(400, "fields is required"))
    page, size = int(asked.get("page", 1)), int(asked.get("pageSize", DEFAULT))
    if not 1 <= size <= MOST or page < 1:
        raise Rejection(problem_details(422, f"pageSize is from 1 to {MOST}"))
    found = ordered(filtered(keys, tests_of(asked.get("filter")), fields), order_of(asked), fields)
    pages, start = max(1, -(-len(found) // size)), (page - 1) * size
    data = [{"fields": texts(chosen(fields(key), asked["fields"]))} for key in found[start : start + size]]
    meta = {"page": page, "pageSize": size, "totalPages": pages, "totalItems": len(found)}
    here = f"{call.base}{call.path}?page="
    links = {
        "next": f"{here}{page + 1}" if page < pages else None,
        "prev": f"{here}{page - 1}" if page > 1 else None,
    }
    return json_answer(200, {"data": data, "links": links, "meta": meta})


def filtered(keys: Sequence[str], tests: list[Test], fields: Fields) -> Sequence[str]:
    """Those who meet all tests; ids are looked at first, for that needs no fields."""
    for test in (each for each in tests if each.field == "id"):
        keys = [key for key in keys if key in test.values]
    others = [each for each in tests if each.field != "id"]
    return [key for key in keys if met(fields(key), others)] if others else keys


def met(row: Row, tests: list[Test]) -> bool:
    return all(row.get(test.field) in test.values for test in tests)


def tests_of(text: object) -> list[Test]:
    """`field eq 'value'` and `field in ('a','b')`, joined by and; 422 for what else the description allows."""
    parts = re.split(r"\s+and\s+", str(text)) if text else []
    matches = [TEST.fullmatch(part) for part in parts]
    found = [Test(field_name(m[1]), frozenset(re.findall(r"'([^']*)'", m[2] or m[3]))) for m in matches if m]
    if len(found) != len(parts):
        raise Rejection(problem_details(422, "filter: this twin knows only field eq 'value', field in (…) and …"))
    return found


def order_of(asked: Row) -> list[tuple[str, bool]]:
    """Field and whether it falls; 422 where a field is not among those asked for."""
    found = []
    for rule in filter(None, map(str.strip, str(asked.get("orderBy") or "").split(","))):
        name, _, way = rule.partition(" ")
        if name not in asked["fields"] or way.strip() not in ("", "asc", "desc"):
            raise Rejection(problem_details(422, f"orderBy: {rule}"))
        found.append((field_name(name), way.strip() == "desc"))
    return found


def ordered(keys: Sequence[str], order: list[tuple[str, bool]], fields: Fields) -> Sequence[str]:
    """By the first rule last, for sorting is stable. Ids count as numbers."""
    for name, falls in reversed(order):
        keys = sorted(keys, key=int if name == "id" else value_of(fields, name), reverse=falls)
    return keys


def value_of(fields: Fields, name: str) -> Callable[[str], Any]:
    return lambda key: str(fields(key).get(name) or "")


def problem_details(status: int, detail: str) -> Answer:
    """RFC 7807, as the datasets answer."""
    body = {"type": "about:blank", "title": detail, "status": status, "detail": detail}
    return Answer(status, json_answer(status, body).body, "application/problem+json")
