"""Who is who at GitHub: people have accounts of their own, and the company knows their work e-mail.

What ties the two together is the SAML identity that a member gets at the first sign-in through the company's SSO
(GraphQL, `samlIdentityProvider.externalIdentities`, with a filter by `userName`; needs `admin:org`, and
`read:enterprise` where SAML is the enterprise's: unverified). Until an invitation is accepted there is no login: then
the address is all there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from connectors.apps.github_http import GitHubHttp, Row
from connectors.calls import GONE
from connectors.errors import Refused
from connectors.fields import pick

NO_SAML = (
    "Turn on SAML single sign-on for it; name the `enterprise` where that has it; or match people by login "
    "(identity: login)."
)
IDENTITY = "nodes { samlIdentity { nameId } scimIdentity { username } user { login } }"
IDENTITIES = f"""
  samlIdentityProvider {{
    externalIdentities(first: 100, after: $after, login: $login, userName: $userName) {{
      {IDENTITY}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
"""
OF_ORG = f"""
query($org: String!, $after: String, $login: String, $userName: String) {{
  organization(login: $org) {{ {IDENTITIES} }}
}}
"""
OF_ENTERPRISE = f"""
query($enterprise: String!, $after: String, $login: String, $userName: String) {{
  enterprise(slug: $enterprise) {{ ownerInfo {{ {IDENTITIES} }} }}
}}
"""
TEAMS = "teams(first: 100, userLogins: [$login]) { nodes { name } }"
WHO = f"""
query($org: String!, $login: String!) {{
  organization(login: $org) {{
    samlIdentityProvider {{ externalIdentities(first: 1, login: $login) {{ {IDENTITY} }} }}
    {TEAMS}
  }}
}}
"""
IN_TEAMS = f"""
query($org: String!, $login: String!) {{ organization(login: $org) {{ {TEAMS} }} }}
"""


class People:
    """Members and invited people of one organisation."""

    def __init__(self, http: GitHubHttp, saml: bool, enterprise: str) -> None:
        self.http, self.saml, self.enterprise = http, saml, enterprise

    def membership(self, login: str, doing: str) -> Row | None:
        """`active` or `pending`; None where there is none. 1 call."""
        try:
            found: Row = self.http.json("GET", self.http.of_org(f"memberships/{quote(login, safe='')}"), doing=doing)
        except Refused as error:
            if error.status not in GONE:
                raise
            return None
        return found

    def invitations(self, doing: str) -> Iterator[Row]:
        """Those that are open. 1 call per 100."""
        return self.http.rows("invitations", doing)

    def invitation(self, address: str, doing: str) -> Row | None:
        """The open invitation of this address."""
        return next((row for row in self.invitations(doing) if same(row.get("email"), address)), None)

    def login_of(self, address: str, doing: str) -> str | None:
        """The login whose SAML (or SCIM) identity is this address. 1 call."""
        for identity in self.identities(doing, userName=address):
            if any(same(word, address) for word in words(identity)):
                return pick(identity, "user.login") or None
        return None

    def addresses(self, doing: str) -> dict[str, str]:
        """Login -> address. 1 call per 100."""
        found = {pick(each, "user.login"): words(each)[0] for each in self.identities(doing) if words(each)}
        return {login: address for login, address in found.items() if login}

    def who(self, login: str, doing: str) -> tuple[str, list[str]]:
        """The address (empty where it is not known) and the names of the teams of a login. 1 call, 2 where it is an
        enterprise that has the identities."""
        query = IN_TEAMS if self.enterprise else WHO
        found = self.http.ask(query, doing, {"org": self.http.org, "login": login}).get("organization")
        nodes = pick(found, "samlIdentityProvider.externalIdentities.nodes") or []
        if self.enterprise and self.saml:
            nodes = list(self.identities(doing, login=login))
        mine = [words(node)[0] for node in nodes if same(pick(node, "user.login"), login) and words(node)]
        return mine[0] if mine else "", [str(team["name"]) for team in pick(found, "teams.nodes") or []]

    def identities(self, doing: str, **by: str) -> Iterator[Row]:
        """External identities over all pages; those that nobody has signed in with have no user."""
        query, at = (OF_ENTERPRISE, "enterprise.ownerInfo") if self.enterprise else (OF_ORG, "organization")
        whose = {"enterprise": self.enterprise} if self.enterprise else {"org": self.http.org}
        after: str | None = None
        while True:
            found = self.http.ask(query, doing, {**whose, "after": after, **by})
            listed = pick(found, f"{at}.samlIdentityProvider.externalIdentities")
            if listed is None:
                raise Refused(self.http.app, doing, f"the {at.partition('.')[0]} has no SAML identities", NO_SAML)
            yield from listed["nodes"]
            if not pick(listed, "pageInfo.hasNextPage"):
                return
            after = str(pick(listed, "pageInfo.endCursor"))


def words(identity: Row) -> list[str]:
    """What an identity goes by: the NameID, and the user name of SCIM."""
    found = (pick(identity, "samlIdentity.nameId"), pick(identity, "scimIdentity.username"))
    return [str(word) for word in found if word]


def same(word: object, other: str) -> bool:
    """Whether both are the same, whatever the case."""
    return str(word or "").casefold() == other.casefold()
