"""Looks for secrets in everything an installation has written: files byte by byte, databases by row, results decoded.

Runs as a process of its own (`python -m tests.canaries FOLDER…`, the secrets as JSON on stdin): SQLite drops its locks
on a file that the same process opens a second time.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

SQLITE = b"SQLite format 3\0"
BLOB = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
SPOKEN = re.compile(rb"(?:Bearer|Basic|SSWS|Token token=)[ ]?[A-Za-z0-9._~+/-]{12,}=*")
"""Credentials that were issued on the way, whatever they are."""


def forms(secret: str) -> dict[str, bytes]:
    """The secret as it is and as it may be written."""
    raw = secret.encode()
    return {
        "as it is": raw,
        "in a URL": quote(secret, safe="").encode(),
        "in a form": quote_plus(secret).encode(),
        "as JSON": json.dumps(secret)[1:-1].encode(),
        "in base64": base64.b64encode(raw).rstrip(b"=")[:-1],
        "as Python": repr(secret)[1:-1].encode(),
    }


def found_in(text: bytes, secrets: Mapping[str, str]) -> Iterator[str]:
    """What of the secrets a text holds, blobs in it decoded."""
    decoded = b"\n".join(unwrapped(blob) for blob in BLOB.findall(text))
    for name, secret in secrets.items():
        for how, form in forms(secret).items():
            if form in text or form in decoded:
                yield f"{name} {how}"
    for spoken in SPOKEN.findall(text):
        yield f"a credential in a header: {spoken[:12].decode()}…"


def unwrapped(blob: bytes) -> bytes:
    """What base64 holds; nothing where it is none."""
    try:
        return base64.b64decode(blob + b"=" * (-len(blob) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and every row of those that are SQLite's."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole = path.read_bytes()
        yield str(path.relative_to(folder)), whole
        if whole.startswith(SQLITE):
            for table, rows in dumped(path):
                yield f"{path.relative_to(folder)}, table {table}", rows


def dumped(path: Path) -> Iterator[tuple[str, bytes]]:
    """The rows of each table as text: in the file itself a long value is cut into pages."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        names = [row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            yield name, b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for r in rows for cell in r)
    finally:
        connection.close()


def leaks(folders: Iterable[Path], secrets: Mapping[str, str]) -> list[str]:
    """Where which secret stands, by looking with another process."""
    command = [sys.executable, "-m", "tests.canaries", *map(str, folders)]
    told = subprocess.run(command, input=json.dumps(dict(secrets)), capture_output=True, text=True, check=True)
    return list(json.loads(told.stdout))


def main() -> None:
    """Print what was found as JSON."""
    secrets = json.load(sys.stdin)
    found = {
        f"{where}: {what}" for f in sys.argv[1:] for where, text in texts(Path(f)) for what in found_in(text, secrets)
    }
    sys.stdout.write(json.dumps(sorted(found)))


if __name__ == "__main__":
    main()
