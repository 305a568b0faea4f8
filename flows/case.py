"""One person's case: what HR says, what the apps show, and the plan between the two."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import pandas as pd

from connectors.errors import ConnectorError
from flows.addresses import derived, manager_email, work_address
from flows.identities import of_person
from flows.record import history, holdings, holds, overrides, settled, snapshots
from flows.record.tables import LinkRow
from flows.seeing import AT_ONCE, Seen, known_of, prepare, read_apps
from flows.site import Site
from mappings.access import Target
from mappings.day import standing
from mappings.draft import Known, Terms, plan
from mappings.exceptions import Override, next_end, told, with_grants, with_values
from mappings.feed import people_of
from mappings.people import Person, Status, person_of
from mappings.plan import Plan, Verb
from mappings.rules import desired, fingerprints, targets, values_of
from mappings.vocabulary import Tier


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


def look(
    site: Site,
    person_id: str,
    moment: datetime | date | None,
    leaving: str = "",
    reserve: bool = False,
    before: Case | None = None,
    putting_back: bool = False,
    at_once: bool = False,
    said: pd.DataFrame | None = None,
) -> Case:
    """Read HR and the apps and plan. Writes nothing but, with `reserve`, the reservation of a work address.

    `moment`: a plain date, an instant, or None for now. `leaving`: a reason to end all access whatever HR says.
    `before`: plan again from what that case saw, with what the record says now. `putting_back`: undo what others
    did in apps whose drift is to be put back. `at_once`: the SSO alone is read, and with `leaving` what HR said last
    is enough. `said`: HR's row, read just now.
    Raises NotInHr, RowHeld, ConnectorError (HR or the SSO cannot be read) or RulesError.
    """
    moment = moment or datetime.now(UTC)
    said = before.frame if before else said
    word = understood(site, person_id, moment, leaving, said, keep=reserve, at_once=at_once)
    address, new = work_address(site, word.person, bool(word.leaving), reserve)
    boss = None if at_once else manager_email(site, word.person.manager_id, bool(word.leaving))
    values = values_of(
        word.person.model_copy(update={"work_email": address}),
        manager_email=boss,
        **derived(site, person_id, address),
    )
    wanted = {} if word.leaving else should_have(site, word, address, values)
    links = holdings.links(site.db, word.holder)
    open_ends = {row.app for row in history.unfinished(site.db, person_id)}
    with ThreadPoolExecutor(AT_ONCE) as ahead:
        prepare(site, wanted, ahead)
        names = to_read(site, word, {*wanted, *links, *open_ends}, at_once)
        seen = before.seen if before else read_apps(site, names, links, values, bool(word.leaving))
    known = {s.app: known_of(site, word.holder, s, links.get(s.app)) for s in seen}
    drawn = plan(
        person_id,
        values.get("user_name") or word.person.display_name,
        wanted,
        known,
        site.rules,
        terms_of(site, word, address if new else None, putting_back),
        notes=[s.note for s in seen if s.note] + list(notes_on(word.person, wanted)),
    )
    return Case(
        site=site,
        person=word.person,
        status=word.status,
        fingerprint=fingerprint_of(site, word, address if new else word.person.work_email),
        frame=word.frame,
        seen=seen,
        plan=with_ends(drawn, word.overrides),
        kind=kind_of(site, drawn, word, links),
        on=day_of(moment),
        leaving=word.leaving,
        values=values,
        wanted=wanted,
        known=known,
        ids={app: k.account.id for app, k in known.items() if k.account},
        read=frozenset(s.app for s in seen if s.read),
        searched=tuple((s.app, s.key, s.at) for s in seen if s.account is None and not s.note),
    )


def to_read(site: Site, word: Word, matter: set[str], at_once: bool) -> list[str]:
    """Apps to look at: those that matter, for a leaver all there are, and when every second counts the SSO."""
    apps = site.rules.apps
    if at_once:
        return [name for name, rules in apps.items() if rules.tier is Tier.SSO]
    return [name for name in apps if word.leaving or name in matter]


@dataclass(frozen=True)
class Word:
    """What HR says of the person, with the overrides that count, at one moment."""

    frame: pd.DataFrame
    """HR's row, as read."""
    row: pd.DataFrame
    """The same with what overrides set."""
    person: Person
    status: Status
    here: bool
    """Whether the person should have access."""
    leaving: str
    at: datetime
    overrides: list[Override]
    holder: str
    """The id under which the record knows what is in place: that of an older record of the same human, at times."""


def understood(
    site: Site,
    person_id: str,
    moment: datetime | date,
    leaving: str,
    said: pd.DataFrame | None,
    keep: bool,
    at_once: bool = False,
) -> Word:
    """HR's row of the person, `said` or else read, and what it means; raises RowHeld where it cannot be used."""
    at = instant(moment)
    if said is None:
        said = said_by_hr(site, person_id, day_of(moment), bool(leaving), at_once)
    acting = of_person(site, said, moment, keep, ending=bool(leaving))
    if acting.elsewhere:
        raise RowHeld(acting.elsewhere)
    frame = acting.frame
    exceptions = overrides.in_force(site.db, at, person_id)
    row = with_values(frame, exceptions)
    statuses, present = standing(row, site.rules.company, moment)
    status = Status(statuses.iloc[0])
    person = person_of({str(k): v for k, v in row.iloc[0].items()})
    if status is Status.UNKNOWN and not leaving:
        raise RowHeld(f"{person_id} is held: HR has no hire date. Nothing was changed. Mend the row in HR.")
    if (doubt := holds.reason(site.db, person_id, holds.TRUST)) and not leaving:
        raise RowHeld(
            f"{person_id} is held: {doubt} Nothing was changed. Mend HR, or `rollcall held release {person_id}`."
        )
    leaving = leaving or holds.reason(site.db, person_id, holds.SENT_AWAY)
    here = bool(present.iloc[0]) and not leaving
    leaving = leaving or ("" if here else why_gone(person, status))
    return Word(frame, row, person, status, here, leaving, at, exceptions, acting.holder)


def should_have(site: Site, word: Word, address: str | None, values: dict[str, str]) -> dict[str, Target]:
    """The person's accounts by the rules and the overrides."""
    here = pd.Series([word.here], index=word.row.index)
    grants = desired(with_address(word.row, address), here, site.rules)
    grants = with_grants(grants, {word.person.employee_id}, word.overrides)
    return targets(grants, values, site.rules, on_leave=word.status is Status.LEAVE)


def terms_of(site: Site, word: Word, new_email: str | None, putting_back: bool) -> Terms:
    """What else the plan depends on."""
    contractors = site.rules.company.contractors
    return Terms(
        at=word.at,
        leaving=word.leaving,
        new_email=new_email,
        new_email_why="the name changed" if word.person.work_email else Terms.new_email_why,
        can=site.can,
        approver=contractors.approver if word.person.worker_type in contractors.types else "",
        putting_back=putting_back,
        legal_hold=holds.reason(site.db, word.person.employee_id, holds.LEGAL),
    )


def fingerprint_of(site: Site, word: Word, address: str | None) -> int:
    """See mappings.rules.fingerprints."""
    status, here = (pd.Series([value], index=word.row.index) for value in (word.status.value, word.here))
    left = as_left(site, word.row, address)
    return int(fingerprints(left, status, here, site.rules, told(word.row, word.overrides)).iloc[0])


def with_ends(drawn: Plan, exceptions: list[Override]) -> Plan:
    """The plan, to be looked at again when the first of the overrides ends."""
    looks = [when for when in (drawn.next_look, next_end(exceptions)) if when]
    return drawn.model_copy(update={"next_look": min(looks, default=None)})


def instant(moment: datetime | date) -> datetime:
    """An aware instant: noon in UTC of a plain date."""
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time(12), UTC)


def said_by_hr(site: Site, person_id: str, on: date, ending: bool, at_once: bool = False) -> pd.DataFrame:
    """HR's row. Ending all access at once must not hang on HR: what it said last is enough then."""
    last = said_last(site, person_id) if at_once and ending else None
    if last is not None:
        return last
    try:
        return hr_row(site, person_id, on)
    except (NotInHr, RowHeld, ConnectorError):
        last = said_last(site, person_id) if ending else None
        if last is None:
            raise
        return last


def said_last(site: Site, person_id: str) -> pd.DataFrame | None:
    """The person's row in the last good feed."""
    latest = snapshots.latest(site.db, site.rules.company.hr)
    row = latest[1][latest[1]["employee_id"] == person_id] if latest else None
    return None if row is None or row.empty else row.reset_index(drop=True)


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


def kind_of(site: Site, drawn: Plan, word: Word, links: dict[str, LinkRow]) -> str:
    """What happened to the person, told by what there is to do. Until the first clean run it is joining."""
    verbs = {step.verb for step in drawn.steps}
    if not verbs:
        return "same"
    if word.leaving:
        return "leaver" if word.status is not Status.PREHIRE else "cancelled"
    if not links or not settled.known(site.db, word.person.employee_id):
        return "joiner"
    if word.status is Status.LEAVE and Verb.DISABLE in verbs:
        return "leave"
    if Verb.ENABLE in verbs and not any(link.active for link in links.values()):
        return "return" if history.last_kind(site.db, word.person.employee_id) == "leave" else "rehire"
    if verbs & {Verb.GRANT, Verb.REVOKE, Verb.CREATE, Verb.DISABLE, Verb.DELETE}:
        return "mover"
    return "changed"


def notes_on(person: Person, wanted: dict[str, Target]) -> Iterable[str]:
    """Gaps in HR's data that the run worked around."""
    if wanted and not person.manager_id:
        yield "HR names no manager"
    if wanted and not person.department:
        yield "HR names no department: baseline access only"
