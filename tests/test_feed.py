"""Raw rows of text become people; bad rows are held and named, good ones go on."""

import unicodedata
from datetime import date

import pandas as pd
import pytest

from mappings.feed import UNREADABLE, FeedError, people_of
from mappings.people import COLUMNS, Status, person_of, status_frame
from mappings.vocabulary import HrSource

FIELDS = {
    "employee_id": "No",
    "given_name": "First",
    "family_name": "Last",
    "department": "Dept",
    "hire_date": "Start",
    "last_day": "End",
}


def rules(**words: object) -> HrSource:
    return HrSource.model_validate({"connector": "csv", "fields": FIELDS, "dates": "%d/%m/%Y", **words})


def raw(*rows: tuple[str, ...], columns: tuple[str, ...] = tuple(FIELDS.values())) -> pd.DataFrame:
    return pd.DataFrame(
        list(rows), columns=list(columns), dtype="string", index=pd.RangeIndex(2, 2 + len(rows), name="row")
    )


ADA = ("007", "Ada", "Moreau", "Sales", "03/04/2024", "")
BO = ("008", "Bo", "Lind", "Support", "31/12/2023", "")


def test_people_come_tidy_with_zeros_kept_and_dates_by_the_declared_order():
    feed = people_of(raw(ADA, BO), rules())

    person = person_of(feed.people.iloc[0].to_dict())
    assert (person.employee_id, person.hire_date, person.last_day) == ("007", date(2024, 4, 3), None)
    assert list(feed.people.columns) == list(COLUMNS)
    assert list(feed.people.index) == [0, 1]
    assert feed.held == ()


def test_month_first_is_never_guessed():
    feed = people_of(raw(("1", "A", "B", "Sales", "04/13/2024", "")), rules())

    assert feed.people.empty
    assert feed.held[0].message == "row 2 (1): Start: found '04/13/2024', expected a date like %d/%m/%Y"


def test_formats_are_tried_in_their_order():
    both = people_of(raw(ADA, ("9", "C", "D", "", "2024-05-06", "")), rules(dates=["%d/%m/%Y", "%Y-%m-%d"]))

    assert [d.date() for d in both.people["hire_date"]] == [date(2024, 4, 3), date(2024, 5, 6)]


@pytest.mark.parametrize(
    "text", ["30/02/2024", "00/00/0000", "3.4.2024", "03/04/2024 10:00", "03/04/0018", "soon", "45000"]
)
def test_a_wrong_date_holds_its_row_and_no_other(text):
    feed = people_of(raw(ADA, ("9", "Cy", "Dow", "Sales", text, "")), rules())

    assert feed.people["employee_id"].tolist() == ["007"]
    assert [(h.employee_id, h.row, h.field, h.found) for h in feed.held] == [("9", 3, "Start", text)]


def test_a_far_last_day_is_a_date():
    feed = people_of(raw(ADA[:5] + ("31/12/9999",)), rules())

    assert feed.people["last_day"].iloc[0].date() == date(9999, 12, 31)


@pytest.mark.parametrize(
    ("row", "field"), [(("", "A", "B"), "No"), (("9", " ", "B"), "First"), (("9", "A", "null"), "Last")]
)
def test_a_missing_key_or_name_is_held(row, field):
    feed = people_of(raw(ADA, row + ("Sales", "03/04/2024", "")), rules(nulls=["NULL"]))

    assert len(feed.people) == 1
    assert [(h.row, h.field, h.found) for h in feed.held] == [(3, field, None)]


def test_a_key_that_stands_twice_holds_all_its_rows_even_identical_ones():
    feed = people_of(raw(ADA, BO, ADA), rules())

    assert feed.people["employee_id"].tolist() == ["008"]
    assert [(h.row, h.field) for h in feed.held] == [(2, "No"), (4, "No")]
    assert feed.held[0].message == "row 2 (007): No: found '007', expected each id once, but rows 2, 4 have it"


def test_a_row_that_says_nothing_is_no_row():
    feed = people_of(raw(ADA, ("", "", " ", "", "", "")), rules())

    assert len(feed.people) == 1 and feed.held == ()


def test_blanks_go_and_accents_are_one_form():
    decomposed = unicodedata.normalize("NFD", "José")
    feed = people_of(raw((" 9 ", decomposed, "\u00a0Sánchez\t", "Sales", " 03/04/2024 ", "")), rules())

    person = person_of(feed.people.iloc[0].to_dict())
    assert (person.employee_id, person.given_name, person.family_name) == ("9", "José", "Sánchez")


def test_null_words_ignore_case_and_blanks_and_only_whole_cells_count():
    feed = people_of(raw(ADA[:3] + (" n/A ", "03/04/2024", "Null")), rules(nulls=["NULL", "N/A"]))
    name = people_of(raw(("9", "Nullah", "Null-Smith", "x", "03/04/2024", "")), rules(nulls=["NULL"]))

    assert feed.people[["department", "last_day"]].isna().all(axis=None)
    assert name.people["family_name"].tolist() == ["Null-Smith"]


def test_values_are_translated_and_others_pass():
    feed = people_of(raw(ADA, BO), rules(values={"department": {"Sales": "Field Sales"}}))

    assert feed.people["department"].tolist() == ["Field Sales", "Support"]


def test_defaults_fill_gaps_and_whole_columns():
    mononym = ("9", "Suharto", "", "", "03/04/2024", "")
    feed = people_of(raw(ADA, mononym), rules(defaults={"department": "Unknown", "country": "ID", "family_name": "-"}))

    assert feed.people["department"].tolist() == ["Sales", "Unknown"]
    assert feed.people["country"].tolist() == ["ID", "ID"]
    assert feed.people["family_name"].tolist() == ["Moreau", "-"]
    assert feed.people["worker_type"].tolist() == ["employee", "employee"]


def test_extras_come_after_the_known_columns():
    feed = people_of(raw(ADA), rules(fields=FIELDS | {"extra.team": "Dept"}))

    assert person_of(feed.people.iloc[0].to_dict()).extras == {"team": "Sales"}


def test_a_missing_column_stops_the_feed_with_the_closest_name():
    frame = raw(ADA, columns=("No", "First", "Last", "Department", "Start", "End"))
    frame.attrs["source"] = "people.csv"

    with pytest.raises(FeedError) as error:
        people_of(frame, rules())

    assert str(error.value) == (
        "people.csv: no column 'Dept' (for department); columns are No, First, Last, Department, Start, End;"
        " did you mean 'Department'?"
    )


def test_a_date_format_that_is_none_stops_the_feed():
    with pytest.raises(FeedError, match="'%Q'.*write it like"):
        people_of(raw(ADA), rules(dates="%Q"))


def test_what_the_source_could_not_read_is_held_not_taken_for_empty():
    frame = raw(ADA, BO)
    frame[UNREADABLE] = pd.Series([pd.NA, "permission to see End"], index=frame.index, dtype="string")

    feed = people_of(frame, rules())

    assert feed.people["employee_id"].tolist() == ["007"]
    assert feed.held[0].message == "row 3 (008): needs permission to see End"


def test_an_empty_frame_is_an_empty_feed():
    feed = people_of(raw(), rules())

    assert feed.people.empty and list(feed.people.columns) == list(COLUMNS)


def test_every_bad_row_of_a_large_feed_is_named():
    rows = [(str(n), "A", "B", "Sales", "never" if n % 2 else "03/04/2024", "") for n in range(20_000)]

    feed = people_of(raw(*rows), rules())

    assert (len(feed.people), len(feed.held)) == (10_000, 10_000)
    assert feed.held[0].row == 3


def test_a_last_day_makes_the_status():
    feed = people_of(raw(ADA[:5] + ("30/06/2024",)), rules())

    assert status_frame(feed.people, date(2024, 7, 1)).tolist() == [Status.TERMINATED]
