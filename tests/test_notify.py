"""Messages by Apprise, as a server on this machine receives them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flows import notify, reminders
from flows.record import approvals, holdings, holds, marks, snapshots, tasks
from flows.record.database import Database, now
from flows.settings import Settings
from flows.site import Site
from mappings.folder import read_folder
from mappings.people import Person, frame_of
from tests.drills.engine import free_port

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
SECRET = "tr0ub4dor"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Apprise and what it imports


class Inbox(ThreadingHTTPServer):
    """Keeps what it is sent; says 500 while it is `broken`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[dict[str, Any]] = []
        self.broken = False


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        inbox: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not inbox.broken:
            inbox.got.append(body)
        self.send_response(500 if inbox.broken else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def site_at(folder: Path, urls: str) -> Site:
    db = Database(f"sqlite:///{folder}/record.db")
    db.migrate()
    return Site(Settings(home=folder, notify=SecretStr(urls)), {}, read_folder(SAMPLE), db)


@pytest.fixture
def site(tmp_path: Path, inbox: Inbox) -> Iterator[Site]:
    made = site_at(tmp_path, f"json://127.0.0.1:{inbox.server_port}/hook/{SECRET}")
    yield made
    made.db.close()


def tell(site: Site, news: str = "news") -> bool:
    return asyncio.run(notify.tell(site, news, "a title", "a body"))


def test_a_message_arrives_with_title_and_body(site: Site, inbox: Inbox) -> None:
    assert tell(site)
    assert [(m["title"], m["message"]) for m in inbox.got] == [("a title", "a body")]


def test_the_same_news_is_told_once(site: Site, inbox: Inbox) -> None:
    assert [tell(site), tell(site), tell(site, "other news")] == [True, False, True]
    assert len(inbox.got) == 2


def test_what_could_not_be_sent_is_told_later(site: Site, inbox: Inbox) -> None:
    inbox.broken = True
    assert not tell(site)
    inbox.broken = False
    assert tell(site)
    assert len(inbox.got) == 1


@pytest.mark.parametrize("url", ["json://127.0.0.1:{port}/" + SECRET, "nonsense://" + SECRET, SECRET])
def test_a_failure_fails_nothing_and_tells_no_secret(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    site = site_at(tmp_path, url.format(port=free_port()))
    with caplog.at_level(logging.DEBUG):
        assert not tell(site)
    assert "ROLLCALL_NOTIFY" in caplog.text
    assert SECRET not in caplog.text + "".join(capfd.readouterr()) + repr(site.settings)
    site.db.close()


def test_nobody_is_told_where_nobody_is_named(tmp_path: Path) -> None:
    site = site_at(tmp_path, "")
    assert not tell(site)
    assert marks.get(site.db, notify.mark("news")) is None
    site.db.close()


# what is told


def question(site: Site, days: int = 14) -> Any:
    due = now() + timedelta(days=days)
    return approvals.ask(site.db, "7", "h" * 64, "f", "cfo", "k.boss: 2 steps need an approval", "…", "run-1", due)[0]


def test_who_is_asked_is_told_with_a_link(site: Site, inbox: Inbox) -> None:
    row = question(site)
    asyncio.run(notify.approval_waits(site, row))
    said = inbox.got[0]["message"]
    assert "cfo is asked to approve: k.boss: 2 steps" in said
    assert "/runs/flow-run/run-1" in said
    assert f"rollcall approve {row.id}" in said


def task(site: Site, number: int) -> Any:
    words = ("badges", "create account", None, f"Badge Office: create account for p.{number}", "…", "front-desk")
    return tasks.open_task(site.db, str(number), *words, "h", "run-2")[0]


def test_one_message_for_all_the_tasks_of_a_run(site: Site, inbox: Inbox) -> None:
    asyncio.run(notify.tasks_wait(site, [task(site, n) for n in range(25)], "run-2"))
    assert [m["title"] for m in inbox.got] == ["Rollcall: 25 manual tasks wait"]
    assert "… and 15 more" in inbox.got[0]["message"]


# reminders

LATER = timedelta(days=4)


def test_what_waits_for_long_is_told_once_in_so_many_days(site: Site, inbox: Inbox) -> None:
    question(site)
    task(site, 1)
    moments = [now(), now() + LATER, now() + LATER + timedelta(hours=6), now() + LATER + LATER]
    counts = [asyncio.run(reminders.remind(site, moment)) for moment in moments]
    assert counts == [0, 2, 0, 2]
    assert [m["title"] for m in inbox.got] == ["Rollcall: 2 things wait"] * 2
    assert "front-desk: task 1" in inbox.got[0]["message"]


def people(site: Site, *found: Person) -> None:
    snapshots.save(site.db, site.rules.company.hr, frame_of(list(found)), datetime.now(UTC))


def somebody(ident: str, **more: Any) -> Person:
    words = {"given_name": "Pat", "family_name": ident, "work_email": f"p.{ident}@juniperfinch.example"}
    return Person(employee_id=ident, hire_date=datetime(2024, 1, 8).date(), **words, **more)


def test_a_contract_that_ends_is_told_with_the_manager(site: Site) -> None:
    today = now().date()
    soon = somebody("8", worker_type="contractor", last_day=today + timedelta(days=10), manager_id="9")
    far = somebody("10", worker_type="contractor", last_day=today + timedelta(days=40), manager_id="9")
    people(site, soon, far, somebody("9"), somebody("11", last_day=today + timedelta(days=3)))
    told = reminders.ends(site, now())
    assert list(told.values()) == [f"p.9: p.8 (8), last day {soon.last_day}"]


def test_before_the_first_feed_there_is_nothing_to_tell(site: Site) -> None:
    assert (reminders.ends(site, now()), reminders.late(site, now())) == ({}, {})


def test_a_leaver_with_access_is_late_after_some_hours(site: Site) -> None:
    noon = now().replace(hour=12, minute=0)
    last_day = noon.date() - timedelta(days=2)
    people(site, somebody("8", last_day=last_day), somebody("9"))
    for person in ("8", "9"):
        holdings.hold(site.db, person, "crm", None, "why", "h")
    assert list(reminders.late(site, noon).values()) == [f"p.8 (8), last day {last_day}: crm"]
    assert reminders.late(site, noon - timedelta(days=2)) == {}


def test_news_of_several_people_is_told_once_for_each(site: Site, inbox: Inbox) -> None:
    counts = [asyncio.run(notify.tell_new(site, "t", news)) for news in ({"a": "A"}, {"a": "A"}, {"a": "A", "b": "B"})]
    assert counts == [1, 0, 1]
    assert [m["message"] for m in inbox.got] == ["A", "B"]


def test_a_question_of_identity_is_told_once_and_by_number(site: Site, inbox: Inbox) -> None:
    holds.place(site.db, "1077", "identity", "looks like 1003, Maria García")

    told = [asyncio.run(notify.questions(site)) for _ in range(2)]

    assert told == [1, 0]
    assert [body["message"] for body in inbox.got] == ["1077 waits: see `rollcall link list`"]
