"""Okta's way to say how long to wait, and what was wrong (developer.okta.com, rl-best-practices and error-codes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from connectors.errors import Refused, Retryable
from connectors.fields import pick
from connectors.http import Http, server_time
from connectors.listing import getter
from connectors.pages import Link, walk

Row = dict[str, Any]
PATIENCE = 75.0  # seconds; a limit is per minute
CONCURRENT = 2.0  # seconds; the reset that Okta names for too many calls at once is only a hint
TAKEN = "already exists"
"""Of a login or a group's name, in the causes of E0000001."""
VALIDATION, ACTIVE_ALREADY, NOT_NOW, MASTERED = "E0000001", "E0000016", "E0000038", "E0000023"
TODO = {
    NOT_NOW: "Look at the user's status in Okta; a deactivated user must be activated first.",
    MASTERED: "The profile belongs to another directory (AD, HR as a source): change it there.",
}


class OktaRefused(Refused):
    """A refusal with Okta's own code."""

    code: str = ""
    causes: str = ""


class OktaHttp(Http):
    """Calls to one Okta organisation."""

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """As elsewhere; a 429 lasts until X-Rate-Limit-Reset, a refusal knows Okta's code."""
        error = super().error(method, response, doing)
        if isinstance(error, Retryable):
            if response.status_code == 429 and error.after is None:
                error.after = reset(response)
            return error
        code, causes = code_of(response), causes_of(response)
        refused = OktaRefused(error.app, error.doing, error.why, TODO.get(code, error.todo), error.status)
        refused.code, refused.causes = code, causes
        return refused

    def words(self, response: httpx.Response) -> str:
        """The summary and the causes."""
        summary = pick(body_of(response), "errorSummary")
        if not summary:
            return super().words(response)
        said = "; ".join(dict.fromkeys(part for part in (str(summary), causes_of(response)) if part))
        return f": {self.redaction.mask(said)[:300]} ({code_of(response)})"

    def rows(self, path: str, doing: str, per: int = 200, **query: str) -> Iterator[Row]:
        """A list over all its pages, by the Link header."""
        style = Link(size="limit", per=per)
        return walk(self.app, doing, getter(self, doing), path, style, "", query)


def reset(response: httpx.Response) -> float | None:
    """Seconds until the limit is open again, by the server's own clock; None where the headers do not say it."""
    limit, moment = (response.headers.get(f"x-rate-limit-{name}", "") for name in ("limit", "reset"))
    if limit == "0":
        return CONCURRENT
    if not moment.isdigit():
        return None
    return max(0.0, int(moment) - server_time(response).timestamp())


def body_of(response: httpx.Response) -> Any:
    """The body as JSON, or nothing."""
    try:
        return response.json()
    except (ValueError, UnicodeDecodeError):
        return None


def code_of(response: httpx.Response) -> str:
    """`E0000001`, or nothing."""
    return str(pick(body_of(response), "errorCode") or "")


def causes_of(response: httpx.Response) -> str:
    """The causes, one after the other."""
    causes = pick(body_of(response), "errorCauses")
    listed = causes if isinstance(causes, list) else []
    return "; ".join(str(pick(cause, "errorSummary") or "") for cause in listed)
