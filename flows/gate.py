"""The gate between HR and planning: a feed is believed or refused, people are held, and too much at once waits."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, runtime_checkable

import pandas as pd
from pydantic import JsonValue
from sqlmodel import col, select

from flows.case import day_of, instant
from flows.due import due
from flows.progress import heard
from flows.record import holdings, holds, marks, overrides, settled, snapshots
from flows.record.database import Database, few
from flows.record.decided import ApprovalRow, Decision
from flows.record.holds import TRUST, VANISHED
from flows.record.tables import HoldRow, SnapshotRow
from flows.site import Site
from mappings.day import standing
from mappings.exceptions import with_grants, with_values
from mappings.feed import Feed, FeedError, people_of
from mappings.guard import Before, Verdict, judge
from mappings.policies import BlastRadius
from mappings.radius import Impact, effects, impact, weigh
from mappings.rules import desired, fill_frame

MENDED = "the record in HR is good again"
RELEASED = "released by "
"""How the reason begins for which a human lifted a hold; the same reason is then no reason any more."""
FOR_EVER = datetime.max.replace(tzinfo=UTC)
ONE_BREATH = timedelta(seconds=1)  # a hold that takes another's place is placed within the same transaction
NAMED = 3  # held rows told in a message; the artifact has them all
UNSEEN = ("{manager_email}", "{former_email}", "{user_name}")  # values that only a person's own run works out
SHORT = 12  # characters of a feed's hash that people type


class FeedRefused(FeedError):
    """The feed was read, and is not believed."""


@runtime_checkable
class FromFile(Protocol):
    """A source that reads a file: the same file may come twice."""

    path: object


# the feed


def read(site: Site, on: date) -> Feed:
    """Everybody HR knows; refused as a whole when nobody is left of a company that had people."""
    with heard():
        raw = site.hr.read()
    feed = people_of(raw, site.rules.hr, on)
    before = snapshots.latest_row(site.db, site.rules.company.hr)
    if feed.people.empty and (before is None or before.count):
        raise FeedError(nobody(feed, before.count if before else None))
    return feed


def nobody(feed: Feed, before: int | None) -> str:
    """What to say of a feed in which there is nobody."""
    had = "this would be the first" if before is None else f"the last feed had {before}"
    held = "; ".join(h.message for h in feed.held[:NAMED])
    rows = f" Held are {len(feed.held)} rows: {held}{' …' if len(feed.held) > NAMED else '.'}" if feed.held else ""
    return f"HR sent no usable people ({had}). Nothing was changed.{rows}"


def believed(site: Site, feed: Feed, moment: datetime | date) -> Verdict:
    """Who in the feed is held, those released by a human aside. Writes nothing. Raises FeedRefused."""
    digest = snapshots.hash_of(feed.people)
    before = known_before(site, digest)
    verdict = judge(feed, before, site.rules.company, moment, accepted(site, digest))
    if verdict.refusal:
        how = f"If it is right all the same: rollcall sync --accept-feed {digest[:SHORT]}"
        raise FeedRefused(f"{verdict.refusal} Nothing was changed. {how}")
    free = {source: released(site, source) for source in (TRUST, VANISHED)}
    return Verdict("", without(verdict.held, free[TRUST]), without(verdict.vanished, free[VANISHED]))


def known_before(site: Site, digest: str) -> Before | None:
    """What was known before this feed; None where it is the first."""
    last = snapshots.latest(site.db, site.rules.company.hr)
    if last is None:
        return None
    row, people = last
    stale = read_before(site, digest) if digest != row.hash and isinstance(site.hr, FromFile) else None
    return replace(known_of(site, people, day_of(row.seen_at)), stale=stale)


def known_of(site: Site, people: pd.DataFrame, day: date, ids: Collection[str] | None = None) -> Before:
    """What was known on a day besides the rows of these people; `ids`: of them alone, else of everybody."""
    since = {person: at for person, at in held_since(site).items() if ids is None or person in ids}
    access = frozenset(holdings.people_with_access(site.db, ids))
    known = frozenset({*since, *access, *settled.all_of(site.db, ids)})
    return Before(with_good_rows(site, people, since), day, known, access, frozenset(since))


def held_since(site: Site) -> dict[str, datetime]:
    """Everybody whom the feed's faults hold now, and since when without a break, be it for changing reasons."""
    ours = (TRUST, VANISHED, site.rules.company.hr)
    wanted = select(HoldRow).where(col(HoldRow.source).in_(ours)).order_by(col(HoldRow.placed_at), col(HoldRow.id))
    since: dict[str, datetime] = {}
    until: dict[str, datetime] = {}
    with site.db.session() as session:
        for row in session.exec(wanted):
            if row.placed_at > until.get(row.person_id, row.placed_at):
                since[row.person_id] = row.placed_at
            since.setdefault(row.person_id, row.placed_at)
            end = row.lifted_at + ONE_BREATH if row.lifted_at else FOR_EVER
            until[row.person_id] = max(end, until.get(row.person_id, end))
    open_now = {row.person_id for row in holds.held(site.db) if row.source in ours}
    return {person: at for person, at in since.items() if person in open_now}


def with_good_rows(site: Site, people: pd.DataFrame, since: Mapping[str, datetime]) -> pd.DataFrame:
    """The people with the rows that held ones had before they were held: what is wrong stays wrong until mended."""
    parts = []
    for at in sorted(set(since.values())):
        if (found := snapshots.latest(site.db, site.rules.company.hr, before=at)) is not None:
            mine = {person for person, when in since.items() if when == at}
            parts.append(found[1][found[1]["employee_id"].isin(mine)])
    if not parts:
        return people
    good = pd.concat(parts, ignore_index=True)
    return pd.concat([good, people[~people["employee_id"].isin(good["employee_id"])]], ignore_index=True)


def read_before(site: Site, digest: str) -> date | None:
    """The day on which HR last said exactly this."""
    same = (col(SnapshotRow.source) == site.rules.company.hr, col(SnapshotRow.hash) == digest)
    with site.db.session() as session:
        at = session.exec(select(SnapshotRow.seen_at).where(*same).order_by(col(SnapshotRow.id).desc())).first()
    return day_of(at) if at else None


def accept(site: Site, digest: str, by: str = "") -> None:
    """A human says that the feed whose hash begins like this is right. It is believed once."""
    value: JsonValue = {"by": by or getpass.getuser(), "at": datetime.now(UTC).isoformat()}
    marks.set(site.db, accepted_mark(digest), value)


def accepted(site: Site, digest: str) -> bool:
    """Whether a human said so, and it was not made use of yet."""
    said = marks.get(site.db, accepted_mark(digest))
    return isinstance(said, dict) and "used" not in said


def accepted_mark(digest: str) -> str:
    """The name of the mark."""
    return f"feed accepted: {digest[:SHORT]}"


def use_up(site: Site, feed: Feed) -> None:
    """The feed was believed: what a human said of it has served."""
    name = accepted_mark(snapshots.hash_of(feed.people))
    said = marks.get(site.db, name)
    if isinstance(said, dict):
        marks.set(site.db, name, said | {"used": datetime.now(UTC).isoformat()})


# people held


def hold(site: Site, feed: Feed, verdict: Verdict) -> None:
    """Place the holds on people whose rows are bad, doubtful or gone, and lift those whose reason is gone."""
    rows = {row.employee_id: row.message for row in feed.held if row.employee_id}
    found = {TRUST: verdict.held, VANISHED: verdict.vanished, site.rules.company.hr: rows}
    with site.db.writing():
        before = holds.held(site.db)
        for source, people in found.items():
            for person_id, why in people.items():
                holds.place(site.db, person_id, source, why)
        for row in before:
            if row.source in found and row.person_id not in found[row.source]:
                holds.lift(site.db, row.person_id, row.source, MENDED)


def released(site: Site, source: str) -> set[tuple[str, str]]:
    """(person_id, reason) of what a human released."""
    wanted = select(HoldRow.person_id, HoldRow.reason)
    wanted = wanted.where(HoldRow.source == source, col(HoldRow.lifted_why).startswith(RELEASED))
    with site.db.session() as session:
        return set(session.exec(wanted))


def release(site: Site, person_id: str, why: str, by: str = "") -> int:
    """Lift the gate's holds on a person for good, as far as the reason stays the same; returns how many."""
    text = f"{RELEASED}{by or getpass.getuser()}: {why}"
    return sum(holds.lift(site.db, person_id, source, text) for source in (TRUST, VANISHED))


def held_reason(db: Database, person_id: str) -> str:
    """Why the trust gate holds a person, from whom nothing is taken then; empty where it does not."""
    return holds.reason(db, person_id, TRUST)


def served(site: Site, who: pd.DataFrame) -> pd.DataFrame:
    """Those of `who` whom the gate does not hold."""
    kept: pd.DataFrame = who[~who["person_id"].isin(holds.people(site.db, TRUST))]
    return kept.reset_index(drop=True)


def without(found: Mapping[str, str], free: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The reasons that nobody released."""
    known = set(free)
    return {person: why for person, why in found.items() if (person, why) not in known}


# too much at once


def weighed(site: Site, people: pd.DataFrame, who: pd.DataFrame, moment: datetime | date) -> Impact:
    """Who of those due waits for a human, since too many would lose something. Nobody, where it was approved."""
    found, working = lost(site, people, who, moment)
    of = working + int((who["flow"] == "offboard_user").sum())
    radius: BlastRadius = site.rules.company.blast_radius
    result = weigh(who, found, of, radius, site.rules.hash)
    return Impact(who.head(0), found.head(0)) if approved(site, result.hash) else result


def lost(site: Site, people: pd.DataFrame, who: pd.DataFrame, moment: datetime | date) -> tuple[pd.DataFrame, int]:
    """What those who are due would lose (see mappings.radius.effects), and how many people work here."""
    exceptions = overrides.in_force(site.db, instant(moment))
    people = with_values(people, exceptions)
    _, here = standing(people, site.rules.company, moment)
    here &= ~people["employee_id"].isin(holds.people(site.db, holds.SENT_AWAY))
    mine = people["employee_id"].isin(who["person_id"])
    grants = desired(people[mine], here[mine], site.rules)
    grants = with_grants(grants, set(people["employee_id"][mine & here]), exceptions)
    final = [name for name, app in site.rules.apps.items() if app.leaver == "delete" or app.leaving.disable_deletes]
    rewritten = to_be_rewritten(site, people[mine & here])
    in_place = holdings.held_frame(site.db, few(who["person_id"]))
    return effects(who, grants, in_place, final, rewritten), int(here.sum())


def to_be_rewritten(site: Site, people: pd.DataFrame) -> set[str]:
    """Those of whom some account was last left with another value than HR and the rules have now.

    A rule that was edited makes everybody due; what it does to them is what counts.
    """
    if people.empty:
        return set()
    people = people.assign(display_name=names_shown(people))
    found: set[str] = set()
    for app, rules in site.rules.apps.items():
        accounts = holdings.attributes_in(site.db, app, few(people["employee_id"]))
        ids = people["employee_id"]
        for name, template in rules.attributes.items():
            if not any(word in template for word in UNSEEN):
                there = pd.Series([accounts.get(i, {}).get(name, "") for i in ids], people.index, dtype="string")
                text = fill_frame(template, people)
                differs = text.notna() & (text.str.casefold() != there.str.casefold()) & ids.isin(accounts)
                found |= set(ids[differs.fillna(False)])
    return found


def names_shown(people: pd.DataFrame) -> pd.Series:
    """As Person.display_name."""
    called: pd.Series = people["preferred_name"].fillna(people["given_name"]) + " " + people["family_name"].fillna("")
    return called.str.strip()


def approved(site: Site, digest: str) -> bool:
    """Whether somebody approved exactly this lately; a batch that was cut off goes on."""
    since = datetime.now(UTC) - timedelta(days=site.rules.company.blast_radius.expires_days)
    wanted = select(ApprovalRow.id).where(
        ApprovalRow.plan_hash == digest,
        ApprovalRow.state == Decision.APPROVED.value,
        col(ApprovalRow.answered_at) > since,
    )
    with site.db.session() as session:
        return bool(digest) and session.exec(wanted).first() is not None


def batch_now(site: Site, ids: Iterable[str], moment: datetime | date | None = None) -> tuple[pd.DataFrame, str, str]:
    """What a batch of these people is by now: (who: person_id, flow, user_name; Markdown; hash).

    Reads HR anew. Raises FeedRefused, FeedError or ConnectorError.
    """
    moment = moment or datetime.now(UTC)
    feed = read(site, day_of(moment))
    verdict = believed(site, feed, moment)
    wanted = set(ids) - set(verdict.held)
    who = due(site, feed.people, moment)
    who = who[who["person_id"].isin(wanted)]
    found, _ = lost(site, feed.people, who, moment)
    result = impact(who, found, site.rules.hash, f"{len(who)} people")
    return result.who, result.body, result.hash
