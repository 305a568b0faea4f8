"""Juniper & Finch, tea and stationery: who works there, and a fortnight in which its HR people are busy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import httpx

from connectors.sandbox.store import Row

DOMAIN = "juniperfinch.example"
COUNTRIES = {"Berlin": "Germany", "Lisbon": "Portugal", "Auckland": "New Zealand", "Denver": "United States"}

# id, given name, family name, mailbox, department, title, location, manager, hired
STAFF = """
101|Marlene|Juniper|marlene.juniper|Operations|Managing Director|Berlin||2016-03-01
102|Tobias|Finch|tobias.finch|Finance|Head of Finance|Berlin|101|2016-03-01
103|Inês|Simões|ines.simoes|Sales|Head of Sales|Lisbon|101|2017-09-04
104|Łukasz|Wiśniewski|lukasz.wisniewski|Engineering|Head of Engineering|Berlin|101|2018-01-15
105|Siobhán|O'Brien|siobhan.obrien|People|Head of People|Berlin|101|2018-05-02
106|Aroha|Te Whata|aroha.tewhata|Operations|Warehouse Lead|Auckland|101|2019-02-11
107|João|Gonçalves|joao.goncalves|Sales|Account Executive|Lisbon|103|2019-06-03
108|Beatriz|Conceição|beatriz.conceicao|Sales|Account Executive|Lisbon|103|2020-01-13
109|Jürgen|Groß|juergen.gross|Engineering|Backend Engineer|Berlin|104|2020-03-02
110|Zoë|Brandt|zoe.brandt|Engineering|Frontend Engineer|Berlin|104|2020-08-17
111|Mai|Nguyễn|mai.nguyen|Engineering|Data Engineer|Denver|104|2021-01-11
112|Dominic|D'Angelo|dominic.dangelo|Sales|Sales Manager|Denver|103|2021-04-06
113|Hannah|Whitlock|hannah.whitlock|Sales|Account Executive|Denver|112|2021-09-13
114|Wiremu|Parata|wiremu.parata|Operations|Shipping Coordinator|Auckland|106|2022-01-24
115|Charlotte|Ngata-Reid|charlotte.ngata-reid|Operations|Shipping Coordinator|Auckland|106|2022-05-09
116|Søren|Lindqvist|soren.lindqvist|Finance|Accountant|Berlin|102|2022-08-01
117|Clara|Müller|clara.mueller|Finance|Payroll Specialist|Berlin|102|2023-02-06
118|Tiago|Araújo|tiago.araujo|People|Recruiter|Lisbon|105|2023-04-17
119|Renée|Fontaine|renee.fontaine|Sales|Sales Development|Lisbon|103|2023-07-03
120|Mateusz|Żak|mateusz.zak|Engineering|Platform Engineer|Berlin|104|2023-10-02
121|Eleni|Papadopoulou|eleni.papadopoulou|Operations|Buyer|Berlin|101|2024-02-05
122|Marcus|Bell|marcus.bell|Operations|Facilities|Denver|106|2024-05-13
"""
CONTRACTORS = """
123|Priya|Raman|priya.raman|Engineering|Design Consultant|Lisbon|104|2025-01-06
"""
CONTRACT_ENDS = "2035-12-31"
FORMER = """
124|Caspar|Vogt|caspar.vogt|Sales|Account Executive|Berlin|103|2021-11-01
"""
FORMER_LAST_DAY = "2024-11-29"
COLUMNS = (
    "id",
    "firstName",
    "lastName",
    "mailbox",
    "department",
    "jobTitleName",
    "location",
    "reportsToId",
    "hireDate",
)


def population() -> list[Row]:
    """BambooHR's fields of everybody employed (and one former employee) when the story starts."""
    staff = [employee(line, "Employee") for line in STAFF.split("\n") if line]
    contractors = [
        employee(line, "Contractor") | {"terminationDate": CONTRACT_ENDS} for line in CONTRACTORS.split("\n") if line
    ]
    former = [employee(line, "Employee") | {"terminationDate": FORMER_LAST_DAY} for line in FORMER.split("\n") if line]
    return staff + contractors + former


def employee(line: str, kind: str) -> Row:
    values = dict(zip(COLUMNS, line.split("|"), strict=True))
    mailbox = values.pop("mailbox")
    known = {name: value for name, value in values.items() if value}
    return known | {
        "workEmail": f"{mailbox}@{DOMAIN}",
        "country": COUNTRIES[values["location"]],
        "customWorkerType": kind,
        "employmentStatus": "Contractor" if kind == "Contractor" else "Full-Time",
    }


@dataclass(frozen=True)
class Event:
    """Something a person in HR does on one day: requests to BambooHR, and the sentence that says it."""

    on: date
    kind: str
    """joiner, mover, leaver, contractor or rehire."""
    title: str
    requests: tuple[tuple[str, Mapping[str, str]], ...]
    """Path below the base URL (`_1/…` for /api/v1_1) and the JSON body, to be POSTed in order."""


def story(start: date) -> list[Event]:
    """The fortnight from `start`, by date; `on` is the day HR enters it, which may precede the day it holds from."""

    def day(number: int) -> date:
        return start + timedelta(days=number - 1)

    events = [
        joiner(day(1), day(2), "Anaïs", "Lefèvre", "Sales", "Account Executive", "Lisbon", "103", personal=True),
        leaver(day(2), day(10), "119", "Renée Fontaine", "Resignation (Voluntary)"),
        joiner(day(2), day(4), "Mia", "Schneider", "Engineering", "Backend Engineer", "Berlin", "104"),
        joiner(day(2), day(4), "Mia", "Schneider", "Finance", "Accountant", "Berlin", "102"),
        contractor(
            day(3), day(4), day(12), "Rawiri", "Hohepa", "Operations", "Stocktake Contractor", "Auckland", "106"
        ),
        mover(day(5), day(5), "108", "Beatriz Conceição", "People", "Recruiter", "Lisbon", "105"),
        joiner(day(6), day(8), "Óscar", "Núñez O'Shea", "Operations", "Shipping Coordinator", "Denver", "122"),
        leaver(day(8), day(8), "116", "Søren Lindqvist", "Termination (Involuntary)"),
        mover(day(8), day(9), "121", "Eleni Papadopoulou", "Finance", "Controller", "Berlin", "102"),
        rehire(day(9), day(10), "124", "Caspar Vogt", "Sales", "Sales Manager", "Berlin", "103"),
        joiner(
            day(11), day(11), "Hēmi", "Walker", "Operations", "Warehouse Assistant", "Auckland", "106", personal=True
        ),
        joiner(day(12), day(14), "Gabriela", "Sá Carneiro", "Sales", "Sales Development", "Lisbon", "103"),
    ]
    return sorted(events, key=lambda event: event.on)


def apply(event: Event, bamboohr_base_url: str, api_key: str) -> None:
    """Do in BambooHR what the event says; httpx.HTTPStatusError where BambooHR refuses."""
    headers = {"Accept": "application/json"}
    with httpx.Client(auth=(api_key, "x"), headers=headers, verify=bamboohr_base_url.startswith("https")) as client:
        for path, body in event.requests:
            client.post(bamboohr_base_url.rstrip("/") + path, json=dict(body)).raise_for_status()


def job(department: str, title: str, location: str, manager: str) -> dict[str, str]:
    return {"department": department, "jobTitle": title, "location": location, "reportsTo": manager}


def hired(
    first: date, given: str, family: str, post: Mapping[str, str], kind: str, personal: bool, last: date | None = None
) -> dict[str, str]:
    """The form that HR fills in for a new person; nobody new has a work e-mail yet."""
    form = {
        "firstName": given,
        "lastName": family,
        "hireDate": first.isoformat(),
        "department": post["department"],
        "jobTitle": post["jobTitle"],
        "location": post["location"],
        "supervisorEId": post["reportsTo"],
        "country": COUNTRIES[post["location"]],
        "customWorkerType": kind,
        "employmentStatus": "Contractor" if kind == "Contractor" else "Full-Time",
    }
    if personal:
        form["homeEmail"] = "tea.for.me@mailbox.example" if given < "B" else "paper.and.ink@mailbox.example"
    return form | ({"terminationDate": last.isoformat()} if last else {})


def joiner(on: date, first: date, given: str, family: str, *post: str, personal: bool = False) -> Event:
    body = hired(first, given, family, job(*post), "Employee", personal)
    mail = ", personal e-mail only" if personal else ""
    title = f"{given} {family} starts in {post[0]}, {post[2]}, on {first}{mail}"
    return Event(on, "joiner", title, (("/employees", body),))


def contractor(on: date, first: date, last: date, given: str, family: str, *post: str) -> Event:
    body = hired(first, given, family, job(*post), "Contractor", True, last)
    title = f"{given} {family}, contractor in {post[0]}, {post[2]}, from {first} to {last}"
    return Event(on, "contractor", title, (("/employees", body),))


def mover(on: date, first: date, key: str, name: str, *post: str) -> Event:
    row = {"date": first.isoformat()} | job(*post)
    title = f"{name} moves to {post[0]} on {first}"
    return Event(on, "mover", title, ((f"_1/employees/{key}/tables/jobInfo", row),))


def leaver(on: date, last: date, key: str, name: str, why: str) -> Event:
    row = {"date": last.isoformat(), "employmentStatus": "Terminated", "terminationTypeId": why}
    title = f"{name} leaves, last day {last}"
    return Event(on, "leaver", title, ((f"_1/employees/{key}/tables/employmentStatus", row),))


def rehire(on: date, first: date, key: str, name: str, *post: str) -> Event:
    """The same record again: a new hire date, a new job, a new status."""
    begin = {"date": first.isoformat()}
    requests = (
        (f"/employees/{key}", {"hireDate": first.isoformat()}),
        (f"_1/employees/{key}/tables/jobInfo", begin | job(*post)),
        (f"_1/employees/{key}/tables/employmentStatus", begin | {"employmentStatus": "Full-Time"}),
    )
    return Event(on, "rehire", f"{name} comes back to {post[0]} on {first}", requests)
