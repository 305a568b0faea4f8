"""HR's file as an Excel workbook: read as people see it, and what nobody could read so is told."""

import io
import re
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from connectors.errors import Refused
from connectors.hr.catalogue import source
from mappings.feed import UNREADABLE, people_of
from mappings.vocabulary import HrSource

FIELDS = {"employee_id": "No", "given_name": "First", "family_name": "Last", "hire_date": "Begins"}
HEADER = ["No", "First", "Last", "Begins"]


def csv(folder: Path, data: bytes, **options: object):
    (folder / "people.xlsx").write_bytes(data)
    rules = HrSource.model_validate(
        {"connector": "csv", "fields": FIELDS, "options": {"path": "people.xlsx"} | options}
    )
    return source("people", rules, {}, folder)


def workbook(*sheets: str) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.active.title = sheets[0]
    for name in sheets[1:]:
        book.create_sheet(name)
    sheet = book[sheets[-1]]
    sheet.append(HEADER)
    sheet.append([7, "Ana", "Šimić, the second", date(2026, 1, 5)])
    sheet["A2"].number_format = "000"
    sheet.append([])
    sheet.append(["0008", "Bo", 'O"Hara', "05.01.2026"])
    return book


def saved(book: openpyxl.Workbook) -> bytes:
    whole = io.BytesIO()
    book.save(whole)
    return whole.getvalue()


def edited(data: bytes, change, part: str = "xl/worksheets/sheet1.xml") -> bytes:
    """The file, with this done to one of its parts, as another program might have written it."""
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == part else content)
    return whole.getvalue()


def numbers(app) -> list[str]:
    """Of those who have one; rows are numbered as in the sheet."""
    frame = app.read()
    assert frame.index.tolist() == [2, 3, 4]
    return [each for each in frame["No"].fillna("") if each]


def test_a_workbook_is_read_as_people_see_it(tmp_path):
    app = csv(tmp_path, saved(workbook("Staff")))

    feed = people_of(app.read(), app.rules)

    assert feed.people[["employee_id", "family_name"]].iloc[0].tolist() == ["007", "Šimić, the second"]
    assert str(feed.people["hire_date"].iloc[0].date()) == "2026-01-05"
    assert feed.held[0].message.startswith("row 4 (0008): Begins: found '05.01.2026'") and len(feed.held) == 1
    assert "sheet 'Staff' of a workbook" in app.check()


def test_of_several_sheets_one_must_be_named_and_hidden_ones_do_not_count(tmp_path):
    book = workbook("Read me", "Staff")

    assert numbers(csv(tmp_path, saved(book), sheet="Staff")) == ["007", "0008"]
    with pytest.raises(Refused, match=r"2 sheets: Read me, Staff\. Set options\.sheet"):
        csv(tmp_path, saved(book)).read()
    with pytest.raises(Refused, match="no sheet 'Staf'; there is Read me, Staff"):
        csv(tmp_path, saved(book), sheet="Staf").read()
    book.active = 1
    book["Read me"].sheet_state = "hidden"
    assert numbers(csv(tmp_path, saved(book))) == ["007", "0008"]


def test_numbers_dates_and_texts_keep_what_they_are(tmp_path):
    book = openpyxl.Workbook()
    book.active.append([*HEADER, "Score", "At"])
    book.active.append(["00042", 12345678901, 1.5, datetime(2026, 1, 5), True, datetime(2026, 1, 5, 8, 30)])
    book.active.append([42.0, "4 2", "01/02/2026", 46027, False, None])

    rows = csv(tmp_path, saved(book)).read().fillna("").to_numpy().tolist()

    assert rows[0] == ["00042", "12345678901", "1.5", "2026-01-05", "true", "2026-01-05T08:30:00"]
    assert rows[1] == ["42", "4 2", "01/02/2026", "46027", "false", ""]


def test_dates_of_1904_are_the_days_that_are_shown(tmp_path):
    book = workbook("Staff")
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904

    assert csv(tmp_path, saved(book)).read()["Begins"].iloc[0] == "2026-01-05"


def test_merged_cells_are_refused(tmp_path):
    book = workbook("Staff")
    book.active.merge_cells("C2:C3")

    with pytest.raises(Refused, match=r"cells are merged \(C2:C3\)"):
        csv(tmp_path, saved(book)).read()


def test_formulas_have_the_value_that_was_saved_and_rows_without_one_are_held(tmp_path):
    book = workbook("Staff")
    book.active["C2"] = '="Šimić"'
    book.active["B4"] = "=UPPER(C4)"
    data = edited(
        saved(book),
        lambda xml: re.sub(rb'(<c r="C2")([^>]*>)(<f>.*?</f>)(?:<v ?/>|<v></v>)', rb'\1 t="str"\2\3<v>Simic</v>', xml),
    )

    app = csv(tmp_path, edited(data, lambda xml: re.sub(rb"</f>(?:<v ?/>|<v></v>)", b"</f>", xml)))
    frame = app.read()
    assert frame["Last"].iloc[0] == "Simic"
    assert [held.message for held in people_of(frame, app.rules).held][0].startswith(
        "row 4 (0008): needs its formulas calculated"
    )


def test_a_formula_whose_value_is_empty_holds_nobody(tmp_path):
    book = workbook("Staff")
    book.active["C2"] = '=""'
    data = edited(
        saved(book),
        lambda xml: re.sub(rb'(<c r="C2")([^>]*>)(<f>.*?</f>)(?:<v ?/>|<v></v>)', rb'\1 t="str"\2\3<v></v>', xml),
    )

    assert UNREADABLE not in csv(tmp_path, data).read()


def test_a_cell_with_an_error_holds_its_row(tmp_path):
    book = workbook("Staff")
    book.active["C2"], book.active["D4"] = "#N/A", date(2026, 1, 5)
    app = csv(tmp_path, saved(book))

    feed = people_of(app.read(), app.rules)

    assert feed.people["employee_id"].tolist() == ["0008"]
    assert [held.message for held in feed.held] == ["row 2 (007): needs C2 without #N/A"]


def test_empty_rows_and_columns_that_are_only_formatted_are_nobody(tmp_path):
    book = workbook("Staff")
    for row in range(5, 400):
        book.active.cell(row, 9).number_format = "0.00"

    assert numbers(csv(tmp_path, saved(book))) == ["007", "0008"]


def test_a_sheet_that_states_all_cells_is_read_by_those_there_are(tmp_path):
    huge = lambda xml: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:XFD1048576"', xml)  # noqa: E731

    assert numbers(csv(tmp_path, edited(saved(workbook("Staff")), huge))) == ["007", "0008"]


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (OLE, "it has a password, or is of Excel before 2007. Save it as .xlsx without a password"),
        (b"PK\x03\x04 and no more", "no readable workbook"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><table><tr><td>No</td></tr></table>", "it is a web page, no table"),
    ],
    ids=["password", "broken", "html as .xls"],
)
def test_what_is_no_workbook_is_refused_with_what_to_do(tmp_path, data, says):
    with pytest.raises(Refused, match=says):
        csv(tmp_path, data).read()


def test_half_a_workbook_is_refused(tmp_path):
    whole = saved(workbook("Staff"))
    for cut in (300, len(whole) // 2, len(whole) - 30):
        with pytest.raises(Refused, match="no readable workbook"):
            csv(tmp_path, whole[:cut]).read()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    whole = io.BytesIO(saved(workbook("Staff")))
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/1.xml", "w") as part:
        for _ in range(450):
            part.write(bytes(1 << 20))
    assert len(whole.getvalue()) < 1 << 20

    with pytest.raises(Refused, match=r"unpacks to 450 MB"):
        csv(tmp_path, whole.getvalue()).read()


def test_entities_that_multiply_are_refused(tmp_path):
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12))
    head = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">' + laughs + b"]>"
    change = lambda xml: head + re.sub(rb"^<\?xml[^>]*\?>", b"", xml).replace(b">Ana<", b">&l11;<")  # noqa: E731
    data = edited(saved(workbook("Staff")), change)
    assert b"&l11;" in zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")

    with pytest.raises(Refused, match="no readable workbook"):
        csv(tmp_path, data).read()
