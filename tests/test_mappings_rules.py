"""Who should hold what, and why; and who is due."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mappings_house import COMPANY, app, book, grants, house, pairs, person

from mappings.access import Target
from mappings.day import standing
from mappings.people import frame_of
from mappings.rules import desired, fill, fill_frame, fingerprints, matching, reason, targets, values_of

APPS = {"sso": app("sso"), "crm": app(), "desk": app()}
SALES = {"department": "Sales"}


def test_everybody_means_everybody_who_is_present():
    people = [
        person("1"),
        person("2", last_day="2025-01-31"),
        person("3", hire_date="2026-01-01"),
        person("4", hire_date=None),
        person("5", employment_status="leave"),
        person("6", last_day="2025-12-31"),
    ]

    assert pairs(grants(people, house(APPS, book("sso")))) == [("1", "sso", ""), ("5", "sso", ""), ("6", "sso", "")]


@pytest.mark.parametrize(
    ("who", "unless", "got"),
    [
        ({}, {}, "123"),
        ({"department": "Sales"}, {}, "12"),
        ({"department": ["Sales", "Support"]}, {}, "123"),
        ({"department": "Sales", "worker_type": "contractor"}, {}, "2"),
        ({"department": "Sales"}, {"worker_type": "contractor"}, "1"),
        ({}, {"department": "Sales", "worker_type": "contractor"}, "13"),
        ({"department": "Finance"}, {}, ""),
        ({"extra.floor": "3"}, {}, "1"),
        ({"extra.wing": "B"}, {}, ""),
        ({}, {"extra.wing": "B"}, "123"),
        ({"title": "Clerk"}, {}, ""),
    ],
)
def test_all_of_who_and_not_all_of_unless_must_match(who, unless, got):
    people = [
        person("1", department="Sales", extras={"floor": "3"}),
        person("2", department="Sales", worker_type="contractor"),
        person("3", department="Support"),
    ]
    rules = house(APPS, book("crm", who=who, unless=unless))

    assert "".join(p for p, _, _ in pairs(grants(people, rules))) == got


def test_an_attribute_stands_in_the_name_and_who_lacks_it_goes_without():
    people = [person("1", department="Sales", location="Berlin"), person("2", department="Legal"), person("3")]

    found = grants(people, house(APPS, book("sso", "sso:{department} in {location}")))

    assert pairs(found) == [("1", "sso", ""), ("1", "sso", "Sales in Berlin"), ("2", "sso", ""), ("3", "sso", "")]


def test_an_entitlement_implies_the_account():
    found = grants([person("1", **SALES)], house(APPS, book("crm:Rep", who=SALES, title="Sales")))

    assert found.to_dict("records") == [
        {"person_id": "1", "app": "crm", "entitlement": "", "why": "Sales: department = Sales", "approver": ""},
        {"person_id": "1", "app": "crm", "entitlement": "Rep", "why": "Sales: department = Sales", "approver": ""},
    ]


def test_each_pair_comes_once_with_the_first_reason():
    books = book("crm:Rep", title="One"), book("crm", "crm:Rep", title="Two"), book("crm:Rep", title="Three")

    found = grants([person()], house(APPS, *books)).set_index("entitlement")["why"]

    assert found.to_dict() == {"": "Two: everybody", "Rep": "One: everybody"}  # who gives the account says why


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({}, "Everyone: everybody"),
        ({"who": {"department": ["Sales", "Legal"]}}, "Everyone: department = Sales or Legal"),
        ({"unless": {"worker_type": "intern"}}, "Everyone: not worker_type = intern"),
        (
            {"who": {"department": "Sales"}, "unless": {"location": "Berlin"}},
            "Everyone: department = Sales, not location = Berlin",
        ),
    ],
)
def test_a_reason_names_playbook_and_rule(words, told):
    assert reason(book("sso", **words)) == told


def test_without_playbooks_or_people_nobody_gets_anything():
    assert grants([person()], house(APPS)).empty
    assert grants([], house(APPS, book("sso:{department}"))).empty


def test_one_person_gets_the_same_alone_and_among_others():
    people = [person(str(n), department=d, title=t) for n, (d, t) in enumerate([("A", "x"), ("B", None), (None, "y")])]
    rules = house(APPS, book("sso:{department}", "crm:{title}"), book("desk", unless={"department": "B"}))

    together = pairs(grants(people, rules))

    assert sorted(pair for one in people for pair in pairs(grants([one], rules))) == together


def test_matching_has_a_column_for_each_playbook():
    people = frame_of([person("1", **SALES), person("2")])
    rules = house(APPS, book("sso"), book("crm", who=SALES))

    assert matching(people, pd.Series([True, True]), rules).to_dict("list") == {"00": [True, True], "01": [True, False]}
    assert not matching(people, pd.Series([False, False]), rules).to_numpy().any()


@pytest.mark.parametrize(("days", "here"), [(0, False), (4, False), (5, True), (30, True)])
def test_accounts_are_prepared_some_working_days_ahead(days, here):
    people = frame_of([person(hire_date="2024-03-11")])

    _, found = standing(people, COMPANY.model_copy(update={"prehire_days": days}), date(2024, 3, 4))

    assert found.tolist() == [here]


def test_a_person_without_hire_date_is_not_prepared():
    people = frame_of([person(hire_date=None)])

    assert standing(people, COMPANY.model_copy(update={"prehire_days": 9}), date(2024, 3, 4))[1].tolist() == [False]


def test_targets_have_the_apps_fields_and_reasons():
    ana = person(work_email="ana.moreau@larkspur.example")
    rules = house(APPS, book("crm", "crm:Rep", "sso:All"))

    found = targets(grants([ana], rules), values_of(ana), rules)

    mail = {"email": "ana.moreau@larkspur.example"}  # no department, so no team
    why = "Everyone: everybody"
    assert found == {
        "crm": Target(app="crm", active=True, attributes=mail, entitlements={"Rep": why}, why=why),
        "sso": Target(app="sso", active=True, attributes=mail, entitlements={"All": why}, why=why),
    }


def test_what_templates_may_use():
    ana = person("007", work_email="a.m@larkspur.example", extras={"floor": "3"}, preferred_name="Annie")

    found = values_of(ana, manager_email="boss@larkspur.example", nonsense="x")

    assert found["employee_id"] == "007" and found["hire_date"] == "2024-03-04" and found["extra.floor"] == "3"
    assert (found["user_name"], found["display_name"]) == ("a.m", "Annie Moreau")
    assert found["manager_email"] == "boss@larkspur.example"
    assert "title" not in found and "nonsense" not in found and "last_day" not in found


@given(st.lists(st.sampled_from(["{department}", "{title}", "{extra.floor}", " ", "x{", "Ω"]), max_size=5))
def test_a_template_is_filled_alike_for_one_and_for_a_frame(parts):
    people = [person("1", department="Sales", extras={"floor": "3"}), person("2", title="Clerk")]
    template = "".join(parts)

    found = fill_frame(template, frame_of(people))

    assert [None if pd.isna(text) else text for text in found] == [fill(template, values_of(p)) for p in people]


ANA = {"department": "Sales", "work_email": "a.m@larkspur.example", "extras": {"floor": "3"}}
RULES = house(APPS, book("sso"))


def mark(words: dict[str, object], status: str = "active", here: bool = True, rules=RULES) -> int:
    frame = frame_of([person(**words)])
    return int(fingerprints(frame, pd.Series([status]), pd.Series([here]), rules).iloc[0])


@pytest.mark.parametrize(
    "other",
    [
        {"words": ANA | {"department": "Legal"}},
        {"words": ANA | {"department": None}},
        {"words": ANA | {"department": ""}},
        {"words": ANA | {"department": None, "title": "Sales"}},
        {"words": ANA | {"last_day": "2030-01-01"}},
        {"words": ANA | {"hire_date": None}},
        {"words": ANA | {"extras": {"floor": "4"}}},
        {"words": ANA | {"extras": {}}},
        {"status": "notice"},
        {"here": False},
        {"rules": replace(RULES, hash="b" * 64)},
    ],
)
def test_a_fingerprint_changes_with_all_that_can_change_accounts(other):
    assert mark(**({"words": ANA} | other)) != mark(ANA)


def test_cells_do_not_run_into_each_other():
    assert mark({"given_name": "AnaM", "family_name": "oreau"}) != mark({"given_name": "Ana", "family_name": "Moreau"})


def test_a_missing_value_is_no_text():
    texts = ["", "<NA>", "nan", "None", "\x00x"]

    assert len({mark(ANA | {"title": text}) for text in [*texts, None]}) == 6


def test_a_fingerprint_is_the_same_for_one_row_alone_and_in_the_frame():
    people = frame_of([person("1", **ANA), person("2", **ANA | {"title": "Clerk"}), person("3", **ANA)])
    status, here = pd.Series(["active", "leave", "notice"]), pd.Series([True, True, False])

    together = fingerprints(people, status, here, RULES)

    alone = [fingerprints(people.iloc[[n]], status.iloc[[n]], here.iloc[[n]], RULES).iloc[0] for n in range(3)]
    assert together.tolist() == alone
    assert together.is_unique


def test_a_fingerprint_is_the_same_in_every_process():
    assert mark({}) == 2916061965071976182


def test_a_frame_of_nobody_has_no_fingerprints():
    none = pd.Series([], dtype="string")

    assert fingerprints(frame_of([]), none, none.astype(bool), RULES).empty


def test_desired_leaves_its_frame_as_it_was():
    people = frame_of([person("1", **SALES)])
    before = people.copy()

    desired(people, pd.Series([True]), house(APPS, book("sso:{department}")))

    pd.testing.assert_frame_equal(people, before)
