"""Many writes in few requests at a SCIM server: bulk (RFC 7644 §3.7) where it is announced, and groups by the score.

What a bulk request does not carry out is tried once more by itself, so that its error is the one the single verb gives.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from connectors.base import Outcome, Write, Written
from connectors.errors import ConnectorError, NeedsHuman, Refused, Retryable
from connectors.http import Http
from connectors.scim_attributes import Resource, member
from connectors.scim_discovery import Discovery
from connectors.scim_groups import Groups

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
ENVELOPE = 200  # bytes of a bulk request around its operations
TOO_LARGE = 413
UNTOLD = (401, 403)


class Writer(Protocol):
    """What is needed of the app whose writes they are."""

    name: str
    key: str
    http: Http
    groups: Groups
    discovery: Discovery

    def operation(self, write: Write) -> Resource | None:
        """The write as an operation of a bulk request; None where it is more than one request."""

    def id_elsewhere(self, location: str | None, key: str, doing: str) -> str:
        """The id of a user just made."""


class ManyWrites:
    """The many writes of one SCIM app. `bulk` False: bulk is never used, whatever the server announces."""

    def __init__(self, app: Writer, bulk: bool = True, members_per_call: int = 100) -> None:
        self.app, self.bulk, self.members_per_call = app, bulk, members_per_call

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """1 call the first time: what the server announces."""
        memberships, users = defaultdict[tuple[str, str], list[Write]](list), list[Write]()
        for write in writes:
            group = memberships[write.verb, write.entitlement.casefold()] if write.entitlement else users
            group.append(write)
        for many in memberships.values():
            yield from chunks(many, self.members_per_call)
        yield from self.packed(users)

    def packed(self, writes: list[Write]) -> Iterator[list[Write]]:
        """As many in each as the server takes in one bulk request; alone where it takes none."""
        bounds = self.app.discovery.announced().bulk if self.bulk and len(writes) > 1 else None
        batch, size = list[Write](), ENVELOPE
        for write in writes:
            operation = self.app.operation(write) if bounds else None
            if bounds is None or operation is None:
                yield [write]
                continue
            more = len(json.dumps(operation).encode()) + 40  # the bulkId, a comma
            if batch and (len(batch) == bounds.operations or size + more > bounds.payload):
                yield batch
                batch, size = [], ENVELOPE
            batch, size = [*batch, write], size + more
        if batch:
            yield batch

    def written(self, batch: Sequence[Write], looked: bool = False) -> Iterator[Written]:
        """1 call for one of `batches`; 1 or more again for each write that did not succeed by it."""
        for part in self.batches(batch):
            if len(part) == 1:
                yield alone(self.app, part[0], looked)
            elif part[0].entitlement:
                yield from self.memberships(part, looked)
            else:
                yield from self.in_bulk(part, looked)

    def memberships(self, batch: list[Write], looked: bool) -> Iterator[Written]:
        """All of them into one group, or out of it, by one PATCH."""
        verb, name = batch[0].verb, batch[0].entitlement
        doing = f"{verb} {name!r} for {len(batch)} accounts"
        try:
            self.app.groups.turn(name, [write.id for write in batch], verb == "grant", doing)
        except Retryable as error:
            yield from (Written(write, error, write.id) for write in batch)
        except ConnectorError:
            yield from (alone(self.app, write, looked) for write in batch)
        else:
            yield from (Written(write, Outcome.DONE, write.id) for write in batch)

    def in_bulk(self, batch: list[Write], looked: bool) -> Iterator[Written]:
        """One bulk request. One that is too large is halved; a server that knows no bulk gets single requests."""
        numbered = {str(number): write for number, write in enumerate(batch)}
        sent = [{**(self.app.operation(write) or {}), **bulk_id(number, write)} for number, write in numbered.items()]
        body = {"schemas": [BULK], "Operations": sent}
        try:
            answer = self.app.http.json("POST", "/Bulk", doing=f"send {len(batch)} writes in one", json=body)
        except Retryable as error:
            yield from (Written(write, error, write.id) for write in batch)
            return
        except Refused as error:
            yield from self.refused(batch, error, looked)
            return
        for number, told in matched(sent, member(answer, "Operations") or []).items():
            yield self.told(numbered[number], told, looked)

    def refused(self, batch: list[Write], error: Refused, looked: bool) -> Iterator[Written]:
        """What becomes of a bulk request that the server does not take."""
        if error.status in UNTOLD:
            yield from (Written(write, error, write.id) for write in batch)
            return
        if error.status == TOO_LARGE and len(batch) > 1:
            for half in chunks(batch, (len(batch) + 1) // 2):
                yield from self.in_bulk(half, looked) if len(half) > 1 else [alone(self.app, half[0], looked)]
            return
        self.app.discovery.no_bulk()
        yield from (alone(self.app, write, looked) for write in batch)

    def told(self, write: Write, told: Mapping[str, Any] | None, looked: bool) -> Written:
        """What one answer within a bulk answer means."""
        doing = f"{write.verb} {write.id or next(iter(write.attributes.values()), 'account')} in bulk"
        if told is None:
            why = "the answer does not say what became of it"
            return Written(write, Retryable(self.app.name, doing, why, "Read back before trying again."), write.id)
        if not 200 <= status_of(told) < 300:
            return alone(self.app, write, looked)
        if write.verb != "create":
            return Written(write, Outcome.DONE, write.id)
        return self.made(write, told, doing)

    def made(self, write: Write, told: Mapping[str, Any], doing: str) -> Written:
        """An account that was made in bulk, with its id."""
        body = member(told, "response")
        location = member(told, "location")
        key = str(write.attributes[self.app.key])
        try:
            id = str(member(body, "id") or self.app.id_elsewhere(location, key, doing))
        except ConnectorError as error:
            return Written(write, error)
        return Written(write, Outcome.DONE, id)


VERBS: dict[str, Callable[[Any, Write, bool], Any]] = {
    "create": lambda app, write, looked: app.create(write.attributes, looked),
    "update": lambda app, write, looked: app.update(write.id, write.attributes),
    "enable": lambda app, write, looked: app.enable(write.id, looked),
    "disable": lambda app, write, looked: app.disable(write.id, looked),
    "delete": lambda app, write, looked: app.delete(write.id),
    "grant": lambda app, write, looked: app.grant(write.id, write.entitlement, looked),
    "revoke": lambda app, write, looked: app.revoke(write.id, write.entitlement, looked),
}


def alone(app: Any, write: Write, looked: bool = False) -> Written:
    """One write by its own verb; any app's."""
    try:
        if not hasattr(app, write.verb):
            raise NeedsHuman(app.name, write.verb, "its connector cannot", "Do it by hand in the app.")
        done = VERBS[write.verb](app, write, looked)
    except ConnectorError as error:
        return Written(write, error, write.id)
    return Written(write, *done) if isinstance(done, tuple) else Written(write, done, write.id)


def chunks(writes: list[Write], size: int) -> Iterator[list[Write]]:
    """Lists of at most that many."""
    for start in range(0, len(writes), size):
        yield writes[start : start + size]


def bulk_id(number: str, write: Write) -> dict[str, str]:
    """Only what is made needs one (RFC 7644 §3.7)."""
    return {"bulkId": number} if write.verb == "create" else {}


def matched(sent: list[Resource], answers: list[Any]) -> dict[str, Mapping[str, Any] | None]:
    """Number of each operation sent -> its answer: by bulkId, else by method and the end of its location, else, where
    there are as many answers as operations, by place. None where there is no answer."""
    found: dict[str, Mapping[str, Any] | None] = {}
    by_name = defaultdict[tuple[str, str], deque[Mapping[str, Any]]](deque)
    told = [answer for answer in answers if isinstance(answer, Mapping)]
    for answer in told:
        by_name[name_of(answer)].append(answer)
    for number, operation in enumerate(sent):
        waiting = by_name[name_of(operation)]
        if waiting:
            found[str(number)] = waiting.popleft()
        else:
            nameless = len(told) == len(sent) and not any(name_of(told[number]))
            found[str(number)] = told[number] if nameless else None
    return found


def name_of(operation: Mapping[str, Any]) -> tuple[str, str]:
    """What tells an operation from others, in a request or an answer; both empty where nothing does."""
    if number := member(operation, "bulkId"):
        return "", str(number)
    where = str(member(operation, "path") or member(operation, "location") or "")
    tail = where.rstrip("/").rpartition("/")[2]
    return (str(member(operation, "method") or "").upper(), tail) if tail else ("", "")


def status_of(told: Mapping[str, Any]) -> int:
    """The status of one answer: text, a number, or (drafts of the RFC) an object with `code`; 0 where there is none."""
    status = member(told, "status")
    text = str(member(status, "code") if isinstance(status, Mapping) else status)
    return int(text) if text.isdigit() else 0
