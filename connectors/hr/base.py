"""The contract every HR source keeps, and the shape of the raw frame it hands to `mappings.feed`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import pandas as pd

from connectors.base import Outcome


@runtime_checkable
class Source(Protocol):
    """An HR system that can be read. All calls block; errors are of `connectors.errors`.

    A raw frame has the source's own column names and nothing but text in it; its index, named `row`, is the
    row number an HR person would look for (the header is row 1). `mappings.feed.UNREADABLE` may be a further
    column; `attrs["source"]` names the file or system for messages.
    """

    name: str
    """File name of the source's YAML, without the ending."""

    def check(self) -> str:
        """Prove connection and permission with one cheap read; returns a sentence for `rollcall doctor`."""

    def read(self) -> pd.DataFrame:
        """Everybody HR knows, future hires and leavers included, complete or not at all."""

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """The rows of one person: none where HR has nobody with this id."""


@runtime_checkable
class WriteBack(Protocol):
    """An HR system that can be told what Rollcall has made."""

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """Set the work e-mail where there is none, or that one; Refused where there is a different one. Read back."""


@runtime_checkable
class Changes(Protocol):
    """An HR system that can be asked who changed: asked at its pace where no webhook tells."""

    pace: timedelta
    """The time to leave between two questions, by the vendor's limits."""

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """Whole rows, as of `read`, of everybody changed since that instant (aware), perhaps of more people.

        It need not know of everything that changes (a date that comes, a record that is gone): the daily feed does.
        """


class NotBelieved(Exception):
    """A delivery that does not prove where it is from; says why in a sentence without secrets."""


@dataclass(frozen=True)
class Delivery:
    """A webhook call that is believed."""

    key: str
    """What duplicates share: the vendor's delivery id where it is signed, else a hash of what is signed.

    It is kept for good: where a later change may come with the very same bytes, leave it empty; then nothing is
    dropped.
    """
    at: datetime | None = None
    """The vendor's own time, aware, where it signs one."""


@dataclass(frozen=True)
class Reply:
    """What to answer to a vendor that sets a webhook up."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()
    keep: str = ""
    """What the operator needs to complete the set-up (a verification token): kept in a file for the owner only."""


@runtime_checkable
class Signals(Protocol):
    """An HR system that calls when something changes. What a call says is never used but to know whom to read again.

    Whether these work hangs on a secret of the options; without it every delivery is NotBelieved.
    None of them calls the vendor, and all bear any bytes: ValueError where a body is no such thing, nothing else.
    """

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """What to answer to a set-up call (ping, verification token, challenge); None for everything else.

        It is asked before `verify_webhook` and proves nothing: no reply may contain a secret. Raises NotBelieved.
        """

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, by the vendor's own scheme in constant time; `headers` have lower-case names.

        Raises NotBelieved: a wrong or missing signature, a signed time too far from `now`.
        """

    def changed_ids(self, body: bytes) -> list[str]:
        """Ids, as of `read_one`, of the people that a believed body is about; none where it is about nobody."""
