"""Of several HR records of one human, the one that is in charge: who new records are, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import NamedTuple

import pandas as pd
from sqlmodel import select

from connectors.errors import ConnectorError
from flows.record import holds, identities, snapshots
from flows.record.decided import IdentityRow
from flows.record.identities import SAME, SOURCE, TwoAccounts
from flows.record.lease import Busy, lease
from flows.record.tables import EmailRow, LinkRow, SettledRow
from flows.site import Site
from mappings.day import standing
from mappings.feed import people_of
from mappings.identity import Certainty, Merged, correlate, humans, merged
from mappings.lifecycle import position
from mappings.people import tidy
from mappings.policies import Correlation

ROLLCALL = "rollcall"
SNAPSHOTS = 20  # how many are looked through for people who are in HR no more
PERSONS = (LinkRow.person_id, EmailRow.person_id, SettledRow.person_id, IdentityRow.person_id)
"""Columns that tell whom the record knows."""
Links = set[tuple[str, str]]
"""Pairs of records that are one human: newer, older."""


class Acting(NamedTuple):
    """What counts for one person who may have several records."""

    frame: pd.DataFrame
    """HR's row, its last day put off where another record of the same human follows."""
    elsewhere: str
    """Why nothing may be planned for this record: another one is in charge, or it is not known who this is."""
    holder: str
    """The id under which the record knows what is in place."""


def resolve(site: Site, people: pd.DataFrame, moment: datetime | date, keep: bool = True) -> pd.DataFrame:
    """HR's people as they are planned for: one row for each human, and none for those of whom it must be asked first.

    With `keep`, what is learned goes into the record, and what is in place follows the record that is in charge.
    Call it before the snapshot of this feed is saved: new is who was in none before.
    """
    same = learn(site, people, keep)
    found = merge(site, people, same, moment)
    if keep and (doubts := follow(site, people, found, moment)):
        found = merge(site, people, same - doubts, moment)
    waiting = holds.people(site.db, SOURCE)
    return found.people[~found.people["employee_id"].isin(waiting)].reset_index(drop=True)


def of_person(
    site: Site, frame: pd.DataFrame, moment: datetime | date, keep: bool = False, ending: bool = False
) -> Acting:
    """What counts of the HR row of one person, as `resolve` would have it.

    With `keep` the caller holds the person's lease. `ending`: all access ends at once, whoever is in charge.
    """
    person_id = str(frame["employee_id"].iloc[0])
    same = identities.links(site.db) if known(site, person_id) else learn(site, with_latest(site, frame), keep)
    ids = next((g for g in humans(same) if person_id in g), [person_id])
    waits = "" if ending else holds.reason(site.db, person_id, SOURCE)
    if len(ids) == 1 or ending or waits:
        return Acting(frame, held(person_id, waits), identities.holder(site.db, person_id))
    people = tidy(pd.concat([frame, *others(site, ids, person_id, moment)], ignore_index=True))
    found = merge(site, people, same, moment)
    if (charge := found.charge.get(person_id, person_id)) != person_id:
        return Acting(frame, in_charge(person_id, charge), charge)
    if keep:
        follow(site, people, found, moment, mine=person_id)
    row = found.people[found.people["employee_id"] == person_id].reset_index(drop=True)
    holder = identities.holder(site.db, person_id)
    busy = f"what {person_id} has is still under {holder}, the same human. Nothing was changed. Run this again."
    waits = busy if keep and holder != person_id else ""
    return Acting(frame.assign(last_day=row["last_day"].to_numpy()), waits, holder)


def held(person_id: str, why: str) -> str:
    """The sentence about somebody who waits for an answer."""
    return f"{person_id} is held: {why}" if why else ""


def in_charge(person_id: str, charge: str) -> str:
    """The sentence about a record that another one stands for."""
    return (
        f"{person_id} is the same human as {charge}, and the record {charge} is in charge today. "
        f"Nothing was changed. Run this for {charge}; `rollcall link {person_id} --different {charge}` parts the two."
    )


def merge(site: Site, people: pd.DataFrame, same: Links, moment: datetime | date) -> Merged:
    """One row for each human, as of the moment."""
    status, here = standing(people, site.rules.company, moment)
    return merged(people, sorted(same), status, here, site.rules.company.correlation.bridge_days)


def learn(site: Site, people: pd.DataFrame, keep: bool) -> Links:
    """Who is the same human as whom, new records included; with `keep`, questions are asked and answers kept."""
    same = identities.links(site.db)
    new, old, rules = newcomers(site, people)
    if new.empty:
        return same
    found = correlate(new, old, rules, same)
    before = identities.asked(site.db)
    rows = [tuple(map(str, row)) for row in found.to_numpy(dtype=object)]
    news = [(new, old, certainty, how) for new, old, certainty, how in rows if (new, old) not in before]
    if keep:
        with site.db.writing():
            for row in news:
                note(site, *row)
            hold_questions(site, {row[0] for row in news})
        return identities.links(site.db)
    return same | {(new, old) for new, old, certainty, _ in news if certainty == Certainty.EXACT.value}


def note(site: Site, person_id: str, same_as: str, certainty: str, how: str) -> None:
    """Keep a link, or ask."""
    if certainty == Certainty.EXACT.value:
        identities.answer(site.db, person_id, same_as, SAME, ROLLCALL, how)
    else:
        identities.ask(site.db, person_id, same_as, how)


def hold_questions(site: Site, people: set[str]) -> None:
    """Hold those of the people about whom a question is open, where the company wants that."""
    if site.rules.company.correlation.probable != "hold":
        return
    told: dict[str, list[str]] = {}
    for row in identities.questions(site.db):
        told.setdefault(row.person_id, []).append(question(row))
    for person_id in people & set(told):
        holds.place(site.db, person_id, SOURCE, " ".join(told[person_id]))


def question(row: IdentityRow) -> str:
    """A question in words, with how to answer it."""
    pair = f"rollcall link {row.person_id}"
    return f"{row.how}. Say `{pair} --same-as {row.same_as}` or `{pair} --different {row.same_as}`."


def newcomers(site: Site, people: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, Correlation]:
    """People never seen before, everybody else who was ever seen, and how the two are compared.

    In the very first feed nobody waits: only equal keys tell that two of its rows are one human.
    """
    latest = snapshots.latest(site.db, site.rules.company.hr)
    rules = site.rules.company.correlation
    if latest is None:
        first = people if not recorded(site) else people.iloc[:0]
        return first, people.iloc[:0], rules.model_copy(update={"probable": "off"})
    fresh = pd.Series(position(people["employee_id"], latest[1]["employee_id"]) < 0, index=people.index)
    seen = recorded(site) if fresh.any() else set()
    fresh &= ~people["employee_id"].isin(seen)
    if not fresh.any():
        return people[fresh], people.iloc[:0], rules
    gone = latest[1][~latest[1]["employee_id"].isin(people["employee_id"])]
    lost = seen - set(people["employee_id"]) - set(latest[1]["employee_id"])
    old = [people[~fresh], gone, *former(site, lost)]
    return people[fresh], tidy(pd.concat(old, ignore_index=True)), rules


def recorded(site: Site) -> set[str]:
    """Ids of everybody the record knows anything of."""
    with site.db.session() as session:
        return {person_id for column in PERSONS for person_id in session.exec(select(column).distinct())}


def known(site: Site, person_id: str) -> bool:
    """Whether the person was seen before: by the record, or in the last feed."""
    with site.db.session() as session:
        if any(session.exec(select(c).where(c == person_id).limit(1)).first() for c in PERSONS):
            return True
    latest = snapshots.latest(site.db, site.rules.company.hr)
    return latest is not None and bool((latest[1]["employee_id"] == person_id).any())


def former(site: Site, ids: set[str]) -> Iterable[pd.DataFrame]:
    """The last rows of people who are in HR no more, from older snapshots."""
    before = None
    for _ in range(SNAPSHOTS):
        found = snapshots.latest(site.db, site.rules.company.hr, before) if ids else None
        if found is None:
            return
        rows = found[1][found[1]["employee_id"].isin(ids)]
        ids, before = ids - set(rows["employee_id"]), found[0].read_at
        yield rows


def with_latest(site: Site, frame: pd.DataFrame) -> pd.DataFrame:
    """The last feed with one more person in it."""
    latest = snapshots.latest(site.db, site.rules.company.hr)
    return tidy(pd.concat([latest[1], frame], ignore_index=True)) if latest else frame


def others(site: Site, ids: list[str], person_id: str, moment: datetime | date) -> Iterable[pd.DataFrame]:
    """The rows of a human's other records: from HR, else as HR last said."""
    latest: pd.DataFrame | None = None
    for each in (i for i in ids if i != person_id):
        on = moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment
        try:
            yield people_of(site.hr.read_one(each), site.rules.hr, on).people
        except ConnectorError:
            if latest is None:
                kept = snapshots.latest(site.db, site.rules.company.hr)
                latest = kept[1] if kept else pd.DataFrame({"employee_id": []})
            yield latest[latest["employee_id"] == each]


def follow(site: Site, people: pd.DataFrame, found: Merged, moment: datetime | date, mine: str = "") -> Links:
    """Move what is in place to the records in charge; returns the links that turned out doubtful, which are asked.

    A record in charge that should have no access takes over from records that HR knows only.
    """
    _, here = standing(found.people, site.rules.company, moment)
    working, there = set(found.people.loc[here, "employee_id"]), set(people["employee_id"])
    moving = identities.with_anything(site.db, [old for old, new in found.charge.items() if old != new])
    doubts: Links = set()
    for old in sorted(moving):
        new = found.charge[old]
        if (new in working or old in there) and mine in ("", new):
            doubts |= take_over(site, old, new, mine)
    return doubts


def take_over(site: Site, old: str, new: str, mine: str) -> Links:
    """Move what is in place; left to the next look where a run of either is under way."""
    try:
        with ExitStack() as leases:
            for each in sorted({old, new} - {mine}):
                leases.enter_context(lease(site.db, each, f"hand-over to {new}", wait_seconds=0))
            identities.hand_over(site.db, old, new, stays={site.rules.company.hr})
    except Busy:
        pass
    except TwoAccounts as error:
        return identities.doubt(site.db, old, new, str(error))
    return set()
