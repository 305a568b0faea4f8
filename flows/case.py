"""One person's case: what HR says, what the apps show, and the plan between the two."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pandas as pd

from connectors.base import Prepares
from connectors.errors import ConnectorError
from flows.addresses import manager_email, work_address
from flows.record import history, holdings, holds, settled, snapshots
from flows.record.tables import LinkRow
from flows.site import Site
from mappings.access import Account, Target
from mappings.day import status_at
from mappings.feed import people_of
from mappings.people import Person, Status, person_of
from mappings.plan import Known, Plan, Verb, plan
from mappings.rules import attributes_of, desired, fingerprints, present, targets, values_of
from mappings.vocabulary import Tier

AT_ONCE = 16  # apps read side by side


class NotInHr(LookupError):
    """HR does not know this person: nothing is done, since a record that vanishes is not a leaver."""


class RowHeld(ValueError):
    """HR's row of this person cannot be used as it is."""


@dataclass(frozen=True)
class Case:
    """What a run knows of its person. `ids` gains an entry when an account is made."""

    site: Site
    person: Person
    status: Status
    fingerprint: int
    """Of the HR row, status and rules: see mappings.rules.fingerprints."""
    frame: pd.DataFrame
    """HR's row, as read."""
    seen: tuple[Seen, ...]
    """What the apps showed."""
    plan: Plan
    kind: str
    """joiner, rehire, mover, changed, leaver, same: what the plan does."""
    on: date
    leaving: str
    """Why the person should have nothing; empty for somebody who works here."""
    values: dict[str, str]
    """What templates may use."""
    wanted: dict[str, Target]
    known: dict[str, Known]
    ids: dict[str, str]
    read: frozenset[str] = frozenset()
    """Apps whose account, or its absence, was seen just now."""
    searched: tuple[tuple[str, str, datetime], ...] = ()
    """(app, key, when) of the apps that were searched in vain."""

    @property
    def user_name(self) -> str:
        """What runs and reports call the person."""
        return self.plan.user_name


@dataclass(frozen=True)
class Seen:
    """What one app showed."""

    app: str
    key: str
    account: Account | None
    note: str = ""
    read: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def look(
    site: Site,
    person_id: str,
    moment: datetime | date | None,
    leaving: str = "",
    reserve: bool = False,
    before: Case | None = None,
) -> Case:
    """Read HR and the apps and plan. Writes nothing but, with `reserve`, the reservation of a work address.

    `moment`: a plain date, an instant, or None for now. `leaving`: a reason to end all access whatever HR says.
    `before`: plan again from what that case saw, with what the record says now.
    Raises NotInHr, RowHeld, ConnectorError (HR or the SSO cannot be read) or RulesError.
    """
    moment = moment or datetime.now(UTC)
    frame = before.frame if before else said_by_hr(site, person_id, day_of(moment), bool(leaving))
    status = status_at(frame, site.rules.company, moment)
    here = present(frame, status, site.rules.company.prehire_days, pd.Timestamp(day_of(moment)))
    person = person_of({str(k): v for k, v in frame.iloc[0].items()})
    if status.iloc[0] == Status.UNKNOWN.value and not leaving:
        raise RowHeld(f"{person_id} is held: HR has no hire date. Nothing was changed. Mend the row in HR.")
    leaving = leaving or holds.reason(site.db, person_id, holds.SENT_AWAY)
    here &= not leaving
    leaving = leaving or ("" if here.iloc[0] else why_gone(person, Status(status.iloc[0])))
    address, new = work_address(site, person, bool(leaving), reserve)
    boss = manager_email(site, person.manager_id, bool(leaving))
    values = values_of(person.model_copy(update={"work_email": address}), manager_email=boss)
    wanted = {} if leaving else targets(desired(with_address(frame, address), here, site.rules), values, site.rules)
    links = holdings.links(site.db, person_id)
    open_ends = {row.app for row in history.unfinished(site.db, person_id)}
    with ThreadPoolExecutor(AT_ONCE) as ahead:
        prepare(site, wanted, ahead)
        matter = {*wanted, *links, *open_ends}
        seen = before.seen if before else read_apps(site, matter, links, values, everywhere=bool(leaving))
    known = {s.app: known_of(site, person_id, s, links.get(s.app)) for s in seen}
    drawn = plan(
        person_id,
        values.get("user_name") or person.display_name,
        wanted,
        known,
        site.rules,
        leaving=leaving,
        new_email=address if new else None,
        sessions=site.sessions,
        notes=[s.note for s in seen if s.note] + list(notes_on(person, wanted)),
    )
    return Case(
        site=site,
        person=person,
        status=Status(status.iloc[0]),
        fingerprint=int(fingerprints(as_left(site, frame, address), status, here, site.rules).iloc[0]),
        frame=frame,
        seen=seen,
        plan=drawn,
        kind=kind_of(drawn, bool(leaving), links, settled.known(site.db, person_id)),
        on=day_of(moment),
        leaving=leaving,
        values=values,
        wanted=wanted,
        known=known,
        ids={app: k.account.id for app, k in known.items() if k.account},
        read=frozenset(s.app for s in seen if s.read),
        searched=tuple((s.app, s.key, s.at) for s in seen if s.account is None and not s.note),
    )


def said_by_hr(site: Site, person_id: str, on: date, ending: bool) -> pd.DataFrame:
    """HR's row. Ending all access at once must not hang on HR: what it said last is enough then."""
    try:
        return hr_row(site, person_id, on)
    except (NotInHr, RowHeld, ConnectorError):
        latest = snapshots.latest(site.db, site.rules.company.hr) if ending else None
        row = latest[1][latest[1]["employee_id"] == person_id] if latest else None
        if row is None or row.empty:
            raise
        return row.reset_index(drop=True)


def hr_row(site: Site, person_id: str, on: date) -> pd.DataFrame:
    """The person's row of HR as a frame of people."""
    feed = people_of(site.hr.read_one(person_id), site.rules.hr, on)
    if feed.held:
        reasons = "; ".join(held.message for held in feed.held)
        raise RowHeld(f"{person_id} is held: {reasons}. Mend the row in HR, then run this again.")
    if feed.people.empty:
        raise NotInHr(
            f"HR ({site.rules.company.hr}) has nobody with id {person_id}. Nothing was changed: a record that "
            "vanishes is not a leaver. If the person left, set the last day in HR, or use `rollcall offboard ID --now`."
        )
    return feed.people


def day_of(moment: datetime | date) -> date:
    """The date, in UTC, of an instant."""
    return moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment


def why_gone(person: Person, status: Status) -> str:
    """Why the person should have nothing."""
    if status is Status.TERMINATED and person.last_day:
        return f"HR: the last day was {person.last_day}"
    if status is Status.PREHIRE:
        return f"HR: the first day is {person.hire_date}"
    return f"HR: {status}"


def with_address(frame: pd.DataFrame, address: str | None) -> pd.DataFrame:
    """The frame with the address that counts."""
    return frame.assign(work_email=pd.array([address], dtype="string"))


def as_left(site: Site, frame: pd.DataFrame, address: str | None) -> pd.DataFrame:
    """The row as HR will have it once the work address is written back."""
    return with_address(frame, address) if "work_email" in site.rules.hr.write_back else frame


def read_apps(
    site: Site, matter: set[str], links: dict[str, LinkRow], values: dict[str, str], everywhere: bool
) -> tuple[Seen, ...]:
    """Look at every app that matters for the person, side by side."""
    names = [n for n in site.rules.apps if everywhere or n in matter]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(lambda name: read_app(site, name, links.get(name), values, everywhere), names))


def prepare(site: Site, wanted: dict[str, Target], pool: ThreadPoolExecutor) -> None:
    """Begin to learn what grants will need; what goes wrong here will be told by the grant itself."""
    for app, target in wanted.items():
        connector = site.app(app)
        if isinstance(connector, Prepares):
            for name in target.entitlements:
                pool.submit(connector.prepare, name)


def read_app(site: Site, name: str, link: LinkRow | None, values: dict[str, str], leaving: bool) -> Seen:
    """One app's account: by id where one is known, else by key. An SSO that cannot be read stops a joiner."""
    rules = site.rules.apps[name]
    key = link.key if link else attributes_of(rules, values).get(rules.key, "")
    if rules.connector == "manual":
        return Seen(name, key, from_record(site, link))
    try:
        account = account_of(site, name, link, key)
    except ConnectorError as error:
        if rules.tier is Tier.SSO and not leaving:
            raise
        return Seen(name, key, from_record(site, link), f"{error} Planned from the record.", read=False)
    if account and not link and another_persons(site, name, account, values):
        return Seen(name, key, None, f"{name}: the account {key} is another person's; it was not touched")
    return Seen(name, key, account)


def account_of(site: Site, name: str, link: LinkRow | None, key: str) -> Account | None:
    """Read by the linked id; search by the key only where there is no link, or nothing behind it."""
    app = site.app(name)
    if link and link.external_id and (account := app.read(link.external_id)):
        return account
    found = app.find(key) if key else None
    return app.read(found.id) if found else None


def from_record(site: Site, link: LinkRow | None) -> Account | None:
    """The account as Rollcall last left it."""
    if link is None:
        return None
    granted = granted_by_us(site, link.person_id, link.app)
    return Account(
        id=link.external_id or link.key,
        key=link.key,
        active=link.active,
        attributes=link.attributes,
        entitlements=frozenset(granted),
    )


def another_persons(site: Site, name: str, account: Account, values: dict[str, str]) -> bool:
    """Whether the account carries another employee_id than this person's."""
    fields = [f for f, template in site.rules.apps[name].attributes.items() if template == "{employee_id}"]
    return any(account.attributes.get(f, values["employee_id"]) not in ("", values["employee_id"]) for f in fields)


def granted_by_us(site: Site, person_id: str, app: str) -> dict[str, str]:
    """Entitlements in place by Rollcall's own doing -> why."""
    rows = holdings.access(site.db, person_id=person_id, app=app)
    rows = rows[rows["entitlement"] != ""]
    return dict(zip(rows["entitlement"], rows["why"], strict=True))


def known_of(site: Site, person_id: str, seen: Seen, link: LinkRow | None) -> Known:
    """What planning needs to know of one app."""
    active = link.active if link and seen.account else None
    left = seen.app in site.sessions and sessions_left(site, person_id, seen.app)
    return Known(seen.account, granted_by_us(site, person_id, seen.app), active, left)


def sessions_left(site: Site, person_id: str, app: str) -> bool:
    """Whether the account was disabled and no attempt to end its sessions has succeeded since."""
    disabled, ended = (history.last_done(site.db, person_id, app, v) for v in (Verb.DISABLE, Verb.END_SESSIONS))
    return disabled > ended


def kind_of(drawn: Plan, leaving: bool, links: dict[str, LinkRow], was_settled: bool) -> str:
    """What happened to the person, told by what there is to do. Until the first clean run it is joining."""
    verbs = {step.verb for step in drawn.steps}
    if leaving or not verbs:
        return "leaver" if verbs else "same"
    if not links or not was_settled:
        return "joiner"
    if Verb.ENABLE in verbs and not any(link.active for link in links.values()):
        return "rehire"
    if verbs & {Verb.GRANT, Verb.REVOKE, Verb.CREATE, Verb.DISABLE, Verb.DELETE}:
        return "mover"
    return "changed"


def notes_on(person: Person, wanted: dict[str, Target]) -> Iterable[str]:
    """Gaps in HR's data that the run worked around."""
    if wanted and not person.manager_id:
        yield "HR names no manager"
    if wanted and not person.department:
        yield "HR names no department: baseline access only"
