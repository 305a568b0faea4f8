"""Microsoft 365 / Entra ID over Microsoft Graph v1.0: users, groups, licences, sessions, tokens, ownership.

Verbs name the calls they make; a page of a listing counts as one call. Entra is eventually consistent: what was just
made may be unknown (404) to the next call for some seconds, which is waited out here for accounts of this process.

Least permissions (application permissions; learn.microsoft.com/graph/permissions-reference) are named in the preset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import Field

from connectors.apps.entra_attributes import account, body_of
from connectors.apps.entra_belongings import Credentials, Ownership
from connectors.apps.entra_bulk import Writes
from connectors.apps.entra_groups import LICENCE, ROLE, Groups, Licences, for_people
from connectors.apps.entra_http import PAGE, Ask, GraphHttp, at, forbidden, gone_already, quoted, says, segment
from connectors.apps.entra_users import UPN, Changes, Users
from connectors.auth import Auth
from connectors.base import Outcome, Write, Written
from connectors.calls import GONE
from connectors.errors import Refused, Retryable
from connectors.http import client
from connectors.surroundings import Surroundings
from connectors.synced import ComesBySync, Synced, fitting_synced, with_mark
from mappings.access import Account, Owned, Token
from mappings.vocabulary import AppRules
from mappings.words import Words

MASTERED = "on-premises mastered"
ACCOUNTS = "accounts, User.Read.All"
PROBES = {
    at("/users", top="1", select="id"): ACCOUNTS,
    at("/groups", top="1", select="id"): "groups (Group.Read.All)",
    "/subscribedSkus": "licences (LicenseAssignment.Read.All)",
    at("/directory/deletedItems/microsoft.graph.user", top="1"): "deleted accounts (User.DeleteRestore.All)",
}
"""Cheap reads -> what they show, and the least permission for it."""


class Options(Words):
    """The words under `options` of an app with `connector: entra`."""

    url: str
    """https://graph.microsoft.com/v1.0, or a national cloud's."""
    auth: Auth
    restore: bool = True
    """Whether somebody who comes back within 30 days of the deletion gets the old account."""
    guests: bool = False
    """Whether listings tell guests too."""
    sign_in_methods: bool = False
    """Whether a leaver's phones, authenticators and keys are forgotten too; whoever comes back registers anew. Needs
    UserAuthenticationMethod.ReadWrite.All."""
    synced: Synced | None = None
    """For accounts that come from Active Directory by a sync."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers, such as x-ms-throttle-priority."""


class Entra:
    """One tenant; keeps App, Grants, Prepares, Mailboxes, Sessions, Tokens and Owns."""

    lists_entitlements = True

    def __init__(self, name: str, rules: AppRules, options: Options, http: GraphHttp) -> None:
        self.name, self.title, self.http, self.options = name, rules.title, http, options
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)
        self.groups, self.licences = Groups(http), Licences(http)
        self.users = Users(http, self.key, self.fields, self.groups.link, options.restore)
        self.credentials = Credentials(http, options.sign_in_methods)
        self.ownership = Ownership(http, self.groups.link)

    def check(self) -> str:
        """1 call, which asks for all that is read here; says which permission lacks."""
        said = list(self.http.many(Ask("GET", path, f"check the connection ({what})") for path, what in PROBES.items()))
        wrong = {what: error for what, error in zip(PROBES.values(), said, strict=True) if isinstance(error, Exception)}
        if passing := [error for what, error in wrong.items() if what == ACCOUNTS or not forbidden(error)]:
            raise passing[0]
        first: Any = said[0]
        shown = "shows its accounts" if (first or {}).get("value") else "shows no accounts yet"
        return f"{self.title} answers and {shown}." + (f" Not permitted: {', '.join(wrong)}." if wrong else "")

    def accounts(self) -> Iterator[Account]:
        """1 call per page of users and of groups, and 1 per 20 groups for their members."""
        held = self.groups.by_user()
        asked = {name.removeprefix("$"): value for name, value in self.users.query.items()}
        for user in self.http.rows("/users", "list accounts", **asked, top=str(PAGE)):
            if user.get("userType") == "Guest" and not self.options.guests:
                continue
            names = {*held.get(str(user["id"]), ()), *self.licences.held(user)}
            yield account(user, self.key, self.fields, names)

    def find(self, key: str) -> Account | None:
        """1 call."""
        user = self.users.search(key)
        return account(user, self.key, self.fields, ()) if user else None

    def read(self, id: str) -> Account | None:
        """2 calls: the user and the groups; once more for the names of licences."""
        try:
            user = self.http.json("GET", f"/users/{segment(id)}", doing=f"read account {id}", params=self.users.query)
            names = [*self.groups.held(segment(id)), *self.licences.held(user)]
        except Refused as error:
            if error.status in GONE:
                return None
            raise
        return account(user, self.key, self.fields, names)

    def holds_address(self, address: str) -> bool:
        """2 calls: users and groups, by mail, name and alias."""
        doing = f"look for the address {address}"
        aliases = [f"proxyAddresses/any(p:p eq {quoted(kind + address)})" for kind in ("smtp:", "SMTP:")]
        alias = " or ".join([f"mail eq {quoted(address)}", *aliases])
        return any(
            next(self.http.rows(path, doing, filter=by, select="id"), None)
            for path, by in (("/users", f"{UPN} eq {quoted(address)} or {alias}"), ("/groups", alias))
        )

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """2 calls: deleted users, POST (1 without `restore`); for a key that is not the user principal name 1 more
        before, since Entra keeps only that one unique. A manager takes 1 or 2 more. A restored account is DONE."""
        return self.users.create(attributes, looked)

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """1 call; 1 or 2 for a manager. Says DONE also where nothing was different."""
        doing = f"update account {id}"
        if body := body_of(attributes):
            self.users.patch(id, body, doing)
        self.users.set_manager(id, attributes, doing)
        return Outcome.DONE

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2."""
        return self.switch(id, True, looked, f"enable account {id}")

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """1 call after a look, else 2. What is signed in stays so until `end_sessions`."""
        try:
            return self.switch(id, False, looked, f"disable account {id}")
        except Refused as error:
            return gone_already(error)

    def delete(self, id: str) -> Outcome:
        """1 call. For 30 days it can be restored."""
        return self.users.delete(id, f"delete account {id}")

    def entitlements(self) -> Iterator[str]:
        """1 call per page of groups, 1 for licences."""
        yield from self.groups.names()
        yield from self.licences.names()

    def prepare(self, entitlement: str) -> None:
        """1 call: the group's or the licence's id."""
        doing = f"look for {entitlement!r}"
        if entitlement.startswith(LICENCE):
            self.licences.id_of(entitlement, doing)
        elif not entitlement.startswith(ROLE):
            self.groups.find(entitlement, doing)

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call; the first time 1 more for the group's or licence's id, and for a group with licences 1 more to see
        whether any is left. For a licence without a look 1 more."""
        doing = f"grant {entitlement!r} to {id}"
        if entitlement.startswith(ROLE):
            raise for_people(self.name, entitlement, doing)
        if entitlement.startswith(LICENCE):
            return self.license(id, entitlement, looked, doing)
        return self.joined(id, entitlement, doing)

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call; the first time 1 more. ALREADY also where the account or the entitlement is gone."""
        doing = f"revoke {entitlement!r} from {id}"
        if entitlement.startswith(ROLE):
            raise for_people(self.name, entitlement, doing)
        try:
            if entitlement.startswith(LICENCE):
                return self.licences.remove(segment(id), self.licences.id_of(entitlement, doing), doing)
            return self.groups.leave(self.groups.find(entitlement, doing), segment(id), doing)
        except Refused as error:
            return gone_already(error)

    def end_sessions(self, id: str) -> Outcome:
        """1 call. Refresh tokens and cookies die at once; access tokens live until their end, about an hour, except
        at apps with continuous access evaluation."""
        try:
            self.http.request("POST", f"/users/{segment(id)}/revokeSignInSessions", doing=f"end sessions of {id}")
        except Refused as error:
            return gone_already(error)
        return Outcome.DONE

    def tokens(self, id: str) -> Iterator[Token]:
        """1 call and 1 for names; 1 more for sign-in methods."""
        return self.credentials.tokens(segment(id))

    def revoke_tokens(self, id: str) -> Outcome:
        """1 call and 1 for each; the same for sign-in methods."""
        return self.credentials.revoke(segment(id))

    def owned(self, id: str) -> Iterator[Owned]:
        """1 call, and 1 per 20 things: those that nobody else owns."""
        return self.ownership.things(segment(id))

    def hand_over(self, id: str, to_id: str) -> Outcome:
        """As `owned`, and 2 or 3 calls for each."""
        return self.ownership.hand_over(segment(id), segment(to_id))

    def changes(self, since: str = "") -> Changes:
        """1 call per page: who has changed since an earlier call; without `since` only where to begin. Whoever keeps
        a listing and `since` reads the few that changed. Refused (410) where it is too old: list again."""
        return self.users.changes(since)

    # how it is done

    def joined(self, id: str, entitlement: str, doing: str) -> Outcome:
        """Into a group. A group that was made anew under its name is looked up again."""
        group = self.groups.find(entitlement, doing)
        if group.licences:
            self.licences.check_left(group, 1, doing, lambda: self.licences.assigned(segment(id), doing))
        try:
            return self.users.patiently(id, lambda: self.groups.join(group, id, doing))
        except Refused as error:
            if error.status != 404 or (fresh := self.groups.find(entitlement, doing, anew=True)) == group:
                raise
            return self.groups.join(fresh, id, doing)

    def license(self, id: str, entitlement: str, looked: bool, doing: str) -> Outcome:
        sku = self.licences.id_of(entitlement, doing)
        if not looked:
            params = {"$select": "id,licenseAssignmentStates"}
            user = self.http.json("GET", f"/users/{segment(id)}", doing=doing, params=params)
            if entitlement.casefold() in map(str.casefold, self.licences.held(user)):
                return Outcome.ALREADY
        self.users.patiently(id, lambda: self.licences.assign(segment(id), sku, doing))
        return Outcome.DONE

    def switch(self, id: str, on: bool, looked: bool, doing: str) -> Outcome:
        """Set `accountEnabled`, unless it is so. Of a synced account only the other directory can."""
        if not looked and self.is_enabled(id, doing) == on:
            return Outcome.ALREADY
        try:
            self.users.patch(id, {"accountEnabled": on}, doing)
        except Refused as error:
            if not says(error, MASTERED) or not self.options.synced:
                raise
            return self.awaited(id, on, doing, self.options.synced)
        return Outcome.DONE

    def awaited(self, id: str, on: bool, doing: str, synced: Synced) -> Outcome:
        """Wait until the sync has brought it."""
        brought = cast(ComesBySync, self).until(lambda: self.is_enabled(id, doing), lambda seen: seen == on)
        if brought == on:
            return Outcome.ALREADY
        todo = f"Check that the account in {synced.created_by} is {'enabled' if on else 'disabled'} and the sync runs."
        raise Retryable(self.name, doing, f"it must come by the sync from {synced.created_by}, and has not", todo)

    def is_enabled(self, id: str, doing: str) -> bool:
        params = {"$select": "id,accountEnabled"}
        user = self.http.json("GET", f"/users/{segment(id)}", doing=doing, params=params)
        return bool(user["accountEnabled"])


class EntraInBulk(Entra):
    """A tenant whose accounts are made here; keeps Bulk too."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: GraphHttp) -> None:
        super().__init__(name, rules, options, http)
        self.writes = Writes(self.users, self.groups, self.licences, self.grant)

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """20 requests in each, which are up to 400 grants."""
        return self.writes.batches(writes)

    def write_many(self, batch: Sequence[Write], looked: bool = False) -> Iterator[Written]:
        """1 call for 20 requests, 1 more where some are creates; more for managers, and for what must go one by one."""
        return self.writes.write_many(batch, looked)


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Entra:
    """The app that these rules declare; nothing is called yet. Refused where no field is the user principal name."""
    if rules.attributes and UPN not in rules.attributes:
        todo = f'Map it: {UPN}: "{{work_email}}".'
        raise Refused(name, f"apps/{name}.yaml", f"the attribute {UPN} is missing, which Entra requires", todo)
    http = GraphHttp(name, client(options.url, options.auth, options.headers), around, str(rules.options["url"]))
    if not options.synced:
        return EntraInBulk(name, rules, options, http)
    app = fitting_synced(Entra, options.synced)(name, with_mark(rules, options.synced), options, http)
    cast(ComesBySync, app).synced = options.synced
    return app
