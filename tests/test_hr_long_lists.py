"""BambooHR's and Workday's lists of several pages: nobody missed while HR changes, cut readings go on, limits kept."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.errors import Refused, Retryable
from connectors.hr import bamboohr
from connectors.hr.catalogue import source
from connectors.sandbox import Sandbox
from mappings.vocabulary import HrSource
from tests.hr_house import SAMPLE, words_of

NEW = {"firstName": "Noor", "lastName": "Haddad", "hireDate": "2026-01-05"}
MARKETING = {"date": "2026-01-05", "department": "Marketing"}


@pytest.fixture(autouse=True)
def quiet(sandbox):
    for name in ("bamboohr", "workday"):
        control = sandbox.control(name)
        control.reset()
        control.faults([])
        control.limits(1000)
        control.clear_log()


def connected(
    sandbox: Sandbox, name: str, keep: Path | None = None, limits: object = None, page_size: int = 3, **options: object
) -> Any:
    words = words_of(name)
    words |= {"options": words["options"] | {"page_size": page_size} | options, "limits": limits or []}
    hr = source(name, HrSource.model_validate(words), sandbox.environment, SAMPLE, keep=keep)
    http = hr.http if name == "bamboohr" else hr.soap.http
    http.sleep = http.sleep if limits else lambda _: None
    return hr


def ask(sandbox: Sandbox, path: str, body: object) -> httpx.Response:
    """What an HR person does in BambooHR."""
    values = sandbox.environment
    auth = (values["BAMBOOHR_API_KEY"], "x")
    return httpx.post(values["BAMBOOHR_URL"] + path, json=body, auth=auth).raise_for_status()


def at_page(hr: Any, number: int, do: Callable[[], object]) -> None:
    """Do something once, when this page has been answered."""
    answered, done = hr.answered, list[int]()

    def ask(page: int, *others: Any) -> httpx.Response:
        found: httpx.Response = answered(page, *others)
        if page == number and not done:
            done.append(page)
            do()
        return found

    hr.answered = ask


def calls(sandbox: Sandbox, name: str) -> list[str]:
    return [f"{seen['method']} {seen['path'].rpartition('/')[2]}" for seen in sandbox.control(name).log()]


def test_who_is_changed_behind_our_back_is_as_hr_has_them_at_the_end(sandbox):
    hr = connected(sandbox, "bamboohr", parallel=1)
    at_page(hr, 5, lambda: ask(sandbox, "/employees/102/tables/jobInfo", MARKETING))

    people = hr.read().set_index("id")

    assert people.loc["102", "department"] == "Marketing" and len(people) == 24
    assert calls(sandbox, "bamboohr").count("POST data") == 8 + 1


def test_who_is_hired_while_pages_are_read_is_in_the_list(sandbox):
    hr = connected(sandbox, "bamboohr", parallel=1)
    at_page(hr, 8, lambda: ask(sandbox, "/employees", NEW))
    hr.http.sleep = time.sleep  # the second must be over in which she came

    assert "Noor" in hr.read()["firstName"].tolist()


def test_one_who_goes_as_another_comes_moves_nobody_out_of_the_list(sandbox):
    """The total stays; the pages after the one who went begin with somebody else."""
    hr = connected(sandbox, "bamboohr", parallel=1)
    hr.http.sleep = time.sleep  # see above

    def swap() -> None:
        ask(sandbox, "/employees", NEW)
        auth = (sandbox.environment["BAMBOOHR_API_KEY"], "x")
        httpx.delete(f"{sandbox.url}/bamboohr/screen/101", auth=auth).raise_for_status()

    at_page(hr, 2, swap)

    people = hr.read().set_index("id")

    assert "Noor" in people["firstName"].tolist() and "101" not in people.index
    assert "107" in people.index and len(people) == 24


def test_as_few_calls_as_can_be(sandbox):
    connected(sandbox, "bamboohr", page_size=1000).read()
    assert calls(sandbox, "bamboohr") == ["POST data"]

    connected(sandbox, "bamboohr").read()
    assert calls(sandbox, "bamboohr")[1:] == ["POST data"] * 8 + ["GET changed"]


@pytest.mark.parametrize("name", ["bamboohr", "workday"])
def test_a_reading_that_broke_off_goes_on_where_it_was(sandbox, tmp_path, name):
    control = sandbox.control(name)
    hr = connected(sandbox, name, tmp_path, parallel=1)
    whole = hr.read()
    control.faults([{"match": "data$|POST .*v26", "kind": "500", "after": 6}])
    with pytest.raises(Retryable):
        hr.read()
    control.faults([])
    control.clear_log()

    again = connected(sandbox, name, tmp_path, parallel=1).read()

    columns = whole.columns
    assert again.sort_values(columns[0], ignore_index=True).equals(whole.sort_values(columns[0], ignore_index=True))
    posts = len([call for call in calls(sandbox, name) if call.startswith("POST")])
    assert posts == {"bamboohr": 2, "workday": 8 - 5 + 1}[name]
    assert not list(tmp_path.glob("pages/*"))


def test_who_changed_between_the_cut_and_the_rest_is_not_taken_from_old_pages(sandbox, tmp_path):
    hr = connected(sandbox, "bamboohr", tmp_path, parallel=1)
    sandbox.control("bamboohr").faults([{"match": "data$", "kind": "500", "after": 6}])
    with pytest.raises(Retryable):
        hr.read()
    sandbox.control("bamboohr").faults([])
    ask(sandbox, "/employees/102/tables/jobInfo", MARKETING)

    people = connected(sandbox, "bamboohr", tmp_path).read().set_index("id")

    assert people.loc["102", "department"] == "Marketing"


def test_side_by_side_pages_keep_the_limit_together(sandbox):
    """The twin lets 3 calls through in a second and answers 429 to the others."""
    sandbox.control("bamboohr").limits(3, 1.0)
    hr = connected(sandbox, "bamboohr", limits={"requests": 3, "per": "second"}, parallel=8)

    hr.read()

    assert not [seen for seen in sandbox.control("bamboohr").log() if seen["status"] == 429]


def test_without_the_limit_in_the_yaml_the_vendor_says_no(sandbox):
    sandbox.control("bamboohr").limits(3, 1.0)
    hr = connected(sandbox, "bamboohr", parallel=8)

    with suppress(Retryable):
        hr.read()

    assert [seen for seen in sandbox.control("bamboohr").log() if seen["status"] == 429]


def test_many_who_changed_are_read_by_one_filter(sandbox, monkeypatch):
    monkeypatch.setattr(bamboohr, "ONE_BY_ONE", 10)
    hr = connected(sandbox, "bamboohr")

    frame = hr.changed_since(datetime.now(UTC) - timedelta(days=2))

    assert len(frame) == 24 and frame.equals(hr.read())
    assert calls(sandbox, "bamboohr")[:2] == ["GET changed", "POST data"]


def test_a_report_that_breaks_off_is_refused(sandbox, monkeypatch):
    report = source("workday_report", HrSource.model_validate(words_of("workday_report")), sandbox.environment, SAMPLE)
    request = report.http.request

    def cut(*asked: Any, **sent: Any) -> httpx.Response:
        answer: httpx.Response = request(*asked, **sent)
        return httpx.Response(200, content=answer.content[:-2], headers={"content-type": "application/json"})

    whole = report.read()
    monkeypatch.setattr(report.http, "request", cut)

    with pytest.raises(Refused, match="not JSON"):
        report.read()
    assert len(whole) == 24


@pytest.mark.parametrize(
    "body",
    [
        '{"Report_Entry": [{"WID": "1"}, {"WID": "2"}], "total": 2}',
        '{"total": 2, "Report_Entry":[{"WID":"1"},{"WID":"2"}]}',
    ],
)
def test_a_report_is_read_wherever_its_list_stands(sandbox, monkeypatch, body):
    report = source("workday_report", HrSource.model_validate(words_of("workday_report")), sandbox.environment, SAMPLE)
    monkeypatch.setattr(report.http, "request", lambda *asked, **sent: httpx.Response(200, text=body))

    assert report.read()["WID"].tolist() == ["1", "2"]
