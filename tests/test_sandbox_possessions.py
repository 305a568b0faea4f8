"""What accounts own at the twins: given through the sandbox's own door, then under the vendors' own rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sandbox_clients import clients, crm_user, scim_user

from connectors.sandbox import Sandbox

NOBODY = "00000000-0000-4000-8000-00000000dead"
ANN, BEN = "ann@juniperfinch.example", "ben@juniperfinch.example"
Web = dict[str, httpx.Client]


@pytest.fixture(scope="module")
def house() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(house: Sandbox) -> Sandbox:
    house.reset()
    for twin in ("sso", "crm", "desk"):
        house.control(twin).limits(100_000)
    return house


@pytest.fixture
def web(sandbox: Sandbox) -> Iterator[Web]:
    with clients(sandbox) as made:
        made["keys"] = httpx.Client(
            verify=False, base_url=sandbox.environment["SSO_API_URL"], headers=made["sso"].headers
        )
        yield made
        made["keys"].close()


def users(web: Web) -> tuple[str, str]:
    """Ann and Ben at the SSO."""
    ids = [web["sso"].post("/Users", json=scim_user(name)).json()["id"] for name in ("ann", "ben")]
    return ids[0], ids[1]


def agent(web: Web, login: str) -> str:
    body = {"agent": {"login": login, "full_name": "Finch", "contact": {"email": login}}}
    return str(web["desk"].post("/agents", json=body).json()["agent"]["id"])


# the sandbox's own door


def test_gives_what_it_is_asked_and_shows_it(sandbox: Sandbox, web: Web) -> None:
    web["crm"].post("/users", json=crm_user("ann"))

    made = sandbox.control("crm").give("deals", ANN, {"title": "Tea for Larkspur", "amount": 900}, {"title": "Ink"})

    assert made == sandbox.control("crm").state()["deals"]
    assert [(deal["id"], deal["owner_id"], deal["title"], deal["stage"]) for deal in made] == [
        (1, 1, "Tea for Larkspur", "open"),
        (2, 1, "Ink", "open"),
    ]


@pytest.mark.parametrize(
    ("twin", "what", "to", "item", "said"),
    [
        ("crm", "deals", "nobody@juniperfinch.example", {}, "crm has deals, api_keys to give"),
        ("crm", "tickets", ANN, {}, "crm has deals, api_keys to give"),
        ("crm", "deals", ANN, {"titel": "Tea"}, "deals have no titel; they have title, stage, amount"),
        ("badges", "deals", ANN, {}, "badges has nothing to give"),
    ],
)
def test_gives_nothing_it_does_not_know(
    sandbox: Sandbox, web: Web, twin: str, what: str, to: str, item: dict[str, str], said: str
) -> None:
    web["crm"].post("/users", json=crm_user("ann"))

    with pytest.raises(httpx.HTTPStatusError) as caught:
        sandbox.control(twin).give(what, to, item)

    assert caught.value.response.status_code == 422 and said in caught.value.response.json()["error"]
    assert sandbox.control("crm").state()["deals"] == []


def test_what_was_given_outlives_a_crash(tmp_path: Path) -> None:
    with Sandbox(state=tmp_path / "state.db") as sandbox:
        with clients(sandbox) as web:
            users(web)
        sandbox.control("sso").give("grants", ANN, {"app": "Notely"})
        before = sandbox.control("sso").state()
        sandbox.kill()
        sandbox.start()

        assert sandbox.control("sso").state() == before and len(before["grants"]) == 1


def test_a_reset_takes_it_back(sandbox: Sandbox, web: Web) -> None:
    users(web)
    sandbox.control("sso").give("tokens", ANN, {"label": "laptop"})

    sandbox.reset()

    assert sandbox.control("sso").state()["tokens"] == []


# SSO


@pytest.mark.parametrize("path", ["/users/x/grants", "/users/x/tokens", "/service-accounts"])
def test_sso_credentials_want_a_token(web: Web, path: str) -> None:
    answer = web["keys"].get(path, headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401


def test_sso_pages_by_link_until_there_is_no_more(sandbox: Sandbox, web: Web) -> None:
    ann, _ = users(web)
    sandbox.control("sso").give("grants", ANN, *({"app": f"Notely {n}"} for n in range(41)))

    pages = [web["keys"].get(f"/users/{ann}/grants", params={"limit": 500})]
    while "next" in pages[-1].links:
        pages.append(web["keys"].get(pages[-1].links["next"]["url"]))

    assert [len(page.json()) for page in pages] == [20, 20, 1]
    assert len({grant["id"] for page in pages for grant in page.json()}) == 41


def test_sso_revokes_only_the_users_own(sandbox: Sandbox, web: Web) -> None:
    ann, ben = users(web)
    [grant] = sandbox.control("sso").give("grants", ANN, {"app": "Notely"})

    statuses = [web["keys"].delete(f"/users/{who}/grants/{grant['id']}").status_code for who in (ben, NOBODY, ann, ann)]

    assert statuses == [404, 404, 204, 404]


def test_sso_credentials_outlive_disabling_and_go_with_the_user(sandbox: Sandbox, web: Web) -> None:
    ann, _ = users(web)
    twin = sandbox.control("sso")
    for what in ("grants", "tokens", "service_accounts"):
        twin.give(what, ANN, {})
        twin.give(what, BEN, {})

    web["sso"].put(f"/Users/{ann}", json=scim_user("ann") | {"active": False})
    disabled = twin.state()
    web["sso"].delete(f"/Users/{ann}")
    deleted = twin.state()

    for what in ("grants", "tokens", "service_accounts"):
        assert len(disabled[what]) == 2 and len(deleted[what]) == 1


def test_sso_service_accounts_go_to_active_users_only(sandbox: Sandbox, web: Web) -> None:
    ann, ben = users(web)
    [robot] = sandbox.control("sso").give("service_accounts", ANN, {"name": "nightly export"})
    path = f"/service-accounts/{robot['id']}"
    web["sso"].put(f"/Users/{ben}", json=scim_user("ben") | {"active": False})

    refused = [web["keys"].patch(path, json={"ownerId": who}).status_code for who in (ben, NOBODY)]
    web["sso"].put(f"/Users/{ben}", json=scim_user("ben") | {"active": True})
    taken = web["keys"].patch(path, json={"ownerId": ben})

    assert refused == [400, 400] and taken.json()["ownerId"] == ben
    assert web["keys"].get("/service-accounts", params={"owner": ann}).json() == []
    assert web["keys"].patch(f"/service-accounts/{NOBODY}", json={"ownerId": ben}).status_code == 404


# CRM


def test_crm_owners_are_active_users(sandbox: Sandbox, web: Web) -> None:
    for name in ("ann", "ben"):
        web["crm"].post("/users", json=crm_user(name))
    sandbox.control("crm").give("deals", ANN, {"title": "Tea"})
    web["crm"].patch("/users/2", json={"status": "deactivated"})

    refused = web["crm"].patch("/deals/1", json={"owner_id": 2})
    unknown = web["crm"].patch("/deals/1", json={"owner_id": 7})
    web["crm"].patch("/users/2", json={"status": "active"})
    taken = web["crm"].patch("/deals/1", json={"owner_id": "2"})

    assert refused.status_code == unknown.status_code == 422
    assert refused.json()["error"]["fields"] == {"owner_id": ["is not an active user"]}
    assert taken.json()["data"]["owner_id"] == 2
    assert web["crm"].patch("/deals/9", json={"owner_id": 2}).status_code == 404


def test_crm_lists_by_owner_in_pages(sandbox: Sandbox, web: Web) -> None:
    for name in ("ann", "ben"):
        web["crm"].post("/users", json=crm_user(name))
    sandbox.control("crm").give("api_keys", ANN, *({"name": f"key {n}"} for n in range(51)))
    sandbox.control("crm").give("api_keys", BEN, {"name": "ben's"})

    page = web["crm"].get("/api_keys", params={"owner_id": 1, "page": 2, "per_page": 50}).json()

    assert len(page["data"]) == 1 and page["pagination"]["total"] == 51
    assert web["crm"].get("/api_keys").json()["pagination"]["total"] == 52


def test_crm_a_deleted_users_deals_have_no_owner_and_the_keys_are_gone(sandbox: Sandbox, web: Web) -> None:
    web["crm"].post("/users", json=crm_user("ann"))
    sandbox.control("crm").give("deals", ANN, {"title": "Tea"})
    sandbox.control("crm").give("api_keys", ANN, {"name": "export"})

    web["crm"].delete("/users/1")

    state = sandbox.control("crm").state()
    assert [deal["owner_id"] for deal in state["deals"]] == [None] and state["api_keys"] == []


# desk


def test_desk_moves_everything_from_an_active_agent_to_an_active_one(sandbox: Sandbox, web: Web) -> None:
    ann, ben = agent(web, "ann"), agent(web, "ben")
    sandbox.control("desk").give("tickets", "ann", {"subject": "Lost tea"}, {"subject": "Wet paper"})
    sandbox.control("desk").give("macros", "ann", {"title": "Sorry"})
    path = f"/agents/{ann}/transfer"

    refused = [web["desk"].post(path, json={"to": to}).status_code for to in (ann, NOBODY, None)]
    web["desk"].post(f"/agents/{ben}/suspend")
    refused.append(web["desk"].post(path, json={"to": ben}).status_code)
    web["desk"].post(f"/agents/{ben}/reactivate")
    moved = web["desk"].post(path, json={"to": ben})

    assert refused == [422] * 4 and moved.json() == {"moved": {"tickets": 2, "macros": 1}}
    assert web["desk"].get("/tickets", params={"agent": ann}).json()["items"] == []
    assert len(web["desk"].get("/tickets", params={"agent": ben}).json()["items"]) == 2


def test_desk_moves_nothing_from_a_suspended_agent(sandbox: Sandbox, web: Web) -> None:
    ann, ben = agent(web, "ann"), agent(web, "ben")
    sandbox.control("desk").give("tickets", "ann", {"subject": "Lost tea"})
    web["desk"].post(f"/agents/{ann}/suspend")

    answer = web["desk"].post(f"/agents/{ann}/transfer", json={"to": ben})

    assert answer.status_code == 409
    assert sandbox.control("desk").state()["tickets"][0]["assignee_id"] == ann
