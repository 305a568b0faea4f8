"""The users of a Google Workspace: made, changed, suspended, deleted, and brought back."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from connectors.apps.google_access import USERS, user_path
from connectors.apps.google_groups import group_at, quoted
from connectors.apps.google_http import GONE, GoogleHttp, Said, known
from connectors.apps.google_options import Options
from connectors.apps.google_users import (
    ADDRESS,
    EMPLOYEE_ID,
    flat,
    is_active,
    lists_of,
    resource,
    same_human,
    somebody_else,
)
from connectors.base import Outcome
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.listing import Row
from mappings.access import Account
from mappings.vocabulary import AppRules

CUSTOMER = "my_customer"
UNITS = "/admin/directory/v1/customer/my_customer/orgunits"
DELETED_KNOWN = 60.0  # seconds for which the list of deleted users is believed
PASSWORD_BYTES = 48
SETTLING = 60.0  # seconds for which a new account may be unknown to parts of Google


class Accounts:
    """What the Directory API does with users."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: GoogleHttp) -> None:
        self.name, self.title, self.http, self.options = name, rules.title, http, options
        self.key, self.fields, self.named = rules.key, tuple(rules.attributes), rules.entitlements
        wanted = dict.fromkeys(["id", ADDRESS, "suspended", "archived", *(f.split(".")[0] for f in self.fields)])
        self.mask = ",".join(wanted)
        self.deleted: tuple[float, list[Row]] | None = None
        self.made: dict[str, float] = {}
        """Id of an account -> when this process made it. Never changed in place: threads read it."""
        self.lock = threading.Lock()

    def check(self) -> str:
        """1 call."""
        query = {"customer": CUSTOMER, "maxResults": "1", "fields": "users(id)"}
        self.http.request("GET", USERS, doing="check the connection", params=query)
        return f"{self.title} lets the service account read its users."

    def find(self, key: str) -> Account | None:
        """1 call: an address is read, not searched for; an employee id is searched for and compared."""
        user = self.by_key(key, f"find account {key}")
        return self.account(user, ()) if user else None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call, and 1 a minute for the users deleted of late. The address is unique there, so nobody looks first; by
        employee id somebody does. A failure that may hide a success is looked into."""
        doing = f"create account for {attributes[self.key]}"
        if self.key != ADDRESS and not looked and (found := self.by_key(attributes[self.key], doing)):
            return Outcome.ALREADY, str(found["id"])
        gone = self.deleted_one(attributes, doing) if self.options.undelete else None
        if gone and self.brought_back(gone, attributes, doing):
            return Outcome.DONE, str(gone["id"])
        body = resource(attributes) | {"password": secrets.token_urlsafe(PASSWORD_BYTES)}
        body["changePasswordAtNextLogin"] = self.options.change_password
        try:
            id = str(self.written("POST", USERS, body, doing)["id"])
        except ConnectorError as error:
            return self.settle(attributes, doing, error)
        now = time.monotonic()
        self.made = {each: when for each, when in self.made.items() if now - when < SETTLING} | {id: now}
        return Outcome.DONE, id

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call; 2 where an entry of a list changes (a title, a manager). DONE also where nothing was different."""
        with self.settling(id, doing := f"update account {id}"):
            self.change(id, attributes, doing)
        return Outcome.DONE

    def change(self, id: str, attributes: Mapping[str, str], doing: str) -> None:
        """Write these attributes."""
        there: Row = {}
        if lists := lists_of(attributes):
            query = {"projection": "full", "fields": ",".join(lists)}
            there = known(self.http.json("GET", user_path(id), doing=doing, params=query))
        body = resource(attributes, there)
        try:
            self.written("PATCH", user_path(id), body, doing)
        except Said as error:
            if error.reason != "duplicate":
                raise
            self.take_alias(id, attributes.get(ADDRESS, ""), doing)
            self.written("PATCH", user_path(id), body, doing)

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2."""
        return self.switch(id, {"suspended": False, "archived": False}, looked, f"enable account {id}")

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2."""
        wanted = {"suspended": True} | ({"archived": True} if self.options.archive else {})
        try:
            return self.switch(id, wanted, looked, f"disable account {id}")
        except Refused as error:
            if error.status == GONE:
                return Outcome.ALREADY
            raise

    def delete(self, id: str) -> Outcome:
        """1 call. Google keeps the account for 20 days; its data goes at once unless it was handed over."""
        try:
            self.http.request("DELETE", user_path(id), doing=f"delete account {id}")
        except Refused as error:
            if error.status == GONE:
                return Outcome.ALREADY
            raise
        self.deleted = None
        self.made = {each: when for each, when in self.made.items() if each != id}
        return Outcome.DONE

    # how it is done

    def user(self, key: str, doing: str, fields: str = "") -> Row | None:
        """The user with this id, address or alias; None where Google says that there is none."""
        query = {"projection": "full", "fields": fields or self.mask}
        try:
            return known(self.http.json("GET", user_path(key), doing=doing, params=query)) or None
        except Refused as error:
            if error.status == GONE or self.unsettled(key, error):
                return None
            raise

    @contextmanager
    def settling(self, id: str, doing: str) -> Iterator[None]:
        """Within this, an account that was made a moment ago and is not known or not allowed there is Retryable."""
        try:
            yield
        except Refused as error:
            if self.unsettled(id, error):
                why = "Google does not know the new account everywhere yet"
                raise Retryable(self.name, doing, why, "Run again in a minute.") from None
            raise

    def unsettled(self, id: str, error: Refused) -> bool:
        """Whether a refusal may only mean that the account is new: 404, and 403 too, for a while
        (hashicorp/terraform-provider-googleworkspace issues 162, 213, 286)."""
        young = time.monotonic() - self.made.get(id, -SETTLING) < SETTLING
        return young and error.status in (403, GONE)

    def by_key(self, key: str, doing: str) -> Row | None:
        """The user whose key this is: an address that is but an alias does not count."""
        if self.key == ADDRESS:
            rows = [user] if (user := self.user(key, doing)) else []
        else:
            query = {"customer": CUSTOMER, "projection": "full", "query": f"externalId={quoted(key)}"}
            query["fields"] = f"nextPageToken,users({self.mask})"
            rows = list(self.http.pages(USERS, "users", doing, 500, query))
        return next((u for u in rows if flat(u, [self.key]).get(self.key, "").casefold() == key.casefold()), None)

    def address(self, id: str, doing: str) -> str:
        """The user's present address; Refused where there is no such user."""
        user = self.user(id, doing, ADDRESS)
        if not user:
            raise Refused(self.name, doing, "there is no such account", status=GONE)
        return str(user[ADDRESS])

    def written(self, verb: str, path: str, body: Row, doing: str) -> Row:
        """POST or PATCH a user; where its org unit is missing and may be made, once more."""
        try:
            return known(self.http.json(verb, path, doing=doing, json=body))
        except Said as error:
            unit = str(body.get("orgUnitPath") or "")
            if error.status != 400 or "INVALID_OU_ID" not in error.why or not unit:
                raise
            if not self.options.create_org_units:
                todo = f"Make the org unit {unit} there, or say `create_org_units: true` in its YAML."
                raise Refused(self.name, doing, f"there is no org unit {unit}", todo, 400) from None
        self.make_units(unit, doing)
        return known(self.http.json(verb, path, doing=doing, json=body))

    def make_units(self, path: str, doing: str) -> None:
        """Make an org unit and those above it, as far as they are missing."""
        parent = "/"
        for name in path.strip("/").split("/"):
            try:
                self.http.request("POST", UNITS, doing=doing, json={"name": name, "parentOrgUnitPath": parent})
            except Said as error:
                if error.status not in (400, 409):  # it is there: 400 "Invalid Ou Id"; the next call tells otherwise
                    raise
            parent = f"{parent.rstrip('/')}/{name}"

    def settle(self, attributes: Mapping[str, str], doing: str, error: ConnectorError) -> tuple[Outcome, str]:
        """After a failed POST: was the account made all the same, or was it there before?"""
        taken = isinstance(error, Said) and error.reason == "duplicate"
        if not taken and not isinstance(error, Retryable):
            raise error
        try:
            found = self.user(attributes[ADDRESS], doing)
        except Retryable as later:
            raise error if isinstance(error, Retryable) else later from None
        if not found:
            raise self.unseen(attributes[ADDRESS], doing) if taken else error
        self.refuse_strangers(found, attributes, doing)
        return Outcome.ALREADY if taken else Outcome.DONE, str(found["id"])

    def unseen(self, address: str, doing: str) -> Refused | Retryable:
        """What it means that an address is taken, but by no user that can be read."""
        if group_at(self.http, address, doing):
            return self.taken_by("a group", address, doing)
        why = f"the address {address} is taken, but nobody can be seen who has it"
        todo = "Run again later; if that lasts, look for a private Google account with this address."
        return Retryable(self.name, doing, why, todo)

    def taken_by(self, whose: str, address: str, doing: str) -> Refused:
        why = f"the address {address} belongs to {whose}"
        return Refused(self.name, doing, why, "Give one of the two another address.", 409)

    def refuse_strangers(self, found: Row, attributes: Mapping[str, str], doing: str) -> None:
        """Refused where the address belongs to something else than this person's account."""
        address, whose = attributes[ADDRESS], ""
        if str(found[ADDRESS]).casefold() != address.casefold():
            whose = f"{found[ADDRESS]}, as an alias"
        elif somebody_else(found, attributes):
            whose = f"another employee ({flat(found, [EMPLOYEE_ID])[EMPLOYEE_ID]})"
        if whose:
            raise self.taken_by(whose, address, doing)

    def take_alias(self, id: str, address: str, doing: str) -> None:
        """Free an address that the same user has as an alias, so that it can be the primary one."""
        holder = self.user(address, doing, f"id,{ADDRESS}") if address else None
        if not holder or str(holder["id"]) != id:
            raise self.taken_by(str((holder or {}).get(ADDRESS, "a group")), address, doing) from None
        self.http.request("DELETE", f"{user_path(id)}/aliases/{quote(address, safe='')}", doing=doing)

    def switch(self, id: str, wanted: dict[str, bool], looked: bool, doing: str) -> Outcome:
        """Suspend, archive, or take both back, unless it is so."""
        if not looked:
            query = {"fields": "suspended,archived"}
            there = known(self.http.json("GET", user_path(id), doing=doing, params=query))
            if all(bool(there.get(name)) == value for name, value in wanted.items()):
                return Outcome.ALREADY
        body = wanted if self.options.archive or "archived" not in wanted else {"suspended": wanted["suspended"]}
        self.http.request("PATCH", user_path(id), doing=doing, json=body)
        return Outcome.DONE

    def deleted_one(self, attributes: Mapping[str, str], doing: str) -> Row | None:
        """This person's account, where it was deleted within 20 days."""
        with self.lock:
            if self.deleted is None or time.monotonic() - self.deleted[0] > DELETED_KNOWN:
                query = {"customer": CUSTOMER, "showDeleted": "true", "projection": "full"}
                query["fields"] = f"nextPageToken,users(id,{ADDRESS},name,externalIds,deletionTime)"
                self.deleted = time.monotonic(), list(self.http.pages(USERS, "users", doing, 500, query))
            mine = [row for row in self.deleted[1] if same_human(row, attributes)]
        return max(mine, key=lambda row: str(row.get("deletionTime", "")), default=None)

    def brought_back(self, gone: Row, attributes: Mapping[str, str], doing: str) -> bool:
        """Undelete, then write what the account should be. False where it cannot be brought back any more."""
        self.deleted = None
        try:
            body = {"orgUnitPath": attributes.get("orgUnitPath") or "/"}
            self.http.request("POST", f"{user_path(str(gone['id']))}/undelete", doing=doing, json=body)
        except Said as error:
            if error.status == GONE or error.reason == "duplicate":
                return False
            raise
        try:
            self.update(str(gone["id"]), attributes)
            self.enable(str(gone["id"]))
        except Refused as error:
            if error.status != GONE:
                raise
            raise Retryable(self.name, doing, "Google is bringing the account back", "Run again later.") from None
        return True

    def account(self, user: Row, names: object) -> Account:
        assert isinstance(names, (set, list, tuple))
        return Account(
            id=str(user["id"]),
            key=flat(user, [self.key]).get(self.key, ""),
            active=is_active(user),
            attributes=flat(user, self.fields),
            entitlements=frozenset(names),
        )
