"""Tables that other systems export: delimited text in any usual encoding, read whole as text.

Least permission: to read the file.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from connectors.errors import Refused
from connectors.hr.encoding import Refusal, as_utf8

DELIMITERS = (",", ";", "\t", "|")


def read_table(file: str, path: Path, wanted: Collection[str]) -> pd.DataFrame:
    """The `wanted` columns of all rows, as text, as far as the header has them; the delimiter is the one that makes
    most of them appear. `attrs["header"]` has all names.

    Refused where there is no such table; `file` is the YAML that names it.
    """

    def refused(why: str, todo: str) -> Refused:
        return Refused(file, f"read {path}", why, todo if "options." not in todo else "Export it again as UTF-8.")

    try:
        data, _ = as_utf8(path.read_bytes(), None, refused)
    except FileNotFoundError:
        raise refused("no such file", f"Put it there or mend `path` in {file}.") from None
    except OSError as error:
        raise refused(error.strerror or str(error), "Make it a file that this user may read.") from None
    text = unicodedata.normalize("NFC", data.decode().removeprefix("\ufeff")).lstrip("\r\n")
    if not text.strip():
        raise refused("the file is empty", "Export it again.")
    delimiter = max(DELIMITERS, key=lambda d: len(set(wanted) & set(header(text, d))))
    return table(rows(text, delimiter, refused), wanted)


def header(text: str, delimiter: str) -> list[str]:
    """The names in the first line under this delimiter."""
    return [cell.strip() for cell in next(csv.reader([text.splitlines()[0]], delimiter=delimiter), [])]


def rows(text: str, delimiter: str, refused: Refusal) -> list[list[str]]:
    """The header and all rows that are not blank. Refused where a row has more cells than the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[list[str]] = []
    try:
        for row in reader:
            if found and any(cell.strip() for cell in row[len(found[0]) :]):
                why = f"line {reader.line_num} has more values than the header"
                raise refused(why, "Look for a delimiter in a value, and put that value in quotation marks.")
            found += [row] if any(cell.strip() for cell in row) else []
    except csv.Error as error:
        todo = "Look for a quotation mark that is not closed, or not doubled, at or before this line."
        raise refused(f"line {reader.line_num}: {error}", todo) from None
    return found


def table(rows: list[list[str]], wanted: Collection[str]) -> pd.DataFrame:
    """The wanted columns of these rows, of which the first is the header; absent cells are empty."""
    names = [cell.strip() for cell in rows[0]]
    at = {name: names.index(name) for name in wanted if name in names}
    cells = {name: [row[i].strip() if i < len(row) else "" for row in rows[1:]] for name, i in at.items()}
    frame = pd.DataFrame(cells, dtype="string", columns=list(at))
    frame.attrs["header"] = names
    return frame
