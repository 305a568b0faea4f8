"""GitHub: one organisation with SAML single sign-on and without SCIM.

Made from github-rest-api-description (ghec, @octokit/openapi 23.0.2) and docs.github.com (rate limits for the REST
API). From public code: the two GraphQL queries that it answers (github_graph). From memory: what a second invitation
of one address is answered with; that credential authorizations outlive a removal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from connectors.sandbox.faults import Fault
from connectors.sandbox.quotas import Limit, Meter
from connectors.sandbox.store import Row, Table
from connectors.sandbox.vendors.github_access import Access
from connectors.sandbox.vendors.github_graph import Graph
from connectors.sandbox.vendors.github_people import DOCS, ORG, user
from connectors.sandbox.vendors.github_teams import Teams
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

TOKEN = "ghp_token-of-the-sandbox"
MINUTE, HOUR = 60.0, 3600.0
PUBLISHED = (
    Limit(5000, HOUR),
    Limit(900, MINUTE, "^GET "),
    Limit(180, MINUTE, "^(POST|PUT|PATCH|DELETE) "),  # a write counts five points of 900
    Limit(80, MINUTE, "^POST .*/invitations$"),
    Limit(500, HOUR, "^POST .*/invitations$"),
)
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
PRIMARY = "API rate limit exceeded for user ID 1."


class GitHub(Teams, Access, Graph):
    """The organisation juniper-finch."""

    quotas = PUBLISHED
    accounts = "invitations"
    settable = dict.fromkeys(("saml", "apps", "silent_limits", "enterprise", "enterprise_saml"), (True, False))
    saml = True
    apps = False
    """Whether whoever asks is a GitHub App, and may see fine-grained tokens."""
    enterprise = False
    """Whether everybody is a member by an enterprise team too, which a removal does not end."""
    enterprise_saml = False
    """Whether it is the enterprise, and not the organisation, that has SAML."""
    silent_limits = False
    """Whether a secondary limit is told without Retry-After."""

    def make_tables(self) -> dict[str, Table]:
        return {**self.people_tables(), **self.team_tables(), "identities": Table("identities", {})}

    def make_routes(self) -> Sequence[Route]:
        here = f"/orgs/{ORG}"
        return (
            route(here, get=self.show_org),
            *self.people_routes(),
            *self.team_routes(),
            *self.access_routes(),
            route("/graphql", post=self.graphql),
        )

    def seed(self) -> None:
        for name in ("Staff", "Engineering", "From the IdP"):
            self.new_team(name, synced=name == "From the IdP")
        self.new_member("ops-owner", "ops@juniperfinch.example", role="admin")

    def authorise(self, call: Call) -> None:
        if call.header(b"authorization") != f"Bearer {TOKEN}":
            raise Rejection(self.problem(401, "Bad credentials"))
        if not call.header(b"x-github-api-version"):
            raise Rejection(self.problem(400, "this twin wants to be asked by a version of the API"))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        body = {"message": message, "documentation_url": DOCS, "status": str(status)}
        return json_answer(status, body, *headers)

    def answer(self, call: Call, fault: Fault | None) -> Answer:
        """With the headers that tell how much of the hour is left."""
        answer = super().answer(call, fault)
        first = self.meters[0]
        if first.limit.per_seconds < HOUR or any(name == "x-ratelimit-limit" for name, _ in answer.headers):
            return answer
        return answer._replace(headers=(*answer.headers, *hour(first)))

    def over(self, meter: Meter, wait: float) -> Answer:
        """The hour is told by its headers, everything else by Retry-After."""
        if meter.limit.per_seconds >= HOUR and not meter.limit.calls:
            return self.problem(403, PRIMARY, *hour(meter))
        after = () if self.silent_limits else (("Retry-After", str(max(1, math.ceil(wait)))),)
        return self.problem(403, SECONDARY, *after)

    def show_org(self, call: Call) -> Answer:
        return json_answer(200, {"login": ORG, "id": 1, "description": None})

    def sign_in(self, user_name: str) -> Row | None:
        """Whoever is invited accepts, and signs in through the SSO: by address, or by login."""
        address = user_name.casefold()
        for row in list(self.store["invitations"].rows.values()):
            if address in (str(row["email"]).casefold(), str(row["login"]).casefold()):
                return self.accepted(row)
        return None

    def accepted(self, invitation: Row) -> Row:
        """The invited person is a member with an identity and teams."""
        address = str(invitation["email"] or f"{invitation['login']}@juniperfinch.example")
        login = str(invitation["login"] or address.partition("@")[0].replace(".", "-"))
        self.store["invitations"].drop(str(invitation["id"]))
        role = "admin" if invitation["role"] == "admin" else "member"
        self.new_member(login, address, role, own="" if invitation["email"] else f"{login}@home.example")
        for team in invitation["team_ids"]:
            self.put_in_team(self.store, str(team), login)
        return user(login)


def hour(meter: Meter) -> tuple[tuple[str, str], ...]:
    """The headers of the hourly limit; the reset is a moment in whole seconds of UTC."""
    reset = math.ceil(time.time() + meter.limit.per_seconds - (time.monotonic() - meter.began))
    told = {"limit": meter.limit.requests, "remaining": meter.left, "reset": reset, "used": meter.seen}
    return tuple((f"x-ratelimit-{name}", str(value)) for name, value in told.items())


def environment(root: str) -> dict[str, str]:
    """What a client of this twin needs."""
    return {"GITHUB_URL": root, "GITHUB_TOKEN": TOKEN, "GITHUB_ORG": ORG}


TWIN = GitHub
