"""HR's calls at Darwinbox, each with the key of its API; see tests/hr_calls.py."""

from __future__ import annotations

from typing import Any

import httpx

from tests.hr_desk import Hr, client, post, today


def darwinbox_day(iso: str) -> str:
    return "-".join(reversed(iso.split("-")))


def darwinbox_do(hr: httpx.Client, api: str, **body: Any) -> dict[str, Any]:
    """What an import API answers; each says for itself, with 200, what did not work."""
    told: dict[str, Any] = post(hr, f"/importapi/{api}", api_key=f"darwinbox-{api}-key-of-the-sandbox", **body)
    assert told["status"] == 1 and not told["errors"], told
    return told


def darwinbox_hire(hr: httpx.Client, first: str) -> str:
    """Who is added is pending until activated, on the first day."""
    person = {"first_name": "Mia", "last_name": "Schneider", "date_of_joining": darwinbox_day(first)}
    place = {"department_name": "Finance", "office_city": "Lisbon"}
    key = str(darwinbox_do(hr, "add", employees=[person | place])["success"][0])
    if first <= today().isoformat():
        darwinbox_do(hr, "activate", user_ids=[key])
    return key


def darwinbox_move(hr: httpx.Client, key: str) -> None:
    darwinbox_do(hr, "update", employees=[{"employee_id": key, "department_name": "Sales"}])


def darwinbox_leave(hr: httpx.Client, key: str, last: str) -> None:
    why = {"deactivate_type": "Resigned", "deactivate_reason": "Moves", "date_of_resignation": "01-10-2026"}
    darwinbox_do(hr, "deactivate", employees=[why | {"employee_id": key, "date_of_exit": darwinbox_day(last)}])


def darwinbox_back(hr: httpx.Client, key: str, again: str) -> None:
    darwinbox_do(hr, "undodeactivation", employees=[{"employee_id": key}])
    darwinbox_do(hr, "update", employees=[{"employee_id": key, "date_of_joining": darwinbox_day(again)}])


DARWINBOX = Hr(client("darwinbox"), darwinbox_hire, darwinbox_move, darwinbox_leave, darwinbox_back)
