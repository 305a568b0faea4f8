"""What to change in an app's YAML where the app shows something else than what was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Difference(NamedTuple):
    """One field that is not as it was written."""

    field: str
    written: str
    shown: str | None

    @property
    def matters(self) -> bool:
        """Runs compare without case, so another case is no difference to them."""
        return self.shown is None or self.shown.casefold() != self.written.casefold()

    def says(self) -> str:
        """`title: wrote 'Clerk', shows 'CLERK'`."""
        shown = "shows nothing" if self.shown is None else f"shows {self.shown!r}"
        return f"{self.field}: wrote {self.written!r}, {shown}"

    def mend(self) -> str:
        """What to change."""
        if self.shown is None:
            return (
                f"`{self.field}` is not shown: correct the field's name under `attributes`, or take it out (what "
                "cannot be read back can never be proved)"
            )
        if not self.matters:
            return f"`{self.field}` is shown in {case_of(self.shown)}: nothing to do, runs compare without case"
        if "".join(self.shown.split()).casefold() == "".join(self.written.split()).casefold():
            return f"`{self.field}` loses blanks there: write the template without them"
        if self.written.casefold().startswith(self.shown.casefold()) and self.shown:
            return f"`{self.field}` is cut off after {len(self.shown)} characters: use a shorter template"
        return f"`{self.field}` keeps {self.shown!r}: the app has words of its own; write those, or take the field out"


def differences(written: Mapping[str, str], shown: Mapping[str, str]) -> list[Difference]:
    """Every field that is not shown as it was written, letter by letter."""
    return [Difference(f, value, shown.get(f)) for f, value in written.items() if shown.get(f) != value]


def case_of(text: str) -> str:
    """How a text is written."""
    return "upper case" if text.isupper() else "lower case" if text.islower() else "another case"
