"""What nothing can write to HR: somebody there is asked to enter it, which holds nothing up and which HR must show."""

from __future__ import annotations

from typing import Any

from connectors.errors import ConnectorError
from connectors.hr.base import WriteBack
from flows.case import Case
from flows.record import emails
from flows.record.tables import TaskRow
from flows.site import Site
from mappings.feed import FeedError, people_of
from mappings.plan import Layer, Step, Verb


def can_write(site: Site) -> bool:
    """Whether the company's HR system takes a work e-mail, and the mapping allows it."""
    return "work_email" in site.rules.hr.write_back and isinstance(site.hr, WriteBack)


def to_enter(case: Case, step: Step) -> str:
    """What HR is asked to do by hand; '' where the mapping has no place for the address in HR."""
    source = case.site.rules.company.hr
    if "work_email" not in case.site.rules.hr.fields:
        return ""
    who, address = case.person.employee_id, step.attributes["work_email"]
    return f"Enter {address} as the work e-mail of {who} in HR ({source}), where Rollcall cannot write it."


def lacking(case: Case) -> Step | None:
    """The step that an earlier plan had, where HR still shows no address of ours; an open approval comes first."""
    address, drawn = case.values.get("work_email"), {step.verb for step in case.plan.steps}
    if case.leaving or case.person.work_email or not address or Verb.EMAIL in drawn or case.plan.gated:
        return None
    if address not in emails.of_person(case.site.db, case.person.employee_id):
        return None
    named = {"work_email": address}
    return Step(id="hr assign e-mail", app="hr", verb=Verb.EMAIL, layer=Layer.EMAIL, attributes=named, why="")


def not_shown_yet(case: Case, row: TaskRow) -> bool:
    """Whether a task of this kind is still to be done: it ends by itself once HR shows an address."""
    return row.verb == Verb.EMAIL and not case.leaving and not case.person.work_email


def shown(site: Site, row: TaskRow) -> tuple[str, dict[str, Any]]:
    """Why HR does not bear out that the task was done, '' where it does; and what of it goes into the record."""
    mine = {emails.folded(address) for address in emails.of_person(site.db, row.person_id)}
    try:
        people = people_of(site.hr.read_one(row.person_id), site.rules.hr).people
    except (ConnectorError, FeedError) as error:
        return f"{error} Try again later, or attach a proof.", {"not read back": str(error)}
    there = [str(each) for each in people["work_email"].dropna() if emails.folded(str(each)) in mine]
    why = "" if there else "HR does not show the address."
    return why, {"work_email": next(iter(there), None), "in_hr": bool(there)}
