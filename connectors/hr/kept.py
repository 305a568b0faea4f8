"""The pages of a reading that is not finished, in files for the owner only: a reading that was cut off goes on.

They hold what HR said, so they go with the end of the reading, with another question, or after an hour.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import feather

from connectors.errors import Retryable

LONGEST = 3600.0  # seconds for which an unfinished reading is worth going on with
NOTE = "reading.json"
LOG = logging.getLogger("connectors.hr")


class Kept:
    """What is kept of one reading; nothing at all where there is no folder."""

    def __init__(self, folder: Path | None, question: str, now: Callable[[], float] = time.time) -> None:
        self.folder, self.question, self.now = folder, hashlib.sha256(question.encode()).hexdigest(), now
        note = self.note()
        self.moment: str = str(note["moment"]) if note else ""
        """The vendor's own time as of which the pages are; empty until `begin`."""
        if not note:
            self.forget()

    def note(self) -> dict[str, object]:
        """What the files are of; empty where they are of no use any more."""
        try:
            said: dict[str, object] = json.loads((self.folder / NOTE).read_text()) if self.folder else {}
            fresh = 0 <= self.now() - float(str(said["begun"])) < LONGEST if said else False
        except (OSError, ValueError, KeyError):
            return {}
        return said if fresh and said.get("question") == self.question and said.get("moment") else {}

    def begin(self, moment: str) -> str:
        """The moment of this reading: this one, or that of the reading which goes on."""
        if not self.moment:
            self.moment = moment
            said = {"question": self.question, "moment": moment, "begun": self.now()}
            self.write(NOTE, json.dumps(said).encode())
        return self.moment

    def page(self, name: str) -> pa.Table | None:
        """A page that was kept; its schema's metadata came with it."""
        folder = self.folder
        try:
            return feather.read_table(folder / name, memory_map=False) if folder and self.moment else None
        except (OSError, pa.ArrowInvalid):
            return None

    def put(self, name: str, page: pa.Table) -> None:
        """Keep a page."""
        if self.folder and self.moment:
            sink = pa.BufferOutputStream()
            feather.write_feather(page, sink, compression="zstd")
            self.write(name, sink.getvalue().to_pybytes())

    def write(self, name: str, data: bytes) -> None:
        """Whole or not at all, for the owner only. A full disk does not end the reading: it is not kept, then."""
        folder = self.folder
        if folder is None:
            return
        part = folder / f"{name}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
            part.replace(folder / name)
        except OSError as error:
            LOG.warning("a reading of HR cannot be kept: %s", error)
            self.folder = None

    def forget(self) -> None:
        """Begin anew."""
        self.moment = ""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def reading(keep: Path | None, question: str) -> Iterator[Kept]:
    """One reading at a time keeps its pages; another one of the same source meanwhile keeps none.

    They outlive a process that is killed, and an error after which trying again may help.
    """
    if keep is None:
        yield Kept(None, question)
        return
    keep.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(keep / "reading.lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
        kept = Kept(keep / "pages" if locked(lock.fileno()) else None, question)
        try:
            yield kept
        except Retryable:
            raise
        except Exception:
            kept.forget()
            raise
        else:
            kept.forget()


def locked(file: int) -> bool:
    """Whether this process may keep pages. The lock goes with its process, however that ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
