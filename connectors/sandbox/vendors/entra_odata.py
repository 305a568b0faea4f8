"""What of OData the Graph twin understands: $filter, $select, $expand, $top and $skiptoken.

Sources: learn.microsoft.com/graph/query-parameters, …/graph/filter-query-parameter, …/graph/aad-advanced-queries.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from connectors.sandbox.store import Row
from connectors.sandbox.wire import Call

PAGE, MOST = 100, 999
TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[A-Za-z][\w/]*:?|[(),]|true|false|null|-?\d+)")
ADVANCED = ("ne", "not", "endswith")
"""What only the index store answers: it needs ConsistencyLevel: eventual and $count=true."""
Test = Callable[[Row], bool]


class Unsupported(Exception):
    """A query that the vendor refuses, with its own words."""


class Asked(NamedTuple):
    """A $filter, understood."""

    passes: Test
    equals: tuple[str, str] | None
    """Property and value where the filter is one `eq`, or has one that all must pass."""


class Parser:
    """A $filter as a test of rows."""

    def __init__(self, text: str, advanced: bool) -> None:
        self.words, self.advanced, self.at = words(text), advanced, 0
        self.equal: list[tuple[str, str]] = []
        self.loose = False
        """Whether an `or` or `not` was seen, so that no single `eq` must hold."""

    def asked(self) -> Asked:
        test = self.either()
        if self.at != len(self.words):
            raise Unsupported(f"Syntax error: character '{self.words[self.at]}' is not valid in the filter.")
        return Asked(test, self.equal[0] if self.equal and not self.loose else None)

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def next(self) -> str:
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def either(self) -> Test:
        tests = [self.both()]
        while self.peek().lower() == "or":
            self.next()
            self.loose = True
            tests.append(self.both())
        return lambda row: any(test(row) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.peek().lower() == "and":
            self.next()
            tests.append(self.one())
        return lambda row: all(test(row) for test in tests)

    def one(self) -> Test:
        word = self.next()
        if word == "(":
            test = self.either()
            self.expect(")")
            return test
        if word.lower() == "not":
            self.need("not")
            self.loose = True
            denied = self.one()
            return lambda row: not denied(row)
        if word.lower() in ("startswith", "endswith"):
            return self.affix(word.lower())
        if word.endswith("/any"):
            return self.member(word.removesuffix("/any"))
        return self.comparison(word)

    def affix(self, name: str) -> Test:
        if name == "endswith":
            self.need("endsWith")
        self.expect("(")
        field = self.next()
        self.expect(",")
        value = literal(self.next())
        self.expect(")")
        return lambda row: bool(getattr(str(dig(row, field) or "").casefold(), name)(str(value).casefold()))

    def member(self, field: str) -> Test:
        """`proxyAddresses/any(p:p eq 'smtp:…')`."""
        self.expect("(")
        variable = self.next()
        if self.next() + ":" != variable or self.next().lower() != "eq":
            raise Unsupported("Unsupported or invalid query filter clause specified.")
        wanted = str(literal(self.next())).casefold()
        self.expect(")")
        return lambda row: wanted in [str(item).casefold() for item in dig(row, field) or ()]

    def comparison(self, field: str) -> Test:
        operator, value = self.next().lower(), literal(self.next())
        if operator == "ne":
            self.need("ne")
            return lambda row: not same(dig(row, field), value)
        if operator != "eq":
            raise Unsupported(f"Unsupported or invalid query filter clause specified for property '{field}'.")
        if isinstance(value, str):
            self.equal.append((field, value))
        return lambda row: same(dig(row, field), value)

    def expect(self, sign: str) -> None:
        if self.next() != sign:
            raise Unsupported(f"Syntax error: '{sign}' expected in the filter.")

    def need(self, operator: str) -> None:
        """Refuse an operator that only advanced queries have."""
        if not self.advanced:
            raise Unsupported(
                f"Operator '{operator}' is not supported because the 'ConsistencyLevel:eventual' header is missing. "
                "Refer to https://aka.ms/graph-docs/advanced-queries for more information"
            )


def words(text: str) -> list[str]:
    """The tokens of a filter; quotes inside a literal are doubled."""
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if not match:
            raise Unsupported(f"Syntax error at position {at} in '{text}'.")
        found.append(match[1])
        at = match.end()
    return found


def literal(word: str) -> str | bool | None:
    """A value as the filter writes it."""
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    raise Unsupported(f"Invalid filter clause: '{word}' is no literal; texts stand in single quotes.")


def same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, str) and isinstance(theirs, str):
        return mine.casefold() == theirs.casefold()
    return bool(mine == theirs)


def dig(row: Row, path: str) -> Any:
    """`employeeOrgData/costCenter`."""
    value: Any = row
    for part in path.split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def is_advanced(call: Call) -> bool:
    """Whether the caller has asked for the index store."""
    return call.header(b"consistencylevel").lower() == "eventual" and call.query.get("$count") == "true"


def asked(call: Call) -> Asked | None:
    """The call's $filter; None where it has none."""
    text = call.query.get("$filter", "")
    return Parser(text, is_advanced(call)).asked() if text else None


def names(call: Call, word: str) -> list[str]:
    """`$select=id,displayName`."""
    return [name.strip() for name in call.query.get(word, "").split(",") if name.strip()]


def chosen(row: Row, wanted: Sequence[str], default: Sequence[str]) -> Row:
    """The properties asked for, or the default ones; `id` always."""
    return {name: row.get(name) for name in dict.fromkeys(["id", *(wanted or default)])}


def page(call: Call, rows: Sequence[Row], shown: Callable[[Row], Row], context: str) -> Row:
    """One page, with the way to the next one."""
    top = call.query.get("$top", str(PAGE))
    if not top.isdigit() or not 1 <= int(top) <= MOST:
        raise Unsupported(f"Invalid page size specified: '{top}'. Must be between 1 and {MOST} inclusive.")
    start, size = opened(call.query.get("$skiptoken", "")), int(top)
    body: Row = {"@odata.context": f"{call.base}/v1.0/$metadata#{context}"}
    if is_advanced(call):
        body["@odata.count"] = len(rows)
    if start + size < len(rows):
        body["@odata.nextLink"] = following(call, start + size)
    return body | {"value": [shown(row) for row in rows[start : start + size]]}


def following(call: Call, start: int) -> str:
    """The address of the next page, opaque as the vendor's."""
    token = urlsafe_b64encode(f"RFNwdAoAAQ{start}".encode()).decode()
    return f"{call.base}{call.path}?{urlencode(call.query | {'$skiptoken': token}, safe='$,()')}"


def opened(token: str) -> int:
    """Where a page begins."""
    return int(urlsafe_b64decode(token).decode().removeprefix("RFNwdAoAAQ")) if token else 0


def unknown(asked_for: Iterable[str], known: Iterable[str]) -> list[str]:
    """Names that there are not."""
    have = set(known)
    return [name for name in asked_for if name not in have]
