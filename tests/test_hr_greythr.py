"""greytHR in front of its twin. There is no description to hold it to: see docs/hr/greythr.md."""

from datetime import date, timedelta
from typing import Any

import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.base import Changes, Signals, Source, WriteBack
from connectors.hr.greythr_person import held_today
from mappings.feed import UNREADABLE, people_of
from mappings.people import Status, status_frame
from tests.hr_house import at_first, connected, expected, now, people, told

LISTS = ["employees", "categories", "separation", "org-tree", "profile"]
INES, CLARA, CASPAR = "103", "117", "124"


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "greythr")


@pytest.fixture
def greythr(sandbox: Any, twin: Any) -> Any:
    return connected(sandbox.environment, "greythr")


def joiner(greythr: Any) -> str:
    body = {"employeeNo": "JF0125", "name": "Mia Schneider", "dateOfJoin": "2030-01-07"}
    made = greythr.http.client.post("/employee/v2/employees", json=body).raise_for_status()
    return str(made.json()["employeeId"])


def move(greythr: Any, key: str, department: str, day: date) -> None:
    client = greythr.http.client
    known = client.post("/hr/v2/lov", json=["cat::Department"]).raise_for_status().json()["cat::Department"]
    value = next(number for number, name in known if name == department)
    entry = {"category": 2, "value": value, "effectiveDate": day.isoformat()}
    client.post(f"/employee/v2/employees/{key}/categories", json={"list": [entry]}).raise_for_status()


def page(greythr: Any, key: str, **fields: object) -> None:
    """HR on a page of greytHR."""
    greythr.http.client.put(f"/pages/employees/{key}", json=fields).raise_for_status()


def status(greythr: Any, key: str, day: date) -> Status:
    (found,) = status_frame(people_of(greythr.read_one(key), greythr.rules).people, day)
    return Status(found)


def paths(twin: Any) -> list[str]:
    return [seen["path"].removeprefix("/greythr") for seen in twin.log()]


def test_the_company_is_the_same_as_everywhere(greythr):
    found = people(greythr)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert greythr.check() == "greytHR: 24 people, all 14 mapped fields readable"
    assert isinstance(greythr, Source) and isinstance(greythr, Changes)
    assert not isinstance(greythr, WriteBack) and not isinstance(greythr, Signals)


def test_one_person_alone_is_as_among_all(greythr, twin):
    everybody = greythr.read().set_index("employeeId")

    for key in (INES, CLARA, CASPAR, "123", "101"):
        alone = greythr.read_one(key).set_index("employeeId")
        assert alone.loc[key].equals(everybody.loc[key])
    assert greythr.read_one("999").empty
    calls = len(paths(twin))
    for nobody in ("", "x", "../lov", "１０３"):
        assert greythr.read_one(nobody).empty
    assert len(paths(twin)) == calls


def test_a_number_without_a_word_is_no_department(greythr, twin):
    twin.options(nameless=True)

    assert len(greythr.read()) == 24  # among all they come with their names
    with pytest.raises(Refused, match="names no category [126]"):
        greythr.read_one(INES)


def test_only_lists_that_the_mapping_names_are_read(greythr, twin):
    greythr.read()

    where = ["/employee/v2/employees", *(f"/employee/v2/employees/{name}" for name in LISTS[1:])]
    assert sorted(paths(twin)) == sorted([*where, "/uas/v1/oauth2/client-token"])


def test_bank_details_are_no_column(sandbox, twin):
    source = connected(sandbox.environment, "greythr")
    source.rules.fields["cost_center"] = "bank.bankName"
    bank = type(source)("greythr", source.rules, source.options, source.http)

    with pytest.raises(Refused, match="does not show bank.bankName"):
        bank.read()
    assert not any("bank" in path for path in paths(twin))


# pages


def small_pages(sandbox: Any, **options: object) -> Any:
    """Pages of 7, read again at once where they do not belong together."""
    source = connected(sandbox.environment, "greythr", page_size=7, **options)
    source.http.sleep = lambda seconds: None
    return source


def test_every_page_of_every_list_is_read(sandbox, twin):
    assert told(people(small_pages(sandbox))) == expected()
    assert paths(twin).count("/employee/v2/employees/categories") == 4


@pytest.mark.parametrize("missing", ["employees", "categories", "org-tree", "profile"])
def test_a_list_without_a_page_fails_the_read_as_a_whole(sandbox, twin, missing):
    twin.options(cut=missing)

    with pytest.raises(Retryable, match=f"read {missing}: page 2 of 4 is empty.*pages are missing"):
        small_pages(sandbox).read()


@pytest.mark.parametrize("moved", ["employees", "categories", "org-tree"])
def test_a_list_that_shifted_while_it_was_read_fails_it_too(sandbox, twin, moved):
    twin.options(shifted=moved)

    with pytest.raises(Retryable, match=f"read {moved}: 2[23] different people came of 2[34]"):
        small_pages(sandbox).read()


@pytest.mark.parametrize(("theirs", "ours"), [(0, 1), (1, 0)])
def test_pages_counted_from_another_number_lose_nobody(sandbox, twin, theirs, ours):
    twin.options(first_page=theirs)

    assert len(small_pages(sandbox, first_page=theirs).read()) == 24
    with pytest.raises(Retryable, match="read employees: (page 4 of 4 is empty|21 different people came of 24)"):
        small_pages(sandbox, first_page=ours).read()


# somebody missing in a list


@pytest.mark.parametrize("gap", ["employees", "categories"])
def test_who_lacks_a_row_that_everybody_must_have_is_held_and_named(greythr, twin, gap):
    twin.options(gap=gap)

    feed = people_of(greythr.read(), greythr.rules)

    assert {row.employee_id for row in feed.held} == {INES} and len(feed.people) == 23
    wanted = {"employees": "a row among the employees", "categories": "a row in categories"}[gap]
    assert any(row.message.endswith(f"({INES}): needs {wanted}") for row in feed.held)


@pytest.mark.parametrize("gap", ["org-tree", "profile", "separation"])
def test_who_need_not_be_in_a_list_has_a_gap_there(greythr, twin, gap):
    twin.options(gap=gap)

    found = people(greythr)
    ines = found.loc["ines.simoes@juniperfinch.example"]
    assert len(found) == 24 and ines["department"] == "Sales"
    assert (ines["manager"] is None or ines["manager"] != ines["manager"]) == (gap == "org-tree")
    assert (
        greythr.read_one(INES)
        .set_index("employeeId")
        .loc[INES]
        .equals(greythr.read().set_index("employeeId").loc[INES])
    )


def test_which_lists_everybody_must_be_in_is_for_the_company_to_say(sandbox, twin):
    source = connected(sandbox.environment, "greythr", may_lack=["separation", "profile"])
    feed = people_of(source.read(), source.rules)

    assert [row.message for row in feed.held] == ["row 2 (101): needs a row in org-tree"]  # whom nobody leads


@pytest.mark.parametrize("field", ["firstName", "email", "leftorg", "categories.Department"])
def test_a_field_that_is_shown_of_nobody_is_not_empty(greythr, twin, field):
    twin.options(unseen=field)

    for ask in (greythr.read, greythr.check):
        with pytest.raises(Refused, match=f"does not show {field}"):
            ask()
    if field in ("firstName", "leftorg"):
        assert UNREADABLE in greythr.read_one(INES)


# what the values mean


def test_a_move_holds_from_its_day(greythr, twin):
    today = now().date()
    move(greythr, CLARA, "People", today + timedelta(days=2))
    assert [frame["categories.Department"].item() for frame in both(greythr, CLARA)] == ["Finance", "Finance"]

    move(greythr, CLARA, "Sales", today)
    assert [frame["categories.Department"].item() for frame in both(greythr, CLARA)] == ["Sales", "Sales"]


def both(greythr: Any, key: str) -> list[Any]:
    """A person's row among all and alone."""
    everybody = greythr.read()
    return [everybody[everybody["employeeId"] == key], greythr.read_one(key)]


@pytest.mark.parametrize(
    ("day", "word"),
    [("2019-12-31", "Sales"), ("2020-01-01", "Sales"), ("2021-03-01", "People"), ("2022-06-30", "Finance")],
)
def test_before_the_first_and_after_the_last_day_a_category_goes_on(day, word):
    spans = [
        ("Finance", "2022-01-01", "2022-05-31"),
        ("Sales", "2020-01-01", "2021-02-28"),
        ("People", "2021-03-01", "2021-12-31"),
    ]
    entries = [
        {"categoryDesc": "Department", "valueDesc": w, "effectiveFrom": a, "effectiveTo": b} for w, a, b in spans
    ]

    assert held_today(entries, date.fromisoformat(day)) == {"Department": word}


def test_a_resigned_person_is_on_notice_until_the_last_day(greythr, twin):
    page(greythr, CLARA, resigned=True, terminationDate="2031-01-31")

    row = greythr.read_one(CLARA).iloc[0]
    assert row["leftorg"] == "true"
    assert [status(greythr, CLARA, date(2031, month, 1)) for month in (1, 2)] == [Status.NOTICE, Status.TERMINATED]


def test_gone_and_resigned_without_a_day_is_held(greythr, twin):
    page(greythr, CLARA, resigned=True)

    for frame in both(greythr, CLARA):
        (held,) = people_of(frame, greythr.rules).held
        assert held.message.endswith("(117): needs a leaving date: they have resigned and count as gone")


def test_a_leaving_date_before_the_first_day_is_none_of_who_has_not_left(greythr, twin):
    frame = greythr.read().set_index("employeeId")["separation.leavingDate | leavingDate"]

    assert frame.notna().sum() == 2 and frame[CASPAR] == "2024-11-29"  # and the contractor's


def test_the_kind_of_employment_is_not_whether_somebody_works_here(greythr, twin):
    frame = greythr.read().set_index("employeeId")

    assert frame.loc[CASPAR, "status"] == frame.loc[INES, "status"] == "2"
    assert status(greythr, CASPAR, date(2026, 11, 1)) is Status.TERMINATED


# who changed


def test_everybody_is_read_where_who_changed_is_asked(greythr, twin):
    since = now()
    move(greythr, CLARA, "Sales", since.date())

    frame = greythr.changed_since(since)

    assert frame.equals(greythr.read()) and greythr.pace == timedelta(hours=1)
    assert frame.set_index("employeeId").loc[CLARA, "categories.Department"] == "Sales"


def test_a_joiner_has_no_address_and_gaps_until_hr_fills_them(greythr, twin):
    new = joiner(greythr)

    person = people_of(greythr.read_one(new), greythr.rules).people.iloc[0]
    assert str(person["hire_date"])[:10] == "2030-01-07"
    assert person[["work_email", "last_day", "department", "manager_id"]].isna().all()


# signing in, and trouble


def test_one_token_serves_all_calls(greythr, twin):
    greythr.read()
    greythr.read_one(INES)

    assert paths(twin).count("/uas/v1/oauth2/client-token") == 1


def test_wrong_credentials_are_refused_and_tried_once(sandbox, twin):
    source = connected(sandbox.environment, "greythr", password="wrong")

    for _ in range(2):
        with pytest.raises(Refused, match="cannot sign in.*Invalid API credentials"):
            source.read()
    assert [seen["status"] for seen in twin.log()] == [403]


def test_a_page_in_place_of_an_answer_is_refused(sandbox, twin):
    source = connected(sandbox.environment, "greythr", domain="another.greythr.example")

    for ask in (source.read, source.check, lambda: source.read_one(INES)):
        with pytest.raises(Refused, match="text/html, not JSON"):
            ask()


def test_a_token_that_ended_is_fetched_anew(greythr, twin):
    greythr.read()
    twin.faults([{"kind": "401", "match": "categories", "times": 1}])

    assert len(greythr.read()) == 24
    assert paths(twin).count("/uas/v1/oauth2/client-token") == 2


def test_a_limit_is_waited_out(greythr, twin):
    twin.faults([{"kind": "429", "match": "org-tree", "seconds": 0, "times": 1}])

    assert len(greythr.read()) == 24
    assert 429 in [seen["status"] for seen in twin.log()]


@pytest.mark.parametrize("which", LISTS)
def test_a_limit_that_lasts_is_retryable(greythr, twin, which):
    greythr.http.patience = 0.0
    twin.faults([{"kind": "429-no-retry-after", "match": rf"{which}\?"}])

    with pytest.raises(Retryable):
        greythr.read()
