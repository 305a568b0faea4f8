"""The contract every HR source keeps, and the shape of the raw frame it hands to `mappings.feed`."""

from __future__ import annotations

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
