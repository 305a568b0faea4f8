"""Calls to Microsoft Graph: what its refusals ask for, lists by `@odata.nextLink`, and many calls in one `$batch`.

Sources: learn.microsoft.com/graph/json-batching (20 requests, a status of its own for each, 429 among them),
/graph/paging, /graph/throttling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx
import tenacity

from connectors.base import Outcome
from connectors.calls import GONE
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.http import ATTEMPTS, READS, Http, Throttled, pause, retry_after, waits_help
from connectors.listing import Row, getter
from connectors.pages import Page, Params, walk

MOST = 20
"""Requests in one batch."""
PAGE = 999
"""Items in one page of users, groups and members, at most."""
EVENTUAL = {"ConsistencyLevel": "eventual"}
"""With `$count=true`: what the index store answers (learn.microsoft.com/graph/aad-advanced-queries)."""
CONCURRENT = "Directory_ConcurrencyViolation"
"""The code with which Entra turns away a write to what another one is changing just now; it did nothing."""
TODO = {
    "on-premises mastered": "Change it in Active Directory; Entra takes it over with the next sync.",
    "verified domain": "Add the domain in Entra and verify it, or correct `email.domain` in company.yaml.",
    "available licenses": "Buy a licence or free one, then run again.",
    "usage location": "Map `usageLocation` in the app's YAML: two letters, such as US.",
    "inherited from a group": "Take the account out of the group that gives the licence.",
    "mail-enabled security groups": "Change its members in the Exchange admin center; Graph cannot.",
    "Insufficient privileges": "Grant what docs/apps/entra.md names; for accounts with an admin role a role besides.",
    "delta token": "Begin again without one.",
}
"""Some of Graph's words -> what to do about them. Wording as people quote it; unverified against a tenant."""


class NextLink:
    """Each answer carries the whole address of the next page, which must not be taken apart."""

    total: str | None = None

    def first(self) -> Params:
        """See Style."""
        return {}

    def after(self, page: Page) -> str | None:
        """See Style."""
        link = page.body.get("@odata.nextLink") if isinstance(page.body, dict) else None
        return str(link) if link else None


class Ask(NamedTuple):
    """One request of a batch."""

    method: str
    path: str
    """Below the base URL, with its query."""
    doing: str
    body: Mapping[str, Any] | None = None


class GraphHttp(Http):
    """Http that knows Graph's refusals."""

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """As Http, with what to do where Graph's words say it; two writes to one object at once are nobody's fault."""
        found = super().error(method, response, doing)
        if response.status_code == 409 and CONCURRENT in response.text:
            return Throttled(self.app, doing, found.why, "Wait, then run again.", retry_after(response))
        todo = next((todo for words, todo in TODO.items() if words in found.why), "")
        return Refused(self.app, doing, found.why, todo, found.status) if todo and isinstance(found, Refused) else found

    def take_turn(self, call: str, doing: str) -> None:
        """As Http; the address of a next page counts as the path that it is."""
        super().take_turn(call.replace(str(self.client.base_url).rstrip("/"), "").split("?")[0], doing)

    def rows(self, path: str, doing: str, **query: str) -> Iterator[Row]:
        """All items of a list, page by page; names in `query` are without their `$`."""
        asked = {f"${name}": value for name, value in query.items()}
        return walk(self.app, doing, getter(self, doing), path, NextLink(), "value", asked)

    def many(self, asks: Iterable[Ask]) -> Iterator[Any | ConnectorError]:
        """The answers to many requests, 20 in one call, in the order of the asks: the JSON of each (None where it has
        none), or its error. What is throttled is sent again after the delay that it names, reads also after 5xx."""
        waiting = list(asks)
        for start in range(0, len(waiting), MOST):
            yield from self.batch(waiting[start : start + MOST])

    def batch(self, asks: list[Ask]) -> list[Any | ConnectorError]:
        """One batch, until each request has an answer or patience ends."""
        found: dict[int, Any | ConnectorError] = {}
        attempts = tenacity.Retrying(
            retry=lambda state: waits_help(state, "GET"),
            wait=pause,
            stop=tenacity.stop_before_delay(self.patience) | tenacity.stop_after_attempt(ATTEMPTS),
            sleep=self.sleep,
            retry_error_callback=lambda state: None,
        )
        attempts(self.round, asks, found)
        return [found[number] for number in range(len(asks))]

    def round(self, asks: list[Ask], found: dict[int, Any | ConnectorError]) -> None:
        """Send what has no good answer yet; raises the first that may be sent again."""
        left = {n: ask for n, ask in enumerate(asks) if n not in found or may_follow(ask, found[n])}
        try:
            found.update(self.sent(left))
        except ConnectorError as error:  # nothing is known of any of them
            found.update(dict.fromkeys(left, error))
        if again := [found[n] for n, ask in left.items() if may_follow(ask, found[n])]:
            raise max(again, key=lambda error: getattr(error, "after", None) or 0.0)

    def sent(self, asks: Mapping[int, Ask]) -> dict[int, Any | ConnectorError]:
        """One call, and what it brought by number."""
        for ask in asks.values():
            self.take_turn(f"{ask.method} {ask.path}", ask.doing)
        body = {"requests": [step(number, ask) for number, ask in asks.items()]}
        doing = next(iter(asks.values())).doing + (f" and {len(asks) - 1} more" if len(asks) > 1 else "")
        answers = self.json("POST", "/$batch", doing=doing, json=body) or {}
        by_id = {str(one.get("id")): one for one in answers.get("responses", ())}
        return {number: self.told(ask, by_id.get(str(number))) for number, ask in asks.items()}

    def told(self, ask: Ask, answer: Row | None) -> Any | ConnectorError:
        """One answer of a batch: its JSON, or its error."""
        if answer is None:
            return Retryable(self.app, ask.doing, "the batch's answer leaves it out", "Read back before trying again.")
        response = httpx.Response(
            int(answer["status"]), headers=textual(answer.get("headers")), json=answer.get("body")
        )
        return self.error(ask.method, response, ask.doing) if self.failed(response) else answer.get("body")


def may_follow(ask: Ask, said: Any | ConnectorError) -> bool:
    """Whether the same request may be sent again: throttled ones any time, reads after any passing failure."""
    return isinstance(said, Throttled) or (isinstance(said, Retryable) and ask.method in READS)


def step(number: int, ask: Ask) -> Row:
    """A request as a batch writes it. Without `dependsOn`: a batch is wholly parallel or wholly sequential."""
    whole: Row = {"id": str(number), "method": ask.method, "url": ask.path}
    return whole | ({"body": ask.body, "headers": {"Content-Type": "application/json"}} if ask.body is not None else {})


def textual(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """The headers that say something about the body's fate, not about its bytes."""
    return {name: str(value) for name, value in (headers or {}).items() if name.lower() in ("retry-after", "date")}


def at(path: str, **query: str) -> str:
    """A path with its query, as a batch needs it; names are without their `$`."""
    asked = {f"${name}": value for name, value in query.items()}
    return f"{path}?{urlencode(asked, quote_via=quote, safe='$,()')}" if asked else path


def segment(id: str) -> str:
    """An id or a user principal name as one segment of a path, whatever characters it has."""
    return quote(id, safe="")


def quoted(text: str) -> str:
    """A text in a $filter: quotes in it are doubled."""
    return "'" + text.replace("'", "''") + "'"


def says(error: ConnectorError, words: str) -> bool:
    """Whether Graph's own words in an error have these: some refusals have no code of their own."""
    return words.casefold() in error.why.casefold()


def gone_already(error: Refused) -> Outcome:
    """ALREADY where the error says that there is no such thing; else the error."""
    if error.status in GONE:
        return Outcome.ALREADY
    raise error


def forbidden(error: Exception) -> bool:
    """Whether an error says that a permission lacks."""
    return isinstance(error, Refused) and error.status == 403
