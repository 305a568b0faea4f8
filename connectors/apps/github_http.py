"""GitHub's way to say wait, its two APIs and its lists (docs.github.com, rest/using-the-rest-api/rate-limits).

A used-up hour is told by `x-ratelimit-remaining: 0` and `x-ratelimit-reset`, with 403 or 429; a secondary limit by
Retry-After, or by its words alone, after which a minute is to be waited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from connectors.errors import Refused, Retryable
from connectors.fields import pick
from connectors.http import Http, Throttled, server_time
from connectors.listing import getter
from connectors.pages import Link, walk

Row = dict[str, Any]
PER_PAGE = 100
SECONDARY = 60.0  # seconds
PATIENCE = 75.0  # seconds: a secondary limit lasts a minute
STATUSES = {"NOT_FOUND": 404, "FORBIDDEN": 403, "INSUFFICIENT_SCOPES": 403}
"""Types of GraphQL errors, as statuses."""


class GitHubHttp(Http):
    """Calls to one organisation, of which `org` is the name."""

    org: str = ""

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """As elsewhere; a 403 may be a limit."""
        error = super().error(method, response, doing)
        if response.status_code in (403, 429) and getattr(error, "after", None) is None:
            wait = limited(response)
            if wait is not None:
                why = f"the rate limit is used up ({response.status_code}){self.words(response)}"
                return Throttled(self.app, doing, why, "Wait, then run again.", wait)
        return error

    def words(self, response: httpx.Response) -> str:
        """The message, and what it says of each field."""
        said = super().words(response)
        if response.status_code != 422:
            return said
        errors = pick(self.body(response, "read a refusal"), "errors")
        told = [str(pick(each, "message") or each) for each in errors] if isinstance(errors, list) else []
        return self.redaction.mask("; ".join(part for part in (said, *told) if part))[:400]

    def of_org(self, path: str) -> str:
        """A path below the organisation's."""
        return f"/orgs/{self.org}/{path}"

    def rows(self, path: str, doing: str, **query: str) -> Iterator[Row]:
        """A list of the organisation's over all its pages, by the Link header."""
        style = Link(size="per_page", per=PER_PAGE)
        return walk(self.app, doing, getter(self, doing), self.of_org(path), style, "", query)

    def ask(self, query: str, doing: str, variables: Mapping[str, Any]) -> Row:
        """A GraphQL query, which changes nothing and is tried once more where it fails; returns its `data`."""
        sent = {"query": query, "variables": dict(variables)}
        try:
            body = self.json("POST", "/graphql", doing=doing, json=sent)
        except Throttled:
            raise
        except Retryable:
            body = self.json("POST", "/graphql", doing=doing, json=sent)
        if errors := pick(body, "errors"):
            raise self.graphql_error(errors[0], doing)
        found: Row = pick(body, "data") or {}
        return found

    def graphql_error(self, error: Row, doing: str) -> Retryable | Refused:
        """What GraphQL says with a 200."""
        kind, why = str(error.get("type")), self.redaction.mask(f"GitHub says {error.get('message')}")
        if kind == "RATE_LIMITED":
            return Retryable(self.app, doing, why, "Wait, then run again.", SECONDARY)
        return Refused(self.app, doing, why, f"Check {self.variables()}.", STATUSES.get(kind))


def limited(response: httpx.Response) -> float | None:
    """Seconds to wait where a refusal is a limit; None where it is a refusal."""
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, int(reset) - server_time(response).timestamp())
    return SECONDARY if "secondary rate limit" in response.text.casefold() else None
