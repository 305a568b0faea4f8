"""People of whom HR has signalled news: a sync of these few, with the same gate and the same weighing as of all."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pandas as pd
from sqlmodel import col, select

from connectors.errors import ConnectorError
from flows import held_batch
from flows.case import day_of
from flows.due import due
from flows.gate import MENDED, approved, known_of, lost, released, served, without
from flows.identities import resolve
from flows.record import facts, holds, identities, overrides, signals, snapshots
from flows.record.decided import ApprovalRow, Decision
from flows.record.holds import TRUST
from flows.record.tables import SnapshotRow
from flows.site import Site
from mappings.day import standing, status_at
from mappings.feed import Feed, FeedError, Held, people_of
from mappings.guard import Before, Verdict, judge, whole_of
from mappings.identity import humans
from mappings.people import Status, tidy
from mappings.radius import Impact, weigh

AT_ONCE = 4  # people read side by side
ONE_BY_ONE = 50
"""People up to which each is read alone; for more the whole feed is read, which takes fewer calls."""
WEIGHED = timedelta(hours=24)
"""What signals started within this time is weighed together: a bad feed must not come through one by one."""


@dataclass(frozen=True)
class Told:
    """What HR says now of the people asked for."""

    feed: Feed
    missing: frozenset[str] = frozenset()
    """Whom HR has no record of."""
    unread: dict[str, str] = field(default_factory=dict)
    """Who could not be read, and why."""


@dataclass(frozen=True)
class Look:
    """What is to be done now."""

    who: pd.DataFrame
    """Whose runs are to be started: person_id, flow, user_name."""
    waits: Impact
    """Who waits for a human first."""
    effects: pd.DataFrame
    """What the runs of `who` take away."""
    said: dict[str, str]
    """person_id -> why nothing is started for them."""
    unread: dict[str, str]
    """person_id -> why they must be looked at again."""
    refusal: str = ""
    """Why nothing of it was believed."""


def look(site: Site, ids: list[str], moment: datetime) -> Look:
    """Read these people anew and find what is due. Writes holds and what HR said, and starts nothing.

    Raises ConnectorError or FeedError where HR cannot be read at all, RulesError.
    """
    last = snapshots.latest(site.db, site.rules.company.hr)
    if last is None:
        return nothing(dict.fromkeys(ids, "no feed was read yet: the first sync is the daily one's"))
    told = read(site, ids, moment)
    house = House.of(site, *last, told.feed, moment)
    verdict = judge(Feed(house.news, told.feed.held), house.before(site), site.rules.company, moment)
    if verdict.refusal:
        said = {each: "not believed" for each in ids if each not in told.unread}
        return nothing(said, told.unread, verdict.refusal)
    mine = {*told.feed.people["employee_id"], *held_ids(told.feed)}
    absent = dict.fromkeys(told.missing, "HR has no record of them: the daily sync asks")
    if not mine:
        return nothing(absent, told.unread)
    keep(site, told.feed, house, verdict, mine, moment)
    seen = weighed(site, house, mine, moment)
    return replace(seen, said=seen.said | absent, unread=told.unread)


@dataclass(frozen=True)
class House:
    """Everybody by the last whole feed, and what single signals have told since. That is few people, and all that is
    worked out is worked out for them: a look at one of 100,000 must not cost a look at all."""

    people: pd.DataFrame
    """The last whole feed."""
    day: date
    """When it was seen last."""
    status: pd.Series
    here: pd.Series
    """Of each of `people`, now; see mappings.day.standing."""
    known: pd.DataFrame
    """The rows that were told of since, before this look."""
    news: pd.DataFrame
    """The same with what HR says now."""
    held: frozenset[str]
    """Whose rows cannot be used."""

    @classmethod
    def of(cls, site: Site, row: SnapshotRow, people: pd.DataFrame, feed: Feed, moment: datetime) -> House:
        known = signals.told_since(site.db, row.source, row.seen_at)
        held = frozenset(held_ids(feed))
        news = signals.with_rows(known, feed.people, held)
        return cls(people, day_of(row.seen_at), *standing(people, site.rules.company, moment), known, news, held)

    def before(self, site: Site) -> Before:
        """What single signals have changed is compared with the last whole feed, so that it adds up."""
        ids = {*self.news["employee_id"], *self.held}
        mine = self.people[self.people["employee_id"].isin(ids)].reset_index(drop=True)
        return replace(known_of(site, mine, self.day, ids), whole=whole_of(self.people, self.status))

    def rows(self, ids: set[str]) -> pd.DataFrame:
        """What is known of these people now."""
        mine = self.people[self.people["employee_id"].isin(ids)]
        return signals.with_rows(mine, self.news[self.news["employee_id"].isin(ids)], self.held)

    def working(self, site: Site, moment: datetime) -> int:
        """How many people should have access now."""
        told = {*self.news["employee_id"], *self.held}
        _, here = standing(self.news, site.rules.company, moment)
        away = holds.people(site.db, holds.SENT_AWAY)
        still = self.here & ~self.people["employee_id"].isin(told | away)
        return int(still.sum()) + int((here & ~self.news["employee_id"].isin(away)).sum())


def nothing(said: dict[str, str], unread: dict[str, str] | None = None, refusal: str = "") -> Look:
    """Nobody is due."""
    who = pd.DataFrame(columns=["person_id", "flow", "user_name"], dtype="string")
    none = pd.DataFrame(columns=["person_id", "kind", "what"], dtype="string")
    return Look(who, Impact(who, none), none, said, unread or {}, refusal)


# HR


def read(site: Site, ids: list[str], moment: datetime) -> Told:
    """What HR says of each now."""
    if len(ids) > ONE_BY_ONE:
        return told_of(ids, [people_of(site.hr.read(), site.rules.hr, day_of(moment))])
    unread: dict[str, str] = {}

    def one(person_id: str) -> Feed | None:
        try:
            return people_of(site.hr.read_one(person_id), site.rules.hr, day_of(moment))
        except (ConnectorError, FeedError) as error:
            unread[person_id] = str(error)
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        feeds = [feed for feed in pool.map(one, ids) if feed is not None]
    return told_of([each for each in ids if each not in unread], feeds, unread)


def told_of(ids: list[str], feeds: list[Feed], unread: dict[str, str] | None = None) -> Told:
    """One feed of these people alone: whatever else HR said was not asked for."""
    wanted = set(ids)
    frames = [feed.people[feed.people["employee_id"].isin(wanted)] for feed in feeds]
    held = tuple(row for feed in feeds for row in feed.held if row.employee_id in wanted)
    people = tidy(pd.concat(frames, ignore_index=True)) if frames else tidy(pd.DataFrame())
    people = people.drop_duplicates("employee_id").reset_index(drop=True)
    return Told(Feed(people, held), frozenset(wanted - set(people["employee_id"]) - ids_of(held)), unread or {})


def ids_of(held: Iterable[Held]) -> set[str]:
    """Whose rows cannot be used."""
    return {row.employee_id for row in held if row.employee_id}


def held_ids(feed: Feed) -> set[str]:
    """The same of a feed."""
    return ids_of(feed.held)


# the record


def keep(site: Site, feed: Feed, house: House, verdict: Verdict, mine: set[str], moment: datetime) -> None:
    """What HR said of these people, and the holds on them that it places or lifts: all of it or nothing."""
    source, status = site.rules.company.hr, status_at(feed.people, site.rules.company, moment)
    rows = {row.employee_id: f"{row.message}. Mend the row in HR." for row in feed.held if row.employee_id}
    doubts = without(verdict.held, released(site, TRUST))
    before = house.people[house.people["employee_id"].isin(mine)]
    news = signals.differing(feed.people, signals.with_rows(before, house.known))
    with site.db.writing():
        for name, found in ((TRUST, doubts), (source, rows)):
            for each in mine:
                place_or_lift(site, each, name, found.get(each, ""))
        for each in feed.people.loc[status == Status.TERMINATED.value, "employee_id"]:
            holds.lift(site.db, str(each), holds.SENT_AWAY, "HR says now that the person has left")
        facts.keep(site.db, source, news, day_of(moment), moment)
        overrides.end_mended(site.db, feed.people[~feed.people["employee_id"].isin(doubts)], moment)


def place_or_lift(site: Site, person_id: str, source: str, why: str) -> None:
    """The hold of this source on a person, as it is now."""
    if why:
        holds.place(site.db, person_id, source, why)
    else:
        holds.lift(site.db, person_id, source, MENDED)


# who is due


def weighed(site: Site, house: House, mine: set[str], moment: datetime) -> Look:
    """Who of these people needs a run, and who of them waits since too many would lose something."""
    asked = in_batch(site)
    group = {each for g in humans(identities.links(site.db)) if mine & set(g) for each in g} | mine
    part = house.rows(group | asked)
    resolve(site, part, moment)
    who = served(site, due(site, part, moment))
    found, _ = lost(site, part, who, moment)
    waits = impact_of(site, who, found, house.working(site, moment), moment)
    start = who[~who["person_id"].isin({*waits.who["person_id"], *(asked - mine)})].reset_index(drop=True)
    new = set(waits.who["person_id"]) & group
    said = dict.fromkeys(mine - set(who["person_id"]), "nothing is due")
    said |= dict.fromkeys(new, "waits for approval")
    effects = found[found["person_id"].isin(start["person_id"])]
    asks = waits if new else Impact(waits.who.head(0), waits.effects.head(0))
    return Look(start, asks, effects, said, {})


def impact_of(site: Site, who: pd.DataFrame, found: pd.DataFrame, working: int, moment: datetime) -> Impact:
    """As gate.weighed, with what signals started lately on top."""
    lately = signals.effects_since(site.db, moment - WEIGHED)
    lately = lately[~lately["person_id"].isin(who["person_id"])]
    gone = set(who.loc[who["flow"] == "offboard_user", "person_id"])
    gone |= set(lately.loc[lately["kind"] == "leavers", "person_id"])
    both = pd.concat([found, lately], ignore_index=True)
    result = weigh(who, both, working + len(gone), site.rules.company.blast_radius, site.rules.hash)
    return Impact(who.head(0), found.head(0)) if approved(site, result.hash) else result


def in_batch(site: Site) -> set[str]:
    """Whom the batch that is asked about now is about: a new question takes them in, since it takes its place."""
    wanted = select(ApprovalRow.id).where(
        ApprovalRow.person_id == held_batch.BATCH, col(ApprovalRow.state) == Decision.OPEN.value
    )
    with site.db.session() as session:
        rows = session.exec(wanted).all()
    return {each for row in rows for each in held_batch.members(site, row or 0)}
