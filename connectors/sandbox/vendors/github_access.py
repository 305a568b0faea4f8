"""What members of a GitHub organisation have authorised by SAML, and fine-grained tokens."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sandbox.possessions import Possession, dropped, owned
from connectors.sandbox.scim_body import timestamp
from connectors.sandbox.store import Row
from connectors.sandbox.vendors.github_people import API, ORG, People, linked, user
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, page_number, route

TYPES = ("personal access token", "SSH key", "OAuth app token", "GitHub app token")


class Access(People):
    """The part of GitHub that keeps credential authorizations."""

    apps: bool
    possessions = {
        "credentials": Possession("login", {"credential_type": "personal access token", "title": ""}),
        "fine_grained": Possession("login", {"token_name": ""}),
    }

    def access_routes(self) -> Sequence[Route]:
        here = f"/orgs/{ORG}"
        return (
            route(f"{here}/credential-authorizations", get=self.list_credentials),
            route(f"{here}/credential-authorizations/{{login}}/revoke", post=self.revoke_credentials),
            route(f"{here}/personal-access-tokens", get=self.list_fine_grained),
            route(f"{here}/personal-access-tokens/{{number}}", post=self.revoke_fine_grained),
        )

    def list_credentials(self, call: Call) -> Answer:
        """Paged by number, without a Link header."""
        if not self.saml:
            raise self.missing()
        query, login = call.query, call.query.get("login", "").casefold()
        rows = list(call["credentials"].rows.values()) if not login else owned(call["credentials"], login)
        size, page = page_number(query.get("per_page"), 30, 100), page_number(query.get("page"), 1, 10**6)
        return json_answer(200, [authorisation(row) for row in rows[(page - 1) * size : page * size]])

    def revoke_credentials(self, call: Call) -> Answer:
        if not self.saml:
            raise self.missing()
        dropped(call["credentials"], call.params["login"].casefold())
        return json_answer(202, {"message": "Credential authorization revocation has been queued"})

    def list_fine_grained(self, call: Call) -> Answer:
        self.only_apps()
        return linked(call, [fine_grained(row) for row in call["fine_grained"].rows.values()])

    def revoke_fine_grained(self, call: Call) -> Answer:
        self.only_apps()
        found = [row for row in call["fine_grained"].rows.values() if str(number(row)) == call.params["number"]]
        if not found:
            raise self.missing()
        if call.json().get("action") != "revoke":
            raise self.unprocessable("PersonalAccessToken", "action is not included in the list", "action")
        call["fine_grained"].drop(found[0]["id"])
        return Answer(204)

    def only_apps(self) -> None:
        if not self.apps:
            raise Rejection(self.problem(403, "Resource not accessible by personal access token"))


def number(row: Row) -> int:
    """A number for what this sandbox keeps under a UUID."""
    return int(row["id"][:8], 16)


def authorisation(row: Row) -> Row:
    """A credential authorization, as it goes out."""
    told = {"login": row["login"], "credential_id": number(row), "credential_type": row["credential_type"]}
    told |= {"credential_authorized_at": timestamp(), "credential_accessed_at": None, "authorized_credential_id": None}
    return told | {"authorized_credential_title": row["title"] or None}


def fine_grained(row: Row) -> Row:
    """A fine-grained token's access, as it goes out."""
    told = {"id": number(row), "owner": user(row["login"]), "repository_selection": "all", "permissions": {}}
    told |= {"repositories_url": f"{API}/orgs/{ORG}/personal-access-tokens/{number(row)}/repositories"}
    told |= {"access_granted_at": timestamp(), "token_id": number(row), "token_name": row["token_name"]}
    return told | {"token_expired": False, "token_expires_at": None, "token_last_used_at": None}
