"""SCIM messages: what comes in is read and checked, what goes out is put in its envelope."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors.sandbox.scim_filter import Test, parsed
from connectors.sandbox.scim_patch import Operation
from connectors.sandbox.scim_schema import (
    ENTERPRISE,
    ENTERPRISE_ATTRIBUTES,
    EXTERNAL_ID,
    GROUP,
    GROUP_ATTRIBUTES,
    USER,
    USER_ATTRIBUTES,
    Attribute,
    BadValue,
    cleaned,
)
from connectors.sandbox.store import Row
from connectors.sandbox.wire import Answer, Call

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def scim(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(status, orjson.dumps(value), "application/scim+json", headers)


def scim_error(status: int, detail: str, kind: str | None, *headers: tuple[str, str]) -> Answer:
    body = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return scim(status, body | ({"scimType": kind} if kind else {}), *headers)


def listed(rows: list[Row], total: int | None = None, start: int = 1) -> Answer:
    counts = {"totalResults": len(rows) if total is None else total, "startIndex": start, "itemsPerPage": len(rows)}
    return scim(200, {"schemas": [LIST], **counts, "Resources": rows})


def etag(row: Row) -> tuple[str, str]:
    return "ETag", str(row["meta"]["version"])


def timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lower(body: Row) -> Row:
    return {name.lower(): value for name, value in body.items()}


def names_of(text: str | None) -> set[str]:
    """Top-level names of an `attributes` parameter, in lower case."""
    names = {each.strip().lower() for each in (text or "").split(",")} - {""}
    return {
        n[: len(ENTERPRISE)] if n.startswith(ENTERPRISE.lower()) else n.rpartition(":")[2].split(".")[0] for n in names
    }


def as_query(call: Call) -> Call:
    """The parameters of a POST to /.search as if they stood in the query (RFC 7644 3.4.3)."""
    body = call.json()
    expect_schema(body, SEARCH)
    flat = {k: ",".join(v) if isinstance(v, list) else v for k, v in body.items() if k.lower() != "schemas"}
    return replace(call, query_string=urlencode(flat))


def expect_schema(body: Row, urn: str) -> None:
    listed_urns = lower(body).get("schemas")
    if not isinstance(listed_urns, list) or urn.lower() not in [str(each).lower() for each in listed_urns]:
        raise BadValue(f"schemas lacks {urn}", "invalidSyntax")


def user_from(body: Row, attributes: tuple[Attribute, ...] = USER_ATTRIBUTES, extended: bool = True) -> Row:
    expect_schema(body, USER)
    row: Row = {"active": True} | cleaned((*attributes, EXTERNAL_ID), body)
    if not row.get("userName"):
        raise BadValue("userName is required")
    extension = lower(body).get(ENTERPRISE.lower()) if extended else None
    if isinstance(extension, dict) and (known := cleaned(ENTERPRISE_ATTRIBUTES, extension)):
        row[ENTERPRISE] = known
    return row


def group_from(body: Row) -> Row:
    expect_schema(body, GROUP)
    row = cleaned((*GROUP_ATTRIBUTES, EXTERNAL_ID), body)
    row.pop("members", None)
    if not row.get("displayName"):
        raise BadValue("displayName is required")
    return row


def patch_body(call: Call) -> Row:
    body = call.json()
    expect_schema(body, PATCH)
    return body


def is_members(op: Operation) -> bool:
    return (op.path or "").lower().removeprefix(f"{GROUP.lower()}:").startswith("members")


def members_filter(op: Operation) -> Test | None:
    path = op.path or ""
    return parsed(path[path.index("[") + 1 : path.rindex("]")]) if "[" in path else None
