"""What HR sent becomes people: a raw frame of text in, a frame of people and the rows held back out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from mappings.people import DATE_COLUMNS, Person, tidy
from mappings.stints import SINCE, UNTIL, current
from mappings.vocabulary import HrSource

UNREADABLE = "_unreadable"
"""A raw frame may have this column: what a row would need to be read (`permission to see hireDate`)."""
WHOLE = "row"
"""What Held names as the field where the row as a whole is wrong."""
NEEDED = ("employee_id", "given_name", "family_name")
"""Attributes without which a row is held."""
EARLIEST = pd.Timestamp("1900-01-01")
"""A date before it is none, though it may be written like one: 0018-05-31 was once 31.05.18."""


class FeedError(Exception):
    """The feed as a whole cannot be read; nothing may be planned from it."""


class Held(BaseModel):
    """A row that was held back, and why. Its person is in no frame of people."""

    model_config = ConfigDict(frozen=True)

    employee_id: str | None
    row: int
    """As in the file, where the header is row 1."""
    field: str
    """The source's column, or `row`."""
    found: str | None
    expected: str

    @property
    def message(self) -> str:
        """One line for a report."""
        who = self.employee_id or "nobody"
        if self.field == WHOLE:
            return f"row {self.row} ({who}): needs {self.expected}"
        what = "nothing" if self.found is None else repr(self.found)
        return f"row {self.row} ({who}): {self.field}: found {what}, expected {self.expected}"


@dataclass(frozen=True)
class Feed:
    """A feed after reading: people (a tidy frame, one row per employee_id) and what was held."""

    people: pd.DataFrame
    held: tuple[Held, ...]


def people_of(raw: pd.DataFrame, rules: HrSource, on: date | None = None) -> Feed:
    """Turn a source's raw frame (all text; its index is the row number in the file) into people.

    In a history table the row valid `on` the date counts, without a date the latest. A person with one bad
    row is held whole. Raises FeedError where a column is missing or a date format is none.
    """
    require_columns(raw, rules)
    texts = texts_of(raw, rules)
    texts = texts[texts.notna().any(axis=1)]
    rows, unreadable = texts.index.to_numpy(), unreadable_in(raw).loc[texts.index].reset_index(drop=True)
    texts = with_defaults(texts.reset_index(drop=True), rules)
    frame = with_dates(texts, rules.dates)
    problems = pd.concat(list(problems_in(texts, frame, unreadable, rules, rows)), ignore_index=True)
    held = set(texts["employee_id"].loc[problems["at"]].dropna())
    good = frame[~(frame["employee_id"].isin(held) | frame.index.isin(problems["at"]))]
    if rules.history:
        good = current(good, rules.history, on)
    return Feed(tidy(good.reset_index(drop=True)), tuple(held_of(problems, texts, rows, rules)))


def require_columns(raw: pd.DataFrame, rules: HrSource) -> None:
    """Every column that the mapping names must be there."""
    found = [str(c) for c in raw.columns if c != UNREADABLE]
    for name, column in columns_of(rules).items():
        if column not in found:
            close = difflib.get_close_matches(column, found, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            where = raw.attrs.get("source", "the HR feed")
            raise FeedError(f"{where}: no column {column!r} (for {name}); columns are {', '.join(found)}{hint}")


def columns_of(rules: HrSource) -> dict[str, str]:
    """Attribute -> source column, the stints' dates among them."""
    history = {SINCE: rules.history.since, UNTIL: rules.history.until} if rules.history else {}
    return rules.fields | history


def texts_of(raw: pd.DataFrame, rules: HrSource) -> pd.DataFrame:
    """The mapped columns by attribute: trimmed, NFC, null words gone, values translated."""
    nulls = pa.array(sorted({word.strip().lower() for word in (*rules.nulls, "")}), pa.large_string())
    columns = {}
    for name, column in columns_of(rules).items():
        cells = cleaned(raw[column], nulls)
        if name in rules.values:
            cells = translated(cells, rules.values[name])
        columns[name] = pd.array(cells, dtype="string")
    return pd.DataFrame(columns, index=raw.index)


def cleaned(column: pd.Series, nulls: pa.Array) -> pa.Array:
    """Text cells without surrounding blanks, in NFC, null where they say nothing."""
    cells = pa.array(column.astype("string"), type=pa.large_string())
    cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    cells = pc.utf8_trim_whitespace(cells)
    if composes(cells):
        cells = pc.utf8_normalize(cells, form="NFC")
    if (pc.min(pc.binary_length(cells)).as_py() or 0) > pc.max(pc.binary_length(nulls)).as_py():
        return cells
    nothing = pc.is_in(pc.utf8_lower(cells), value_set=nulls)
    return pc.if_else(nothing, pa.scalar(None, pa.large_string()), cells)


def composes(cells: pa.Array) -> bool:
    """Whether NFC could change anything: below U+0300 nothing combines, and looking is cheaper than doing."""
    if pc.all(pc.string_is_ascii(cells)).as_py() is not False:
        return False
    return bool(pc.any(pc.match_substring_regex(cells, r"[^\x00-\x{2ff}]")).as_py())


def translated(cells: pa.Array, words: dict[str, str]) -> pa.Array:
    """Cells with the source's words replaced by ours; a word translated to nothing is null."""
    coded = cells.dictionary_encode()
    ours = [words.get(word, word) or None for word in coded.dictionary.to_pylist()]
    return pa.array(ours, pa.large_string()).take(coded.indices)


def unreadable_in(raw: pd.DataFrame) -> pd.Series:
    """What the source said it could not read, by row."""
    return raw[UNREADABLE] if UNREADABLE in raw else pd.Series(pd.NA, index=raw.index, dtype="string")


def with_defaults(texts: pd.DataFrame, rules: HrSource) -> pd.DataFrame:
    """Texts with the mapping's defaults where the source has nothing."""
    known = {"worker_type": str(Person.model_fields["worker_type"].default)} | rules.defaults
    filled = {name: texts[name].fillna(word) if name in texts else word for name, word in known.items()}
    return texts.assign(**filled).astype("string")


def with_dates(texts: pd.DataFrame, formats: tuple[str, ...]) -> pd.DataFrame:
    """Texts with the date columns parsed; what fits no format is NaT."""
    dates = [name for name in (*DATE_COLUMNS, SINCE, UNTIL) if name in texts]
    return texts.assign(**{name: dates_of(texts[name], formats) for name in dates})


def dates_of(texts: pd.Series, formats: tuple[str, ...]) -> pd.Series:
    """Each text by the first format that fits it whole, unless it is before EARLIEST; every distinct text is parsed
    once."""
    codes, words = pd.factorize(texts)
    left, found = pd.Series(words, dtype="string"), pd.Series(pd.NaT, range(len(words)), dtype="datetime64[s]")
    for form in formats:
        try:
            found = found.fillna(pd.to_datetime(left, format=form, errors="coerce").astype("datetime64[s]"))
        except (ValueError, TypeError) as error:
            raise FeedError(f"dates: {form!r} is no usable date format ({error}); write it like %d/%m/%Y") from None
    return found.where(found >= EARLIEST).reindex(codes).set_axis(texts.index)


def problems_in(
    texts: pd.DataFrame,
    frame: pd.DataFrame,
    unreadable: pd.Series,
    rules: HrSource,
    rows: np.ndarray[Any, Any],
) -> Iterator[pd.DataFrame]:
    """Frames of `at` (position), `field`, `expected`: one line for each thing wrong."""
    said = unreadable.dropna()
    yield problem(said.index, UNREADABLE, said)
    for name in NEEDED:
        yield problem(texts.index[texts[name].isna()], name, "a value")
    for name in frame.columns[frame.dtypes == "datetime64[s]"]:
        wrong = texts.index[texts[name].notna() & frame[name].isna()]
        yield problem(wrong, name, f"a date like {' or '.join(rules.dates)}")
    if rules.history:
        yield from stint_problems(frame)
    else:
        yield twice(texts["employee_id"], rows)


def stint_problems(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """A stint needs a first day, must not end before it, and no two different ones begin on the same day."""
    yield problem(frame.index[frame[SINCE].isna()], SINCE, "the stint's first day")
    yield problem(frame.index[frame[UNTIL] < frame[SINCE]], UNTIL, "a day not before the stint's first")
    distinct = frame.drop_duplicates()
    clash = distinct.duplicated(["employee_id", SINCE], keep=False) & distinct[SINCE].notna()
    yield problem(distinct.index[clash], SINCE, "one stint for each first day")


def twice(keys: pd.Series, rows: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Rows whose key stands in more than one row; all of them are held, since none is known to be right."""
    clash = keys[keys.notna() & keys.duplicated(keep=False)]
    where = {key: ", ".join(map(str, rows[at])) for key, at in clash.groupby(clash).groups.items()}
    return problem(clash.index, "employee_id", "each id once, but rows " + clash.map(where) + " have it")


def problem(at: pd.Index, field: str, expected: str | pd.Series) -> pd.DataFrame:
    """Lines for one kind of mistake."""
    return pd.DataFrame({"at": at, "field": field, "expected": expected}).astype({"at": "int64"})


def held_of(problems: pd.DataFrame, texts: pd.DataFrame, rows: np.ndarray[Any, Any], rules: HrSource) -> Iterator[Held]:
    """The problems as Held, in the order of the file."""
    columns = columns_of(rules)
    problems = problems.sort_values("at", kind="stable")
    keys = words_of(texts["employee_id"].loc[problems["at"]])
    cells = {name: words_of(texts[name].loc[problems["at"]]) for name in problems["field"].unique() if name in texts}
    lines = zip(keys, problems["at"], problems["field"], problems["expected"], strict=True)
    for line, (key, at, field, expected) in enumerate(lines):
        found = cells[field][line] if field in cells else None
        row, column = int(rows[at]), columns.get(field, WHOLE)
        yield Held(employee_id=key, row=row, field=column, found=found, expected=str(expected))


def words_of(texts: pd.Series) -> list[str | None]:
    """Cells as plain Python, None for null."""
    return [None if pd.isna(word) else str(word) for word in texts.tolist()]
