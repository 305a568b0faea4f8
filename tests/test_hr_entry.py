"""A work e-mail that nothing can write to HR: HR is asked, the accounts do not wait, and HR itself must show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Outcome
from connectors.errors import NeedsHuman
from connectors.sandbox import Sandbox
from flows.human import NotShown, answered
from flows.record import emails, tasks
from flows.record.tables import TaskRow, TaskState
from tests.lives import DOMAIN, Lives, company, edit

ADDRESS = f"cleo.fir@{DOMAIN}"


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    with company(sandbox, tmp_path) as lives:
        lives.sync(datetime.now(UTC))
        yield lives


def asked(lives: Lives) -> list[TaskRow]:
    return [row for row in tasks.open_tasks(lives.site.db) if row.owner == "HR"]


def sync(lives: Lives) -> str:
    """The state of the one run there is."""
    (ended,) = lives.sync(datetime.now(UTC))
    return ended.state


def test_hr_is_asked_once_and_the_accounts_are_there_meanwhile(lives: Lives) -> None:
    lives.hire("300", "Cleo", "Fir", email="")

    assert sync(lives) == "Completed with open tasks"

    (task,) = asked(lives)
    assert (
        task.instructions == f"Enter {ADDRESS} as the work e-mail of 300 in HR (csv), where Rollcall cannot write it."
    )
    assert {"sso", "crm"} <= lives.access(ADDRESS)
    lives.say("300", title="Senior Clerk")
    assert sync(lives) == "Completed"
    assert [row.id for row in asked(lives)] == [task.id]


def test_the_task_ends_by_itself_once_hr_shows_the_address(lives: Lives) -> None:
    lives.hire("300", "Cleo", "Fir", email="")
    sync(lives)

    lives.say("300", email=ADDRESS)
    sync(lives)

    assert asked(lives) == [] and "sso" in lives.access(ADDRESS)


def test_somebodys_word_is_not_enough(lives: Lives) -> None:
    lives.hire("300", "Cleo", "Fir", email="")
    sync(lives)
    task = asked(lives)[0].id or 0

    with pytest.raises(NotShown, match="HR does not show the address"):
        answered(lives.site, task, TaskState.DONE, "hr", "entered", datetime.now(UTC))
    lives.say("300", email=ADDRESS)
    lives.write()
    row = answered(lives.site, task, TaskState.DONE, "hr", "entered", datetime.now(UTC))

    assert row.state == TaskState.DONE and row.proof == {"work_email": ADDRESS, "in_hr": True}


def test_a_leaver_needs_no_address(lives: Lives) -> None:
    lives.hire("300", "Cleo", "Fir", email="")
    sync(lives)

    lives.say("300", last="2025-01-31")
    sync(lives)

    assert asked(lives) == [] and lives.access(ADDRESS) == set()


def test_a_run_cut_off_before_it_could_ask_is_made_good_by_the_next(lives: Lives) -> None:
    lives.hire("300", "Cleo", "Fir", email="")
    emails.reserve(lives.site.db, ADDRESS, "300")

    lives.sync(datetime.now(UTC))

    assert len(asked(lives)) == 1
    tasks.close_task(lives.site.db, asked(lives)[0].id or 0, TaskState.DECLINED, "hr", "not kept there")
    lives.say("300", title="Senior Clerk")
    lives.sync(datetime.now(UTC))
    assert asked(lives) == []


def test_hr_that_has_no_place_for_addresses_is_not_asked(lives: Lives) -> None:
    fields = {name: column for name, column in lives.site.rules.hr.fields.items() if name != "work_email"}
    edit(lives.site.rules.folder, "hr/csv.yaml", fields=fields)
    lives.reload()
    lives.hire("300", "Cleo", "Fir")

    lives.sync(datetime.now(UTC))

    assert asked(lives) == [] and "sso" in lives.access(ADDRESS)


def test_hr_that_cannot_be_written_for_this_person_holds_nobody_up(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(self: object, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        raise NeedsHuman("csv", "write", "contractors have no work e-mail")

    monkeypatch.setattr("connectors.hr.csv.CsvSource.write_work_email", unable, raising=False)
    edit(lives.site.rules.folder, "hr/csv.yaml", write_back=["work_email"])
    lives.reload()
    lives.sync(datetime.now(UTC))
    lives.hire("300", "Cleo", "Fir", email="")

    assert sync(lives) == "Completed with open tasks"
    assert sync(lives) == "Completed"  # due until HR shows it, and asked once

    assert len(asked(lives)) == 1 and "sso" in lives.access(ADDRESS)
