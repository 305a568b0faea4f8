"""What lets people and devices into a Google account: sessions, OAuth tokens, app passwords, backup codes, phones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import unquote

from connectors.sandbox.possessions import Possession, dropped, owned
from connectors.sandbox.store import Row
from connectors.sandbox.vendors.google_groups import V1, Gatherings
from connectors.sandbox.vendors.google_listing import page
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

ACTIONS = (
    "admin_remote_wipe",
    "admin_account_wipe",
    "approve",
    "block",
    "cancel_remote_wipe_then_activate",
    "cancel_remote_wipe_then_block",
)
WIPED = {"admin_remote_wipe": "WIPING", "admin_account_wipe": "ACCOUNT_WIPED"}


class Security(Gatherings):
    """None of it ends when the account is suspended, except that nobody can sign in anew."""

    possessions = {
        "sessions": Possession("userKey", {"client": "web"}),
        "tokens": Possession("userKey", {"displayText": "", "scopes": ["openid"], "anonymous": False}),
        "asps": Possession("userKey", {"name": ""}),
        "codes": Possession("userKey", {"verificationCode": "00000000"}),
        "devices": Possession("userKey", {"model": "", "type": "ANDROID", "status": "APPROVED"}),
        "files": Possession("userKey", {"title": "", "shared": True}),
        "events": Possession("userKey", {"title": ""}),
    }

    def security_routes(self) -> Sequence[Route]:
        mine, phones = f"{V1}/users/{{user}}", f"{V1}/customer/{{customer}}/devices/mobile"
        return (
            route(f"{mine}/signOut", post=self.sign_out),
            route(f"{mine}/tokens", get=self.list_tokens),
            route(f"{mine}/tokens/{{client}}", delete=self.drop_token),
            route(f"{mine}/asps", get=self.list_asps),
            route(f"{mine}/asps/{{code}}", delete=self.drop_asp),
            route(f"{mine}/verificationCodes", get=self.list_codes),
            route(f"{mine}/verificationCodes/invalidate", post=self.invalidate),
            route(phones, get=self.list_phones),
            route(f"{phones}/{{phone}}/action", post=self.act_on_phone),
        )

    def sign_in(self, user_name: str) -> Row | None:
        """See Twin."""
        found = self.store["users"].by("email", user_name)
        if not found or found[0].get("suspended"):
            return None
        self.store["users"].put(found[0]["id"], found[0] | {"lastLoginTime": now()})
        return self.give("sessions", user_name, [{}])[0]

    def sign_out(self, call: Call) -> Answer:
        dropped(call["sessions"], self.user(call)["id"])
        return Answer(204)

    def list_tokens(self, call: Call) -> Answer:
        rows = [token(row) for row in owned(call["tokens"], self.user(call)["id"])]
        return json_answer(200, {"kind": "admin#directory#tokenList"} | ({"items": rows} if rows else {}))

    def drop_token(self, call: Call) -> Answer:
        wanted = unquote(call.params["client"])
        return self.dropped_one(call, "tokens", lambda row: client_id(row) == wanted, "No such token")

    def list_asps(self, call: Call) -> Answer:
        rows = [asp(row) for row in owned(call["asps"], self.user(call)["id"])]
        return json_answer(200, {"kind": "admin#directory#aspList"} | ({"items": rows} if rows else {}))

    def drop_asp(self, call: Call) -> Answer:
        return self.dropped_one(call, "asps", lambda row: str(number(row)) == call.params["code"], "No such code")

    def dropped_one(self, call: Call, table: str, is_it: object, said: str) -> Answer:
        found = [row for row in owned(call[table], self.user(call)["id"]) if is_it(row)]  # type: ignore[operator]
        if not found:
            raise Rejection(self.problem(404, said))
        call[table].drop(found[0]["id"])
        return Answer(204)

    def list_codes(self, call: Call) -> Answer:
        user = self.user(call)
        rows = [{"userId": user["id"], "verificationCode": row["verificationCode"]} for row in self.codes(call)]
        return json_answer(200, {"kind": "admin#directory#verificationCodesList", "items": rows})

    def codes(self, call: Call) -> list[Row]:
        return owned(call["codes"], self.user(call)["id"])

    def invalidate(self, call: Call) -> Answer:
        dropped(call["codes"], self.user(call)["id"])
        return Answer(204)

    def list_phones(self, call: Call) -> Answer:
        query = call.query.get("query", "")
        rows = [self.phone(call, row) for row in call["devices"].rows.values()]
        if query.startswith("email:"):
            rows = [row for row in rows if query.removeprefix("email:").casefold() in row["email"]]
        elif query:
            raise Rejection(self.problem(400, "Invalid Input: query"))
        return page(call, rows, "mobiledevices", "mobiledevices", 100)

    def phone(self, call: Call, row: Row) -> Row:
        owner = call["users"].rows.get(row["userKey"], {})
        said = {"kind": "admin#directory#mobiledevice", "resourceId": row["id"], "email": [owner.get("primaryEmail")]}
        return said | {name: row[name] for name in ("model", "type", "status")}

    def act_on_phone(self, call: Call) -> Answer:
        row, action = call["devices"].rows.get(call.params["phone"]), call.json().get("action")
        if not row:
            raise Rejection(self.problem(404, "Resource Not Found: resourceId"))
        if action not in ACTIONS:
            raise Rejection(self.problem(400, "Invalid Input: action"))
        call["devices"].put(row["id"], row | {"status": WIPED.get(str(action), "APPROVED")})
        return Answer(204)

    def user(self, call: Call) -> Row:
        """The user of the path; Google says 404 for those that are gone."""
        found = self.user_by(call, unquote(call.params["user"]))
        if not found:
            raise Rejection(self.problem(404, "Resource Not Found: userKey"))
        return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def client_id(row: Row) -> str:
    return f"{number(row)}.apps.googleusercontent.example"


def number(row: Row) -> int:
    """A number for a row, always the same; Google's are int32."""
    return int(str(row["id"]).replace("-", "")[:7], 16)


def token(row: Row) -> Row:
    said = {name: row[name] for name in ("userKey", "displayText", "scopes", "anonymous")}
    return {"kind": "admin#directory#token", "clientId": client_id(row), "nativeApp": False} | said


def asp(row: Row) -> Row:
    said = {"codeId": number(row), "name": row["name"], "userKey": row["userKey"]}
    return {"kind": "admin#directory#asp", "creationTime": "1767225600000", "lastTimeUsed": "0"} | said
