"""Holds what is asked of SuccessFactors, answered and written to SAP's EDMX exports."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import httpx
import pytest
from lxml import etree

from tests.vendor_specs import SPECS, Differs

EXPORTS = ("ECEmploymentInformation", "ECPersonalInformation", "ECFoundationOrganization", "PLTUserManagement")
WIRED: dict[str, Any] = {
    "Edm.Boolean": bool,
    "Edm.String": str,
    "Edm.Int64": (int, str),
    "Edm.Double": (int, float, str),
}
PARAMETERS = {"$format", "$select", "$filter", "$inlinecount", "$top", "$skiptoken", "paging", "customPageSize"}
PARAMETERS |= {"fromDate", "toDate", "purgeType"}
DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
TEXT = r"'(?:[^']|'')*'"
CONDITION = re.compile(rf"(\w+) (?:(?:in|eq) ({TEXT}(?:,{TEXT})*)|gt (datetimeoffset'[^']+'))")


class Property(NamedTuple):
    """Of an entity type; `upsertable` and `filterable` are SAP's own annotations."""

    type: str
    nullable: bool
    longest: int
    upsertable: bool
    filterable: bool


@cache
def exported() -> tuple[dict[str, dict[str, Property]], dict[str, tuple[str, ...]], dict[str, bool]]:
    """Properties and keys of all entity types, and whether a set may be upserted."""
    types: dict[str, dict[str, Property]] = {}
    keys: dict[str, tuple[str, ...]] = {}
    sets: dict[str, bool] = {}
    for file in (SPECS / "successfactors" / f"{name}.edmx" for name in EXPORTS):
        for element in etree.parse(file).iter("{*}EntityType", "{*}EntitySet"):
            name = element.get("Name", "")
            if element.tag.endswith("EntitySet"):
                sets[name] = annotated(element).get("upsertable") == "true"
                continue
            types.setdefault(name, {}).update(
                {each.get("Name", ""): property_of(each) for each in element.iterfind("{*}Property")}
            )
            keys[name] = tuple(each.get("Name", "") for each in element.iterfind("{*}Key/{*}PropertyRef"))
    return types, keys, sets


def annotated(element: Any) -> dict[str, str]:
    return {etree.QName(key).localname: value for key, value in element.attrib.items()}


def property_of(element: Any) -> Property:
    said = annotated(element)
    longest = int(said["MaxLength"]) if said.get("MaxLength", "").isdigit() else 0
    marks = (said.get("upsertable") == "true", said.get("filterable") == "true")
    return Property(said["Type"], said.get("Nullable") != "false", longest, *marks)


class Model:
    """A client's hooks. `seen` is what was called: `GET EmpJob`."""

    def __init__(self) -> None:
        if not all((SPECS / "successfactors" / f"{name}.edmx").exists() for name in EXPORTS):
            pytest.skip("../shared/specs/successfactors is not here")
        self.types, self.keys, self.sets = exported()
        self.seen = set[str]()

    def hold(self, client: httpx.Client) -> None:
        """Check everything that this client sends and gets from now on."""
        client.event_hooks = {"request": [self.before], "response": [self.after]}

    def before(self, request: httpx.Request) -> None:
        entity, said = request.url.path.rsplit("/", 1)[-1], dict(request.url.params)
        self.seen.add(f"{request.method} {entity}")
        if entity == "token":
            return
        if not re.fullmatch("Bearer [0-9a-f]{32}", request.headers.get("authorization", "")):
            raise Differs("the header Authorization is not as it has to be")
        if strange := set(said) - PARAMETERS:
            raise Differs(f"unknown parameter {strange}")
        if request.method == "POST":
            self.check_row(httpx.Response(200, content=request.read()).json(), write=True)
        else:
            self.check_question(entity, said)

    def check_question(self, entity: str, said: dict[str, str]) -> None:
        """Properties that are there, conditions that are whole and on what may be asked for."""
        if entity not in self.types:
            raise Differs(f"there is no entity {entity}")
        filtered = []
        for part in said["$filter"].split(" and ") if said.get("$filter") else ():
            found = CONDITION.fullmatch(part)
            if not found:
                raise Differs(f"no condition: {part}")
            filtered.append(found[1])
        for name in [*said["$select"].split(","), *filtered]:
            if name not in self.types[entity]:
                raise Differs(f"{entity} has no property {name}")
        if closed := [name for name in filtered if not self.types[entity][name].filterable]:
            raise Differs(f"{entity} cannot be filtered by {', '.join(closed)}")

    def after(self, response: httpx.Response) -> None:
        told = httpx.Response(200, content=response.read()).json().get("d", {})
        for row in told["results"] if isinstance(told, dict) and "results" in told else []:
            self.check_row(row)

    def check_row(self, row: dict[str, Any], write: bool = False) -> None:
        """A row that is read, or one that is written: its key then stands in its uri, or beside it."""
        uri = str(row["__metadata"]["uri"]).rsplit("/", 1)[-1]
        entity = uri.split("(")[0]
        if write and not self.sets[entity]:
            raise Differs(f"{entity} cannot be upserted")
        if write and (missing := [k for k in self.keys[entity] if k not in row and f"{k}='" not in uri]):
            raise Differs(f"{entity}: the key {', '.join(missing)} is missing")
        for name, value in row.items():
            if name != "__metadata":
                self.check_value(entity, name, value, write)

    def check_value(self, entity: str, name: str, value: Any, write: bool) -> None:
        kind = self.types[entity].get(name)
        if kind is None:
            raise Differs(f"{entity} has no property {name}")
        if write and not kind.upsertable:
            raise Differs(f"{entity}.{name} cannot be upserted")
        if value is None:
            right = kind.nullable
        elif kind.type.startswith("Edm.Date"):
            right = isinstance(value, str) and bool(DATE.fullmatch(value))
        else:
            right = isinstance(value, WIRED.get(kind.type, object))
        if not right or (kind.longest and isinstance(value, str) and len(value) > kind.longest):
            raise Differs(f"{entity}.{name}: {value!r} is no {kind.type}")
