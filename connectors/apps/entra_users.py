"""Users of one Entra tenant: found, made, restored, changed, while not all of Entra knows yet what was just done.

Sources: learn.microsoft.com/graph/api/user-list, user-post-users, user-post-manager, directory-deleteditems-restore,
user-delta; /entra/architecture/… "Designing for eventual consistency".
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import tenacity

from connectors.apps.entra_attributes import MANAGER, body_of, new_user, selected, value_of
from connectors.apps.entra_http import EVENTUAL, PAGE, GraphHttp, gone_already, quoted, says, segment
from connectors.base import Outcome
from connectors.calls import GONE
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.listing import Row

UPN = "userPrincipalName"
UNTOLD = (401, 403)
"""Refusals after which reading back is no use."""
YOUNG = 60.0  # seconds for which an account may be unknown to some of Entra's replicas
LAG = 15.0  # seconds that one call waits for a young account to be known
SHORT_LAG = 4.0  # seconds to look for an account whose making was not answered: Entra itself makes none twice
FRESH = 10.0  # seconds for which a list of deleted accounts serves a cohort
CONFLICT = "already exist"
MANGLED = re.compile(r"^[0-9a-f]{32}(?=.+@)")
"""What Entra puts before the name of a deleted user: the id without hyphens (unverified)."""
Said = TypeVar("Said")


class Changes(NamedTuple):
    """What has happened to users since a moment."""

    ids: tuple[str, ...]
    """Made or changed."""
    gone: tuple[str, ...]
    """Deleted."""
    since: str
    """To be handed in the next time."""


class Users:
    """What the verbs of App are made of."""

    def __init__(self, http: GraphHttp, key: str, fields: Sequence[str], link: Callable[[str], Row], restore: bool):
        self.http, self.key, self.link, self.restore = http, key, link, restore
        self.query = {"$select": selected(fields)} | ({"$expand": MANAGER} if MANAGER in fields else {})
        self.managers: dict[str, str] = {}
        """User principal name -> id, of those that were made here or were somebody's manager."""
        self.born: dict[str, float] = {}
        """Accounts made or restored by this process -> when."""
        self.restorable: tuple[float, frozenset[str]] = (float("-inf"), frozenset())
        """When the deleted accounts were last listed, and their names."""
        self.lock = threading.Lock()

    def create(self, attributes: Mapping[str, str], looked: bool) -> tuple[Outcome, str]:
        """See App."""
        doing = f"create account for {attributes[self.key]}"
        if not looked and self.key != UPN and (found := self.search(attributes[self.key])):
            return Outcome.ALREADY, str(found["id"])
        try:
            id = self.restored(attributes, doing) or self.made(attributes, doing)
        except ConnectorError as error:
            return self.settle(attributes, doing, error)
        self.is_new(id, attributes)
        self.set_manager(id, attributes, doing)
        return Outcome.DONE, id

    def is_new(self, id: str, attributes: Mapping[str, str]) -> None:
        """Remember an account that was just made: it may be unknown elsewhere, also as somebody's manager."""
        self.born[id] = time.monotonic()
        self.managers[attributes[UPN].casefold()] = id

    def search(self, value: str, field: str = "") -> Row | None:
        """The user with this key, or this value in another field, compared whatever the search gave."""
        query, field = {name.removeprefix("$"): wanted for name, wanted in self.query.items()}, field or self.key
        by = f"{field.replace('.', '/')} eq {quoted(value)}"
        rows = self.http.rows("/users", f"find account {value}", filter=by, **query)
        return next((row for row in rows if has(row, field, value)), None)

    def made(self, attributes: Mapping[str, str], doing: str) -> str:
        """POST; the id."""
        body = self.http.json("POST", "/users", doing=doing, json=new_user(attributes, self.key))
        return str((body or {})["id"])

    def restored(self, attributes: Mapping[str, str], doing: str) -> str:
        """The id of this person's deleted account, back and brought up to date; empty where there is none."""
        found = self.deleted(attributes, doing) if self.restore else None
        if not found:
            return ""
        id = str(found["id"])
        self.http.request("POST", f"/directory/deletedItems/{id}/restore", doing=doing)
        self.born[id] = time.monotonic()
        self.patch(id, body_of(attributes) | {"accountEnabled": True}, doing)
        return id

    def deleted(self, attributes: Mapping[str, str], doing: str) -> Row | None:
        """The deleted user with this name and, where it is mapped, this employeeId."""
        name, number = attributes.get(UPN, ""), attributes.get("employeeId", "")
        by = f"employeeId eq {quoted(number)}" if number else f"endsWith({UPN},{quoted(name)})"
        path, query = "/directory/deletedItems/microsoft.graph.user", {"$filter": by, "$count": "true"}
        body = self.http.json("GET", path, doing=doing, params=query, headers=EVENTUAL) or {}
        rows = body.get("value", ())
        return next((row for row in rows if MANGLED.sub("", str(row.get(UPN))).casefold() == name.casefold()), None)

    def deleted_names(self) -> frozenset[str]:
        """The names of all that can be restored, as they were: 1 call per page, none shortly after the last."""
        with self.lock:
            read_at, names = self.restorable
            if time.monotonic() - read_at > FRESH:
                path, doing = "/directory/deletedItems/microsoft.graph.user", "look for deleted accounts"
                rows = self.http.rows(path, doing, top=str(PAGE))
                names = frozenset(MANGLED.sub("", str(row.get(UPN))).casefold() for row in rows)
                self.restorable = time.monotonic(), names
            return names

    def delete(self, id: str, doing: str) -> Outcome:
        """1 call."""
        self.deleting()
        try:
            self.http.request("DELETE", f"/users/{segment(id)}", doing=doing)
        except Refused as error:
            return gone_already(error)
        return Outcome.DONE

    def deleting(self) -> None:
        """What was listed of deleted accounts is old."""
        with self.lock:
            self.restorable = (float("-inf"), frozenset())

    def settle(
        self, attributes: Mapping[str, str], doing: str, error: ConnectorError, patience: float = SHORT_LAG
    ) -> tuple[Outcome, str]:
        """After a failed create: was the account made all the same, or was it there before? A search may not show it
        for a while; `patience`: how long to look where it is not even sure that there is one."""
        conflict = says(error, CONFLICT)
        if getattr(error, "status", None) in UNTOLD or not (conflict or isinstance(error, Retryable)):
            raise error
        taken = conflict and says(error, UPN)
        field = UPN if taken else self.key
        try:
            found = self.looked_for(attributes[field], field, LAG if taken else 0 if conflict else patience)
        except Retryable as later:
            raise error if isinstance(error, Retryable) else later from None
        if found and has(found, self.key, attributes[self.key]):
            return (Outcome.ALREADY if conflict else Outcome.DONE), str(found["id"])
        if taken and not found:
            raise Retryable(self.http.app, doing, "the account is there, but Entra does not show it yet", "Try again.")
        raise error

    def looked_for(self, value: str, field: str, patience: float) -> Row | None:
        """The user with this value, looked for again and again while replicas may lag."""
        looking = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda user: user is None),
            wait=tenacity.wait_exponential(0.5, max=4),
            stop=tenacity.stop_before_delay(patience),
            sleep=self.http.sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        return looking(self.search, value, field)

    def patch(self, id: str, body: Row, doing: str) -> None:
        self.patiently(id, lambda: self.http.request("PATCH", f"/users/{segment(id)}", doing=doing, json=body))

    def patiently(self, id: str, send: Callable[[], Said]) -> Said:
        """Send; while the account is young, a 404 says only that not all of Entra knows it yet."""
        sending = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: self.too_young(id, error)),
            wait=tenacity.wait_exponential(0.5, max=4),
            stop=tenacity.stop_before_delay(LAG),
            sleep=self.http.sleep,
            reraise=True,
        )
        return sending(send)

    def too_young(self, id: str, error: BaseException) -> bool:
        age = time.monotonic() - self.born.get(id, float("-inf"))
        return isinstance(error, Refused) and error.status == 404 and age < YOUNG

    def set_manager(self, id: str, attributes: Mapping[str, str], doing: str) -> None:
        """Write the link, where a manager is among the attributes; an empty one takes it away."""
        if MANAGER not in attributes:
            return
        path, name = f"/users/{segment(id)}/manager/$ref", attributes[MANAGER]
        if name:
            self.put_manager(id, path, name, doing)
            return
        try:
            self.http.request("DELETE", path, doing=doing)
        except Refused as error:
            gone_already(error)

    def put_manager(self, id: str, path: str, name: str, doing: str) -> None:
        """1 call. A manager whose account was made anew is looked up again."""
        boss = self.manager_id(name, doing)
        try:
            self.patiently(id, lambda: self.http.request("PUT", path, doing=doing, json=self.link(boss)))
        except Refused as error:
            self.managers.pop(name.casefold(), None)
            if error.status != 404 or (fresh := self.manager_id(name, doing)) == boss:
                raise
            self.http.request("PUT", path, doing=doing, json=self.link(fresh))

    def manager_id(self, name: str, doing: str) -> str:
        """1 call, none where it is known."""
        if known := self.managers.get(name.casefold()):
            return known
        try:
            found = self.http.json("GET", f"/users/{segment(name)}", doing=doing, params={"$select": "id"})
        except Refused as error:
            if error.status not in GONE:
                raise
            todo = f"Make the account of {name} first, then run this again."
            raise Refused(self.http.app, doing, f"the manager {name} has no account there", todo, 409) from None
        self.managers[name.casefold()] = str(found["id"])
        return str(found["id"])

    def changes(self, since: str = "") -> Changes:
        """1 call per page: who has changed since an earlier call; without `since` only where to begin. Whoever has a
        listing and asks this reads the few that changed. Refused (410) where `since` is too old: list again."""
        doing = "read what has changed"
        query = {} if since else {"$deltatoken": "latest", "$select": "id"}
        rows, link = list[Row](), since or "/users/delta"
        while True:
            body = self.http.json("GET", link, doing=doing, params=query or None) or {}
            rows += body.get("value", ())
            query, link = {}, str(body.get("@odata.nextLink") or "")
            if not link:
                gone = tuple(str(row["id"]) for row in rows if "@removed" in row)
                ids = dict.fromkeys(str(row["id"]) for row in rows if "@removed" not in row)
                return Changes(tuple(ids), gone, str(body.get("@odata.deltaLink") or ""))


def has(user: Row, field: str, value: str) -> bool:
    """Whether a field has this value, without case."""
    return (value_of(user, field) or "").casefold() == value.casefold()
