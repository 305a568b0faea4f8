"""What lets a member in besides the SSO, and the teams that only a leaver maintains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from connectors.apps.github_http import PER_PAGE, Row
from connectors.base import Outcome
from connectors.belongings import all_tried
from connectors.calls import GONE
from connectors.errors import Refused
from connectors.listing import getter
from connectors.pages import Numbered, walk
from mappings.access import Owned, Token, TokenKind

KINDS: dict[str, TokenKind] = {
    "personal access token": "api_key",
    "SSH key": "ssh_key",
    "OAuth app token": "oauth",
    "GitHub app token": "oauth",
}


class Authorisations:
    """Keeps Tokens: what a member has authorised for the organisation (SAML), and fine-grained tokens."""

    def tokens(self: Any, id: str) -> Iterator[Token]:
        """1 call per 100; by address 1 more for the login; with `fine_grained` 1 more per 100 of the organisation."""
        doing = f"list tokens of {id}"
        if login := self.login(id, doing):
            for row in authorisations(self, login, doing):
                name = row.get("authorized_credential_title") or row.get("authorized_credential_note")
                kind = KINDS.get(str(row["credential_type"]), "api_key")
                yield Token(id=str(row["credential_id"]), kind=kind, name=str(name or row["credential_type"]))
            for row in fine_grained(self, login, doing):
                yield Token(id=str(row["id"]), kind="api_key", name=str(row.get("token_name") or "fine-grained token"))

    def revoke_tokens(self: Any, id: str) -> Outcome:
        """As `tokens`, and 1 call for all authorisations, which GitHub ends a while later; 1 per fine-grained token."""
        doing = f"revoke tokens of {id}"
        login = self.login(id, doing)
        if not login:
            return Outcome.ALREADY
        tries: list[Callable[[], Outcome]] = []
        if any(True for _ in authorisations(self, login, doing)):
            path = f"credential-authorizations/{quote(login, safe='')}/revoke"
            tries.append(lambda: self.gone_or_done("POST", path, doing))
        for row in fine_grained(self, login, doing):
            tries.append(lambda row=row: revoked(self, row, doing))  # type: ignore[misc]
        return all_tried(tries)


class Maintains:
    """Keeps Owns: teams without another maintainer. Repositories belong to the organisation, and stay."""

    def owned(self: Any, id: str) -> Iterator[Owned]:
        """2 calls, and 1 for each team of the account."""
        doing = f"list teams that only {id} maintains"
        for team in alone(self, id, doing):
            yield Owned(id=str(team["slug"]), kind="team", name=str(team["name"]))

    def hand_over(self: Any, id: str, to_id: str) -> Outcome:
        """As `owned`, and 1 call for each: the other account becomes a maintainer too."""
        doing = f"hand over the teams of {id} to {to_id}"
        to = self.login(to_id, doing)
        if not to_id or same_account(self, id, to, to_id, doing):
            raise Refused(self.name, doing, "nobody else is named to get it", "Name another account.")
        found = list(alone(self, id, doing))
        if found and not to:
            raise Refused(self.name, doing, f"{to_id} has not accepted the invitation yet", "Name another account.")
        for team in found:
            self.teams.change("PUT", to, team, doing, role="maintainer")
        return Outcome.DONE if found else Outcome.ALREADY


def alone(app: Any, id: str, doing: str) -> Iterator[Row]:
    """Teams that only this account maintains."""
    if login := app.login(id, doing):
        yield from app.teams.maintained_alone(login, app.people.who(login, doing)[1], doing)


def same_account(app: Any, id: str, to: str | None, to_id: str, doing: str) -> bool:
    """Whether both ids are one account's."""
    return id.casefold() == to_id.casefold() or (to is not None and to == app.login(id, doing))


def authorisations(app: Any, login: str, doing: str) -> Iterator[Row]:
    """What this login has authorised; none in an organisation without SAML."""
    style = Numbered(param="page", size="per_page", per=PER_PAGE)
    path = app.http.of_org("credential-authorizations")
    try:
        for row in walk(app.name, doing, getter(app.http, doing), path, style, "", {"login": login}):
            if str(row["login"]).casefold() == login.casefold():
                yield row
    except Refused as error:
        if error.status not in GONE:
            raise


def fine_grained(app: Any, login: str, doing: str) -> Iterator[Row]:
    """This login's fine-grained tokens, out of everybody's."""
    rows = app.http.rows("personal-access-tokens", doing) if app.options.fine_grained else ()
    return (row for row in rows if str(row["owner"]["login"]).casefold() == login.casefold())


def revoked(app: Any, row: Row, doing: str) -> Outcome:
    """1 call."""
    try:
        path = app.http.of_org(f"personal-access-tokens/{row['id']}")
        app.http.request("POST", path, doing=doing, json={"action": "revoke"})
    except Refused as error:
        if error.status not in GONE:
            raise
        return Outcome.ALREADY
    return Outcome.DONE
