"""GitHub's teams as entitlements, by their names. Owners of a team that nobody else maintains leave it an orphan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import quote

from connectors.apps.github_http import GitHubHttp, Row
from connectors.calls import GONE
from connectors.errors import Refused

SYNCED = (
    "If an identity provider fills the team (team synchronization), give the group there; else check the permission."
)


class Teams:
    """The teams of one organisation."""

    def __init__(self, http: GitHubHttp) -> None:
        self.http = http
        self.known: dict[str, Row] = {}

    def all(self, doing: str) -> list[Row]:
        """1 call per 100; remembers them."""
        found = list(self.http.rows("teams", doing))
        self.known = {str(team["name"]): team for team in found}
        return found

    def team(self, name: str, doing: str) -> Row:
        """The team with this very name; the first time a look at all of them."""
        if name not in self.known:
            self.all(doing)
        if name not in self.known:
            todo = "Make the team in GitHub, or mend the name in the playbook."
            raise Refused(self.http.app, doing, f"there is no team {name!r}", todo)
        return self.known[name]

    def by_login(self) -> dict[str, set[str]]:
        """Login -> names. 1 call per 100 teams and per 100 members of each; members of child teams are left out."""
        found: dict[str, set[str]] = defaultdict(set)
        for team in self.all("list teams"):
            for member in self.http.rows(f"teams/{team['slug']}/members", f"list members of {team['name']!r}"):
                if not member.get("inherited"):
                    found[str(member["login"]).casefold()].add(str(team["name"]))
        return found

    def holds(self, login: str, team: Row, doing: str) -> bool:
        """1 call."""
        try:
            self.http.request("GET", member_path(self.http, team, login), doing=doing)
        except Refused as error:
            if error.status not in GONE:
                raise
            return False
        return True

    def change(self, verb: str, login: str, team: Row, doing: str, role: str = "member") -> None:
        """1 call. A team that an identity provider fills says 403."""
        sent = {"role": role} if verb == "PUT" else None
        try:
            self.http.request(verb, member_path(self.http, team, login), doing=doing, json=sent)
        except Refused as error:
            if error.status in GONE:
                self.known.clear()  # perhaps the team was made anew
            if error.status != 403:
                raise
            raise Refused(self.http.app, doing, error.why, SYNCED, 403) from None

    def of_invitation(self, invitation: Row, doing: str) -> list[Row]:
        """Those that it will lead to. 1 call where there are any."""
        return list(self.http.rows(f"invitations/{invitation['id']}/teams", doing)) if invitation["team_count"] else []

    def maintained_alone(self, login: str, names: list[str], doing: str) -> Iterator[Row]:
        """Those that nobody else maintains. 1 call for each."""
        for name in names:
            team = self.team(name, doing)
            keepers = self.http.rows(f"teams/{team['slug']}/members", doing, role="maintainer")
            if [str(keeper["login"]).casefold() for keeper in keepers] == [login.casefold()]:
                yield team


def member_path(http: GitHubHttp, team: Row, login: str) -> str:
    """Where a membership is."""
    return http.of_org(f"teams/{team['slug']}/memberships/{quote(login, safe='')}")
