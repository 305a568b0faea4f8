"""GitHub's members, invitations and outside collaborators."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from connectors.sandbox.scim_body import timestamp
from connectors.sandbox.store import Index, Row, Store, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

ORG = "juniper-finch"
API = "https://api.github.com"
DOCS = "https://docs.github.com/rest"
ROLES = ("admin", "direct_member", "billing_manager", "reinstate")
MOST = 100


class People(Twin):
    """The part of GitHub that knows who belongs to the organisation."""

    saml: bool
    enterprise: bool

    def people_tables(self) -> dict[str, Table]:
        return {
            "invitations": Table("invitations", {"email": Index(lambda row: str(row["email"] or ""))}),
            "members": Table("members", {}),
            "collaborators": Table("collaborators", {}),
            "strangers": Table("strangers", {}),
        }

    def people_routes(self) -> Sequence[Route]:
        here = f"/orgs/{ORG}"
        return (
            route(f"{here}/members", get=self.list_members),
            route(f"{here}/memberships/{{login}}", get=self.show_membership, put=self.ask_in, delete=self.remove),
            route(f"{here}/invitations", get=self.list_invitations, post=self.invite),
            route(f"{here}/invitations/{{id}}", delete=self.take_back),
            route(f"{here}/invitations/{{id}}/teams", get=self.teams_of_invitation),
            route(f"{here}/outside_collaborators", get=self.list_collaborators),
            route(f"{here}/outside_collaborators/{{login}}", delete=self.drop_collaborator),
        )

    def unprocessable(self, resource: str, message: str, field: str = "data") -> Rejection:
        error = {"resource": resource, "code": "unprocessable", "field": field, "message": message}
        return Rejection(
            json_answer(422, {"message": "Validation Failed", "errors": [error], "documentation_url": DOCS})
        )

    def missing(self) -> Rejection:
        return Rejection(self.problem(404, "Not Found"))

    def account_id(self, key: str) -> str | None:
        """The login of a member, by login or by the address of the SAML identity."""
        members, identities = self.store["members"].rows, self.store["identities"].rows.values()
        by_address = (i["login"] for i in identities if i["nameId"].casefold() == key.casefold())
        return key.casefold() if key.casefold() in members else next(by_address, None)

    # members

    def new_member(self, login: str, address: str, role: str = "member", own: str = "") -> Row:
        """`own`: the address that the person's GitHub account knows, where it is not that of the SSO."""
        row = {"id": login, "login": login, "role": role, "state": "active", "address": own or address}
        if self.saml:
            identity = {"id": login, "guid": f"guid-{login}", "login": login, "nameId": address}
            self.store["identities"].put(login.casefold(), identity)
        return self.store["members"].put(login.casefold(), row)

    def list_members(self, call: Call) -> Answer:
        role = call.query.get("role", "all")
        rows = [row for row in call["members"].rows.values() if role in ("all", row["role"])]
        return linked(call, [user(row["login"]) for row in rows])

    def show_membership(self, call: Call) -> Answer:
        login = call.params["login"].casefold()
        if row := call["members"].rows.get(login):
            return json_answer(200, membership(row["login"], "active", row["role"]))
        if self.waiting(call, login):
            return json_answer(200, membership(login, "pending", "member"))
        raise self.missing()

    def waiting(self, call: Call, login: str) -> Row | None:
        rows = call["invitations"].rows.values()
        return next((row for row in rows if str(row["login"] or "").casefold() == login), None)

    def ask_in(self, call: Call) -> Answer:
        """Change a member's role, or invite somebody who has an account at GitHub."""
        login, role = call.params["login"], call.json().get("role", "member")
        if role not in ("admin", "member"):
            raise self.unprocessable("OrganizationMembership", "role is not included in the list", "role")
        if row := call["members"].rows.get(login.casefold()):
            call["members"].put(login.casefold(), row | {"role": role})
            return json_answer(200, membership(row["login"], "active", role))
        if not self.waiting(call, login.casefold()):
            self.new_invitation(call, None, login, "admin" if role == "admin" else "direct_member", [])
        return json_answer(200, membership(login, "pending", role))

    def remove(self, call: Call) -> Answer:
        login = call.params["login"].casefold()
        if waiting := self.waiting(call, login):
            call["invitations"].drop(str(waiting["id"]))
            return Answer(204)
        row = call["members"].rows.get(login)
        if not row:
            raise self.missing()
        owners = [m for m in call["members"].rows.values() if m["role"] == "admin"]
        if owners == [row]:
            raise Rejection(self.problem(403, "You cannot remove the last owner of the organization"))
        if self.enterprise:
            return Answer(204)
        call["members"].drop(login)
        for held in call["team_members"].by("login", login):
            call["team_members"].drop(held["id"])
        return Answer(204)

    # invitations

    def invite(self, call: Call) -> Answer:
        asked = call.json()
        address, role, teams = asked.get("email"), asked.get("role", "direct_member"), asked.get("team_ids", [])
        if not isinstance(address, str) or "@" not in address:
            raise self.unprocessable("OrganizationInvitation", "email is not a valid address", "email")
        if role not in ROLES or any(str(id) not in call["teams"].rows for id in teams):
            raise self.unprocessable("OrganizationInvitation", "role or team_ids are not valid")
        if any(row["address"].casefold() == address.casefold() for row in call["members"].rows.values()):
            text = "A user with this email addresss is already a part of this organization"
            raise self.unprocessable("OrganizationInvitation", text)
        if call["invitations"].by("email", address):
            raise self.unprocessable("OrganizationInvitation", "A user with this email address is already invited")
        return json_answer(201, invitation(self.new_invitation(call, address, None, role, teams)))

    def new_invitation(self, call: Call, email: str | None, login: str | None, role: str, teams: list[int]) -> Row:
        id = call["invitations"].next_number()
        row = {"id": id, "email": email, "login": login, "role": role, "team_ids": teams, "created_at": timestamp()}
        return call["invitations"].put(str(id), row)

    def list_invitations(self, call: Call) -> Answer:
        return linked(call, [invitation(row) for row in call["invitations"].rows.values()])

    def take_back(self, call: Call) -> Answer:
        if call.params["id"] not in call["invitations"].rows:
            raise self.missing()
        call["invitations"].drop(call.params["id"])
        return Answer(204)

    def teams_of_invitation(self, call: Call) -> Answer:
        row = call["invitations"].rows.get(call.params["id"])
        if not row:
            raise self.missing()
        return linked(call, [self.shown_team(call.store, str(id)) for id in row["team_ids"]])

    def shown_team(self, store: Store, id: str) -> Row:
        raise NotImplementedError

    # outside collaborators

    def list_collaborators(self, call: Call) -> Answer:
        return linked(call, [user(row["login"]) for row in call["collaborators"].rows.values()])

    def drop_collaborator(self, call: Call) -> Answer:
        login = call.params["login"].casefold()
        if login in call["members"].rows:
            text = "You cannot specify an organization member to remove as an outside collaborator."
            raise Rejection(json_answer(422, {"message": text, "documentation_url": DOCS}))
        if login in call["collaborators"].rows:
            call["collaborators"].drop(login)
        return Answer(204)


def user(login: str) -> Row:
    """A simple user, as it goes out."""
    at, number = f"{API}/users/{login}", zlib.crc32(login.casefold().encode())
    urls = ("followers", "subscriptions", "repos", "received_events")
    listed: dict[str, Any] = {f"{name}_url": f"{at}/{name}" for name in urls}
    listed |= {"organizations_url": f"{at}/orgs", "following_url": f"{at}/following{{/other_user}}"}
    listed |= {"gists_url": f"{at}/gists{{/gist_id}}", "starred_url": f"{at}/starred{{/owner}}{{/repo}}"}
    listed |= {"events_url": f"{at}/events{{/privacy}}", "avatar_url": f"https://avatars.example/u/{number}"}
    named = {"login": login, "id": number, "node_id": f"U_{number}", "gravatar_id": "", "url": at}
    return named | listed | {"html_url": f"https://github.com/{login}", "type": "User", "site_admin": False}


def membership(login: str, state: str, role: str) -> Row:
    """A membership, as it goes out."""
    at = f"{API}/orgs/{ORG}"
    urls = {f"{name}_url": f"{at}/{name}" for name in ("repos", "events", "hooks", "issues")}
    urls |= {f"{name}_url": f"{at}/{name}{{/member}}" for name in ("members", "public_members")}
    org = {"login": ORG, "id": 1, "node_id": "O_1", "url": at, "avatar_url": at, "description": None} | urls
    told = {"url": f"{at}/memberships/{login}", "state": state, "role": role, "organization_url": at}
    return told | {"organization": org, "user": user(login)}


def invitation(row: Row) -> Row:
    """An invitation, as it goes out."""
    at = f"{API}/organizations/1/invitations/{row['id']}"
    told = {name: row[name] for name in ("id", "login", "email", "role", "created_at")}
    told |= {"node_id": f"OI_{row['id']}", "team_count": len(row["team_ids"]), "inviter": user("ops-owner")}
    return told | {"invitation_teams_url": f"{at}/teams"}


def linked(call: Call, rows: list[Row]) -> Answer:
    """A page of rows, and in the Link header where the next one is."""
    query = call.query
    size, page = page_number(query.get("per_page"), 30, MOST), page_number(query.get("page"), 1, 10**6)
    shown = rows[(page - 1) * size : page * size]
    if page * size >= len(rows):
        return json_answer(200, shown)
    kept = "&".join(part for part in call.query_string.split("&") if part and not part.startswith("page="))
    where = f"{call.base}{call.path}?{kept}{'&' if kept else ''}page={page + 1}"
    return json_answer(200, shown, ("Link", f'<{where}>; rel="next"'))
