"""What an attribute looks like in an app: where it is written, where it is shown, and in which form.

Attributes are texts; apps want numbers, lists, dates of their own and ids of other things. The vocabulary is closed:
there are no expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import Field as Word
from pydantic import model_validator

from connectors.fields import pick, text
from mappings.words import OneOrMore, Words

Scalar = bool | int | float | str | None
YES = ("true", "yes", "1", "on")


class Field(Words):
    """One attribute, as far as it is not simply its text under its own name."""

    write: str = ""
    """Where a body takes it (dotted); left out: under its own name."""
    read_only: bool = False
    """True where the app works it out itself: it is never written."""
    shows: OneOrMore = ()
    """Where an account shows it (dotted); several are joined; left out: where it is written."""
    join: str = " "
    """What stands between several."""
    kind: Literal["text", "number", "bool", "list", "date"] = Word("text", alias="as")
    """What the app wants: `list` is a list of this one text, or of the texts between commas."""
    date: str = ""
    """The app's form of a date (strptime), `epoch` or `epoch_ms`; ours is 2026-11-30."""
    values: dict[str, Scalar] = Word(default_factory=dict)
    """Our word -> the app's; others pass as they are."""
    case: Literal["", "lower", "upper"] = ""
    """How the app keeps it, whatever is sent."""
    empty: Literal["text", "null", "omit"] = "text"
    """What stands for an empty value: an empty text, null, or nothing at all."""

    @model_validator(mode="after")
    def fits(self) -> Field:
        if self.read_only and self.write:
            raise ValueError("give one of read_only, write")
        return self

    @property
    def wanted(self) -> str:
        """The kind: a form of dates says that it is one."""
        return "date" if self.date else self.kind

    def written(self, value: str) -> Any:
        """Our text as the app wants it. ValueError where it is none of its kind."""
        if value in self.values:
            return self.values[value]
        if value == "":
            return None if self.empty == "null" or self.wanted in ("number", "bool", "date") else self.cased(value)
        if self.kind == "number":
            return float(value) if "." in value else int(value)
        if self.kind == "bool":
            return value.casefold() in YES
        if self.kind == "list":
            return [self.cased(part.strip()) for part in value.split(",")]
        return stamped(date.fromisoformat(value), self.date) if self.wanted == "date" else self.cased(value)

    def shown(self, row: Any, name: str) -> str | None:
        """What an account shows of it, as our text; None where it shows nothing."""
        places = self.shows or (self.write or name,)
        found = [one for one in (self.told(pick(row, place)) for place in places) if one is not None]
        return self.join.join(one for one in found if one) if found else None

    def told(self, value: Any) -> str | None:
        """One of the app's values as our text."""
        if isinstance(value, list):
            value = ", ".join(filter(None, map(self.told, value))) if value else ""
        for ours, theirs in self.values.items():
            if text(theirs) == text(value):
                return ours
        if self.wanted == "date" and value not in (None, ""):
            found = moment(value, self.date)
            return found.date().isoformat() if found else text(value)
        shown = text(value)
        return None if shown is None else self.cased(shown)

    def cased(self, value: str) -> str:
        return {"lower": value.lower(), "upper": value.upper()}.get(self.case, value)


PLAIN = Field()
"""Text under its own name."""


def stamped(day: date, form: str) -> Any:
    """A day, or a moment, as the app writes it."""
    if not form.startswith("epoch"):
        return day.strftime(form or "%Y-%m-%d")
    then = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day, tzinfo=UTC)
    seconds = int(then.timestamp())
    return seconds * 1000 if form == "epoch_ms" else seconds


def moment(value: Any, form: str) -> datetime | None:
    """A date or time as an app shows it, in UTC; None where it cannot be read."""
    try:
        if form.startswith("epoch"):
            return datetime.fromtimestamp(float(value) / (1000 if form == "epoch_ms" else 1), UTC)
        found = datetime.strptime(str(value), form) if form else datetime.fromisoformat(str(value))
    except (ValueError, OverflowError):
        return iso(str(value)) if form else None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def iso(value: str) -> datetime | None:
    """A time in ISO 8601, which many apps show whatever they take."""
    return moment(value, "")


def bodily(fields: Mapping[str, Field], attributes: Mapping[str, str]) -> dict[str, Any]:
    """Attributes as dotted names and values of a body; ValueError naming the field that cannot be written."""
    body: dict[str, Any] = {}
    for name, value in attributes.items():
        field = fields.get(name, PLAIN)
        if field.read_only or (value == "" and field.empty == "omit"):
            continue
        try:
            body[field.write or name] = field.written(value)
        except ValueError:
            raise ValueError(f"{name} is no {field.wanted}") from None
    return body
