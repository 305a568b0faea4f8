"""What of a worker becomes a column: XPaths below `wd:Worker` (WSDL v26.1), and a row made by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from lxml import etree
from lxml.etree import _Element as Element

from connectors.hr.workday_soap import NAMES

PERSONAL, WORK = "wd:Worker_Data/wd:Personal_Data", "wd:Worker_Data/wd:Employment_Data"
NAME, STATUS = f"{PERSONAL}/wd:Name_Data", f"{WORK}/wd:Worker_Status_Data"
YES = "(.='1' or .='true')"
JOB = f"{WORK}/wd:Worker_Job_Data[not(@wd:Primary_Job[.='0' or .='false'])][1]/wd:Position_Data"
POSITION = f"{WORK}/wd:Worker_Job_Data/wd:Position_Data"
ORGANIZATIONS = "wd:Worker_Data/wd:Organization_Data"
LEFT = f"{STATUS}[wd:Terminated[{YES}]]"
ON_LEAVE = f"{STATUS}[wd:Leave_Status_Data/wd:On_Leave[{YES}]]"
SECTIONS = {
    "Personal_Data": "Worker Data: Public Worker Reports, Person Data: Name",
    "Employment_Data": "Worker Data: Current Staffing Information",
    "Organization_Data": "Worker Data: Organization Information",
}
"""Part of a worker -> the security domains that show it. The second is of the WSDL, the others unverified."""


def email(usage: str) -> tuple[str, ...]:
    """The primary address of a usage, else any of it."""
    of = f"wd:Type_Reference/wd:ID='{usage}'"
    begin = f"{PERSONAL}/wd:Contact_Data/wd:Email_Address_Data"
    primary = f"{begin}[wd:Usage_Data/wd:Type_Data[{of} and @wd:Primary[{YES}]]]/wd:Email_Address"
    return primary, f"{begin}[wd:Usage_Data/wd:Type_Data/{of}]/wd:Email_Address"


def organization(kind: str) -> tuple[str, ...]:
    """The name of the worker's organization of a type (Organization_Type_ID; its values are unverified)."""
    data = "wd:Worker_Organization_Data/wd:Organization_Data"
    return (f"{ORGANIZATIONS}/{data}[wd:Organization_Type_Reference/wd:ID='{kind}']/wd:Organization_Name",)


def preferred(part: str) -> tuple[str, ...]:
    """A part of the preferred name where it differs: Workday fills it with the legal one."""
    legal, own = (f"wd:{kind}_Name_Data/wd:Name_Detail_Data/wd:{part}" for kind in ("Legal", "Preferred"))
    return (f"{NAME}[string({own}) != string({legal})]/{own}",)


COLUMNS: dict[str, tuple[str, ...]] = {
    "WID": ("wd:Worker_Reference/wd:ID[@wd:type='WID']",),
    "Worker_ID": ("wd:Worker_Data/wd:Worker_ID",),
    "User_ID": ("wd:Worker_Data/wd:User_ID",),
    "First_Name": (f"{NAME}/wd:Legal_Name_Data/wd:Name_Detail_Data/wd:First_Name",),
    "Last_Name": (f"{NAME}/wd:Legal_Name_Data/wd:Name_Detail_Data/wd:Last_Name",),
    "Preferred_First_Name": preferred("First_Name"),
    "Preferred_Last_Name": preferred("Last_Name"),
    "Work_Email": email("WORK"),
    "Home_Email": email("HOME"),
    "Department": organization("SUPERVISORY"),
    "Cost_Center": organization("COST_CENTER"),
    "Company": organization("COMPANY"),
    "Title": (f"{JOB}/wd:Business_Title", f"{JOB}/wd:Position_Title"),
    "Location": (f"{JOB}/wd:Business_Site_Summary_Data/wd:Name",),
    "Country": (f"{JOB}/wd:Business_Site_Summary_Data/wd:Address_Data/wd:Country_Reference/@wd:Descriptor",),
    "Manager_WID": (f"{JOB}/wd:Manager_as_of_last_detected_manager_change_Reference/wd:ID[@wd:type='WID']",),
    "Worker_Kind": ("substring-before(wd:Worker_Reference/wd:ID[@wd:type!='WID'][1]/@wd:type, '_ID')",),
    "Worker_Type": (f"{JOB}/wd:Worker_Type_Reference/@wd:Descriptor", f"{JOB}/wd:Worker_Type_Reference/wd:ID[1]"),
    "Status": (
        f"substring('Terminated', 1, 10 * number(boolean({LEFT})))",
        f"substring('On Leave', 1, 8 * number(boolean({ON_LEAVE})))",
        f"substring('Active', 1, 6 * number(boolean({STATUS}/wd:Active[{YES}])))",
        f"substring('Inactive', 1, 8 * number(boolean({STATUS})))",
    ),
    "Hire_Date": (f"{STATUS}/wd:Hire_Date",),
    "Original_Hire_Date": (f"{STATUS}/wd:Original_Hire_Date",),
    "Last_Day": (
        f"{LEFT}/wd:Termination_Last_Day_of_Work",
        f"{LEFT}/wd:Termination_Date",
        f"{WORK}/wd:Worker_Contract_Data/wd:Contract_End_Date",
    ),
    "Termination_Reason": (f"{LEFT}/wd:Primary_Termination_Category_Reference/@wd:Descriptor",),
}
"""Column -> XPaths, of which the first that finds a text counts."""
LEAVING = ("Last_Day", "Termination_Reason")
"""Columns that an announced end has, while the others are still those of today."""
DAY = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)")


class Reader:
    """Reads the chosen columns, and the company's own ones, out of workers."""

    def __init__(self, names: list[str], own: Mapping[str, tuple[str, ...]]) -> None:
        paths = COLUMNS | dict(own)
        wanted = dict.fromkeys([*names, "WID", "Status", "Hire_Date", *LEAVING])
        self.finds = {name: [compiled(path) for path in paths[name]] for name in wanted}

    def row(self, worker: Element) -> dict[str, str]:
        """The texts found, as they are; dates without their offset, empty where there is nothing."""
        return {
            name: next(filter(None, (words(find(worker)) for find in ways)), "") for name, ways in self.finds.items()
        }


@cache
def compiled(path: str) -> Any:
    """An XPath, made ready once. ValueError where it is none."""
    try:
        return etree.XPath(path, namespaces=NAMES)
    except etree.XPathError as error:
        raise ValueError(f"{path!r} is no XPath: {error}") from None


def words(found: Any) -> str:
    """The first text that an XPath finds. A date's offset says where it was entered: the day is the one written."""
    first = (found[0] if found else "") if isinstance(found, list) else found
    text = (first.text or "") if isinstance(first, etree._Element) else str(first)
    day = DAY.fullmatch(text.strip())
    return day[1] if day else text.strip()


def lacking(worker: Element) -> list[str]:
    """Parts of a worker that Workday left out: what may not be seen is absent, not empty. Who has no position, as after
    the end, is in no organization: that is none hidden, and would hold leavers."""
    data, position = worker.find("wd:Worker_Data", NAMES), worker.find(POSITION, NAMES)
    gone = [part for part in SECTIONS if data is None or data.find(f"wd:{part}", NAMES) is None]
    placed = position is not None and not compiled(LEFT)(worker)
    return [part for part in gone if part != "Organization_Data" or placed or "Employment_Data" in gone]
