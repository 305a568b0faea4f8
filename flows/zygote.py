"""A single-threaded process that has imported Prefect and the project, and forks itself for every run.

Asked in lines of JSON over a socket, one question at a time: {"env": {...}, "cwd": "..."} -> {"pid": N}, and
{"pid": N, "code": C} whenever a child has ended.
A forked child runs `prefect.engine` as the stock worker's `python -m prefect.engine` would, minus the imports."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from flows import lifeline
from flows.settings import load_settings
from mappings.folder import read_folder

PRELOAD = (
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.task_runners",
    "prefect.task_worker",
    "prefect.events.clients",
    "prefect.runner.runner",
    "prefect.deployments.steps",
    "prefect.input",
    "prefect.artifacts",
    "prefect._internal.metrics",
    "prefect._internal.control_listener",
    "websockets.asyncio.client",
    "anyio._backends._asyncio",
    "anyio.streams.memory",
    "rich._emoji_codes",
    "httpx",
    "pandas",
    "pyarrow",
    "sqlmodel",
    "alembic",
    "ruamel.yaml",
)
PACKAGES = ("mappings", "connectors", "flows")
NOT_PRELOADED = (
    "connectors.sandbox",
    "flows.cli",
    "flows.worker",
    "flows.stack",
    "flows.zygote",
    "flows.server",
    "flows.record.migrations.env",
)


def preload() -> None:
    """Import what runs need. What cannot be imported here is left to fail, with its reason, in the run."""
    for name in (*PRELOAD, *_own_modules()):
        try:
            importlib.import_module(name)
        except Exception as problem:
            print(f"not preloaded: {name}: {problem}", file=sys.stderr)  # noqa: T201
    with suppress(Exception):  # the run will say what is wrong
        read_folder(load_settings().mappings_folder)


def _own_modules() -> list[str]:
    found = []
    for package in PACKAGES:
        paths = importlib.import_module(package).__path__
        found += [module.name for module in pkgutil.walk_packages(paths, f"{package}.", onerror=lambda _: None)]
    return [name for name in found if not name.startswith(NOT_PRELOADED)]


def attend(worker: socket.socket) -> dict[str, Any] | None:
    """Fork a child per request until the worker is gone (None); in a child, return its request at once."""
    with selectors.DefaultSelector() as ready, _child_signals() as ended:
        ready.register(worker, selectors.EVENT_READ)
        ready.register(ended, selectors.EVENT_READ)
        lines = worker.makefile("rb")
        while True:
            events = {key.fileobj for key, _ in ready.select()}
            if ended in events:
                ended.recv(4096)
                _report_ended(worker)
            if worker in events:
                line = lines.readline()
                if not line:
                    return None
                request: dict[str, Any] = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    return request
                os.setpgid(pid, pid)  # the child does so too; whoever is first
                _say(worker, {"pid": pid})


def _child_signals() -> socket.socket:
    """A socket that becomes readable when a child ends."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


def _report_ended(worker: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(worker, {"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(worker: socket.socket, message: dict[str, int]) -> None:
    worker.sendall(json.dumps(message).encode() + b"\n")


def become_run(request: dict[str, Any], lifeline_fd: int) -> None:
    """Make a forked child the process of its own run, in its own group, ended when the worker ends."""
    os.setpgid(0, 0)
    lifeline.watch(lifeline_fd, lifeline.end_group)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    old = {k: v for k, v in os.environ.items() if k.startswith("PREFECT_")}
    sys.modules.pop("prefect.engine", None)  # a package may have imported it; it is run as __main__
    os.environ.clear()
    os.environ.update(request["env"])
    if any(os.environ.get(k) != old.get(k) for k in _prefect_settings(old)):
        importlib.import_module("prefect.context").refresh_global_settings_context()
    os.chdir(request["cwd"])
    sys.argv = ["prefect.engine"]
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


def _prefect_settings(old: dict[str, str]) -> set[str]:
    new = {k for k in os.environ if k.startswith("PREFECT_")}
    return {k for k in new | set(old) if not k.startswith("PREFECT__")}


def main() -> None:
    """`python -m flows.zygote SOCKET_FD LIFELINE_FD`, started by the worker."""
    worker, lifeline_fd = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    gc.collect()
    gc.freeze()
    _say(worker, {"ready": 1})
    request = attend(worker)
    if request is not None:
        worker.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        become_run(request, lifeline_fd)


if __name__ == "__main__":
    main()
