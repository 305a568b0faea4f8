"""A server that somebody else wrote, as a process of its own: started by tests/projects, ended by its own id."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

TESTS = Path(__file__).parent
ELSEWHERE = "ROLLCALL_SERVERS"
"""A folder with one virtual environment for each server that is not to be installed beside Rollcall."""


def interpreter(module: str) -> str:
    """The Python that has this module; empty where none has."""
    if importlib.util.find_spec(module):
        return sys.executable
    own = Path(os.environ.get(ELSEWHERE, "/nowhere")) / module / "bin" / "python"
    return str(own) if own.is_file() else ""


class Own:
    """What such servers have in common; see tests/foreign.py."""

    name: ClassVar[str]
    module: ClassVar[str]
    """What must be installed."""
    program: ClassVar[str]
    """The file under tests/projects that is run, with the folder and `arguments`; it says `listening on URL` and ends
    with its input. It imports nothing of ours: it may run in an environment of its own."""
    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.folder = Path()
        self.url = ""

    def environment(self) -> dict[str, str]:
        """The variables that its YAML names."""
        raise NotImplementedError

    def missing(self) -> str:
        """Why it cannot be started here."""
        return "" if interpreter(self.module) else f"{self.module} is not installed"

    def start(self, folder: Path) -> dict[str, str]:
        """Start it with its files below folder."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        script = TESTS / "projects" / f"{self.program}.py"
        command = [interpreter(self.module), "-W", "ignore", str(script), str(folder), *self.arguments]
        pipe = subprocess.PIPE
        with (folder / "server.log").open("w") as log:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=folder)
        lines = iter(self.process.stdout or ())
        line = next((line for line in lines if "listening on" in line), "")
        if not line:
            self.stop()
            raise RuntimeError(f"{self.name} did not start: {(folder / 'server.log').read_text()[-2000:]}")
        self.url = line.split()[-1]
        return self.environment()

    def stop(self) -> None:
        """End the process by its own id."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def rows(database: Path, query: str, *values: Any) -> list[dict[str, Any]]:
    """Rows of an SQLite database, or the effect of a statement on it."""
    with closing(sqlite3.connect(database, timeout=30)) as db:
        db.row_factory = sqlite3.Row
        found = [dict(row) for row in db.execute(query, values).fetchall()]
        db.commit()
        return found
