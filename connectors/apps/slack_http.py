"""Slack's Web API, which answers 200 to everything: `ok` says whether it worked, `error` what did not.

Names of errors: slack-ruby/slack-api-ref, which keeps what the methods' pages under docs.slack.dev/reference/methods
list. Tokens travel in the Authorization header (docs.slack.dev/authentication), never as an argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from connectors.errors import Refused, Retryable
from connectors.http import Http, Throttled, retry_after
from connectors.listing import Row
from connectors.pages import Cursor, Params, walk

BUSY = ("ratelimited", "rate_limited")
IN_TROUBLE = (
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "user_session_reset_failed",
)
"""What may work later; some of it may have been done."""
NOT_BELIEVED = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive")
NOT_THERE = ("user_not_found", "users_not_found", "channel_not_found", "team_not_found", "no_such_subteam")
GONE = 404
ADVICE = {
    "not_an_admin": "Let an owner or admin of the organisation install the app.",
    "feature_not_enabled": "The method needs an Enterprise plan: say `grid: false` in the app's YAML.",
    "not_allowed_token_type": "Take the user token (xoxp-…) that an owner of the organisation got at installation.",
    "permission_denied": "Let the token's user manage user groups: Workspace settings > Permissions > User groups.",
    "plan_upgrade_required": "User groups take a paid plan.",
    "restricted_action": "Workspace settings > Permissions keep the token's user from it.",
    "not_in_channel": "Add the app's user to the channel, then run again.",
    "is_archived": "Unarchive the channel, or take it out of the rules.",
    "channel_is_archived": "Unarchive the channel, or take it out of the rules.",
    "cant_invite": "Slack does not let this user in there; guests and other organisations' people cannot be added.",
    "user_is_restricted": "Guests cannot be added; make the account a full member first.",
    "team_access_not_granted": "Install the app in this workspace too.",
}


class Said(Refused):
    """A refusal with Slack's own name for it."""

    error: str = ""


class SlackHttp(Http):
    """Http that reads `ok`."""

    def failed(self, response: httpx.Response) -> bool:
        """See Http."""
        return super().failed(response) or said_by(response).get("ok") is False

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """See Http."""
        said = said_by(response)
        name = str(said.get("error") or "")
        if not response.is_success and response.status_code != 429:
            return super().error(method, response, doing)
        if response.status_code == 429 or name in BUSY:
            return Throttled(self.app, doing, "Slack said ratelimited", "Wait, then run again.", retry_after(response))
        if name in IN_TROUBLE:
            todo = "It may have been carried out: read back before trying again."
            return Retryable(self.app, doing, f"Slack said {name}", todo)
        refusal = Said(self.app, doing, *self.explained(name, said))
        refusal.error = name
        return refusal

    def explained(self, name: str, said: Row) -> tuple[str, str, int]:
        """Why, what to do, and the status that HTTP has for it."""
        if name in NOT_BELIEVED:
            return f"the token in {self.variables()} was refused ({name})", f"Check {self.variables()}.", 401
        if name == "missing_scope":
            needed, provided = said.get("needed") or "one that it does not name", said.get("provided") or "none"
            todo = f"Add the scope {needed} to the Slack app and install it again."
            return f"the token in {self.variables()} lacks the scope {needed}; it has {provided}", todo, 403
        if name in ADVICE:
            return f"Slack said {name}", ADVICE[name], 403
        return f"Slack said {name or 'no, without a reason'}", "", GONE if name in NOT_THERE else 400

    def ask(self, method: str, doing: str, **asked: str) -> Row:
        """A method that only reads."""
        return said_by(self.request("GET", f"/{method}", doing=doing, params=asked or None))

    def tell(self, method: str, doing: str, **asked: str) -> Row:
        """A method that changes something."""
        return said_by(self.request("POST", f"/{method}", doing=doing, data=asked))

    def pages(self, method: str, items: str, doing: str, most: int = 200, **asked: str) -> Iterator[Row]:
        """Every item of a list; of a list of ids, each as `{"id": …}`. 1 call per page of `most`."""

        def get(url: str, params: Params) -> tuple[httpx.Response, Any]:
            response = self.request("GET", url, doing=doing, params=params)
            return response, with_rows(said_by(response), items)

        style = Cursor(at="response_metadata.next_cursor", size="limit", per=most)
        return walk(self.app, doing, get, f"/{method}", style, items, asked)


def said_by(response: httpx.Response) -> Row:
    """The body as an object; empty where it is none."""
    try:
        body = response.json()
    except (ValueError, UnicodeDecodeError):
        return {}
    return body if isinstance(body, dict) else {}


def with_rows(body: Row, items: str) -> Mapping[str, Any]:
    """The answer with ids turned into rows."""
    rows = body.get(items)
    if isinstance(rows, list) and all(isinstance(each, str) for each in rows):
        return body | {items: [{"id": each} for each in rows]}
    return body
