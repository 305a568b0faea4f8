"""What every part of a mappings file is made of: closed models and words that say what is known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Words(BaseModel):
    """A part of a mappings file: frozen, and no word that is not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def as_list(value: Any) -> Any:
    """One word means a list of one."""
    return value if isinstance(value, list) or value is None else [value]


OneOrMore = Annotated[tuple[str, ...], BeforeValidator(as_list)]


def suggest(word: str, known: Iterable[str]) -> str:
    """`known words are …; did you mean …?`"""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"known words are {', '.join(words) or 'none yet'}{hint}"
