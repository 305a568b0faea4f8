"""HR from a file: whatever the delimiter and encoding, and one clear message where it is no table."""

from pathlib import Path

import pandas as pd
import pytest

from connectors.errors import Refused
from connectors.hr.base import Source
from connectors.hr.catalogue import source
from mappings.feed import UNREADABLE, people_of
from mappings.vocabulary import HrSource

FIELDS = {"employee_id": "No", "given_name": "First", "family_name": "Last", "hire_date": "Start"}
TEXT = "No,First,Last,Start\n007,José,Sánchez,2024-05-01\n008,Bo,Lind,2024-06-01\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def csv_source(file: Path, **options: str) -> Source:
    rules = HrSource.model_validate({"connector": "csv", "fields": FIELDS, "options": {"path": file.name, **options}})
    return source("people", rules, {}, file.parent)


def read(file: Path, data: str | bytes, **options: str) -> pd.DataFrame:
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return csv_source(file, **options).read()


def names(frame: pd.DataFrame) -> list[str]:
    return (frame["No"] + " " + frame["First"] + " " + frame["Last"]).tolist()


def test_cells_are_text_and_rows_are_numbered_as_in_the_file(file):
    frame = read(file, TEXT)

    assert names(frame) == ["007 José Sánchez", "008 Bo Lind"]
    assert set(frame.dtypes) == {pd.StringDtype()}
    assert frame.index.tolist() == [2, 3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_the_columns_wanted(file, delimiter):
    decoy = (
        TEXT.replace(",", delimiter)
        .replace("Start", "Start" + delimiter + '"a, b; c | d"')
        .replace("-01\n", "-01" + delimiter + "x\n")
    )

    assert names(read(file, decoy)) == ["007 José Sánchez", "008 Bo Lind"]


def test_any_delimiter_can_be_declared(file):
    assert names(read(file, TEXT.replace(",", "^"), delimiter="^")) == ["007 José Sánchez", "008 Bo Lind"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("declare", [True, False])
def test_encodings_are_read_as_declared_or_found(file, encoding, declare):
    options = {"encoding": encoding} if declare else {}

    frame = read(file, TEXT.encode(encoding), **options)

    assert names(frame) == ["007 José Sánchez", "008 Bo Lind"]


def test_a_guessed_encoding_is_said_to_be_one(file):
    file.write_bytes(TEXT.encode("cp1252"))

    assert "a guess" in csv_source(file).check()


def test_a_wrong_encoding_names_the_byte_and_the_likely_one(file):
    with pytest.raises(Refused) as error:
        read(file, TEXT.encode("cp1252"), encoding="utf-8")

    assert "not utf-8: byte 0xe9 at position 27 (line 2)" in str(error.value)
    assert "The file looks like cp1252: set options.encoding" in str(error.value)


def test_names_are_not_guessed_where_encodings_differ(file):
    text = TEXT + "009,François,Núñez,2024-01-01\n"

    with pytest.raises(Refused, match=r"may be cp1252 or cp1250: set options.encoding. Byte 0xf1 is ñ in cp1252, ń in"):
        read(file, text.encode("cp1252"))
    assert "009 François Núñez" in names(read(file, text.encode("cp1252"), encoding="cp1252"))


def test_a_wrong_declaration_of_a_utf8_file_is_told(file):
    with pytest.raises(Refused, match="looks like utf-8"):
        read(file, TEXT.encode(), encoding="ascii")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(file, end):
    assert names(read(file, TEXT.replace("\n", end))) == ["007 José Sánchez", "008 Bo Lind"]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_ends(file):
    text = 'No,First,Last,Start\n1,"Ann ""Nan""","Lee, Jr.\nthe second",2024-05-01\n2,Bo,Lind,2024-05-01\n'
    frame = read(file, text)

    assert names(frame) == ['1 Ann "Nan" Lee, Jr.\nthe second', "2 Bo Lind"]
    assert frame.index.tolist() == [2, 3]


def test_line_ends_in_cells_are_read_in_large_files_too(file):
    lines = "D\n" * 30
    rows = "".join(f'{n},"A\nB\nC","{lines}",2024-01-01\n' for n in range(40_000))

    frame = read(file, "No,First,Last,Start\n" + rows)

    assert frame["No"].tolist() == [str(n) for n in range(40_000)]


@pytest.mark.parametrize("ragged", ["", "009,Cy\n"])
def test_blank_lines_are_no_people_and_keep_their_numbers(file, ragged):
    file.write_text(TEXT.replace("008", "\n\n008").replace("Lind,", ",") + "\n\n" + ragged)
    reader = csv_source(file)

    feed = people_of(reader.read(), reader.rules)

    assert feed.people["employee_id"].tolist() == ["007"]
    assert (feed.held[0].employee_id, feed.held[0].row) == ("008", 5)


def test_ragged_rows_are_held_by_their_row_number(file):
    ragged = TEXT + "009,Cy,Dow\n010,Di,Eve,2024-01-01,extra\n011,Ed,Fox,2024-01-01,\n012,Flo,Gil,2024-01-01\n"
    file.write_text(ragged)
    reader = csv_source(file)

    feed = people_of(reader.read(), reader.rules)

    assert feed.people["employee_id"].tolist() == ["007", "008", "011", "012"]
    assert [held.message for held in feed.held] == [
        "row 4 (009): needs 4 values as in the header, not 3",
        "row 5 (010): needs 4 values as in the header, not 5",
    ]


def test_no_mark_of_unreadable_rows_where_all_are_whole(file):
    assert UNREADABLE not in read(file, TEXT)


def test_columns_nobody_maps_may_stand_twice(file):
    frame = read(file, "No,First,Last,Start,Note,Note\n1,A,B,2024-01-01,x,y\n")

    assert list(frame.columns) == ["No", "First", "Last", "Start", "Note", "Note (column 6)"]


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (b"", {}, "the file is empty"),
        (b"\n \n", {}, "the file is empty"),
        (b"No,First,Last,Start\n", {}, "a header but no rows"),
        (b"No,First,Last,Start,No\n1,A,B,2024-01-01,2\n", {}, "the header has 'No' twice"),
        (b'No,First,Last,Start\n1,"A,B,2024-01-01\n2,C,D,2024-01-01\n', {}, "quotation mark that is not closed"),
        (b'No,First,Last,Start\n1,A,B,"2024-01-01\n2,C,D,2024-01-01\n', {}, "quotation mark that is not closed"),
        (b"No,First,Last,Start\n1;A;B;2024-01-01\n", {}, "needs 4 values as in the header, not 1"),
        (TEXT.encode(), {"encoding": "utf-99"}, "unknown encoding 'utf-99'"),
        (b"\xff\xfeN", {}, "not utf-16"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(file, data, options, says):
    with pytest.raises(Refused) as error:
        read(file, data, **options)

    assert says in str(error.value) and str(file) in str(error.value)
    assert error.value.todo


def test_a_missing_file_and_a_folder_are_refused(file, tmp_path):
    with pytest.raises(Refused, match="no such file"):
        csv_source(file).read()
    with pytest.raises(Refused, match="directory"):
        csv_source(tmp_path).read()


def test_one_person_is_read_by_key(file):
    file.write_text(TEXT)

    assert names(csv_source(file).read_one("008")) == ["008 Bo Lind"]
    assert csv_source(file).read_one("8").empty


def test_both_ways_of_reading_agree(file):
    rows = "".join(f'{n:05d},"Né {n}","O\'Brien, {n}",2024-01-0{n % 9 + 1}\n' for n in range(500))
    quick = read(file, "No,First,Last,Start\n" + rows)
    slow = read(file, "No,First,Last,Start\n" + rows + "00500,A,B")

    pd.testing.assert_frame_equal(quick, slow.drop(columns=UNREADABLE).iloc[:-1], check_index_type=False)
