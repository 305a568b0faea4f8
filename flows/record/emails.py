"""Work addresses: reserved once, for one person, whoever asks at the same moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlmodel import col, select

from flows.record import marks
from flows.record.database import Database, chunks, now
from flows.record.tables import EmailRow

MARK = "work e-mail of {}"
AT_ONCE = 500  # addresses per query; SQLite allows 32,766 parameters


def reserve(db: Database, address: str, person_id: str) -> bool:
    """Take the address for this person; True also where it is theirs already, False where it is another's."""
    spelling = address.strip()
    values = {"address": folded(address), "spelling": spelling, "person_id": person_id, "reserved_at": now()}
    with db.writing() as session:
        db.insert_new(session, EmailRow, values)
        owner = session.exec(select(EmailRow.person_id).where(EmailRow.address == folded(address))).one()
    return owner == person_id


def of_person(db: Database, person_id: str) -> list[str]:
    """The person's addresses, the newest first."""
    mine = select(EmailRow.spelling).where(EmailRow.person_id == person_id)
    with db.session() as session:
        return list(session.exec(mine.order_by(col(EmailRow.reserved_at).desc())))


def of_people(db: Database, ids: Iterable[str]) -> dict[str, list[str]]:
    """The addresses of each of these people, the newest first."""
    found: dict[str, list[str]] = {}
    newest = select(EmailRow.person_id, EmailRow.spelling).order_by(col(EmailRow.reserved_at).desc())
    with db.session() as session:
        for part in chunks(ids):
            for person_id, spelling in session.exec(newest.where(col(EmailRow.person_id).in_(part))):
                found.setdefault(person_id, []).append(spelling)
    return found


class Assigned(NamedTuple):
    """The address that Rollcall gave a person last, and the name it was made of."""

    address: str
    name: str
    in_hr: bool
    """Whether HR has shown it since."""


def assign(db: Database, person_id: str, address: str, name: str, in_hr: bool = False) -> None:
    """Note which of a person's addresses counts, and the name it was made of."""
    marks.set(db, MARK.format(person_id), {"address": address, "name": name, "in_hr": in_hr})


def assigned(db: Database, person_id: str) -> Assigned | None:
    """What was noted last; nothing for addresses that people gave."""
    said = marks.get(db, MARK.format(person_id))
    return Assigned(str(said["address"]), str(said["name"]), bool(said["in_hr"])) if isinstance(said, dict) else None


def told_hr(db: Database, person_id: str, address: str) -> None:
    """Note that HR shows the address now: whatever it shows later was meant."""
    said = assigned(db, person_id)
    if said is not None and folded(said.address) == folded(address):
        assign(db, person_id, said.address, said.name, in_hr=True)


def taken(db: Database, addresses: Iterable[str]) -> set[str]:
    """Those of the addresses, as they were given, that are somebody's."""
    asked: dict[str, list[str]] = {}
    for address in addresses:
        asked.setdefault(folded(address), []).append(address)
    return {spelling for address in reserved(db, list(asked)) for spelling in asked[address]}


def reserved(db: Database, addresses: Sequence[str]) -> list[str]:
    """Those of the folded addresses that are in the table."""
    found: list[str] = []
    with db.session() as session:
        for start in range(0, len(addresses), AT_ONCE):
            some = addresses[start : start + AT_ONCE]
            found += session.exec(select(EmailRow.address).where(col(EmailRow.address).in_(some)))
    return found


def folded(address: str) -> str:
    """The address as it is compared."""
    return address.strip().casefold()
