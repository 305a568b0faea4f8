"""People signalled by HR: what they can use afterwards, read from the servers; without Prefect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from connectors.sandbox import Sandbox
from flows.hire_date_check import come
from flows.record import holds, signals
from flows.record.signals import Signal
from flows.signalled import Look, look
from flows.webhook_dispatch import note_effects
from tests.lives import Lives, company

CROWD = 40


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    limits = {"trust": {"new": {"count": 50, "percent": 100}, "leavers": {"count": 50, "percent": 100}}}
    with company(sandbox, tmp_path, **limits) as lives:
        lives.hire("200", "Ann", "Oak")
        lives.hire("201", "Ben", "Elm")
        lives.sync(datetime.now(UTC))
        yield lives


def hear(lives: Lives, *ids: str) -> Look:
    """HR signals these people in one call, and what is due for them is done."""
    if not lives.file.exists() or lives.rows:
        lives.write()
    site, moment = lives.site, datetime.now(UTC)
    signals.store(site.db, [Signal("csv", uuid4().hex, list(ids), None, moment)])
    rows = signals.open_now(site.db, moment)
    seen = look(site, list(ids), moment)
    note_effects(site, rows, seen.effects, set(seen.who["person_id"]))
    for person, flow in zip(seen.who["person_id"], seen.who["flow"], strict=True):
        lives.run(flow, person, moment)
    signals.finish(site.db, {row.id or 0: "done" for row in rows})
    return seen


def yesterday() -> str:
    return (date.today() - timedelta(days=2)).isoformat()


def test_a_joiner_a_mover_and_a_leaver_are_brought_in_line(lives: Lives) -> None:
    new = lives.hire("300", "Cleo", "Fir")
    lives.say("200", department="Operations")
    lives.say("201", last=yesterday())

    hear(lives, "300", "200", "201")

    assert "sso" in lives.access(new) and "crm" in lives.access(new)
    assert "sso:Operations" in lives.access_of("200") and "crm" not in lives.access_of("200")
    assert lives.access_of("201") == set()


def test_whoever_was_not_signalled_is_left_alone(lives: Lives) -> None:
    lives.say("200", last=yesterday())
    lives.say("201", last=yesterday())

    hear(lives, "200")

    assert lives.access_of("200") == set()
    assert "sso" in lives.access_of("201")


@pytest.mark.parametrize("order", [("left", "came back"), ("came back", "left")])
def test_what_holds_is_what_hr_says_when_it_is_read(lives: Lives, order: tuple[str, str]) -> None:
    lives.say("200", last=yesterday())
    lives.say("200", last="")

    for _ in order:
        hear(lives, "200")

    assert "sso" in lives.access_of("200")


def test_a_signal_for_nobody_takes_nothing(lives: Lives) -> None:
    lives.forget("200")

    seen = hear(lives, "200", "9999")

    assert seen.who.empty and "no record" in seen.said["200"]
    assert "sso" in lives.access_of("200")


def test_a_row_that_has_lost_its_department_is_held(lives: Lives) -> None:
    lives.say("200", department="")

    seen = hear(lives, "200")

    assert seen.who.empty
    assert "department" in holds.reason(lives.site.db, "200", holds.TRUST)
    assert "crm" in lives.access_of("200")


def test_a_signal_lifts_the_holds_of_those_it_is_about_and_of_nobody_else(lives: Lives) -> None:
    lives.say("200", department="")
    lives.say("201", start="soon")
    hear(lives, "200", "201")
    lives.say("200", department="Sales")

    hear(lives, "200")

    assert not holds.reason(lives.site.db, "200", holds.TRUST)
    assert holds.reason(lives.site.db, "201", "csv")


def test_a_bad_feed_that_comes_one_by_one_is_stopped(lives: Lives) -> None:
    for number in range(CROWD):
        lives.hire(str(400 + number), f"Kim{number}", f"Crowd{number}")
    lives.sync(datetime.now(UTC))
    for number in range(CROWD):
        lives.say(str(400 + number), last=yesterday())

    waiting = [hear(lives, str(400 + number)).waits for number in range(CROWD)]

    mine = [u for u in lives.state("sso")["users"] if "crowd" in u["userName"]]
    assert sum(not u["active"] for u in mine) == 3  # blast_radius.leavers: 3 people or 3 %
    assert waiting[-1].title.startswith("4 people would lose everything (limit 3)")


def test_what_single_signals_change_adds_up_at_the_trust_gate(lives: Lives, tmp_path: Path) -> None:
    for number in range(CROWD):
        lives.hire(str(400 + number), f"Kim{number}", f"Crowd{number}")
    lives.sync(datetime.now(UTC))
    for number in range(CROWD):
        lives.say(str(400 + number), family="Nobody")

    seen = [hear(lives, str(400 + number)) for number in range(8)]

    assert [bool(each.refusal) for each in seen] == [False] * 4 + [True] * 4  # trust.identity: 10 % of 43
    assert "another family name" in seen[-1].refusal


def test_the_hourly_check_knows_what_a_signal_told(lives: Lives) -> None:
    last = date.today() + timedelta(days=1)
    lives.say("200", last=last.isoformat())
    hear(lives, "200")

    after = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=1)
    who, _ = come(lives.site, datetime.now(UTC).isoformat(), after)

    assert list(who.loc[who["flow"] == "offboard_user", "person_id"]) == ["200"]


def test_before_the_first_feed_nothing_is_done(sandbox: Sandbox, tmp_path: Path) -> None:
    with company(sandbox, tmp_path / "fresh") as fresh:
        seen = hear(fresh, "1")
        assert seen.who.empty and "no feed was read yet" in seen.said["1"]
        assert fresh.access_of("1") == set()


def test_many_are_read_in_one_go_and_only_those_asked_for_count(lives: Lives) -> None:
    lives.say("201", last=yesterday())

    hear(lives, "200", *(str(9000 + number) for number in range(60)))

    assert "sso" in lives.access_of("201")
