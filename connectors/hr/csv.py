"""An HR export as a file of delimited text (any delimiter, any encoding) or a workbook; rows numbered as there.

Least permission: to read the file.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
from pydantic import Field

from connectors.errors import Refused, Retryable
from connectors.hr.encoding import as_utf8
from connectors.hr.remote import Remote, fetcher, is_remote
from connectors.hr.workbook import Sheet, as_text, is_workbook
from connectors.surroundings import Surroundings
from mappings.feed import UNREADABLE, columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words

DELIMITERS = (",", ";", "\t", "|")
HEADER = 1 << 20  # bytes within which the header must end


class Options(Words):
    """The words under `options` of a source with `connector: csv`."""

    path: str = Field(min_length=1)
    """The file; relative to the mappings folder, or `https://…`, `sftp://host/…`. With `*` in its name the newest."""
    remote: Remote = Remote()
    """How a file at a URL is got."""
    sheet: str = ""
    """Of a workbook with several."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """One character; otherwise the one of , ; tab | that makes the mapping's columns appear in the header."""
    encoding: str | None = None
    """A Python codec name; otherwise a byte order mark, UTF-8, or what the bytes look like, in this order."""
    quote: str = Field(default='"', min_length=1, max_length=1)
    last_line: str = ""
    """How the last line begins that tells that the file is whole; it is nobody's row."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> CsvSource:
    """The source that these rules declare; nothing is read yet."""
    away = fetcher(name, options.path, options.remote, around) if is_remote(options.path) else None
    return CsvSource(name, rules, options, folder / options.path, away)


class CsvSource:
    """A file read whole each time; nothing is kept between reads."""

    def __init__(
        self, name: str, rules: HrSource, options: Options, path: Path, away: Callable[[], bytes] | None = None
    ) -> None:
        self.name, self.rules, self.options, self.path, self.away = name, rules, options, path, away

    def check(self) -> str:
        frame = self.read()
        return f"{self.path.name}: {len(frame)} rows, {frame.attrs['delimiter']}, {frame.attrs['encoding']}"

    def read(self) -> pd.DataFrame:
        """All rows. Refused, with what to do, where the file is no table."""
        data, encoding, unreadable = self.content()
        delimiter = self.options.delimiter or self.delimiter(data)
        frame = self.table(data, delimiter)
        if unreadable:
            marks = pd.Series(unreadable, dtype="string").reindex(frame.index)
            frame[UNREADABLE] = frame[UNREADABLE].fillna(marks) if UNREADABLE in frame else marks
        if frame.empty:
            raise self.refused("the file has a header but no rows", "Export it again; an empty file removes nobody.")
        frame.attrs = {"source": str(self.path), "encoding": encoding, "delimiter": f"delimiter {delimiter!r}"}
        return frame

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """The rows of one person; a history table has several."""
        frame, key = self.read(), self.rules.fields["employee_id"]
        return frame[frame[key].str.strip() == employee_id] if key in frame else frame

    def content(self) -> Sheet:
        """The file in UTF-8, a word on its encoding, and rows that cannot be read. Retryable while it is written."""
        data = self.away() if self.away else self.local()
        if is_workbook(data):
            sheet = as_text(data, self.options.sheet, self.options.quote, self.refused)
        else:
            self.refuse_page(data)
            sheet = Sheet(*as_utf8(data, self.options.encoding, self.refused), {})
        text = self.whole(sheet.text.rstrip(b"\r\n"))
        if not text.strip():
            raise self.refused("the file is empty", "Export it again; an empty file removes nobody.")
        return sheet._replace(text=text)

    def local(self) -> bytes:
        """The bytes of a file on this machine."""
        try:
            file = self.newest()
            before, data, after = file.stat(), file.read_bytes(), file.stat()
        except FileNotFoundError:
            raise self.refused("no such file", f"Put it there or mend options.path in hr/{self.name}.yaml.") from None
        except OSError as error:
            raise self.refused(error.strerror or str(error), "Make it a file that this user may read.") from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Retryable(self.name, f"read {file}", "it is being written", "Run again a little later.")
        return data

    def newest(self) -> Path:
        """The path, or of the files that fit it the one written last."""
        if "*" not in self.path.name or self.path.exists():
            return self.path
        found = [each for each in self.path.parent.glob(self.path.name) if each.is_file()]
        if not found:
            raise FileNotFoundError(self.path)
        return max(found, key=lambda each: (each.stat().st_mtime_ns, each.name))

    def whole(self, text: bytes) -> bytes:
        """The text without the line that tells that it is whole, where there has to be one."""
        begin = self.options.last_line
        rest, _, last = text.rpartition(b"\n")
        if not begin or last.decode(errors="replace").lstrip(' "').startswith(begin):
            return rest.rstrip(b"\r\n") if begin else text
        why = f"its last line does not begin with {begin!r}: somebody is writing it, or it is cut off"
        raise Retryable(self.name, f"read {self.path}", why, "Run again a little later, or export it again.")

    def refuse_page(self, data: bytes) -> None:
        if data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html")):
            raise self.refused("it is a web page, no table", "Export it as CSV or .xlsx.")

    def delimiter(self, data: bytes) -> str:
        """The delimiter under which the header has most of the mapping's columns, then most columns."""
        wanted = set(columns_of(self.rules).values())

        def fit(delimiter: str) -> tuple[int, int]:
            names = self.first(data, delimiter)
            return len(wanted & set(names)), len(names)

        return max(DELIMITERS, key=fit)

    def first(self, data: bytes, delimiter: str) -> list[str]:
        """The header's names, trimmed and in NFC as the mapping would write them."""
        text = io.StringIO(data[:HEADER].decode(errors="ignore"), newline="")
        cells = next((row for row in csv.reader(text, delimiter=delimiter, quotechar=self.options.quote) if row), [])
        return [unicodedata.normalize("NFC", cell.strip()) for cell in cells]

    def table(self, data: bytes, delimiter: str) -> pd.DataFrame:
        """The quick way, where every line is one whole row, else row by row."""
        names = self.names(self.first(data, delimiter))
        if data.count(self.options.quote.encode()) % 2 == 0 and not data.startswith((b"\r", b"\n")):
            try:
                return self.quick(data, delimiter, names)
            except pa.ArrowInvalid:
                pass  # some row is blank, or has too many or too few cells: the slow way says which
        return self.slow(data.decode(), delimiter, names)

    def quick(self, data: bytes, delimiter: str, names: list[str]) -> pd.DataFrame:
        """All columns as text by pyarrow; raises ArrowInvalid on blank and ragged rows."""
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows_after_names=1),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, quote_char=self.options.quote, newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string())),
        )
        frame: pd.DataFrame = table.to_pandas(types_mapper={pa.large_string(): pd.StringDtype()}.get)
        return frame.set_axis(pd.RangeIndex(2, 2 + len(frame), name="row"))

    def slow(self, text: str, delimiter: str, names: list[str]) -> pd.DataFrame:
        """Row by row: blank lines keep their numbers, ragged rows are marked as unreadable."""
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, quotechar=self.options.quote, strict=True
        )
        try:
            rows = [(number, row) for number, row in enumerate(reader, 1) if row]
        except csv.Error as error:
            todo = "Look for a quotation mark that is not closed, or not doubled, at or before this line."
            raise self.refused(f"line {reader.line_num}: {error}", todo) from None
        body = rows[1:]
        ragged = {number: words(len(row), len(names)) for number, row in body if spare(row, len(names))}
        if len(ragged) > len(body) / 2:
            example = next(f"row {number} needs {why}" for number, why in ragged.items())
            raise self.refused(f"most rows do not fit the header: {example}", "Set options.delimiter.")
        cells = [(row + [""] * len(names))[: len(names)] for _, row in body]
        index = pd.Index([number for number, _ in body], name="row", dtype="int64")
        frame = pd.DataFrame(cells, index=index, columns=names, dtype="string")
        frame[UNREADABLE] = pd.Series(ragged, dtype="string").reindex(index)
        return frame

    def names(self, header: list[str]) -> list[str]:
        """Distinct names; one that the mapping uses may stand in the header only once."""
        seen = Counter[str]()
        wanted = set(columns_of(self.rules).values())
        for name in header:
            seen[name] += 1
            if seen[name] > 1 and name in wanted:
                raise self.refused(f"the header has {name!r} twice", "Rename or remove one of the columns.")
        return [name if header.index(name) == at else f"{name} (column {at + 1})" for at, name in enumerate(header)]

    def refused(self, why: str, todo: str) -> Refused:
        return Refused(self.name, f"read {self.path}", why, todo)


def spare(row: list[str], width: int) -> bool:
    """Whether a row has too few cells, or too many that say something."""
    return len(row) < width or any(cell.strip() for cell in row[width:])


def words(found: int, width: int) -> str:
    """What is wrong with a row of another width than the header."""
    return f"{width} values as in the header, not {found}"
