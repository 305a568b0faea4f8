"""The trust gate: no fault of a feed takes access away, ordinary days pass, and people are held one by one."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.day import status_at
from mappings.feed import people_of
from mappings.guard import WORKING, Before, Verdict, judge
from mappings.policies import Limit
from mappings.rules import desired
from tests import feed_faults as faults
from tests.feed_faults import COMPANY, FAULTS, SOURCE, TODAY, YESTERDAY
from tests.mappings_house import app, book, house

SIZES = (20, 300, 20_000)
RULES = house(
    {"sso": app("sso"), "crm": app(), "desk": app()},
    book("sso", "sso:{department}", "sso:Office {location}"),
    book("crm", title="Sales", who={"department": ["Sales"]}),
    book("desk:Staff", title="Staff", who={"worker_type": ["employee"]}),
)
Access = set[tuple[str, str, str]]


def believed(raw: pd.DataFrame, **more: object) -> Before:
    """An export that was the last good feed; whoever should have access has it."""
    people = people_of(raw, SOURCE, YESTERDAY).people
    access = frozenset(key for key, _, _ in access_of(people, YESTERDAY))
    return Before(**({"people": people, "day": YESTERDAY, "access": access} | more))


def access_of(people: pd.DataFrame, on: date = TODAY) -> Access:
    """What people should have by their rows."""
    grants = desired(people, status_at(people, COMPANY, on).isin(WORKING), RULES)
    return set(zip(grants["person_id"], grants["app"], grants["entitlement"], strict=True))


def weighed(raw: pd.DataFrame, before: Before | None, accepted: bool = False) -> Verdict:
    return judge(people_of(raw, SOURCE, TODAY), before, COMPANY, TODAY, accepted)


def outcome(raw: pd.DataFrame, before: Before) -> tuple[Access, Access]:
    """(what would be taken away, what would be given) by a sync of this feed."""
    verdict = weighed(raw, before)
    if verdict.refusal:
        return set(), set()
    people = people_of(raw, SOURCE, TODAY).people
    served = people[~people["employee_id"].isin({*verdict.held, *verdict.vanished})]
    ids, now, had = set(served["employee_id"]), access_of(served), access_of(before.people)
    return {pair for pair in had - now if pair[0] in ids}, now - had


@pytest.fixture(scope="module", params=SIZES)
def company(request: pytest.FixtureRequest) -> pd.DataFrame:
    return faults.export(request.param)


@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_loses_or_gets_anything_through_a_fault(company: pd.DataFrame, fault: str) -> None:
    taken, given_ = outcome(FAULTS[fault](company), believed(company))
    assert (taken, given_) == (set(), set())


@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_loses_anything_through_a_fault_on_a_busy_monday(company: pd.DataFrame, fault: str) -> None:
    taken, _ = outcome(FAULTS[fault](faults.monday(company)), believed(company))
    may_lose = access_of(believed(company).people) - access_of(people_of(faults.monday(company), SOURCE, TODAY).people)
    assert taken <= may_lose


@pytest.mark.parametrize(
    ("fault", "size", "said"),
    [
        ("truncated", 300, "HR sent 240 people, the last good feed (2026-03-01) had 300: 54 (20 %) are missing"),
        ("half", 300, "HR sent 150 people, the last good feed (2026-03-01) had 300: 135 (50 %) are missing"),
        ("half", 300, "allowed are 13"),
        ("half", 20, "HR sent 10 people, the last good feed (2026-03-01) had 20: 9 (50 %) are missing"),
        ("half", 20_000, "9000 (50 %) are missing; allowed are 900"),
        ("null_department", 300, "300 (100 %) have lost their department; allowed are 15"),
        ("some_without_department", 300, "have lost their department; allowed are 15"),
        ("shifted", 300, "300 (100 %) have rows that cannot be used"),
        ("shifted_words", 300, "300 (100 %) have another department; allowed are 150"),
        ("page_twice", 300, "are missing"),
        ("page_again", 300, "100 (33 %) have rows that cannot be used, e.g. row 2 (1000): No: found '1000', expected "
                            "each id once, but rows 2, 302 have it"),  # fmt: skip
        ("wrong_company", 300, "270 (100 %) are missing; allowed are 13; 300 (100 %) are people whom nobody has heard"),
        ("wrong_company_same_ids", 300, "300 (100 %) have another family name; allowed are 30"),
        ("starts_moved", 300, "270 (100 %) would have stopped working here; allowed are 27"),
        ("starts_moved", 300, "300 (100 %) have another hire date"),
        ("all_over", 300, "would have stopped working here"),
    ],
)  # fmt: skip
def test_the_refusal_says_what_was_found(fault: str, size: int, said: str) -> None:
    good = faults.export(size)
    assert said in weighed(FAULTS[fault](good), believed(good)).refusal


def test_healthy_people_in_a_partly_bad_feed_are_served(company: pd.DataFrame) -> None:
    gone, mover = faults.some(company, 2, seed=8)
    vanished, broken, no_department = faults.some(company, 5, seed=8)[2:]
    feed = faults.joined(faults.moved(faults.left(company, pd.Index([gone])), pd.Index([mover])), 1)
    feed.loc[broken, "Start"] = "soon"
    feed.loc[no_department, "Department"] = ""
    feed = faults.raw(feed.drop(index=vanished))
    ids = company["No"]

    verdict = weighed(feed, believed(company))
    taken, given_ = outcome(feed, believed(company))

    assert verdict.refusal == ""
    assert set(verdict.vanished) == {ids[vanished]}
    assert set(verdict.held) == {ids[no_department]}
    assert {key for key, _, _ in taken} == {ids[gone], ids[mover]}
    assert {key for key, name, _ in given_ if name == "desk"} <= {feed["No"].iloc[-1]}
    assert feed["No"].iloc[-1] in {key for key, _, _ in given_}


def test_a_monday_is_no_alarm(company: pd.DataFrame) -> None:
    verdict = weighed(faults.monday(company), believed(company))
    assert (verdict.refusal, verdict.held, verdict.vanished) == ("", {}, {})


def test_the_yearly_promotions_are_no_alarm(company: pd.DataFrame) -> None:
    verdict = weighed(faults.retitled(company), believed(company))
    assert (verdict.refusal, verdict.held) == ("", {})


def test_leavers_whom_hr_announced_are_no_alarm(company: pd.DataFrame) -> None:
    """A third of the company ends with a project, as HR has said for weeks."""
    rows = faults.some(company, len(company) // 3, seed=2)
    verdict = weighed(faults.left(company, rows), believed(faults.left(company, rows)))
    assert verdict == Verdict()


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([20, 60, 300]),
    counts=st.tuples(*(st.floats(0, 1) for _ in range(4))),
)
def test_ordinary_changes_within_the_limits_are_believed(
    seed: int, size: int, counts: tuple[float, float, float, float]
) -> None:
    good = faults.export(size, seed)
    of = int((faults.working(good)).sum())
    trust = COMPANY.trust
    limits = (trust.leavers, trust.changed, trust.new, trust.vanished)
    leaving, moving, joining, vanishing = (
        int(share * limit.most(of)) for share, limit in zip(counts, limits, strict=True)
    )
    rows = faults.some(good, of, seed)
    feed = faults.left(good, rows[:leaving])
    feed = faults.moved(feed, rows[leaving : leaving + moving])
    gone = rows[leaving + moving : leaving + moving + vanishing]
    feed = faults.raw(faults.joined(feed, joining).drop(index=gone))

    verdict = weighed(feed, believed(good))

    assert verdict.refusal == ""
    assert set(verdict.vanished) == set(good["No"][gone])
    assert verdict.held == {}


# one by one


def one(**words: str) -> pd.DataFrame:
    """A company of twenty whose second row says this instead."""
    frame = faults.export(20)
    names = faults.COLUMNS
    frame.loc[3, [names[k] for k in words]] = list(words.values())
    return frame


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"hire_date": ""}, "HR has no hire date"),
        ({"hire_date": "2024-05-01", "last_day": "2024-04-01"}, "the last day 2024-04-01 lies before the hire"),
        ({"hire_date": "1905-05-01"}, "the hire date 1905-05-01 lies before 1950"),
        ({"manager_id": "1001"}, "HR names as the manager the person"),
        ({"worker_type": "contractor", "last_day": ""}, "contractor without a last day in HR"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_an_implausible_row_is_held(words: dict[str, str], why: str, first: bool) -> None:
    verdict = weighed(one(**words), None if first else believed(faults.export(20)))
    assert why in verdict.held["1001"]
    assert (len(verdict.held), verdict.refusal) == (1, "")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"department": ""}, "HR has no department any more"),
        ({"hire_date": "2029-01-08"}, "the hire date moved more than a year ahead"),
        ({"given_name": "Xu", "family_name": "Ng", "hire_date": "2026-01-12"}, "another human?"),
    ],
)
def test_a_doubtful_change_is_held(words: dict[str, str], why: str) -> None:
    verdict = weighed(one(**words), believed(faults.export(20)))
    assert why in verdict.held["1001"]
    assert (len(verdict.held), verdict.refusal) == (1, "")


@pytest.mark.parametrize(
    "words",
    [
        {"hire_date": "2024-05-01", "last_day": "2024-04-30", "employment_status": "terminated"},  # never began
        {"worker_type": "contractor", "employment_status": "terminated", "last_day": ""},
        {"family_name": "Ng"},
        {"manager_id": ""},
        {"hire_date": "2026-03-30"},  # begins later after all
        {"title": ""},
    ],
)
def test_what_happens_in_life_is_not_held(words: dict[str, str]) -> None:
    assert weighed(one(**words), believed(faults.export(20))) == Verdict()


def test_a_far_hire_date_of_somebody_new_holds_nobody() -> None:
    good = faults.export(20)
    feed = faults.joined(good, 1)
    feed.loc[feed.index[-1], "Start"] = "2030-01-07"
    assert weighed(feed, believed(good)) == Verdict()


def test_contractors_may_be_allowed_to_have_no_end() -> None:
    company = COMPANY.model_copy(
        update={"contractors": COMPANY.contractors.model_copy(update={"end_date": "optional"})}
    )
    feed = people_of(one(worker_type="contractor", last_day=""), SOURCE)
    assert judge(feed, None, company, TODAY) == Verdict()


def test_a_human_may_say_that_the_feed_is_right() -> None:
    good = faults.export(300)
    feed = faults.half(faults.null_department(good))
    verdict = weighed(feed, believed(good), accepted=True)
    assert verdict.refusal == ""
    assert verdict.held == {}
    assert len(verdict.vanished) == 135  # a record that vanishes is no leaver, whoever says so


def test_an_old_file_is_refused() -> None:
    good = faults.export(300)
    before = believed(faults.monday(good), stale=date(2026, 2, 20))
    assert weighed(good, before).refusal == (
        "This is the feed of 2026-02-20 again, to the letter; a newer one, of 2026-03-01, was read since."
    )


def test_an_old_file_brings_no_leaver_back() -> None:
    good = faults.export(20)
    row = faults.some(good, 1, seed=2)
    verdict = weighed(good, believed(faults.left(good, row), stale=date(2026, 2, 20)))
    assert verdict.held == {good["No"][row[0]]: "HR says again what it said on 2026-02-20: an old file?"}
    assert (verdict.refusal, verdict.old) == ("", True)


def test_people_held_already_do_not_count_again() -> None:
    good = faults.export(20)
    rows = faults.some(good, 4, seed=4)
    ids = good["No"][rows]
    feed = faults.raw(good.drop(index=rows))
    assert "4 (22 %) are missing; allowed are 2" in weighed(feed, believed(good)).refusal
    later = weighed(feed, believed(good, held=frozenset(ids[:2])))
    assert later.refusal == ""
    assert set(later.vanished) == set(ids)


def test_values_that_people_lost_before_do_not_count_again() -> None:
    good = faults.export(20)
    rows = faults.some(good, 4, seed=4)
    feed = good.assign(Department=good["Department"].mask(good.index.isin(rows), ""))
    assert "4 (20 %) have lost their department; allowed are 3" in weighed(feed, believed(good)).refusal
    later = weighed(feed, believed(good, held=frozenset(good["No"][rows[:1]])))
    assert (later.refusal, set(later.held)) == ("", set(good["No"][rows]))


def test_who_left_long_ago_may_vanish_unless_something_is_left() -> None:
    good = faults.export(20)
    former = good.index[~faults.working(good)]
    feed, ids = faults.raw(good.drop(index=former)), list(good["No"][former])
    assert weighed(feed, believed(good)) == Verdict()
    assert list(weighed(feed, believed(good, access=frozenset(ids[:1]))).vanished) == ids[:1]


def test_held_rows_come_back_as_people_known_before() -> None:
    good = faults.export(20)
    before = believed(faults.raw(good.head(5)), known=frozenset(good["No"]))
    assert weighed(good, before).refusal == ""
    assert "15 (300 %) are people whom nobody has heard of before" in weighed(good, believed(good.head(5))).refusal


@pytest.mark.parametrize(
    ("count", "percent", "of", "most"), [(2, 5, 20, 2), (2, 5, 300, 15), (1, 29, 100, 29), (0, 0, 9, 0)]
)
def test_limits_hold_for_small_and_large(count: int, percent: float, of: int, most: int) -> None:
    limit = Limit(count=count, percent=percent)
    assert (limit.allows(most, of), limit.allows(most + 1, of)) == (True, False)


def test_a_year_of_days_each_within_the_limits_takes_nothing_from_who_vanished() -> None:
    frame = faults.export(60)
    before, vanished = believed(frame), set[str]()
    for day in range(12):
        row = faults.some(frame, 1, seed=day)
        vanished |= set(frame["No"][row])
        frame = faults.raw(frame.drop(index=row))
        verdict = judge(people_of(frame, SOURCE), before, COMPANY, TODAY + timedelta(days=day))
        assert verdict.refusal == ""
        before = Before(before.people, before.day, access=before.access, held=frozenset(verdict.vanished))
    assert set(verdict.vanished) == vanished
