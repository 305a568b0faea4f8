"""The e-mail addresses that Workday holds of a person, and the request that changes one without losing others.

WSDL v26.1, Maintain_Contact_Information: what is submitted replaces all entries of the same type, unless Add_Only is
set, which changes none. Do_Not_Replace_All is there for postal addresses; later versions have it for e-mail too
(unverified).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lxml.etree import _Element as Element

from connectors.hr.workday_soap import NAMES, WD

WORK = "WORK"
YES = ("1", "true")


@dataclass(frozen=True, order=True)
class Usage:
    """What an address is for."""

    kind: str
    """Communication_Usage_Type_ID: WORK, HOME (its values are unverified)."""
    primary: bool
    public: bool


@dataclass(frozen=True)
class Emails:
    """Every address with its usages."""

    held: frozenset[tuple[str, tuple[Usage, ...]]]

    @classmethod
    def of(cls, worker: Element) -> Emails:
        """As a worker's contact data show them."""
        path = "wd:Worker_Data/wd:Personal_Data/wd:Contact_Data/wd:Email_Address_Data"
        found = worker.iterfind(path, NAMES)
        return cls(
            frozenset((each.findtext("wd:Email_Address", "", NAMES), tuple(sorted(usages(each)))) for each in found)
        )

    @property
    def work(self) -> str:
        """The primary work address, else any work address, else nothing."""
        by_rank = sorted((not usage.primary, text) for text, uses in self.held for usage in uses if usage.kind == WORK)
        return by_rank[0][1] if by_rank else ""

    def having(self, address: str) -> Emails:
        """These with that one as the primary work address, in the place of the one there was."""
        mine = {usage for text, uses in self.held if text == self.work for usage in uses if usage.kind == WORK}
        others = frozenset(pair for pair in self.held if pair[0] != self.work) if self.work else self.held
        kept = [replace(usage, primary=True) for usage in mine] or [Usage(WORK, True, True)]
        return Emails(others | {(address, tuple(sorted(kept)))})

    def request(self, person: str, on: date, before: Emails, keeps: bool) -> dict[str, Any]:
        """The words of Maintain_Contact_Information that lead from `before` to these; `keeps`: whether addresses take
        Do_Not_Replace_All. Where they do not, an address is added, or all are submitted again."""
        new = self.held - before.held
        add = not keeps and not before.work
        chosen = new if keeps or add else self.held
        extra = {"Do_Not_Replace_All": True} if keeps else {}
        emails = [submitted(text, uses) | extra for text, uses in sorted(chosen, key=str)]
        data = {
            "Worker_Reference": {"ID": [{"_value_1": person, "type": "WID"}]},
            "Effective_Date": on,
            "Worker_Contact_Information_Data": {"Email_Address_Data": emails},
        }
        process = {"Auto_Complete": True, "Run_Now": True}
        said = {"Business_Process_Parameters": process, "Maintain_Contact_Information_Data": data}
        return said | ({"Add_Only": True} if add else {})


def usages(address: Element) -> list[Usage]:
    """What an Email_Address_Data is for."""
    return [
        Usage(
            kind.findtext("wd:Type_Reference/wd:ID[@wd:type='Communication_Usage_Type_ID']", "", NAMES),
            kind.get(f"{{{WD}}}Primary") in YES,
            use.get(f"{{{WD}}}Public") in YES,
        )
        for use in address.iterfind("wd:Usage_Data", NAMES)
        for kind in use.iterfind("wd:Type_Data", NAMES)
    ]


def submitted(text: str, uses: tuple[Usage, ...]) -> dict[str, Any]:
    """An Email_Address_Data."""
    kinds = [
        {
            "Type_Data": [
                {
                    "Type_Reference": {"ID": [{"_value_1": use.kind, "type": "Communication_Usage_Type_ID"}]},
                    "Primary": use.primary,
                }
            ],
            "Public": use.public,
        }
        for use in uses
    ]
    return {"Email_Address": text, "Usage_Data": kinds}
