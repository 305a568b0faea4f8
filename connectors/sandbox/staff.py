"""What the twins of HR systems have in common: the same small company, what changes in it, and who is told.

People are kept under the names of `connectors.sandbox.company`; each twin shows them in its vendor's way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.sandbox import company
from connectors.sandbox.deliveries import Deliveries, Letter
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection

DELIVERIES = Deliveries()


class StaffTwin(Twin):
    """People, and webhooks where the vendor has them."""

    accounts = "people"

    def make_tables(self) -> dict[str, Table]:
        emails = Index(lambda row: str(row.get("workEmail") or ""))
        return {"people": Table("people", {"email": emails}), "hooks": Table("hooks", {})}

    def seed(self) -> None:
        for row in company.population():
            known = {**row, "id": self.id_of(str(row["id"])), "number": str(row["id"])}
            known["reportsToId"] = self.id_of(str(row["reportsToId"])) if row.get("reportsToId") else None
            self.store["people"].put(known["id"], known | {"changed": now()})

    def id_of(self, number: str) -> str:
        """The vendor's id of a person with this number."""
        return number

    def person(self, call: Call, key: str) -> Row:
        found = call["people"].rows.get(key)
        if not found:
            raise Rejection(self.problem(404, "there is nobody with this id"))
        return found

    def hire(self, call: Call, fields: Mapping[str, Any]) -> Row:
        """A new person."""
        number = str(max((int(row["number"]) for row in call["people"].rows.values()), default=100) + 1)
        key = self.id_of(number)
        self.refuse_taken(call, key, fields)
        row = call["people"].put(
            key, {"id": key, "number": number, "customWorkerType": "Employee", **fields, "changed": now()}
        )
        self.tell(call, "created", row)
        return row

    def change(self, call: Call, key: str, fields: Mapping[str, Any]) -> Row:
        """A person with other values; nobody is told where nothing changed."""
        before = self.person(call, key)
        self.refuse_taken(call, key, fields)
        if all(before.get(name) == value for name, value in fields.items()):
            return before
        row = call["people"].put(key, {**before, **fields, "changed": now()})
        self.tell(call, "updated", row)
        return row

    def refuse_taken(self, call: Call, key: str, fields: Mapping[str, Any]) -> None:
        email = fields.get("workEmail")
        if email and any(other["id"] != key for other in call["people"].by("email", email)):
            raise Rejection(self.taken())

    def taken(self) -> Answer:
        """The answer to an e-mail that somebody else has."""
        return self.problem(422, "Email already in use")

    def ended(self, row: Row) -> bool:
        """Whether the last day is over."""
        return bool(row.get("terminationDate")) and row["terminationDate"] < self.clock.today().isoformat()

    def begun(self, row: Row) -> bool:
        return bool((row.get("hireDate") or "9999") <= self.clock.today().isoformat())

    # webhooks

    def tell(self, call: Call, what: str, row: Row) -> None:
        """Send every webhook what the vendor would."""
        for hook in self.store["hooks"].rows.values() if call.store is self.store else ():
            for letter in self.letters(hook, what, row):
                DELIVERIES.post(*letter)

    def letters(self, hook: Row, what: str, row: Row) -> Iterator[Letter]:
        """The calls that say it to a webhook."""
        for event in [each for each in self.events(what, row) if self.wants(hook, each)]:
            body = json.dumps(event, separators=(",", ":")).encode()
            yield Letter(hook["url"], body, self.signed(hook, body))

    def events(self, what: str, row: Row) -> list[Row]:
        """The bodies that say it: what is `created` or `updated`."""
        return []

    def wants(self, hook: Row, event: Row) -> bool:
        """Whether a webhook is told of this event."""
        return True

    def signed(self, hook: Row, body: bytes) -> dict[str, str]:
        """The headers that prove it."""
        return {}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
