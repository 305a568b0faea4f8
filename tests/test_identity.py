"""Who a new HR record may be, and which of a human's records is in charge on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pytest
from mappings_house import COMPANY, person

from mappings.day import standing
from mappings.identity import correlate, humans, merged
from mappings.people import Person, frame_of
from mappings.policies import Correlation

LEFT = {"hire_date": "2020-01-06", "last_day": "2025-11-28"}
NEW = {"hire_date": "2026-01-05"}


def found(new: list[Person], known: list[Person], same: frozenset[tuple[str, str]] = frozenset(), **rules: object):
    frame = correlate(frame_of(new), frame_of(known), Correlation.model_validate(rules), same)
    return [(row.person_id, row.same_as, row.certainty) for row in frame.itertuples()]


def named(given: str, family: str, id: str = "2", **words: object) -> Person:
    return person(id, given_name=given, family_name=family, **(NEW | words))


def former(given: str = "Maria", family: str = "García", id: str = "1", **words: object) -> Person:
    return person(id, given_name=given, family_name=family, **(LEFT | words))


# who is who


@pytest.mark.parametrize("spelling", ["m.garcia@larkspur.example", "M.Garcia@Larkspur.Example"])
def test_an_equal_key_links_whatever_its_case(spelling):
    old = former(work_email="m.garcia@larkspur.example")

    assert found([named("María", "Garcia", work_email=spelling)], [old]) == [("2", "1", "exact")]


def test_a_married_name_with_the_same_key_is_still_a_link():
    old, new = former(work_email="m@larkspur.example"), named("Maria", "Weber", work_email="m@larkspur.example")

    assert found([new], [old]) == [("2", "1", "exact")]


def test_an_address_that_HR_gave_to_somebody_else_is_a_question():
    old = former("John", "Smithson", work_email="j@larkspur.example")

    assert found([named("Anaïs", "Lefèvre", work_email="j@larkspur.example")], [old]) == [("2", "1", "probable")]


def test_a_key_on_several_older_records_is_a_question_about_each():
    olds = [former(id=i, work_email="m@larkspur.example") for i in ("1", "9")]

    assert found([named("Maria", "García", work_email="m@larkspur.example")], olds) == [
        ("2", "1", "probable"),
        ("2", "9", "probable"),
    ]


def test_two_new_records_with_one_key_are_a_question():
    old = former(work_email="m@larkspur.example")
    news = [named("Maria", "García", i, work_email="m@larkspur.example") for i in ("2", "3")]

    assert {certainty for _, _, certainty in found(news, [old])} == {"probable"}


def test_records_known_to_be_one_human_are_no_several():
    olds = [former(id=i, work_email="m@larkspur.example") for i in ("1", "9")]
    new = named("Maria", "García", work_email="m@larkspur.example")

    assert found([new], olds, frozenset({("9", "1")})) == [("2", "9", "exact")]


def test_any_attribute_can_be_a_key():
    old, new = former(extras={"badge": "K-1"}), named("Maria", "Garcia", extras={"badge": "k-1 "})

    assert found([new], [old], keys=["extra.badge"]) == [("2", "1", "exact")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("Maria", "García"), ("María", "Garcia")),
        (("Maria", "García"), ("García", "Maria")),
        (("Jürgen", "Groß"), ("Juergen", "Gross")),
        (("Seán", "O'Neill"), ("Sean", "O’Neill")),
        (("Siobhan", "ONeill"), ("Siobhán", "O Neill")),
        (("Jean-Luc", "Picard"), ("Jean Luc", "Picard")),
        (("明", "李"), ("Ming", "Li")),
        (("Xiaoming", "Wang"), ("Wang", "Xiao Ming")),
        (("Hương", "Nguyễn Thị"), ("Thi Huong", "Nguyen")),
        (("Bo", "E"), ("E", "Bo")),
        (("Guðrún", "Þórsdóttir"), ("Gudrun", "Thorsdottir")),
        (("محمد", "صالح"), ("محمد", "صالح")),
        (("Sukarno", "-"), ("Sukarno", ".")),
    ],
)
def test_names_that_look_alike_are_a_question_never_a_link(old, new):
    assert found([named(*new)], [former(*old)]) == [("2", "1", "probable")]


def test_the_name_somebody_goes_by_counts_too():
    assert found([named("Bob", "Weber")], [former("Robert", "Weber", preferred_name="Bob")]) == [("2", "1", "probable")]


@pytest.mark.parametrize("other", [("Ana", "Li"), ("Mario", "Sanchez"), ("Mary", "Garvey"), ("M", "G")])
def test_other_names_are_other_people(other):
    assert found([named(*other)], [former()]) == []


def test_two_of_one_name_hired_on_one_day_are_two_people():
    assert found([named("Maria", "García", "2"), named("Maria", "García", "3")], []) == []


def test_somebody_who_works_here_is_somebody_else():
    assert found([named("Maria", "García")], [former(last_day=None)]) == []
    assert found([named("Maria", "García")], [former(last_day="2026-06-30")]) == []


def test_an_old_record_that_ends_around_the_new_start_may_be_the_same_human():
    assert found([named("Maria", "García")], [former(last_day="2026-01-07")]) == [("2", "1", "probable")]


def test_an_ended_record_without_a_last_day_may_be_the_same_human():
    old = former(last_day=None, employment_status="terminated")

    assert found([named("Maria", "García")], [old]) == [("2", "1", "probable")]


def test_the_same_private_address_makes_up_for_a_new_family_name():
    old = former(personal_email="mg@mail.example")

    assert found([named("Maria", "Weber", personal_email="MG@mail.example")], [old]) == [("2", "1", "probable")]
    assert found([named("Maria", "Weber")], [old]) == []


def test_another_date_of_birth_is_another_human():
    old = former(extras={"birth_date": "1990-02-01"})

    assert found([named("Maria", "García", extras={"birth_date": "1991-03-04"})], [old]) == []
    assert found([named("Maria", "García", extras={"birth_date": "1990-02-01"})], [old]) == [("2", "1", "probable")]


def test_questions_can_be_switched_off():
    olds = [former(work_email="m@larkspur.example")]
    news = [named("Maria", "García"), named("Maria", "Garcia", "3", work_email="m@larkspur.example")]

    assert found(news, olds, probable="off") == [("3", "1", "exact")]


def test_the_words_say_what_was_compared():
    how = correlate(frame_of([named("Maria", "Garcia")]), frame_of([former()]), Correlation())["how"].iloc[0]

    assert how == "may be Maria García (1, last day 2025-11-28) come back: the names are alike (100 of 100)"


def test_both_records_may_be_new():
    old, new = former(work_email="m@larkspur.example"), named("Maria", "García", work_email="m@larkspur.example")

    assert found([new, old], []) == [("2", "1", "exact")]


def test_many_new_records_are_compared_without_comparing_all_with_all():
    known = [former(f"Given{n}", f"Family{n}", str(n)) for n in range(3_000)]
    new = [named(f"Given{n}", f"Family{n}", str(10_000 + n)) for n in range(0, 3_000, 10)]

    asked = found(new, known)

    assert {(f"{10_000 + n}", f"{n}") for n in range(0, 3_000, 10)} <= {(a, b) for a, b, _ in asked}
    assert max(pd.Series([a for a, _, _ in asked]).value_counts()) <= 3


# who is in charge


def charge(on: date | datetime, *people: Person, same: frozenset[tuple[str, str]] = frozenset({("B", "A")}), **words):
    """The id in charge, its last day, and whether it should have access on that day."""
    company = COMPANY.model_copy(update=words)
    frame = frame_of(list(people))
    found = merged(frame, same, *standing(frame, company, on), company.correlation.bridge_days).people
    _, here = standing(found, company, on)
    row = found.iloc[0]
    assert len(found) == 1
    return row["employee_id"], str(row["last_day"].date()) if pd.notna(row["last_day"]) else None, bool(here.iloc[0])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CONTRACTOR = person("A", hire_date="2025-03-03", last_day="2026-01-09", worker_type="contractor")  # a Friday
EMPLOYEE = person("B", hire_date="2026-01-12")  # the Monday after


@pytest.mark.parametrize("hour", [f"2026-01-{day:02}T{hour:02}:30" for day in (9, 10, 11, 12) for hour in range(24)])
def test_a_contractor_who_becomes_an_employee_over_a_weekend_always_has_access(hour):
    assert charge(at(hour), CONTRACTOR, EMPLOYEE)[2]


def test_the_older_record_is_in_charge_until_the_newer_one_begins():
    before, after = at("2026-01-12T06:59"), at("2026-01-12T07:00")  # 08:00 in Berlin

    assert charge(before, CONTRACTOR, EMPLOYEE) == ("A", "2026-01-13", True)
    assert charge(after, CONTRACTOR, EMPLOYEE) == ("B", None, True)


@pytest.mark.parametrize(
    "hour", [f"2026-01-{day:02}T{hour:02}:15" for day in (9, 10, 11, 12, 13) for hour in range(24)]
)
@pytest.mark.parametrize(("there", "then"), [("Auckland", "Honolulu"), ("Honolulu", "Auckland")])
def test_no_gap_opens_between_two_places_a_day_apart(hour, there, then):
    old = CONTRACTOR.model_copy(update={"location": there})

    assert charge(at(hour), old, EMPLOYEE.model_copy(update={"location": then}))[2]


@pytest.mark.parametrize("status", [None, "terminated"])
def test_HR_may_call_the_older_record_ended_meanwhile(status):
    old = CONTRACTOR.model_copy(update={"employment_status": status})

    assert charge(at("2026-01-10T12:00"), old, EMPLOYEE) == ("A", "2026-01-13", True)


def test_a_gap_longer_than_the_bridge_is_a_plain_rehire():
    later = EMPLOYEE.model_copy(update={"hire_date": date(2026, 1, 16)})  # six days between

    assert charge(date(2026, 1, 9), CONTRACTOR, later) == ("A", "2026-01-09", True)
    assert charge(date(2026, 1, 10), CONTRACTOR, later) == ("A", "2026-01-09", False)
    assert charge(date(2026, 1, 16), CONTRACTOR, later) == ("B", None, True)


def test_a_rehire_is_prepared_as_any_joiner():
    later = EMPLOYEE.model_copy(update={"hire_date": date(2026, 2, 2)})

    assert charge(date(2026, 1, 28), CONTRACTOR, later, prehire_days=2)[0] == "A"
    assert charge(date(2026, 1, 29), CONTRACTOR, later, prehire_days=2) == ("B", None, True)


def test_a_newer_record_is_not_prepared_while_the_older_one_works():
    assert charge(date(2026, 1, 9), CONTRACTOR, EMPLOYEE, prehire_days=5)[0] == "A"


def test_an_entity_transfer_changes_over_although_the_older_record_is_active():
    old = person("A", hire_date="2020-01-06", company="Larkspur GmbH")

    assert charge(at("2026-01-12T06:59"), old, EMPLOYEE)[0] == "A"
    assert charge(at("2026-01-12T07:00"), old, EMPLOYEE)[0] == "B"


@pytest.mark.parametrize(
    "cancelled",
    [{"hire_date": None}, {"last_day": "2026-01-11"}, {"employment_status": "terminated"}],
    ids=["no date any more", "ends before it starts", "terminated before the start"],
)
@pytest.mark.parametrize("day", [date(2026, 1, 9), date(2026, 1, 10), date(2026, 1, 13)])
def test_a_newer_record_cancelled_before_it_starts_changes_nothing(cancelled, day):
    gone = person("B", **({"hire_date": "2026-01-12"} | cancelled))

    id, last, here = charge(day, CONTRACTOR, gone)

    assert here == (day <= date(2026, 1, 9))
    assert last in ("2026-01-09", None) and (id == "A" or not here)


def test_who_leaves_the_newer_record_for_good_has_left():
    left = EMPLOYEE.model_copy(update={"last_day": date(2026, 3, 31)})

    assert charge(date(2026, 4, 1), CONTRACTOR, left) == ("B", "2026-03-31", False)


def test_who_leaves_the_newer_record_and_works_under_the_older_one_still_works():
    side_job = EMPLOYEE.model_copy(update={"last_day": date(2026, 3, 31)})

    assert charge(date(2026, 4, 1), person("A", hire_date="2020-01-06"), side_job) == ("A", None, True)


@pytest.mark.parametrize(("day", "id"), [("2024-06-03", "A"), ("2025-06-02", "B"), ("2026-06-01", "C")])
def test_a_chain_of_three_records(day, id):
    first = person("A", hire_date="2024-01-08", last_day="2024-12-31")
    second = person("B", hire_date="2025-01-01", last_day="2025-12-31")
    third = person("C", hire_date="2026-01-01")

    found = charge(date.fromisoformat(day), third, first, second, same=frozenset({("B", "A"), ("C", "B")}))

    assert found[0] == id and found[2]


def test_between_two_of_three_records_there_is_no_gap():
    first = person("A", hire_date="2024-01-08", last_day="2024-12-31")
    second = person("B", hire_date="2025-01-02", last_day="2025-12-30")
    third = person("C", hire_date="2026-01-02")
    both = frozenset({("B", "A"), ("C", "B")})

    assert charge(date(2025, 1, 1), first, second, third, same=both) == ("A", "2025-01-03", True)
    assert charge(date(2025, 12, 31), first, second, third, same=both) == ("B", "2026-01-03", True)


def test_leave_goes_on_until_the_change():
    away = CONTRACTOR.model_copy(update={"employment_status": "leave"})

    assert charge(date(2026, 1, 9), away, EMPLOYEE) == ("A", "2026-01-13", True)


def test_the_others_stay_as_they_are():
    people = frame_of([person("7"), CONTRACTOR, EMPLOYEE, person("8")])

    found = merged(people, {("B", "A")}, *standing(people, COMPANY, date(2026, 2, 2)), 5)

    assert found.people["employee_id"].tolist() == ["7", "B", "8"]
    assert found.charge == {"A": "B", "B": "B"}


def test_a_link_to_a_record_that_HR_has_no_more_leaves_the_newer_one():
    people = frame_of([EMPLOYEE])

    found = merged(people, {("B", "A")}, *standing(people, COMPANY, date(2026, 2, 2)), 5)

    assert found.people["employee_id"].tolist() == ["B"] and found.charge == {"A": "B", "B": "B"}


def test_a_ring_of_links_is_one_human():
    assert [sorted(group) for group in humans([("B", "A"), ("C", "B"), ("A", "C")])] == [["A", "B", "C"]]
