"""Looking at many people at once: HR and each app are read once, and everybody is planned for from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pandas as pd

from connectors.base import App, Grants
from connectors.errors import ConnectorError
from flows.addresses import Taken, asks_for_manager, derived, work_address
from flows.case import Case, day_of, instant, notes_on
from flows.identities import recorded
from flows.record import emails, history, holdings, holds, identities, overrides, settled, snapshots, tasks
from flows.record.tables import HeldRow, LinkRow
from flows.seeing import Seen, another_persons, from_record
from flows.site import Site
from mappings.access import Account, Target
from mappings.adoption import FOUND
from mappings.day import standing
from mappings.draft import Known, Terms, plan
from mappings.feed import people_of
from mappings.order import by_hand
from mappings.people import Person, Status, person_of
from mappings.plan import Plan, Verb
from mappings.rules import attributes_of, desired, fingerprints, targets, values_of
from mappings.vocabulary import Tier

AT_ONCE = 8
HERE = (Status.PREHIRE, Status.ACTIVE, Status.NOTICE)

Say = Callable[[str], None]


@dataclass
class View:
    """What was seen of everybody."""

    cases: list[Case] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    """Ids of the people who need a look of their own: whoever is not a plain joiner or mover."""
    sizes: dict[str, int] = field(default_factory=dict)
    """App -> accounts it has."""


@dataclass(frozen=True)
class Shown:
    """The accounts of one app."""

    by_id: Mapping[str, Account]
    by_key: Mapping[str, Account]
    tells_entitlements: bool


def look_at_many(site: Site, people: Iterable[str], moment: datetime | date, say: Say) -> View:
    """Cases like those of `flows.case.look`, for as many of the people as it can be done for together.

    Writes nothing but reservations of work addresses. Raises ConnectorError where HR or the SSO cannot be read.
    """
    view = View()
    say("reading HR")
    frame = people_of(site.hr.read(), site.rules.hr, day_of(moment)).people
    ours = frame[frame["employee_id"].isin(plain(site, set(people), instant(moment)))].reset_index(drop=True)
    status, here = standing(ours, site.rules.company, moment)
    fit = here & status.isin([s.value for s in HERE])
    ours, status = ours[fit].reset_index(drop=True), status[fit].reset_index(drop=True)
    if not ours.empty:
        say("reading the apps")
        every = Everybody(site, frame, ours, status, moment)
        view.cases = [case for case in every.cases() if case is not None and not case.plan.gated]
        view.sizes = {name: len(shown.by_id) for name, shown in every.shown.items()}
    served = {case.person.employee_id for case in view.cases}
    view.apart = [person for person in people if person not in served]
    return view


def plain(site: Site, people: set[str], at: datetime) -> set[str]:
    """Those of whom the record knows nothing that asks for a look of their own."""
    links = identities.links(site.db)
    latest = snapshots.latest(site.db, site.rules.company.hr)
    seen = recorded(site) | (set(latest[1]["employee_id"]) if latest else set())
    special = {row.person_id for row in holds.held(site.db)} | {person for pair in links for person in pair}
    special |= {o.person_id for o in overrides.in_force(site.db, at)}
    special |= {row.person_id for row in tasks.open_tasks(site.db)}
    return (people & seen) - special - history.loose(site.db)


class Everybody:
    """The people of one look. Whatever is the same for all is worked out once."""

    def __init__(
        self, site: Site, frame: pd.DataFrame, ours: pd.DataFrame, status: pd.Series, moment: datetime | date
    ) -> None:
        self.site, self.frame, self.moment = site, frame, moment
        ids = set(ours["employee_id"])
        self.links, self.held = holdings.all_links(site.db, ids), holdings.all_open(site.db, ids)
        self.settled = settled.all_of(site.db)
        rows: list[dict[Any, Any]] = ours.to_dict("records")
        self.persons = [person_of(row) for row in rows]
        self.addresses = self.addressed()
        self.kept = emails.of_people(site.db, ids)
        self.ours = ours.assign(work_email=pd.array([a for a, _ in self.addresses], dtype="string"))
        self.status = status
        here = pd.Series(True, index=ours.index)
        grants = desired(self.ours, here, site.rules)
        self.grants = dict(tuple(grants.groupby("person_id")))
        left = self.ours if "work_email" in site.rules.hr.write_back else ours
        self.fingerprints = fingerprints(left, status, here, site.rules)
        self.raw = ours
        self.managers = self.manager_addresses()
        self.shown = self.read_apps()

    def addressed(self) -> list[tuple[str | None, bool]]:
        """For each person the work address, and whether it is new."""
        taken = Taken(self.site)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda person: work_address(self.site, person, False, True, taken), self.persons))

    def manager_addresses(self) -> dict[str, str]:
        """Address by employee id, where any app wants the manager's."""
        if not any(asks_for_manager(app, False) for app in self.site.rules.apps.values()):
            return {}
        bosses = {p.manager_id for p in self.persons if p.manager_id}
        rows = self.frame[self.frame["employee_id"].isin(bosses)]
        known = dict(zip(rows["employee_id"], rows["work_email"], strict=True))
        told = {boss: address for boss, address in known.items() if not pd.isna(address)}
        mine = {boss: next(iter(emails.of_person(self.site.db, boss)), "") for boss in bosses - set(told)}
        return told | {boss: address for boss, address in mine.items() if address}

    def read_apps(self) -> dict[str, Shown]:
        """What every app that matters shows, side by side; an app that cannot be read is left out, but the SSO."""
        matter = {app for rows in self.grants.values() for app in rows["app"].unique()} | {a for _, a in self.links}
        names = [a for a in self.site.rules.apps if a in matter and not by_hand(self.site.rules, a)]
        with ThreadPoolExecutor(len(names) or 1) as pool:
            found = dict(zip(names, pool.map(self.read_app, names), strict=True))
        return {name: shown for name, shown in found.items() if shown is not None}

    def read_app(self, name: str) -> Shown | None:
        """All accounts of one app."""
        app = self.site.app(name)
        try:
            accounts = list(app.accounts())
        except ConnectorError:
            if self.site.rules.apps[name].tier is Tier.SSO:
                raise
            return None
        return Shown({a.id: a for a in accounts}, {a.key.casefold(): a for a in accounts}, tells(app))

    def cases(self) -> Iterable[Case | None]:
        """Each person's case; None where a look of their own is needed."""
        numbers = range(len(self.persons))
        return (self.case(number) for number in numbers)

    def case(self, number: int) -> Case | None:
        """One person's case."""
        site, person = self.site, self.persons[number]
        address, new = self.addresses[number]
        values = values_of(
            person.model_copy(update={"work_email": address}),
            manager_email=self.managers.get(person.manager_id or ""),
            **derived(site, person.employee_id, address, self.kept),
        )
        wanted = self.wanted(person, values)
        seen = self.seen(person, wanted, values)
        if seen is None or any(app not in self.shown and not by_hand(site.rules, app) for app in wanted):
            return None
        known = {s.app: self.known(person, s) for s in seen}
        terms = self.terms(person, address if new else None)
        notes = notes_on(person, wanted)
        drawn = plan(person.employee_id, name_of(person, values), wanted, known, site.rules, terms, list(notes))
        return Case(
            site=site,
            person=person,
            status=Status(self.status.iloc[number]),
            fingerprint=int(self.fingerprints.iloc[number]),
            frame=self.raw.iloc[[number]].reset_index(drop=True),
            seen=seen,
            plan=drawn,
            kind=self.kind(person, drawn),
            on=day_of(self.moment),
            leaving="",
            values=values,
            wanted=wanted,
            known=known,
            ids={app: k.account.id for app, k in known.items() if k.account},
            read=frozenset(s.app for s in seen if s.read),
            searched=tuple((s.app, s.key, s.at) for s in seen if s.account is None),
        )

    def wanted(self, person: Person, values: dict[str, str]) -> dict[str, Target]:
        """The person's accounts by the rules."""
        rows = self.grants.get(person.employee_id)
        return {} if rows is None else targets(rows, values, self.site.rules)

    def terms(self, person: Person, new_email: str | None) -> Terms:
        """What else the plan depends on."""
        contractors = self.site.rules.company.contractors
        why = "the name changed" if person.work_email else Terms.new_email_why
        approver = contractors.approver if person.worker_type in contractors.types else ""
        at = instant(self.moment)
        return Terms(at, new_email=new_email, new_email_why=why, can=self.site.can, approver=approver)

    def seen(self, person: Person, wanted: Mapping[str, Target], values: dict[str, str]) -> tuple[Seen, ...] | None:
        """What the listings show of the person; None where that is not enough."""
        linked = {app: self.links.get((person.employee_id, app)) for app in self.site.rules.apps}
        matter = [app for app, link in linked.items() if app in wanted or link is not None]
        found = [self.seen_in(app, linked[app], values) for app in matter]
        return None if None in found else tuple(one for one in found if one is not None)

    def seen_in(self, app: str, link: LinkRow | None, values: dict[str, str]) -> Seen | None:
        """The person's account in one app; None where it rests, is not told whole, or is somebody else's."""
        rules = self.site.rules.apps[app]
        key = link.key if link else attributes_of(rules, values).get(rules.key, "")
        if by_hand(self.site.rules, app):
            return Seen(app, key, from_record(self.site, link))
        shown = self.shown.get(app)
        if shown is None or (link is not None and not link.active):
            return None
        account = shown.by_id.get(link.external_id) if link else shown.by_key.get(key.casefold())
        if link is not None and account is None:
            return None
        if account and not shown.tells_entitlements:
            account = self.site.app(app).read(account.id)
        if account and (not account.active or (not link and another_persons(self.site, app, account, values))):
            return None
        return Seen(app, key, account)

    def known(self, person: Person, seen: Seen) -> Known:
        """What planning needs to know of one app."""
        held: Mapping[str, HeldRow] = self.held.get((person.employee_id, seen.app), {})
        link = self.links.get((person.employee_id, seen.app))
        return Known(
            account=seen.account,
            granted={name: row.why for name, row in held.items() if row.why != FOUND},
            active_by_us=link.active if link and seen.account else None,
            until={name: row.until for name, row in held.items() if row.until},
        )

    def kind(self, person: Person, drawn: Plan) -> str:
        """What happened to the person, told by what there is to do."""
        verbs = {step.verb for step in drawn.steps}
        if not verbs:
            return "same"
        if person.employee_id not in self.settled:
            return "joiner"
        moved = verbs & {Verb.CREATE, Verb.GRANT, Verb.REVOKE, Verb.DISABLE, Verb.DELETE}
        return "mover" if moved else "changed"


def tells(app: App) -> bool:
    """Whether listing the accounts tells their entitlements too, or there are none."""
    return app.lists_entitlements if isinstance(app, Grants) else True


def name_of(person: Person, values: Mapping[str, str]) -> str:
    """What runs and reports call the person."""
    return values.get("user_name") or person.display_name
