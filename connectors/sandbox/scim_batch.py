"""Bulk requests (RFC 7644 §3.7) at a SCIM twin: each operation goes the way that a request of its own would go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from connectors.sandbox.scim_body import expect_schema, lower, scim, scim_error
from connectors.sandbox.scim_resources import Resources
from connectors.sandbox.scim_schema import BadValue
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call, Rejection, Route, route

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
METHODS = ("POST", "PUT", "PATCH", "DELETE")
REFERENCE = re.compile(rb'"bulkId:([^"\\]+)"')


class Batches(Resources):
    """What /Bulk does. Operations run in the order they are sent; a reference to a later one is not resolved."""

    most_operations = 1000
    """0: there is no bulk."""
    most_bytes = 1_048_576

    def batch_routes(self) -> Sequence[Route]:
        return (route(f"{self.base}/Bulk", post=self.bulk),) if self.most_operations else ()

    def bulk(self, call: Call) -> Answer:
        body = call.json()
        expect_schema(body, REQUEST)
        asked = lower(body).get("operations")
        if not isinstance(asked, list):
            raise BadValue("Operations is missing", "invalidSyntax")
        if len(asked) > self.most_operations or len(call.body) > self.most_bytes:
            return scim_error(
                413, f"the limits are {self.most_operations} operations, {self.most_bytes} bytes", "tooMany"
            )
        patience = lower(body).get("failonerrors")
        made, told, failed = dict[str, str](), list[Row](), 0
        for each in asked:
            told.append(self.one_of_many(call, each, made))
            failed += int(told[-1]["status"]) >= 400
            if patience is not None and failed >= int(patience):
                break
        return scim(200, {"schemas": [RESPONSE], "Operations": told})

    def one_of_many(self, call: Call, asked: Any, made: dict[str, str]) -> Row:
        """One operation's answer; `made` learns the id of what it makes."""
        given = lower(asked) if isinstance(asked, dict) else {}
        method, path, number = str(given.get("method", "")).upper(), str(given.get("path", "")), given.get("bulkid")
        told: Row = {"method": method} | ({"bulkId": number} if number else {})
        answer = self.carried_out(call, method, path, given, made)
        if answer.status >= 400:
            return told | {"status": str(answer.status), "response": orjson.loads(answer.body or b"{}")}
        location = dict(answer.headers).get("Location") or f"{self.root(call)}{path}"
        if number:
            made[str(number)] = location.rpartition("/")[2]
        return told | {"status": str(answer.status), "location": location}

    def carried_out(self, call: Call, method: str, path: str, given: Row, made: dict[str, str]) -> Answer:
        """The operation as a request of its own."""
        if method not in METHODS or not path.startswith("/") or (method == "POST" and not given.get("bulkid")):
            return scim_error(
                400, "an operation has a method, a path and, to make something, a bulkId", "invalidSyntax"
            )
        raw = orjson.dumps(given.get("data") or {})
        body = REFERENCE.sub(lambda found: orjson.dumps(made.get(found[1].decode(), found[0].decode()[1:-1])), raw)
        try:
            return self.dispatch(replace(call, method=method, path=f"{self.base}{path}", body=body, query_string=""))
        except Rejection as no:
            return no.answer
        except ValueError as error:
            return self.malformed(error)
