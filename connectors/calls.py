"""One HTTP call as YAML declares it: verb, path, query and body with places for ids, and what means `already so`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import httpx
from pydantic import Field

from connectors.base import Outcome
from connectors.errors import Refused
from connectors.fields import nested
from connectors.http import Http
from mappings.words import Words

GONE = (404, 410)
PLACE = re.compile(r"\{(\w+)\}")


class Call(Words):
    """A call. `{id}`, `{key}` and `{entitlement}` stand for the account's id and key and the entitlement's id;
    `{token}` and `{owned}` for a thing that the account has, `{to}` for the id of the account that gets it."""

    verb: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """Below `url`, or a whole URL."""
    query: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)
    """What is always sent, by dotted field names."""
    already: tuple[int, ...] = ()
    """Statuses that mean it was so before. Where there are none, the account is read first."""

    def send(self, http: Http, doing: str, **at: str) -> httpx.Response:
        """Make the call with its own body."""
        return self.carry({}, http, doing, **at)

    def carry(self, fields: Mapping[str, Any], http: Http, doing: str, wrap: str = "", **at: str) -> httpx.Response:
        """Make the call with these fields besides its own, below `wrap`."""
        body = nested({**fill_all(self.body, at), **fields}, wrap)
        query = {name: fill(value, at) for name, value in self.query.items()}
        return http.request(self.verb, self.where(at), doing=doing, params=query or None, json=body or None)

    def where(self, at: Mapping[str, str]) -> str:
        """The path with the places filled and quoted."""
        return fill(self.path, {name: quote(value, safe="") for name, value in at.items()})

    def done(self, http: Http, doing: str, missing: Outcome | None = None, **at: str) -> Outcome:
        """Make the call; ALREADY for the statuses that say so, `missing` (where given) for no such account."""
        try:
            self.send(http, doing, **at)
        except Refused as error:
            if error.status in self.already:
                return Outcome.ALREADY
            if missing and error.status in GONE:
                return missing
            raise
        return Outcome.DONE


class EndsSessions:
    """Adds `end_sessions` (1 call) to an app whose YAML declares `sessions`; keeps Sessions."""

    http: Http
    sessions: Call | None

    def end_sessions(self, id: str) -> Outcome:
        """1 call. ALREADY where the account is gone."""
        assert self.sessions is not None
        return self.sessions.done(self.http, f"end sessions of {id}", Outcome.ALREADY, id=id)


def fill(template: str, at: Mapping[str, str]) -> str:
    """The template with known places filled; others stay as they are."""
    return PLACE.sub(lambda m: at.get(m[1], m[0]), template)


def fill_all(body: Mapping[str, Any], at: Mapping[str, str]) -> dict[str, Any]:
    """Texts of a body filled, other values as they are."""
    return {name: fill(value, at) if isinstance(value, str) else value for name, value in body.items()}
