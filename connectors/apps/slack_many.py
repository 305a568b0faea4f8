"""Many writes to Slack in few calls: user groups and channels take many members at once, SCIM groups too.

That matters more here than elsewhere: user groups may be written 20 times a minute.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from connectors.apps import slack_channels, slack_usergroups, slack_workspaces
from connectors.apps.slack_channels import Channels
from connectors.apps.slack_usergroups import Usergroups
from connectors.base import Outcome, Write, Written
from connectors.errors import ConnectorError, Retryable
from connectors.scim import Scim
from connectors.scim_bulk import alone, chunks

MOST = {slack_usergroups.PREFIX: 500, slack_channels.PREFIX: 100}
"""Members per call: of a user group unverified, of a channel docs.slack.dev/reference/methods/conversations.invite."""


class Writer(Protocol):
    """What is needed of the app whose writes they are."""

    name: str
    people: Scim
    usergroups: Usergroups | None
    channels: Channels


class ManyWrites:
    """The many writes of one Slack."""

    def __init__(self, app: Writer) -> None:
        self.app = app

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """By what they are about; SCIM's as SCIM takes them."""
        together, scim = defaultdict[tuple[str, str], list[Write]](list), list[Write]()
        for write in writes:
            kind = self.kind(write)
            if kind in MOST:
                together[write.verb, write.entitlement.casefold()].append(write)
            elif kind:
                yield [write]
            else:
                scim.append(write)
        for many in together.values():
            yield from chunks(many, MOST[self.kind(many[0])])
        yield from self.app.people.batches(scim)

    def written(self, batch: Sequence[Write], looked: bool = False) -> Iterator[Written]:
        """1 call for a batch that goes into one; 1 or more again for each write that did not succeed by it."""
        for part in self.batches(batch):
            if self.kind(part[0]) in MOST and len(part) > 1:
                yield from self.members(part, looked)
            elif self.kind(part[0]):
                yield alone(self.app, part[0], looked)
            else:
                yield from self.app.people.write_many(part, looked)

    def members(self, batch: list[Write], looked: bool) -> Iterator[Written]:
        """All of them into one user group or channel, or out of it."""
        try:
            self.turn(batch)
        except Retryable as error:
            yield from (Written(write, error, write.id) for write in batch)
        except ConnectorError:
            yield from (alone(self.app, write, looked) for write in batch)
        else:
            yield from (Written(write, Outcome.DONE, write.id) for write in batch)

    def turn(self, batch: list[Write]) -> None:
        """The calls of one batch."""
        name, ids = batch[0].entitlement, [write.id for write in batch]
        doing = f"{batch[0].verb} {name!r} for {len(batch)} accounts"
        if self.kind(batch[0]) == slack_channels.PREFIX:
            self.app.channels.invite(name, ids, doing)
        elif self.app.usergroups:
            self.app.usergroups.turn(name, ids, batch[0].verb == "grant", doing)

    def kind(self, write: Write) -> str:
        """What a write has to be written with: a prefix that many may share, `alone`, or nothing for SCIM."""
        name = write.entitlement
        if name.startswith(slack_usergroups.PREFIX):
            return slack_usergroups.PREFIX if self.app.usergroups else "alone"
        if name.startswith(slack_channels.PREFIX):
            return slack_channels.PREFIX if write.verb == "grant" else "alone"
        return "alone" if name.startswith(slack_workspaces.PREFIX) else ""
