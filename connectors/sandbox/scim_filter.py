"""SCIM filters (RFC 7644 3.4.2.2): read into a tree of tuples, and asked of a resource."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from connectors.sandbox.store import Row

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]"]+')
COMPARISONS = {"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"}
EXACT = {"id", "meta.version"}


class Test(NamedTuple):
    """`attr op value`; `pr` has no value, `[]` has a filter for value, `and` and `or` have two, `not` has one."""

    op: str
    attr: str = ""
    value: Any = None
    parts: tuple[Test, ...] = ()


class Parser:
    """A filter, token by token; ValueError says what is wrong with it."""

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text):
            raise ValueError(f"cannot read the filter {text!r}")
        self.at = 0

    def peek(self) -> str:
        return str(self.tokens[self.at]) if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError(f"filter: expected {wanted or 'more'}, found {token or 'the end'}")
        self.at += 1
        return token

    def whole(self) -> Test:
        test = self.either()
        if self.peek():
            raise ValueError(f"filter: {self.peek()!r} is too much")
        return test

    def either(self) -> Test:
        left = self.both()
        while self.peek().lower() == "or":
            self.take()
            left = Test("or", parts=(left, self.both()))
        return left

    def both(self) -> Test:
        left = self.single()
        while self.peek().lower() == "and":
            self.take()
            left = Test("and", parts=(left, self.single()))
        return left

    def single(self) -> Test:
        token = self.take()
        if token.lower() == "not":
            return Test("not", parts=(self.bracketed("(", ")"),))
        if token == "(":
            self.at -= 1
            return self.bracketed("(", ")")
        if self.peek() == "[":
            return Test("[]", token, parts=(self.bracketed("[", "]"),))
        return self.comparison(token)

    def bracketed(self, begin: str, end: str) -> Test:
        self.take(begin)
        test = self.either()
        self.take(end)
        return test

    def comparison(self, attr: str) -> Test:
        op = self.take().lower()
        if op == "pr":
            return Test("pr", attr)
        if op not in COMPARISONS:
            raise ValueError(f"filter: unknown operator {op!r}")
        return Test(op, attr, json.loads(self.take()))


def parsed(text: str) -> Test:
    return Parser(text).whole()


def passes(test: Test, row: Row) -> bool:
    """Whether a resource (or one value of a multi-valued attribute) fits."""
    if test.op in ("and", "or"):
        left, right = test.parts
        return (
            (passes(left, row) and passes(right, row))
            if test.op == "and"
            else (passes(left, row) or passes(right, row))
        )
    if test.op == "not":
        return not passes(test.parts[0], row)
    found = list(values(row, test.attr))
    if test.op == "[]":
        return any(isinstance(value, dict) and passes(test.parts[0], value) for value in found)
    if test.op == "pr":
        return any(value not in (None, "", [], {}) for value in found)
    if test.op == "ne":
        return not any(compared("eq", plain(value), test.value, test.attr) for value in found)
    return any(compared(test.op, plain(value), test.value, test.attr) for value in found)


def plain(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) else value


def values(row: Row, attr: str) -> Iterator[Any]:
    """All values at a path, names without case: `name.givenName`, `emails.value`, `urn:…:User:department`."""
    if attr.lower().startswith("urn:"):
        for urn in (name for name in row if name.lower().startswith("urn:")):
            if attr.lower().startswith(f"{urn.lower()}:"):
                yield from values(row[urn], attr[len(urn) + 1 :])
                return
        attr = attr.rpartition(":")[2]
    head, _, rest = attr.partition(".")
    value = next((v for k, v in row.items() if k.lower() == head.lower()), None)
    for each in value if isinstance(value, list) else [value]:
        if not rest:
            yield each
        elif isinstance(each, dict):
            yield from values(each, rest)


def compared(op: str, held: Any, asked: Any, attr: str) -> bool:
    if isinstance(held, str) and isinstance(asked, str):
        if attr.lower() not in EXACT:
            held, asked = held.casefold(), asked.casefold()
        if op in ("co", "sw", "ew"):
            return bool({"co": asked in held, "sw": held.startswith(asked), "ew": held.endswith(asked)}[op])
    if op == "eq":
        return type(held) is type(asked) and bool(held == asked)
    if held is None or type(held) is not type(asked):
        return False
    order = {"gt": held > asked, "ge": held >= asked, "lt": held < asked, "le": held <= asked}
    return bool(order.get(op, False))
