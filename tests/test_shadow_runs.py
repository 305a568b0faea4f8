"""How a leaver's run ends that asks about an app which nobody manages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.sandbox import Sandbox
from flows.record import tasks
from tests.lives import DOMAIN, company

NOON = datetime.now(UTC).replace(hour=12, minute=0)
EXPENSES = f"Date,Employee e-mail,Merchant,Amount,Currency\n2026-10-02,lea.leaver@{DOMAIN},Notely,9.00,EUR\n"


def test_the_run_says_what_is_open_and_no_more_once_it_is_answered(tmp_path: Path) -> None:
    with Sandbox() as sandbox, company(sandbox, tmp_path) as lives:
        lives.hire("3", "Lea", "Leaver")
        lives.sync(NOON - timedelta(days=3))
        (lives.site.rules.folder / "shadow" / "expenses.csv").write_text(EXPENSES)
        lives.say("3", last=str(NOON.date() - timedelta(days=2)))

        [ended] = lives.sync(NOON)
        [task] = tasks.open_tasks(lives.site.db, "3")
        tasks.close_task(lives.site.db, task.id or 0, "done", "finance", "cancelled the seat")
        again = lives.end_now("3", NOON)

        assert (ended.state, ended.message) == ("Completed with open tasks", "Notely end access")
        assert again.state == "Completed"
