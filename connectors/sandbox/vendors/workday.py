"""Workday's Human_Resources service and one RaaS report, after WSDL v26.1 and a recorded fault; the rest is unverified.

Below the prefix the paths are those of https://{host}/ccx. Whoever works in HR is stood in for by
`PUT /screen/{number}` (not Workday's): a JSON object of fields and the `effective` day from which they hold.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

from connectors.sandbox import company
from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.vendors.workday_report import entry
from connectors.sandbox.vendors.workday_worker import number, tag, text, wid, worker
from connectors.sandbox.vendors.workday_wsdl import WD, wsdl
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

USER, PASSWORD = "ISU_Rollcall@juniperfinch", "workday-password-of-the-sandbox"
SERVICE = "/service/juniperfinch/Human_Resources/v26.1"
REPORT = "/service/customreport2/juniperfinch/ISU_Rollcall/Rollcall_Workers"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
NAMES = {"wd": WD}
MOST, DEFAULT = 999, 100
PARTS = frozenset({"Personal_Data", "Employment_Data", "Organization_Data"})
BEGINNING = "2000-01-01T00:00:00+00:00"


class Workday(Twin):
    """Workers as versions, each with the day it takes effect and the moment it was entered."""

    quotas = (Limit(50),)  # Workday publishes no number
    settable = {"hides": (*sorted(PARTS), "")}
    hides = ""
    """The part of a worker that the user's domains do not show."""
    last_list: tuple[Any, list[str]] = ((), [])

    def make_tables(self) -> dict[str, Table]:
        return {"versions": Table("versions", {"worker": Index(lambda row: str(row["id"]))})}

    def make_routes(self) -> Sequence[Route]:
        return (
            route(SERVICE, get=self.document, post=self.operation),
            route(REPORT, get=self.report),
            route("/screen/{number}", put=self.enter),
        )

    def seed(self) -> None:
        for fields in company.population():
            row = {name: value for name, value in fields.items() if name not in ("workEmail", "terminationDate")}
            work = {"kind": "WORK", "primary": True, "public": True}
            row["emails"] = [{"address": fields["workEmail"], "usages": [work]}]
            end, key = fields.get("terminationDate"), str(fields["id"])
            contract = {"contractEnd": end} if end and fields["customWorkerType"] == "Contractor" else {}
            self.put(key, row["hireDate"], BEGINNING, row | contract)
            if end and not contract:
                self.put(key, end, BEGINNING, {"terminated": True, "terminationDate": end, "why": "Voluntary"})

    def put(self, key: str, effective: str, entered: str, fields: Row) -> None:
        versions = self.store["versions"]
        row = {"id": key, "effective": effective, "entered": entered, "fields": fields}
        versions.put(str(versions.next_number()), row)

    def enter(self, call: Call) -> Answer:
        """What somebody in HR types in."""
        asked = call.json()
        effective = asked.pop("effective")
        self.put(call.params["number"], effective, self.now(call).isoformat(), asked)
        return json_answer(200, {"WID": wid(call.params["number"])})

    # as of

    def now(self, call: Call) -> datetime:
        """The moment by the company's calendar."""
        clock = datetime.now(UTC)
        return datetime.combine(call.today, clock.time(), UTC)

    def state_of(self, key: str, on: date, entered: datetime) -> Row | None:
        """A worker as of a day, as it was known at a moment; None before the first version holds."""
        held = [v for v in self.store["versions"].by("worker", key) if datetime.fromisoformat(v["entered"]) <= entered]
        held = sorted(
            (v for v in held if v["effective"] <= on.isoformat()), key=lambda v: (v["effective"], v["entered"])
        )
        row: Row = {}
        for version in held:
            row |= version["fields"]
        return row | {"id": key} if held else None

    def keys(self) -> list[str]:
        return list(dict.fromkeys(row["id"] for row in self.store["versions"].rows.values()))

    def state(self) -> dict[str, list[Row]]:
        now = datetime.now(UTC) + timedelta(days=36500)
        found = [self.state_of(key, self.clock.today() + timedelta(days=3650), now) for key in self.keys()]
        return super().state() | {"workers": [row for row in found if row]}

    # SOAP

    def authorise(self, call: Call) -> None:
        """WS-Security for SOAP, Basic for reports; the WSDL and the screen are open."""
        if call.path == REPORT:
            _, _, value = call.header(b"authorization").partition(" ")
            if b64decode(value) != f"{USER}:{PASSWORD}".encode():
                raise Rejection(json_answer(401, {"error": "invalid username or password"}))
        elif call.path == SERVICE and call.method == "POST":
            root = self.envelope(call)
            said = [root.findtext(f".//{WSSE}{name}") for name in ("Username", "Password")]
            if said != [USER, PASSWORD]:
                raise Rejection(fault("Client.authenticationError", "invalid username or password"))

    def envelope(self, call: Call) -> ET.Element:
        try:
            return ET.fromstring(call.body)
        except ET.ParseError as error:
            raise Rejection(fault("Client.validationError", f"The request is no XML: {error}")) from error

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        return fault("Server.processingFault", message, "Processing_Fault", status, headers)

    def document(self, call: Call) -> Answer:
        return Answer(200, wsdl(call.base + call.path), "text/xml")

    def operation(self, call: Call) -> Answer:
        body = self.envelope(call).find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
        asked = body[0] if body is not None and len(body) else ET.Element("nothing")
        known = {
            "Server_Timestamp_Get": self.timestamp,
            "Get_Workers_Request": self.get_workers,
            "Maintain_Contact_Information_for_Person_Event_Request": self.maintain,
        }
        handler = known.get(asked.tag.removeprefix(f"{{{WD}}}"))
        if not handler:
            raise Rejection(fault("Client.validationError", f"Invalid request element {asked.tag}"))
        return handler(call, asked)

    def timestamp(self, call: Call, asked: ET.Element) -> Answer:
        return soap(tag("Server_Timestamp", text("Server_Timestamp_Data", self.now(call).isoformat()), version="v26.1"))

    def get_workers(self, call: Call, asked: ET.Element) -> Answer:
        entered = self.entry_moment(call, asked)
        on = date.fromisoformat(said(asked, "As_Of_Effective_Date")[:10] or call.today.isoformat())
        size, page = int(said(asked, "Count") or DEFAULT), int(said(asked, "Page") or 1)
        if not 1 <= size <= MOST:
            raise invalid("Count must be between 1 and 999.", "/Response_Filter/Count")
        keys = self.listed(asked, on, entered)
        last = max(1, -(-len(keys) // size))
        if page > last:
            raise invalid(f"The page {page} is beyond the last one.", "/Response_Filter/Page")
        shown = [self.state_of(key, on, entered) for key in keys[(page - 1) * size : page * size]]
        counts = {"Total_Results": len(keys), "Total_Pages": last, "Page_Results": len(shown), "Page": page}
        results = tag("Response_Results", *(f"<wd:{name}>{value}</wd:{name}>" for name, value in counts.items()))
        data = tag("Response_Data", *(worker(row, on, PARTS - {self.hides}) for row in shown if row))
        return soap(tag("Get_Workers_Response", results, data, version="v26.1"))

    def entry_moment(self, call: Call, asked: ET.Element) -> datetime:
        moment = said(asked, "As_Of_Entry_DateTime")
        entered = datetime.fromisoformat(moment) if moment else self.now(call)
        if entered > self.now(call):
            raise invalid("The entry moment must not be in the future.", "/Response_Filter/As_Of_Entry_DateTime")
        return entered + timedelta(seconds=1)  # requests have whole seconds

    def listed(self, asked: ET.Element, on: date, entered: datetime) -> list[str]:
        """The workers of all pages of an answer, found once for all its pages."""
        criteria = b"".join(ET.tostring(each) for each in asked if each.tag != f"{{{WD}}}Response_Filter")
        what = (self.store["versions"].last_number, on, entered, criteria)
        if what != self.last_list[0]:
            begun = {
                v["id"]
                for v in self.store["versions"].rows.values()
                if v["effective"] <= on.isoformat() and datetime.fromisoformat(v["entered"]) <= entered
            }
            self.last_list = what, [key for key in self.asked_for(asked, entered) if key in begun]
        return self.last_list[1]

    def asked_for(self, asked: ET.Element, entered: datetime) -> list[str]:
        """The workers named, those with transactions in the ranges, or all."""
        named = asked.find("wd:Request_References", NAMES)
        if named is not None:
            ids = [each.text or "" for each in named.iterfind("wd:Worker_Reference/wd:ID", NAMES)]
            skip = named.get(f"{{{WD}}}Skip_Non_Existing_Instances") in ("1", "true")
            return [key for each in ids if (key := self.key_of(each, skip))]
        ranges = list(asked.iterfind(".//wd:Transaction_Date_Range_Data", NAMES))
        held = [v for v in self.store["versions"].rows.values() if datetime.fromisoformat(v["entered"]) <= entered]
        hit = {v["id"] for v in held if any(within(v, each) for each in ranges)}
        return [key for key in self.keys() if not ranges or key in hit]

    def key_of(self, id: str, skip: bool = False) -> str:
        try:
            key = number(id)
        except ValueError:
            key = ""
        if key not in self.keys():
            if skip:
                return ""
            raise invalid(f"Invalid ID value. '{id}' is not a valid ID value for type = 'WID'", "/Worker_Reference/ID")
        return key

    def maintain(self, call: Call, asked: ET.Element) -> Answer:
        """Replaces all addresses of e-mail by those submitted, unless Add_Only is set."""
        data = asked.find("wd:Maintain_Contact_Information_Data", NAMES)
        if data is None:
            raise invalid("Maintain_Contact_Information_Data is required.", "/")
        key = self.key_of(said(data, "Worker_Reference/wd:ID"))
        sent = [address_of(each) for each in data.iterfind(".//wd:Email_Address_Data", NAMES)]
        if any("@" not in each["address"] for each in sent):
            raise invalid("Email addresses must be in the format of 'xxx@yy.com'.", "/Email_Address_Data/Email_Address")
        now = self.now(call)
        before = (self.state_of(key, date.max, now + timedelta(seconds=1)) or {}).get("emails", [])
        add = asked.get(f"{{{WD}}}Add_Only") in ("1", "true")
        effective = said(data, "Effective_Date")[:10] or call.today.isoformat()
        versions = call["versions"]
        row = {"id": key, "effective": effective, "entered": now.isoformat()}
        versions.put(str(versions.next_number()), row | {"fields": {"emails": [*before, *sent] if add else sent}})
        return soap(tag("Maintain_Contact_Information_for_Person_Event_Response", version="v26.1"))

    def report(self, call: Call) -> Answer:
        """Everybody, leavers and future hires of the next 60 days too, under the report's aliases."""
        far, now = self.clock.today() + timedelta(days=60), self.now(call) + timedelta(seconds=1)
        rows = [(self.state_of(key, call.today, now), self.state_of(key, far, now)) for key in self.keys()]
        return json_answer(200, {"Report_Entry": [entry(today or later, later) for today, later in rows if later]})


def said(parent: ET.Element, path: str) -> str:
    return parent.findtext(f".//wd:{path}", "", NAMES)


def within(version: Row, range_: ET.Element) -> bool:
    """Whether a version was entered, and takes effect, in a range."""
    entered = datetime.fromisoformat(version["entered"]).timestamp()
    effective = datetime.fromisoformat(version["effective"]).replace(tzinfo=UTC).timestamp()
    bounds: list[tuple[str, Any]] = [("Updated", entered), ("Effective", effective)]
    for name, at in bounds:
        low, high = said(range_, f"{name}_From"), said(range_, f"{name}_Through")
        if (low and at < stamp(low)) or (high and at > stamp(high) + 1):
            return False
    return True


def stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def address_of(data: ET.Element) -> Row:
    uses = [
        {
            "kind": kind.findtext("wd:Type_Reference/wd:ID", "", NAMES),
            "primary": kind.get(f"{{{WD}}}Primary") in ("1", "true"),
            "public": use.get(f"{{{WD}}}Public") in ("1", "true"),
        }
        for use in data.iterfind("wd:Usage_Data", NAMES)
        for kind in use.iterfind("wd:Type_Data", NAMES)
    ]
    return {"address": data.findtext("wd:Email_Address", "", NAMES), "usages": uses}


def soap(body: str) -> Answer:
    """An answer in its envelope."""
    head = f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wd="{WD}">'
    whole = f"<?xml version='1.0' encoding='UTF-8'?>{head}<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    return Answer(200, whole.encode(), "text/xml")


def fault(
    code: str,
    words: str,
    kind: str = "Validation_Fault",
    status: int = 500,
    headers: tuple[tuple[str, str], ...] = (),
    xpath: str = "",
) -> Answer:
    inner = (
        tag("Validation_Error", text("Message", words), text("Detail_Message", words), text("Xpath", xpath))
        if kind == "Validation_Fault"
        else text("Detail_Message", words)
    )
    said = f"<faultcode>SOAP-ENV:{code}</faultcode><faultstring>{words}</faultstring>"
    body = f"<SOAP-ENV:Fault>{said}<detail>{tag(kind, inner)}</detail></SOAP-ENV:Fault>"
    return soap(body)._replace(status=status, headers=headers)


def invalid(words: str, xpath: str) -> Rejection:
    return Rejection(fault("Client.validationError", words, xpath=xpath))


TWIN = Workday


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "WORKDAY_URL": f"{root}{SERVICE}",
        "WORKDAY_REPORT_URL": f"{root}{REPORT}",
        "WORKDAY_USER": USER,
        "WORKDAY_PASSWORD": PASSWORD,
    }
