"""One kind of entitlement of a REST app: groups, roles or teams, seen on the account or on the entitlement, and given
one by one or all at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from connectors import places
from connectors.answers import Told
from connectors.base import Outcome
from connectors.calls import GONE, Call
from connectors.errors import Refused
from connectors.fields import pick, text
from connectors.listing import Listing, Row
from connectors.names import Names
from connectors.rest_options import Entitlements

LOCKS = 64
"""So many accounts can have all their entitlements replaced side by side."""


class Holder(Protocol):
    """What this needs of the app."""

    name: str
    http: Told

    def rows(self, listing: Listing, doing: str, **at: Any) -> Iterator[Row]:
        """Items of a listing."""

    def row(self, id: str, doing: str) -> Row | None:
        """The account as the app shows it."""

    def id_of(self, row: Any) -> str:
        """An account's id."""

    def send(self, id: str, named: dict[str, dict[str, Any]], doing: str) -> None:
        """Set fields of the account."""


class Access:
    """A kind. Names are the app's own here, without the prefix that rules use."""

    def __init__(self, app: Holder, words: Entitlements, fixed: tuple[str, ...]) -> None:
        self.app, self.words, self.fixed = app, words, fixed
        self.names: Names | None = None
        if words.list is not None:
            listing = words.list
            self.names = Names(lambda: app.rows(listing, "list entitlements"), words.id, words.name)
        self.locks = [threading.Lock() for _ in range(LOCKS)]

    @property
    def on_account(self) -> bool:
        """Whether an account itself shows what it holds."""
        return self.words.held is not None and self.words.held.field is not None

    def known(self) -> dict[str, Any]:
        """Name -> id of all there are, read anew."""
        return self.names.all() if self.names else {name: name for name in self.fixed}

    def id_of(self, name: str, doing: str, anew: bool = False) -> Any:
        """The app's id for a name; made where it is missing and the YAML says how. Refused with the known ones."""
        if self.names is None:
            return name
        found = self.names.id_of(name, anew)
        if found is None and self.words.create:
            found = self.made(name, self.words.create, doing)
        if found is None:
            known = ", ".join(sorted(self.names.ids)) or "none"
            why = f"there is no {name!r} there; there are {known}"
            raise Refused(self.app.name, doing, why, "Make it there, or correct the name in the playbook.", 404)
        return found

    def made(self, name: str, create: Call, doing: str) -> Any:
        """A new entitlement's id, found by name: somebody else may have been faster."""
        try:
            create.send(self.app.http, f"{doing} (making {name!r})", name=name)
        except Refused as error:
            if error.status not in (400, 409, 422):
                raise
        return self.names.id_of(name, anew=True) if self.names else name

    # who holds what

    def shown(self, row: Row) -> frozenset[str]:
        """Names that the account itself shows."""
        held = self.words.held
        if held is None or held.field is None:
            return frozenset()
        values = self.several(pick(row, held.field))
        return self.visible(frozenset(map(str, values)) if held.names else self.named(values))

    def held(self, row: Row) -> frozenset[str]:
        """Names that the account holds, wherever that is told."""
        held, id = self.words.held, self.app.id_of(row)
        if held is None:
            return self.visible(frozenset(name for name, ids in self.holders() if id in ids))
        if held.list is None:
            return self.shown(row)
        rows = self.app.rows(held.list, f"read entitlements of {id}", id=id)
        return self.visible(self.named([pick(row, held.at) for row in rows]))

    def holders(self) -> Iterator[tuple[str, set[str]]]:
        """Each name with the ids of the accounts that hold it, by asking the entitlements."""
        assert self.words.members is not None
        for name, id in self.known().items():
            yield name, self.members(name, id)

    def members(self, name: str, id: Any) -> set[str]:
        """Ids of the accounts that hold one entitlement."""
        assert self.words.members is not None
        rows = self.app.rows(self.words.members, f"list the accounts with {name!r}", entitlement=id, name=name)
        where = self.words.member
        return {self.app.id_of(row) if where is None else text(pick(row, where)) or "" for row in rows}

    def has(self, id: str, name: str, doing: str) -> bool:
        """Whether an account holds it. Refused where there is no such account."""
        if self.words.held is None:
            return id in self.members(name, self.id_of(name, doing))
        row = self.app.row(id, doing)
        if row is None:
            raise Refused(self.app.name, doing, "there is no such account", status=404)
        return name.casefold() in {one.casefold() for one in self.held(row)}

    def named(self, values: list[Any]) -> frozenset[str]:
        """Names out of objects, ids or texts."""
        told = {name for value in values if (name := self.told(value)) is not None}
        ids = [pick(v, self.words.id) if isinstance(v, dict) else v for v in values if self.told(v) is None]
        return frozenset(told | set(self.names.named(ids) if self.names else map(str, ids)))

    def told(self, value: Any) -> str | None:
        """The name that an object tells; None of an id, or an object without one."""
        return text(pick(value, self.words.name)) if isinstance(value, dict) else None

    def visible(self, names: Iterable[str]) -> frozenset[str]:
        """Without those that are left alone."""
        hidden = {name.casefold() for name in self.words.hidden}
        return frozenset(name for name in names if name.casefold() not in hidden)

    # giving and taking

    def turn(self, id: str, name: str, on: bool, looked: bool, doing: str) -> Outcome:
        """Grant or revoke, after a look where no status would tell `already`."""
        call = self.words.grant if on else self.words.revoke
        if call is None:
            return self.replace(id, name, on, doing)
        if not looked and not call.already and self.has(id, name, doing) == on:
            return Outcome.ALREADY
        known = self.id_of(name, doing)
        try:
            return self.one(call, id, name, known, doing)
        except Refused as error:
            if error.status not in GONE or self.names is None:
                raise
            if (fresh := self.id_of(name, doing, anew=True)) == known:
                raise
            return self.one(call, id, name, fresh, doing)

    def one(self, call: Call, id: str, name: str, known: Any, doing: str) -> Outcome:
        """The call that gives or takes one."""
        at = {"id": id, "entitlement": known, "name": name}
        if call.names("membership"):
            membership = self.membership(id, known, doing)
            if membership is None:
                return Outcome.ALREADY
            at["membership"] = membership
        return call.done(self.app.http, doing, **at)

    def membership(self, id: str, known: Any, doing: str) -> str | None:
        """The id of the membership itself, at apps that take it away by that."""
        held = self.words.held
        if held is None or held.list is None:
            raise Refused(self.app.name, doing, "nothing says where memberships are listed", "Give `held.list`.")
        for row in self.app.rows(held.list, doing, id=id):
            one = pick(row, held.at)
            if str(pick(one, self.words.id) if isinstance(one, dict) else one) == str(known):
                return text(pick(row, held.membership or "id"))
        return None

    def replace(self, id: str, name: str, on: bool, doing: str) -> Outcome:
        """Read what the account has, and write it whole with one more or less. One at a time for one account."""
        with self.locks[hash(id) % LOCKS]:
            row = self.app.row(id, doing)
            if row is None:
                raise Refused(self.app.name, doing, "there is no such account", status=404)
            if (name.casefold() in {one.casefold() for one in self.held(row)}) == on:
                return Outcome.ALREADY
            given = name if self.words.held and self.words.held.names else self.id_of(name, doing)
            self.write(id, self.changed(self.ids(row), given, on), doing)
        return Outcome.DONE

    def changed(self, ids: list[Any], given: Any, on: bool) -> list[Any]:
        """What is held, with one more or less."""
        if self.words.single:
            return [given] if on else []
        others = [one for one in ids if str(one).casefold() != str(given).casefold()]
        return [*others, given] if on else others

    def ids(self, row: Row) -> list[Any]:
        """Ids (or names, where that is what the field holds) as the app shows them."""
        held = self.words.held
        assert held is not None
        if held.list is not None:
            rows = self.app.rows(held.list, f"read entitlements of {self.app.id_of(row)}", id=self.app.id_of(row))
            values: Any = [pick(one, held.at) for one in rows]
        else:
            values = pick(row, held.field or "")
        return [pick(one, self.words.id) if isinstance(one, dict) else one for one in self.several(values)]

    def several(self, value: Any) -> list[Any]:
        """What a field holds, as a list: a list as it is, the parts of a text that holds several, the only one."""
        between = self.words.held.split if self.words.held else ""
        if between and isinstance(value, str):
            return [part.strip() for part in value.split(between) if part.strip()]
        return value if isinstance(value, list) else [] if value in (None, "", self.words.none) else [value]

    def write(self, id: str, ids: list[Any], doing: str) -> None:
        """Say what the account has from now on, by the call for it or by the field."""
        call, held = self.words.set, self.words.held
        each = call.each if call else None
        values = [places.filled(each, {"entitlement": one}) for one in ids] if each is not None else ids
        if call:
            call.send(self.app.http, doing, id=id, entitlements=self.lone(values) if self.words.single else values)
            return
        assert held is not None and held.field is not None
        where = held.field.removesuffix(".*")
        whole = held.split.join(map(str, values)) if held.split else values
        self.app.send(id, {where: {where: self.lone(values) if self.words.single else whole}}, doing)

    def lone(self, values: list[Any]) -> Any:
        """The one value of a field that holds one."""
        return values[0] if values else self.words.none
