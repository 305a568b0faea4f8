"""Answers made out of a vendor's OpenAPI description alone, for a connector to read: no twin had a hand in them.

    canned = Canned((described("rippling/rippling-platform-v2.json"),), mend)
    source = canned.behind(connected(values, "rippling"))

Every text is its own place (`text of results.user.name.given_name`), so that a value in the wrong column shows.
`mend` sets what the description cannot say: ids that hang together, totals that count. What is answered is checked
against the description before it goes out, unless a test spoils it on purpose.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import httpx

from tests.vendor_specs import Description, Differs, Operation, Sent, told

Spoil = Callable[[str, Any], Any]
"""Of an operation's name and its answer, the answer to give instead."""
DEEPEST = 8
LISTS_ALWAYS = 2
"""Lists this near the top have somebody in them, also where only what is required is there."""
SCALARS: Mapping[str, Callable[[str, int], Any]] = {
    "date": lambda at, turn: (date(2020, 1, 1) + timedelta(days=turn)).isoformat(),
    "date-time": lambda at, turn: f"{date(2020, 1, 1) + timedelta(days=turn)}T08:30:00Z",
    "email": lambda at, turn: f"{at}@mill.example",
    "uri": lambda at, turn: f"https://mill.example/{at}",
    "uuid": lambda at, turn: f"00000000-0000-4000-8000-{turn:012d}",
    r"^\d\d:\d\d$": lambda at, turn: f"08:{turn % 60:02d}",
}
"""By format, or by the pattern where that is all there is."""


class Canned:
    """A vendor that answers every described call with success."""

    def __init__(
        self, descriptions: tuple[Description, ...], mend: Spoil = lambda name, answer: answer, whole: bool = True
    ) -> None:
        """`whole`: everything that may be there is; else only what must, and null where that is allowed."""
        self.descriptions, self.mend, self.whole = descriptions, mend, whole
        self.description = descriptions[0]
        self.spoil: Spoil | None = None
        self.outside: dict[str, Any] = {}
        """Calls that no description has -> their answers: `POST /oauth/token`."""
        self.calls, self.turn = Counter[str](), 0

    def behind(self, source: Any) -> Any:
        """The source, with these answers in place of its server."""
        old = source.http.client
        headers = {name: value for name, value in old.headers.items() if name != "accept-encoding"}
        transport = httpx.MockTransport(self.answer)
        source.http.client = httpx.Client(transport=transport, base_url=old.base_url, headers=headers, auth=old.auth)
        return source

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What is made for this call; Differs where it is not described as it is."""
        request.read()
        if (call := f"{request.method} {request.url.path}") in self.outside:
            return httpx.Response(200, json=self.outside[call], request=request)
        sent, operation = self.found(request)
        with told(f"{operation.name} differs from {self.description.file}"):
            self.description.check_request(sent, operation)
        self.calls[operation.name] += 1
        status, made = self.made_for(operation.name)
        body = self.mend(operation.name, made)
        if self.spoil:
            return httpx.Response(status, json=self.spoil(operation.name, copy.deepcopy(body)), request=request)
        response = httpx.Response(status, json=body, request=request) if body is not None else httpx.Response(status)
        if made is not None:
            with told(f"the answer made for {operation.name}"):
                self.description.check_answer(sent, response)
        return response

    def found(self, request: httpx.Request) -> tuple[Sent, Operation]:
        """The call, and where it is described: that description is the one to go by from now on."""
        for description in self.descriptions:
            sent = Sent(request, description.host, request.url.raw_path.decode().split("?")[0])
            if operation := description.find(sent):
                self.description = description
                return sent, operation
        raise Differs(f"{request.method} {request.url.path} is in none of the descriptions")

    def made_for(self, name: str) -> tuple[int, Any]:
        """Status and body of the success that an operation describes."""
        verb, path = name.split(" ", 1)
        responses = self.description.document["paths"][path][verb.lower()]["responses"]
        status = min((code for code in responses if code.startswith("2")), default="200")
        content = self.description.whole(responses.get(status, {})).get("content", {})
        schema = next((said.get("schema") for kind, said in content.items() if "json" in kind), None)
        self.turn = 0
        return int(status), self.made(schema, "", ()) if schema else None

    def made(self, schema: Any, at: str, refs: tuple[str, ...]) -> Any:
        """A value of a schema; `refs` are the schemas that it is inside of."""
        whole, refs = self.merged(schema), (*refs, *own_refs(schema))
        if not self.whole and nullable(whole):
            return None
        values = [each for each in whole.get("enum", ()) if each is not None]
        if values or "const" in whole:
            return values[0] if values else whole["const"]
        kind = kind_of(whole)
        if kind == "object":
            return dict(self.properties(whole, at, refs))
        if kind == "array":
            full = self.whole or at.count(".") < LISTS_ALWAYS
            items = whole.get("items", {})
            return [self.made(items, at, refs)] if full and not self.goes_round(items, refs) else []
        return self.scalar(kind, whole.get("format") or whole.get("pattern", ""), at)

    def properties(self, schema: Any, at: str, refs: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, inner in schema.get("properties", {}).items():
            near = not at and kind_of(self.merged(inner)) in ("array", "object")
            if (self.whole or near or name in schema.get("required", ())) and not self.goes_round(inner, refs):
                yield name, self.made(inner, f"{at}.{name}".lstrip("."), refs)

    def goes_round(self, schema: Any, refs: tuple[str, ...]) -> bool:
        """Whether a schema is one that we are inside of already: a worker's manager is a worker."""
        return len(refs) > DEEPEST or bool(set(own_refs(schema)) & set(refs))

    def merged(self, schema: Any) -> dict[str, Any]:
        """A schema with all that it is put together from; of alternatives the first that is not null."""
        found: dict[str, Any] = {}
        for part in (self.description.whole(schema), *self.parts(schema)):
            inside = {**found.get("properties", {}), **part.get("properties", {})}
            required = [*found.get("required", ()), *part.get("required", ())]
            found |= part | ({"properties": inside} if inside else {}) | ({"required": required} if required else {})
        return found

    def parts(self, schema: Any) -> Iterator[dict[str, Any]]:
        own = self.description.whole(schema)
        for each in own.get("allOf", ()):
            yield self.merged(each)
        for word in ("oneOf", "anyOf"):
            ways = [each for each in map(self.merged, own.get(word, ())) if kind_of(each) != "null"]
            yield from ways[:1]

    def scalar(self, kind: str, format_: str, at: str) -> Any:
        self.turn += 1
        if kind in ("integer", "number", "boolean"):
            return True if kind == "boolean" else self.turn
        return SCALARS[format_](at, self.turn) if format_ in SCALARS else f"text of {at}"


def own_refs(schema: Mapping[str, Any]) -> list[str]:
    """The schemas that one is, or is put together from."""
    return [each["$ref"] for each in (schema, *schema.get("allOf", ())) if "$ref" in each]


def kind_of(schema: Mapping[str, Any]) -> str:
    """The type of a schema; of several the first that is not null."""
    said = schema.get("type") or ("object" if "properties" in schema else "string")
    return next((each for each in said if each != "null"), "null") if isinstance(said, list) else str(said)


def nullable(schema: Mapping[str, Any]) -> bool:
    said = schema.get("type")
    return schema.get("nullable") is True or (isinstance(said, list) and "null" in said)


def places(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of an answer, the answer itself first."""
    yield at
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in inner:
        yield from places(value, (*at, name))


def put(body: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The answer with another value at a place; the answer is changed where it is not whole replaced."""
    if not at:
        return value
    here = body
    for name in at[:-1]:
        here = here[name]
    here[at[-1]] = value
    return body


def dig(body: Any, *way: Any) -> Any:
    """What is at a place."""
    for name in way:
        body = body[name]
    return body


def with_strangers(body: Any) -> Any:
    """The answer with a field that nobody has described in each of its objects."""
    if isinstance(body, dict):
        return {name: with_strangers(value) for name, value in body.items()} | {"xNew": {"since": ["tomorrow"]}}
    return [with_strangers(each) for each in body] if isinstance(body, list) else body
