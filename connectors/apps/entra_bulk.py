"""Many writes to Microsoft Graph at once: 20 requests in a `$batch`, and up to 20 new members of a group in a request.

Source: learn.microsoft.com/graph/api/group-post-members, "Add multiple members to a group in a single request"
(`members@odata.bind`, 20 at most; the whole request fails where one of them cannot be added).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from connectors.apps.entra_attributes import MANAGER, body_of, new_user
from connectors.apps.entra_groups import LICENCE, ROLE, Groups, Licences, for_people
from connectors.apps.entra_http import MOST, Ask, says, segment
from connectors.apps.entra_users import CONFLICT, UPN, Users
from connectors.base import Outcome, Write, Written
from connectors.calls import GONE
from connectors.errors import ConnectorError, Refused, Retryable

TOGETHER = 20
"""Members that one request adds."""
ENDING = {"disable", "delete", "revoke"}
"""Verbs that are done where the account is gone."""
Unit = list[Write]
"""Writes that one request carries out: one, or grants of one group."""


class Writes:
    """Writes of many people."""

    def __init__(self, users: Users, groups: Groups, licences: Licences, grant: Callable[..., Outcome]) -> None:
        self.users, self.groups, self.licences, self.grant, self.http = users, groups, licences, grant, users.http

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """See Bulk."""
        ready: list[Unit] = []
        for unit in units(writes):
            ready.append(unit)
            if len(ready) == MOST:
                yield flat(ready)
                ready = []
        if ready:
            yield flat(ready)

    def write_many(self, batch: Sequence[Write], looked: bool) -> Iterator[Written]:
        """See Bulk. Deleted accounts of people who come back are restored one by one."""
        single = self.one_by_one(batch, looked)
        yield from (self.created(write, looked) for write in batch if id(write) in single)
        alone: list[Write] = []
        done: list[Written] = []
        for unit, said in self.answered(list(units(write for write in batch if id(write) not in single))):
            if isinstance(said, Refused) and unit[0].verb == "grant":
                alone += unit  # one of them was so before, or cannot be, or there are too few licences for all
            else:
                done += [self.told(write, said) for write in unit]
        yield from self.with_managers(done)
        yield from (self.granted(write) for write in alone)

    def one_by_one(self, batch: Sequence[Write], looked: bool) -> set[int]:
        """Those creates (by identity) that are more than a POST: for their name there is a deleted account (1 call per
        page of these), or they must be looked for, since Entra does not keep their key unique."""
        creates = [write for write in batch if write.verb == "create"]
        if not looked and self.users.key != UPN:
            return set(map(id, creates))
        names = self.users.deleted_names() if creates and self.users.restore else frozenset()
        return {id(write) for write in creates if write.attributes.get(UPN, "").casefold() in names}

    def created(self, write: Write, looked: bool) -> Written:
        """A create of its own."""
        try:
            outcome, ident = self.users.create(write.attributes, looked)
        except ConnectorError as error:
            return Written(write, error)
        return Written(write, outcome, ident)

    def granted(self, write: Write) -> Written:
        """A grant of its own."""
        try:
            return Written(write, self.grant(write.id, write.entitlement, looked=True), write.id)
        except ConnectorError as error:
            return Written(write, error, write.id)

    def answered(self, units: list[Unit]) -> Iterator[tuple[Unit, Any | ConnectorError]]:
        """Each unit with its answer, or with why it was not even asked."""
        wanted = Counter(write.entitlement.casefold() for unit in units for write in unit if write.verb == "grant")
        asks = [self.ask_of(unit, wanted) for unit in units]
        answers = self.http.many([ask for ask in asks if isinstance(ask, Ask)])
        for unit, ask in zip(units, asks, strict=True):
            yield unit, next(answers) if isinstance(ask, Ask) else ask  # nothing to ask: nothing went wrong

    def ask_of(self, unit: Unit, wanted: Counter[str]) -> Ask | ConnectorError | None:
        """The request for a unit, or why there is none; None where all that is to be done is a manager."""
        write = unit[0]
        doing = doing_of(write, self.users.key) + (f" and {len(unit) - 1} more" if len(unit) > 1 else "")
        user = f"/users/{segment(write.id)}"
        if write.verb in ("grant", "revoke"):
            try:
                return self.access(unit, write, doing, wanted)
            except ConnectorError as error:
                return error
        if write.verb == "create":
            return Ask("POST", "/users", doing, new_user(write.attributes, self.users.key))
        if write.verb == "update":
            body = body_of(write.attributes)
            return Ask("PATCH", user, doing, body) if body else None
        if write.verb == "delete":
            self.users.deleting()
            return Ask("DELETE", user, doing)
        return Ask("PATCH", user, doing, {"accountEnabled": write.verb == "enable"})

    def access(self, unit: Unit, write: Write, doing: str, wanted: Counter[str]) -> Ask:
        """The request for grants or one revocation."""
        name, ident = write.entitlement, segment(write.id)
        if name.startswith(ROLE):
            raise for_people(self.http.app, name, doing)
        if name.startswith(LICENCE):
            sku = self.licences.id_of(name, doing)
            return Ask("POST", f"/users/{ident}/assignLicense", doing, licensing(sku, write.verb == "grant"))
        group = self.groups.find(name, doing)
        if write.verb == "revoke":
            return Ask("DELETE", f"/groups/{group.id}/members/{ident}/$ref", doing)
        if group.licences:
            self.licences.check_left(group, wanted[name.casefold()], doing)
        if len(unit) == 1:
            return Ask("POST", f"/groups/{group.id}/members/$ref", doing, self.groups.link(write.id))
        links = [self.groups.link(each.id)["@odata.id"] for each in unit]
        return Ask("PATCH", f"/groups/{group.id}", doing, {"members@odata.bind": links})

    def told(self, write: Write, said: Any | ConnectorError) -> Written:
        """What an answer means for a write."""
        if write.verb == "create":
            return self.made(write, said)
        return Written(write, already(write, said) if isinstance(said, ConnectorError) else Outcome.DONE, write.id)

    def made(self, write: Write, said: Any | ConnectorError) -> Written:
        """What became of a create; after a failure the account may be there all the same."""
        if not isinstance(said, ConnectorError):
            ident = str(said["id"])
            self.users.is_new(ident, write.attributes)
            return Written(write, Outcome.DONE, ident)
        if not says(said, CONFLICT) and not isinstance(said, Retryable):
            return Written(write, said)
        try:
            outcome, ident = self.users.settle(write.attributes, doing_of(write, self.users.key), said, patience=0)
        except ConnectorError as error:
            return Written(write, error)
        return Written(write, outcome, ident)

    def with_managers(self, done: list[Written]) -> Iterator[Written]:
        """Managers are links of their own; those of this very batch are there by now. 1 call for 20."""
        linked: list[tuple[Written, Ask]] = []
        for one in done:
            name = one.write.attributes.get(MANAGER, "") if isinstance(one.outcome, Outcome) else ""
            ask = self.link_of(one, name) if name else None
            if isinstance(ask, Ask):
                linked.append((one, ask))
            else:
                yield one._replace(outcome=ask) if ask else self.without_manager(one)
        answers = self.http.many([ask for _, ask in linked])
        for (one, ask), said in zip(linked, answers, strict=True):
            yield self.by_itself(one, ask.doing) if isinstance(said, ConnectorError) else one

    def link_of(self, one: Written, name: str) -> Ask | ConnectorError:
        """The request that links somebody to the manager of this name, or why there is none."""
        doing = doing_of(one.write, self.users.key)
        try:
            boss = self.users.manager_id(name, doing)
        except ConnectorError as error:
            return error
        return Ask("PUT", f"/users/{segment(one.id)}/manager/$ref", doing, self.groups.link(boss))

    def without_manager(self, one: Written) -> Written:
        """An update may take the manager away; nobody else has one to lose."""
        gone = one.write.verb == "update" and one.write.attributes.get(MANAGER) == ""
        return self.by_itself(one, doing_of(one.write, self.users.key)) if gone and not failed(one) else one

    def by_itself(self, one: Written, doing: str) -> Written:
        """The manager in a call of its own, which waits for accounts that are new and looks up those made anew."""
        try:
            self.users.set_manager(one.id, one.write.attributes, doing)
        except ConnectorError as error:
            return one._replace(outcome=error)
        return one


def failed(one: Written) -> bool:
    """Whether it did not work."""
    return isinstance(one.outcome, ConnectorError)


def units(writes: Iterable[Write]) -> Iterator[Unit]:
    """Writes as requests: grants of one group together, everything else alone."""
    gathered: dict[str, Unit] = {}
    for write in writes:
        name = write.entitlement.casefold()
        if write.verb != "grant" or name.startswith((LICENCE, ROLE)):
            yield [write]
            continue
        gathered.setdefault(name, []).append(write)
        if len(gathered[name]) == TOGETHER:
            yield gathered.pop(name)
    yield from gathered.values()


def flat(ready: list[Unit]) -> list[Write]:
    """The writes of these units, in order."""
    return [write for unit in ready for write in unit]


def licensing(sku: str, on: bool) -> dict[str, Any]:
    """The body of assignLicense."""
    given = [{"skuId": sku, "disabledPlans": []}]
    return {"addLicenses": given if on else [], "removeLicenses": [] if on else [sku]}


def already(write: Write, said: ConnectorError) -> Outcome | ConnectorError:
    """ALREADY for the refusals that mean it."""
    gone = write.verb in ENDING and isinstance(said, Refused) and said.status in GONE
    held = write.verb == "grant" and says(said, CONFLICT)
    none = write.verb == "revoke" and says(said, "does not have a corresponding license")
    return Outcome.ALREADY if gone or held or none else said


def doing_of(write: Write, key: str) -> str:
    """`create account for x`, as messages say it."""
    if write.verb in ("grant", "revoke"):
        return f"{write.verb} {write.entitlement!r} {'to' if write.verb == 'grant' else 'from'} {write.id}"
    whom = f"for {write.attributes.get(key, '')}" if write.verb == "create" else write.id
    return f"{write.verb} account {whom}"
