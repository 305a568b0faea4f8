"""What outlives a password at Okta: sessions, refresh tokens and consents; and admin roles, which need a new holder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import quote

from connectors.apps.okta_http import OktaHttp, Row
from connectors.base import Outcome
from connectors.belongings import all_tried
from connectors.calls import GONE
from connectors.errors import NeedsHuman, Refused
from mappings.access import Owned, Token


class Reached(Protocol):
    """What these capabilities need of the app they are part of."""

    name: str
    http: OktaHttp


class Ends:
    """Keeps Sessions and Tokens."""

    def end_sessions(self: Reached, id: str) -> Outcome:
        """1 call: sessions, OAuth tokens and remembered devices. ALREADY where the user is gone."""
        return gone_or_done(
            self.http,
            "DELETE",
            f"{user_path(id)}/sessions",
            f"end sessions of {id}",
            oauthTokens="true",
            forgetDevices="true",
        )

    def tokens(self: Reached, id: str) -> Iterator[Token]:
        """2 calls, and 1 for each client that the user has let in: refresh tokens and consents."""
        doing = f"list tokens of {id}"
        clients = client_names(self.http, id, doing)
        for client, name in clients.items():
            for row in listed(self.http, f"{user_path(id)}/clients/{client}/tokens", doing):
                yield Token(id=str(row["id"]), kind="oauth", name=name)
        for row in listed(self.http, f"{user_path(id)}/grants", doing):
            client = str(row.get("clientId"))
            yield Token(id=str(row["id"]), kind="oauth", name=clients.get(client, client))

    def revoke_tokens(self: Reached, id: str) -> Outcome:
        """2 calls, 1 for each client, and 1 more where there are consents."""
        doing = f"revoke tokens of {id}"
        paths = [f"{user_path(id)}/clients/{client}/tokens" for client in client_names(self.http, id, doing)]
        if any(True for _ in listed(self.http, f"{user_path(id)}/grants", doing)):
            paths.append(f"{user_path(id)}/grants")
        return all_tried([ending(self.http, path, doing) for path in paths])


class HasRoles:
    """Keeps Owns: admin roles. No machine gives somebody power over everybody's accounts."""

    def owned(self: Reached, id: str) -> Iterator[Owned]:
        """1 call."""
        for role in listed(self.http, f"{user_path(id)}/roles", f"list admin roles of {id}", paged=False):
            yield Owned(id=str(role["id"]), kind="admin role", name=str(role.get("label") or role["type"]))

    def hand_over(self: Any, id: str, to_id: str) -> Outcome:
        """1 call. ALREADY where there are none, else a task for a person."""
        if not to_id or id == to_id:
            doing = f"hand over admin roles of {id}"
            raise Refused(self.name, doing, "nobody else is named to get it", "Name another account.")
        roles = [role.name for role in self.owned(id)]
        if not roles:
            return Outcome.ALREADY
        todo = f"Security > Administrators: take {', '.join(roles)} from {id}, and give it to whoever shall have it."
        raise NeedsHuman(self.name, f"hand over admin roles of {id}", "who gets an admin role is for people", todo)


def user_path(id: str) -> str:
    """Where a user is."""
    return f"/api/v1/users/{quote(id, safe='')}"


def client_names(http: OktaHttp, id: str, doing: str) -> dict[str, str]:
    """Id -> name of the clients for which the user has tokens or consents."""
    rows = listed(http, f"{user_path(id)}/clients", doing, paged=False)
    return {quote(str(row["client_id"]), safe=""): str(row.get("client_name") or row["client_id"]) for row in rows}


def listed(http: OktaHttp, path: str, doing: str, paged: bool = True) -> Iterator[Row]:
    """The things in a list of a user's; none where the user is gone."""
    try:
        yield from http.rows(path, doing) if paged else http.json("GET", path, doing=doing) or []
    except Refused as error:
        if error.status not in GONE:
            raise


def ending(http: OktaHttp, path: str, doing: str) -> Callable[[], Outcome]:
    """The call, to be made later."""
    return lambda: gone_or_done(http, "DELETE", path, doing)


def gone_or_done(http: OktaHttp, verb: str, path: str, doing: str, **query: str) -> Outcome:
    """1 call; ALREADY where what it is about is gone."""
    try:
        http.request(verb, path, doing=doing, params=query or None)
    except Refused as error:
        if error.status not in GONE:
            raise
        return Outcome.ALREADY
    return Outcome.DONE
