"""BambooHR's webhooks: event-based, in JSON or as a form (documentation.bamboohr.com/docs/event-based-webhooks).

A change that begins on a later day is not told of when it is written, nor by this twin when it begins.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from connectors.sandbox.deliveries import Deliveries, Letter
from connectors.sandbox.store import Row

PRIVATE_KEY = "bamboohr-webhook-key-of-the-sandbox"
EVENTS = ("employee.created", "employee.updated", "employee.deleted")
DELIVERIES = Deliveries()


def problem_with(asked: Row) -> str:
    """What is wrong with a webhook that is to be made; empty where nothing is."""
    if not asked.get("name") or not str(asked.get("url", "")).startswith(("https://", "http://127.0.0.1")):
        return "name and an https url are required"
    if asked.get("format") not in ("json", "form-encoded"):
        return "format is json or form-encoded"
    events = asked.get("events") or []
    if not events or not set(events) <= set(EVENTS):
        return f"events: this twin knows {', '.join(EVENTS)}"
    return "monitorFields is required" if EVENTS[1] in events and not asked.get("monitorFields") else ""


def made(asked: Row, number: int) -> Row:
    """The webhook as it is kept."""
    kept = {name: asked.get(name) for name in ("name", "url", "format", "events", "monitorFields")}
    return {"id": str(number), "created": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", "lastSent": None, **kept}


def tell(hook: Row, employee: str, action: str) -> None:
    """Post what the webhook is to hear of."""
    for letter in letters(hook, employee, action):
        DELIVERIES.post(*letter)


def letters(hook: Row, employee: str, action: str) -> Iterator[Letter]:
    """The calls that say it; a create is told as created, then as updated."""
    for event in heard(hook, action):
        body, kind = written(hook, event, employee)
        yield Letter(hook["url"], body, {"Content-Type": kind, **signed(body, str(int(time.time())))})


def heard(hook: Row, action: str) -> Iterator[str]:
    """Events of an action that the webhook asked for."""
    told = {"Inserted": EVENTS[:2], "Updated": EVENTS[1:2], "Deleted": EVENTS[2:]}[action]
    yield from (event for event in told if event in hook["events"])


def written(hook: Row, event: str, employee: str) -> tuple[bytes, str]:
    """The body and its type."""
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+0000}"
    data: Row = {"companyId": "12345", "employeeId": employee}
    if event == EVENTS[1]:
        data["changedFields"] = hook["monitorFields"]
    if hook["format"] == "json":
        return json.dumps({"type": event, "timestamp": at, "data": data}).encode(), "application/json"
    form = {"type": event, "timestamp": at, "data[companyId]": "12345", "data[employeeId]": employee}
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def signed(body: bytes, stamp: str) -> dict[str, str]:
    """HMAC-SHA256 over the body with the time behind it, in hexadecimal."""
    digest = hmac.new(PRIVATE_KEY.encode(), body + stamp.encode(), hashlib.sha256).hexdigest()
    return {"X-BambooHR-Timestamp": stamp, "X-BambooHR-Signature": digest}
