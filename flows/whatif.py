"""What if these were the rules: the people of now under the rules in force and under new ones. No app is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlmodel import col, select

from flows.case import day_of, instant
from flows.gate import believed, read
from flows.identities import resolve
from flows.record import holds, overrides
from flows.record.database import Database
from flows.record.tables import EmailRow
from flows.report import table
from flows.site import Site
from mappings.comparison import KEYS, Comparison, compare, side
from mappings.folder import read_folder

NAMED = 4  # names on a line
WIDEST = 40  # characters; what is longer pushes the rest of its own line only


def what_if(site: Site, folder: Path, moment: datetime | date | None = None) -> Comparison:
    """Compare the rules in `folder` with those in force, for everybody in HR as of now or `moment`.

    Reads HR and the record and writes nothing. Raises RulesError, ConnectorError, FeedError.
    """
    moment = moment or datetime.now(UTC)
    new = Site(site.settings, site.values, read_folder(folder), site.db)
    people = people_of(site, moment)
    same = new.rules.hr == site.rules.hr and new.rules.company.hr == site.rules.company.hr
    exceptions = overrides.in_force(site.db, instant(moment))
    away = holds.people(site.db, holds.SENT_AWAY)
    return compare(
        side(site.rules, people, moment, exceptions, away),
        side(new.rules, people if same else people_of(new, moment), moment, exceptions, away),
    )


def people_of(site: Site, moment: datetime | date) -> pd.DataFrame:
    """HR's people, one row for each human, with the addresses that Rollcall assigned where HR has none."""
    feed = read(site, day_of(moment))
    believed(site, feed, moment)
    people = resolve(site, feed.people, moment, keep=False)
    assigned = people["employee_id"].map(addresses(site.db)).astype("string")
    return people.assign(work_email=people["work_email"].fillna(assigned))


def addresses(db: Database) -> dict[str, str]:
    """person_id -> the newest address."""
    wanted = select(EmailRow.person_id, EmailRow.spelling).order_by(col(EmailRow.reserved_at))
    with db.session() as session:
        return dict(session.exec(wanted).all())


@dataclass(frozen=True)
class Line:
    """One thing to have, and who comes to have it or has it no more."""

    app: str
    entitlement: str
    gain: list[str]
    """Ids."""
    lose: list[str]
    files: list[str]
    approvers: list[str]
    """Who must approve it for those who gain it; nobody where it is empty."""

    @property
    def what(self) -> str:
        """`crm:Sales Rep`, `crm account`."""
        return f"{self.app}:{self.entitlement}" if self.entitlement else f"{self.app} account"


def lines(found: Comparison) -> Iterator[Line]:
    """One per entitlement and account, by app."""
    gained = found.gained.merge(found.new.grants[[*KEYS, "approver"]], on=KEYS)
    both = pd.concat([gained.assign(sign="+"), found.lost.assign(sign="-", approver="")])
    for (app, entitlement), rows in both.groupby(["app", "entitlement"]):
        gain, lose = (list(rows.loc[rows["sign"] == sign, "person_id"]) for sign in "+-")
        approvers = sorted(set(rows["approver"]) - {""})
        yield Line(str(app), str(entitlement), gain, lose, sorted(set(rows["file"])), approvers)


def short(found: Comparison) -> list[tuple[str, Line]]:
    """The lines, those about the same people and files in one: (`crm account, crm:Sales Rep`, the first of them)."""
    alike: dict[str, list[Line]] = {}
    for line in lines(found):
        alike.setdefault(repr((line.gain, line.lose, line.files, line.approvers)), []).append(line)
    return [(", ".join(line.what for line in some), some[0]) for some in alike.values()]


def attributes(found: Comparison) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """App, field, ids of the people, files: one per field whose value changes for somebody."""
    for (app, field), rows in found.changes.groupby(["app", "field"]):
        yield str(app), str(field), list(rows["person_id"]), sorted(set(rows["file"]))


def totals(found: Comparison) -> dict[str, int]:
    """How many people are touched, and how."""
    accounts = found.lost[found.lost["entitlement"] == ""]
    touched = {*found.gained["person_id"], *found.lost["person_id"], *found.changes["person_id"]}
    return {
        "people": int(found.old.here.sum()),
        "gain": found.gained["person_id"].nunique(),
        "lose": found.lost["person_id"].nunique(),
        "lose_an_account": accounts["person_id"].nunique(),
        "lose_everything": len(found.everything),
        "other_attributes": found.changes["person_id"].nunique(),
        "touched": len(touched),
    }


def as_dict(found: Comparison, on: date) -> dict[str, Any]:
    """For programs: ids instead of names, and all of them."""
    return {
        "on": str(on),
        "folder": str(found.new.rules.folder),
        "files": found.files,
        "access": [
            {"app": x.app, "entitlement": x.entitlement, "gain": x.gain, "lose": x.lose, "because": x.files}
            | {"approvers": x.approvers}
            for x in lines(found)
        ],
        "attributes": [
            {"app": app, "field": field, "people": people, "because": files}
            for app, field, people, files in attributes(found)
        ],
        "totals": totals(found),
        "too_much": found.too_much,
    }


def told(found: Comparison, on: date) -> str:
    """For people at a terminal."""
    names = names_of(found)
    rows = [
        (what, f"{signed(len(x.gain), '+')} {signed(len(x.lose), '-')}", *who(x, names)) for what, x in short(found)
    ]
    rows += [
        (f"{app} {field}", f"~{len(people)}", some(people, names), ", ".join(files))
        for app, field, people, files in attributes(found)
    ]
    wide = [min(max((len(row[n]) for row in rows), default=0), WIDEST) for n in range(2)]
    text = [f"Rules in {found.new.rules.folder} against those in force, on {on}:"]
    text += [f"  {what:{wide[0]}}  {number:{wide[1]}}  ({people})  {file}" for what, number, people, file in rows]
    return "\n".join([*text, *closing(found), "Nothing was changed."])


def markdown(found: Comparison, on: date) -> str:
    """For a pull request."""
    names = names_of(found)
    rows = [(what, signed(len(x.gain), "+"), signed(len(x.lose), "-"), *who(x, names)) for what, x in short(found)]
    changed = [
        (f"{app} {field}", len(people), some(people, names), ", ".join(files))
        for app, field, people, files in attributes(found)
    ]
    parts = [f"### Who gains and who loses, on {on}"]
    parts += [table(("access", "gain", "lose", "who", "because"), rows)] if rows else []
    parts += [table(("value", "people", "who", "because"), changed)] if changed else []
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in closing(found))])


def closing(found: Comparison) -> Iterator[str]:
    """The totals, and what to mind."""
    of = totals(found)
    if not of["touched"]:
        yield f"Nobody gains or loses anything, of {of['people']} people who have access."
    else:
        yield (
            f"Gain: {of['gain']} people. Lose: {of['lose']}, of them an account altogether {of['lose_an_account']}, "
            f"everything {of['lose_everything']}. Other values: {of['other_attributes']}. "
            f"With access now: {of['people']}."
        )
    if found.too_much:
        yield f"Too much at once: {found.too_much}. A sync under these rules waits for an approval."
    if found.quiet:
        yield f"Differs, and changes nothing for anybody now: {', '.join(found.quiet)}."


def who(line: Line, names: dict[str, str]) -> tuple[str, str]:
    """The people of a line, and the files."""
    parts = [f"{sign} {some(people, names)}" for sign, people in (("+", line.gain), ("-", line.lose)) if people]
    asked = f"; {' and '.join(line.approvers)} must approve" if line.approvers else ""
    return "; ".join(parts) + asked, ", ".join(line.files)


def some(people: Iterable[str], names: dict[str, str]) -> str:
    """`Ana Moreau, Bo Lind … and 12 more`."""
    found = sorted(names.get(person, person) for person in people)
    return ", ".join(found[:NAMED]) + (f" … and {len(found) - NAMED} more" if len(found) > NAMED else "")


def names_of(found: Comparison) -> dict[str, str]:
    """Id -> what the person is called."""
    people = pd.concat([found.old.people, found.new.people]).drop_duplicates("employee_id", keep="last")
    called = people["preferred_name"].fillna(people["given_name"]) + " " + people["family_name"]
    return dict(zip(people["employee_id"], called.fillna(people["employee_id"]), strict=True))


def signed(number: int, sign: str) -> str:
    """`+3`, and nothing for none."""
    return f"{sign}{number}" if number else ""
