"""Two records of one file in one process: SQLite's locks on it must survive the opening of the second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flows.record import marks
from flows.record.database import Database

OTHER = """
import sys
from flows.record import marks
from flows.record.database import Database
db = Database(sys.argv[1])
marks.set(db, "other", 1)
db.close()
"""


def test_another_process_that_ends_takes_no_log_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'record.db'}"
    first = Database(url)
    first.migrate()
    marks.set(first, "first", 1)
    second = Database(url)
    subprocess.run([sys.executable, "-c", OTHER, url], check=True, timeout=60)

    log_is_there = (tmp_path / "record.db-wal").exists()
    marks.set(first, "later", 2)

    assert log_is_there  # whoever closes last removes it, and we are still at work
    assert [marks.get(db, name) for db in (first, second) for name in ("first", "other", "later")] == [1, 1, 2] * 2
    first.close()
    second.close()
