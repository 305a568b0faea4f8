"""Okta, as SSO and as directory (okta-management, OpenAPI 2026.06.3).

An account is active unless it is SUSPENDED, DEPROVISIONED or (but for `activate: false`) STAGED. Only ACTIVE users can
be suspended: what disables the others stands at `disable`. Users are looked up by id and by login, which is exact at
once; `search` learns of changes late and is used for nothing but addresses.

Least permission: the scopes okta.users.manage and okta.groups.manage; okta.apps.manage for `apps`, okta.roles.read for
`roles`. An SSWS token has the rights of the administrator who made it: one with Group and Organization Administrator's
rights at least (which of the smaller roles are enough: unverified). It ends with that administrator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal

from connectors.apps.okta_access import Ends, HasRoles, gone_or_done, user_path
from connectors.apps.okta_groups import APP, Assignments, Groups
from connectors.apps.okta_http import ACTIVE_ALREADY, PATIENCE, TAKEN, VALIDATION, OktaHttp, OktaRefused, Row
from connectors.auth import Auth
from connectors.base import Outcome
from connectors.calls import GONE
from connectors.errors import ConnectorError, Mismatch, NeedsHuman, Refused, Retryable
from connectors.fields import text
from connectors.http import client
from connectors.scim_attributes import quoted
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules
from mappings.words import Words

RESTING = ("SUSPENDED", "DEPROVISIONED")
USERS = "/api/v1/users"
EVERYBODY = 'lastUpdated gt "1970-01-01T00:00:00.000Z"'
"""A list without a filter leaves out who is DEPROVISIONED; `search` shows a new user late; this is whole and exact."""


class Options(Words):
    """The words under `options` of an app with `connector: okta`."""

    url: str
    """`https://<company>.okta.com`."""
    auth: Auth
    """An SSWS token (`header: {Authorization: "SSWS …"}`), or OAuth by private key (`assertion` with `use: client`)."""
    activate: bool = True
    """False: new users stay STAGED, and count as active; somebody or something else activates them."""
    mail: bool = True
    """Whether Okta mails the activation link, to the user's e-mail and secondEmail."""
    disable: Literal["suspend", "deactivate"] = "suspend"
    """`deactivate` takes the person out of every app for good: say `leaving: {disable_deletes: true}` with it."""
    otherwise: Literal["deactivate", "ask"] = "deactivate"
    """What becomes of those who must be disabled and cannot be suspended, because they are not ACTIVE."""
    create_groups: bool = False
    """Whether a group that is wanted and missing is made."""
    apps: bool = False
    """Whether assignments to apps are entitlements, named `app:LABEL`."""
    roles: bool = False
    """Whether admin roles are told as what a leaver has to hand over."""


class Okta(Ends):
    """One organisation; keeps App, Grants, Prepares, Mailboxes, Sessions and Tokens."""

    lists_entitlements = True

    def __init__(self, name: str, rules: AppRules, options: Options, http: OktaHttp) -> None:
        self.name, self.title, self.http, self.options = name, rules.title, http, options
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)
        self.groups = Groups(http, options.create_groups)
        self.kinds: list[Groups | Assignments] = [self.groups] + ([Assignments(http)] if options.apps else [])
        """What can be granted."""

    def check(self) -> str:
        """2 calls: users and groups."""
        for what in ("users", "groups"):
            self.http.request("GET", f"/api/v1/{what}", doing=f"check the connection ({what})", params={"limit": 1})
        return f"{self.title} answers, and shows users and groups."

    def accounts(self) -> Iterator[Account]:
        """1 call per 200 users, and before that 1 per 200 members of each group."""
        held: dict[str, set[str]] = defaultdict(set)
        for kind in self.kinds:
            for id, names in kind.by_user().items():
                held[id] |= names
        for user in self.http.rows(USERS, "list users", filter=EVERYBODY):
            yield self.account(user, held.get(str(user["id"]), ()))

    def find(self, key: str) -> Account | None:
        """1 call. Without groups."""
        user = self.by_login(key)
        return self.account(user, ()) if user else None

    def holds_address(self, address: str) -> bool:
        """2 calls, because a search learns late of new users."""
        if self.by_login(address):
            return True
        fields = ("login", "email", "secondEmail")
        search = " or ".join(f"profile.{field} eq {quoted(address)}" for field in fields)
        return any(True for _ in self.http.rows(USERS, f"look for the address {address}", search=search))

    def read(self, id: str) -> Account | None:
        """2 calls: the user and the groups; 3 with `apps`."""
        doing = f"read account {id}"
        user = self.user(id, doing)
        return self.account(user, self.held(str(user["id"]), doing)) if user else None

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """1 call, 2 without a mail: Okta itself refuses a login twice. After a failure it looks."""
        doing = f"create account for {attributes[self.key]}"
        profile = {name: value for name, value in attributes.items() if value}
        by_okta = self.options.activate and self.options.mail
        asked = {"activate": str(by_okta).lower()}
        try:
            made = self.http.json("POST", USERS, doing=doing, params=asked, json={"profile": profile})
            outcome, id, status = Outcome.DONE, str(made["id"]), str(made["status"])
        except ConnectorError as error:
            outcome, user = self.settle(attributes[self.key], error)
            id, status = str(user["id"]), str(user["status"])
        if outcome is Outcome.DONE and status == "STAGED" and self.options.activate:
            self.activate(id, doing)
        return outcome, id

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call. Says DONE also where nothing was different."""
        self.http.request("POST", user_path(id), doing=f"update account {id}", json={"profile": dict(attributes)})
        return Outcome.DONE

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """2 calls: read; unsuspend or activate."""
        doing = f"enable account {id}"
        user = self.user(id, doing)
        if user is None:
            raise Refused(self.name, doing, "there is no such user", "Run this again.", 404)
        if self.is_active(user):
            return Outcome.ALREADY
        if user["status"] == "SUSPENDED":
            self.life("unsuspend", id, doing)
        elif user.get("transitioningToStatus") != "ACTIVE":
            self.activate(id, doing)
        return Outcome.DONE

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """After a look 1 call; else 2: read, suspend. 3 where the user is not ACTIVE: LOCKED_OUT is unlocked first;
        PROVISIONED, PASSWORD_EXPIRED and RECOVERY, who may come in by mail, are deactivated or asked about."""
        doing = f"disable account {id}"
        if looked and self.options.disable == "suspend" and (outcome := self.suspended(id, doing)):
            return outcome
        user = self.user(id, doing)
        if user is None or not self.is_active(user) or user.get("transitioningToStatus") == "DEPROVISIONED":
            return Outcome.ALREADY
        if self.options.disable == "suspend":
            if user["status"] == "LOCKED_OUT":
                self.unlock(id, doing)
            if user["status"] in ("ACTIVE", "LOCKED_OUT") and (outcome := self.suspended(id, doing)):
                return outcome
            self.ask_about(user, doing)
        return self.life("deactivate", id, doing)

    def delete(self, id: str) -> Outcome:
        """3 calls: the first deactivates, the second deletes, the third sees that it is gone; one more where the first
        got no answer. Retryable while Okta is still deactivating."""
        doing = f"delete account {id}"
        for attempt in range(4):
            try:
                if gone_or_done(self.http, "DELETE", user_path(id), doing) is Outcome.ALREADY:
                    return Outcome.DONE if attempt else Outcome.ALREADY
            except Retryable:
                if attempt:
                    raise
        raise Retryable(self.name, doing, "Okta is still deactivating the user", "Run this again.", after=10)

    def entitlements(self) -> Iterator[str]:
        """1 call per 200 groups, and with `apps` per 200 apps."""
        for kind in self.kinds:
            yield from kind.names()

    def prepare(self, entitlement: str) -> None:
        """1 call: the group's id."""
        if self.kind_of(entitlement) is self.groups:
            self.groups.id_of(entitlement, f"look for group {entitlement!r}")

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2: what is held, PUT; the first time for a group also a look for its id."""
        doing, kind = f"give {id} {entitlement!r}", self.kind_of(entitlement)
        if not looked and entitlement in kind.held(id, doing):
            return Outcome.ALREADY
        kind.join(entitlement, id, doing)
        return Outcome.DONE

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """2 calls: what is held, DELETE; once in a process also the group rules."""
        doing, kind = f"take {entitlement!r} from {id}", self.kind_of(entitlement)
        try:
            if not (where := kind.held(id, doing).get(entitlement)):
                return Outcome.ALREADY
            kind.leave(entitlement, where, id, doing)
        except Refused as error:
            if error.status not in GONE:
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    # how it is done

    def kind_of(self, entitlement: str) -> Groups | Assignments:
        """Groups; assignments for `app:LABEL`, where those are entitlements."""
        return self.kinds[-1] if entitlement.startswith(APP) else self.groups

    def held(self, id: str, doing: str) -> list[str]:
        return [name for kind in self.kinds for name in kind.held(id, doing)]

    def user(self, id: str, doing: str) -> Row | None:
        """The user with this id or login; None where there is none."""
        try:
            found: Row = self.http.json("GET", user_path(id), doing=doing)
        except Refused as error:
            if error.status not in GONE:
                raise
            return None
        return found

    def by_login(self, login: str) -> Row | None:
        """The user with this very login, also a deactivated one (okta/okta-sdk-nodejs, issue 222). 1 call. Okta takes
        the part before the @ for a login too."""
        found = self.user(login, f"find account {login}")
        return found if found and is_login(found, login) else None

    def settle(self, login: str, error: ConnectorError) -> tuple[Outcome, Row]:
        """After a failed POST: was the user made all the same, or was the login taken before?"""
        taken = isinstance(error, OktaRefused) and error.code == VALIDATION and TAKEN in error.causes
        if not taken and not isinstance(error, Retryable):
            raise error
        try:
            found = self.by_login(login)
        except Retryable as later:
            raise error if isinstance(error, Retryable) else later from None
        if not found:
            raise error
        return Outcome.ALREADY if taken else Outcome.DONE, found

    def activate(self, id: str, doing: str) -> None:
        """1 call. It goes on after the answer."""
        path, asked = f"{user_path(id)}/lifecycle/activate", {"sendEmail": str(self.options.mail).lower()}
        try:
            self.http.request("POST", path, doing=doing, params=asked)
        except OktaRefused as error:
            if error.status in GONE:
                todo = "Running this again tries it again."
                raise Mismatch(self.name, doing, "Okta has lost the user before it was activated", todo) from None
            if error.code != ACTIVE_ALREADY:
                raise

    def suspended(self, id: str, doing: str) -> Outcome | None:
        """1 call; None where Okta says that this user cannot be suspended."""
        try:
            return self.life("suspend", id, doing)
        except OktaRefused as error:
            if error.code != VALIDATION:
                raise
            return None

    def unlock(self, id: str, doing: str) -> None:
        """1 call; who is locked out in another directory stays so."""
        try:
            self.life("unlock", id, doing)
        except Refused as error:
            if error.status != 403:
                raise

    def life(self, verb: str, id: str, doing: str) -> Outcome:
        """1 call; ALREADY where the user is gone."""
        return gone_or_done(self.http, "POST", f"{user_path(id)}/lifecycle/{verb}", doing)

    def ask_about(self, user: Row, doing: str) -> None:
        """NeedsHuman where those who cannot be suspended are not simply deactivated."""
        if self.options.otherwise == "ask":
            why = f"only ACTIVE users can be suspended, and this one is {user['status']}"
            todo = f"Deactivate {user['profile']['login']} in Okta (it ends all app accounts), or where they come from."
            raise NeedsHuman(self.name, doing, why, todo)

    def is_active(self, user: Row) -> bool:
        return user["status"] not in (RESTING if not self.options.activate else (*RESTING, "STAGED"))

    def account(self, user: Row, held: set[str] | list[str] | tuple[()]) -> Account:
        profile = user["profile"]
        read = {field: value for field in self.fields if (value := text(profile.get(field))) is not None}
        key = read.get(self.key, "")
        return Account(
            id=str(user["id"]), key=key, active=self.is_active(user), attributes=read, entitlements=frozenset(held)
        )


class OktaWithRoles(HasRoles, Okta):
    """Keeps Owns too."""


def is_login(user: Row, login: str) -> bool:
    """Whether it is this user's login, whatever the case."""
    return str(user["profile"]["login"]).casefold() == login.casefold()


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Okta:
    """The organisation that these rules declare; nothing is called yet."""
    if rules.key != "login":
        raise Refused(name, f"apps/{name}.yaml", f"key is {rules.key!r}; Okta's is 'login'", "Write key: login.")
    kind = OktaWithRoles if options.roles else Okta
    http = OktaHttp(name, client(options.url, options.auth), around, rules.options.get("url", "the url"), PATIENCE)
    return kind(name, rules, options, http)
