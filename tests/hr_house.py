"""The sample's HR sources in front of their twins, each held to its vendor's description."""

from __future__ import annotations

import atexit
import json
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from tempfile import mkdtemp
from typing import Any, NamedTuple

import pandas as pd
from ruamel.yaml import YAML

from connectors.hr.catalogue import source
from connectors.sandbox import company
from mappings.feed import people_of
from mappings.vocabulary import HrSource

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
KEPT = Path(mkdtemp(prefix="rollcall-hr-"))
atexit.register(shutil.rmtree, KEPT, ignore_errors=True)
TOLD = ["given_name", "family_name", "department", "title", "location", "worker_type", "hire_date", "last_day"]
OURS = dict(
    zip(
        TOLD,
        (
            "firstName",
            "lastName",
            "department",
            "jobTitleName",
            "location",
            "customWorkerType",
            "hireDate",
            "terminationDate",
        ),
        strict=True,
    )
)


def words_of(name: str) -> dict[str, Any]:
    """The sample's hr/<name>.yaml."""
    found: dict[str, Any] = YAML(typ="safe").load((SAMPLE / "hr" / f"{name}.yaml").read_text())
    return found


def connected(
    values: Mapping[str, str], name: str, drop: tuple[str, ...] = (), keep: Path | None = None, **options: object
) -> Any:
    """The source of the sample's hr/<name>.yaml, for the sandbox with this environment; it keeps things in `keep`."""
    words = words_of(name)
    words["options"] = {k: v for k, v in (words["options"] | options).items() if k not in drop}
    return source(name, HrSource.model_validate(words), values, SAMPLE, keep=keep or KEPT / uuid.uuid4().hex)


def at_first(sandbox: Any, name: str) -> Any:
    """A vendor's twin as on the first day, without faults."""
    control = sandbox.control(name)
    control.reset()
    control.faults([])
    return control


def people(hr: Any, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """Everybody as Persons; the index is the work e-mail, the manager goes by theirs. Nobody is held."""
    feed = people_of(hr.read() if frame is None else frame, hr.rules)
    assert feed.held == ()
    emails = feed.people.set_index("employee_id")["work_email"].to_dict()
    return feed.people.assign(manager=feed.people["manager_id"].map(emails)).set_index("work_email")


def told(found: pd.DataFrame) -> dict[str, dict[str, str]]:
    """What the company is: by work e-mail, as plain text."""
    shown = found[TOLD].astype("string").fillna("")
    return {
        str(email): {
            str(k): str(v)[:10] if "da" in str(k) and str(k) != "department" else str(v) for k, v in row.items()
        }
        for email, row in shown.iterrows()
    }


def expected() -> dict[str, dict[str, str]]:
    """The same company as the story has it."""
    return {
        row["workEmail"]: {
            ours: str(row.get(theirs) or "").replace("Employee", "employee").replace("Contractor", "contractor")
            if ours == "worker_type"
            else str(row.get(theirs) or "")
            for ours, theirs in OURS.items()
        }
        for row in company.population()
    }


class Letter(NamedTuple):
    """A webhook call that came."""

    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def letter_box() -> Iterator[tuple[str, Queue[Letter]]]:
    """An address that takes whatever is posted, and what came."""
    came: Queue[Letter] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.put(Letter({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", came
        server.shutdown()


def now() -> datetime:
    return datetime.now(UTC)
