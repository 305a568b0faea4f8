"""Receivers on a stage's record and Prefect, and ones that are killed where a test wants it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stage import Stage
from tests.webhook_door import PATH, Receiver

DEATH = """
import os, runpy, signal, sys
import flows.record.signals as signals
import flows.webhook_dispatch as dispatch

def die(*_, **__):
    os.kill(os.getppid(), signal.SIGKILL)  # the door
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(function):
    return lambda *given, **more: (function(*given, **more), die())

{fault}
sys.argv = ["", *sys.argv[3:]]  # of `-m flows.webhook_backroom FD`
runpy.run_module("flows.webhook_backroom", run_name="__main__")
"""
"""What runs in the place of the room behind the door."""
FAULTS = {
    "after the store, before the look": "dispatch.look = die",
    "after the look, before the start": "dispatch.note_effects = die",
    "with the effects noted, before the start": "dispatch.start = die",
    "after the start, before it is noted": "dispatch.settle = die",
    "while it is noted": "signals.finish = then_die(signals.finish)",
}
DOOR = "import sys; sys.argv = ['']; sys.executable = {python!r}; from flows.webhook import main; main()"


def on_stage(stage: Stage, folder: Path) -> Receiver:
    """A receiver that is not started yet."""
    folder.mkdir(exist_ok=True)
    more = stage.stack.environment() | stage.sandbox.environment
    names = ("ROLLCALL_HOME", "ROLLCALL_DATABASE_URL", "BAMBOOHR_WEBHOOK_KEY")
    chosen = {name: value for name, value in more.items() if name in names or name.startswith("PREFECT_")}
    return Receiver(folder, stage.sandbox.environment, stage.settings.mappings_folder, **chosen)


@contextmanager
def called(stage: Stage, receiver: Receiver) -> Iterator[Receiver]:
    """BambooHR calls this receiver whenever somebody's last day or department changes."""
    words = {"name": "Rollcall", "format": "json", "monitorFields": ["department", "terminationDate"]}
    events = ["employee.created", "employee.updated", "employee.deleted"]
    hook = stage.hr.post("/webhooks", json={"url": receiver.url + PATH, "events": events, **words}).raise_for_status()
    try:
        yield receiver
    finally:
        receiver.kill()
        receiver.db.close()
        stage.hr.delete(f"/webhooks/{hook.json()['id']}").raise_for_status()


def mortal(folder: Path, fault: str) -> tuple[str, str, str]:
    """The command of a receiver that dies there."""
    (folder / "death.py").write_text(DEATH.format(fault=FAULTS[fault]))
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(folder / "death.py")])} "$@"\n')
    python.chmod(0o700)
    return (sys.executable, "-c", DOOR.format(python=str(python)))
