"""GitHub, an organisation without SCIM (github-rest-api-description, ghec, npm @octokit/openapi 23.0.2).

People are invited, by e-mail or by login, and must accept; until then the account counts as active, because nothing is
left to do for us and everything to take back from a leaver. Its id is then the address (or the login), later the login.
An invitation that nobody accepts ends after seven days (docs.github.com); the next sync invites again.
Leaving means removal, which cannot be undone: the person's forks of private repositories go, and the teams. What
belongs to the person's own account (its password, keys, sessions) is out of anybody's reach.

Least permission: an owner's classic token with `admin:org`; or a GitHub App with Members: write and Administration:
read (which fits exactly: unverified). Credential authorizations: SAML organisations. `fine_grained`: GitHub Apps only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal
from urllib.parse import quote

from pydantic import Field

from connectors.apps.github_access import Authorisations, Maintains
from connectors.apps.github_http import PATIENCE, GitHubHttp, Row
from connectors.apps.github_people import People
from connectors.apps.github_teams import Teams
from connectors.auth import Auth
from connectors.base import Outcome
from connectors.calls import GONE
from connectors.errors import ConnectorError, NeedsHuman, Refused, Retryable
from connectors.http import client
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules
from mappings.words import Words

VERSION = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
ROLES = ("direct_member", "admin", "billing_manager")
KEYS = {"saml": "email", "login": "login"}


class Options(Words):
    """The words under `options` of an app with `connector: github`."""

    url: str = "https://api.github.com"
    org: str
    """The organisation's name in addresses."""
    auth: Auth
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers; another X-GitHub-Api-Version, say."""
    identity: Literal["saml", "login"] = "saml"
    """How people are known: by the SAML identity, whose NameID is the `email` (key: email), or by a GitHub login that
    HR or a directory has (key: login)."""
    enterprise: str = ""
    """The enterprise's name in addresses, where it is the enterprise that has SAML single sign-on."""
    reinvite: bool = True
    """Whether a team for somebody who has not accepted yet goes into a new invitation, which GitHub mails again; False:
    a task until they have."""
    fine_grained: bool = False
    """Whether fine-grained tokens are told and revoked too; only GitHub Apps may."""


class GitHub(Authorisations, Maintains):
    """One organisation; keeps App, Grants, Prepares, Tokens and Owns."""

    lists_entitlements = True
    undeclared = frozenset({"enable", "update"})
    """Who was removed must be invited again; a GitHub account is the person's own."""

    def __init__(self, name: str, rules: AppRules, options: Options, http: GitHubHttp) -> None:
        self.name, self.title, self.http, self.options = name, rules.title, http, options
        self.key, self.fields = rules.key, tuple(rules.attributes) or (rules.key,)
        self.people, self.teams = People(http, options.identity == "saml", options.enterprise), Teams(http)

    def check(self) -> str:
        """1 call per 100 teams."""
        teams = self.teams.all("check the connection")
        return f"{self.title} answers, and shows {len(teams)} teams of {self.options.org}."

    def accounts(self) -> Iterator[Account]:
        """1 call per 100 of: members, identities, invitations, teams, members of each team; 1 per invitation that has
        teams. Outside collaborators are none."""
        held, doing = self.teams.by_login(), "list accounts"
        addresses = self.people.addresses(doing) if self.people.saml else {}
        for member in self.http.rows("members", doing):
            login = str(member["login"])
            yield self.account(login, addresses.get(login, ""), login, held.get(login.casefold(), ()))
        for invitation in self.people.invitations(doing):
            yield self.invited(invitation, doing)

    def find(self, key: str) -> Account | None:
        """By address 2 to 4 calls, by login 2."""
        return self.read(key) if key else None

    def read(self, id: str) -> Account | None:
        """By address: 1 call per 100 invitations, 2 where there are teams in it, 3 more for members; by login: 2."""
        doing = f"read account {id}"
        if "@" in id and (invitation := self.people.invitation(id, doing)):
            return self.invited(invitation, doing)
        login = self.login(id, doing)
        if login is None or not self.people.membership(login, doing):
            return None
        address, teams = self.people.who(login, doing)
        return self.account(login, address, login, teams)

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """By address 1 call after a look, else 2: the identity, POST; by login 2: the membership, PUT."""
        key = attributes.get(self.key, "")
        doing = f"invite {key}"
        if not key:
            todo = "Ask the person for their GitHub login, and put it where HR has it."
            raise NeedsHuman(self.name, "invite somebody", "no GitHub login is known", todo)
        if self.options.identity == "login":
            return self.invited_by_login(key, looked, doing)
        if not looked and (login := self.people.login_of(key, doing)) and self.people.membership(login, doing):
            return Outcome.ALREADY, login
        try:
            self.invite(key, (), "direct_member", doing)
        except ConnectorError as error:
            return self.settle(key, error, doing)
        return Outcome.DONE, key

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """For people: an account is its owner's own, and the address comes with a sign-in through the SSO."""
        todo = f"Have {id} sign in to GitHub once more through the SSO: the identity then shows the new address."
        raise NeedsHuman(self.name, f"update account {id}", "a GitHub account is the person's own", todo)

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """For people: nobody is ever disabled here, and who was removed must be invited again."""
        todo = f"Invite {id} again (the next sync does it), or mend the membership in GitHub."
        raise NeedsHuman(self.name, f"enable account {id}", "GitHub removes people, and suspends nobody", todo)

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """2 to 4 calls: takes back the invitation, or removes the member and every access to single repositories."""
        doing = f"remove {id}"
        if "@" in id and (invitation := self.people.invitation(id, doing)):
            return self.gone_or_done("DELETE", f"invitations/{invitation['id']}", doing)
        login = self.login(id, doing)
        if login is None:
            return Outcome.ALREADY
        outcome = self.gone_or_done("DELETE", f"memberships/{quote(login, safe='')}", doing)
        self.no_collaborator(login, doing)
        return outcome

    def delete(self, id: str) -> Outcome:
        """As disable."""
        return self.disable(id)

    def entitlements(self) -> Iterator[str]:
        """1 call per 100 teams."""
        return (str(team["name"]) for team in self.teams.all("list teams"))

    def prepare(self, entitlement: str) -> None:
        """1 call per 100 teams, the first time."""
        self.teams.team(entitlement, f"look for team {entitlement!r}")

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """After a look 1 call, else 3: what is held, whether it is a member (a stranger would be invited), PUT. For who
        is invited by address 3: the invitation is taken back and made anew."""
        doing = f"put {id} into team {entitlement!r}"
        team = self.teams.team(entitlement, doing)
        if "@" in id and (invitation := self.people.invitation(id, doing)):
            return self.reinvited(invitation, team, True, doing)
        login = self.login(id, doing)
        if login and not looked and self.teams.holds(login, team, doing):
            return Outcome.ALREADY
        if not login or not (looked or self.people.membership(login, doing)):
            raise Refused(self.name, doing, f"{id} is no member and not invited", "Run this again.", 404)
        self.teams.change("PUT", login, team, doing)
        return Outcome.DONE

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """2 calls: what is held, DELETE. For who is invited by address 4."""
        doing = f"take {id} out of team {entitlement!r}"
        team = self.teams.team(entitlement, doing)
        if "@" in id and (invitation := self.people.invitation(id, doing)):
            return self.reinvited(invitation, team, False, doing)
        login = self.login(id, doing)
        if not login or not self.teams.holds(login, team, doing):
            return Outcome.ALREADY
        self.teams.change("DELETE", login, team, doing)
        return Outcome.DONE

    # how it is done

    def login(self, id: str, doing: str) -> str | None:
        """The login behind an id; None where an address has none."""
        return self.people.login_of(id, doing) if "@" in id else id

    def invite(self, address: str, team_ids: Iterable[int], role: str, doing: str) -> None:
        """1 call, and a mail."""
        sent = {"email": address, "role": role if role in ROLES else "direct_member", "team_ids": list(team_ids)}
        self.http.request("POST", self.http.of_org("invitations"), doing=doing, json=sent)

    def invited_by_login(self, login: str, looked: bool, doing: str) -> tuple[Outcome, str]:
        """A membership that waits for its acceptance, unless there is one."""
        if not looked and self.people.membership(login, doing):
            return Outcome.ALREADY, login
        path = self.http.of_org(f"memberships/{quote(login, safe='')}")
        try:
            self.http.request("PUT", path, doing=doing, json={"role": "member"})
        except Retryable as error:
            if not self.people.membership(login, doing):
                raise error from None
        return Outcome.DONE, login

    def settle(self, address: str, error: ConnectorError, doing: str) -> tuple[Outcome, str]:
        """After a failed POST: was the person invited all the same, or before, or is a member under another name?"""
        taken = isinstance(error, Refused) and error.status == 422 and "already" in error.why
        if not taken and not isinstance(error, Retryable):
            raise error
        try:
            invitation = self.people.invitation(address, doing)
        except Retryable as later:
            raise error if isinstance(error, Retryable) else later from None
        if invitation:
            return Outcome.ALREADY if taken else Outcome.DONE, address
        if not taken:
            raise error
        if login := self.people.login_of(address, doing):
            return Outcome.ALREADY, login
        todo = "Find the member with this address, and have them sign in to GitHub through the SSO once."
        raise Refused(self.name, doing, f"{error.why}; which login it is, GitHub does not tell", todo, 422)

    def reinvited(self, invitation: Row, team: Row, wanted: bool, doing: str) -> Outcome:
        """2 calls more: an invitation cannot be changed. One that got no answer is looked after."""
        there = {int(each["id"]) for each in self.teams.of_invitation(invitation, doing)}
        if (int(team["id"]) in there) is wanted:
            return Outcome.ALREADY
        address = str(invitation["email"])
        if not self.options.reinvite:
            todo = f"Wait until {address} has accepted the invitation; the next run then does it."
            raise NeedsHuman(self.name, doing, "the invitation has not been accepted yet", todo)
        ids = there | {int(team["id"])} if wanted else there - {int(team["id"])}
        try:
            self.gone_or_done("DELETE", f"invitations/{invitation['id']}", doing)
        except Retryable:
            if self.people.invitation(address, doing):
                raise
        try:
            self.invite(address, sorted(ids), str(invitation["role"]), doing)
        except Retryable:
            if not self.people.invitation(address, doing):
                raise
        return Outcome.DONE

    def no_collaborator(self, login: str, doing: str) -> None:
        """1 call. Who is still a member is so through an enterprise team."""
        try:
            self.gone_or_done("DELETE", f"outside_collaborators/{quote(login, safe='')}", doing)
        except Refused as error:
            if error.status != 422:
                raise
            todo = f"Take {login} out of the enterprise's teams, which give the membership."
            raise NeedsHuman(self.name, doing, "GitHub still counts the account as a member", todo) from None

    def gone_or_done(self, verb: str, path: str, doing: str) -> Outcome:
        """1 call; ALREADY where what it is about is gone."""
        try:
            self.http.request(verb, self.http.of_org(path), doing=doing)
        except Refused as error:
            if error.status not in GONE:
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    def invited(self, invitation: Row, doing: str) -> Account:
        """An invitation as an account."""
        teams = [str(team["name"]) for team in self.teams.of_invitation(invitation, doing)]
        address, login = str(invitation.get("email") or ""), str(invitation.get("login") or "")
        return self.account(address or login, address, login, teams)

    def account(self, id: str, address: str, login: str, teams: Iterable[str]) -> Account:
        told = {"email": address, "login": login}
        attributes = {name: told[name] for name in self.fields if told.get(name)}
        key = attributes.get(self.key, id)
        return Account(id=id, key=key, active=True, attributes=attributes, entitlements=frozenset(teams))


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> GitHub:
    """The organisation that these rules declare; nothing is called yet."""
    if rules.key != KEYS[options.identity]:
        why = f"identity: {options.identity} finds people by {KEYS[options.identity]!r}, and key is {rules.key!r}"
        raise Refused(name, f"apps/{name}.yaml", why, f"Write key: {KEYS[options.identity]}.")
    if strange := set(rules.attributes) - {"email", "login"}:
        raise Refused(
            name, f"apps/{name}.yaml", f"GitHub has no {', '.join(sorted(strange))}: profiles are people's own"
        )
    reached = client(options.url, options.auth, VERSION | options.headers)
    http = GitHubHttp(name, reached, around, str(rules.options.get("url", "the url")), PATIENCE)
    http.org = quote(options.org, safe="")
    return GitHub(name, rules, options, http)
