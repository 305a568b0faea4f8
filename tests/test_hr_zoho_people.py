"""Zoho People in front of its twin: calls as Zoho's pages have them, people as the company has them."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused, Retryable
from connectors.hr.base import Changes, Delivery, NotBelieved, Signals, Source, WriteBack
from mappings.feed import UNREADABLE, people_of
from mappings.people import Status, status_frame
from tests.hr_house import at_first, connected, expected, letter_box, now, people, told
from tests.zoho_house import ADDRESS, CLARA, INES, NOBODY, TOKEN, asked, joiner, made, written


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "zoho_people")


@pytest.fixture
def zoho(sandbox: Any, twin: Any) -> Any:
    return made(sandbox)


@pytest.fixture
def hr(sandbox: Any, twin: Any) -> Iterator[httpx.Client]:
    """A person in HR, at Zoho's pages."""
    with httpx.Client(base_url=sandbox.environment["ZOHO_PEOPLE_URL"]) as client:
        yield client


def test_the_company_is_the_same_as_everywhere(zoho):
    found = people(zoho)

    assert told(found) == expected()
    assert found.loc["joao.goncalves@juniperfinch.example", "manager"] == "ines.simoes@juniperfinch.example"
    assert zoho.check() == "Zoho People: 24 people, all 14 mapped fields readable"
    for kept in (Source, WriteBack, Changes, Signals):
        assert isinstance(zoho, kept)


@pytest.mark.parametrize(("size", "calls"), [(7, 4), (8, 4), (24, 2), (200, 1)])
def test_every_page_is_read_and_nobody_on_the_last_one_is_the_end(sandbox, twin, size, calls):
    assert len(made(sandbox, page_size=size, counted=False).read()) == 24
    assert asked(twin, "getRecords") == [200] * calls
    assert len(made(sandbox, page_size=size).read()) == 24


def test_people_go_by_the_records_id_and_numbers_keep_their_zeros(zoho):
    row = zoho.read_one(INES).iloc[0]

    assert (row["recordId"], row["Dateofjoining"]) == (INES, "04-Sep-2017")
    assert zoho.cell(zoho.person(INES, "read"), "EmployeeID") == "0103"
    for strange in (NOBODY, "", "0103x"):
        assert zoho.read_one(strange).empty


def test_a_record_as_zoho_lists_it_is_known_by_the_name_over_it_and_not_by_the_rounded_number(zoho, twin):
    """As NangoHQ/integration-templates recorded it: the number went through a program that rounds."""
    answer = {"759415000001317016": [{"FirstName": "Mia", "Zoho_ID": 759415000001317000, "Reporting_To": ""}]}
    replace_answers(zoho, {"getRecords": [answer], "getRecordCount": {"RecordCount": 1}})

    assert [row["recordId"] for row in zoho.everybody()] == ["759415000001317016"]


def replace_answers(zoho: Any, results: dict[str, Any], status: int = 200) -> None:
    """Answer with these results, or with whole bodies where they have a `response`, in place of the twin."""

    def answer(request: httpx.Request) -> httpx.Response:
        result = results.get(request.url.path.rpartition("/")[2])
        if isinstance(result, dict) and "response" in result:
            return httpx.Response(status, json=result)
        return httpx.Response(status, json={"response": {"result": result, "message": "Success", "status": 0}})

    zoho.http.client = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://people.zoho.example")


def error(code: object, message: object = "no") -> dict[str, Any]:
    return {"response": {"message": "Error occurred", "errors": {"code": code, "message": message}, "status": 1}}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (error(7040, "Permission denied to view records"), r"not permitted \(403\) \(Zoho's 7040\): Permission denied"),
        (error("7011", {"form": "invalid"}), r"7011\): \{\"form\": \"invalid\"\}"),
        ({"response": {"errors": [{"code": 7012, "message": "Invalid view"}]}}, "7012"),
        ({"response": {"message": "Error occurred", "status": 1}}, "400"),
        ({"response": {"result": {"RecordCount": "many"}, "status": 0}}, "the answer has no RecordCount"),
        ({"response": {}}, "the answer has no RecordCount"),
    ],
)
def test_an_error_in_200_is_an_error(zoho, body, says):
    replace_answers(zoho, {"getRecordCount": body})

    with pytest.raises(Refused, match=says):
        zoho.read()


def test_that_nobody_is_shown_is_no_empty_company(zoho):
    replace_answers(zoho, {"getRecordCount": {"RecordCount": 0}, "getRecords": error(7024, "No records found")})

    for ask in (zoho.read, zoho.check):
        with pytest.raises(Refused, match="not even the API's own user. Let the role"):
            ask()
    assert zoho.changed_since(now()).empty


def test_a_list_that_is_shorter_than_the_count_is_not_the_whole_company(sandbox, zoho, twin):
    twin.options(few=True)
    zoho.http.sleep = lambda _: None

    with pytest.raises(Retryable, match="12 different people came of 24"):
        zoho.read()
    assert len(made(sandbox, counted=False).read()) == 12


@pytest.mark.parametrize(
    ("unseen", "field"), [("Dateofexit", "Dateofexit"), ("Reporting_To", "Reporting_To.ID"), ("EmailID", "EmailID")]
)
def test_a_field_that_is_not_shown_is_not_empty(zoho, twin, unseen, field):
    twin.options(unseen=unseen)

    for ask in (zoho.read, zoho.check):
        with pytest.raises(Refused, match=f"does not show {field}"):
            ask()
    assert UNREADABLE in zoho.read_one(INES)


def test_somebody_without_an_account_is_inactive_there_and_here_as_the_dates_say(zoho, twin):
    new = joiner(zoho)

    frame = zoho.read_one(new)
    assert frame["Employeestatus"].tolist() == ["Inactive"]
    person = people_of(frame, zoho.rules).people
    assert [status_frame(person, date(year, 6, 1)).item() for year in (2029, 2031)] == [Status.PREHIRE, Status.ACTIVE]
    assert person[["work_email", "last_day"]].isna().all(axis=None)


# writing


def test_the_work_email_is_written_once_and_read_back(zoho, twin):
    new = joiner(zoho)

    assert [zoho.write_work_email(new, ADDRESS) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    assert [row["workEmail"] for row in twin.state()["people"] if row["id"] == new] == [ADDRESS]
    assert asked(twin, "updateRecord") == [200]


def test_an_address_that_is_there_or_somebody_elses_is_refused(zoho, twin):
    new = joiner(zoho)

    with pytest.raises(Refused, match="there is already clara.mueller"):
        zoho.write_work_email(CLARA, "clara.other@juniperfinch.example")
    with pytest.raises(Refused, match="7051.*Value already exists") as taken:
        zoho.write_work_email(new, "clara.mueller@juniperfinch.example")
    assert taken.value.status == 409
    with pytest.raises(Refused, match="nobody with this id"):
        zoho.write_work_email(NOBODY, ADDRESS)
    with pytest.raises(Refused, match="7039.*Permission denied") as denied:
        zoho.put_email({"recordId": NOBODY}, ADDRESS, "write")
    assert denied.value.status == 403


def test_a_write_that_changed_nothing_is_a_mismatch(zoho, twin):
    new = joiner(zoho)
    twin.faults([{"kind": "silent-noop", "match": "updateRecord"}])

    with pytest.raises(Mismatch, match=f"accepted {ADDRESS}"):
        zoho.write_work_email(new, ADDRESS)


# changes


def test_who_changed_is_asked_for_by_the_moment(zoho, twin):
    since = now()
    written(zoho, "updateRecord", {"Dateofexit": "31-Jan-2031"}, recordId=CLARA)

    assert zoho.changed_since(since)["recordId"].tolist() == [CLARA]
    assert str(people_of(zoho.read_one(CLARA), zoho.rules).people["last_day"].iloc[0])[:10] == "2031-01-31"
    assert zoho.changed_since(now() + timedelta(minutes=1)).empty


# webhooks


def test_what_a_workflow_sends_is_believed_by_the_agreed_word_and_names_the_person(zoho, hr):
    with letter_box() as (url, came):
        hr.post("/settings/webhooks", json={"url": url, "parameters": {"token": TOKEN}}).raise_for_status()
        hr.put(f"/settings/employees/{CLARA}", json={"department": "People"}).raise_for_status()
        letter = came.get(timeout=10)

    assert zoho.handshake(letter.headers, letter.body) is None
    assert zoho.verify_webhook(letter.headers, letter.body, now()) == Delivery("")
    assert zoho.changed_ids(letter.body) == [CLARA]
    assert people(zoho, zoho.read_one(CLARA))["department"].tolist() == ["People"]


def test_a_function_may_send_the_word_in_a_header_and_json(zoho):
    body = json.dumps({"recordId": CLARA}).encode()

    assert zoho.verify_webhook({"x-rollcall-token": TOKEN}, body, now()) == Delivery("")
    assert zoho.changed_ids(body) == [CLARA]


def test_whoever_does_not_have_the_word_is_not_believed(sandbox, zoho):
    def form(**sent: str) -> bytes:
        return urlencode({"recordId": CLARA, **sent}).encode()

    for headers, body in (
        ({}, form()),
        ({}, form(token="")),
        ({}, form(token="guessed")),
        ({}, form(token=TOKEN[:-1])),
        ({"x-rollcall-token": "guessed"}, form(token=TOKEN)),
        ({"x-rollcall-token": "é"}, form()),
        ({}, b'{"token": 5}'),
        ({}, b"\xff"),
    ):
        with pytest.raises(NotBelieved):
            zoho.verify_webhook(headers, body, now())
    bare = connected(sandbox.environment, "zoho_people", drop=("webhook_token",))
    with pytest.raises(NotBelieved, match="no secret"):
        bare.verify_webhook({}, form(token=TOKEN), now())


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"17", b"{", b"a=1&" * 101])
def test_any_bytes_are_borne(zoho, body):
    assert zoho.handshake({}, body) is None
    with pytest.raises(ValueError):
        zoho.changed_ids(body)
    assert zoho.changed_ids(b'{"data": 5}') == zoho.changed_ids(b"recordId=") == []
