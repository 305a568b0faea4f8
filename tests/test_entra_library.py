"""The Graph twin by Microsoft's own library: `$batch`, which no description has, is not only our reading of it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import httpx
import pytest

from connectors.sandbox.vendors import entra
from tests.entra_house import ANA, House, house, person

__all__ = ["house"]
WHY = "msgraph-core, microsoft-kiota-serialization-json and deprecated are not installed"
core = pytest.importorskip("msgraph_core", reason=WHY)
pytest.importorskip("deprecated", reason=WHY)
kiota_json = pytest.importorskip("kiota_serialization_json", reason=WHY)


def token(house: House) -> str:
    """As an application gets one."""
    form = {
        "grant_type": "client_credentials",
        "client_id": entra.CLIENT_ID,
        "client_secret": entra.CLIENT_SECRET,
        "scope": entra.SCOPE,
    }
    answer = httpx.post(house.environment["ENTRA_TOKEN_URL"], data=form).raise_for_status()
    return str(answer.json()["access_token"])


def item(id: str, method: str, path: str, body: Any = None) -> Any:
    """One request of a batch, as the library makes it."""
    from msgraph_core.requests.batch_request_item import BatchRequestItem

    data = json.dumps(body).encode() if body else None
    headers = {"Content-Type": "application/json"} if body else {}
    made = BatchRequestItem.create_with_urllib_request(
        urllib.request.Request(f"https://graph.microsoft.com/v1.0{path}", data, headers, method=method), id
    )
    made.url = path
    return made


async def sent(house: House, signed: str, items: list[Any]) -> dict[str, int]:
    """The library's batch, posted by the library; the statuses that it reads."""
    from kiota_abstractions.authentication import AnonymousAuthenticationProvider
    from kiota_http.httpx_request_adapter import HttpxRequestAdapter
    from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
    from kiota_serialization_json.json_serialization_writer_factory import JsonSerializationWriterFactory
    from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
    from msgraph_core.requests.batch_request_content import BatchRequestContent

    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {signed}"}) as client:
        adapter = HttpxRequestAdapter(
            AnonymousAuthenticationProvider(), JsonParseNodeFactory(), JsonSerializationWriterFactory(), client
        )
        adapter.base_url = house.environment["ENTRA_URL"]
        content = BatchRequestContent()
        for one in items:
            content.add_request(one.id, one)
        answer = await BatchRequestBuilder(adapter).post(content)
        return {one.id: answer.get_response_by_id(one.id).status for one in items}


def test_microsofts_library_reads_a_batch_of_the_twin_and_we_what_it_wrote(house: House) -> None:
    ids = [house.app.create(who)[1] for who in (ANA, person(1))]
    items = [
        item("read", "GET", f"/users/{ids[0]}"),
        item("write", "PATCH", f"/users/{ids[0]}", {"jobTitle": "Head of Tea"}),
        item("join", "POST", f"/groups/{house.group('Staff')}/members/$ref", house.app.groups.link(ids[1])),
        item("nobody", "GET", "/users/nobody"),
    ]

    statuses = asyncio.run(sent(house, token(house), items))

    assert statuses == {"read": 200, "write": 204, "join": 204, "nobody": 404}
    assert house.app.read(ids[0]).attributes["jobTitle"] == "Head of Tea"
    assert house.app.read(ids[1]).entitlements == {"Staff"}
