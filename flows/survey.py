"""All accounts of all apps against what should be: every access explained by rule, override or grace, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

import pandas as pd

from flows.addresses import derived
from flows.adopt import examine, kept_addresses, population, readable
from flows.case import instant, why_gone
from flows.gate import served
from flows.identities import learn, merge
from flows.record import holdings, holds, overrides
from flows.record.tables import HeldRow, LinkRow
from flows.site import Site
from mappings.access import Account, Target
from mappings.adoption import Report
from mappings.day import standing
from mappings.draft import Known, Terms, plan
from mappings.exceptions import with_grants, with_values
from mappings.folder import Rules
from mappings.people import Person, Status, person_of
from mappings.plan import FAREWELL, Step, Verb
from mappings.rules import desired, targets, values_of

Policy = Literal["put_back", "report"]


@dataclass(frozen=True)
class Drift:
    """One thing in an app that is not as it should be."""

    person_id: str
    app: str
    verb: Verb
    entitlement: str
    what: str
    """`crm: Sales Manager is held; nothing explains it`."""
    policy: Policy


@dataclass
class Survey:
    """What all apps showed."""

    people: int = 0
    explained: dict[str, int] = field(default_factory=lambda: {"rule": 0, "override": 0, "grace days": 0})
    """How many accesses each kind of reason explains."""
    drifts: list[Drift] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    """One for each app: its orphans, doubtful accounts, or why it could not be read."""
    who: pd.DataFrame = field(default_factory=pd.DataFrame)
    """person_id, flow, user_name of those whose accounts are to be put back."""


@dataclass(frozen=True)
class Expected:
    """One person and what they should have."""

    person: Person
    status: Status
    here: bool
    targets: Mapping[str, Target]
    user_name: str


def survey(site: Site, people: pd.DataFrame, moment: datetime | date, say: Callable[[str], None]) -> Survey:
    """Read every app once and plan for everybody against what it shows. Writes nothing.

    `people`: HR's, believed. Raises ConnectorError where HR cannot be read; an app that cannot is told in its report.
    """
    found = merge(site, people, learn(site, people, keep=False), moment)
    expected = {e.person.employee_id: e for e in everybody(site, found.people, moment)}
    known_people = population(site, people, found, instant(moment))
    result = Survey(people=len(expected))
    shown: dict[str, dict[str, Account]] = {}
    for app in readable(site, []):
        wanted = {p: e.targets[app] for p, e in expected.items() if app in e.targets}
        report = examine(site, app, known_people, wanted, say)
        result.reports.append(report)
        for match in (*report.matched, *report.leavers, *report.gone):
            shown.setdefault(match.person_id, {})[app] = match.account
    say("comparing")
    read = [report.app for report in result.reports if not report.error]
    compare(site, result, expected, shown, read, instant(moment))
    return result


def everybody(site: Site, people: pd.DataFrame, moment: datetime | date) -> Iterator[Expected]:
    """What each person should have by the rules and the overrides; held ones are left out."""
    exceptions = overrides.in_force(site.db, instant(moment))
    people = with_values(people, exceptions)
    statuses, here = standing(people, site.rules.company, moment)
    here &= ~people["employee_id"].isin(holds.people(site.db, holds.SENT_AWAY))
    grants = desired(people, here, site.rules)
    grants = with_grants(grants, set(people.loc[here, "employee_id"]), exceptions)
    mine = dict(tuple(grants.groupby("person_id")))
    rows: list[dict[Any, Any]] = people.to_dict("records")
    persons = {p.employee_id: p for p in map(person_of, rows)}
    addresses = {person: spelling for spelling, person in reversed(kept_addresses(site.db))}
    held = set(people["employee_id"]) - set(
        served(site, people.rename(columns={"employee_id": "person_id"}))["person_id"]
    )
    for person, status, is_here in zip(persons.values(), statuses, here, strict=True):
        if person.employee_id not in held and status != Status.UNKNOWN.value:
            yield expected_of(site, person, Status(status), bool(is_here), mine, persons, addresses)


def expected_of(
    site: Site,
    person: Person,
    status: Status,
    here: bool,
    grants: Mapping[Any, pd.DataFrame],
    persons: Mapping[str, Person],
    addresses: Mapping[str, str],
) -> Expected:
    """One person's accounts as they should be."""
    boss = persons.get(person.manager_id or "")
    address = person.work_email or addresses.get(person.employee_id)
    manager = (boss.work_email or addresses.get(boss.employee_id)) if boss else None
    more = derived(site, person.employee_id, address)
    values = values_of(person.model_copy(update={"work_email": address}), manager_email=manager, **more)
    rows = grants.get(person.employee_id)
    wanted = {} if rows is None else targets(rows, values, site.rules, on_leave=status is Status.LEAVE)
    return Expected(person, status, here, wanted, values.get("user_name") or person.employee_id)


def compare(
    site: Site,
    result: Survey,
    expected: Mapping[str, Expected],
    shown: Mapping[str, Mapping[str, Account]],
    read: list[str],
    at: datetime,
) -> None:
    """Explain what there is, and note what cannot be explained."""
    links, held = holdings.all_links(site.db), holdings.all_open(site.db)
    who = []
    for person_id, one in expected.items():
        accounts = shown.get(person_id, {})
        known = {
            app: known_of(accounts.get(app), links.get((person_id, app)), held.get((person_id, app), {}))
            for app in read
        }
        explain(result, one, known)
        drifts = list(drifts_of(site, one, known, at))
        result.drifts += drifts
        if any(d.policy == "put_back" for d in drifts):
            who.append((person_id, "change_access" if one.here else "offboard_user", one.user_name))
    result.who = pd.DataFrame(who, columns=["person_id", "flow", "user_name"])


def known_of(account: Account | None, link: LinkRow | None, held: Mapping[str, HeldRow]) -> Known:
    """What planning needs to know of one app."""
    return Known(
        account=account,
        granted={name: row.why for name, row in held.items()},
        active_by_us=link.active if link and account else None,
        until={name: row.until for name, row in held.items() if row.until},
    )


def explain(result: Survey, one: Expected, known: Mapping[str, Known]) -> None:
    """Count what explains each access there is."""
    for app, here in known.items():
        if here.account is None or not here.account.active:
            continue
        target = one.targets.get(app)
        reasons = {"": target.why, **target.entitlements} if target else {}
        for name in ("", *here.account.entitlements):
            if name in reasons:
                result.explained["override" if reasons[name].startswith("override ") else "rule"] += 1
            elif name in here.until:
                result.explained["grace days"] += 1


def drifts_of(site: Site, one: Expected, known: Mapping[str, Known], at: datetime) -> Iterator[Drift]:
    """What the plan that puts everything back would do, each step in words."""
    wanted = {app: target for app, target in one.targets.items() if app in known}
    leaving = "" if one.here else why_gone(one.person, one.status)
    terms = Terms(at, leaving, putting_back=True)
    drawn = plan(one.person.employee_id, one.user_name, wanted, known, strict(site.rules), terms)
    for step in drawn.steps:
        if step.verb not in FAREWELL and step.app in known:
            policy: Policy = "put_back" if leaving else site.rules.apps[step.app].drift
            what = in_words(step, known[step.app])
            yield Drift(one.person.employee_id, step.app, step.verb, step.entitlement or "", what, policy)


def strict(rules: Rules) -> Rules:
    """The rules as if everything were put back: what is only reported has to be seen too."""
    apps = {name: app.model_copy(update={"drift": "put_back"}) for name, app in rules.apps.items()}
    return replace(rules, apps=apps)


def in_words(step: Step, here: Known) -> str:
    """What is wrong, rather than what to do."""
    name = step.entitlement
    if step.verb is Verb.REVOKE:
        return f"{name} is held; " + (step.why if name in here.granted else "no rule, grant or override explains it")
    words = {
        Verb.CREATE: "the account is missing",
        Verb.ENABLE: "the account is disabled",
        Verb.UPDATE: f"other values in {', '.join(sorted(step.attributes))}",
        Verb.GRANT: f"{name} is missing",
        Verb.DISABLE: f"the account is usable; {step.why}",
        Verb.DELETE: f"the account is there; {step.why}",
    }
    return words.get(step.verb, str(step.verb))
