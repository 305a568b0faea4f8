"""Long lists: pages side by side, counted, told, kept against a cut; lists that move are read again."""

import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.batches import SEE, ahead, frame_of, hidden_of_all, in_batches, laid_over, table_of
from connectors.hr.kept import LONGEST, Kept, reading
from connectors.hr.paging import List, Moved, Page, whole
from mappings.feed import UNREADABLE


class Hr:
    """A list of people in pages of two, and who asked for which page."""

    def __init__(self, people: int = 20) -> None:
        self.people = [str(number) for number in range(people)]
        self.asked = list[int]()
        self.broken = set[int]()
        self.lock = threading.Lock()

    def page(self, number: int) -> Page:
        with self.lock:
            self.asked.append(number)
        if number in self.broken:
            raise Retryable("hr", "read people", "the server said 500")
        shown = self.people[number * 2 - 2 : number * 2]
        return Page(table_of(["id"], [[each] for each in shown]), len(self.people), -(-len(self.people) // 2))

    def list(self, **other: object) -> List:
        return List("hr", "read people", "id", self.page, sleep=lambda _: None)._replace(**other)


def ids(tables: list[pa.Table]) -> list[str]:
    return [each for table in tables for each in table["id"].to_pylist()]


@pytest.fixture
def hr():
    return Hr()


def test_all_pages_come_once_and_in_order(hr):
    assert ids(whole(hr.list(), Kept(None, ""))) == hr.people
    assert sorted(hr.asked) == list(range(1, 11))


def test_no_more_pages_are_asked_for_at_once_than_may_be(hr):
    """Three threads wait for each other in each page; a fourth would never be waited for."""
    meet, busy, most = threading.Barrier(3), set[int](), list[int]()

    def ask(number: int) -> Page:
        page = hr.page(number)
        if number > 1:
            busy.add(number)
            meet.wait(20)
            most.append(len(busy))
            meet.wait(20)
            busy.discard(number)
        return page

    whole(hr.list(ask=ask, at_once=3), Kept(None, ""))

    assert len(most) == 9 and max(most) == 3


def test_a_page_that_came_twice_is_no_list(hr):
    with pytest.raises(Retryable, match="18 different people came of 20"):
        whole(hr.list(ask=lambda number: hr.page(min(number, 9))), Kept(None, ""))
    assert len(hr.asked) == 30


def test_a_list_that_grows_meanwhile_is_read_again(hr):
    def ask(number: int) -> Page:
        page = hr.page(number)
        if number == 4 and len(hr.people) == 20:
            hr.people.append("20")
        return page

    assert ids(whole(hr.list(ask=ask), Kept(None, ""))) == [str(number) for number in range(21)]


def test_one_that_moves_unseen_by_the_count_is_settled_at_the_end(hr):
    """The first goes, another comes at the end: the total is the same, and page by page somebody is missed."""
    gone = False

    def ask(number: int) -> Page:
        nonlocal gone
        page = hr.page(number)
        if number == 1 and not gone:
            gone, hr.people = True, [*hr.people[1:], "20"]
        return page

    def settle(tables: list[pa.Table]) -> list[pa.Table]:
        if ids(tables)[0] == "0":
            raise Moved("1 people came or went")
        return tables

    assert ids(whole(hr.list(ask=ask, settle=settle), Kept(None, ""))) == [str(number) for number in range(1, 21)]


# kept


def read(hr: Hr, keep: Path, question: str = "who", moment: str = "noon") -> list[str]:
    with reading(keep, question) as kept:
        kept.begin(moment)
        return ids(whole(hr.list(at_once=1), kept))


def files(keep: Path) -> list[Path]:
    return sorted(keep.glob("pages/*"))


def cut(hr: Hr, keep: Path, at: int = 7) -> None:
    """A reading that ends with an error at this page."""
    hr.broken = {at}
    with pytest.raises(Retryable, match="500"):
        read(hr, keep)
    hr.broken, hr.asked = set(), []


def test_a_reading_that_broke_off_goes_on(hr, tmp_path):
    cut(hr, tmp_path)

    assert read(hr, tmp_path) == hr.people
    assert hr.asked == [7, 8, 9, 10]


def test_what_is_kept_is_for_the_owner_only_and_goes_with_the_end(hr, tmp_path):
    cut(hr, tmp_path / "hr")
    held = files(tmp_path / "hr")
    modes = {os.stat(path).st_mode & 0o077 for path in [tmp_path / "hr", tmp_path / "hr" / "pages", *held]}

    read(hr, tmp_path / "hr")

    assert len(held) == 7 and modes == {0}
    assert not files(tmp_path / "hr")


def test_the_moment_of_the_pages_is_kept_with_them(hr, tmp_path):
    cut(hr, tmp_path)

    with reading(tmp_path, "who") as kept:
        assert kept.begin("one o'clock") == "noon"


def test_another_question_is_not_answered_by_old_pages(hr, tmp_path):
    cut(hr, tmp_path)

    read(hr, tmp_path, "who else")

    assert sorted(hr.asked) == list(range(1, 11))


@pytest.mark.parametrize("later", [LONGEST, -60.0])
def test_pages_of_another_hour_are_of_no_use(tmp_path, later):
    kept = Kept(tmp_path / "pages", "who", now=lambda: 1_000_000.0)
    kept.begin("noon")

    assert Kept(tmp_path / "pages", "who", now=lambda: 1_000_060.0).moment == "noon"
    assert Kept(tmp_path / "pages", "who", now=lambda: 1_000_000.0 + later).moment == ""
    assert not files(tmp_path)


def test_a_half_written_page_is_read_anew(hr, tmp_path):
    cut(hr, tmp_path)
    page = next(path for path in files(tmp_path) if "-3." in path.name)
    page.write_bytes(page.read_bytes()[:100])

    assert read(hr, tmp_path) == hr.people
    assert hr.asked == [3, 7, 8, 9, 10]


def test_where_nothing_can_be_kept_it_is_read_all_the_same(hr, tmp_path):
    (tmp_path / "pages").write_text("not a folder")

    assert read(hr, tmp_path) == hr.people


def test_a_refusal_leaves_nothing_behind(hr, tmp_path):
    def ask(number: int) -> Page:
        if number == 8:
            raise Refused("hr", "read people", "not permitted")
        return hr.page(number)

    with pytest.raises(Refused), reading(tmp_path, "who") as kept:
        kept.begin("noon")
        whole(hr.list(ask=ask), kept)

    assert not files(tmp_path)


def test_a_second_reader_meanwhile_neither_takes_nor_ends_the_pages_of_the_first(hr, tmp_path):
    with reading(tmp_path, "who") as first:
        first.begin("noon")
        whole(hr.list(), first)
        held = files(tmp_path)
        hr.asked = []

        assert read(hr, tmp_path) == hr.people

        assert len(hr.asked) == 10 and files(tmp_path) == held != []


def test_short_lists_are_never_kept(tmp_path):
    hr = Hr(8)
    cut(hr, tmp_path, at=4)

    assert not [path for path in files(tmp_path) if path.suffix == ".arrow"]


def test_a_reading_that_was_killed_goes_on(tmp_path):
    script = f"""
        import os
        from pathlib import Path
        from tests.test_hr_paging import Hr, Kept, reading, whole
        hr = Hr()
        page = hr.page
        def ask(number):
            if number == 6:
                os.kill(os.getpid(), 9)
            return page(number)
        with reading(Path({str(tmp_path)!r}), "who") as kept:
            kept.begin("noon")
            whole(hr.list(ask=ask, at_once=1), kept)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=Path(__file__).parents[1])
    hr = Hr()

    assert ended.returncode == -9
    assert read(hr, tmp_path) == hr.people and hr.asked == [6, 7, 8, 9, 10]


# told


def test_the_end_of_a_long_list_is_told(hr, caplog):
    caplog.set_level(logging.INFO, "connectors.hr")

    whole(hr.list(), Kept(None, ""))

    assert caplog.messages == ["hr: read 20 of 20 people (10 of 10 pages)"]


def test_progress_is_told_at_a_pace(hr, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "connectors.hr")
    monkeypatch.setattr("connectors.hr.paging.PACE", 0.0)

    whole(hr.list(), Kept(None, ""))

    assert caplog.messages[5] == "hr: read 12 of 20 people (6 of 10 pages)" and len(caplog.messages) == 10


# columns


def test_a_frame_is_text_with_rows_as_in_a_file():
    tables = [table_of(["id", UNREADABLE], [["007", None]]), table_of(["id", UNREADABLE], [["", None], [None, None]])]

    frame = frame_of(tables, "HR")

    assert frame["id"].tolist()[:2] == ["007", ""] and frame["id"].isna().tolist() == [False, False, True]
    assert frame.index.tolist() == [2, 3, 4] and frame.index.name == "row"
    assert list(frame.columns) == ["id"] and str(frame["id"].dtype) == "string" and frame.attrs == {"source": "HR"}


def test_hidden_is_what_is_hidden_in_every_page():
    def page(*cells: str | None) -> pa.Table:
        return table_of([UNREADABLE], [[cell and f"{SEE}{cell}"] for cell in cells])

    assert hidden_of_all([page("a, b"), page("b", "b, c")]) == ["b"]
    assert hidden_of_all([page("a", None)]) == [] == hidden_of_all([page()])


def test_news_take_the_place_of_what_was():
    table = table_of(["id", "team"], [["1", "tea"], ["2", "tea"], ["3", "tea"]])

    found = pa.concat_tables(laid_over([table], "id", table_of(["id", "team"], [["2", "ink"], ["4", "ink"]])))

    assert found.to_pydict() == {"id": ["1", "3", "2", "4"], "team": ["tea", "tea", "ink", "ink"]}


def test_a_stream_is_fetched_ahead_by_one_part():
    fetched = [threading.Event() for _ in range(3)]

    def stream():
        for number, event in enumerate(fetched):
            event.set()
            yield number

    parts = ahead(stream())

    assert next(parts) == 0 and fetched[1].wait(20)
    assert list(parts) == [1, 2]


def test_batches_are_at_least_one():
    assert list(in_batches([])) == [[]]
    assert [len(part) for part in in_batches(range(2001))] == [1000, 1000, 1]
