"""A list as YAML declares it, and the way through its pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from pydantic import Field

from connectors import places
from connectors.calls import Body, Reading
from connectors.fields import nested, pick, put
from connectors.http import Http
from connectors.pages import Get, Params, Style, walk

Row = dict[str, Any]


class Listing(Reading):
    """A list of things, paged as `pages` says; by POST the page goes into the body."""

    items: str = ""
    """Where the items are in an answer (dotted); empty: the answer is the list."""
    keyed: str = ""
    """Where the items stand in an object by their id instead of a list: the field that gets the id."""
    plain: str = ""
    """Where the items are plain texts or numbers: the field that each becomes."""
    body: Body = Field(default_factory=dict)

    def rows(self, http: Http, style: Style, doing: str, **at: Any) -> Iterator[Row]:
        """All items, page by page, with the places in path, query and body filled."""
        query = {name: places.fill(value, at) for name, value in self.query.items()}
        get = self.getter(http, doing, nested(places.filled(self.body, at)))
        return walk(http.app, doing, get, self.where(at), style, self.items, query)

    def getter(self, http: Http, doing: str, body: Mapping[str, Any]) -> Get:
        """The fetcher that `walk` wants."""

        def get(url: str, params: Params) -> tuple[httpx.Response, Any]:
            if self.verb == "POST":
                sent = {"json": {**body, **nested(params)}, "headers": self.headers or None}
                response = http.request("POST", url, doing=doing, **sent)
            else:
                response = http.request("GET", url, doing=doing, params=params or None, headers=self.headers or None)
            return response, self.told(http.body(response, doing))

        return get

    def told(self, body: Any) -> Any:
        """The answer with a list of objects where its items are."""
        found = pick(body, self.items)
        if self.keyed and isinstance(found, Mapping):
            found = [{self.keyed: key, **row} for key, row in found.items() if isinstance(row, Mapping)]
        elif self.plain and isinstance(found, list):
            found = [{self.plain: one} for one in found if not isinstance(one, Mapping)]
        else:
            return body
        if not self.items:
            return found
        whole = dict(body)
        put(whole, self.items, found)
        return whole


def getter(http: Http, doing: str) -> Get:
    """The fetcher that `walk` wants, for lists that are asked for by GET."""

    def get(url: str, params: Params) -> tuple[httpx.Response, Any]:
        response = http.request("GET", url, doing=doing, params=params or None)
        return response, http.body(response, doing)

    return get
