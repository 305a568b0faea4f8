"""The stack: everything up from nothing, the same again, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from flows import deployments
from flows.settings import Settings, UnsafeEnvFile, environment, load_settings
from flows.stack import Stack, StackError
from tests.drills.engine import DRILLS, PROJECT, gone, settings_in, started, until

HOLDS_A_STACK = """
import sys, time
from pathlib import Path
from flows.settings import Settings
from flows.stack import Stack
with Stack(Settings(home=Path(sys.argv[1]), prefect_port=int(sys.argv[2])), prefect_yaml=Path(sys.argv[3])) as stack:
    print(*(part.process.pid for part in stack.parts.values()), flush=True)
    time.sleep(600)
"""


def test_a_fresh_home_has_a_ui_a_pool_with_queues_and_the_deployments(tmp_path: Path) -> None:
    with started(tmp_path) as engine:
        ui = httpx.get(engine.stack.settings.ui_url)
        known = engine.client.read_deployments()
        queues = httpx.post(f"{engine.stack.settings.api_url}/work_pools/rollcall/queues/filter", json={}).json()
        processes = family(engine.stack)
    assert "Prefect" in ui.text
    assert {entry.name for entry in known} == {entry.name for entry in deployments.read_deployments(DRILLS)}
    assert {queue["name"]: queue["priority"] for queue in queues} == deployments.QUEUES
    assert len(processes) >= 3  # server, worker, zygote
    assert all(gone(pid) for pid in processes)


def test_the_same_home_starts_again_and_registers_nothing_new(tmp_path: Path) -> None:
    settings, said = settings_in(tmp_path), list[str]()
    with Stack(settings, prefect_yaml=DRILLS, with_worker=False):
        pass
    with Stack(settings, said.append, prefect_yaml=DRILLS, with_worker=False):
        pass
    assert "Deployments are as they were" in said


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    command = [sys.executable, "-c", HOLDS_A_STACK, str(settings.home), str(settings.prefect_port), str(DRILLS)]
    path = {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | path) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        pids += [child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)]
        parent.send_signal(signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids), "every process of the stack has ended")


def test_a_port_in_use_is_refused_with_advice(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    refusal = f"Port {settings.prefect_port} is in use.*ROLLCALL_PREFECT_PORT="
    with socket.create_server(("127.0.0.1", settings.prefect_port)), pytest.raises(StackError, match=refusal):
        Stack(settings, prefect_yaml=DRILLS).__enter__()
    assert not (settings.home / "prefect.db").exists()


def test_a_home_in_use_is_refused_with_advice(tmp_path: Path) -> None:
    with started(tmp_path, with_worker=False) as engine:
        same_home = Settings(home=engine.stack.settings.home, prefect_port=1)
        with pytest.raises(StackError, match="in use by another `rollcall up`"):
            Stack(same_home, prefect_yaml=DRILLS).__enter__()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, prefect_database_url="nonsense://")
    stack = Stack(settings, prefect_yaml=DRILLS, with_worker=False)
    with pytest.raises(StackError, match="(?s)server ended at once.*server.log"):
        stack.__enter__()
    assert stack.parts == {}


def test_prefect_yaml_names_each_deployment_after_its_function() -> None:
    for entry in deployments.read_deployments(PROJECT / "prefect.yaml"):
        assert entry.entrypoint == f"flows.{entry.name}.{entry.name}"


def test_env_files_that_others_can_read_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / ".env"
    secret.write_text("SSO_TOKEN=x\nROLLCALL_WORKER_LIMIT=7\n")
    secret.chmod(0o644)
    with pytest.raises(UnsafeEnvFile, match="chmod 600"):
        load_settings(secret)
    with pytest.raises(UnsafeEnvFile, match="mode 0644"):
        environment(secret)


def test_an_owner_only_env_file_gives_settings_and_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / ".env"
    secret.write_text("SSO_TOKEN=x\nHR_TOKEN=file\nROLLCALL_WORKER_LIMIT=7\n")
    secret.chmod(0o600)
    monkeypatch.setenv("HR_TOKEN", "environment")
    assert load_settings(secret).worker_limit == 7
    assert (environment(secret)["SSO_TOKEN"], environment(secret)["HR_TOKEN"]) == ("x", "environment")


def test_mappings_default_to_the_sample_unless_the_folder_has_a_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROLLCALL_MAPPINGS", raising=False)
    assert Settings().mappings_folder.parts[-2:] == ("mappings", "sample")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "company.yaml").touch()
    assert Settings().mappings_folder == tmp_path / "mappings"


def family(stack: Stack) -> list[int]:
    """The stack's processes and theirs, once the worker has forked its own."""
    worker = psutil.Process(stack.parts["worker"].process.pid)
    until(worker.children, "the worker has its zygote")
    parts = [psutil.Process(part.process.pid) for part in stack.parts.values()]
    return [process.pid for part in parts for process in (part, *part.children(recursive=True))]
