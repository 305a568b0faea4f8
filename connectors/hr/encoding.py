"""Bytes of an export to UTF-8: what the mapping declares, else a byte order mark, UTF-8, or the likeliest."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from charset_normalizer import from_bytes

from connectors.errors import Refused

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
LIKELY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp932", "gb18030", "big5", "cp949", "mac_roman", "cp437"]
"""What spreadsheets write where they do not write UTF-8."""

Refusal = Callable[[str, str], Refused]
"""Makes the error out of why, and what to do."""


def as_utf8(data: bytes, encoding: str | None, refused: Refusal) -> tuple[bytes, str]:
    """The text in UTF-8, and how it was read in words. Refused, with the place and a suggestion, where it cannot be."""
    if encoding:
        return declared(data, encoding, refused), f"encoding {encoding}"
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return declared(data, name, refused), f"encoding {name} (by its byte order mark)"
    try:
        data.decode("utf-8")
        return data, "encoding utf-8"
    except UnicodeDecodeError as error:
        guesses = likely(data)
        if len(guesses) != 1:
            hint = f"It may be {' or '.join(guesses)}: set" if guesses else "Export it as UTF-8, or set"
            raise refused(place(data, error), f"{hint} options.encoding.{differ(data, guesses)}") from None
        return data.decode(guesses[0]).encode(), f"encoding {guesses[0]} (a guess; set options.encoding to be sure)"


def declared(data: bytes, encoding: str, refused: Refusal) -> bytes:
    """The text by the encoding that was declared, never by another."""
    try:
        text = data.decode(encoding)
    except LookupError:
        raise refused(f"unknown encoding {encoding!r}", "Set options.encoding to utf-8, cp1252, utf-16, …") from None
    except UnicodeError as error:
        other = " or ".join(utf8_or_likely(data))
        todo = f"The file looks like {other}: set options.encoding." if other else "Export it again as UTF-8."
        raise refused(place(data, error), todo) from None
    return text.removeprefix("\ufeff").encode()


def place(data: bytes, error: UnicodeError) -> str:
    """Where decoding failed: `not utf-8: byte 0xe1 at position 412 (line 9)`."""
    if not isinstance(error, UnicodeDecodeError):
        return f"not decodable: {error}"
    line = data.count(b"\n", 0, error.start) + 1
    return f"not {error.encoding}: byte 0x{data[error.start]:02x} at position {error.start} (line {line})"


def utf8_or_likely(data: bytes) -> list[str]:
    """The encodings to suggest."""
    mark = [name for mark, name in MARKS.items() if data.startswith(mark)]
    return mark or (["utf-8"] if decodes(data, "utf-8") else likely(data))


def likely(data: bytes) -> list[str]:
    """The likeliest encodings by charset-normalizer: more than one where they would give different names."""
    lines = data.splitlines(keepends=True)
    telling = b"".join([line for line in lines if not line.isascii()][:5000])
    found = from_bytes(telling, cp_isolation=LIKELY)
    best = min((match.chaos for match in found), default=0.0)
    texts = [match.could_be_from_charset for match in found if match.chaos == best]
    usable = [[n for n in LIKELY if n in names and decodes(data, n)] for names in texts]
    return sorted((names[0] for names in usable if names), key=LIKELY.index)


def differ(data: bytes, names: list[str]) -> str:
    """What one byte means in each: ` Byte 0xf1 is ñ in cp1252, ń in cp1250.`"""
    for byte in sorted({bytes([b]) for b in data if b > 0x7F}):
        said = [byte.decode(name, "replace") for name in names]
        if len(set(said)) > 1:
            return (
                f" Byte 0x{byte.hex()} is " + ", ".join(f"{c} in {n}" for c, n in zip(said, names, strict=True)) + "."
            )
    return ""


def decodes(data: bytes, encoding: str) -> bool:
    """Whether all of the data can be read so."""
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True
