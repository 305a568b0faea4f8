"""Questions and answers in the record, and what goes from one record of a human to the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from record_databases import KINDS, fresh_database
from sqlmodel import select

from flows.record import emails, history, holdings, holds, identities, settled, tasks
from flows.record.database import Database, now
from flows.record.decided import OverrideRow
from flows.record.identities import DIFFERENT, SAME, TwoAccounts

SINCE = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


def with_access(db: Database, person: str, app: str = "sso", account: str = "u1") -> None:
    holdings.link(db, person, app, account, "ana@x.example", True, {"userName": "ana@x.example"})
    holdings.hold(db, person, app, None, "Everyone: everybody", "h1", SINCE)
    holdings.hold(db, person, app, "All Staff", "Everyone: everybody", "h1", SINCE)


def task(db: Database, person: str) -> int:
    row, _ = tasks.open_task(db, person, "badges", "create account", None, "A badge", "Print it.", "desk", "h1", "r1")
    return row.id or 0


def test_what_is_in_place_goes_over_and_the_past_stays(db):
    with_access(db, "A")
    emails.reserve(db, "ana@x.example", "A")
    settled.settle(db, "A", 7)

    identities.hand_over(db, "A", "B")

    assert holdings.links(db, "A") == {} and holdings.links(db, "B")["sso"].external_id == "u1"
    assert emails.of_person(db, "B") == ["ana@x.example"]
    assert set(holdings.access(db, person_id="B")["entitlement"]) == {"", "All Staff"}
    assert holdings.access(db, person_id="A").empty
    assert set(holdings.access(db, SINCE + timedelta(days=1), person_id="A")["entitlement"]) == {"", "All Staff"}
    assert holdings.access(db, SINCE + timedelta(days=1), person_id="B").empty
    assert not settled.known(db, "A")


def test_at_no_instant_is_anything_held_twice_or_not_at_all(db):
    with_access(db, "A")
    identities.hand_over(db, "A", "B")
    since = holdings.access(db, person_id="B")["since"].iloc[0].to_pydatetime()

    for instant in (since - timedelta(microseconds=1), since, since + timedelta(microseconds=1)):
        assert len(holdings.access(db, instant)) == 2


def test_handing_over_twice_changes_nothing(db):
    with_access(db, "A")
    task(db, "A")
    moved = identities.hand_over(db, "A", "B")
    settled.settle(db, "B", 7)
    before = holdings.access(db)

    again = identities.hand_over(db, "A", "B")

    assert moved > 0 and again == 0
    assert holdings.access(db).equals(before) and settled.known(db, "B")


def test_accounts_in_the_same_app_are_refused_and_nothing_moves(db):
    with_access(db, "A")
    with_access(db, "B", account="u2")
    with_access(db, "A", "crm", "c1")

    with pytest.raises(TwoAccounts, match="both have an account in sso"):
        identities.hand_over(db, "A", "B")

    assert holdings.links(db, "A").keys() == {"sso", "crm"} and holdings.links(db, "B").keys() == {"sso"}


def test_open_tasks_go_along_and_the_same_one_twice_is_void(db):
    first, mine = task(db, "A"), task(db, "B")

    identities.hand_over(db, "A", "B")

    assert [row.id for row in tasks.open_tasks(db)] == [mine]
    assert tasks.task(db, first).state == "void"  # type: ignore[union-attr]


def test_overrides_in_force_and_unfinished_steps_go_along(db):
    shared = {"effect": "give", "name": "crm", "why": "w", "by": "b", "since": SINCE, "until": SINCE}
    with db.writing() as session:
        session.add(OverrideRow(person_id="A", **shared))
        session.add(OverrideRow(person_id="A", ended_at=now(), **shared))
    history.open_plan(db, "h1", "A", "ana", "joiner", SINCE.date(), "r1", {})
    history.intend(db, "h1", "r1", "sso grant", "sso", "grant", None)

    identities.hand_over(db, "A", "B")

    with db.session() as session:
        rows = session.exec(select(OverrideRow).order_by(OverrideRow.id)).all()  # type: ignore[arg-type]
    assert [row.person_id for row in rows] == ["B", "A"]
    assert [row.step_id for row in history.unfinished(db, "B")] == ["sso grant"]


def test_holds_on_the_human_go_along_and_those_on_a_row_stay(db):
    for source in (holds.SENT_AWAY, "bamboohr", identities.SOURCE):
        holds.place(db, "A", source, "because")

    identities.hand_over(db, "A", "B", stays={"bamboohr"})

    assert {(h.person_id, h.source) for h in holds.held(db)} == {
        ("B", holds.SENT_AWAY),
        ("A", "bamboohr"),
        ("A", identities.SOURCE),
    }


def test_an_answer_to_one_question_answers_the_others_of_the_record(db):
    for old in ("A", "B"):
        identities.ask(db, "C", old, "the names are alike")

    identities.answer(db, "C", "A", SAME, "siobhan")

    assert identities.questions(db) == [] and identities.links(db) == {("C", "A")}


def test_one_open_question_keeps_the_hold(db):
    holds.place(db, "C", identities.SOURCE, "may be A or B")
    for old in ("A", "B"):
        identities.ask(db, "C", old, "the names are alike")

    identities.answer(db, "C", "A", DIFFERENT, "siobhan")
    one = holds.reason(db, "C", identities.SOURCE)
    identities.answer(db, "C", "B", DIFFERENT, "siobhan")

    assert one and not holds.reason(db, "C", identities.SOURCE)


def test_an_answer_can_be_changed_and_asking_again_does_not(db):
    identities.answer(db, "B", "A", DIFFERENT, "siobhan")

    asked = identities.ask(db, "B", "A", "the names are alike")
    news = [identities.answer(db, "B", "A", SAME, "siobhan") for _ in range(2)]

    assert not asked and news == [True, False] and identities.links(db) == {("B", "A")}


def test_former_ids_go_back_through_the_chain(db):
    identities.answer(db, "C", "B", SAME, "siobhan")
    identities.answer(db, "B", "A", SAME, "siobhan")

    assert identities.former_ids(db, "C") == ["B", "A"] and identities.former_ids(db, "A") == []
    assert sorted(identities.human(db, "B")) == ["A", "B", "C"]
    with pytest.raises(ValueError, match="A cannot continue C"):
        identities.answer(db, "A", "C", SAME, "siobhan")
    with pytest.raises(ValueError, match="A cannot continue A"):
        identities.answer(db, "A", "A", SAME, "siobhan")
