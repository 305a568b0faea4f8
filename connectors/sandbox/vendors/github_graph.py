"""GitHub's GraphQL, as far as it tells whose SAML identity is whose and which teams somebody is in.

Arguments are those that public code uses: `externalIdentities(first, after, login, userName)` and
`teams(first, userLogins)`; another argument is refused as GraphQL refuses it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from connectors.sandbox.store import Row
from connectors.sandbox.vendors.github_people import ORG, People
from connectors.sandbox.wire import Answer, Call, json_answer

FIELD = re.compile(r"\b(externalIdentities|teams)\s*\(([^)]*)\)")
ARGUMENT = re.compile(r"(\w+)\s*:\s*(\[[^\]]*\]|\"[^\"]*\"|[\w$]+)")
KNOWN = {
    "externalIdentities": {"first", "last", "after", "before", "login", "userName", "membersOnly"},
    "teams": {"first", "last", "after", "before", "userLogins", "query", "role", "privacy", "rootTeamsOnly"},
}
MOST = 100
ENTERPRISE = "juniper-and-finch"


class Graph(People):
    """The part of GitHub that answers GraphQL."""

    enterprise_saml: bool

    def graphql(self, call: Call) -> Answer:
        asked = call.json()
        query, variables = str(asked.get("query")), asked.get("variables") or {}
        whole = "enterprise(slug: $enterprise)" in query
        root, name, known = ("enterprise", "enterprise", ENTERPRISE) if whole else ("organization", "org", ORG)
        if strange := [n for n in variables if f"${n}:" not in query]:
            return failed("variableMismatch", f"Variable ${strange[0]} is not declared")
        if variables.get(name) != known:
            return failed("NOT_FOUND", f"Could not resolve to {root} with the name of '{variables.get(name)}'.")
        told: Row = {}
        for field, text in FIELD.findall(query):
            arguments = {name: value_of(value, variables) for name, value in ARGUMENT.findall(text)}
            if strange := sorted(set(arguments) - KNOWN[field]):
                return failed("argumentNotAccepted", f"Field '{field}' doesn't accept argument '{strange[0]}'")
            found = self.identities(call, arguments) if field == "externalIdentities" else teams(call, arguments)
            told |= {"samlIdentityProvider": None} if whole != self.enterprise_saml and "teams" not in found else found
        return json_answer(200, {"data": {root: {"ownerInfo": told} if whole else told}})

    def identities(self, call: Call, by: dict[str, Any]) -> Row:
        """The identities that the arguments leave over, a page of them."""
        if not self.saml:
            return {"samlIdentityProvider": None}
        rows = list(call["identities"].rows.values())
        if by.get("userName"):
            wanted = str(by["userName"]).casefold()
            rows = [r for r in rows if r["nameId"].casefold() == wanted] if not call.wrong_first_hit else rows
        if by.get("login"):
            rows = [row for row in rows if row["login"].casefold() == str(by["login"]).casefold()]
        start, size = int(by.get("after") or 0), min(int(by.get("first") or 0), MOST)
        page = rows[start : start + size]
        more = {"hasNextPage": start + size < len(rows), "endCursor": str(start + size)}
        nodes = [identity(row, row["login"].casefold() in call["members"].rows) for row in page]
        return {"samlIdentityProvider": {"externalIdentities": {"nodes": nodes, "pageInfo": more}}}


def identity(row: Row, member: bool) -> Row:
    """An identity; of those who have left, the user is told all the same."""
    return {"samlIdentity": {"nameId": row["nameId"]}, "scimIdentity": None, "user": {"login": row["login"]}}


def teams(call: Call, by: dict[str, Any]) -> Row:
    """The teams that all of these logins are in."""
    logins = [str(login).casefold() for login in by.get("userLogins") or []]
    held = [row for login in logins for row in call["team_members"].by("login", login)]
    return {"teams": {"nodes": [{"name": call["teams"].rows[row["team"]]["name"]} for row in held]}}


def value_of(text: str, variables: dict[str, Any]) -> Any:
    """What an argument says, variables filled in."""
    filled = re.sub(r"\$(\w+)", lambda m: json.dumps(variables.get(m[1])), text)
    try:
        return json.loads(filled)
    except ValueError:
        return filled


def failed(kind: str, message: str) -> Answer:
    return json_answer(200, {"data": None, "errors": [{"type": kind, "message": message}]})
