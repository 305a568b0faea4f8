"""What lets somebody into an Entra account besides its password, and what in the directory has no owner without it.

Sources: learn.microsoft.com/graph/api/user-list-oauth2permissiongrants, oauth2permissiongrant-delete,
authentication-list-methods and the delete page of each kind, user-list-ownedobjects, group-post-owners. App passwords
of old are not in Graph v1.0 at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from connectors.apps.entra_http import PAGE, Ask, GraphHttp, at, says
from connectors.base import Outcome
from connectors.belongings import all_tried
from connectors.calls import GONE
from connectors.errors import ConnectorError, Refused
from connectors.listing import Row
from mappings.access import Owned, Token

METHODS = {
    "phone": "phoneMethods",
    "email": "emailMethods",
    "fido2": "fido2Methods",
    "microsoftAuthenticator": "microsoftAuthenticatorMethods",
    "softwareOath": "softwareOathMethods",
    "temporaryAccessPass": "temporaryAccessPassMethods",
    "windowsHelloForBusiness": "windowsHelloForBusinessMethods",
    "platformCredential": "platformCredentialMethods",
}
"""Kinds of methods that can be deleted -> where. The password cannot: it goes with the account."""
OWNABLE = {"group": "groups", "application": "applications", "servicePrincipal": "servicePrincipals"}


class Credentials:
    """OAuth grants and, where wanted, authentication methods of users."""

    def __init__(self, http: GraphHttp, methods: bool) -> None:
        self.http, self.wants_methods = http, methods

    def tokens(self, id: str) -> Iterator[Token]:
        """1 call and 1 for the names of the apps; 1 more for methods. None where the account is gone."""
        doing = f"list tokens of {id}"
        grants = self.grants(id, doing)
        names = self.apps(sorted({str(grant["clientId"]) for grant in grants}), doing)
        for grant in grants:
            client = str(grant["clientId"])
            yield Token(id=str(grant["id"]), kind="oauth", name=names.get(client, client))
        for method in self.methods(id, doing):
            name = str(method.get("displayName") or method.get("phoneType") or "")
            yield Token(id=str(method["id"]), kind="device", name=f"{kind_of(method)} {name}".strip())

    def revoke(self, id: str) -> Outcome:
        """1 call for the grants and 1 for each; the same for methods, the default one last."""
        doing = f"revoke tokens of {id}"
        tries = [self.ending(f"/oauth2PermissionGrants/{grant['id']}", doing) for grant in self.grants(id, doing)]
        found = [f"/users/{id}/authentication/{METHODS[kind_of(m)]}/{m['id']}" for m in self.methods(id, doing)]
        return all_tried([*tries, *([lambda: self.forget(found, doing)] if found else [])])

    def grants(self, id: str, doing: str) -> list[Row]:
        """What the person let third-party apps do; what an administrator let them do for everybody is not theirs."""
        return gone_is_none(lambda: list(self.http.rows(f"/users/{id}/oauth2PermissionGrants", doing)))

    def methods(self, id: str, doing: str) -> list[Row]:
        if not self.wants_methods:
            return []
        rows = gone_is_none(lambda: list(self.http.rows(f"/users/{id}/authentication/methods", doing)))
        return [row for row in rows if kind_of(row) in METHODS]

    def apps(self, ids: list[str], doing: str) -> dict[str, str]:
        """Id -> display name. Names are nice to have: without the permission ids have to do."""
        if not ids:
            return {}
        try:
            body = {"ids": ids, "types": ["servicePrincipal"]}
            found = self.http.json("POST", "/users/getByIds", doing=doing, json=body) or {}
        except ConnectorError:
            return {}
        return {str(row["id"]): str(row.get("displayName") or row["id"]) for row in found.get("value", ())}

    def ending(self, path: str, doing: str) -> Callable[[], Outcome]:
        """The call, to be made later; what is gone by then is ended already."""

        def end() -> Outcome:
            try:
                self.http.request("DELETE", path, doing=doing)
            except Refused as error:
                if error.status in GONE:
                    return Outcome.ALREADY
                raise
            return Outcome.DONE

        return end

    def forget(self, paths: list[str], doing: str) -> Outcome:
        """Delete methods; the default one is refused (400) while there are others, so what is refused comes again."""
        refused: list[str] = []
        for path in paths:
            try:
                self.ending(path, doing)()
            except Refused as error:
                if error.status != 400:
                    raise
                refused.append(path)
        return all_tried([self.ending(path, doing) for path in refused]) if refused else Outcome.DONE


class Ownership:
    """Groups and applications whose only owner is one account."""

    def __init__(self, http: GraphHttp, link: Callable[[str], Row]) -> None:
        self.http, self.link = http, link

    def owned(self, id: str, doing: str) -> list[tuple[str, Row]]:
        """Where a thing is and what it is. 1 call, and 1 per 20 things for their other owners."""
        rows = gone_is_none(lambda: list(self.http.rows(f"/users/{id}/ownedObjects", doing, top=str(PAGE))))
        things = [(OWNABLE[kind_of(row)], row) for row in rows if kind_of(row) in OWNABLE]
        asks = [Ask("GET", at(f"/{where}/{row['id']}/owners", select="id"), doing) for where, row in things]
        return [
            thing
            for thing, owners in zip(things, self.http.many(asks), strict=True)
            if not [one for one in listed(owners) if one.get("id") != id]
        ]

    def things(self, id: str) -> Iterator[Owned]:
        """As a leaver's belongings."""
        for _, row in self.owned(id, f"list what {id} owns"):
            yield Owned(id=str(row["id"]), kind=kind_of(row), name=str(row.get("displayName") or ""))

    def hand_over(self, id: str, to_id: str) -> Outcome:
        """2 calls for each thing, 3 for a Microsoft 365 group, whose owners must be members to use it."""
        doing = f"hand over what {id} owns to {to_id}"
        if not to_id or id == to_id:
            raise Refused(self.http.app, doing, "nobody else is named to get it", "Name another account.")
        return all_tried([self.giving(where, row, id, to_id, doing) for where, row in self.owned(id, doing)])

    def giving(self, where: str, row: Row, id: str, to_id: str, doing: str) -> Callable[[], Outcome]:
        """First the new owner, then the old one goes: a Microsoft 365 group may not be without."""

        def give() -> Outcome:
            thing = f"/{where}/{row['id']}"
            self.add(f"{thing}/owners/$ref", to_id, doing)
            if "Unified" in (row.get("groupTypes") or ()):
                self.add(f"{thing}/members/$ref", to_id, doing)
            self.http.request("DELETE", f"{thing}/owners/{id}/$ref", doing=doing)
            return Outcome.DONE

        return give

    def add(self, path: str, id: str, doing: str) -> None:
        try:
            self.http.request("POST", path, doing=doing, json=self.link(id))
        except Refused as error:
            if not says(error, "already exist"):
                raise


def gone_is_none(read: Callable[[], list[Row]]) -> list[Row]:
    """The rows; none where there is no such account."""
    try:
        return read()
    except Refused as error:
        if error.status not in GONE:
            raise
        return []


def kind_of(row: Row) -> str:
    """`phone` of `#microsoft.graph.phoneAuthenticationMethod`, `group` of `#microsoft.graph.group`."""
    return str(row.get("@odata.type", "")).rpartition(".")[2].removesuffix("AuthenticationMethod")


def listed(answer: Any) -> list[Row]:
    """The items of an answer out of a batch."""
    if isinstance(answer, ConnectorError):
        raise answer
    return list((answer or {}).get("value", ()))
