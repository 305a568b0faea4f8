"""The receiver as a process of its own, and BambooHR's calls to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML
from sqlmodel import select

from flows.daily_sync import classify, keep
from flows.gate import believed, read
from flows.identities import resolve
from flows.record import overrides, settled
from flows.record.database import Database
from flows.record.tables import SignalRow
from flows.settings import Settings
from flows.site import Site
from mappings.day import standing
from mappings.exceptions import told
from mappings.folder import read_folder
from mappings.rules import fingerprints
from tests.drills.engine import free_port
from tests.stage import until

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
KEY = "key-of-the-tests"
TOKEN = "token-of-the-tests"
PATH = "/webhooks/bamboohr"
DATABASE = "ROLLCALL_DATABASE_URL"


def company_of(folder: Path, hr: str) -> Path:
    """A copy of the sample's rules with this source."""
    copy, yaml = folder / "mappings", YAML()
    shutil.copytree(SAMPLE, copy)
    words = yaml.load((copy / "company.yaml").read_text())
    words["hr"] = hr
    with (copy / "company.yaml").open("w") as out:
        yaml.dump(words, out)
    return copy


def event(person: str = "101", **more: Any) -> bytes:
    """An event-based body."""
    data = {"companyId": "12345", "employeeId": person, "changedFields": ["department"]}
    return json.dumps(
        {"type": "employee.updated", "timestamp": "2026-01-31T18:42:00+0000", "data": data} | more
    ).encode()


def signed(body: bytes, at: float | None = None, key: str = KEY) -> dict[str, str]:
    """The headers that BambooHR sends with a body."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(key.encode(), body + stamp.encode(), hashlib.sha256).hexdigest()
    return {"X-BambooHR-Timestamp": stamp, "X-BambooHR-Signature": digest}


class Receiver:
    """`python -m flows.webhook` on a free port; Prefect's server is nowhere."""

    command = (sys.executable, "-m", "flows.webhook")

    def __init__(self, folder: Path, values: dict[str, str], rules: Path = SAMPLE, **more: str) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ROLLCALL_"))}
        database = more.get(DATABASE, f"sqlite:///{folder / 'record.db'}")
        own = {
            "ROLLCALL_HOME": str(folder / "home"),
            "ROLLCALL_MAPPINGS": str(rules),
            DATABASE: database,
            "ROLLCALL_WEBHOOK_PORT": str(self.port),
            "ROLLCALL_WEBHOOK_TOKEN": TOKEN,
            "PREFECT_API_URL": "http://127.0.0.1:1/api",
            "PREFECT_HOME": str(folder / "prefect"),
            "BAMBOOHR_WEBHOOK_KEY": KEY,
        }
        self.environment = plain | values | own | more
        self.db = Database(database)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return once it answers."""
        with (self.folder / "receiver.log").open("ab") as log:
            made = subprocess.Popen(self.command, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
            self.process = made
        until(self.answers, "the receiver answers")

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def rows(self) -> list[SignalRow]:
        """What is in the record."""
        with self.db.session() as session:
            return list(session.exec(select(SignalRow).order_by(SignalRow.id)))  # type: ignore[arg-type]

    def log(self) -> str:
        return (self.folder / "receiver.log").read_text()

    def memory(self) -> int:
        """The most kilobytes that the process ever had at once."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    @cached_property
    def site(self) -> Site:
        """The installation as the receiver sees it."""
        folder = Path(self.environment["ROLLCALL_MAPPINGS"])
        settings = Settings(home=self.folder / "home", mappings=folder, database_url=self.environment[DATABASE])
        return Site(settings, self.environment, read_folder(folder), self.db)

    def settle_everybody(self) -> dict[str, str]:
        """The first feed, in which all that is due has been done already; work e-mail -> id."""
        site, moment = self.site, datetime.now(UTC)
        feed = read(site, moment.date())
        changed = classify(site, feed, moment)
        people = resolve(site, feed.people, moment)
        keep(site, feed, changed, believed(site, feed, moment), moment)
        status, here = standing(people, site.rules.company, moment)
        marks = fingerprints(people, status, here, site.rules, told(people, overrides.in_force(site.db, moment)))
        for person, mark in zip(people["employee_id"], marks, strict=True):
            settled.settle(site.db, person, mark)
        return dict(zip(people["work_email"], people["employee_id"], strict=True))


@contextmanager
def receiver(folder: Path, values: dict[str, str], rules: Path = SAMPLE, **more: str) -> Iterator[Receiver]:
    """A running receiver with an empty record."""
    running = Receiver(folder, values, rules, **more)
    try:
        running.start()
        yield running
    finally:
        running.kill()
        running.db.close()
