"""What an app's answers mean where their status does not say it: 200 with `ok: false`, 400 for `exists already`."""

from __future__ import annotations

from collections.abc import Mapping
from pyexpat import ExpatError
from typing import Any, Literal

import httpx
import xmltodict
from pydantic import Field

from connectors.calls import same
from connectors.errors import Refused, Retryable
from connectors.fields import pick
from connectors.http import Http
from connectors.signing import Signing, json_of
from mappings.words import Words


class Failure(Words):
    """How an answer says that the call failed, and what that means in HTTP's own words."""

    field: str = ""
    """What is looked at (dotted); left out: `code` alone counts."""
    value: str | bool | int | None = Field(default=None, alias="is")
    """The value that means failure; left out: whatever is there and not empty."""
    code: str = ""
    """Where the app's own word for what went wrong is (dotted); left out: in `field`."""
    means: dict[str, int] = Field(default_factory=dict)
    """The app's word -> the status that it means: 404 no such thing, 409 taken or already so, 429 too many calls,
    401 not signed in, 403 not permitted, 500 try again. A word with blanks may be part of a sentence."""
    otherwise: int | None = 400
    """The status that other words mean; null: as the answer has it."""
    statuses: tuple[int, ...] = ()
    """The statuses at which this is looked at; left out: all."""

    def meaning(self, status: int, body: Any) -> int | None:
        """The status that this answer means; None where it says nothing of the kind."""
        found = pick(body, self.field) if self.field else None
        if (self.statuses and status not in self.statuses) or (self.field and not self.says(found)):
            return None
        said = pick(body, self.code) if self.code else found
        for word, meant in self.means.items():
            if said is not None and (same(said, word) or (" " in word and word.casefold() in str(said).casefold())):
                return meant
        return self.otherwise if self.field and status < 400 else None

    def says(self, found: Any) -> bool:
        """Whether the field has the value that means failure."""
        return bool(found) if self.value is None else found is not None and same(found, self.value)


class Told(Http):
    """Http for apps whose YAML says how to read their answers."""

    failures: tuple[Failure, ...] = ()
    language: Literal["json", "xml"] = "json"

    def understand(self, failures: tuple[Failure, ...], language: Literal["json", "xml"]) -> None:
        """Read answers like this from now on, also when looking whether a session has ended."""
        self.failures, self.language = failures, language
        if isinstance(self.client.auth, Signing):
            self.client.auth.status = self.meant

    def body(self, response: httpx.Response, doing: str) -> Any:
        """The answer as a tree, whatever language it is in."""
        if self.language == "json" or not response.content:
            return super().body(response, doing)
        try:
            return plain_tree(xmltodict.parse(response.content))
        except ExpatError:
            why = f"the server answered {response.status_code} with what is no XML"
            raise Refused(self.app, doing, why, f"Check {self.address}.", response.status_code) from None

    def meant(self, response: httpx.Response) -> int:
        """The status that an answer means."""
        if not self.failures:
            return response.status_code
        body = tree_of(response) if self.language == "xml" else json_of(response)
        meanings = (failure.meaning(response.status_code, body) for failure in self.failures)
        return next((meant for meant in meanings if meant is not None), response.status_code)

    def failed(self, response: httpx.Response) -> bool:
        """Whether the call did not work, by status or by what the answer says."""
        status = self.meant(response)
        accepted: tuple[int, ...] = response.request.extensions.get("accepts", ())
        return status not in accepted and status != 304 and not 200 <= status < 300

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """The error that the answer means."""
        status = self.meant(response)
        if status != response.status_code:
            kept = {n: v for n, v in response.headers.items() if n in ("retry-after", "date", "content-type")}
            response = httpx.Response(status, headers=kept, content=response.content, request=response.request)
        return super().error(method, response, doing)


def tree_of(response: httpx.Response) -> Any:
    """The body as a tree; None where it is no XML."""
    try:
        return plain_tree(xmltodict.parse(response.content))
    except ExpatError:
        return None


def plain_tree(tree: Any) -> Any:
    """XML as JSON would have it: the lone `element` or `item` inside a list's name is the list."""
    if isinstance(tree, list):
        return [plain_tree(one) for one in tree]
    if not isinstance(tree, Mapping):
        return tree
    if set(tree) in ({"element"}, {"item"}):
        inner = next(iter(tree.values()))
        return plain_tree(inner if isinstance(inner, list) else [inner])
    return {name: plain_tree(value) for name, value in tree.items()}
