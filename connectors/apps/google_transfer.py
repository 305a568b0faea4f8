"""Files and calendars of a Google account to another one, by the Data Transfer API, before the account is deleted.

No API tells an administrator what somebody owns. So an account whose person has signed in, or that was given another
one's data, counts as owning the data of each application, until a transfer of it that was asked for after that is
completed. A transfer takes minutes to hours: it is asked for once, looked after for a while, and found again by the
next run.

Ids and parameters: developers.google.com/workspace/admin/data-transfer/v1/parameters. The words for a transfer's
status (completed, failed, inProgress) are from memory. Least permission: the scope admin.datatransfer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from connectors.apps.google_http import GoogleHttp, known
from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.listing import Row
from mappings.access import Owned
from mappings.words import Words

TRANSFERS = "/admin/datatransfer/v1/transfers"
COMPLETED, FAILED = "completed", "failed"
NEVER = "1970-01-01T00:00:00.000Z"
"""The lastLoginTime of somebody who never signed in."""


class Application(Words):
    """An application whose data can be handed over."""

    id: str
    name: str
    """As messages call its data."""
    params: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Parameter -> values: which of the data."""

    def asked(self) -> Row:
        """As a request names it."""
        params = [{"key": key, "value": list(values)} for key, values in self.params.items()]
        return {"applicationId": self.id, **({"applicationTransferParams": params} if params else {})}


DRIVE = Application(id="55656082996", name="Drive and Docs", params={"PRIVACY_LEVEL": ("PRIVATE", "SHARED")})
CALENDAR = Application(id="435070579839", name="Calendar", params={"RELEASE_RESOURCES": ("TRUE",)})


class Transfers:
    """The hand-over of what one account owns."""

    def __init__(self, http: GoogleHttp, applications: tuple[Application, ...], patience: float) -> None:
        self.http, self.applications, self.patience = http, applications, patience

    def owned(self, user: Row, doing: str) -> Iterator[Owned]:
        """2 calls: the applications without a completed transfer since the account last came by anything."""
        for each in self.missing(user, list(self.of(str(user["id"]), doing)), doing):
            yield Owned(id=each.id, kind="data", name=each.name)

    def missing(self, user: Row, transfers: list[Row], doing: str) -> list[Application]:
        """The applications whose data has not gone yet."""
        since = max(str(user.get("lastLoginTime") or NEVER), self.last_received(str(user["id"]), doing))
        if since <= NEVER:
            return []
        given = {id for row in transfers if is_(row, COMPLETED) and later(row, since) for id in applications_of(row)}
        return [each for each in self.applications if each.id not in given]

    def last_received(self, id: str, doing: str) -> str:
        """When somebody's data was last sent to the account."""
        query = {"newOwnerUserId": id, "customerId": "my_customer"}
        rows = self.http.pages(TRANSFERS, "dataTransfers", doing, 500, query)
        return max((str(r.get("requestTime", "")) for r in rows if str(r.get("newOwnerUserId")) == id), default=NEVER)

    def hand_over(self, user: Row, to_id: str, doing: str) -> Outcome:
        """3 calls, and some more to see it through. Retryable while Google is at it."""
        id = str(user["id"])
        there = list(self.of(id, doing))
        missing = self.missing(user, there, doing)
        if not missing:
            return Outcome.ALREADY
        running = [row for row in there if not is_(row, COMPLETED) and not is_(row, FAILED)]
        if other := next((row for row in running if str(row.get("newOwnerUserId")) != to_id), None):
            why = f"a transfer to another account ({other.get('newOwnerUserId')}) is under way"
            raise Retryable(self.http.app, doing, why, "Wait for it, then run again.")
        asked = {id for row in running for id in applications_of(row)}
        started = [self.start(id, to_id, [each for each in missing if each.id not in asked], doing)]
        for row in (*running, *(row for row in started if row)):
            self.completed(row, doing)
        return Outcome.DONE

    def start(self, id: str, to_id: str, applications: list[Application], doing: str) -> Row | None:
        """Ask for a transfer of what nobody has asked for yet."""
        if not applications:
            return None
        parts = [each.asked() for each in applications]
        body = {"oldOwnerUserId": id, "newOwnerUserId": to_id, "applicationDataTransfers": parts}
        return known(self.http.json("POST", TRANSFERS, doing=doing, json=body))

    def completed(self, transfer: Row, doing: str) -> None:
        """Look until the transfer has ended; Retryable where it takes longer, Refused where it failed."""
        looking = Retrying(
            retry=retry_if_result(lambda row: not is_(row, COMPLETED) and not is_(row, FAILED)),
            wait=wait_exponential(0.1, max=5),
            stop=stop_after_delay(self.patience),
            sleep=self.http.sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else {},
        )
        row: Row = looking(self.look, str(transfer["id"]), doing)
        if is_(row, FAILED):
            todo = "See Admin console > Reporting > Audit > Data transfer, and hand over by hand what it names."
            raise Refused(self.http.app, doing, "Google could not carry out the transfer", todo)
        if not is_(row, COMPLETED):
            why = "Google is at it (transfers take minutes to hours)"
            raise Retryable(self.http.app, doing, why, "Run again later; it is not asked for twice.", 300)

    def look(self, transfer: str, doing: str) -> Row:
        return known(self.http.json("GET", f"{TRANSFERS}/{transfer}", doing=doing))

    def of(self, id: str, doing: str) -> Iterator[Row]:
        """All transfers of the account's data."""
        query = {"oldOwnerUserId": id, "customerId": "my_customer"}
        rows = self.http.pages(TRANSFERS, "dataTransfers", doing, 500, query)
        return (row for row in rows if str(row.get("oldOwnerUserId")) == id)


def is_(transfer: Row, status: str) -> bool:
    """Whether a transfer is in this state."""
    return str(transfer.get("overallTransferStatusCode", "")).casefold() == status


def later(transfer: Row, since: str) -> bool:
    """Whether it was asked for after that moment; both are RFC 3339 in UTC."""
    return str(transfer.get("requestTime") or "") >= since


def applications_of(transfer: Row) -> list[str]:
    """Ids of the applications in a transfer."""
    parts: list[Any] = transfer.get("applicationDataTransfers") or []
    return [str(part.get("applicationId")) for part in parts]
