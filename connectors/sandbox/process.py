"""The sandbox as a child process: started on a free port, driven by its control, ended by its own pid."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from connectors.sandbox.addresses import environment

PATIENCE = 20.0  # seconds a start or a stop may take on a busy machine


class TwinControl:
    """What a test may ask of one twin."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self.client, self.name = client, name

    def ask(self, method: str, what: str, body: object = None) -> Any:
        """One control call; httpx.HTTPStatusError where it is refused."""
        answer = self.client.request(method, f"/_control/{self.name}/{what}", json=body)
        return answer.raise_for_status().json()

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """All objects by table."""
        return dict(self.ask("GET", "state"))

    def log(self) -> list[dict[str, Any]]:
        """Requests in the order of their ends: time, iso, method, path, query, status, duration, fault."""
        return list(self.ask("GET", "log"))

    def clear_log(self) -> None:
        self.ask("DELETE", "log")

    def faults(self, faults: list[dict[str, Any]]) -> None:
        """Replace all faults; an empty list ends them."""
        self.ask("PUT", "faults", faults)

    def latency(self, ms: float) -> None:
        self.ask("PUT", "latency", {"ms": ms})

    def limits(self, requests: int, per_seconds: float = 1.0) -> None:
        """One limit for all calls in place of the vendor's."""
        self.ask("PUT", "limits", {"requests": requests, "per_seconds": per_seconds})

    def faster(self, times: float) -> None:
        """The vendor's own limits, with time gone so many times faster."""
        self.ask("PUT", "limits", {"faster": times})

    def reset(self) -> None:
        self.ask("POST", "reset")

    def options(self, **options: Any) -> None:
        self.ask("PUT", "options", options)

    def sign_in(self, user_name: str) -> dict[str, Any]:
        """Make a session at the SSO."""
        return dict(self.ask("POST", "sign-in", {"userName": user_name}))

    def give(self, what: str, to: str, *items: dict[str, Any]) -> list[dict[str, Any]]:
        """Let an account (by user name, address or login) own things: `give("deals", "ann@…", {"title": "Tea"})`.

        sso: grants, tokens, service_accounts; crm: deals, api_keys; desk: tickets, macros.
        """
        return list(self.ask("POST", "give", {"what": what, "to": to, "items": list(items)}))


class Sandbox:
    """A running sandbox: `with Sandbox() as sandbox: …`. It stops when the block ends, or when this process does."""

    def __init__(self, port: int = 0, state: Path | None = None, latency_ms: float = 0.0) -> None:
        self.port, self.state_file, self.latency_ms = port, state, latency_ms
        self.process: subprocess.Popen[str] | None = None
        self.client = httpx.Client(timeout=30.0, verify=False)  # loopback; loading certificates is slow

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.client.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client of the sandbox needs."""
        return environment(self.port)

    def start(self) -> None:
        """Start, and return once it listens; again on the same port after a stop or a kill."""
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command(), stdin=pipe, stdout=pipe, text=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if "listening" not in line:
            self.stop()
            raise RuntimeError(f"the sandbox did not start on port {self.port or '(any)'}")
        self.port = int(line.rsplit(":", 1)[1])
        self.client.base_url = httpx.URL(self.url)

    def command(self) -> list[str]:
        """What is started."""
        command = [sys.executable, "-m", "connectors.sandbox", "--port", str(self.port), "--until-stdin-closes"]
        command += ["--latency-ms", str(self.latency_ms)]
        return command + (["--state", str(self.state_file)] if self.state_file else [])

    def stop(self) -> None:
        """End the process, by force where it does not listen."""
        self.end(force=False)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.end(force=True)

    def end(self, force: bool) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.kill() if force else process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def control(self, twin: str) -> TwinControl:
        """bamboohr, sso, crm, desk, badges, or app-1 to app-50."""
        return TwinControl(self.client, twin)

    def today(self, day: date | None) -> None:
        """Set the date that BambooHR goes by; None is the real one."""
        body = {"today": day.isoformat() if day else None}
        self.client.put("/_control/clock", json=body).raise_for_status()

    def reset(self) -> None:
        """Everything as on the first day."""
        self.client.post("/_control/reset").raise_for_status()
