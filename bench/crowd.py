"""One vendor's twin with a crowd of people, in a process of its own: `Crowd("bamboohr", 100_000)` is a Sandbox."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from bench import exports
from connectors.sandbox import company, kinds, server
from connectors.sandbox.process import Sandbox
from connectors.sandbox.store import Row

FIRST = 101  # the first id
SLOW = 180.0  # seconds in which a crowd is seeded


class Crowd(Sandbox):
    """A sandbox with this twin alone, and this many people in it."""

    def __init__(self, twin: str, people: int) -> None:
        super().__init__()
        self.twin, self.people = twin, people

    def command(self) -> list[str]:
        """See Sandbox."""
        return [sys.executable, "-m", "bench.crowd", self.twin, str(self.people)]


def population(people: int) -> list[Row]:
    """As connectors.sandbox.company: the people of bench.exports, with managers of their own."""
    frame = exports.yesterday(people, np.random.default_rng(people))
    number = np.arange(people)
    for name in ("hire_date", "last_day"):
        frame[name] = pd.to_datetime(frame[name], format="%d/%m/%Y").dt.strftime("%Y-%m-%d")
    shown = pd.DataFrame(
        {
            "id": (number + FIRST).astype(str),
            "firstName": frame["given_name"],
            "lastName": frame["family_name"],
            "preferredName": frame["preferred_name"].replace("", None),
            "workEmail": frame["work_email"],
            "homeEmail": frame["personal_email"],
            "department": frame["department"],
            "jobTitleName": frame["title"],
            "location": frame["location"],
            "country": frame["country"],
            "reportsToId": (number // 12 + FIRST).astype(str),
            "customWorkerType": frame["worker_type"].map({"Permanent": "Employee", "Freelance": "Contractor"}),
            "employmentStatus": frame["employment_status"].map({"Working": "Full-Time", "On leave": "On Leave"}),
            "hireDate": frame["hire_date"],
            "terminationDate": frame["last_day"],
        }
    )
    return [{str(k): v for k, v in row.items() if not pd.isna(v)} for row in shown.to_dict("records")]


def main() -> None:
    """Serve the twin named first with so many people as named second, until standard input closes."""
    name, people = sys.argv[1], int(sys.argv[2])
    found = kinds.twins()[name]
    server.twins = lambda: {name: found}  # type: ignore[attr-defined]
    company.population = lambda: population(people)
    server.serve(0, None, 0.0, until_stdin_closes=True)


if __name__ == "__main__":
    main()
