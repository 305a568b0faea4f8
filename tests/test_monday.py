"""The Monday of thirty people, whole: on the default database and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.monday import monday


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_thirty_people_on_one_monday_without_a_failed_or_lost_run(database: str, tmp_path: Path) -> None:
    if database == "postgresql" and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("no PostgreSQL under /usr/lib/postgresql; `make system` installs it where it may")

    found = monday(database, tmp_path, latency=20)

    assert found.states == {"COMPLETED": 30}
    assert found.wrong == []
