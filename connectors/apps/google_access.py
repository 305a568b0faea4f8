"""What lets people into a Google account besides the password: sessions, OAuth tokens, app passwords, phones.

Least permission: the scope admin.directory.user.security; for phones admin.directory.device.mobile.readonly and
admin.directory.device.mobile.action. Two-step verification is never turned off: that would make the account weaker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal
from urllib.parse import quote

from connectors.apps.google_http import GONE, GoogleHttp, known
from connectors.base import Outcome
from connectors.belongings import all_tried
from connectors.errors import Refused
from connectors.listing import Row
from mappings.access import Token

USERS = "/admin/directory/v1/users"
PHONES = "/admin/directory/v1/customer/my_customer/devices/mobile"
WIPED = ("ACCOUNT_WIPED", "WIPED", "WIPING", "ACCOUNT_WIPING", "DELETED")
"""States of a phone from which nobody gets in; unverified beyond the console's words."""
NOTHING = (400, GONE)
"""Statuses with which Google says that there are no backup codes to be invalidated; 400 unverified."""


class Access:
    """The ways into one account."""

    def __init__(self, http: GoogleHttp, devices: Literal["keep", "account_wipe"]) -> None:
        self.http, self.devices = http, devices

    def end_sessions(self, id: str) -> Outcome:
        """1 call. ALREADY where the account is gone."""
        return self.gone_is_already("POST", f"{user_path(id)}/signOut", f"end sessions of {id}")

    def tokens(self, id: str, address: Callable[[], str]) -> Iterator[Token]:
        """2 calls; where phones are wiped 1 or 2 more (they are found by address alone)."""
        doing = f"list tokens of {id}"
        for row in self.listed(f"{user_path(id)}/tokens", doing):
            yield Token(id=str(row["clientId"]), kind="oauth", name=str(row.get("displayText") or ""))
        for row in self.listed(f"{user_path(id)}/asps", doing):
            yield Token(id=str(row["codeId"]), kind="app_password", name=str(row.get("name") or ""))
        yield from self.phones(address, doing)

    def phones(self, address: Callable[[], str], doing: str) -> Iterator[Token]:
        """Phones with the account on them, where the YAML says that they are wiped."""
        found = address() if self.devices == "account_wipe" else ""
        for row in self.http.pages(PHONES, "mobiledevices", doing, 100, {"query": f"email:{found}"}) if found else ():
            mine = found.casefold() in (str(each).casefold() for each in row.get("email") or ())
            if mine and str(row.get("status", "")).upper() not in WIPED:
                yield Token(id=str(row["resourceId"]), kind="device", name=str(row.get("model") or ""))

    def revoke(self, id: str, address: Callable[[], str]) -> Outcome:
        """As `tokens`, then 1 call per token and 1 for the backup codes."""
        doing = f"revoke tokens of {id}"
        tries = [partial(self.revoke_one, id, token, doing) for token in self.tokens(id, address)]
        return all_tried([*tries, partial(self.no_backup_codes, id, doing)])

    def revoke_one(self, id: str, token: Token, doing: str) -> Outcome:
        """1 call; what is gone by then is ended already."""
        if token.kind == "device":
            path = f"{PHONES}/{quote(token.id, safe='')}/action"
            return self.gone_is_already("POST", path, doing, {"action": "admin_account_wipe"})
        kind = "tokens" if token.kind == "oauth" else "asps"
        return self.gone_is_already("DELETE", f"{user_path(id)}/{kind}/{quote(token.id, safe='')}", doing)

    def no_backup_codes(self, id: str, doing: str) -> Outcome:
        """1 call. They are not listed first, since the list shows them; so whether there were any is not known."""
        try:
            self.http.request("POST", f"{user_path(id)}/verificationCodes/invalidate", doing=doing)
        except Refused as error:
            if error.status not in NOTHING:
                raise
        return Outcome.ALREADY

    def listed(self, path: str, doing: str) -> list[Row]:
        """The items of a list in one answer; none where the account is gone."""
        try:
            return list(known(self.http.json("GET", path, doing=doing)).get("items") or [])
        except Refused as error:
            if error.status == GONE:
                return []
            raise

    def gone_is_already(self, verb: str, path: str, doing: str, body: Row | None = None) -> Outcome:
        try:
            self.http.request(verb, path, doing=doing, json=body)
        except Refused as error:
            if error.status == GONE:
                return Outcome.ALREADY
            raise
        return Outcome.DONE


def user_path(key: str) -> str:
    """The user's path, by id, address or alias."""
    return f"{USERS}/{quote(key, safe='')}"
