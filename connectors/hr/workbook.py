"""An Excel workbook as delimited text: what a person sees in its cells, row by row."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import date, datetime, time
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from connectors.hr.encoding import Refusal

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How every .xlsx begins; how those with a password begin, and files of Excel before 2007 ([MS-CFB] 2.2)."""
LARGEST = 400 << 20  # bytes a workbook may unpack to: some millions of cells
ZEROS = re.compile(r"0+")
CHUNK, OVERLAP = 1 << 20, 1 << 16
MERGED = re.compile(rb'<(?:\w+:)?mergeCell ref="([A-Z]+\d+:[A-Z]+\d+)"')
NOT_CALCULATED = re.compile(rb'<c r="[A-Z]+(\d+)"(?:(?! t="str")[^>])*><f[^>]*(?:/>|>[^<]*</f>)(?:<v ?/>|<v></v>)?</c>')
"""A formula without the value that it had when the file was saved; one whose value is the empty text is `t="str"`."""


class Sheet(NamedTuple):
    """What was read of a workbook."""

    text: bytes
    """In UTF-8 with commas, every row on its own line."""
    word: str
    """Which sheet it is."""
    unreadable: dict[int, str]
    """Number of a row -> what it needs."""


def is_workbook(data: bytes) -> bool:
    """Whether these bytes are a workbook and no text."""
    return data.startswith((ZIP, OLE))


def as_text(data: bytes, sheet: str, quote: str, refused: Refusal) -> Sheet:
    """One sheet. Refused where it cannot be read, or not as people see it."""
    refuse_strange(data, refused)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            chosen = named(book, sheet, refused)
            wrong = scanned(data, book[chosen]._worksheet_path, refused)
            text = written(book[chosen], quote, wrong)
        finally:
            book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, ParseError, EOFError, OSError) as error:
        raise refused(f"no readable workbook ({error})", "Save it again as .xlsx, or as CSV.") from None
    return Sheet(text.encode(), f"sheet {chosen!r} of a workbook", wrong)


def refuse_strange(data: bytes, refused: Refusal) -> None:
    """Refuse what openpyxl cannot open, or should not."""
    if data.startswith(OLE):
        raise refused("it has a password, or is of Excel before 2007", "Save it as .xlsx without a password.")
    try:
        size = sum(each.file_size for each in zipfile.ZipFile(io.BytesIO(data)).infolist())
    except zipfile.BadZipFile as error:
        raise refused(f"no readable workbook ({error})", "Save it again as .xlsx, or as CSV.") from None
    if size > LARGEST:
        raise refused(f"it unpacks to {size >> 20} MB: more than {LARGEST >> 20}", "Export people alone, or as CSV.")


def named(book: Any, sheet: str, refused: Refusal) -> str:
    """The sheet that is meant: of those that are not hidden the only one."""
    there = [each.title for each in book.worksheets]
    visible = [each.title for each in book.worksheets if each.sheet_state == "visible"]
    if sheet and sheet not in there:
        raise refused(f"there is no sheet {sheet!r}; there is {', '.join(there)}", "Mend options.sheet.")
    if not sheet and len(visible) != 1:
        raise refused(f"there are {len(visible)} sheets: {', '.join(visible)}", "Set options.sheet.")
    return sheet or visible[0]


def scanned(data: bytes, path: str, refused: Refusal) -> dict[int, str]:
    """Rows with formulas that were never calculated. Refused where cells are merged: whose value it is, is unclear."""
    merged, rows, before = dict[bytes, None](), set[int](), b""
    with zipfile.ZipFile(io.BytesIO(data)).open(path.lstrip("/")) as stream:
        while chunk := stream.read(CHUNK):
            text = before + chunk
            merged |= dict.fromkeys(MERGED.findall(text))
            rows |= {int(row) for row in NOT_CALCULATED.findall(text)}
            before = text[-OVERLAP:]
    if merged:
        some = b", ".join(list(merged)[:3]).decode()
        raise refused(f"cells are merged ({some}): to which rows the value belongs is unclear", "Unmerge them.")
    return dict.fromkeys(rows, "its formulas calculated: open and save the file in Excel")


def written(sheet: Any, quote: str, wrong: dict[int, str]) -> str:
    """The rows as text, blank ones as blank lines; rows with errors go to `wrong`."""
    sheet.reset_dimensions()  # some exports state all 17 billion cells
    text = io.StringIO(newline="")
    writer = csv.writer(text, quotechar=quote)
    width = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        if errors := [f"{cell.coordinate} without {cell.value}" for cell in row if cell.data_type == "e"]:
            wrong[number] = ", ".join(errors)
        cells = trimmed([shown(cell) for cell in row])
        width = width or len(cells)
        writer.writerow(cells + [""] * (width - len(cells)) if cells else [])
    return text.getvalue()


def trimmed(cells: list[str]) -> list[str]:
    """Without the empty cells behind the last one that says something."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def shown(cell: Any) -> str:
    """A cell as text: days by ISO 8601; a number that is shown with zeros in front keeps them."""
    value = cell.value
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and ZEROS.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    return str(value)
