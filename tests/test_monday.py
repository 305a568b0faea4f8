"""The Monday of thirty people, whole: on the default database and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.monday import monday


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_thirty_people_on_one_monday_without_a_failed_or_lost_run(database: str) -> None:
    if database == "postgresql" and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("no PostgreSQL under /usr/lib/postgresql; `make system` installs it where it may")

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # PostgreSQL's user cannot get into tmp_path
        found = monday(database, Path(folder), latency=20)

    assert found.wrong == []
    assert found.states == {"COMPLETED": 30}
