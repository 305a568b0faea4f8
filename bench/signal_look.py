"""How long one look at one signal takes, by how many people are known.

    python -m bench.signal_look [PEOPLE ...] [--rounds 5] [--profile]

HR answers from memory, so that only Rollcall's own work counts: each of the people stands in the last good feed, has
three accounts and three entitlements in the record, and was seen through once."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from sqlalchemy import insert

from bench.boundless import boundless
from flows.record import snapshots
from flows.record.database import Database
from flows.record.tables import FactRow, HeldRow, LinkRow, SettledRow
from flows.settings import Settings
from flows.signalled import look
from flows.site import Site
from mappings.feed import people_of
from mappings.folder import read_folder

NOW = datetime.now(UTC)
GIVEN = {"sso": "All Staff", "crm": "Sales", "desk": "Agents"}
PART = 10_000  # rows inserted at once


class Told:
    """HR, of whom one person is asked."""

    def __init__(self) -> None:
        self.row: dict[str, str] = {}

    def read_one(self, person_id: str) -> pd.DataFrame:
        return pd.DataFrame([self.row], dtype="string", index=pd.RangeIndex(2, 3, name="row"))


def rows_of(number: int) -> pd.DataFrame:
    """So many people as HR's file has them."""
    ids = pd.Series([f"{n:07d}" for n in range(number)], dtype="string")
    plain = {"Department": "Sales", "Job title": "Clerk", "Office": "Lisbon", "Contract": "Permanent"}
    plain |= dict.fromkeys(("Known as", "Private e-mail", "Manager number", "Last day"), "")
    plain["Start date"] = "2020-01-01"
    names = {"Employee number": ids, "First name": "Given" + ids, "Last name": "Family" + ids}
    return pd.DataFrame(names | {"Work e-mail": ids + "@juniperfinch.example"} | plain)


def fill(site: Site, raw: pd.DataFrame) -> None:
    """The record after a first sync of these people."""
    people = people_of(raw.astype("string").rename_axis("row"), site.rules.hr).people
    snapshots.save(site.db, "csv", people, NOW - timedelta(hours=1))
    at = NOW - timedelta(hours=1)
    same = {"plan_hash": "0", "since": at, "why": "everybody"}
    lines: dict[type, list[dict[str, object]]] = {SettledRow: [], LinkRow: [], HeldRow: [], FactRow: []}
    for person in people["employee_id"]:
        lines[SettledRow].append({"person_id": person, "fingerprint": "0" * 16, "at": at})
        body = {"employee_id": person, "department": "Sales"}
        key = {"source": "csv", "person_id": person, "valid_from": at.date(), "known_since": at}
        lines[FactRow].append(key | {"body": body})
        for app, given in GIVEN.items():
            account = {"external_id": f"{app}{person}", "key": person, "active": True, "attributes_hash": "0"}
            words = {"attributes": {"userName": person, "title": "Clerk"}, "linked_at": at, "updated_at": at}
            lines[LinkRow].append({"person_id": person, "app": app} | account | words)
            lines[HeldRow] += [{"person_id": person, "app": app, "entitlement": e} | same for e in ("", given)]
    for table, rows in lines.items():
        with site.db.writing() as session:
            for first in range(0, len(rows), PART):
                session.execute(insert(table), rows[first : first + PART])


def measured(folder: Path, number: int, rounds: int, profile: bool) -> list[float]:
    """Seconds of each look, at one leaver after the other."""
    rules = boundless(folder)
    (rules / "company.yaml").write_text((rules / "company.yaml").read_text().replace("hr: bamboohr", "hr: csv"))
    settings = Settings(home=folder / "home", mappings=rules)
    db = Database(settings.database_url)
    db.migrate()
    site, told, raw = Site(settings, {}, read_folder(rules), db), Told(), rows_of(number)
    fill(site, raw)
    site.__dict__["hr"] = told
    times = []
    with cProfile.Profile() if profile else TemporaryDirectory() as found:
        for n in range(rounds):
            told.row = {str(k): str(v) for k, v in raw.iloc[n].items()} | {"Last day": "2024-01-31"}
            begun = time.perf_counter()
            seen = look(site, [told.row["Employee number"]], datetime.now(UTC))
            times.append(time.perf_counter() - begun)
            assert list(seen.who["flow"]) == ["offboard_user"], seen
    if isinstance(found, cProfile.Profile):
        pstats.Stats(found).sort_stats("cumulative").print_stats(45)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int, nargs="*", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    for number in given.people:
        with TemporaryDirectory() as name:
            times = measured(Path(name), number, given.rounds, given.profile)
        print(f"{number:7} people known: first look {times[0] * 1000:.0f} ms, "
              f"then {statistics.median(times[1:]) * 1000:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
