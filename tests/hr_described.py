"""The vendors' descriptions that contradict themselves, mended where they do, for the tests of their HR systems."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.vendor_specs import SPECS, Description

PERSONIO = "personio/personio-v1-personnel.json"
KEKA = "keka/keka-core-hr-apievangelist2026.json"
KEKA_LIST = ("pageNumber", "pageSize", "lastModified")


def whole_personio(document: dict[str, Any]) -> None:
    """What all answers share says that `data` is an object, where that of a list is a list; and the examples have null
    for whatever is empty, where the schemas have no null."""
    schemas = document["components"]["schemas"]
    schemas["Response"]["properties"].pop("data")
    for schema in schemas.values():
        for part in (schema, *schema.get("allOf", ())):
            value = part.get("properties", {}).get("value", {})
            schemas.get(value.get("$ref", "").rpartition("/")[2], value).setdefault("nullable", True)


def whole_keka(document: dict[str, Any]) -> None:
    """The copy has the base in the server and in the paths, and lost the parameters of the list (unverified)."""
    del document["security"]  # openapi-core does not know OAuth 2; the header is checked by hand
    document["servers"][0]["url"] = "https://your-company.keka.com"
    listed = document["paths"]["/api/v1/hris/employees"]["get"]
    listed["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in KEKA_LIST]


MENDED = {PERSONIO: whole_personio, KEKA: whole_keka}


@cache
def loaded(file: str) -> Description:
    """Once in a session."""
    return Description(file, MENDED.get(file, lambda document: None))


def described(file: str) -> Description:
    """A vendor's description, mended where it needs it; skips the test where it is not there."""
    if not (SPECS / file).exists():
        pytest.skip(f"../shared/specs/{file} is not here")
    return loaded(file)
