"""Who has what, since when and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from record_databases import KINDS, fresh_database

from flows.record import holdings
from flows.record.database import Database


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def told(db: Database, number: int | None = None, **wanted: str) -> list[tuple[str, str, str]]:
    frame = holdings.access(db, None if number is None else day(number), **wanted)
    return list(frame[["app", "entitlement", "why"]].itertuples(index=False, name=None))


def test_access_on_a_day_tells_what_was_held_and_why(db: Database) -> None:
    holdings.hold(db, "p1", "slack", None, "Everybody", "h1", at=day(1))
    holdings.hold(db, "p1", "slack", "sales", "Sales: department = Sales", "h1", at=day(2))
    holdings.end(db, "p1", "slack", "sales", "no rule gives it any more", "h2", at=day(4))

    assert told(db, 1) == [("slack", "", "Everybody")]
    assert told(db, 3) == [("slack", "", "Everybody"), ("slack", "sales", "Sales: department = Sales")]
    assert told(db, 4) == [("slack", "", "Everybody")]
    assert told(db) == [("slack", "", "Everybody")]


def test_before_anything_was_held_there_is_an_empty_frame_of_the_same_columns(db: Database) -> None:
    empty = holdings.access(db)
    holdings.hold(db, "p1", "slack", None, "Everybody", "h1")

    full = holdings.access(db)

    assert dict(empty.dtypes) == dict(full.dtypes)
    assert len(full) == 1


def test_access_can_be_asked_of_one_person_and_one_app(db: Database) -> None:
    for person in ("p1", "p2"):
        for app in ("slack", "jira"):
            holdings.hold(db, person, app, None, "Everybody", "h1")

    assert [row[0] for row in told(db, person_id="p1")] == ["jira", "slack"]
    assert len(told(db, app="jira")) == 2
    assert len(told(db, person_id="p1", app="jira")) == 1


def test_holding_and_ending_twice_changes_nothing(db: Database) -> None:
    first = [holdings.hold(db, "p1", "slack", None, "Everybody", plan, day(n)) for n, plan in [(1, "h1"), (2, "h2")]]
    since = holdings.access(db)["since"].iloc[0]
    then = [holdings.end(db, "p1", "slack", None, "left", "h3", day(n)) for n in (3, 4)]

    assert (first, then) == ([True, False], [True, False])
    assert since == day(1)
    assert len(told(db, 2)) == 1
    assert told(db, 3) == []


def test_another_reason_is_remembered_with_its_time(db: Database) -> None:
    holdings.hold(db, "p1", "crm", None, "Sales", "h1", at=day(1))
    holdings.hold(db, "p1", "crm", None, "Support", "h2", at=day(5))

    assert told(db, 4) == [("crm", "", "Sales")]
    assert told(db, 5) == [("crm", "", "Support")]


def test_what_ended_can_be_held_again(db: Database) -> None:
    holdings.hold(db, "p1", "crm", None, "Sales", "h1", at=day(1))
    holdings.end(db, "p1", "crm", None, "left", "h2", at=day(2))
    holdings.hold(db, "p1", "crm", None, "Sales", "h3", at=day(3))

    assert [len(told(db, n)) for n in (1, 2, 3)] == [1, 0, 1]


def test_a_link_says_what_the_account_looks_like_now(db: Database) -> None:
    holdings.link(db, "p1", "slack", "U1", "ana", True, {"title": "Rep"})
    holdings.link(db, "p1", "slack", "U1", "ana", False, {"title": "Lead"})

    found = holdings.links(db, "p1")

    assert list(found) == ["slack"]
    account = found["slack"]
    assert (account.external_id, account.key, account.active) == ("U1", "ana", False)
    assert account.attributes == {"title": "Lead"}
    assert account.attributes_hash == holdings.attributes_hash({"title": "Lead"})


def test_an_account_is_one_persons(db: Database) -> None:
    holdings.link(db, "p1", "slack", "U1", "ana", True, {})

    with pytest.raises(holdings.LinkedElsewhere, match="U1 is p1's"):
        holdings.link(db, "p2", "slack", "U1", "ana", True, {})
    holdings.link(db, "p2", "jira", "U1", "ana", True, {})
    holdings.unlink(db, "p1", "slack")
    holdings.link(db, "p2", "slack", "U1", "ana", True, {})

    assert list(holdings.links(db, "p1")) == []
    assert sorted(holdings.links(db, "p2")) == ["jira", "slack"]


def test_accounts_without_an_id_do_not_clash(db: Database) -> None:
    holdings.link(db, "p1", "badges", "", "ana", True, {})
    holdings.link(db, "p2", "badges", "", "bo", True, {})

    assert holdings.links(db, "p2")["badges"].key == "bo"


def test_the_held_frame_has_accounts_entitlements_and_what_was_written(db: Database) -> None:
    holdings.link(db, "p1", "slack", "U1", "ana", True, {"title": "Rep"})
    for entitlement in (None, "sales"):
        holdings.hold(db, "p1", "slack", entitlement, "Sales", "h1")
    holdings.hold(db, "p2", "badges", None, "Everybody", "h1")
    holdings.hold(db, "p2", "jira", None, "Everybody", "h1")
    holdings.end(db, "p2", "jira", None, "left", "h2")

    frame = holdings.held_frame(db).sort_values(["person_id", "entitlement"]).reset_index(drop=True)

    assert list(frame["person_id"]) == ["p1", "p1", "p2"]
    assert list(frame["entitlement"]) == ["", "sales", ""]
    assert list(frame["attributes_hash"].isna()) == [False, False, True]
    assert frame["active"].tolist()[:2] == [True, True]
    assert list(frame.columns) == list(holdings.HELD_COLUMNS)
