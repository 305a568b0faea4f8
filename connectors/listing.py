"""A list as YAML declares it, and the way through its pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
from pydantic import Field

from connectors.calls import Call, fill
from connectors.http import Http
from connectors.pages import Get, Params, Style, walk
from mappings.words import Words

Row = dict[str, Any]


class Listing(Words):
    """A list of things, paged as `pages` says."""

    path: str
    """Below `url`, or a whole URL; places as in a call."""
    items: str = ""
    """Where the items are in an answer (dotted); empty: the answer is the list."""
    query: dict[str, str] = Field(default_factory=dict)

    def rows(self, http: Http, style: Style, doing: str, **at: str) -> Iterator[Row]:
        """All items, page by page, with the places in path and query filled."""
        path = Call(verb="GET", path=self.path).where(at)
        query = {name: fill(value, at) for name, value in self.query.items()}
        return walk(http.app, doing, getter(http, doing), path, style, self.items, query)


def getter(http: Http, doing: str) -> Get:
    """The fetcher that `walk` wants."""

    def get(url: str, params: Params) -> tuple[httpx.Response, Any]:
        response = http.request("GET", url, doing=doing, params=params or None)
        return response, http.body(response, doing)

    return get
