"""The worker's side of the zygote: children by the fork, and word of their ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""numpy and pyarrow start threads when imported, and threads do not survive a fork."""


@dataclass
class Child:
    """A run's process as the zygote knows it; what Prefect's ProcessHandle needs of a process."""

    pid: int
    returncode: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Forks:
    """Starts the zygote, asks it for children, hears of their ends, and starts it again should it die."""

    def __init__(self) -> None:
        self.children: dict[int, Child] = {}
        self.abandoned = False
        self._one_question = asyncio.Lock()
        self._answer: asyncio.Future[int] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._lifeline = os.pipe()

    async def start(self) -> None:
        """Start the zygote and wait until it has imported everything."""
        ours, theirs = socket.socketpair()
        fds = (theirs.fileno(), self._lifeline[0])
        command = [sys.executable, "-m", "flows.zygote", *map(str, fds)]
        self._process = subprocess.Popen(command, pass_fds=fds, env=os.environ | SINGLE_THREADED)
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._answer = asyncio.get_running_loop().create_future()
        self._listener = asyncio.create_task(self._listen(reader))
        await self._answer

    async def fork(self, env: Mapping[str, str], cwd: Path) -> Child:
        """A child that runs the flow run named in `env`."""
        async with self._one_question:
            if self._process is None or self._listener is None or self._listener.done():
                await self.start()
            assert self._writer is not None
            self._answer = asyncio.get_running_loop().create_future()
            self._writer.write(json.dumps({"env": dict(env), "cwd": str(cwd)}).encode() + b"\n")
            return self.children[await self._answer]

    def abandon(self) -> None:
        """End every child at once, and let nobody draw conclusions from how they ended."""
        self.abandoned = True
        self._end_children()

    async def stop(self) -> None:
        """End every child, then the zygote."""
        self.abandon()
        if self._listener is not None:
            self._listener.cancel()
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._hear(json.loads(line))
        except ConnectionError:
            pass
        self._lost()

    def _hear(self, message: dict[str, int]) -> None:
        if "code" in message:
            self._finish(message["pid"], message["code"])
        elif self._answer is not None:
            if "pid" in message:
                self.children[message["pid"]] = Child(message["pid"])
            self._answer.set_result(message.get("pid", 0))

    def _finish(self, pid: int, code: int) -> None:
        if child := self.children.pop(pid, None):
            child.returncode = code
            child.ended.set()

    def _lost(self) -> None:
        """The zygote died: nobody would hear of its children any more, so they end too."""
        self._end_children()
        for pid in list(self.children):
            self._finish(pid, -signal.SIGKILL)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RuntimeError("the process that runs are forked from has died"))

    def _end_children(self) -> None:
        for pid in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
