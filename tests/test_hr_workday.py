"""Workday: what is sent and answered validates against the vendor's WSDL; the twin's people are read right."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused, Retryable
from connectors.hr.base import Changes, Source, WriteBack
from connectors.hr.catalogue import source
from connectors.hr.workday import View, Workday
from connectors.hr.workday_columns import COLUMNS, Reader
from connectors.hr.workday_soap import fault
from connectors.sandbox import Sandbox
from mappings.feed import people_of
from mappings.vocabulary import HrSource
from tests.vendor_specs import SPECS, Differs

ROOT = Path(__file__).parents[1]
WSDL = SPECS / "workday" / "Human_Resources-v26.1-trimmed.wsdl"
XSD = "{http://www.w3.org/2001/XMLSchema}schema"
described = pytest.mark.skipif(not WSDL.exists(), reason="../shared/specs/workday is not here")
TOBIAS = f"{102:032x}"


class Schema:
    """The WSDL's schema, held to every envelope that a client sends and gets."""

    def __init__(self) -> None:
        self.schema = etree.XMLSchema(etree.parse(WSDL).getroot().find(f".//{XSD}"))
        self.seen = list[str]()

    def before(self, request: httpx.Request) -> None:
        if request.method == "POST":
            self.check(request.read(), "request")

    def after(self, response: httpx.Response) -> None:
        if response.request.method == "POST":
            self.check(response.read(), "answer")

    def check(self, content: bytes, what: str) -> None:
        body = etree.fromstring(content).find("{*}Body")[0]
        self.seen.append(etree.QName(body).localname)
        if etree.QName(body).localname == "Fault":
            body = body.find("detail")[0]
        if not self.schema.validate(etree.fromstring(etree.tostring(body))):
            raise Differs(f"{what}: {self.schema.error_log}")


def rules(name: str = "workday") -> HrSource:
    return HrSource.model_validate(YAML(typ="safe").load(ROOT / f"mappings/sample/hr/{name}.yaml"))


def workday(sandbox: Sandbox, **options: object) -> Workday:
    read = rules()
    read = read.model_copy(update={"options": read.options | options})
    made = source("workday", read, sandbox.environment, ROOT / "mappings/sample")
    assert isinstance(made, Workday)
    return made


def held(sandbox: Sandbox, **options: object) -> tuple[Workday, Schema]:
    """A client that works after the vendor's WSDL, with every envelope checked."""
    if not WSDL.exists():
        pytest.skip("../shared/specs/workday is not here")
    made, schema = workday(sandbox, wsdl=str(WSDL), **options), Schema()
    made.soap.http.client.event_hooks = {"request": [schema.before], "response": [schema.after]}
    return made, schema


@pytest.fixture(autouse=True)
def fresh(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control("workday").reset()


def screen(sandbox: Sandbox, number: int, effective: date, **fields: object) -> None:
    """Somebody in HR enters something."""
    url = f"{sandbox.url}/workday/screen/{number}"
    httpx.put(url, json={"effective": effective.isoformat(), **fields}).raise_for_status()


def hired(on: date, **fields: object) -> dict[str, object]:
    own = {"firstName": "Anaïs", "lastName": "Lefèvre", "department": "Sales", "hireDate": on.isoformat()}
    return {**own, "location": "Lisbon", "country": "Portugal", "customWorkerType": "Employee", "emails": [], **fields}


def in_days(days: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)


def test_a_whole_life_is_as_the_wsdl_describes_it(sandbox):
    app, schema = held(sandbox, page_size=7)

    app.check(), app.read(), app.read_one(TOBIAS), app.changed_since(datetime.now(UTC) - timedelta(days=1))
    app.write_work_email(TOBIAS, "t.finch@juniperfinch.example", "tobias.finch@juniperfinch.example")
    with pytest.raises(Refused):
        app.page(View(app.moment()), 99, 7, "read a page that is not there")

    assert {"Get_Workers_Request", "Get_Workers_Response", "Server_Timestamp_Get", "Server_Timestamp"} <= set(
        schema.seen
    )
    assert "Maintain_Contact_Information_for_Person_Event_Request" in schema.seen and "Fault" in schema.seen


@described
def test_the_check_notices_a_wrong_request():
    asked = b"<b:Get_Workers_Request xmlns:b='urn:com.workday/bsvc'><b:Filter/></b:Get_Workers_Request>"
    wrong = b"<a:E xmlns:a='x'><a:Body>" + asked + b"</a:Body></a:E>"

    with pytest.raises(Differs, match="Filter"):
        Schema().check(wrong, "request")


def test_it_keeps_the_contract(sandbox):
    app = workday(sandbox)

    assert isinstance(app, Source) and isinstance(app, Changes) and isinstance(app, WriteBack)
    assert app.check() == "Workday v26.1: 24 people, employees and contingent workers"


def test_everybody_is_read_page_by_page_with_contingent_workers(sandbox):
    app = workday(sandbox, page_size=5)

    feed = people_of(app.read(), app.rules)

    people = feed.people.set_index("extra.employee_number")
    assert len(people) == 24 and not feed.held
    assert people.loc["123", ["worker_type", "location"]].tolist() == ["contractor", "Lisbon"]
    assert str(people.loc["123", "last_day"].date()) == "2035-12-31"
    assert people.loc["124", "employment_status"] == "terminated"
    assert people.loc["102", ["family_name", "manager_id"]].tolist() == ["Finch", f"{101:032x}"]


def test_pages_are_of_one_moment(sandbox):
    """Somebody who is entered while pages are read is in none of them."""
    app = workday(sandbox, page_size=5)
    view = View("2020-01-01T00:00:00Z")
    screen(sandbox, 201, in_days(-1), **hired(in_days(-1)))

    assert sum(map(len, app.tables(view))) == 24


def test_an_entry_moment_ahead_of_workdays_clock_is_refused_in_its_words(sandbox):
    with pytest.raises(Refused, match="must not be in the future") as error:
        workday(sandbox).tables(View("2999-01-01T00:00:00Z"))
    assert error.value.status == 500


def test_a_list_that_lacks_a_page_is_no_list(sandbox, monkeypatch):
    app = workday(sandbox, page_size=5)
    monkeypatch.setattr(app.soap.http, "sleep", lambda _: None)
    page = app.page
    monkeypatch.setattr(app, "page", lambda view, number, *asked: page(view, min(number, 4), *asked))

    with pytest.raises(Retryable, match="20 different people came of 24"):
        app.read()


def test_a_future_hire_is_read_and_a_future_move_is_not(sandbox):
    screen(sandbox, 201, in_days(20), **hired(in_days(20)))
    screen(sandbox, 108, in_days(5), department="People")
    app = workday(sandbox)

    people = people_of(app.read(), app.rules).people.set_index("extra.employee_number")

    assert people.loc["201", "hire_date"].date() == in_days(20)
    assert people.loc["108", "department"] == "Sales"


def test_an_announced_end_is_read_with_todays_department(sandbox):
    last = in_days(10)
    screen(sandbox, 108, in_days(5), department="People")
    screen(sandbox, 108, last, terminated=True, terminationDate=last.isoformat(), why="Voluntary")
    app = workday(sandbox)

    for frame in (app.read(), app.read_one(f"{108:032x}")):
        person = people_of(frame, app.rules).people.set_index("extra.employee_number").loc["108"]
        assert (person["last_day"].date(), person["department"], person["employment_status"]) == (
            last,
            "Sales",
            "active",
        )


def test_a_future_rehire_takes_the_place_of_the_leaver(sandbox):
    again = in_days(15)
    back = {
        "terminated": False,
        "terminationDate": None,
        "hireDate": again.isoformat(),
        "originalHireDate": "2021-11-01",
    }
    screen(sandbox, 124, again, **back)
    app = workday(sandbox)

    person = people_of(app.read(), app.rules).people.set_index("extra.employee_number").loc["124"]

    assert person["hire_date"].date() == again and str(person["last_day"]) == "NaT"


def test_only_the_changed_are_read_again(sandbox):
    app, since = workday(sandbox), datetime.now(UTC) - timedelta(seconds=2)
    assert app.changed_since(since).empty

    screen(sandbox, 109, in_days(0), department="Sales")
    screen(sandbox, 201, in_days(9), **hired(in_days(9)))

    assert sorted(app.changed_since(since)["Worker_ID"]) == ["109", "201"]
    assert app.changed_since(since).set_index("Worker_ID").loc["109", "Department"] == "Sales"


def test_nobody_is_an_empty_frame(sandbox):
    assert workday(sandbox).read_one("f" * 32).empty


HOME = {"address": "tea@mailbox.example", "usages": [{"kind": "HOME", "primary": True, "public": False}]}
OLD = {"address": "tobias@juniperfinch.example", "usages": [{"kind": "WORK", "primary": True, "public": True}]}


@pytest.mark.parametrize(("before", "instead"), [([HOME], ""), ([HOME, OLD], OLD["address"]), ([], "")])
def test_the_work_email_is_written_once_and_no_other_is_lost(sandbox, before, instead):
    screen(sandbox, 102, in_days(0), emails=before)
    app = workday(sandbox)

    outcomes = [app.write_work_email(TOBIAS, "t.finch@juniperfinch.example", instead) for _ in range(2)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    row = app.read_one(TOBIAS).assign(Home=lambda f: f["Home_Email"]).iloc[0]
    assert row["Work_Email"] == "t.finch@juniperfinch.example"
    assert row["Home_Email"] is not None if HOME in before else str(row["Home_Email"]) == "<NA>"


def test_a_different_address_is_never_written_over(sandbox):
    with pytest.raises(Refused, match="there is already tobias.finch@juniperfinch.example. Decide which"):
        workday(sandbox).write_work_email(TOBIAS, "t@juniperfinch.example")


def test_a_write_that_loses_another_address_is_a_mismatch(sandbox, monkeypatch):
    screen(sandbox, 102, in_days(0), emails=[HOME, OLD])
    app = workday(sandbox)
    whole = type(app.emails(TOBIAS, "look")).request

    def careless(self, *said):
        asked = whole(self, *said)
        data = asked["Maintain_Contact_Information_Data"]["Worker_Contact_Information_Data"]
        data["Email_Address_Data"] = [e for e in data["Email_Address_Data"] if "mailbox" not in e["Email_Address"]]
        return asked

    monkeypatch.setattr("connectors.hr.workday_email.Emails.request", careless)
    with pytest.raises(Mismatch, match="lost or changed other addresses"):
        app.write_work_email(TOBIAS, "t@juniperfinch.example", "tobias@juniperfinch.example")


def test_a_section_that_may_not_be_seen_is_refused_not_read_as_empty(sandbox):
    sandbox.control("workday").options(hides="Employment_Data")
    app = workday(sandbox)

    for call in (app.read, app.check):
        with pytest.raises(Refused, match="does not show Employment_Data. Give the user's security group"):
            call()


def test_a_wrong_password_is_told_without_it(sandbox):
    read = rules()
    values = sandbox.environment | {"WORKDAY_PASSWORD": "quite-a-wrong-one"}
    with pytest.raises(Refused, match="refused the sign-in") as error:
        source("workday", read, values, ROOT).check()
    assert "quite-a-wrong-one" not in str(error.value) and error.value.status == 401


def test_a_server_in_trouble_stays_retryable(sandbox):
    app = workday(sandbox)
    app.check()
    sandbox.control("workday").faults([{"kind": "500", "times": 9}])
    app.soap.http.sleep = lambda _: None

    with pytest.raises(Retryable):
        app.moment()


@described
def test_the_recorded_fault_and_answer_are_read():
    folder = WSDL.parent
    assert fault((folder / "error-validation-fault.xml").read_bytes()) == (
        "Client.validationError",
        "Workday Request Error Example/bsvc",
    )
    worker = etree.parse(folder / "get-workers-response-v25.xml").find(".//{*}Worker")
    row = Reader(list(COLUMNS), {}).row(worker)
    assert (row["First_Name"], row["Last_Name"], row["Worker_ID"], row["WID"]) == ("Example", "Worker", "1", "0" * 32)


def test_a_report_is_read_with_its_aliases(sandbox):
    read = rules("workday_report")
    report = source("workday_report", read, sandbox.environment, ROOT / "mappings/sample")
    screen(sandbox, 201, in_days(20), **hired(in_days(20)))

    feed = people_of(report.read(), read)

    assert len(feed.people) == 25 and not feed.held
    assert feed.people.set_index("extra.employee_number").loc["201", "hire_date"].date() == in_days(20)
    assert report.read_one(TOBIAS)["Employee_ID"].tolist() == ["102"] and report.read_one("zz").empty


def test_a_report_and_soap_show_the_same_people(sandbox):
    report = source("workday_report", rules("workday_report"), sandbox.environment, ROOT)
    columns = ["employee_id", "given_name", "family_name", "work_email", "department", "hire_date", "last_day"]

    by_report, by_soap = (
        people_of(report.read(), report.rules).people,
        people_of(workday(sandbox).read(), rules()).people,
    )

    assert by_report[columns].to_dict("records") == by_soap[columns].to_dict("records")


def test_one_person_who_lacks_what_others_have_is_read_alone(sandbox):
    report = source("workday_report", rules("workday_report"), sandbox.environment, ROOT)
    screen(sandbox, 201, in_days(0), **hired(in_days(0)))

    feed = people_of(report.read_one(f"{201:032x}"), report.rules)

    assert feed.people["work_email"].isna().tolist() == [True] and feed.people["manager_id"].isna().tolist() == [True]
