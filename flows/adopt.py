"""The first import: every app's accounts read and matched to HR's people. Nothing is written to any app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import insert
from sqlmodel import Session, col, select

from connectors.base import App, Grants
from connectors.errors import ConnectorError
from flows.identities import learn, merge
from flows.record import holdings
from flows.record.database import Database, now
from flows.record.tables import EmailRow, HeldRow, LinkRow
from flows.site import Site
from mappings.access import Account, Target
from mappings.adoption import Match, People, Report, compare, matched, reasons
from mappings.day import standing
from mappings.feed import FeedError, people_of
from mappings.identity import Merged
from mappings.people import Person, Status, person_of
from mappings.rules import desired, targets, values_of
from mappings.vocabulary import Tier

AT_ONCE = 8  # accounts of one app read side by side
PLAN = "first import"
"""What stands in the record in place of a plan's hash."""
Progress = Callable[[str], None]


def adopt(site: Site, names: Sequence[str], save: bool = False, say: Progress = lambda _: None) -> list[Report]:
    """A report for each of the apps (all that can be read), the SSO first. With `save` the record learns of them.

    `say` is told how far it is. Raises ConnectorError or FeedError where HR cannot be read; an app that cannot be
    read is told in its report.
    """
    moment = datetime.now(UTC)
    say("HR: reading everybody")
    feed = people_of(site.hr.read(), site.rules.hr, moment.date())
    if feed.people.empty:
        raise FeedError("HR sent no usable people. Nothing was changed.")
    found = merge(site, feed.people, learn(site, feed.people, keep=False), moment)
    people, wanted = population(site, feed.people, found, moment), wanted_of(site, found, moment)
    reports = []
    for name in readable(site, names):
        report = examine(site, name, people, wanted.get(name, {}), say)
        if save and not report.error:
            say(f"{name}: keeping {len(report.matched) + len(report.leavers)} accounts in the record")
            keep(site.db, report, wanted.get(name, {}), moment)
        reports.append(report)
    return reports


def readable(site: Site, names: Sequence[str]) -> list[str]:
    """The apps that a machine can read, by tier."""
    order = list(Tier)
    found = [n for n in site.rules.apps if not names or n in names]
    found = [n for n in found if "accounts" not in getattr(site.app(n), "undeclared", ())]
    return sorted(found, key=lambda n: (order.index(site.rules.apps[n].tier), n))


def population(site: Site, everybody: pd.DataFrame, found: Merged, moment: datetime) -> People:
    """HR's people by the numbers and addresses that accounts may carry, those of their older records too."""
    status, here = standing(found.people, site.rules.company, moment)
    ids = found.people["employee_id"]
    charge = {id: found.charge.get(id, id) for id in everybody["employee_id"]} | found.charge
    addresses: dict[str, set[str]] = {}
    rows = zip(
        everybody["work_email"].dropna(), everybody.loc[everybody["work_email"].notna(), "employee_id"], strict=True
    )
    for address, id in (*rows, *kept_addresses(site.db)):
        for word in (address, address.partition("@")[0]):
            addresses.setdefault(word.strip().casefold(), set()).add(charge.get(id, id))
    words = {word: frozenset(owners) for word, owners in addresses.items()}
    coming = frozenset(ids[(status == Status.PREHIRE.value).to_numpy()])
    return People(found.people, frozenset(ids[here]), coming, charge, words)


def kept_addresses(db: Database) -> list[tuple[str, str]]:
    """Addresses that are somebody's by the record: present and former ones."""
    with db.session() as session:
        return [(row.spelling, row.person_id) for row in session.exec(select(EmailRow))]


def wanted_of(site: Site, found: Merged, moment: datetime) -> dict[str, dict[str, Target]]:
    """App -> person_id -> the account as the rules would have it."""
    status, here = standing(found.people, site.rules.company, moment)
    grants = desired(found.people, here, site.rules)
    rows: list[dict[Any, Any]] = found.people.to_dict("records")
    persons = {p.employee_id: p for p in map(person_of, rows)}
    away = set(found.people.loc[(status == Status.LEAVE.value).to_numpy(), "employee_id"])
    wanted: dict[str, dict[str, Target]] = {}
    for id, mine in grants.groupby("person_id"):
        values = values_of(persons[str(id)], manager_email=address_of(persons, persons[str(id)].manager_id))
        for app, target in targets(mine, values, site.rules, on_leave=id in away).items():
            wanted.setdefault(app, {})[str(id)] = target
    return wanted


def address_of(persons: dict[str, Person], person_id: str | None) -> str | None:
    """A person's address by HR."""
    return persons[person_id].work_email if person_id in persons else None


def examine(site: Site, name: str, people: People, wanted: dict[str, Target], say: Progress) -> Report:
    """Read one app and match what it has."""
    app, rules = site.app(name), site.rules.apps[name]
    try:
        accounts = list(counted(app.accounts(), lambda n: say(f"{name}: {n} accounts read")))
        report = matched(name, rules, accounts, people, wanted)
        held = isinstance(app, Grants)
        if held and not any(account.entitlements for account in accounts):  # listed elsewhere, or nobody has any
            read_through(app, report, say)
        compare(report, rules, wanted, held)
    except ConnectorError as error:
        return Report(name, rules.title, error=str(error))
    return report


def counted(accounts: Iterable[Account], say: Callable[[int], None]) -> Iterator[Account]:
    """The same accounts, with a word every hundred."""
    for number, account in enumerate(accounts, 1):
        if number % 100 == 0:
            say(number)
        yield account


def read_through(app: App, report: Report, say: Progress) -> None:
    """Read each account that is somebody's, for its entitlements."""
    said = say_count(
        f"{app.name}: {{}} of {len(report.matched) + len(report.leavers)} accounts' entitlements read", say
    )

    def whole(match: Match) -> Match:
        account = app.read(match.account.id)
        said()
        return replace(match, account=account or match.account)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        report.matched = list(pool.map(whole, report.matched))
        report.leavers = list(pool.map(whole, report.leavers))


def say_count(template: str, say: Progress) -> Callable[[], None]:
    """A function that counts its calls and says so every twenty."""
    done: list[None] = []

    def one_more() -> None:
        done.append(None)
        if len(done) % 20 == 0:
            say(template.format(len(done)))

    return one_more


def keep(db: Database, report: Report, wanted: dict[str, Target], at: datetime) -> None:
    """Note in one transaction whose the accounts are and what they hold; what the record knows already stays."""
    with db.writing() as session:
        people, ids = linked(session, report.app)
        held = held_in(session, report.app)
        new = [m for m in (*report.matched, *report.leavers, *report.gone) if may_link(m, people, ids)]
        links = [link_row(report.app, match, at) for match in new]
        known = {m.person_id for m in new} | {p for p, i in people.items() for m in report.matched if m.account.id == i}
        rows = [
            held_row(report.app, match.person_id, name, why, at)
            for match in (*report.matched, *report.leavers)
            for name, why in reasons(match, wanted.get(match.person_id)).items()
            if match.person_id in known and (match.person_id, name) not in held
        ]
        for table, values in ((LinkRow, links), (HeldRow, rows)):
            if values:
                session.execute(insert(table), values)


def linked(session: Session, app: str) -> tuple[dict[str, str], set[str]]:
    """person_id -> account, and all accounts, that the record knows of this app."""
    rows = session.exec(select(LinkRow.person_id, LinkRow.external_id).where(LinkRow.app == app)).all()
    return dict(rows), {external for _, external in rows}


def held_in(session: Session, app: str) -> set[tuple[str, str]]:
    """person_id and entitlement of what is in place in this app by the record."""
    wanted = select(HeldRow.person_id, HeldRow.entitlement).where(HeldRow.app == app, col(HeldRow.ended).is_(None))
    return set(session.exec(wanted))


def may_link(match: Match, people: dict[str, str], ids: set[str]) -> bool:
    """Whether neither the person nor the account is linked already."""
    return match.person_id not in people and match.account.id not in ids


def link_row(app: str, match: Match, at: datetime) -> dict[str, Any]:
    """A row of the table of links."""
    account = match.account
    known = {"external_id": account.id, "key": account.key, "active": account.active}
    shown = {"attributes": account.attributes, "attributes_hash": holdings.attributes_hash(account.attributes)}
    return {"person_id": match.person_id, "app": app, "linked_at": at, "updated_at": now()} | known | shown


def held_row(app: str, person_id: str, entitlement: str, why: str, at: datetime) -> dict[str, Any]:
    """A row of what is held."""
    thing = {"person_id": person_id, "app": app, "entitlement": entitlement}
    return thing | {"why": why, "plan_hash": PLAN, "since": at}
