"""The table of the replay, read with the csv module alone: who works in which department on a date."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

FOR_EVER = date(9999, 12, 31)


@dataclass(frozen=True)
class Stint:
    """One row: a person in a department, both dates included."""

    person: str
    mail: str
    department: str
    since: date
    until: date

    def covers(self, on: date) -> bool:
        return self.since <= on <= self.until


@dataclass(frozen=True)
class Move:
    """A person's first day in another department."""

    person: str
    on: date
    old: str
    new: str


class Table:
    """The rows, and what they say of a date."""

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            self.stints = [stint(row) for row in csv.DictReader(file)]

    def on(self, day: date) -> list[Stint]:
        """The stints of a date."""
        return [stint for stint in self.stints if stint.covers(day)]

    def users(self, day: date) -> dict[str, str]:
        """Employee number -> user name."""
        return {stint.person: stint.mail for stint in self.on(day)}

    def groups(self, day: date) -> dict[str, set[str]]:
        """Department -> employee numbers."""
        found: dict[str, set[str]] = defaultdict(set)
        for each in self.on(day):
            found[each.department].add(each.person)
        return dict(found)

    def moves(self) -> list[Move]:
        """All department moves, by date."""
        found = []
        for mine in self.by_person().values():
            pairs = zip(mine, mine[1:], strict=False)
            found += [Move(b.person, b.since, a.department, b.department) for a, b in pairs]
        return sorted(found, key=lambda move: (move.on, move.person))

    def by_person(self) -> dict[str, list[Stint]]:
        """Each person's stints in order."""
        found: dict[str, list[Stint]] = defaultdict(list)
        for each in sorted(self.stints, key=lambda stint: stint.since):
            found[each.person].append(each)
        return dict(found)

    def dates(self, number: int) -> list[date]:
        """`number` dates over the table's years, the days of the moves, and a day before a move where no other date
        lies in the stint that it ends."""
        found = {*self.sampled(number), *(move.on for move in self.moves())}
        for mine in self.by_person().values():
            found |= {each.until for each in mine[:-1] if not any(each.covers(day) for day in found)}
        return sorted(found)

    def sampled(self, number: int) -> list[date]:
        """Evenly spread, from the first hire to the turn of the year after the last change."""
        first = min(stint.since for stint in self.stints)
        last = date(max(stint.since for stint in self.stints).year + 1, 1, 1)
        return [first + timedelta(days=round((last - first).days * i / max(1, number - 1))) for i in range(number)]


def stint(row: dict[str, str]) -> Stint:
    """A row of the file."""
    since, until = day(row["StartDate"]), day(row["EndDate"])
    return Stint(row["EmployeeNumber"], row["EmailAddress"], row["DepartmentName"], since, until)


def day(text: str) -> date:
    """dd/mm/yyyy, or NULL for ever."""
    return FOR_EVER if text == "NULL" else datetime.strptime(text, "%d/%m/%Y").date()
