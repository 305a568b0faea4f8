"""SCIM as the HR system, read from a server that we did not write (scim2-server of python-scim)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest

from connectors.base import Outcome
from connectors.errors import Refused
from mappings.feed import people_of
from mappings.people import Status, status_frame
from tests.connectors_servers import scim2_server
from tests.hr_house import connected

TOKEN = "token-of-a-foreign-server"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
NAMES = ("Ana", "Bo", "Cy", "Dé", "Eve")


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    with (
        scim2_server(TOKEN) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        yield client


@pytest.fixture
def scim(server) -> Iterator[SimpleNamespace]:
    """The sample's source, two people a page, with five people in the server; the first leads the others."""
    ids: list[str] = []
    for name in NAMES:
        work = {"department": "Tea", **({"manager": {"value": ids[0]}} if ids else {})}
        body = {
            "schemas": [CORE, ENTERPRISE],
            "userName": f"{name}@mill.example",
            "userType": "employee",
            "active": True,
        }
        body |= {"name": {"givenName": name, "familyName": "Mill"}, "title": "Taster", ENTERPRISE: work}
        ids.append(server.post("/Users", json=body).raise_for_status().json()["id"])
    pages = {"offset": {"param": "startIndex", "base": 1, "size": "count", "per": 2, "total": "totalResults"}}
    values = {"HR_REST_URL": str(server.base_url), "HR_REST_TOKEN": TOKEN}
    yield SimpleNamespace(app=connected(values, "rest", pages=pages), ids=ids, client=server, values=values)
    for each in ids:
        server.delete(f"/Users/{each}")


def persons(scim: SimpleNamespace):
    feed = people_of(scim.app.read(), scim.app.rules)
    assert feed.held == ()
    return feed.people.set_index("employee_id").loc[scim.ids]


def test_everybody_is_read_over_all_pages(scim):
    people = persons(scim)

    assert people["given_name"].tolist() == list(NAMES) and set(people["department"]) == {"Tea"}
    assert people["manager_id"].fillna("").tolist() == ["", *[scim.ids[0]] * 4]
    assert set(people["worker_type"]) == {"employee"} and people["hire_date"].notna().all()
    assert scim.app.read_one(scim.ids[3])["name.givenName"].tolist() == ["Dé"]


def test_who_is_inactive_there_is_a_leaver(scim):
    off = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}
    off |= {"Operations": [{"op": "replace", "path": "active", "value": False}]}
    scim.client.patch(f"/Users/{scim.ids[1]}", json=off).raise_for_status()

    people = persons(scim)

    today = datetime.now(UTC).date() + timedelta(days=1)
    shown = status_frame(people.reset_index(), today)
    assert people["employment_status"].tolist() == ["active", "terminated", "active", "active", "active"]
    assert [str(each) for each in shown] == [
        Status.ACTIVE, Status.TERMINATED, Status.ACTIVE, Status.ACTIVE, Status.ACTIVE
    ]  # fmt: skip


def test_the_work_email_is_written_once(scim):
    address = "ana.mill@mill.example"

    assert [scim.app.write_work_email(scim.ids[0], address) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    emails = scim.client.get(f"/Users/{scim.ids[0]}").json()["emails"]
    assert [(each["type"], each["value"]) for each in emails] == [("work", address)]
    with pytest.raises(Refused, match="there is already ana.mill@mill.example"):
        scim.app.write_work_email(scim.ids[0], "a@mill.example")


@pytest.mark.parametrize("stranger", ["nobody", "../Groups", "x?filter=active eq true", "' or '1'='1", "%2e%2e/Users"])
def test_nobody_is_found_by_an_id_that_is_none(scim, stranger):
    assert scim.app.read_one(stranger).empty
    with pytest.raises(Refused, match="nobody with this id"):
        scim.app.write_work_email(stranger, "x@mill.example")


def test_who_changed_is_asked_for_by_a_filter(scim):
    assert set(scim.app.changed_since(datetime.now(UTC) - timedelta(minutes=5))["id"]) >= set(scim.ids)
    assert scim.app.changed_since(datetime.now(UTC) + timedelta(minutes=5)).empty


def test_a_wrong_token_is_told_without_it(scim):
    with pytest.raises(Refused) as error:
        connected(scim.values | {"HR_REST_TOKEN": "quite-a-wrong-one"}, "rest").read()
    assert error.value.status in (401, 403) and "quite-a-wrong-one" not in str(error.value)
