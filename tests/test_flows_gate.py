"""The gate at work: what a refused feed leaves, who is held until when, and what waits for a human."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from flows import gate
from flows.daily_sync import ask, classify, keep
from flows.due import due
from flows.hire_date_check import come
from flows.record import holdings, holds, snapshots
from flows.record.database import now
from flows.record.decided import ApprovalRow, Decision
from flows.settings import Settings
from flows.site import Site
from mappings.feed import Feed
from mappings.guard import OLD, Verdict
from mappings.radius import Impact

HEADER = "Employee number,First name,Last name,Known as,Work e-mail,Private e-mail,Department,Job title,Office,"
HEADER += "Manager number,Contract,Start date,Last day\n"
SOURCE = "csv"


def row(number: int, **words: str) -> str:
    """A line of the export: somebody in Sales since 2020."""
    cells = {"given": f"Ana{number}", "family": "Tester", "department": "Sales", "title": "Clerk"}
    cells |= {"contract": "Permanent", "start": "2020-01-06", "last": ""} | words
    mail = f"p{number}@juniperfinch.example"
    return (
        f"{number},{cells['given']},{cells['family']},,{mail},,{cells['department']},{cells['title']},Lisbon,,"
        f"{cells['contract']},{cells['start']},{cells['last']}\n"
    )


def export(numbers: range, **changed: dict[str, str]) -> str:
    """Lines for these numbers; `_7=…` says what differs in number 7's."""
    return HEADER + "".join(row(n, **changed.get(f"_{n}", {})) for n in numbers)


class Office:
    """A company with a CSV export and a record, and no Prefect."""

    def __init__(self, folder: Path) -> None:
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, folder / "company")
        company = folder / "company" / "company.yaml"
        company.write_text(company.read_text().replace("hr: bamboohr", "hr: csv"))
        self.file = folder / "people.csv"
        self.site = Site.open(Settings(home=folder / "home", mappings=folder / "company"))

    def read(self, text: str) -> tuple[Feed, Verdict]:
        """What the sync does with HR's file before it plans."""
        self.file.write_text(text)
        moment = datetime.now(UTC)
        feed = gate.read(self.site, moment.date())
        verdict = gate.believed(self.site, feed, moment)
        keep(self.site, feed, classify(self.site, feed, moment), verdict, moment)
        return feed, verdict

    def employ(self, numbers: range) -> None:
        """These have accounts."""
        for number in numbers:
            for app, name in (("sso", None), ("sso", "All Staff"), ("crm", None)):
                holdings.hold(self.site.db, str(number), app, name, "Everyone: everybody", "0" * 64)

    def held(self) -> dict[str, str]:
        return {r.person_id: r.source for r in holds.held(self.site.db)}

    def due(self, feed: Feed) -> dict[str, str]:
        """person_id -> flow of those who are served."""
        who = gate.served(self.site, due(self.site, feed.people, datetime.now(UTC)))
        return dict(zip(who["person_id"], who["flow"], strict=True))

    def last_good(self) -> set[str]:
        latest = snapshots.latest(self.site.db, SOURCE)
        return set(latest[1]["employee_id"]) if latest else set()


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("HR_CSV", str(tmp_path / "people.csv"))
    office = Office(tmp_path)
    yield office
    office.site.db.close()


EVERYBODY = range(1, 21)


def test_a_refused_feed_is_no_last_good_one_and_holds_nobody(office: Office) -> None:
    office.read(export(EVERYBODY))
    with pytest.raises(
        gate.FeedRefused, match="HR sent 10 people, the last good feed .* had 20: 10 .50 %. are missing"
    ):
        office.read(export(range(1, 11)))
    assert office.last_good() == {str(n) for n in EVERYBODY}
    assert office.held() == {}


def test_a_human_can_have_a_refused_feed_believed_once(office: Office) -> None:
    office.read(export(EVERYBODY))
    half = export(range(1, 11))
    with pytest.raises(gate.FeedRefused) as refused:
        office.read(half)
    typed = str(refused.value).rpartition("--accept-feed ")[2]
    gate.accept(office.site, typed, "ops@juniperfinch.example")
    _, verdict = office.read(half)
    assert len(verdict.vanished) == 10
    assert office.last_good() == {str(n) for n in range(1, 11)}
    office.read(export(EVERYBODY, _1={"title": "Lead"}))
    with pytest.raises(gate.FeedRefused):
        office.read(half)


def test_the_acceptance_of_one_feed_is_not_that_of_another(office: Office) -> None:
    office.read(export(EVERYBODY))
    with pytest.raises(gate.FeedRefused) as refused:
        office.read(export(range(1, 11)))
    gate.accept(office.site, str(refused.value).rpartition("--accept-feed ")[2])
    with pytest.raises(gate.FeedRefused):
        office.read(export(range(1, 10)))


def test_who_vanishes_is_held_until_the_record_is_back(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    office.read(export(range(1, 20)))
    held = office.held()
    office.read(export(range(1, 20), _3={"title": "Lead"}))
    still = office.held()
    feed, _ = office.read(export(EVERYBODY, _3={"title": "Lead"}))
    assert (held, still, office.held()) == ({"20": "vanished"}, {"20": "vanished"}, {})
    assert "20" in office.due(feed)


def test_who_lost_the_department_is_held_until_it_is_back_whatever_else_changes(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    dues = []
    for more in ({}, {"title": "Lead"}, {"title": "Lead", "start": "1900-01-01"}, {"title": "Lead"}):
        feed, verdict = office.read(export(EVERYBODY, _7={"department": "", **more}))
        assert "HR has no department any more" in verdict.held["7"]
        dues.append(set(office.due(feed)))
    assert office.held() == {"7": "trust gate"}
    assert not any("7" in who for who in dues) and all("8" in who for who in dues)
    assert "HR has no department any more" in gate.held_reason(office.site.db, "7")
    feed, _ = office.read(export(EVERYBODY, _7={"department": "Finance"}))
    assert office.held() == {}
    assert "7" in office.due(feed)


def test_a_released_person_is_not_held_again_for_the_same_reason(office: Office) -> None:
    office.read(export(EVERYBODY))
    text = export(EVERYBODY, _5={"department": ""}, _6={"contract": "Freelance"})
    office.read(text)
    assert office.held() == {"5": "trust gate", "6": "trust gate"}
    for person in ("5", "6"):
        assert gate.release(office.site, person, "it is so") == 1
    feed, verdict = office.read(text)
    assert (office.held(), verdict.held) == ({}, {})
    assert {"5", "6"} <= set(office.due(feed))
    office.read(export(EVERYBODY, _6={"contract": "Freelance", "last": "2019-01-01"}))
    assert office.held() == {"6": "trust gate"}


def test_people_who_are_held_do_not_make_the_next_feed_look_worse(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.read(export(range(1, 19)))
    office.read(export(range(1, 17)))
    assert office.held() == {str(n): "vanished" for n in (17, 18, 19, 20)}


def test_a_row_that_was_bad_for_a_day_is_nobody_new(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.read(export(EVERYBODY, _4={"start": "soon"}))
    assert (office.held(), "4" in office.last_good()) == ({"4": "csv"}, False)
    office.read(export(range(1, 21), _4={"department": ""}))
    assert office.held() == {"4": "trust gate"}, "it is compared with the row before the bad one"
    office.read(export(EVERYBODY))
    assert office.held() == {}


def left(*numbers: int) -> str:
    """An export in which these have left."""
    return export(EVERYBODY, **{f"_{n}": {"last": "2024-01-31"} for n in numbers})


def test_an_old_file_is_refused_and_yesterdays_again_is_fine(office: Office) -> None:
    office.read(left())
    for text in (left(2), left(2, 3), left(2, 3, 4), left(2, 3, 4)):
        office.read(text)
    with pytest.raises(gate.FeedRefused, match="This is the feed of .* again, to the letter; a newer one"):
        office.read(left())
    assert office.held() == {}


def test_an_old_file_that_differs_little_holds_those_in_whom_it_differs_however_often_it_comes(office: Office) -> None:
    office.read(left())
    office.employ(range(1, 2))
    office.read(left(2))
    for _ in range(3):
        feed, verdict = office.read(left())
        assert OLD in verdict.held["2"]
        assert (office.held(), "2" in office.due(feed), "3" in office.due(feed)) == ({"2": "trust gate"}, False, True)
    office.read(left(2))
    assert office.held() == {}


def test_mending_an_error_may_bring_a_file_back_to_what_it_was(office: Office) -> None:
    office.read(export(EVERYBODY))
    for wrong in ({"start": "soon"}, {"department": ""}, {"start": "1900-01-01"}):
        office.read(export(EVERYBODY, _4=wrong, _5=wrong))
        assert set(office.held()) == {"4", "5"}
        office.read(export(EVERYBODY))
        assert office.held() == {}
    office.read(export(range(1, 20)))
    office.read(export(EVERYBODY))
    assert office.held() == {}


def test_a_system_that_is_asked_may_say_again_what_it_said(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """HR takes a change back: that is no old file where no file is read."""

    class Asked:
        def read(self) -> pd.DataFrame:
            return source.read()

    source = office.site.hr
    office.read(export(EVERYBODY))
    office.read(export(EVERYBODY, _2={"title": "Lead"}))
    monkeypatch.setitem(office.site.__dict__, "hr", Asked())
    _, verdict = office.read(export(EVERYBODY))
    assert verdict == Verdict()


# the blast radius


def gone(*numbers: int) -> str:
    """These left yesterday."""
    day = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
    return export(EVERYBODY, **{f"_{n}": {"last": day} for n in numbers})


def weighed(office: Office, feed: Feed) -> tuple[set[str], str]:
    moment = datetime.now(UTC)
    found = gate.weighed(
        office.site, feed.people, gate.served(office.site, due(office.site, feed.people, moment)), moment
    )
    return set(found.who["person_id"]), found.hash


def test_leavers_beyond_the_limit_wait_and_the_batch_is_the_same_when_planned_again(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    feed, _ = office.read(gone(3, 5, 8))
    within = weighed(office, feed)
    feed, _ = office.read(gone(3, 5, 8, 9, 11))
    waiting, digest = weighed(office, feed)
    who, body, again = gate.batch_now(office.site, waiting)
    assert within == (set(), "")
    assert waiting == {"3", "5", "8", "9", "11"}
    assert (set(who["person_id"]), set(who["flow"]), again) == (waiting, {"offboard_user"}, digest)
    assert "| 11 | p11 | offboard_user | leaves |" in body


def test_a_batch_that_changed_has_another_hash(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    feed, _ = office.read(gone(3, 5, 8, 9, 11))
    waiting, digest = weighed(office, feed)
    office.file.write_text(gone(3, 5, 8, 9))
    who, _, fewer = gate.batch_now(office.site, waiting)
    leavers = who[who["flow"] == "offboard_user"]
    assert set(leavers["person_id"]) == {"3", "5", "8", "9"}
    holdings.end(office.site.db, "3", "crm", None, "by hand", "0" * 64)
    assert len({digest, fewer, gate.batch_now(office.site, waiting)[2]}) == 2, "leavers lose everything, whatever it is"
    office.file.write_text(HEADER)
    with pytest.raises(Exception, match="no rows"):
        gate.batch_now(office.site, waiting)


def test_what_was_approved_lately_waits_no_more(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    feed, _ = office.read(gone(3, 5, 8, 9, 11))
    _, digest = weighed(office, feed)
    for state, days, waits in ((Decision.REFUSED, 0, 5), (Decision.APPROVED, 9, 5), (Decision.APPROVED, 0, 0)):
        at = now() - timedelta(days=days)
        words = {"person_id": "", "plan_hash": digest, "fingerprint": "", "approver": "", "title": "", "body": ""}
        row = ApprovalRow(**words, run_id="", asked_at=at, expires_at=at, state=state.value, answered_at=at)
        with office.site.db.writing() as session:
            session.add(row)
        assert len(weighed(office, feed)[0]) == waits, state


def test_the_hourly_check_lets_too_many_leavers_wait_too(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    leaving = {f"_{n}": {"last": tomorrow} for n in (3, 5, 8, 9, 11)}
    office.read(export(EVERYBODY, **leaving))
    today, later = datetime.now(UTC), datetime.now(UTC) + timedelta(days=3)
    who, waits = come(office.site, today.isoformat(), later)
    assert who.empty
    assert set(waits.who["person_id"]) == {"3", "5", "8", "9", "11"}


def test_people_in_the_trust_gate_are_not_found_by_the_hourly_check(office: Office) -> None:
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    changed = {"_3": {"last": tomorrow}, "_5": {"last": tomorrow, "department": ""}}
    office.read(export(EVERYBODY, **changed))
    later = datetime.now(UTC) + timedelta(days=3)
    who, _ = come(office.site, datetime.now(UTC).isoformat(), later)
    assert list(who["person_id"]) == ["3"]


def test_the_question_is_asked_with_the_table_and_the_hash(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    async def start_batch(*words: Any) -> str:
        asked.append(words)
        return "run-1"

    stand_in = ModuleType("flows.held_batch")
    stand_in.start_batch = start_batch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flows.held_batch", stand_in)
    office.read(export(EVERYBODY))
    office.employ(EVERYBODY)
    feed, _ = office.read(gone(3, 5, 8, 9, 11))
    moment = datetime.now(UTC)
    waits = gate.weighed(office.site, feed.people, due(office.site, feed.people, moment), moment)

    nobody = asyncio.run(ask(office.site, Impact(waits.who.head(0), waits.effects.head(0))))
    run = asyncio.run(ask(office.site, waits))

    assert (nobody, run, len(asked)) == ("", "run-1", 1)
    site, who, title, body, digest, then = asked[0]
    assert then is None
    assert (site, digest, title) == (office.site, waits.hash, "5 people would lose everything (limit 3)")
    assert set(who["person_id"]) == {"3", "5", "8", "9", "11"}
    assert "| 3 | p3 | offboard_user | leaves |" in body
