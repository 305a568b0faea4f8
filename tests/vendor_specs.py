"""Holds what a connector sends, and what a twin answers, to the vendor's own OpenAPI description.

    def test_a_whole_life_is_as_okta_describes_it(sandbox):
        app = connect("okta", RULES, sandbox.environment)
        held = hold(app.http.client, described("okta/okta-management.json"), under="/okta",
                    headers={"Authorization": "SSWS okta-token"})

        app.create(...)  # raises Differs where the request or its answer is not as described

        assert "POST /api/v1/users" in held.calls

The descriptions lie in ../shared/specs beside the project; a test that asks for one is skipped where they do not.
Of a request are checked: path, method, parameters (unknown ones too), media type, body (names that the description
does not have too), and the headers that carry the credentials, because openapi-core does not miss credentials where
OAuth is one of several ways. Of an answer: status, media type and body; an error whose status is not described passes.

That the check sees a wrong request is shown by sending one through the same client:
`with pytest.raises(Differs, match="no query parameter"): app.http.client.get("/api/v1/users?page=2")`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

SPECS = Path(__file__).parents[1].parent / "shared" / "specs"
VERBS = ("get", "post", "put", "patch", "delete", "head")
JSONS = ("application/scim+json", "application/vnd.github+json", "application/problem+json")
"""Media types that are JSON and that openapi-core would leave as bytes."""
PLACE = re.compile(r"\{[^{}]+\}")


class Differs(AssertionError):
    """A request or an answer is not as the vendor describes it."""


class Sent:
    """An httpx request as openapi-core wants it, at the vendor's own address."""

    def __init__(self, request: httpx.Request, host: str, path: str) -> None:
        self.host_url, self.path, self.method = host, path, request.method.lower()
        self.body = request.content or None
        self.content_type = request.headers.get("content-type", "application/json")
        self.query = parse_qsl(request.url.query.decode(), keep_blank_values=True)
        header = Headers(list(request.headers.items()))
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(self.query), header=header, cookie=ImmutableMultiDict()
        )


class Given:
    """An httpx response as openapi-core wants it."""

    def __init__(self, response: httpx.Response) -> None:
        self.status_code, self.data = response.status_code, response.content
        self.content_type = response.headers.get("content-type", "").split(";")[0]
        self.headers = Headers(list(response.headers.items()))


class Operation(NamedTuple):
    """A call that the vendor describes."""

    name: str
    """`POST /api/v1/users/{id}`."""
    parameters: frozenset[str]
    """Names of those in the query."""
    bodies: Mapping[str, Any]
    """Media type -> schema of the request's body."""


class Description:
    """One OpenAPI description. Loading takes about a third of a second per 600 kB."""

    def __init__(self, file: str, amend: Callable[[dict[str, Any]], None] = lambda document: None) -> None:
        """`amend` mends in place what in the description contradicts itself; a test that does so says why."""
        self.file = file
        self.document = json.loads((SPECS / file).read_text(encoding="utf-8"), object_hook=with_null)
        amend(self.document)
        config = Config(extra_media_type_deserializers=dict.fromkeys(JSONS, json.loads))
        self.api = OpenAPI.from_dict(self.document, config=config)
        self.host, self.base = server(self.document)
        self.operations = [
            (re.compile(f"{re.escape(self.base)}{pattern(path)}"), verb, self.operation(path, item, verb))
            for path, item in sorted(self.document["paths"].items(), key=lambda pair: len(PLACE.findall(pair[0])))
            for verb in VERBS
            if verb in item
        ]

    def operation(self, path: str, item: Mapping[str, Any], verb: str) -> Operation:
        declared = [self.whole(p) for part in (item, item[verb]) for p in part.get("parameters", ())]
        content = self.whole(item[verb].get("requestBody", {})).get("content", {})
        names = frozenset(str(p["name"]) for p in declared if p["in"] == "query")
        bodies = {kind: said.get("schema", {}) for kind, said in content.items()}
        return Operation(f"{verb.upper()} {path}", names, bodies)

    def whole(self, part: Any) -> Any:
        """What a `$ref` points to, anything else as it is."""
        while isinstance(part, dict) and "$ref" in part:
            where, part = part["$ref"].removeprefix("#/").split("/"), self.document
            for name in where:
                part = part[name.replace("~1", "/").replace("~0", "~")]
        return part

    def find(self, sent: Sent) -> Operation | None:
        """The call with this path and method; None where the vendor has none."""
        asked = ((found, verb, op) for found, verb, op in self.operations if verb == sent.method)
        return next((operation for path, _, operation in asked if path.fullmatch(sent.path)), None)

    def check_request(self, sent: Sent, operation: Operation) -> None:
        """OpenAPIError or Differs where the request is not as described."""
        self.api.validate_request(sent)
        known = operation.parameters
        if strange := [name for name, _ in sent.query if name not in known and name.split("[")[0] not in known]:
            raise Differs(f"no query parameter {', '.join(strange)}; known are {', '.join(sorted(known))}")
        kind = sent.content_type.split(";")[0]
        schema = operation.bodies.get(kind) if sent.body and kind.endswith("json") else None
        if schema and (unknown := list(self.strangers(json.loads(sent.body or b"null"), [schema]))):
            raise Differs(f"the body has what is not described: {', '.join(unknown)}")

    def check_answer(self, sent: Sent, response: httpx.Response) -> None:
        """OpenAPIError where the answer is not as described."""
        try:
            if response.content:
                self.api.validate_response(sent, Given(response))
        except ResponseNotFound:
            if response.is_success:
                raise

    def strangers(self, value: Any, schemas: list[Any], at: str = "") -> Iterator[str]:
        """Dotted names in a body that none of its schemas has. Schemas that allow any name have every name."""
        schemas = list(self.parts(schemas))
        if isinstance(value, list):
            items = [schema["items"] for schema in schemas if "items" in schema]
            for index, each in enumerate(value) if items else ():
                yield from self.strangers(each, items, f"{at}.{index}")
        if not isinstance(value, dict) or not any("properties" in schema for schema in schemas):
            return
        free = any(schema.get("additionalProperties", False) is not False for schema in schemas)
        for name, inner in value.items():
            below = [schema["properties"][name] for schema in schemas if name in schema.get("properties", {})]
            if below:
                yield from self.strangers(inner, below, f"{at}.{name}")
            elif not free:
                yield f"{at}.{name}".lstrip(".")

    def parts(self, schemas: list[Any]) -> Iterator[Any]:
        """The schemas with all that they are put together from."""
        for schema in map(self.whole, schemas):
            yield schema
            for word in ("allOf", "anyOf", "oneOf"):
                yield from self.parts(schema.get(word, []))


class Held:
    """A client's hooks. `calls` counts what was sent, by the description's own paths: `POST /api/v1/users/{id}`."""

    def __init__(
        self,
        descriptions: tuple[Description, ...],
        under: str,
        headers: Mapping[str, str | re.Pattern[str]],
        besides: str,
        wrong_answers: str,
    ) -> None:
        self.descriptions, self.under, self.headers = descriptions, under, headers
        self.besides, self.wrong_answers = (re.compile(each) if each else None for each in (besides, wrong_answers))
        self.calls: Counter[str] = Counter()

    def before(self, request: httpx.Request) -> None:
        """Check a request that is about to be sent."""
        request.read()
        if found := self.found(request):
            description, sent, operation = found
            with told(f"{operation.name} differs from {description.file}"):
                description.check_request(sent, operation)
            self.check_credentials(request)
            self.calls[operation.name] += 1

    def after(self, response: httpx.Response) -> None:
        """Check an answer."""
        response.read()
        if found := self.found(response.request):
            description, sent, operation = found
            if self.wrong_answers and self.wrong_answers.fullmatch(operation.name):
                return
            with told(f"the {response.status_code} to {operation.name} differs from {description.file}"):
                description.check_answer(sent, response)

    def found(self, request: httpx.Request) -> tuple[Description, Sent, Operation] | None:
        """Where the call is described; None for those that need not be, Differs for those that are not."""
        path = request.url.raw_path.decode().split("?")[0].removeprefix(self.under)
        for description in self.descriptions:
            sent = Sent(request, description.host, path)
            if operation := description.find(sent):
                return description, sent, operation
        called = f"{request.method} {path}"
        if self.besides and self.besides.fullmatch(called):
            return None
        raise Differs(f"{called} is not in {', '.join(each.file for each in self.descriptions)}")

    def check_credentials(self, request: httpx.Request) -> None:
        for name, wanted in self.headers.items():
            value = request.headers.get(name, "")
            if not (wanted.fullmatch(value) if isinstance(wanted, re.Pattern) else value == wanted):
                raise Differs(f"{request.method} {request.url.path}: the header {name} is not as it has to be")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turns what openapi-core says into Differs, with the cause that it hides."""
    try:
        yield
    except (OpenAPIError, Differs) as error:
        raise Differs(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The innermost words: which value is wrong, and where."""
    inner = error.__cause__ or error
    wrong = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in getattr(inner, "schema_errors", ())]
    return "; ".join(wrong) or f"{error}"


def with_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Vendors write `nullable: true` and mean that null is one of an enum's values; strictly it is not."""
    if schema.get("nullable") is True and isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"].append(None)
    return schema


def pattern(path: str) -> str:
    """`/users/{id}` as a regular expression; a place is one segment."""
    return "[^/]+".join(map(re.escape, PLACE.split(path)))


def server(document: Mapping[str, Any]) -> tuple[str, str]:
    """Host and base path of the first server, its variables filled with their defaults."""
    first = document["servers"][0]
    url = re.sub(r"\{(\w+)\}", lambda m: str(first["variables"][m[1]]["default"]), first["url"])
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")


@cache
def loaded(file: str) -> Description:
    """Once in a session."""
    return Description(file)


def described(file: str) -> Description:
    """A vendor's description, by its path below ../shared/specs; skips the test where it is not there."""
    if not (SPECS / file).exists():
        pytest.skip(f"../shared/specs/{file} is not here")
    return loaded(file)


def hold(
    client: httpx.Client,
    *descriptions: Description,
    under: str = "",
    headers: Mapping[str, str | re.Pattern[str]] | None = None,
    besides: str = "",
    wrong_answers: str = "",
) -> Held:
    """Check everything that this client sends and gets from now on; a call may be in any of the descriptions.

    `under`: the twin's prefix, `/okta`; what follows it is the vendor's own path, with the base path that the
    description's server has (`/graph` + `/v1.0/users`). `headers`: what carries the credentials -> its value.
    `besides`: a regular expression on `VERB /path` for calls that the vendor has and the description has not;
    `wrong_answers`: one for calls whose answers the description has wrong, which are then not checked. Say why.
    """
    held = Held(descriptions, under, headers or {}, besides, wrong_answers)
    client.event_hooks = {
        "request": [*client.event_hooks["request"], held.before],
        "response": [*client.event_hooks["response"], held.after],
    }
    return held
