"""The department apps: CRM, desk and badge office, each with its own manners."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from sandbox_clients import clients, crm_user

from connectors.sandbox import Sandbox

AGENT = {"login": "ada", "full_name": "Ada Finch", "contact": {"email": "ada@juniperfinch.example"}, "active": True}


@pytest.fixture(scope="module")
def house() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(house: Sandbox) -> Sandbox:
    house.reset()
    for twin in ("crm", "desk", "badges"):
        house.control(twin).limits(100_000)
    return house


@pytest.fixture
def web(sandbox: Sandbox) -> Iterator[dict[str, httpx.Client]]:
    with clients(sandbox) as made:
        yield made


# CRM


def test_crm_search_finds_prefixes_newest_first(web: dict[str, httpx.Client]) -> None:
    for name in ("ann", "anna"):
        web["crm"].post("/users", json=crm_user(name))

    found = web["crm"].get("/users", params={"email": "ANN@juniperfinch.example"}).json()["data"]

    assert [user["first_name"] for user in found] == ["Anna", "Ann"]


def test_crm_names_each_wrong_field(web: dict[str, httpx.Client]) -> None:
    web["crm"].post("/users", json=crm_user("ann"))

    answer = web["crm"].post("/users", json={"email": "Ann@juniperfinch.example", "first_name": ""})

    assert answer.status_code == 422
    assert set(answer.json()["error"]["fields"]) == {"email", "first_name", "last_name"}


def test_crm_pages_hold_fifty_at_most(web: dict[str, httpx.Client]) -> None:
    for number in range(52):
        web["crm"].post("/users", json=crm_user(f"u{number}"))

    pages = [web["crm"].get("/users", params={"per_page": 500, "page": n}).json() for n in (1, 2)]

    assert [len(page["data"]) for page in pages] == [50, 2]
    assert pages[0]["pagination"] == {"page": 1, "pages": 2, "per_page": 50, "total": 52}


def test_crm_roles_and_deactivation(web: dict[str, httpx.Client]) -> None:
    crm = web["crm"]
    key = crm.post("/users", json=crm_user("ann")).json()["data"]["id"]

    given = [crm.put(f"/users/{key}/roles/1").status_code for _ in range(2)]
    held = crm.get(f"/users/{key}").json()["data"]["role_ids"]
    taken = [crm.delete(f"/users/{key}/roles/1").status_code for _ in range(2)]
    crm.patch(f"/users/{key}", json={"status": "deactivated"})

    assert (given, held, taken) == ([204, 204], [1], [204, 404])
    assert crm.get(f"/users/{key}").json()["data"]["status"] == "deactivated"
    assert crm.put(f"/users/{key}/roles/9").status_code == 404
    assert crm.patch(f"/users/{key}", json={"status": "asleep"}).status_code == 422


def test_crm_never_gives_a_number_twice(web: dict[str, httpx.Client]) -> None:
    first = web["crm"].post("/users", json=crm_user("ann")).json()["data"]["id"]
    web["crm"].delete(f"/users/{first}")

    second = web["crm"].post("/users", json=crm_user("ann")).json()["data"]["id"]

    assert second != first


# desk


def test_desk_life_of_an_agent(web: dict[str, httpx.Client]) -> None:
    desk = web["desk"]
    key = desk.post("/agents", json={"agent": AGENT}).json()["agent"]["id"]

    assert desk.post("/agents", json={"agent": AGENT | {"login": "ADA"}}).status_code == 409
    assert desk.post("/agents", json={"agent": {"login": "bo"}}).status_code == 400
    assert desk.get("/agents/by-login/ada").json()["agent"]["id"] == key
    assert desk.get("/agents/by-login/bo").status_code == 404
    assert [desk.post(f"/agents/{key}/suspend").status_code for _ in range(2)] == [200, 409]
    assert desk.get(f"/agents/{key}").json()["agent"]["active"] is False
    assert [desk.post(f"/agents/{key}/reactivate").status_code for _ in range(2)] == [200, 409]
    desk.patch(f"/agents/{key}", json={"agent": {"contact": {"phone": "1"}, "active": False}})
    agent = desk.get(f"/agents/{key}").json()["agent"]
    assert agent["contact"] == {"email": "ada@juniperfinch.example", "phone": "1"}
    assert agent["active"] is True
    assert desk.delete(f"/agents/{key}").status_code == 405


def test_desk_groups(web: dict[str, httpx.Client]) -> None:
    desk = web["desk"]
    key = desk.post("/agents", json={"agent": AGENT}).json()["agent"]["id"]
    group = desk.get("/groups").json()["items"][0]["id"]

    joined = [desk.post(f"/groups/{group}/agents", json={"agent_id": key}).status_code for _ in range(2)]
    held = [g["name"] for g in desk.get(f"/agents/{key}/groups").json()["items"]]
    left = [desk.delete(f"/groups/{group}/agents/{key}").status_code for _ in range(2)]

    assert (joined, held, left) == ([201, 409], ["Support"], [204, 404])
    assert desk.get(f"/agents/{key}/groups").json()["items"] == []


def test_desk_pages_by_cursor(web: dict[str, httpx.Client]) -> None:
    for number in range(45):
        web["desk"].post("/agents", json={"agent": AGENT | {"login": f"u{number}"}})

    first = web["desk"].get("/agents", params={"limit": 100}).json()
    second = web["desk"].get("/agents", params={"limit": 100, "cursor": first["next_cursor"]}).json()

    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (40, 5, None)


def test_wrong_keys_are_refused(web: dict[str, httpx.Client]) -> None:
    assert web["crm"].get("/users", headers={"Authorization": "x"}).status_code == 401
    assert web["desk"].get("/agents", headers={"X-Api-Key": ""}).status_code == 401
    assert web["desk"].get("/agents", headers={"X-Api-Key": "x"}).status_code == 403


# badges


def csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found[1]


def signed_in(sandbox: Sandbox, badges: httpx.Client) -> httpx.Client:
    env = sandbox.environment
    form = {"user": env["BADGE_USER"], "password": env["BADGE_PASSWORD"], "csrf": csrf(badges.get("/login"))}
    assert "<h1>Badges</h1>" in badges.post("/login", data=form).text
    return badges


def issue(badges: httpx.Client, name: str, email: str) -> httpx.Response:
    form = {"name": name, "email": email, "site": "Berlin", "csrf": csrf(badges.get("/issue"))}
    return badges.post("/issue", data=form)


def test_badges_are_behind_the_login(sandbox: Sandbox, web: dict[str, httpx.Client]) -> None:
    assert "<h1>Sign in</h1>" in web["badges"].get("/list").text
    form = {"user": "x", "password": "y", "csrf": csrf(web["badges"].get("/login"))}
    assert web["badges"].post("/login", data=form).status_code == 401
    assert web["badges"].post("/login", data=form | {"csrf": "z"}).status_code == 403


def test_a_badge_is_issued_once_and_deactivated(sandbox: Sandbox, web: dict[str, httpx.Client]) -> None:
    badges = signed_in(sandbox, web["badges"])

    page = issue(badges, "Siobhán <O'Brien>", "s@juniperfinch.example")
    again = issue(badges, "Someone", "S@juniperfinch.example")
    after = badges.post(f"{page.url}/deactivate", data={"csrf": csrf(page)})

    assert "Siobhán &lt;O&#x27;Brien&gt;" in page.text
    assert again.status_code == 409
    assert "Reactivate" in after.text
    [badge] = sandbox.control("badges").state()["badges"]
    assert badge["status"] == "Deactivated"


def test_a_form_without_its_token_changes_nothing(sandbox: Sandbox, web: dict[str, httpx.Client]) -> None:
    badges = signed_in(sandbox, web["badges"])
    page = issue(badges, "Ada", "a@juniperfinch.example")

    assert badges.post(f"{page.url}/deactivate", data={"csrf": "old"}).status_code == 403

    assert sandbox.control("badges").state()["badges"][0]["status"] == "Active"
