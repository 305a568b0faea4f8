"""HTTP as Google does it: quota said with 403, edits that meet with 409 and 412, a reason in every error.

403 userRateLimitExceeded, quotaExceeded, without Retry-After: developers.google.com/admin-sdk/directory/v1/limits.
409 and 412 without `duplicate` at users and members: somebody else was writing; GAM, which has lived with this API for
ten years, tries them again. Which reasons those are is unverified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from connectors.errors import Refused, Retryable
from connectors.fields import pick
from connectors.http import Http, Throttled
from connectors.listing import Row, getter
from connectors.pages import Cursor, walk

BUSY = ("userRateLimitExceeded", "rateLimitExceeded", "quotaExceeded")
MEETING = ("aborted", "conflict", "conditionNotMet", "")
"""Reasons of 409 and 412 in the Directory API that mean: nothing was done, and the next try will work."""
GONE = 404


class Said(Refused):
    """A refusal with Google's own reason: duplicate, notFound, limitExceeded, …"""

    reason: str = ""


class GoogleHttp(Http):
    """Http that knows Google's errors."""

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """See Http."""
        reason, status = reason_of(response), response.status_code
        directory = "/admin/directory/" in response.request.url.path
        if (status == 403 and reason in BUSY) or (directory and status in (409, 412) and reason in MEETING):
            why = f"the server said {status}{self.words(response)}"
            return Throttled(self.app, doing, why, "Wait, then run again.")
        error = super().error(method, response, doing)
        if not isinstance(error, Refused):
            return error
        said = Said(error.app, error.doing, error.why, error.todo or advice(reason), status)
        said.reason = reason
        return said

    def pages(
        self, path: str, items: str, doing: str, most: int = 500, query: Mapping[str, str] | None = None
    ) -> Iterator[Row]:
        """Every item of a list. 1 call per page of `most`."""
        style = Cursor(param="pageToken", at="nextPageToken", size="maxResults", per=most)
        return walk(self.app, doing, getter(self, doing), path, style, items, query)


def reason_of(response: httpx.Response) -> str:
    """Google's word for what went wrong; empty where there is none."""
    try:
        return str(pick(response.json(), "error.errors.0.reason") or "")
    except ValueError:
        return ""


def advice(reason: str) -> str:
    """What to do about it, where the reason alone says that."""
    if reason == "limitExceeded":
        return "Buy more seats, or delete accounts that nobody needs."
    return ""


def known(body: Any) -> Row:
    """An answer that must be an object."""
    return body if isinstance(body, dict) else {}
