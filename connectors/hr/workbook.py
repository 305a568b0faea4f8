"""An Excel workbook as delimited text: what a person sees in its cells, row by row."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import date, datetime, time
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from connectors.hr.encoding import Refusal

ZIP = b"PK\x03\x04"
"""How every .xlsx begins."""
ZEROS = re.compile(r"0+")


def is_workbook(data: bytes) -> bool:
    """Whether these bytes are a workbook and no text."""
    return data.startswith(ZIP)


def as_text(data: bytes, sheet: str, quote: str, refused: Refusal) -> tuple[bytes, str]:
    """One sheet in UTF-8 with commas, every row on its own line, and a word on which. Refused where it cannot be."""
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise refused(f"no readable workbook ({error})", "Save it as .xlsx or CSV, without a password.") from None
    try:
        if sheet and sheet not in book.sheetnames:
            raise refused(f"there is no sheet {sheet!r}; there is {', '.join(book.sheetnames)}", "Mend options.sheet.")
        if not sheet and len(book.sheetnames) > 1:
            raise refused(
                f"there are {len(book.sheetnames)} sheets: {', '.join(book.sheetnames)}", "Set options.sheet."
            )
        chosen = sheet or book.sheetnames[0]
        text = io.StringIO(newline="")
        writer = csv.writer(text, quotechar=quote)
        writer.writerows([shown(cell) for cell in row] for row in book[chosen].iter_rows())
    finally:
        book.close()
    return text.getvalue().encode(), f"sheet {chosen!r} of a workbook"


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
