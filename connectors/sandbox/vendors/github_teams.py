"""GitHub's teams; those that an identity provider fills let nobody else in."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sandbox.store import Index, Row, Store, Table
from connectors.sandbox.vendors.github_people import API, ORG, People, linked, user
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route


class Teams(People):
    """The part of GitHub that keeps teams."""

    def team_tables(self) -> dict[str, Table]:
        pair = {"team": Index(lambda row: row["team"]), "login": Index(lambda row: row["login"])}
        return {
            "teams": Table("teams", {"slug": Index(lambda row: row["slug"])}),
            "team_members": Table("team_members", pair),
        }

    def team_routes(self) -> Sequence[Route]:
        here = f"/orgs/{ORG}/teams"
        one = f"{here}/{{slug}}/memberships/{{login}}"
        return (
            route(here, get=self.list_teams, post=self.add_team),
            route(f"{here}/{{slug}}", get=self.show_team),
            route(f"{here}/{{slug}}/members", get=self.list_team),
            route(one, get=self.show_held, put=self.hold, delete=self.drop_held),
        )

    def new_team(self, name: str, synced: bool = False) -> Row:
        id = self.store["teams"].next_number()
        slug = name.lower().replace(" ", "-")
        return self.store["teams"].put(str(id), {"id": id, "name": name, "slug": slug, "synced": synced})

    def list_teams(self, call: Call) -> Answer:
        return linked(call, [self.shown_team(call.store, id) for id in call["teams"].rows])

    def add_team(self, call: Call) -> Answer:
        """A team; with `synced`, which GitHub has not, one that an identity provider fills."""
        asked = call.json()
        row = self.new_team(str(asked["name"]), bool(asked.get("synced")))
        return json_answer(201, self.shown_team(call.store, str(row["id"])))

    def show_team(self, call: Call) -> Answer:
        return json_answer(200, self.shown_team(call.store, str(self.team(call)["id"])))

    def shown_team(self, store: Store, id: str) -> Row:
        row = store["teams"].rows[id]
        at = f"{API}/organizations/1/team/{id}"
        told = {"id": row["id"], "name": row["name"], "slug": row["slug"], "node_id": f"T_{id}", "description": None}
        told |= {"permission": "pull", "privacy": "closed", "type": "organization", "parent": None, "url": at}
        told |= {"html_url": f"https://github.com/orgs/{ORG}/teams/{row['slug']}", "repositories_url": f"{at}/repos"}
        return told | {"members_url": f"{at}/members{{/member}}"}

    def team(self, call: Call) -> Row:
        found = call["teams"].by("slug", call.params["slug"])
        if not found:
            raise self.missing()
        return found[0]

    def list_team(self, call: Call) -> Answer:
        role, rows = call.query.get("role", "all"), call["team_members"].by("team", str(self.team(call)["id"]))
        rows = [row for row in rows if role in ("all", row["role"])]
        there = call["members"].rows
        told = [user(there[row["login"]]["login"]) | {"role": row["role"]} for row in rows if row["login"] in there]
        return linked(call, told)

    def show_held(self, call: Call) -> Answer:
        row = call["team_members"].rows.get(self.held_key(call))
        if not row:
            raise self.missing()
        return json_answer(200, self.held(call, row))

    def hold(self, call: Call) -> Answer:
        """Put a member into a team. A stranger is invited to the organisation."""
        team, login = self.open_team(call), call.params["login"].casefold()
        role = call.json().get("role", "member") if call.body else "member"
        if login not in call["members"].rows and not self.waiting(call, login):
            self.new_invitation(call, None, login, "direct_member", [])
        return json_answer(200, self.held(call, self.put_in_team(call.store, str(team["id"]), login, role)))

    def put_in_team(self, store: Store, team: str, login: str, role: str = "member") -> Row:
        key = f"{team}/{login.casefold()}"
        return store["team_members"].put(key, {"id": key, "team": team, "login": login.casefold(), "role": role})

    def drop_held(self, call: Call) -> Answer:
        self.open_team(call)
        if self.held_key(call) not in call["team_members"].rows:
            raise self.missing()
        call["team_members"].drop(self.held_key(call))
        return Answer(204)

    def open_team(self, call: Call) -> Row:
        team = self.team(call)
        if team["synced"]:
            raise Rejection(self.problem(403, "This team's membership is managed by an identity provider"))
        return team

    def held_key(self, call: Call) -> str:
        return f"{self.team(call)['id']}/{call.params['login'].casefold()}"

    def held(self, call: Call, row: Row) -> Row:
        state = "active" if row["login"] in call["members"].rows else "pending"
        return {"url": f"{API}{call.path}", "role": row["role"], "state": state}
