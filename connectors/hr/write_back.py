"""Writing a work e-mail to HR: what every source asks before it, and what HR must show after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused
from mappings.vocabulary import HrSource


@dataclass(frozen=True)
class Entry:
    """A work e-mail that is to stand in HR."""

    source: str
    """File name of the source's YAML, without the ending."""
    title: str
    """HR as people call it: `BambooHR`, `the database`."""
    person: str
    address: str
    instead_of: str = ""
    """The address whose place it may take."""

    @property
    def doing(self) -> str:
        """What messages begin with."""
        return f"write work e-mail of person {self.person}"

    def require_allowed(self, rules: HrSource, mapped: bool = True) -> None:
        """Refused where the mapping does not say that the work e-mail is written."""
        if "work_email" not in rules.write_back or not mapped:
            todo = f"Add work_email to fields and write_back in hr/{self.source}.yaml, or enter it in {self.title}."
            raise Refused(self.source, self.doing, "the mapping does not allow it", todo)

    def stands(self, held: str) -> bool:
        """Whether HR has the address already; Refused where it has another one."""
        if held.casefold() == self.address.casefold():
            return True
        if held and held.casefold() != self.instead_of.casefold():
            todo = f"Decide which is right, {held} or {self.address}."
            raise Refused(self.source, self.doing, f"there is already {held}", todo)
        return False

    def require_shown(self, shown: str) -> None:
        """Mismatch where HR does not show the address that it accepted."""
        if shown.casefold() != self.address.casefold():
            what = shown or "nothing"
            raise Mismatch(self.source, self.doing, f"{self.title} accepted {self.address} but shows {what}")

    def among(self, rows: pd.DataFrame, rules: HrSource) -> str:
        """The address in the person's rows, '' for none. Refused where there is no such person, or none is mapped."""
        column = rules.fields.get("work_email", "")
        if column not in rows:
            todo = f"Map it in hr/{self.source}.yaml."
            raise Refused(self.source, self.doing, "work_email is not mapped", todo)
        if rows.empty:
            raise Refused(self.source, self.doing, f"{self.title} has nobody with this id", status=404)
        value = rows[column].iloc[-1]
        return "" if pd.isna(value) else str(value).strip()

    def written(self, rules: HrSource, read: Callable[[], str], put: Callable[[], object]) -> Outcome:
        """Read, write where it is missing, and read back; `read` gives '' where there is none."""
        self.require_allowed(rules)
        if self.stands(read()):
            return Outcome.ALREADY
        put()
        self.require_shown(read())
        return Outcome.DONE
