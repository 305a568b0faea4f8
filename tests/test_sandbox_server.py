"""The sandbox as a process, and its control: faults, limits, log, state, clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sandbox_clients import clients, crm_user

from connectors.sandbox import Sandbox

Clients = dict[str, httpx.Client]


@pytest.fixture(scope="module")
def house() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(house: Sandbox) -> Sandbox:
    house.reset()
    return house


@pytest.fixture
def crm(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with clients(sandbox) as made:
        yield made["crm"]


def emails(sandbox: Sandbox, twin: str = "crm") -> list[str]:
    return [user["email"] for user in sandbox.control(twin).state()["users"]]


def wait_until(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# faults


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("503", 503), ("429", 429), ("429-no-retry-after", 429)])
def test_a_fault_hits_so_many_calls_after_so_many(sandbox: Sandbox, crm: httpx.Client, kind: str, status: int) -> None:
    sandbox.control("crm").faults([{"match": "GET .*/users", "kind": kind, "after": 1, "times": 2, "seconds": 7}])

    answers = [crm.get("/users") for _ in range(4)]

    assert [a.status_code for a in answers] == [200, status, status, 200]
    assert answers[1].headers.get("Retry-After") == ("7" if kind == "429" else None)


def test_a_refused_write_is_not_done(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"match": "POST", "kind": "500", "times": 1}])

    crm.post("/users", json=crm_user("ada"))

    assert emails(sandbox) == []


def test_a_lost_answer_leaves_the_write_done(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"match": "POST", "kind": "lost-answer", "times": 1}])

    with pytest.raises(httpx.RemoteProtocolError):
        crm.post("/users", json=crm_user("ada"))

    assert emails(sandbox) == ["ada@juniperfinch.example"]
    assert crm.post("/users", json=crm_user("ada")).status_code == 422


def test_a_timeout_never_answers_and_writes_nothing(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"match": "POST", "kind": "timeout", "times": 1, "seconds": 30}])

    with pytest.raises(httpx.ReadTimeout):
        crm.post("/users", json=crm_user("ada"), timeout=0.2)

    assert emails(sandbox) == []


def test_a_held_call_ends_with_a_cut_connection(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"kind": "timeout", "times": 1, "seconds": 0.05}])

    with pytest.raises(httpx.RemoteProtocolError):
        crm.get("/users")


def test_a_silent_noop_answers_as_if_done(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"match": "POST", "kind": "silent-noop", "times": 1}])

    answer = crm.post("/users", json=crm_user("ada"))

    assert answer.status_code == 201
    assert emails(sandbox) == []


def test_a_slow_replica_does_not_show_a_write_yet(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"match": "GET", "kind": "slow-replica", "seconds": 3600}])

    key = crm.post("/users", json=crm_user("ada")).json()["data"]["id"]

    assert crm.get(f"/users/{key}").status_code == 404
    assert emails(sandbox) == ["ada@juniperfinch.example"]


def test_a_slow_replica_shows_a_write_in_the_end(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").faults([{"match": "GET", "kind": "slow-replica", "seconds": 0.2}])

    key = crm.post("/users", json=crm_user("ada")).json()["data"]["id"]
    crm.patch(f"/users/{key}", json={"title": "Buyer"})

    wait_until(lambda: crm.get(f"/users/{key}").json().get("data", {}).get("title") == "Buyer")


def test_a_wrong_first_hit_comes_before_the_right_one(sandbox: Sandbox, crm: httpx.Client) -> None:
    for name in ("bo", "ada"):
        crm.post("/users", json=crm_user(name))
    sandbox.control("crm").faults([{"kind": "wrong-first-hit"}])

    found = crm.get("/users", params={"email": "ada@juniperfinch.example"}).json()["data"]

    assert [user["first_name"] for user in found] == ["Bo", "Ada"]


@pytest.mark.parametrize("wrong", [{"kind": "bad luck"}, {"kind": "500", "match": "("}, {"kind": "500", "x": 1}])
def test_a_fault_that_cannot_be_is_refused(sandbox: Sandbox, wrong: dict[str, object]) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        sandbox.control("crm").faults([wrong])


# limits, latency, log


def test_the_limit_answers_429_with_retry_after(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").limits(2, 3600)

    answers = [crm.get("/roles") for _ in range(3)]

    assert [a.status_code for a in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 3600


def test_a_new_window_lets_calls_through_again(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").limits(1, 0.5)

    wait_until(lambda: crm.get("/roles").status_code == 429)

    wait_until(lambda: crm.get("/roles").status_code == 200)


def test_the_log_names_each_request_but_no_credentials(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").clear_log()

    crm.get("/users", params={"per_page": "5"})

    [seen] = sandbox.control("crm").log()
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "/crm/api/v2/users", "per_page=5")
    assert seen["status"] == 200
    assert sandbox.environment["CRM_TOKEN"] not in str(seen)


def test_latency_holds_calls_side_by_side(sandbox: Sandbox, crm: httpx.Client) -> None:
    sandbox.control("crm").latency(400)

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: crm.get("/roles"), range(10)))

    log = sandbox.control("crm").log()
    whole = max(seen["time"] + seen["duration"] for seen in log) - min(seen["time"] for seen in log)
    assert len(log) == 10
    assert whole < sum(seen["duration"] for seen in log) / 2


def test_copies_of_the_crm_are_independent(sandbox: Sandbox, crm: httpx.Client) -> None:
    token = {"Authorization": f"Bearer {sandbox.environment['CRM_TOKEN']}"}

    httpx.post(f"{sandbox.url}/app/7/api/v2/users", json=crm_user("ada"), headers=token).raise_for_status()

    assert emails(sandbox, "app-7") == ["ada@juniperfinch.example"]
    assert emails(sandbox, "app-8") == emails(sandbox) == []
    assert httpx.get(f"{sandbox.url}/app/51/api/v2/users", headers=token).status_code == 404


def test_an_unknown_twin_is_named_with_the_known_ones(sandbox: Sandbox) -> None:
    answer = sandbox.client.get("/_control/crn/state")

    assert answer.status_code == 404
    assert "crm" in answer.json()["error"]


# the process


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with Sandbox(state=tmp_path / "state.db") as sandbox, clients(sandbox) as made:
        keys = [made["crm"].post("/users", json=crm_user(n)).json()["data"]["id"] for n in ("ada", "bo", "cy")]
        made["crm"].delete(f"/users/{keys[1]}")
        before = sandbox.control("crm").state()

        sandbox.kill()
        sandbox.start()

        assert sandbox.control("crm").state() == before
        assert made["crm"].post("/users", json=crm_user("ada")).status_code == 422


def test_the_sandbox_stops_cleanly_on_a_signal(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with Sandbox() as sandbox:
            process = sandbox.process
            assert process
            process.send_signal(number)
            assert process.wait(20) == 0


def test_the_sandbox_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), Sandbox() as sandbox:
        pid = sandbox.process.pid if sandbox.process else 0
        raise ZeroDivisionError

    assert not psutil.pid_exists(pid)


def test_the_sandbox_dies_with_a_killed_parent() -> None:
    script = (
        "import sys, time\nfrom connectors.sandbox import Sandbox\n"
        "sandbox = Sandbox()\nsandbox.start()\nsys.stdout.write(f'{sandbox.process.pid}\\n')\n"
        "sys.stdout.flush()\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_taken_port_is_said_in_one_line(house: Sandbox) -> None:
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(house.port)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert str(house.port) in ended.stderr
