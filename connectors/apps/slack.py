"""Slack: accounts by its SCIM API, and by its Web API what SCIM does not know: user groups, channels, sessions.

Entitlements are `@handle` (user group), `#name` (channel), `workspace:Name` (in an Enterprise organisation); anything
else is a SCIM group. Verbs name the calls they make; a page of a list counts as one.

Least permission: a user token (xoxp) of an owner of the organisation with the scope `admin` for SCIM, and the scopes
that the parts name (docs.slack.dev/reference/scim-api; …/methods).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Protocol

from pydantic import BeforeValidator

from connectors import scim
from connectors.apps import slack_channels, slack_usergroups, slack_workspaces
from connectors.apps.slack_channels import Channels
from connectors.apps.slack_http import SlackHttp
from connectors.apps.slack_many import ManyWrites
from connectors.apps.slack_usergroups import Usergroups
from connectors.apps.slack_workspaces import Workspaces
from connectors.auth import Auth
from connectors.base import Grants, Outcome, Write, Written
from connectors.errors import Refused
from connectors.http import client
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules
from mappings.words import Words, as_list

SWITCHES = {slack_usergroups.PREFIX: "usergroups", slack_workspaces.PREFIX: "grid"}
"""Prefix of a kind of entitlement -> the option that switches it on."""
PREFIXES = (slack_channels.PREFIX, *SWITCHES)
Names = Annotated[tuple[str, ...], BeforeValidator(as_list)]


class Options(Words):
    """Slack."""

    scim: scim.Options
    """The SCIM API; its `auth` is left out where it is the same, `create_groups` always."""
    url: str = "https://slack.com/api"
    """The Web API."""
    auth: Auth
    grid: bool = False
    """Whether this is an Enterprise organisation, which has the admin methods: sessions, workspaces."""
    team: str = ""
    """The workspace (T…) of user groups and channels; an organisation's token wants it said."""
    usergroups: bool = True
    """Whether rules may give user groups; each account that is read costs a call then."""
    create_groups: bool = False
    """Whether a group or user group that is wanted and missing is made."""
    channels: Names = ()
    """Channels that rules may give."""
    workspaces: Names = ()
    """Workspaces that rules may give."""


class Part(Protocol):
    """One kind of entitlement."""

    def names(self) -> list[str]:
        """All there are."""

    def held(self, user_id: str, doing: str) -> list[str]:
        """Those of one user."""

    def by_user(self, doing: str) -> dict[str, set[str]]:
        """Those of everybody."""

    def join(self, name: str, user_id: str, doing: str) -> Outcome:
        """Give one."""

    def leave(self, name: str, user_id: str, doing: str) -> Outcome:
        """Take one away."""


class Slack:
    """Keeps App, Bulk, Grants, Prepares and Mailboxes."""

    lists_entitlements = True

    def __init__(self, name: str, options: Options, people: scim.Scim, http: SlackHttp) -> None:
        self.name, self.options, self.people, self.http = name, options, people, http
        self.channels = Channels(http, options.team, options.channels, options.grid)
        self.parts: dict[str, Part] = {slack_channels.PREFIX: self.channels}
        self.usergroups = Usergroups(http, options.team, options.create_groups) if options.usergroups else None
        if self.usergroups:
            self.parts[slack_usergroups.PREFIX] = self.usergroups
        if options.grid:
            self.parts[slack_workspaces.PREFIX] = Workspaces(http, options.workspaces)
        self.many = ManyWrites(self)

    @property
    def undeclared(self) -> frozenset[str]:
        """Verbs that people do."""
        return self.people.undeclared

    def check(self) -> str:
        """3 calls: SCIM's two, and whose token it is."""
        first = self.people.check()
        who = self.http.ask("auth.test", "check the token")
        return f"{first} The Web API takes the token as {who.get('user')} of {who.get('team')}."

    def accounts(self) -> Iterator[Account]:
        """1 call per page of users, before them those of every list of user groups, channels and workspaces."""
        held = [part.by_user("list accounts") for part in self.parts.values()]
        for account in self.people.accounts():
            yield with_more(account, *(each.get(account.id, set()) for each in held))

    def find(self, key: str) -> Account | None:
        """As SCIM."""
        return self.people.find(key)

    def holds_address(self, address: str) -> bool:
        """As SCIM."""
        return self.people.holds_address(address)

    def read(self, id: str) -> Account | None:
        """As SCIM, and 1 call for user groups, 1 for channels and 1 for workspaces, where rules may give them."""
        account = self.people.read(id)
        if account is None:
            return None
        doing = f"read account {id}"
        return with_more(account, *(set(part.held(id, doing)) for part in self.parts.values()))

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """As SCIM."""
        return self.people.create(attributes, looked)

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """As SCIM."""
        return self.people.update(id, attributes)

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """As SCIM."""
        return self.people.enable(id, looked)

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """As SCIM."""
        return self.people.disable(id, looked)

    def delete(self, id: str) -> Outcome:
        """As SCIM, where a DELETE only deactivates."""
        return self.people.delete(id)

    def entitlements(self) -> Iterator[str]:
        """1 call per page of each kind."""
        if isinstance(self.people, Grants):
            yield from self.people.entitlements()
        for part in self.parts.values():
            yield from part.names()

    def prepare(self, entitlement: str) -> None:
        """As SCIM for a SCIM group; 1 call for a channel."""
        if entitlement.startswith(slack_channels.PREFIX):
            self.channels.id_of(entitlement, f"look for {entitlement}")
        elif not self.part(entitlement) and isinstance(self.people, scim.ScimWithGroups):
            self.people.prepare(entitlement)

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """As the kind of entitlement says; 1 more to see that the account may have it, unless somebody looked."""
        doing = f"give {id} {entitlement!r}"
        part = self.part(entitlement)
        if part is None:
            return self.groups(doing).grant(id, entitlement, looked)
        if not looked:
            self.must_be_active(id, doing)
        return part.join(entitlement, id, doing)

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """As the kind of entitlement says."""
        doing = f"take {entitlement!r} from {id}"
        part = self.part(entitlement)
        return part.leave(entitlement, id, doing) if part else self.groups(doing).revoke(id, entitlement, looked)

    def batches(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        """1 call the first time: what SCIM announces."""
        return self.many.batches(writes)

    def write_many(self, batch: Sequence[Write], looked: bool = False) -> Iterator[Written]:
        """As SCIM; 3 calls for a batch about a user group, 1 for people to be let into a channel."""
        return self.many.written(batch, looked)

    # how it is done

    def part(self, entitlement: str) -> Part | None:
        """The kind that this entitlement is of; None for a SCIM group. Refused where the YAML has that kind switched
        off, so that no SCIM group gets such a name."""
        prefix = prefix_of(entitlement)
        if prefix and prefix not in self.parts:
            todo = f"Say `{SWITCHES[prefix]}: true` in the app's YAML."
            raise Refused(self.name, f"look for {entitlement!r}", f"{prefix}… is switched off", todo)
        return self.parts.get(prefix)

    def groups(self, doing: str) -> Grants:
        """SCIM's groups."""
        if not isinstance(self.people, Grants):
            raise Refused(self.name, doing, "`scim.groups` is false", "Write @handle, #channel or workspace:Name.")
        return self.people

    def must_be_active(self, id: str, doing: str) -> None:
        """Refused for an account that is gone or deactivated: `admin.users.assign` would make it active again
        (docs.slack.dev/reference/methods/admin.users.assign)."""
        account = self.people.read(id)
        if account is None:
            raise Refused(self.name, doing, "there is no such account", status=404)
        if not account.active:
            raise Refused(self.name, doing, "the account is deactivated", "Enable the account first.", 409)


class SlackGrid(Slack):
    """An Enterprise organisation; keeps Sessions too."""

    def end_sessions(self, id: str) -> Outcome:
        """1 call. ALREADY where the account is gone."""
        try:
            self.http.tell("admin.users.session.reset", f"end sessions of {id}", user_id=id)
        except Refused as error:
            if error.status == 404:
                return Outcome.ALREADY
            raise
        return Outcome.DONE


def prefix_of(entitlement: str) -> str:
    """What an entitlement that is no SCIM group begins with."""
    return next((prefix for prefix in PREFIXES if entitlement.startswith(prefix)), "")


def with_more(account: Account, *more: set[str]) -> Account:
    """The account with further entitlements."""
    return account.model_copy(update={"entitlements": account.entitlements.union(*more)})


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Slack:
    """The app that these rules declare; nothing is called yet."""
    same = {"auth": options.scim.auth or options.auth, "create_groups": options.create_groups}
    inner = options.scim.model_copy(update=same)
    people = scim.connect(name, rules.model_copy(update={"options": rules.options["scim"]}), inner, around)
    http = SlackHttp(name, client(options.url, options.auth), around, str(rules.options.get("url", options.url)))
    return (SlackGrid if options.grid else Slack)(name, options, people, http)
