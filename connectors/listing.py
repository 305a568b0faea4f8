"""A list as YAML declares it, and the way through its pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from connectors import places
from connectors.calls import Reading
from connectors.errors import Refused
from connectors.fields import nested, pick, put
from connectors.http import Http
from connectors.pages import Get, Paging, Params, Style, there, walk

Row = dict[str, Any]
PAGING = ("page", "offset", "cursor", "per")
"""Parameters of `pages` that may be wanted inside another one, at a place of their name."""


class Listing(Reading):
    """A list of things, paged as `pages` says; by POST the page goes into the body."""

    items: str = ""
    """Where the items are in an answer (dotted); empty: the answer is the list."""
    keyed: str = ""
    """Where the items stand in an object by their id instead of a list: the field that gets the id."""
    plain: str = ""
    """Where the items are plain texts or numbers: the field that each becomes."""
    pages: Paging | None = None
    """Where this one goes on in another way than the app's others; `{}`: everything in one answer."""

    def rows(self, http: Http, style: Style, doing: str, **at: Any) -> Iterator[Row]:
        """All items, page by page, with the places in path, query and body filled."""
        query = {name: places.fill(value, at) for name, value in self.query.items()}
        get = self.getter(http, doing, nested(places.filled(self.body, at)))
        own = self.pages.style() if self.pages else style
        return walk(http.app, doing, get, self.where(at), own, self.items, query)

    def getter(self, http: Http, doing: str, body: Mapping[str, Any]) -> Get:
        """The fetcher that `walk` wants."""

        def get(url: str, params: Params) -> tuple[httpx.Response, Any]:
            turn = {name: value for name, value in params.items() if not (name in PAGING and self.names(name))}
            asked = {name: places.fill(str(v), params) for name, v in turn.items() if not self.in_body(name)}
            sent: dict[str, Any] = {"params": asked or None, "headers": self.headers or None}
            if self.verb == "POST":
                inside = {name: value for name, value in turn.items() if self.in_body(name)}
                sent["json"] = {**places.filled(body, params), **nested(inside)}
            response = http.request(self.verb, url, doing=doing, reads=True, **sent)
            body_told = http.body(response, doing)
            if self.misplaced(body_told):
                why = f"there is no list at {self.items!r} of the answer{there(body_told)}"
                raise Refused(http.app, doing, why, "Check `items` in the app's YAML.")
            return response, self.told(body_told)

        return get

    def misplaced(self, body: Any) -> bool:
        """Whether there is nothing where the items should be, but a list elsewhere. An absent list alone is an empty
        one: some leave it out."""
        if not self.items or not isinstance(body, Mapping) or pick(body, self.items) is not None:
            return False
        return any(isinstance(value, list) and value and isinstance(value[0], Mapping) for value in body.values())

    def in_body(self, parameter: str) -> bool:
        """Whether a parameter of the page goes into the body."""
        return self.verb == "POST" and parameter not in self.query

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
