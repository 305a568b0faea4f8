"""Workers made out of the WSDL's own types are read right by the Workday source, element by element."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
import pandas as pd
import pytest
import zeep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from zeep.xsd import Choice, ComplexType, Sequence
from zeep.xsd.types import builtins

from connectors.errors import ConnectorError, Mismatch, Refused, Retryable
from connectors.hr.workday import Workday
from connectors.sandbox.vendors import workday as twin
from tests.hr_house import connected
from tests.vendor_specs import SPECS, Differs

WD = "urn:com.workday/bsvc"
NAMES = {"wd": WD}
WSDL = SPECS / "workday" / "Human_Resources-v26.1-trimmed.wsdl"
pytestmark = pytest.mark.skipif(not WSDL.exists(), reason="../shared/specs/workday is not here")
WID, BOSS = "a" * 32, "b" * 32
READ = ("Worker_ID", "User_ID", "Personal_Data", "Employment_Data", "Organization_Data")
"""Of Worker_Data; the rest of a worker is a book."""
DEEPEST = 12
VALUES = {"WORKDAY_URL": "https://wd5.workday.example/ccx/service/mill/Human_Resources/v26.1"}
VALUES |= {"WORKDAY_USER": "ISU@mill", "WORKDAY_PASSWORD": "password-of-ana"}


@cache
def client() -> Any:
    return zeep.Client(str(WSDL))


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(WSDL).getroot().find(".//{http://www.w3.org/2001/XMLSchema}schema"))


PLAIN: tuple[tuple[type, Any], ...] = (
    (builtins.Boolean, True),
    (builtins.DateTime, "2020-01-05T08:00:00.000-07:00"),
    (builtins.Date, "2020-01-05-07:00"),
    (builtins.Decimal, 7),
)


def made(kind: Any, at: str, inside: tuple[str, ...]) -> Any:
    """A value of a type of the WSDL with all that may be in it, of alternatives the first, but nothing that goes round;
    texts say where they are."""
    if not isinstance(kind, ComplexType):
        return next((value for way, value in PLAIN if isinstance(kind, way)), f"text of {at}")
    attributes = {
        name: "WID" if name == "type" else made(each.type, f"{at}@{name}", ()) for name, each in kind.attributes
    }
    found: dict[str, Any] = {name: value for name, value in attributes.items() if name}
    for name, element in kind.elements:
        left_out = at == "Worker_Data" and name not in READ
        if not left_out and element.type.name not in inside and len(inside) < DEEPEST:
            value = made(element.type, at if name == "_value_1" else f"{at}.{name}".lstrip("."), (*inside, kind.name))
            found[name] = [value] if element.accepts_multiple else value
    return kind(**{name: value for name, value in found.items() if name not in alternatives(kind)})


def alternatives(kind: ComplexType) -> set[str]:
    """The elements of a type's choices that are not chosen."""
    parts = [part for _, nested in kind.elements_nested if isinstance(nested, Sequence) for part in nested]
    return {name for part in parts if isinstance(part, Choice) for name, _ in part.elements[1:]}


@cache
def whole() -> etree._Element:
    """Get_Workers_Response with one worker who has everything, valid by the WSDL's schema."""
    kind = dict(client().get_type(f"{{{WD}}}WorkerType").elements)
    worker = {name: made(element.type, name, ()) for name, element in kind.items()}
    counts = {"Total_Results": 1, "Total_Pages": 1, "Page_Results": 1, "Page": 1}
    answer = client().get_element(f"{{{WD}}}Get_Workers_Response")
    value = answer(Response_Results=counts, Response_Data={"Worker": [worker]})
    parent = etree.Element("parent")
    answer.render(parent, value)
    found = parent[0]
    for path, text in KNOWN.items():
        for each in etree.XPath(path, namespaces=NAMES)(found.find(".//wd:Worker", NAMES)):
            each.text = text
    return found


KNOWN = {
    "wd:Worker_Reference/wd:ID": WID,
    ".//wd:Manager_as_of_last_detected_manager_change_Reference/wd:ID": BOSS,
    ".//wd:Email_Address_Data/wd:Usage_Data/wd:Type_Data/wd:Type_Reference/wd:ID": "WORK",
    ".//wd:Worker_Organization_Data/wd:Organization_Data/wd:Organization_Type_Reference/wd:ID": "SUPERVISORY",
    ".//wd:Country_ISO_Code": "DEU",
    ".//wd:Worker_Hours_Profile_Classification": "x",
    ".//wd:Order": "a",
    ".//wd:Social_Security_Disability_Code": "c",
}
"""Ids, whose texts mean something, and what has to be short."""


def valid(body: etree._Element) -> etree._Element:
    """The body, where the WSDL has it so; Differs where not."""
    if not schema().validate(etree.fromstring(etree.tostring(body))):
        raise Differs(str(schema().error_log))
    return body


def app(answered: etree._Element | None = None, columns: dict[str, str] | None = None) -> Workday:
    """The source in front of one answer; every request is checked."""
    made_ = connected(VALUES, "workday", wsdl=str(WSDL), columns=columns or {})
    answer = whole() if answered is None else answered

    def handle(request: httpx.Request) -> httpx.Response:
        asked = valid(etree.fromstring(request.content).find("{*}Body")[0])
        if asked.tag == f"{{{WD}}}Server_Timestamp_Get":
            inner = (
                f"<wd:Server_Timestamp xmlns:wd='{WD}'><wd:Server_Timestamp_Data>{MOMENT}</wd:Server_Timestamp_Data>"
            )
            return enveloped(inner + "</wd:Server_Timestamp>")
        if asked.tag == f"{{{WD}}}Get_Workers_Request":
            return enveloped(etree.tostring(answer).decode())
        return enveloped(f"<wd:Maintain_Contact_Information_for_Person_Event_Response xmlns:wd='{WD}'/>")

    assert isinstance(made_, Workday)
    made_.soap.http.client = httpx.Client(transport=httpx.MockTransport(handle))
    made_.soap.http.sleep = lambda _: None
    return made_


MOMENT = "2026-01-05T08:00:00.000-08:00"


def enveloped(body: str) -> httpx.Response:
    head = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>"
    return httpx.Response(200, content=f"{head}{body}</e:Body></e:Envelope>")


def changed(change: Callable[[etree._Element], None]) -> etree._Element:
    """The whole answer, after this was done to its worker."""
    copied = copy.deepcopy(whole())
    change(copied.find(".//wd:Worker", NAMES))
    return copied


NAME = "Worker_Data.Personal_Data.Name_Data"
JOB = "Worker_Data.Employment_Data.Worker_Job_Data.Position_Data"
EXPECTED = {
    "WID": WID,
    "Manager_WID": BOSS,
    "Worker_ID": "text of Worker_Data.Worker_ID",
    "User_ID": "text of Worker_Data.User_ID",
    "First_Name": f"text of {NAME}.Legal_Name_Data.Name_Detail_Data.First_Name",
    "Last_Name": f"text of {NAME}.Legal_Name_Data.Name_Detail_Data.Last_Name",
    "Preferred_First_Name": f"text of {NAME}.Preferred_Name_Data.Name_Detail_Data.First_Name",
    "Work_Email": "text of Worker_Data.Personal_Data.Contact_Data.Email_Address_Data.Email_Address",
    "Department": "text of Worker_Data.Organization_Data.Worker_Organization_Data.Organization_Data.Organization_Name",
    "Title": f"text of {JOB}.Business_Title",
    "Location": f"text of {JOB}.Business_Site_Summary_Data.Name",
    "Country": f"text of {JOB}.Business_Site_Summary_Data.Address_Data.Country_Reference@Descriptor",
    "Worker_Type": f"text of {JOB}.Worker_Type_Reference@Descriptor",
    "Status": "Terminated",
    "Hire_Date": "2020-01-05",
    "Last_Day": "2020-01-05",
    "Termination_Reason": "text of Worker_Data.Employment_Data.Worker_Status_Data"
    ".Primary_Termination_Category_Reference@Descriptor",
}


def test_the_answer_is_the_wsdls_and_large():
    assert len(list(valid(whole()).iter())) > 500


def test_every_element_lands_in_its_column():
    person = app().read().iloc[0]

    said = connected(VALUES, "workday").rules.fields.values()
    assert {name: person[name] for name in said if name in EXPECTED} == {n: EXPECTED[n] for n in said if n in EXPECTED}
    assert set(said) - set(EXPECTED) == {"Home_Email"} and pd.isna(person["Home_Email"])


def test_any_element_can_be_a_column():
    paths = {
        each.getroottree().getpath(each) for each in changed(lambda worker: None).find(".//wd:Worker", NAMES).iter()
    }
    assert len(paths) > 400
    texts = [each for each in whole().find(".//wd:Worker", NAMES).iter() if (each.text or "").startswith("text of ")]
    own = {f"Own_{n}": relative(each) for n, each in enumerate(texts)}
    source = app(columns=own)
    source.fields = [*source.fields, *own]

    person = source.read().iloc[0]

    assert [person[name] for name in own] == [each.text for each in texts]


def relative(element: etree._Element) -> str:
    """The XPath of an element below its worker."""
    way: list[str] = []
    here: Any = element
    while etree.QName(here).localname != "Worker":
        way.append(f"wd:{etree.QName(here).localname}")
        here = here.getparent()
    return "/".join(reversed(way))


def test_parts_that_may_be_left_out_may_be_empty():
    def bare(worker: etree._Element) -> None:
        for part in ("Personal_Data", "Employment_Data", "Organization_Data"):
            for child in list(worker.find(f"wd:Worker_Data/wd:{part}", NAMES)):
                child.getparent().remove(child)

    person = app(valid(changed(bare))).read().iloc[0]
    assert person["WID"] == WID and person.drop(["WID", "Worker_ID"]).isna().all()


def test_what_nobody_described_is_passed_over():
    def strange(worker: etree._Element) -> None:
        for each in [each for each in worker.iter() if len(each)]:
            etree.SubElement(each, f"{{{WD}}}Since_Tomorrow").text = "x"

    pd.testing.assert_frame_equal(app(changed(strange)).read(), app().read())


def test_booleans_come_in_both_forms():
    def others(worker: etree._Element) -> None:
        for each in worker.iter():
            if each.text == "true":
                each.text = "1"

    assert app(changed(others)).read()["Status"].tolist() == ["Terminated"]


def test_a_leaver_without_a_position_is_no_hidden_organization():
    def left(worker: etree._Element) -> None:
        data = worker.find("wd:Worker_Data", NAMES)
        data.remove(data.find("wd:Organization_Data", NAMES))
        job = data.find("wd:Employment_Data/wd:Worker_Job_Data", NAMES)
        job.getparent().remove(job)

    frame = app(valid(changed(left))).read()
    assert frame["Status"].tolist() == ["Terminated"] and "Employment_Data" not in str(frame.attrs)
    assert frame.drop(columns=list(EXPECTED), errors="ignore").columns.tolist() == ["Home_Email"]


def test_who_works_without_a_shown_organization_is_held():
    def hidden(worker: etree._Element) -> None:
        data = worker.find("wd:Worker_Data", NAMES)
        data.remove(data.find("wd:Organization_Data", NAMES))
        for each in worker.iter(f"{{{WD}}}Terminated"):
            each.text = "false"

    with pytest.raises(Refused, match="does not show Organization_Data"):
        app(valid(changed(hidden))).read()


def test_nobody_else_is_taken_for_the_one_asked_for():
    for ask in (lambda: app().read_one("c" * 32), lambda: app().write_work_email("c" * 32, "ana@mill.example")):
        with pytest.raises(Mismatch, match="nobody asked for"):
            ask()


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("SOAP-ENV:Client.validationError", "Validation error occurred.", Refused),
        (
            "SOAP-ENV:Server.processingFault",
            "Processing error occurred. The task submitted is not authorized.",
            Refused,
        ),
        ("SOAP-ENV:Server.processingFault", "Processing error occurred.", Retryable),
    ],
)
def test_a_fault_of_500_is_sent_again_only_where_that_helps(code, words, kind):
    source, sent = app(), []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500, content=twin.fault(code.partition(":")[2], words).body)

    source.soap.http.client = httpx.Client(transport=httpx.MockTransport(handle))
    with pytest.raises(kind):
        source.moment()
    assert (len(sent) == 1) is (kind is Refused)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(turn=st.integers(0, 10_000), wrong=st.sampled_from(["", "x", "-1", "9" * 40, "2026-13-45", None]))
def test_a_wrong_text_or_nothing_anywhere_is_an_error_of_ours_or_no_more_than_a_cell(turn, wrong):
    spoiled = copy.deepcopy(whole())
    every = list(spoiled.iter())[1:]
    chosen = every[turn % len(every)]
    if wrong is None:
        chosen.getparent().remove(chosen)
    else:
        chosen.text = wrong
    source = app(spoiled)
    for ask in (
        source.read,
        source.check,
        lambda: source.read_one(WID),
        lambda: source.changed_since(datetime(2026, 1, 1, tzinfo=UTC)),
        lambda: source.write_work_email(WID, "ana@mill.example", EXPECTED["Work_Email"]),
    ):
        with suppress(ConnectorError):
            ask()
