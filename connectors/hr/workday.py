"""Workday by SOAP: `Get_Workers` and `Maintain_Contact_Information` (Human_Resources WSDL v26.1).

Everybody comes twice, at one entry moment: as of today, and as of a day ahead for those with an entry that takes effect
until then. From the second look come only future hires, rehires and announced ends: a move waits for its day.

Least permission: an integration system user of its own; Get on Worker Data: Public Worker Reports, Current Staffing
Information, Organization Information, Person Data: Name, Work Contact Information; for write-back Put on Work Contact
Information and a business process `Contact Change` that needs no approval. (Names of domains are unverified but for
Current Staffing Information, which the WSDL names.)
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from lxml.etree import _Element as Element
from pydantic import Field, SecretStr, field_validator

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused
from connectors.hr.batches import frame_of, hidden_of_all, laid_over, table_of, unseen
from connectors.hr.kept import Kept, reading
from connectors.hr.paging import List, Page, whole
from connectors.hr.workday_columns import COLUMNS, LEAVING, SECTIONS, Reader, compiled, lacking
from connectors.hr.workday_email import Emails
from connectors.hr.workday_soap import NAMES, Soap, WorkdayHttp
from connectors.hr.write_back import Entry
from connectors.http import client
from connectors.surroundings import Surroundings
from mappings.feed import UNREADABLE, columns_of
from mappings.vocabulary import HrSource
from mappings.words import OneOrMore, Words

MOST_PER_PAGE = 999
"""The maximum of Response_Filter's Count."""
WORKERS = ".//wd:Response_Data/wd:Worker"
Cells = dict[str, str | None]
AT_ONCE = 100
"""People asked for by id in one call."""
NOBODY = "is not a valid ID value"
"""What Workday says where there is nobody with an id (unverified)."""


class Options(Words):
    """The words under `options` of a source with `connector: workday`."""

    url: str
    """`https://<host>/ccx/service/<tenant>/Human_Resources/v42.0`; the version in it is the one spoken."""
    user: str
    """`<integration system user>@<tenant>`."""
    password: SecretStr
    wsdl: str = ""
    """Where the WSDL is; left out: at the url with `?wsdl`."""
    columns: dict[str, OneOrMore] = Field(default_factory=dict)
    """The company's own columns: name -> XPath below wd:Worker, or several, of which the first with a text counts."""
    ahead_days: int = Field(default=60, ge=0, le=366)
    """How many days ahead future hires and announced ends are looked for."""
    page_size: int = Field(default=MOST_PER_PAGE, ge=1, le=MOST_PER_PAGE)
    parallel: int = Field(default=4, ge=1, le=16)
    """Pages asked for at the same time."""

    @field_validator("columns")
    @classmethod
    def columns_are_paths(cls, columns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for path in (path for paths in columns.values() for path in paths):
            compiled(path)
        return columns


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> Workday:
    """The source that these rules declare; nothing is called yet."""
    if rules.fields["employee_id"] != "WID":
        why = f"employee_id is {rules.fields['employee_id']!r}; it must be 'WID': numbers change, and an employee and a"
        raise Refused(name, f"hr/{name}.yaml", f"{why} contingent worker may have the same one")
    known = COLUMNS | options.columns
    if strange := [column for column in columns_of(rules).values() if column not in known]:
        why = f"no column {', '.join(strange)}; known are {', '.join(known)}"
        raise Refused(name, f"hr/{name}.yaml", why, "Mend the name, or say its XPath under options.columns.")
    http = WorkdayHttp(name, client(options.url), around, "options.url")
    wsdl = options.wsdl or f"{options.url.rstrip('/')}?wsdl"
    soap = Soap(http, options.url, wsdl, options.user, options.password.get_secret_value())
    return Workday(name, rules, options, soap, around.notes)


class View(NamedTuple):
    """What is asked of Get_Workers: when it was entered, as of which day, about whom."""

    entered: str
    on: date | None = None
    """None: Workday's own today."""
    ids: tuple[str, ...] = ()
    changed: tuple[dict[str, str], ...] = ()
    """Only people with transactions in one of these ranges."""


class Workday:
    """One tenant; keeps Source, Changes and WriteBack."""

    pace = timedelta(minutes=10)
    """Two short lists each time; Workday publishes no number."""

    def __init__(self, name: str, rules: HrSource, options: Options, soap: Soap, keep: Path | None = None) -> None:
        self.name, self.rules, self.options, self.soap, self.keep = name, rules, options, soap, keep
        self.fields = list(dict.fromkeys(columns_of(rules).values()))

    @cached_property
    def reader(self) -> Reader:
        """Of the mapped columns."""
        return Reader(self.fields, self.options.columns)

    def check(self) -> str:
        """2 calls and the WSDL."""
        root = self.page(View(self.moment()), 1, 1, "read one person")
        for worker in root.iterfind(WORKERS, NAMES):
            self.refuse_hidden(lacking(worker))
        total = root.findtext(".//wd:Response_Results/wd:Total_Results", "0", NAMES)
        return f"Workday {self.soap.version}: {total} people, employees and contingent workers"

    def read(self) -> pd.DataFrame:
        """1 call, and 1 for each 999 people, and those with something ahead; Retryable where pages are missing."""
        question = json.dumps(
            [self.rules.fields, self.options.model_dump(mode="json", exclude={"password", "parallel"})]
        )
        with reading(self.keep, question) as kept:
            now = kept.moment or kept.begin(self.moment())
            future = (
                {"Effective_From": f"{yesterday(now)}T00:00:00Z", "Effective_Through": f"{self.ahead(now)}T23:59:59Z"},
            )
            return self.frame(self.joined(View(now), View(now, self.ahead(now), changed=future), kept))

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """3 calls."""
        return self.frame(self.people((employee_id,), self.moment()))

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """At least 3 calls; people with an entry made, or taking effect, since then: asked for one after the other, as
        the WSDL does not say whether two ranges in one call are both to be met."""
        now = self.moment()
        from_ = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        ranges = ({"Updated_From": from_, "Updated_Through": now}, {"Effective_From": from_, "Effective_Through": now})
        tables = [table for one in ranges for table in self.tables(View(now, self.ahead(now), changed=(one,)))]
        found = dict.fromkeys(str(each) for table in tables for each in table["WID"].to_pylist())
        return self.frame(self.people(tuple(found), now))

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """2 to 4 calls. No other address of the person is lost."""
        entry = Entry(self.name, "Workday", employee_id, address, instead_of)
        entry.require_allowed(self.rules)
        held = self.emails(employee_id, entry.doing)
        if entry.stands(held.work):
            return Outcome.ALREADY
        wanted, today = held.having(address), date.fromisoformat(self.moment()[:10])
        said = wanted.request(employee_id, today, held, self.soap.keeps_others())
        self.soap.call("Maintain_Contact_Information", entry.doing, reads=False, **said)
        shown = self.emails(employee_id, entry.doing)
        entry.require_shown(shown.work)
        if shown != wanted:
            raise Mismatch(self.name, entry.doing, f"Workday accepted {address} and lost or changed other addresses")
        return Outcome.DONE

    def emails(self, employee_id: str, doing: str) -> Emails:
        """All addresses of a person. Refused where there is no such person, or contact data may not be seen."""
        workers = self.workers(View(self.moment(), ids=(employee_id,)), doing)
        if not workers:
            raise Refused(self.name, doing, "Workday has nobody with this id", status=404)
        if "Personal_Data" in lacking(workers[0]):
            self.refuse_hidden(["Personal_Data"])
        return Emails.of(workers[0])

    # what is asked

    def moment(self) -> str:
        """Workday's own clock: an entry moment must not be in its future, and stays the same over all pages."""
        found = self.soap.call("Get_Server_Timestamp", "ask for the time").findtext(
            "wd:Server_Timestamp_Data", "", NAMES
        )
        try:
            return f"{datetime.fromisoformat(found).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        except ValueError:
            raise Refused(self.name, "ask for the time", f"Workday answered {found!r}", "Check options.url.") from None

    def ahead(self, now: str) -> date:
        return date.fromisoformat(now[:10]) + timedelta(days=self.options.ahead_days)

    def people(self, ids: tuple[str, ...], now: str) -> pa.Table:
        """These people, as of `read`."""
        groups = [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
        found = [self.joined(View(now, ids=some), View(now, self.ahead(now), some)) for some in groups]
        return pa.concat_tables(found or [self.table([])])

    def workers(self, view: View, doing: str) -> list[Element]:
        """A few workers, asked for by id; none where Workday says that there is no such id."""
        try:
            root = self.page(view, 1, AT_ONCE, doing)
        except Refused as error:
            if view.ids and NOBODY in error.why:
                return []
            raise
        found = list(root.iterfind(WORKERS, NAMES))
        if strange := {wid(worker) for worker in found} - set(view.ids):
            raise Mismatch(self.name, doing, f"Workday answered with people nobody asked for ({len(strange)})")
        return found

    def tables(self, view: View, kept: Kept | None = None) -> list[pa.Table]:
        """All workers of a view, page by page; nobody where Workday says that there is no such id. Refused where a part
        is hidden of everybody, for hidden is not empty."""
        doing = f"read people as of {view.on or 'today'}"
        if view.ids:
            found = [self.table(self.workers(view, doing))]
        else:
            what = List(self.name, doing, "WID", partial(self.asked, view, doing), self.options.parallel)
            found = whole(what._replace(sleep=self.soap.http.sleep), kept or Kept(None, ""))
        self.refuse_hidden(hidden_of_all(found))
        return found

    def asked(self, view: View, doing: str, number: int) -> Page:
        root = self.page(view, number, self.options.page_size, doing)
        results = root.find(".//wd:Response_Results", NAMES)
        total, last = (self.number(results, name, doing) for name in ("Total_Results", "Total_Pages"))
        return Page(self.table(list(root.iterfind(WORKERS, NAMES))), total, last)

    def page(self, view: View, number: int, size: int, doing: str) -> Element:
        filters: dict[str, Any] = {"As_Of_Entry_DateTime": view.entered, "Page": number, "Count": size}
        said: dict[str, Any] = {"Response_Filter": filters | ({"As_Of_Effective_Date": view.on} if view.on else {})}
        if view.ids:
            ids = [{"ID": [{"_value_1": each, "type": "WID"}]} for each in view.ids]
            said["Request_References"] = {"Worker_Reference": ids, "Skip_Non_Existing_Instances": True}
        if view.changed:
            ranges = [{"Transaction_Date_Range_Data": each} for each in view.changed]
            said["Request_Criteria"] = {"Transaction_Log_Criteria_Data": ranges}
        return self.soap.call("Get_Workers", doing, Response_Group=SHOWN, **said)

    def number(self, results: Element | None, name: str, doing: str) -> int:
        text = results.findtext(f"wd:{name}", "", NAMES) if results is not None else ""
        if not text.isdigit():
            raise Refused(self.name, doing, f"the answer states no {name}", "Check options.url.")
        return int(text)

    # what becomes of it

    def joined(self, today: View, ahead: View, kept: Kept | None = None) -> pa.Table:
        """Today's people, with future hires, rehires and announced ends out of the look ahead."""
        now = pa.concat_tables(self.tables(today, kept))
        later = pa.concat_tables(self.tables(ahead, kept))
        held = now.filter(pc.is_in(now["WID"], value_set=later["WID"].combine_chunks()))
        known = {row["WID"]: row for row in held.to_pylist()}
        news = [news for row in later.to_pylist() if (news := ahead_of(known.get(row["WID"]), row))]
        return pa.concat_tables(laid_over([now], "WID", pa.Table.from_pylist(news, now.schema)))

    def table(self, workers: list[Element]) -> pa.Table:
        """Workers as columns of text; what is hidden of one is named in UNREADABLE."""
        columns = list(self.reader.finds)
        return table_of([*columns, UNREADABLE], [self.cells(worker, columns) for worker in workers])

    def cells(self, worker: Element, columns: list[str]) -> list[str | None]:
        """A worker's texts; the element gives up its memory, for a page of them is large."""
        row, gap = self.reader.row(worker), unseen(lacking(worker))
        worker.clear()
        return [*(row[name] or None for name in columns), gap]

    def refuse_hidden(self, hidden: list[str]) -> None:
        if hidden:
            domains = "; ".join(SECTIONS[part] for part in SECTIONS if part in hidden)
            todo = f"Give the user's security group Get on {domains}, and activate the pending changes."
            raise Refused(self.name, "read people", f"Workday does not show {', '.join(hidden)}", todo, 403)

    def frame(self, people: pa.Table) -> pd.DataFrame:
        """The mapped columns."""
        return frame_of([people.select([*self.fields, UNREADABLE])], "Workday")


def wid(worker: Element) -> str:
    """The id that never changes."""
    return str(worker.findtext("wd:Worker_Reference/wd:ID[@wd:type='WID']", "", NAMES))


def yesterday(now: str) -> date:
    """The day before: an effective date is one of Workday's own zone, where that of `now` may not have begun."""
    return date.fromisoformat(now[:10]) - timedelta(days=1)


def ahead_of(now: Cells | None, later: Cells) -> Cells | None:
    """What of the look ahead counts today: all of a future hire or rehire, of others an announced end. Who begins and
    ends before that day is not terminated yet."""
    if now is None or (now["Status"] == "Terminated" and (later["Hire_Date"] or "") > (now["Last_Day"] or "")):
        return later | {"Status": None} if later["Status"] == "Terminated" else later
    if now["Status"] != "Terminated" and later["Status"] == "Terminated":
        return now | {name: later[name] for name in LEAVING}
    return None


SHOWN = {
    "Include_Reference": True,
    "Include_Personal_Information": True,
    "Include_Employment_Information": True,
    "Include_Organizations": True,
    "Exclude_Organization_Support_Role_Data": True,
    "Exclude_Location_Hierarchies": True,
    "Exclude_Cost_Center_Hierarchies": True,
    "Exclude_Company_Hierarchies": True,
    "Exclude_Matrix_Organizations": True,
    "Exclude_Pay_Groups": True,
    "Exclude_Regions": True,
    "Exclude_Region_Hierarchies": True,
}
"""The Response_Group: only what can become a column."""
