"""What belongs to an account at a vendor: put there by tests and demos, through the sandbox's own door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import uuid4

from connectors.sandbox.store import Index, Row, Table


class Possession(NamedTuple):
    """A table of things, the field that says whose they are, and what a thing is as far as nothing else is said."""

    owner: str
    blank: Row

    def table(self, name: str) -> Table:
        """An empty table of them, found by owner."""
        return Table(name, {"owner": Index(lambda row: str(row[self.owner] or ""))})


Possessions = Mapping[str, Possession]


def tables(possessions: Possessions) -> dict[str, Table]:
    return {name: kind.table(name) for name, kind in possessions.items()}


def given(table: Table, kind: Possession, account: str | int, items: Iterable[Row]) -> list[Row]:
    """Make one row per item for this account; ids are numbers where the account's is."""
    made = []
    for item in items:
        if unknown := set(item) - set(kind.blank):
            raise ValueError(f"{table.name} have no {', '.join(sorted(unknown))}; they have {', '.join(kind.blank)}")
        id = table.next_number() if isinstance(account, int) else str(uuid4())
        made.append(table.put(str(id), {"id": id, kind.owner: account} | kind.blank | item))
    return made


def owned(table: Table, account: str | int) -> list[Row]:
    return table.by("owner", str(account))


def passed(table: Table, kind: Possession, row: Row, account: str | int | None) -> Row:
    """The row with another owner."""
    return table.put(str(row["id"]), row | {kind.owner: account})


def dropped(table: Table, account: str | int) -> None:
    """Remove all of an account's."""
    for row in owned(table, account):
        table.drop(str(row["id"]))
