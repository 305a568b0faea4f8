"""Darwinbox in front of its twin. There is no description to hold it to: see docs/hr/darwinbox.md."""

from datetime import date, timedelta
from typing import Any

import pytest

from connectors.base import Outcome
from connectors.errors import Mismatch, NeedsHuman, Refused, Retryable
from connectors.hr.base import Changes, Signals, Source, WriteBack
from mappings.feed import UNREADABLE, people_of
from mappings.people import Status, status_frame
from tests.hr_calls_darwinbox import darwinbox_back, darwinbox_do, darwinbox_hire, darwinbox_leave
from tests.hr_house import at_first, connected, expected, now, people, told

DOMAIN = "juniperfinch.example"
OAUTH = {
    "path": "oauth/v1token",
    "json": {
        "client_id": "${DARWINBOX_CLIENT_ID}",
        "client_secret": "${DARWINBOX_CLIENT_SECRET}",
        "grant_type": "authorization_code",
        "code": "${DARWINBOX_CODE_SECRET}",
    },
    "token": {"field": "access_token"},
    "header": "TOKEN",
    "prefix": "",
}
CASPAR, CLARA = "00124", "00117"


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "darwinbox")


@pytest.fixture
def darwinbox(sandbox: Any, twin: Any) -> Any:
    return connected(sandbox.environment, "darwinbox")


def joiner(darwinbox: Any) -> str:
    return darwinbox_hire(darwinbox.http.client, "2030-01-07")


def status(darwinbox: Any, key: str, day: date) -> Status:
    (found,) = status_frame(people_of(darwinbox.read_one(key), darwinbox.rules).people, day)
    return Status(found)


def yesterday() -> str:
    return (now().date() - timedelta(days=1)).isoformat()


def test_the_company_is_the_same_as_everywhere(darwinbox):
    found = people(darwinbox)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert darwinbox.check() == "Darwinbox: 0 pending, 23 active, 1 inactive, all 14 mapped fields readable"
    assert isinstance(darwinbox, Source) and isinstance(darwinbox, WriteBack) and isinstance(darwinbox, Changes)
    assert not isinstance(darwinbox, Signals)


def test_numbers_keep_their_zeros_and_days_are_text(darwinbox):
    row = darwinbox.read_one(CASPAR).iloc[0]

    assert (row["employee_id"], row["population"], row["date_of_exit"]) == (CASPAR, "inactive", "29-11-2024")
    assert darwinbox.read_one("124").empty and darwinbox.read_one("").empty


@pytest.mark.parametrize("silent", [True, False])
def test_nobody_is_an_empty_list_or_a_status_and_a_sentence(darwinbox, twin, silent):
    twin.options(silent=silent)

    assert len(darwinbox.read()) == 24  # nobody is pending
    assert darwinbox.read_one("99999").empty and len(darwinbox.read_one(CASPAR)) == 1


# how it is signed in


def test_a_token_in_a_header_does_without_keys(sandbox, twin):
    names = ("pending", "active", "inactive")
    sets = {name: {"dataset_key": f"${{DARWINBOX_{name.upper()}_DATASET_KEY}}"} for name in names}
    source = connected(sandbox.environment, "darwinbox", ("update_key",), auth={"login": OAUTH}, **sets)

    assert len(source.read()) == 24
    address = f"mia.schneider@{DOMAIN}"
    new = joiner(source)
    assert source.write_work_email(new, address) is Outcome.DONE
    assert [seen["path"] for seen in twin.log()].count("/darwinbox/oauth/v1token") == 1


def test_wrong_credentials_are_refused_and_tried_once(sandbox, twin):
    source = connected(sandbox.environment, "darwinbox", auth={"basic": {"user": "x", "password": "wrong"}})

    with pytest.raises(Refused, match="401"):
        source.read()
    assert [seen["status"] for seen in twin.log()] == [401]


def test_the_key_of_another_population_is_refused(sandbox, twin):
    swapped = {"dataset_key": "${DARWINBOX_INACTIVE_DATASET_KEY}", "api_key": "${DARWINBOX_ACTIVE_KEY}"}
    source = connected(sandbox.environment, "darwinbox", inactive=swapped)

    with pytest.raises(Refused, match=r"read people \(inactive\): Darwinbox says: Invalid api_key"):
        source.read()
    with pytest.raises(Refused, match="Invalid api_key"):
        source.read_one(CASPAR)


def test_basic_without_a_key_is_told_before_anything_is_asked(sandbox, twin):
    with pytest.raises(Refused, match="every population needs its api_key"):
        connected(sandbox.environment, "darwinbox", active={"dataset_key": "x"})


# populations


def test_who_is_added_is_pending_until_activated(darwinbox, twin):
    new = joiner(darwinbox)
    assert darwinbox.read_one(new)["population"].tolist() == ["pending"]
    assert len(people(darwinbox)) == 25

    darwinbox_do(darwinbox.http.client, "activate", user_ids=[new])
    assert darwinbox.read_one(new)["population"].tolist() == ["active"]


def test_who_came_back_and_lingers_is_one_row_the_active_one(darwinbox, twin):
    twin.options(lingers=True)
    darwinbox_back(darwinbox.http.client, CASPAR, "2026-11-02")

    frame = darwinbox.read().set_index("employee_id")
    assert len(frame) == 24 and frame.loc[CASPAR, "population"] == "active"
    assert str(people(darwinbox)["last_day"][f"caspar.vogt@{DOMAIN}"]) == "NaT"
    assert status(darwinbox, CASPAR, date(2026, 11, 3)) is Status.ACTIVE


@pytest.mark.parametrize("undated", [True, False])
def test_who_left_while_it_was_read_is_one_row_the_last_or_held(darwinbox, twin, undated):
    twin.options(lingers=True, undated=undated)
    darwinbox_leave(darwinbox.http.client, CLARA, yesterday())

    frame = darwinbox.read()
    assert frame["employee_id"].tolist().count(CLARA) == 1
    feed = people_of(frame, darwinbox.rules)
    if undated:  # both rows joined on the same day, and none says when it was written
        assert [row.employee_id for row in feed.held] == [CLARA]
        assert feed.held[0].message.endswith(
            "needs to be in Darwinbox once, but is 2 times among the active ones and the inactive ones"
        )
    else:
        assert feed.held == () and status(darwinbox, CLARA, now().date()) is Status.TERMINATED


def test_a_leaver_is_on_notice_until_the_day_of_exit_is_over(darwinbox, twin):
    darwinbox_leave(darwinbox.http.client, CLARA, "2031-01-31")

    assert darwinbox.read_one(CLARA)["population"].tolist() == ["active"]
    assert [status(darwinbox, CLARA, date(2031, month, 1)) for month in (1, 2)] == [Status.NOTICE, Status.TERMINATED]


# who changed


def test_who_changed_comes_whole_whatever_population_they_are_in(darwinbox, twin):
    since = now()
    assert darwinbox.changed_since(since).empty
    twin.options(lingers=True)
    new = joiner(darwinbox)
    darwinbox_leave(darwinbox.http.client, CLARA, yesterday())
    darwinbox_back(darwinbox.http.client, CASPAR, "2026-11-02")

    frame = darwinbox.changed_since(since).set_index("employee_id")

    assert frame["population"].to_dict() == {new: "pending", CLARA: "inactive", CASPAR: "active"}
    whole = darwinbox.read()
    assert list(frame.reset_index().columns) == list(whole.columns)


def test_the_record_of_an_old_stint_does_not_count_though_it_was_written_last(darwinbox, twin):
    twin.options(lingers=True, touched=True)
    darwinbox_back(darwinbox.http.client, CASPAR, "2026-11-02")

    changed = darwinbox.changed_since(now() + timedelta(hours=15))  # the active row has not changed since

    for frame in (changed, darwinbox.read_one(CASPAR)):
        assert frame[["employee_id", "population"]].to_numpy().tolist() == [[CASPAR, "active"]]


def test_many_changes_are_read_with_everybody(darwinbox, twin, monkeypatch):
    since, new = now(), joiner(darwinbox)
    monkeypatch.setattr("connectors.hr.darwinbox.AT_ONCE", 0)

    assert darwinbox.changed_since(since)["employee_id"].tolist() == [new]


# the write-back


def test_the_work_email_is_written_once_and_seen(darwinbox, twin):
    new, address = joiner(darwinbox), f"mia.schneider@{DOMAIN}"

    assert [darwinbox.write_work_email(new, address) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    assert [row["workEmail"] for row in twin.state()["people"] if row["id"] == new] == [address]


def test_somebody_elses_or_a_different_address_is_refused(darwinbox, twin):
    new = joiner(darwinbox)

    with pytest.raises(Refused, match="Email already exists"):
        darwinbox.write_work_email(new, f"clara.mueller@{DOMAIN}")
    with pytest.raises(Refused, match="there is already clara.mueller"):
        darwinbox.write_work_email(CLARA, f"clara.other@{DOMAIN}")
    with pytest.raises(Refused, match="nobody with this id"):
        darwinbox.write_work_email("99999", f"no.body@{DOMAIN}")


def test_a_write_that_changed_nothing_is_a_mismatch(darwinbox, twin):
    new = joiner(darwinbox)
    twin.faults([{"kind": "silent-noop", "match": "importapi/update"}])

    with pytest.raises(Mismatch, match="accepted mia.schneider"):
        darwinbox.write_work_email(new, f"mia.schneider@{DOMAIN}")


def test_without_the_key_of_the_update_api_hr_is_asked(sandbox, darwinbox, twin):
    bare = connected(sandbox.environment, "darwinbox", ("update_key",))

    with pytest.raises(NeedsHuman, match="no key for the update API.*enter mia.schneider"):
        bare.write_work_email(joiner(darwinbox), f"mia.schneider@{DOMAIN}")


# what is not shown, and trouble


@pytest.mark.parametrize("field", ["active.date_of_exit", "inactive.company_email_id"])
def test_a_field_that_one_dataset_lacks_is_not_empty(darwinbox, twin, field):
    twin.options(unseen=field)
    population, name = field.split(".")

    for ask in (darwinbox.read, darwinbox.check):
        with pytest.raises(Refused, match=rf"\({population}\): Darwinbox does not show {name}"):
            ask()
    assert UNREADABLE in darwinbox.read_one(CASPAR if population == "inactive" else CLARA)


def test_a_day_that_is_none_holds_its_person_alone(darwinbox, twin):
    broken = darwinbox.read()
    broken.loc[broken["employee_id"] == CLARA, "date_of_joining"] = "31-02-2024"

    feed = people_of(broken, darwinbox.rules)
    assert [(row.employee_id, row.field) for row in feed.held] == [(CLARA, "date_of_joining")]
    assert len(feed.people) == 23


def test_an_answer_that_says_no_is_no_empty_company(darwinbox, twin):
    twin.options(refusal="You have no access to this employee data")

    for ask in (darwinbox.read, lambda: darwinbox.read_one(CASPAR), lambda: darwinbox.changed_since(now())):
        with pytest.raises(Refused, match="You have no access"):
            ask()


@pytest.mark.parametrize("silent", [True, False])
def test_a_company_in_which_nobody_works_is_not_believed(darwinbox, twin, silent):
    twin.options(empty=True, silent=silent)

    with pytest.raises(Refused, match="nobody who works there|No employee data found"):
        darwinbox.read()


def test_a_limit_is_waited_out(darwinbox, twin):
    twin.faults([{"kind": "429", "seconds": 0, "times": 1}])

    assert len(darwinbox.read()) == 24
    assert 429 in [seen["status"] for seen in twin.log()]


def test_a_limit_that_lasts_is_retryable(darwinbox, twin):
    darwinbox.http.patience = 0.0
    twin.faults([{"kind": "429", "seconds": 90}])

    with pytest.raises(Retryable):
        darwinbox.read()
