"""One person out of SuccessFactors' entities: the employment that counts, the job that holds, names for codes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from connectors.hr.successfactors_odata import Row, day, told

LAST = "9999-12-31"
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
        """The one that has not ended; of several the one begun last, of none such the one that ended last."""

        def rank(row: Row) -> tuple[bool, bool, str]:
            start, end = day(row["startDate"]), day(row["endDate"]) or LAST
            return end >= self.today, start <= self.today, start

        return max(self.employments[person], key=rank)

    def holding(self, records: list[Row]) -> Row:
        """The record that holds today; before the first one that one; of one day's the last in sequence."""
        ordered = sorted(records, key=lambda row: (day(row["startDate"]), int(row.get("seqNumber") or 0)))
        begun = [row for row in ordered if day(row["startDate"]) <= self.today]
        if begun or not ordered:
            return begun[-1] if begun else {}
        first = day(ordered[0]["startDate"])
        return [row for row in ordered if day(row["startDate"]) == first][-1]


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Rows by the text of one property."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[key])].append(row)
    return found
