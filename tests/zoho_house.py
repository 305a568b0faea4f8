"""Zoho People's source in front of its twin, its calls looked at."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.hr_house import connected

ASKED = {"getRecords": {"sIndex", "limit", "modifiedtime"}, "getDataByID": {"recordId"}, "getRecordCount": set()}
"""The parameters of the calls that are made, of those that Zoho's pages have."""
ADDRESS = "mia.schneider@juniperfinch.example"
TOKEN = "zoho-webhook-token-of-the-sandbox"
INES, CLARA, NOBODY = "759415000001000103", "759415000001000117", "759415000001009999"


def made(sandbox: Any, **options: Any) -> Any:
    """A source whose calls are looked at: nothing secret in a URL, no parameter that Zoho's pages do not have."""
    found = connected(sandbox.environment, "zoho_people", **options)
    found.http.client.event_hooks["request"].append(as_documented)
    return found


def as_documented(request: httpx.Request) -> None:
    verb, shown = request.url.path.rpartition("/")[2], request.headers.get("authorization", "")
    if request.method == "POST":
        assert not request.url.query
        form = set(parse_qs(request.content.decode()))
        wanted = {"client_id", "client_secret", "grant_type", "refresh_token"} if verb == "token" else set()
        assert form == (wanted or {"recordId", "inputData"})
    else:
        assert set(request.url.params) <= ASKED[verb]
    assert (verb == "token") == (shown == "") and re.fullmatch(r"Zoho-oauthtoken 1000\.\w+\.\w+|", shown)


def joiner(zoho: Any, email: str = "mia@mailbox.example") -> str:
    """Somebody entered by another program: with everything that Zoho wants, and no account there."""
    fields = {"EmployeeID": "0125", "FirstName": "Mia", "LastName": "Schneider", "EmailID": email}
    fields |= {"Dateofjoining": "07-Jan-2030"}
    return str(written(zoho, "insertRecord", fields)["pkId"])


def written(zoho: Any, verb: str, fields: dict[str, str], **form: str) -> Any:
    """A write that this project's own connector does not make."""
    hooks = zoho.http.client.event_hooks["request"]
    zoho.http.client.event_hooks["request"] = []
    form["inputData"] = json.dumps(fields)
    answer = zoho.http.client.post(f"/people/api/forms/json/employee/{verb}", data=form).json()
    zoho.http.client.event_hooks["request"] = hooks
    return answer["response"]["result"]


def asked(twin: Any, verb: str) -> list[int]:
    """The statuses of all answers to one kind of call."""
    return [seen["status"] for seen in twin.log() if seen["path"].endswith(verb)]
