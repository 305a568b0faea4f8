"""Prefect's server and Rollcall's worker on one machine: started together, ended together."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import certifi
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import deployments, lifeline
from flows.settings import Settings

HEALTHY_SECONDS = 180.0  # the first start runs Prefect's migrations
LOG_TAIL = 20  # lines shown when a part of the stack does not start

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_CLI_PROMPT": "false"}
RECORDER = {  # one row at a time is Prefect's default and leaves the UI behind
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
PATIENT = {  # Prefect looks at every waiting run this often; `reminders` ends those whose time is over
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "900",
}
CLIENT = {
    "PREFECT_WORKER_QUERY_SECONDS": "0.5",
    "PREFECT_CLIENT_MAX_RETRIES": "10",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,503",  # a server busy writing SQLite says 503
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",  # one call less per run; the server here has it off
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",  # the server is of this same installation
}

Progress = Callable[[str], None]


class StackError(Exception):
    """The stack could not be started; the message says why and what to do."""


class Stack:
    """`with Stack(settings):` has a healthy server, registered deployments and a worker; nothing stays behind."""

    server_command: Sequence[str] = (sys.executable, "-m", "flows.server", "{lifeline}")
    worker_command: Sequence[str] = (sys.executable, "-m", "flows.worker", "{lifeline}")
    receiver_command: Sequence[str] = (sys.executable, "-m", "flows.webhook", "{lifeline}")

    def __init__(
        self,
        settings: Settings,
        progress: Progress = lambda _: None,
        *,
        prefect_yaml: Path | None = None,
        with_worker: bool = True,
        with_receiver: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """`extra`: further variables for server and worker, e.g. those the apps need."""
        self.settings = settings
        self.progress = progress
        self.prefect_yaml = prefect_yaml or deployments.prefect_yaml()
        self.with_worker = with_worker
        self.with_receiver = with_receiver
        self.extra = dict(extra or {})
        self.parts: dict[str, Part] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Stack:
        with ExitStack() as opened:
            opened.enter_context(_locked(self.settings.home))
            require_free_port(self.settings.prefect_port)
            if self.with_receiver:
                require_free_port(self.settings.webhook_port, "ROLLCALL_WEBHOOK_PORT", self.settings.webhook_host)
            opened.callback(self.stop_server)
            self.start_server()
            opened.callback(self.stop_worker)
            if self.with_worker:
                self.start_worker()
            self._wait_healthy()
            self._register()
            opened.callback(self.stop_receiver)
            if self.with_receiver:
                self.start_receiver()
            opened.enter_context(temporary_settings({PREFECT_API_URL: self.settings.api_url}))
            self._cleanup = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress("Stopping Prefect")
        self._cleanup.close()

    def start_server(self) -> None:
        """Start Prefect's server without waiting for it."""
        self.progress(f"Starting Prefect's server and UI on {self.settings.ui_url}")
        self._start("server", self.server_command, self.server_environment())

    def start_worker(self) -> None:
        """Start the worker; it waits for the server by itself."""
        self.progress(f"Starting a worker for {self.settings.worker_limit} runs at a time")
        self._start("worker", self.worker_command, self.environment())

    def start_receiver(self) -> None:
        """Start the receiver of HR's webhooks; calls that come earlier are sent again by the vendor."""
        self.progress(f"Listening for HR's webhooks on {self.settings.webhook_url}")
        self._start("receiver", self.receiver_command, self.environment())

    def stop_server(self) -> None:
        """Stop the server if it runs."""
        self._stop("server")

    def stop_worker(self) -> None:
        """Stop the worker if it runs: its runs get a moment to finish, the rest wait for the next worker."""
        self._stop("worker")

    def stop_receiver(self) -> None:
        """Stop the receiver if it runs; what it has answered is in the record."""
        self._stop("receiver")

    def environment(self) -> dict[str, str]:
        """Variables for any process that is to talk to this server: worker, tests, commands."""
        settings = self.settings
        own = {
            "PREFECT_HOME": str(settings.home / "prefect"),
            "PREFECT_API_URL": settings.api_url,
            "PREFECT_UI_URL": settings.ui_url,
            "PREFECT_API_SSL_CERT_FILE": str(_one_authority(settings.home)),
            "ROLLCALL_HOME": str(settings.home),
            "ROLLCALL_MAPPINGS": str(settings.mappings_folder),
            "ROLLCALL_DATABASE_URL": settings.database_url,
            "ROLLCALL_PREFECT_PORT": str(settings.prefect_port),
            "ROLLCALL_WEBHOOK_HOST": settings.webhook_host,
            "ROLLCALL_WEBHOOK_PORT": str(settings.webhook_port),
            "ROLLCALL_WORKER_LIMIT": str(settings.worker_limit),
            "ROLLCALL_SIGNING_KEY_PATH": str(settings.signing_key_file),
        }
        return os.environ | QUIET | CLIENT | own | self.extra

    def server_environment(self) -> dict[str, str]:
        """As `environment`, with what only the server may know."""
        settings = self.settings
        url = settings.prefect_database_url
        database = url.get_secret_value() if url else f"sqlite+aiosqlite:///{settings.home / 'prefect.db'}"
        return (
            self.environment()
            | RECORDER
            | PATIENT
            | {
                "PREFECT_SERVER_API_HOST": "127.0.0.1",
                "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
                "PREFECT_SERVER_UI_API_URL": settings.api_url,
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
            }
            | self.extra
        )

    def _start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        self.parts[name] = Part(name, command, self.settings.home / "logs" / f"{name}.log", environment)

    def _stop(self, name: str) -> None:
        if part := self.parts.pop(name, None):
            part.stop()

    def _wait_healthy(self) -> None:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while not healthy(self.settings.api_url):
            self.parts["server"].require_alive()
            if time.monotonic() > deadline:
                raise StackError(
                    f"Prefect's server did not answer within {HEALTHY_SECONDS:.0f} s. "
                    f"See {self.parts['server'].log} for why."
                )
            time.sleep(0.1)

    def _register(self) -> None:
        changed = asyncio.run(_register(self.settings.api_url, self.prefect_yaml))
        self.progress(f"Registered {', '.join(changed)}" if changed else "Deployments are as they were")


class Part:
    """One process of the stack, leader of its own group, that ends when this process does."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: dict[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.log = name, log
        reading, self._lifeline = os.pipe()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [word.format(lifeline=reading) for word in command],
                pass_fds=(reading,),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        os.close(reading)

    def require_alive(self) -> None:
        """Raise with the end of the log if the process has ended."""
        if self.process.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
            raise StackError(f"Prefect's {self.name} ended at once. The end of {self.log}:\n{tail}")

    def stop(self) -> None:
        """SIGTERM to the process, then SIGKILL to its group."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(lifeline.GRACE)
        self.kill()
        os.close(self._lifeline)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _locked(home: Path) -> IO[str]:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (home / "stack.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StackError(
            f"{home} is in use by another `rollcall up`. Stop that one, or set ROLLCALL_HOME to another folder."
        ) from None
    return lock


def _one_authority(home: Path) -> Path:
    """A bundle with a single authority. Prefect reads the whole of certifi's for each of a run's clients, a
    sixth of the time to a run's first line, even where the API is plain http on loopback as here."""
    bundle = home / "prefect" / "loopback.pem"
    if not bundle.exists():
        bundle.parent.mkdir(parents=True, exist_ok=True)
        end = "-----END CERTIFICATE-----\n"
        bundle.write_text(certifi.contents().partition(end)[0] + end)
    return bundle


def require_free_port(port: int, variable: str = "ROLLCALL_PREFECT_PORT", host: str = "127.0.0.1") -> None:
    """Raise StackError where something listens on the port already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise StackError(
                f"Port {port} is in use by another program. Stop it, or choose a free port: "
                f"`{variable}={port + 1} rollcall up`."
            ) from None


def healthy(api_url: str) -> bool:
    """Whether Prefect's server answers."""
    try:
        return httpx.get(f"{api_url}/health", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


async def _register(api_url: str, prefect_yaml: Path) -> list[str]:
    async with PrefectClient(api_url) as client:
        return await deployments.register(client, prefect_yaml)
