"""Lists as Google answers them: pages by token, partial answers by `fields`, searches by `query`."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, json_answer

CLAUSE = re.compile(r"""(\w+)\s*(=|:)\s*('(?:[^'\\]|\\.)*'|[^\s']+)""")
KINDS = "admin#directory#"
Reading = Callable[[Row], Sequence[str]]
"""The values of a row that a search compares with."""


class Unreadable(ValueError):
    """A parameter that Google does not understand."""


def page(
    call: Call,
    rows: Sequence[Row],
    name: str,
    kind: str,
    most: int,
    usual: int = 100,
    show: Callable[[Row], Row] = lambda row: row,
) -> Answer:
    """A page of rows under `name`, as `show` makes them; an empty list is left out, as Google does."""
    query = call.query
    size = int(query.get("maxResults") or usual)
    if not 1 <= size <= most:
        raise Unreadable(f"Invalid value '{size}'. Values must be within the range: [1, {most}]")
    start = started(query.get("pageToken"))
    found = [show(row) for row in rows[start : start + size]]
    body: Row = {"kind": KINDS + kind, "etag": '"of-the-sandbox"'} | ({name: found} if found else {})
    if start + size < len(rows):
        body["nextPageToken"] = urlsafe_b64encode(f"from {start + size}".encode()).decode().rstrip("=")
    return json_answer(200, masked(body, query.get("fields")))


def started(token: str | None) -> int:
    """Where a page begins."""
    if not token:
        return 0
    try:
        said = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        said = ""
    if not re.fullmatch(r"from \d+", said):
        raise Unreadable("Invalid Input: pageToken")
    return int(said.removeprefix("from "))


def masked(body: Row, fields: str | None) -> Row:
    """The part of an answer that `fields` asks for: `users(id,name/givenName),nextPageToken`."""
    return dict(picked(body, tree(fields))) if fields else body


def tree(fields: str) -> dict[str, Any]:
    """The mask as nested names; an empty dict means all below."""
    wanted: dict[str, Any] = {}
    stack, here = [wanted], wanted
    for name, sign in re.findall(r"([\w/*]*)([(),]|$)", fields):
        here = stack[-1]
        for part in name.split("/") if name else ():
            here = here.setdefault(part, {})
        if sign == "(":
            stack.append(here)
        elif sign == ")":
            stack.pop()
            if not stack:
                raise Unreadable("Invalid field selection")
    return wanted


def picked(value: Any, wanted: Mapping[str, Any]) -> Any:
    """What the mask leaves of a value."""
    if isinstance(value, list):
        return [picked(each, wanted) for each in value]
    if not wanted or not isinstance(value, Mapping):
        return value
    return {name: picked(value[name], inner) for name, inner in wanted.items() if name in value}


def searched(rows: Sequence[Row], query: str, readings: Mapping[str, Reading]) -> list[Row]:
    """Rows for which every clause holds: `field=value` is exact, `field:value` begins a word, both without case."""
    clauses = CLAUSE.findall(query)
    if not clauses or CLAUSE.sub("", query).strip():
        raise Unreadable("Invalid Input: query")
    for field, sign, value in clauses:
        if field not in readings:
            raise Unreadable("Invalid Input: query")
        rows = [row for row in rows if hits(readings[field](row), sign, spelled(value))]
    return list(rows)


def spelled(value: str) -> str:
    """A value without its quotation marks, in lower case."""
    bare = value[1:-1].replace("\\'", "'").replace("\\\\", "\\") if value.startswith("'") else value
    return bare.casefold()


def hits(values: Sequence[str], sign: str, wanted: str) -> bool:
    words = [value.casefold() for value in values]
    if sign == "=":
        return wanted in words
    stem = wanted.removesuffix("*")
    return any(part.startswith(stem) for word in words for part in [word, *re.split(r"[\s@.]", word)])
