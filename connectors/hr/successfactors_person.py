"""One person out of SuccessFactors' entities: the employment that counts, the job that holds, names for codes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from connectors.hr.successfactors_odata import Row, day, told

LAST = "9999-12-31"
ENDS = ("endDate", "lastDateWorked")
"""What an employment has from the last one that follows it without a gap."""
FOUNDATION = {"FODepartment": "department", "FOLocation": "location"}
"""Entity -> the property of EmpJob that has its code."""


class Staff:
    """Rows of all entities, found by what they hang together by."""

    def __init__(
        self, rows: Mapping[str, list[Row]], managers: Iterable[Row], kinds: Mapping[str, str], today: date
    ) -> None:
        self.today, self.kinds = today.isoformat(), kinds
        self.employments = grouped(rows["EmpEmployment"], "personIdExternal")
        self.jobs = grouped(rows["EmpJob"], "userId")
        self.personal = grouped(rows["PerPersonal"], "personIdExternal")
        self.emails = {(str(row["personIdExternal"]), str(row["emailType"])): row for row in rows["PerEmail"]}
        known = [*rows["EmpEmployment"], *managers]
        self.person_of = {str(row["userId"]): str(row["personIdExternal"]) for row in known}
        self.foundation = {entity: grouped(rows.get(entity, []), "externalCode") for entity in FOUNDATION}

    def persons(self) -> list[str]:
        return list(self.employments)

    def row(self, person: str, fields: list[str]) -> dict[str, str]:
        """The texts of these columns."""
        employment = self.employment(person)
        job = self.holding(self.jobs.get(str(employment["userId"]), []))
        entities = {
            "EmpEmployment": employment,
            "EmpJob": job,
            "PerPersonal": self.holding(self.personal.get(person, [])),
            "PerEmail": {kind: self.email(person, id) for kind, id in self.kinds.items()},
            "Manager": {"personIdExternal": self.person_of.get(str(job.get("managerId")), "")},
        }
        entities |= {
            entity: self.holding(self.foundation[entity].get(str(job.get(code)), []))
            for entity, code in FOUNDATION.items()
        }
        return {field: told(entities[field.split(".")[0]].get(field.split(".")[1])) for field in fields}

    def email(self, person: str, kind: str) -> str:
        return str(self.emails.get((person, kind), {}).get("emailAddress") or "")

    def employment(self, person: str) -> Row:
        """The one that runs, else the next one, else the one that ended last; of several that run the one begun first,
        as a second job is none to move for. It ends with those that follow it without a gap: no transfer is a leaver.
        """
        ordered = sorted(self.employments[person], key=begins)
        coming = [row for row in ordered if ends(row) >= self.today]
        chosen = coming[0] if coming else max(ordered, key=ends)
        last = chosen
        for row in ordered:
            if begins(row) <= day_after(ends(last)) and ends(row) > ends(last):
                last = row
        return chosen | {name: last.get(name) for name in ENDS}

    def holding(self, records: list[Row]) -> Row:
        """The record that holds today; before the first one that one; of one day's the last in sequence."""
        ordered = sorted(records, key=lambda row: (begins(row), sequence(row)))
        begun = [row for row in ordered if begins(row) <= self.today]
        first = [row for row in ordered if begins(row) == begins(ordered[0])]
        return (begun or first or [{}])[-1]


def begins(row: Row) -> str:
    """The first day."""
    return day(row["startDate"])


def ends(row: Row) -> str:
    """The last day; a far one where there is none."""
    return day(row["endDate"]) or LAST


def sequence(row: Row) -> int:
    """Its number among those of one day; entities without one have one record a day."""
    number = str(row.get("seqNumber") or "")
    return int(number) if number.isascii() and number.isdigit() else 0


def day_after(on: str) -> str:
    """The next day; after the far one it stays that one."""
    return on if on == LAST else (date.fromisoformat(on) + timedelta(days=1)).isoformat()


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Rows by the text of one property."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[key])].append(row)
    return found
