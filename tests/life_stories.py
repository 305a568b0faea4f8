"""Named lives: what HR says when, and what the person can use after a look at that instant.

`At("2026-03-01 18:29", ..., a="nothing")`: at that instant in UTC (or on that plain date) HR has said what stands in
the dicts, and then person `a` has nothing. Expectations: `nothing`, `works` (has the SSO), or words with a sign:
`+crm:Sales Rep -sso:Finance`. People of one story are called a, b, c; their ids and family names are the story's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

Row = dict[str, str] | None
"""Fields that HR changes; None: the row is gone."""


@dataclass(frozen=True)
class At:
    """One look."""

    when: str
    hr: dict[str, Row] = field(default_factory=dict)
    then: dict[str, str] = field(default_factory=dict)

    @property
    def moment(self) -> datetime | date:
        if len(self.when) == 10:
            return date.fromisoformat(self.when)
        return datetime.fromisoformat(self.when).replace(tzinfo=UTC)

    @property
    def order(self) -> datetime:
        moment = self.moment
        return (
            moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, 12, tzinfo=UTC)
        )


@dataclass(frozen=True)
class Story:
    """A life, or several that belong together."""

    name: str
    looks: tuple[At, ...]


def at(when: str, hr: dict[str, Row] | None = None, **then: str) -> At:
    return At(when, hr or {}, then)


def story(name: str, *looks: At) -> Story:
    return Story(name, looks)


def new(start: str, **more: Any) -> dict[str, str]:
    """A hire in Sales in Lisbon, unless said otherwise."""
    return {"start": start} | more


SALES = "+sso:All Staff +sso:Sales +crm:Sales Rep +desk:Support"
AUCKLAND, HONOLULU, LISBON, BERLIN = ({"location": n} for n in ("Auckland", "Honolulu", "Lisbon", "Berlin"))

TIME = (
    story(
        "an Aucklander begins at 07:30 there, which is the day before in UTC",
        at("2026-03-01 18:29", {"a": new("2026-03-02", **AUCKLAND)}, a="nothing"),
        at("2026-03-01 18:30", a="works"),
    ),
    story(
        "somebody in Honolulu begins at 08:00 there, late in the day in UTC",
        at("2026-03-02 17:59", {"a": new("2026-03-02", **HONOLULU)}, a="nothing"),
        at("2026-03-02 18:00", a="works"),
    ),
    story(
        "one hire date on both sides of the date line",
        at(
            "2026-03-04 18:30",
            {"a": new("2026-03-05", **AUCKLAND), "b": new("2026-03-05", **HONOLULU)},
            a="works",
            b="nothing",
        ),
        at("2026-03-05 17:59", a="works", b="nothing"),
        at("2026-03-05 18:00", b="works"),
    ),
    story(
        "a leaver in Honolulu works until 18:00 there, which is the next day in UTC",
        at("2026-03-06 12:00", {"a": new("2026-01-05", last="2026-03-06", **HONOLULU)}, a="works"),
        at("2026-03-07 03:59", a="works"),
        at("2026-03-07 04:00", a="nothing"),
    ),
    story(
        "a leaver in Auckland ends in the morning of the last day in UTC",
        at("2026-03-06 04:59", {"a": new("2026-01-05", last="2026-03-06", **AUCKLAND)}, a="works"),
        at("2026-03-06 05:00", a="nothing"),
    ),
    story(
        "a joiner in Lisbon on the Sunday when clocks go forward",
        at("2026-03-29 06:59", {"a": new("2026-03-29")}, a="nothing"),
        at("2026-03-29 07:00", a="works"),
    ),
    story(
        "a joiner in Lisbon on the day before clocks go forward",
        at("2026-03-28 07:59", {"a": new("2026-03-28")}, a="nothing"),
        at("2026-03-28 08:00", a="works"),
    ),
    story(
        "a leaver in Lisbon on the Sunday when clocks go back",
        at("2026-10-25 17:59", {"a": new("2026-01-05", last="2026-10-25")}, a="works"),
        at("2026-10-25 18:00", a="nothing"),
    ),
    story(
        "a leaver in Lisbon on the last day of summer time",
        at("2026-10-24 16:59", {"a": new("2026-01-05", last="2026-10-24")}, a="works"),
        at("2026-10-24 17:00", a="nothing"),
    ),
    story(
        "a time zone of one's own counts before the location's",
        at("2026-03-08 18:59", {"a": new("2026-03-09", time_zone="Pacific/Auckland")}, a="nothing"),
        at("2026-03-08 19:00", a="works"),
    ),
    story(
        "a time zone that nobody knows does not count",
        at("2026-03-09 07:59", {"a": new("2026-03-09", time_zone="Mars/Olympus")}, a="nothing"),
        at("2026-03-09 08:00", a="works"),
    ),
    story(
        "somebody who changes country before the first day begins by the new place's clock",
        at("2026-03-10 12:00", {"a": new("2026-03-12")}, a="nothing"),
        at("2026-03-11 18:30", {"a": AUCKLAND}, a="works"),
    ),
    story(
        "somebody on notice who changes country ends by the new place's clock",
        at("2026-03-12 12:00", {"a": new("2026-01-05", last="2026-03-13", **AUCKLAND)}, a="works"),
        at("2026-03-13 05:00", {"a": HONOLULU}, a="works"),
        at("2026-03-14 03:59", a="works"),
        at("2026-03-14 04:00", a="nothing"),
    ),
    story(
        "somebody who moves to Berlin and back keeps all that is not of a place",
        at("2026-03-16 12:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-03-17 12:00", {"a": BERLIN}, a=SALES),
        at("2026-03-18 12:00", {"a": LISBON}, a=SALES),
    ),
    story(
        "hired on 29 February",
        at("2028-02-28 12:00", {"a": new("2028-02-29")}, a="nothing"),
        at("2028-02-29 12:00", a="works"),
    ),
    story(
        "last day on 29 February",
        at("2028-02-29 17:59", {"a": new("2026-01-05", last="2028-02-29")}, a="works"),
        at("2028-02-29 18:00", a="nothing"),
    ),
    story(
        "entered in HR at 23:59 with today as the hire date",
        at("2026-03-19 23:58", a="nothing"),
        at("2026-03-19 23:59", {"a": new("2026-03-19")}, a="works"),
    ),
    story(
        "entered in HR at dawn with today as the hire date",
        at("2026-03-20 05:00", {"a": new("2026-03-20")}, a="nothing"),
        at("2026-03-20 08:00", a="works"),
    ),
    story(
        "hired and gone on one day: there from the start of day to the cut-off",
        at("2026-03-23 07:59", {"a": new("2026-03-23", last="2026-03-23")}, a="nothing"),
        at("2026-03-23 08:00", a="works"),
        at("2026-03-23 18:00", a="nothing"),
    ),
    story(
        "a look as of a plain date takes the date alone",
        at(
            "2026-03-24",
            {"a": new("2026-03-24", **HONOLULU), "b": new("2026-01-05", last="2026-03-24")},
            a="works",
            b="works",
        ),
        at("2026-03-25", b="nothing"),
    ),
)

CORRECTIONS = (
    story(
        "a termination dated last month ends access at once",
        at("2026-03-26 12:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-03-27 12:00", {"a": {"last": "2026-02-27"}}, a="nothing"),
    ),
    story(
        "terminated before the start: never gets anything",
        at("2026-03-30 12:00", {"a": new("2026-04-06")}, a="nothing"),
        at("2026-03-31 12:00", {"a": {"last": "2026-04-01", "status": "terminated"}}, a="nothing"),
        at("2026-04-06 12:00", a="nothing"),
    ),
    story(
        "a no-show: HR says on the second day that the person never came",
        at("2026-04-06 13:00", {"a": new("2026-04-06")}, a="works"),
        at("2026-04-07 12:00", {"a": {"last": "2026-04-05", "status": "terminated"}}, a="nothing"),
    ),
    story(
        "a hire postponed after it began is undone, and begins anew on the new day",
        at("2026-04-07 13:00", {"a": new("2026-04-07")}, a="works"),
        at("2026-04-08 12:00", {"a": {"start": "2026-04-20"}}, a="nothing"),
        at("2026-04-20 12:00", a=SALES),
    ),
    story(
        "a hire brought forward begins at once",
        at("2026-04-08 13:00", {"a": new("2026-04-27")}, a="nothing"),
        at("2026-04-09 12:00", {"a": {"start": "2026-04-09"}}, a="works"),
    ),
    story(
        "a hire dated last month begins when it is known",
        at("2026-04-09 13:00", {"a": new("2026-03-09")}, a=SALES),
    ),
    story(
        "a hire that vanishes before the first day gets nothing",
        at("2026-04-10 12:00", {"a": new("2026-04-13")}, a="nothing"),
        at("2026-04-11 12:00", {"a": None}, a="nothing"),
        at("2026-04-13 12:00", a="nothing"),
    ),
    story(
        "a record that vanishes is not a leaver",
        at("2026-04-13 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-04-14 12:00", {"a": None}, a=SALES),
        at("2026-04-15 12:00", a=SALES),
    ),
    story(
        "a record that vanishes and comes back with a last day ends then",
        at("2026-04-15 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-04-16 12:00", {"a": None}, a=SALES),
        at("2026-04-17 12:00", {"a": new("2026-01-05", last="2026-04-16")}, a="nothing"),
    ),
    story(
        "a resignation withdrawn before the last day changes nothing",
        at("2026-04-17 13:00", {"a": new("2026-01-05", last="2026-04-24")}, a=SALES),
        at("2026-04-20 13:00", {"a": {"last": ""}}, a=SALES),
        at("2026-04-27 12:00", a=SALES),
    ),
    story(
        "a termination entered by mistake and taken back gives everything back",
        at("2026-04-27 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-04-28 12:00", {"a": {"last": "2026-04-27"}}, a="nothing"),
        at("2026-04-29 12:00", {"a": {"last": ""}}, a=SALES),
    ),
    story(
        "a last day moved ahead",
        at("2026-04-29 13:00", {"a": new("2026-01-05", last="2026-05-29")}, a="works"),
        at("2026-04-30 19:00", {"a": {"last": "2026-04-30"}}, a="nothing"),
    ),
    story(
        "a last day put off on the last day",
        at("2026-05-01 12:00", {"a": new("2026-01-05", last="2026-05-01")}, a="works"),
        at("2026-05-01 19:00", {"a": {"last": "2026-05-08"}}, a="works"),
        at("2026-05-08 19:00", a="nothing"),
    ),
    story(
        "a move dated last month holds from when it is known",
        at("2026-05-04 12:00", {"a": new("2026-01-05")}, a="+crm:Sales Rep"),
        at("2026-05-05 12:00", {"a": {"department": "Finance"}}, a="+crm:Finance Viewer -crm:Sales Rep -sso:Sales"),
    ),
    story(
        "a move corrected the day after",
        at("2026-05-05 13:00", {"a": new("2026-01-05")}, a="+crm:Sales Rep"),
        at("2026-05-06 12:00", {"a": {"department": "Finance"}}, a="+crm:Finance Viewer -crm:Sales Rep"),
        at("2026-05-07 12:00", {"a": {"department": "Sales"}}, a=SALES + " -crm:Finance Viewer"),
    ),
    story(
        "HR's word alone, without a last day, ends access too",
        at("2026-05-07 13:00", {"a": new("2026-01-05")}, a="works"),
        at("2026-05-08 12:00", {"a": {"status": "terminated"}}, a="nothing"),
    ),
    story(
        "a row with a date that is none keeps what the person has",
        at("2026-05-08 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-05-11 12:00", {"a": {"last": "31/02/2026"}}, a=SALES),
        at("2026-05-12 12:00", {"a": {"last": "2026-05-11"}}, a="nothing"),
    ),
    story(
        "a hire date that is cleared takes nothing away and asks",
        at("2026-05-12 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-05-13 12:00", {"a": {"start": ""}}, a=SALES),
        at("2026-05-14 12:00", {"a": {"start": "2026-01-05"}}, a=SALES),
    ),
    story(
        "a last day before the hire date, with no word of leaving, is a question",
        at("2026-05-14 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-05-15 12:00", {"a": {"last": "2025-12-31"}}, a=SALES),
    ),
    story(
        "the same feed twice changes nothing",
        at("2026-05-15 13:00", {"a": new("2026-01-05")}, a=SALES),
        at("2026-05-15 13:01", a=SALES),
    ),
)

COMING_BACK = (
    story(
        "rehired after a year",
        at("2026-05-18 12:00", {"a": new("2024-01-08", last="2026-05-15")}, a="nothing"),
        at("2027-05-17 12:00", {"a": {"start": "2027-05-17", "last": ""}}, a=SALES),
    ),
    story(
        "left, rehired, left and rehired again",
        at("2026-05-19 12:00", {"a": new("2024-01-08")}, a=SALES),
        at("2026-05-20 12:00", {"a": {"last": "2026-05-19"}}, a="nothing"),
        at("2026-05-21 12:00", {"a": {"start": "2026-05-21", "last": ""}}, a=SALES),
        at("2026-05-22 12:00", {"a": {"last": "2026-05-21"}}, a="nothing"),
        at("2026-05-25 12:00", {"a": {"start": "2026-05-25", "last": ""}}, a=SALES),
    ),
    story(
        "rehired into another department: today's rights only",
        at("2026-05-25 13:00", {"a": new("2024-01-08")}, a="+crm:Sales Rep +desk:Support"),
        at("2026-05-26 12:00", {"a": {"last": "2026-05-25"}}, a="nothing"),
        at(
            "2026-05-27 12:00",
            {"a": {"start": "2026-05-27", "last": "", "department": "Finance"}},
            a="+crm:Finance Viewer +sso:Finance -crm:Sales Rep -sso:Sales -desk -desk:Support",
        ),
    ),
    story(
        "rehired with a first day ahead",
        at("2026-05-27 13:00", {"a": new("2024-01-08")}, a="works"),
        at("2026-05-28 12:00", {"a": {"last": "2026-05-27"}}, a="nothing"),
        at("2026-05-29 12:00", {"a": {"start": "2026-06-01", "last": ""}}, a="nothing"),
        at("2026-06-01 12:00", a=SALES),
    ),
    story(
        "on leave the SSO stays and the CRM rests; coming back restores it",
        at("2026-06-01 13:00", {"a": new("2024-01-08")}, a=SALES),
        at("2026-06-02 12:00", {"a": {"status": "leave"}}, a="+sso:All Staff +sso:Sales -crm"),
        at("2026-06-03 12:00", {"a": {"status": "active"}}, a=SALES),
    ),
    story(
        "a leave within the notice ends with the last day",
        at("2026-06-03 13:00", {"a": new("2024-01-08", last="2026-06-30")}, a=SALES),
        at("2026-06-04 12:00", {"a": {"status": "leave"}}, a="works -crm"),
        at("2026-06-30 18:00", a="nothing"),
    ),
    story(
        "moved while on leave: comes back to the new department",
        at("2026-06-04 13:00", {"a": new("2024-01-08")}, a=SALES),
        at("2026-06-05 12:00", {"a": {"status": "leave"}}, a="works -crm"),
        at("2026-06-08 12:00", {"a": {"department": "Finance"}}, a="+sso:Finance -sso:Sales -crm"),
        at("2026-06-09 12:00", {"a": {"status": "active"}}, a="+crm:Finance Viewer -crm:Sales Rep"),
    ),
    story(
        "hired into a leave: has what is not resting",
        at("2026-06-09 13:00", {"a": new("2026-06-09", status="leave")}, a="works -crm"),
        at("2026-06-10 12:00", {"a": {"status": "active"}}, a=SALES),
    ),
    story(
        "terminated while on leave",
        at("2026-06-10 13:00", {"a": new("2024-01-08")}, a=SALES),
        at("2026-06-11 12:00", {"a": {"status": "leave"}}, a="works"),
        at("2026-06-12 12:00", {"a": {"last": "2026-06-11"}}, a="nothing"),
    ),
)

KIM = {"given": "Kim", "family": "Weekend", "email": "kim.weekend@juniperfinch.example"}
LU = {"given": "Lu", "family": "Transfer", "email": "lu.transfer@juniperfinch.example"}
JO = {"given": "Jo", "family": "Again", "email": "jo.again@juniperfinch.example"}
KINDS = (
    story(
        "a contractor without an end date is held",
        at("2026-06-15 12:00", {"a": new("2026-06-15", contract="contractor")}, a="nothing"),
        at("2026-06-16 12:00", {"a": {"last": "2026-12-31"}}, a="+sso:External Partners"),
    ),
    story(
        "a contractor who works and loses the end date keeps what there is",
        at("2026-06-16 13:00", {"a": new("2026-06-16", contract="contractor", last="2026-12-31")}, a="works"),
        at("2026-06-17 12:00", {"a": {"last": ""}}, a="works"),
    ),
    story(
        "a contract ends by itself",
        at("2026-06-17 13:00", {"a": new("2026-06-01", contract="contractor", last="2026-06-19")}, a="works"),
        at("2026-06-19 18:00", a="nothing"),
    ),
    story(
        "a contract that is extended on its last day goes on",
        at("2026-06-22 12:00", {"a": new("2026-06-01", contract="contractor", last="2026-06-22")}, a="works"),
        at("2026-06-22 17:00", {"a": {"last": "2026-09-30"}}, a="works"),
        at("2026-06-23 12:00", a="works"),
    ),
    story(
        "contractor to employee with the same record",
        at(
            "2026-06-23 13:00",
            {"a": new("2026-06-01", contract="contractor", last="2026-06-26")},
            a="+sso:External Partners",
        ),
        at("2026-06-25 12:00", {"a": {"contract": "employee", "last": ""}}, a=SALES + " -sso:External Partners"),
        at("2026-06-27 12:00", a=SALES),
    ),
    story(
        "contractor until Friday, employee from Monday, as a new record with the same address: no gap",
        at(
            "2026-06-29 12:00",
            {"a": new("2026-06-01", contract="contractor", last="2026-07-03", **KIM)},
            a="+sso:External Partners",
        ),
        at("2026-07-01 12:00", {"b": new("2026-07-06", **KIM)}, a="works"),
        at("2026-07-04 12:00", a="works"),
        at("2026-07-05 12:00", a="works"),
        at("2026-07-06 12:00", b=SALES + " -sso:External Partners"),
    ),
    story(
        "transferred to another company of the group on one day, as a new record",
        at("2026-07-06 13:00", {"a": new("2024-01-08", **LU)}, a=SALES),
        at(
            "2026-07-07 12:00",
            {
                "a": {"last": "2026-07-08"},
                "b": new("2026-07-09", department="Finance", **LU),
            },
            a=SALES,
        ),
        at("2026-07-08 20:00", a="works"),
        at("2026-07-09 12:00", b="+crm:Finance Viewer -crm:Sales Rep"),
    ),
    story(
        "a new record after a year away is a rehire of the same human",
        at("2026-07-09 13:00", {"a": new("2024-01-08", **JO)}, a=SALES),
        at("2026-07-10 12:00", {"a": {"last": "2026-07-09"}}, a="nothing"),
        at("2027-07-12 12:00", {"b": new("2027-07-12", **JO)}, b=SALES),
    ),
    story(
        "another title, another right",
        at("2026-07-13 12:00", {"a": new("2024-01-08")}, a="+crm:Sales Rep -crm:Sales Manager"),
        at("2026-07-14 12:00", {"a": {"title": "Sales Manager"}}, a="+crm:Sales Rep +crm:Sales Manager"),
        at("2026-07-15 12:00", {"a": {"title": "Clerk"}}, a="+crm:Sales Rep -crm:Sales Manager"),
    ),
    story(
        "moved out and back within the grace days: nothing was lost meanwhile",
        at("2026-07-15 13:00", {"a": new("2024-01-08", department="Operations")}, a="+desk:Shipping"),
        at("2026-07-16 12:00", {"a": {"department": "People"}}, a="+crm:Read Only +desk:Shipping"),
        at("2026-07-17 12:00", {"a": {"department": "Operations"}}, a="+desk:Shipping -crm:Read Only"),
        at("2026-07-29 12:00", a="+desk:Shipping"),
    ),
    story(
        "moved for good: what had grace days goes when they are over",
        at("2026-07-29 13:00", {"a": new("2024-01-08", department="Operations")}, a="+desk:Shipping"),
        at("2026-07-30 12:00", {"a": {"department": "People"}}, a="+crm:Read Only +desk:Shipping"),
        at("2026-08-05 12:00", a="+desk:Shipping"),
        at("2026-08-06 12:30", a="-desk:Shipping -desk +crm:Read Only"),
    ),
    story(
        "a leaver has no grace days",
        at("2026-08-06 13:00", {"a": new("2024-01-08", department="Operations")}, a="+desk:Shipping"),
        at("2026-08-07 12:00", {"a": {"last": "2026-08-06"}}, a="nothing"),
    ),
    story(
        "the manager leaves on the day on which the report begins",
        at(
            "2026-08-07 13:00",
            {"a": new("2024-01-08", last="2026-08-10"), "b": new("2026-08-10", manager="a")},
            a="works",
        ),
        at("2026-08-10 12:00", a="works", b=SALES),
        at("2026-08-10 18:00", a="nothing", b=SALES),
    ),
    story(
        "no manager and a department that no rule knows: what everybody has",
        at(
            "2026-08-11 12:00",
            {"a": new("2026-08-11", manager="", department="Astrology")},
            a="+sso:All Staff -crm -desk",
        ),
    ),
    story(
        "no department yet: what everybody has, and the rest when HR knows it",
        at("2026-08-11 13:00", {"a": new("2026-08-11", department="")}, a="+sso:All Staff -crm"),
        at("2026-08-12 12:00", {"a": {"department": "Sales"}}, a=SALES),
    ),
    story(
        "a new family name: the same account with another address",
        at("2026-08-12 13:00", {"a": new("2024-01-08", email="eve.maiden@juniperfinch.example")}, a=SALES),
        at("2026-08-13 12:00", {"a": {"family": "Married", "email": "eve.married@juniperfinch.example"}}, a=SALES),
    ),
)

NAMED = (
    ("a name in Arabic", "ليلى", "حداد"),
    ("a name in Chinese", "小明", "王"),
    ("a name in Vietnamese", "Đặng", "Nguyễn"),
    ("a name in Icelandic", "Þórður", "Guðmundsson"),
    ("a name with an apostrophe", "Siobhán", "O’Shea"),
    ("a surname of one letter", "Eun-ji", "O"),
)


def called(given: str, family: str, start: str = "2026-08-17") -> dict[str, str]:
    """A hire without an address."""
    return new(start, given=given, family=family, email="")


NAMES = (
    story(
        "two people of one name on one day",
        at("2026-08-17 12:00", {"a": called("María", "García"), "b": called("Maria", "Garcia")}, a=SALES, b=SALES),
    ),
    *(story(name, at("2026-08-17 13:00", {"a": called(given, family)}, a=SALES)) for name, given, family in NAMED),
    story(
        "somebody with the name of a leaver is a question first",
        at("2026-08-18 14:00", {"a": called("Nils", "Holm", "2024-01-08")}, a=SALES),
        at("2026-08-19 12:00", {"a": {"last": "2026-08-18"}}, a="nothing"),
        at("2026-08-20 12:00", {"b": called("Nils", "Holm", "2026-08-20")}, a="nothing", b="nothing"),
    ),
)

STORIES = (*TIME, *CORRECTIONS, *COMING_BACK, *KINDS, *NAMES)
