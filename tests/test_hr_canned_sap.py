"""Rows made out of SAP's EDMX are read right by the SuccessFactors source, property by property."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError, Refused
from connectors.hr.catalogue import source
from tests.canned import places, put, with_strangers
from tests.edmx import Model, Property
from tests.hr_house import SAMPLE, connected

PERSON, USER, BOSS = "0017", "u17", "u1"
ENTITIES = ("EmpEmployment", "EmpJob", "PerPersonal", "FODepartment", "FOLocation")
VALUES = {
    "SUCCESSFACTORS_URL": "https://api4.successfactors.com/odata/v2",
    "SUCCESSFACTORS_TOKEN_URL": "https://api4.successfactors.com/oauth/token",
    "SUCCESSFACTORS_COMPANY": "mill",
    "SUCCESSFACTORS_CLIENT_ID": "api-key",
    "SUCCESSFACTORS_API_USER": "rollcall",
    "SUCCESSFACTORS_USER": "rollcall@mill",
    "SUCCESSFACTORS_PASSWORD": "password-of-ana",
    "SUCCESSFACTORS_PRIVATE_KEY": "none",
}
Answer = Callable[[str, list[dict[str, Any]]], Any]


def made(kind: Property, at: str, turn: int) -> Any:
    """A value of an EDM type that says where it is from."""
    ms = turn * 86_400_000
    ways = {
        "Edm.DateTime": f"/Date({ms})/",
        "Edm.DateTimeOffset": f"/Date({ms + 3_600_000}+0000)/",
        "Edm.Boolean": True,
        "Edm.Int64": str(turn),
        "Edm.Double": turn + 0.5,
        "Edm.Decimal": f"{turn}.25",
    }
    text = at[-kind.longest :] if kind.longest else at
    return ways.get(kind.type, text)


def shown(kind: Property, value: Any, turn: int) -> str:
    """The same as a cell has it."""
    on = date(1970, 1, 1) + timedelta(days=turn)
    told = {"Edm.DateTime": on.isoformat(), "Edm.DateTimeOffset": f"{on}T01:00:00+00:00", "Edm.Boolean": "true"}
    return told.get(kind.type, str(value))


def row(model: Model, entity: str, **known: Any) -> dict[str, Any]:
    """One with every property, or with what is known in its place."""
    kinds = model.types[entity].items()
    whole = {name: made(kind, f"{entity}.{name}", turn) for turn, (name, kind) in enumerate(kinds, 1000)}
    return {"__metadata": {"uri": f"https://x/odata/v2/{entity}('1')"}, **whole, **known}


def company(model: Model) -> dict[str, list[dict[str, Any]]]:
    """One person and what they hang together with."""
    ids = {"personIdExternal": PERSON}
    return {
        "EmpEmployment": [
            row(model, "EmpEmployment", **ids, userId=USER, endDate=None),
            row(model, "EmpEmployment", personIdExternal="0001", userId=BOSS, endDate=None),
        ],
        "EmpJob": [row(model, "EmpJob", userId=USER, managerId=BOSS, department="D", location="L")],
        "PerPersonal": [row(model, "PerPersonal", **ids)],
        "PerEmail": [row(model, "PerEmail", **ids, emailType="8448"), row(model, "PerEmail", **ids, emailType="8446")],
        "FODepartment": [row(model, "FODepartment", externalCode="D")],
        "FOLocation": [row(model, "FOLocation", externalCode="L")],
    }


def app(model: Model, answer: Answer = lambda entity, rows: rows, **fields: str) -> Any:
    """The source in front of these rows, with further columns of its own; what is asked and answered is in the EDMX."""
    rules = connected(VALUES, "successfactors").rules
    options = rules.options | {"auth": {"bearer": "0" * 32}}
    rules = rules.model_copy(update={"fields": rules.fields | fields, "options": options})
    found = source("successfactors", rules, VALUES, SAMPLE)
    rows = company(model)

    def handle(request: httpx.Request) -> httpx.Response:
        entity = request.url.path.rsplit("/", 1)[-1]
        if entity == "upsert":
            return httpx.Response(200, json=answer(entity, [{"status": "OK", "httpCode": 200}]) or {"d": []})
        asked = dict(request.url.params)["$select"].split(",")
        listed = [{k: v for k, v in each.items() if k in (*asked, "__metadata")} for each in rows[entity]]
        told = answer(entity, copy.deepcopy(listed))
        if isinstance(told, list):
            told = {"d": {"results": told, "__count": str(len(told))}}
        return httpx.Response(200, content=json.dumps(told))

    old = found.odata.http.client
    found.odata.http.client = httpx.Client(
        transport=httpx.MockTransport(handle), base_url=old.base_url, headers=old.headers
    )
    found.odata.http.sleep = lambda _: None
    return found


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_property_of_the_description_lands_in_its_column(entity):
    model = Model()
    kinds = model.types[entity]
    wanted = {f"extra.{name.lower()}": f"{entity}.{name}" for name in kinds}
    source = app(model, **wanted)
    model.hold(source.odata.http.client)

    person = source.read().set_index("EmpEmployment.personIdExternal", drop=False).loc[PERSON]

    known = next(each for each in company(model)[entity])
    for turn, (name, kind) in enumerate(kinds.items(), 1000):
        value = known[name]
        is_own = value != made(kind, f"{entity}.{name}", turn)
        expected = ("" if value is None else str(value)) if is_own else shown(kind, value, turn)
        assert (person[f"{entity}.{name}"] if pd.notna(person[f"{entity}.{name}"]) else "") == expected, name


def test_addresses_and_the_manager_are_joined():
    person = app(Model()).read().set_index("EmpEmployment.personIdExternal", drop=False).loc[PERSON]

    assert person["Manager.personIdExternal"] == "0001"
    assert person["PerEmail.work"] == person["PerEmail.private"] == "PerEmail.emailAddress"


def test_what_may_be_null_may_be_null():
    model = Model()

    def nulls(entity: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kinds = model.types.get(entity, {})
        return [{k: None if k in kinds and kinds[k].nullable else v for k, v in each.items()} for each in rows]

    source = app(model, nulls)
    model.hold(source.odata.http.client)

    assert source.read()["EmpEmployment.personIdExternal"].tolist() == [PERSON, "0001"]


def test_what_nobody_described_is_passed_over():
    before = app(Model()).read()

    pd.testing.assert_frame_equal(app(Model(), lambda entity, rows: with_strangers(rows)).read(), before)


@pytest.mark.parametrize("entity", ["EmpEmployment", "EmpJob", "PerEmail", "PerPersonal"])
def test_a_property_that_does_not_come_is_told(entity):
    gone = {"EmpEmployment": "endDate", "EmpJob": "startDate", "PerEmail": "emailType", "PerPersonal": "startDate"}

    def without(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in each.items() if name != entity or k != gone[entity]} for each in rows]

    with pytest.raises(Refused, match=f"does not show {entity}.{gone[entity]}"):
        app(Model(), without).read()


WRONG = st.sampled_from([None, True, 5, 1.5, "x", "", "/Date(99999999999999)/", [], {}, ["x"], [None], {"x": []}])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(turn=st.integers(0, 3000), wrong=WRONG, which=st.sampled_from(["upsert", "PerEmail", "PerPersonal", *ENTITIES]))
def test_a_value_of_a_wrong_kind_anywhere_is_an_error_of_ours_or_no_more_than_a_cell(turn, wrong, which):
    def spoil(entity: str, rows: list[dict[str, Any]]) -> Any:
        body = {"d": rows if entity == "upsert" else {"results": rows, "__count": str(len(rows))}}
        ways = list(places(body))
        return put(body, ways[turn % len(ways)], wrong) if entity == which else body

    source = app(Model(), spoil)
    asked = [source.read, source.check, lambda: source.read_one(PERSON)]
    asked += [lambda: source.changed_since(datetime.now(UTC) - timedelta(days=1))]
    asked += [lambda: source.write_work_email(PERSON, "ana@mill.example", "PerEmail.emailAddress")]
    for ask in asked:
        with suppress(ConnectorError):
            ask()
