"""Google Workspace: users, groups, org units, licences, what lets people in, and what they leave behind.

Facts are those of the discovery documents directory_v1, datatransfer_v1 and licensing v1 where nothing else is named.
Verbs name the calls they make; a page of a list counts as one.

Least permission: a service account with domain-wide delegation for the scopes in the preset, acting for an
administrator. Bringing back deleted users takes a super administrator (directory_v1, User.isDelegatedAdmin).
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.apps.google_access import USERS, Access
from connectors.apps.google_accounts import CUSTOMER, Accounts
from connectors.apps.google_groups import Groups
from connectors.apps.google_http import GoogleHttp, known
from connectors.apps.google_licences import PREFIX, Licences
from connectors.apps.google_options import Options
from connectors.apps.google_transfer import Transfers
from connectors.apps.google_users import ADDRESS, EMPLOYEE_ID
from connectors.base import Outcome
from connectors.errors import Refused
from connectors.http import client
from connectors.surroundings import Surroundings
from mappings.access import Account, Owned, Token
from mappings.vocabulary import AppRules

KEYS = (ADDRESS, EMPLOYEE_ID)
NAMES = ("name.givenName", "name.familyName")


class Google(Accounts):
    """Keeps App, Grants, Prepares, Mailboxes, Sessions, Tokens and Owns."""

    lists_entitlements = True

    def __init__(self, name: str, rules: AppRules, options: Options, http: GoogleHttp) -> None:
        super().__init__(name, rules, options, http)
        self.groups = Groups(http, options.groups_by, options.create_groups, options.domain)
        self.licences = Licences(http, options.licensing_url, options.licences)
        self.access = Access(http, options.devices)
        self.transfers = Transfers(http, options.transfer, options.transfer_patience)

    def accounts(self) -> Iterator[Account]:
        """1 call per 500 users; before them 1 per 200 groups, 1 per 200 members of each, 1 per 1,000 licences."""
        doing = "list accounts"
        held = self.holdings(doing)
        licensed = self.licensed(doing)
        query = {"customer": CUSTOMER, "projection": "full", "orderBy": "email"}
        query["fields"] = f"nextPageToken,users({self.mask})"
        for user in self.http.pages(USERS, "users", doing, 500, query):
            names = held.get(str(user["id"]), set()) | licensed.get(str(user[ADDRESS]).casefold(), set())
            yield self.account(user, names)

    def holds_address(self, address: str) -> bool:
        """1 call, 2 where no user has it: a group may."""
        doing = f"look for the address {address}"
        return bool(self.user(address, doing) or self.groups.at(address, doing))

    def read(self, id: str) -> Account | None:
        """2 calls, and 1 for each licence in the YAML."""
        doing = f"read account {id}"
        user = self.user(id, doing)
        if not user:
            return None
        held = self.groups.held(str(user["id"]), doing)
        return self.account(user, [*held, *self.licences.held(str(user[ADDRESS]), doing)])

    def entitlements(self) -> Iterator[str]:
        """1 call per 200 groups."""
        yield from self.groups.names()
        yield from self.licences.names()

    def prepare(self, entitlement: str) -> None:
        """1 call: the group's id."""
        if not entitlement.startswith(PREFIX):
            self.groups.learn(entitlement)

    def grant(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """1 call, the first time for a group 2; for a licence 2."""
        doing = f"give {id} {entitlement!r}"
        with self.settling(id, doing):
            if entitlement.startswith(PREFIX):
                return self.licences.assign(entitlement, self.address(id, doing), doing)
            return self.groups.join(entitlement, id, doing)

    def revoke(self, id: str, entitlement: str, looked: bool = False) -> Outcome:
        """As grant; 1 more where a group has no such member."""
        doing = f"take {entitlement!r} from {id}"
        if not entitlement.startswith(PREFIX):
            return self.groups.leave(entitlement, id, doing)
        user = self.user(id, doing, ADDRESS)
        return self.licences.unassign(entitlement, str(user[ADDRESS]), doing) if user else Outcome.ALREADY

    def end_sessions(self, id: str) -> Outcome:
        """1 call."""
        return self.access.end_sessions(id)

    def tokens(self, id: str) -> Iterator[Token]:
        """2 calls; where phones are wiped 4."""
        return self.access.tokens(id, lambda: self.present_address(id))

    def revoke_tokens(self, id: str) -> Outcome:
        """As tokens, then 1 call per token and 1 for the backup codes."""
        return self.access.revoke(id, lambda: self.present_address(id))

    def owned(self, id: str) -> Iterator[Owned]:
        """3 calls: what no completed transfer has given away yet."""
        doing = f"see what {id} owns"
        user = self.user(id, doing, "id,lastLoginTime")
        return self.transfers.owned(user, doing) if user else iter(())

    def hand_over(self, id: str, to_id: str) -> Outcome:
        """4 calls, and those to see it through."""
        doing = f"hand over what {id} owns to {to_id}"
        if not to_id or id == to_id:
            raise Refused(self.name, doing, "nobody else is named to get it", "Name another account.")
        user = self.user(id, doing, "id,lastLoginTime")
        return self.transfers.hand_over(user, to_id, doing) if user else Outcome.ALREADY

    # how it is done

    def present_address(self, id: str) -> str:
        """The same, empty where there is no such user."""
        return str((self.user(id, f"read the address of {id}", ADDRESS) or {}).get(ADDRESS, ""))

    def holdings(self, doing: str) -> dict[str, set[str]]:
        """User id -> names of groups; of those in the YAML's `entitlements`, where it names them."""
        named = {name.casefold() for name in self.named} if self.named is not None else None
        held: dict[str, set[str]] = {}
        for group in self.groups.all(doing):
            name = self.groups.name_of(group)
            if named is None or name.casefold() in named:
                for id in self.groups.members(group, doing):
                    held.setdefault(str(id), set()).add(name)
        return held

    def licensed(self, doing: str) -> dict[str, set[str]]:
        """Address -> names of licences."""
        held: dict[str, set[str]] = {}
        if not self.licences.skus:
            return held
        customer = known(self.http.json("GET", f"/admin/directory/v1/customers/{CUSTOMER}", doing=doing))
        for address, name in self.licences.by_address(str(customer["id"]), doing):
            held.setdefault(address, set()).add(name)
        return held


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Google:
    """The app that these rules declare; nothing is called yet. Refused where they lack what every user must have."""
    if missing := [field for field in (ADDRESS, *NAMES) if field not in rules.attributes]:
        raise Refused(name, f"apps/{name}.yaml", f"attributes lack {', '.join(missing)}", "Google wants them.")
    if rules.key not in KEYS:
        raise Refused(name, f"apps/{name}.yaml", f"key is {rules.key}", f"Take one of {', '.join(KEYS)}.")
    http = GoogleHttp(name, client(options.url, options.auth), around, str(rules.options.get("url", options.url)))
    return Google(name, rules, options, http)
