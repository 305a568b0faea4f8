"""Okta at its twin; every request and every answer is held to Okta's own description."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.base import Grants, Mailboxes, Outcome, Owns, Prepares, Sessions, Tokens
from connectors.catalogue import connect
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.sandbox import Sandbox, TwinControl
from connectors.sandbox.vendors import okta
from flows import presets
from mappings.access import Account
from mappings.vocabulary import AppRules
from tests.vendor_specs import Differs, Held, described, hold

RULES = presets.rules("okta")
ANA = {
    "login": "ana.simic@juniperfinch.example",
    "email": "ana.simic@juniperfinch.example",
    "firstName": "Ana",
    "lastName": "Šimić",
    "employeeNumber": "0101",
    "department": "Sales",
}
BEN = ANA | {"login": "ben@juniperfinch.example", "email": "ben@juniperfinch.example", "employeeNumber": "0102"}
ONE = "/api/v1/users/{id}"


class House:
    """The twin, and the app that reaches it; `again` makes another one with other options."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.twin: TwinControl = sandbox.control("okta")
        self.root = f"{sandbox.url}/okta"
        self.twin.reset()
        self.twin.limits(100_000)
        self.app, self.held = self.again()

    def again(self, **options: Any) -> tuple[Any, Held]:
        rules = RULES.model_copy(update={"limits": (), "options": RULES.options | options})
        return self.connected(rules, {"Authorization": f"SSWS {okta.TOKEN}"}, {})

    def connected(self, rules: AppRules, headers: dict[str, Any], more: dict[str, str], besides: str = "") -> Any:
        app: Any = connect("okta", rules, okta.environment(self.root) | more)
        api = described("okta/okta-management.json")
        embedded = r"GET /api/v1/apps"  # its values are described as objects of objects; they are texts in an object
        held = hold(app.http.client, api, under="/okta", headers=headers, besides=besides, wrong_answers=embedded)
        return app, held

    def api(self, verb: str, path: str, body: Any = None) -> Any:
        """What an administrator does by hand."""
        headers = {"Authorization": f"SSWS {okta.TOKEN}"}
        answer = httpx.request(verb, self.root + path, json=body, headers=headers)
        return answer.raise_for_status().json() if answer.content else None

    def user(self, id: str) -> dict[str, Any]:
        return next(user for user in self.twin.state()["users"] if user["id"] == id)

    def status(self, id: str) -> str:
        return str(self.user(id)["status"])

    def make(self, person: dict[str, str] = ANA, active: bool = True) -> str:
        _, id = self.app.create(person)
        if active:
            self.twin.sign_in(person["login"])
        return str(id)

    def group(self, name: str) -> dict[str, Any]:
        return next(g for g in self.twin.state()["groups"] if g["profile"]["name"] == name)

    def lines(self) -> list[str]:
        return [f"{line['method']} {line['path'].removeprefix('/okta')}" for line in self.twin.log()]


@pytest.fixture
def house(sandbox: Sandbox) -> House:
    return House(sandbox)


def test_a_whole_life_is_as_okta_describes_it(house: House) -> None:
    app = house.app
    app.check()
    _, id = app.create(ANA)
    assert app.create(ANA) == (Outcome.ALREADY, id)
    assert app.find(ANA["login"].upper()).id == id and app.find("nobody@juniperfinch.example") is None
    for number in range(205):
        app.create({k: v.replace("ana.simic", f"p{number}") for k, v in ANA.items()})
    assert len({account.id for account in app.accounts()}) == 206
    assert app.update(id, {"title": "Buyer", "lastName": "Horvat"}) == Outcome.DONE
    assert [app.grant(id, "Sales"), app.grant(id, "Sales")] == [Outcome.DONE, Outcome.ALREADY]
    assert app.read(id).attributes == ANA | {"title": "Buyer", "lastName": "Horvat"}
    house.twin.sign_in(ANA["login"])
    assert [app.disable(id), app.disable(id), app.end_sessions(id)] == [Outcome.DONE, Outcome.ALREADY, Outcome.DONE]
    assert house.status(id) == "SUSPENDED" and house.twin.state()["sessions"] == []
    assert [app.enable(id), app.enable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert app.revoke(id, "Sales") == Outcome.DONE and app.read(id).entitlements == frozenset()
    assert app.revoke_tokens(id) == Outcome.ALREADY and app.holds_address(ANA["email"])
    assert [app.delete(id), app.delete(id), app.read(id)] == [Outcome.DONE, Outcome.ALREADY, None]
    assert {
        "POST /api/v1/users", "GET /api/v1/users", f"GET {ONE}", f"POST {ONE}", f"DELETE {ONE}", f"GET {ONE}/groups",
        f"POST {ONE}/lifecycle/suspend", f"POST {ONE}/lifecycle/unsuspend", "GET /api/v1/groups", "POST /api/v1/groups",
        "PUT /api/v1/groups/{groupId}/users/{userId}", "DELETE /api/v1/groups/{groupId}/users/{userId}",
        "GET /api/v1/groups/{groupId}/users", "DELETE /api/v1/users/{userId}/sessions", "GET /api/v1/groups/rules",
    } <= set(house.held.calls)  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "path", "sent", "why"),
    [
        ("POST", "/api/v1/users", {"json": {"profil": ANA}}, "'profile' is a required property"),
        ("POST", "/api/v1/users/00u1", {"json": {"profile": {"firstName": 5}}}, "5 is not of type 'string'"),
        ("POST", "/api/v1/users/00u1", {"json": {"Profile": ANA}}, "not described: Profile"),
        ("GET", "/api/v1/users", {"params": {"page": "2"}}, "no query parameter page"),
        ("DELETE", "/api/v1/users/00u1/session", {}, "is not in okta"),
        ("GET", "/api/v1/users", {"params": {"limit": "many"}}, "limit"),
        ("GET", "/api/v1/users", {"headers": {"Authorization": "Bearer x"}}, "the header Authorization"),
    ],
)
def test_the_check_of_requests_notices_wrong_ones(
    house: House, verb: str, path: str, sent: dict[str, Any], why: str
) -> None:
    with pytest.raises(Differs, match=why):
        house.app.http.client.request(verb, path, **sent)


def test_keeps_what_it_can_do(house: House) -> None:
    assert all(isinstance(house.app, kind) for kind in (Grants, Prepares, Mailboxes, Sessions, Tokens))
    assert not isinstance(house.app, Owns) and isinstance(house.again(roles=True)[0], Owns)


def test_the_limits_of_the_preset_are_those_that_okta_enforces() -> None:
    enforced = {(limit.calls, limit.requests) for limit in okta.WORKFORCE if "/api/v1" in limit.calls}

    assert {(limit.calls, limit.requests) for limit in RULES.limits} == enforced
    assert {limit.per for limit in RULES.limits} == {"minute"}


# finding people


def test_who_is_deprovisioned_is_found_and_listed(house: House) -> None:
    house.twin.options(index_delay=2)
    id = house.make(active=False)
    house.app.disable(id)

    assert house.status(id) == "DEPROVISIONED"
    assert house.api("GET", "/api/v1/users") == []
    found = house.app.find(ANA["login"])
    assert found.id == id and not found.active
    assert [(a.id, a.active) for a in house.app.accounts()] == [(id, False)]
    assert house.app.create(ANA) == (Outcome.ALREADY, id)


def test_new_people_are_found_before_searches_know_them(house: House) -> None:
    house.twin.options(index_delay=2)
    id = house.make()

    searched = house.api("GET", f'/api/v1/users?search=profile.login eq "{ANA["login"]}"')
    assert searched == [] and house.app.find(ANA["login"]).id == id
    assert [account.id for account in house.app.accounts()] == [id]
    assert house.app.holds_address(ANA["login"]) and not house.app.holds_address("free@juniperfinch.example")


def test_the_short_form_of_a_login_is_nobody(house: House) -> None:
    house.make()

    assert house.api("GET", "/api/v1/users/ana.simic")["profile"]["login"] == ANA["login"]
    assert house.app.find("ana.simic") is None


def test_a_list_tells_groups_and_leaves_out_those_of_others(house: House) -> None:
    ana, ben = house.make(ANA), house.make(BEN)
    house.app.grant(ana, "Sales")

    listed = {account.id: account.entitlements for account in house.app.accounts()}

    assert listed == {ana: {"Sales"}, ben: frozenset()}
    assert set(house.app.entitlements()) == {"Staff", "Sales"}


# making people


@pytest.mark.parametrize("mail", [True, False])
def test_okta_mails_only_where_it_shall(house: House, mail: bool) -> None:
    app, _ = house.again(mail=mail)

    _, id = app.create(ANA)

    assert house.status(id) == "PROVISIONED" and app.read(id).active
    assert [m["to"] for m in house.twin.state()["mails"]] == ([ANA["email"]] if mail else [])


def test_people_may_stay_staged_for_somebody_else_to_activate(house: House) -> None:
    app, _ = house.again(activate=False)

    _, id = app.create(ANA)

    assert house.status(id) == "STAGED" and app.read(id).active and not house.app.read(id).active
    assert house.twin.state()["mails"] == []
    assert app.disable(id) == Outcome.DONE and house.status(id) == "DEPROVISIONED"


def test_who_was_left_staged_is_activated_by_the_next_run(house: House) -> None:
    app, _ = house.again(mail=False)
    house.twin.faults([{"match": "lifecycle/activate", "kind": "500", "times": 1}])

    with pytest.raises(Retryable):
        app.create(ANA)
    outcome, id = app.create(ANA)

    assert outcome == Outcome.ALREADY and house.status(id) == "STAGED"
    assert app.enable(id) == Outcome.DONE and house.status(id) == "PROVISIONED"


def test_a_user_made_without_an_answer_is_activated_too(house: House) -> None:
    app, _ = house.again(mail=False)
    house.twin.faults([{"match": "POST /okta/api/v1/users\\?", "kind": "lost-answer", "times": 1}])

    outcome, id = app.create(ANA)

    assert outcome == Outcome.DONE and house.status(id) == "PROVISIONED"


def test_bad_data_is_refused_in_oktas_words(house: House) -> None:
    with pytest.raises(Refused, match="login: Username must be in the form of an email address.*E0000001"):
        house.app.create(ANA | {"login": "ana.simic"})
    with pytest.raises(Refused, match="shoeSize: Property is not defined"):
        house.app.create(ANA | {"shoeSize": "38"})


def test_a_login_that_another_takes_is_refused_and_not_taken_over(house: House) -> None:
    house.make(ANA)
    ben = house.make(BEN)

    with pytest.raises(Refused, match="already exists"):
        house.app.update(ben, {"login": ANA["login"]})


def test_who_is_deactivated_cannot_be_changed_and_it_says_so(house: House) -> None:
    id = house.make(active=False)
    house.app.disable(id)

    with pytest.raises(Refused, match="E0000038.*must be activated first"):
        house.app.update(id, {"title": "Buyer"})


def test_what_another_directory_masters_is_refused_with_the_reason(house: House) -> None:
    provider = {"type": "ACTIVE_DIRECTORY", "name": "juniperfinch.example"}
    id = house.api("POST", "/api/v1/users?provider=true", {"profile": ANA, "credentials": {"provider": provider}})["id"]

    with pytest.raises(Refused, match="mastered under another system.*change it there"):
        house.app.update(id, {"title": "Buyer"})


# ending access


def test_who_is_locked_out_is_suspended_and_not_let_in_again(house: House) -> None:
    id = house.make()
    for _ in range(10):
        httpx.post(f"{house.root}/api/v1/authn", json={"username": ANA["login"], "password": "wrong"})
    assert house.status(id) == "LOCKED_OUT"

    assert house.app.disable(id) == Outcome.DONE
    assert house.status(id) == "SUSPENDED"


def test_who_is_locked_out_of_another_directory_is_deactivated(house: House) -> None:
    provider = {"type": "ACTIVE_DIRECTORY", "name": "juniperfinch.example"}
    made = {"profile": ANA, "credentials": {"provider": provider, "password": {"value": "x"}}}
    id = house.api("POST", "/api/v1/users?provider=true", made)["id"]
    for _ in range(10):
        httpx.post(f"{house.root}/api/v1/authn", json={"username": ANA["login"], "password": "wrong"})

    house.app.disable(id)

    assert house.status(id) == "DEPROVISIONED"


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize("verb", ["expire_password", "reset_password?sendEmail=false", ""])
def test_who_could_come_in_by_mail_or_a_new_password_is_deactivated(house: House, verb: str, looked: bool) -> None:
    id = house.make(active=bool(verb))
    if verb:
        house.api("POST", f"/api/v1/users/{id}/lifecycle/{verb}")
    assert house.status(id) in ("PASSWORD_EXPIRED", "RECOVERY", "PROVISIONED") and house.app.read(id).active

    assert house.app.disable(id, looked) == Outcome.DONE
    assert house.status(id) == "DEPROVISIONED"
    with pytest.raises(httpx.HTTPStatusError):
        house.twin.sign_in(ANA["login"])


def test_a_company_may_be_asked_before_somebody_is_deactivated(house: House) -> None:
    app, _ = house.again(otherwise="ask")
    id = house.make(active=False)

    with pytest.raises(NeedsHuman, match="this one is PROVISIONED.*Deactivate ana.simic@"):
        app.disable(id)
    assert house.status(id) == "PROVISIONED"


def test_a_deactivation_counts_once_okta_has_done_it(house: House) -> None:
    app, _ = house.again(disable="deactivate")
    id = house.make()
    house.twin.options(delay=0.5)

    assert [app.disable(id), app.disable(id)] == [Outcome.DONE, Outcome.ALREADY]
    assert app.read(id).active
    with pytest.raises(Retryable, match="still deactivating"):
        app.delete(id)
    until(lambda: not app.read(id).active)
    assert app.delete(id) == Outcome.DONE and app.read(id) is None


def test_who_comes_back_is_activated_and_has_the_groups(house: House) -> None:
    id = house.make(active=False)
    house.app.grant(id, "Staff")
    house.app.disable(id)
    house.twin.options(delay=0.5)

    assert house.app.enable(id) == Outcome.DONE and not house.app.read(id).active
    assert house.app.enable(id) == Outcome.DONE
    until(lambda: house.app.read(id).active)
    assert house.app.read(id).entitlements == {"Staff"}


def test_tokens_and_consents_are_told_and_revoked(house: House) -> None:
    id = house.make()
    house.twin.give("tokens", ANA["login"], *[{"client": "Parcel Desk"}] * 3, {"client": "Ledgerline CRM"})
    house.twin.give("grants", ANA["login"], {"client": "Mail Merge", "scopeId": "okta.users.read"})

    told = sorted(token.name for token in house.app.tokens(id))

    assert told == ["Ledgerline CRM", "Mail Merge", *["Parcel Desk"] * 3]
    assert house.app.revoke_tokens(id) == Outcome.DONE
    assert list(house.app.tokens(id)) == [] and house.app.revoke_tokens(id) == Outcome.ALREADY


def test_ending_sessions_ends_oauth_tokens_too(house: House) -> None:
    id = house.make()
    house.twin.give("tokens", ANA["login"], {"client": "Parcel Desk"})

    house.app.end_sessions(id)

    assert house.twin.state()["sessions"] == house.twin.state()["tokens"] == []
    assert "forgetDevices=true" in house.twin.log()[-1]["query"]


def test_admin_roles_are_for_people_to_give_away(house: House) -> None:
    app, _ = house.again(roles=True)
    ana, ben = house.make(ANA), house.make(BEN)
    assert app.hand_over(ana, ben) == Outcome.ALREADY
    with pytest.raises(Refused, match="nobody else"):
        app.hand_over(ana, ana)
    house.twin.give("roles", ANA["login"], {"type": "SUPER_ADMIN", "label": "Super Administrator"})

    assert [(o.kind, o.name) for o in app.owned(ana)] == [("admin role", "Super Administrator")]
    with pytest.raises(NeedsHuman, match="take Super Administrator from"):
        app.hand_over(ana, ben)


# groups and apps


@pytest.mark.parametrize(
    ("name", "why"), [("Warehouse AD", "directory fills it"), ("Everyone", "Okta itself fills it")]
)
def test_groups_of_others_are_refused_with_the_reason(house: House, name: str, why: str) -> None:
    id = house.make()

    with pytest.raises(Refused, match=f"{name}.*{why}.*made in Okta"):
        house.app.grant(id, name)
    assert house.app.revoke(id, name) == Outcome.ALREADY


def test_nobody_becomes_the_exception_of_a_rule(house: House) -> None:
    id = house.make()
    rule = {
        "type": "group_rule",
        "name": "Everybody in Sales",
        "conditions": {"expression": {"type": "urn:okta:expression:1.0", "value": "true"}},
        "actions": {"assignUserToGroups": {"groupIds": [house.group("Staff")["id"]]}},
    }
    house.api("POST", "/api/v1/groups/rules", rule)

    with pytest.raises(Refused, match="the rule 'Everybody in Sales' fills the group 'Staff'"):
        house.app.revoke(id, "Staff")
    assert house.app.read(id).entitlements == {"Staff"}
    assert house.twin.state()["rules"][0]["conditions"]["people"]["users"]["exclude"] == []


def test_a_missing_group_is_made_only_where_that_is_wanted(house: House) -> None:
    id = house.make()
    app, _ = house.again(create_groups=False)

    with pytest.raises(Refused, match="there is no group 'Sales'.*or mend the name"):
        app.grant(id, "Sales")
    house.app.grant(id, "Sales")

    assert app.grant(id, "Sales") == Outcome.ALREADY


def test_a_group_with_a_longer_name_is_another_one(house: House) -> None:
    id = house.make()
    house.api("POST", "/api/v1/groups", {"profile": {"name": "Sales EMEA"}})

    house.app.grant(id, "Sales")

    assert house.app.read(id).entitlements == {"Sales"}


def test_apps_are_assigned_where_they_are_entitlements(house: House) -> None:
    app, held = house.again(apps=True)
    id = house.make()
    name = "app:Ledgerline CRM"

    assert [app.grant(id, name), app.grant(id, name)] == [Outcome.DONE, Outcome.ALREADY]
    assert app.read(id).entitlements == {name} and [a.entitlements for a in app.accounts()] == [{name}]
    assert {name, "app:Parcel Desk", "Staff"} == set(app.entitlements())
    assert [app.revoke(id, name), app.revoke(id, name)] == [Outcome.DONE, Outcome.ALREADY]
    with pytest.raises(Refused, match="there is no app 'Ledger'"):
        app.grant(id, "app:Ledger")
    assert {"POST /api/v1/apps/{appId}/users", "DELETE /api/v1/apps/{appId}/users/{userId}"} <= set(held.calls)


# how Okta says wait, and who may ask


def test_a_limit_is_waited_out_until_the_moment_that_okta_names(house: House) -> None:
    pauses: list[float] = []
    house.app.http.sleep = pauses.append
    house.twin.faults([{"match": "", "kind": "429", "times": 1, "seconds": 30}])

    house.app.check()

    assert len(pauses) == 1 and 28 <= pauses[0] <= 34


def test_too_many_at_once_is_soon_over(house: House) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        house.twin.options(concurrent=False)

    house.app.http.sleep = sleep
    house.twin.options(concurrent=True)

    house.app.check()

    assert len(pauses) == 1 and pauses[0] < 4


def test_a_used_up_limit_is_told_as_okta_tells_it(house: House) -> None:
    house.twin.limits(2, 60)
    headers = {"Authorization": f"SSWS {okta.TOKEN}"}

    answers = [httpx.get(f"{house.root}/api/v1/users", headers=headers) for _ in range(3)]

    assert [a.headers["X-Rate-Limit-Remaining"] for a in answers] == ["1", "0", "0"]
    assert answers[2].status_code == 429 and answers[2].json()["errorCode"] == "E0000047"


@pytest.fixture(scope="module")
def pem() -> Iterator[tuple[str, str]]:
    """A private key and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    yield private.decode(), public.decode()


def test_a_client_with_a_private_key_may_do_what_its_scopes_say(house: House, pem: tuple[str, str]) -> None:
    house.api("POST", f"/oauth2/v1/clients/{okta.CLIENT}/jwks", {"pem": pem[1]})
    scopes = "okta.users.manage okta.groups.read"
    signed = {"use": "client", "token_url": "/oauth2/v1/token", "issuer": okta.CLIENT, "scope": scopes}
    auth = {"assertion": signed | {"key": "${OKTA_PRIVATE_KEY}"}}
    rules = RULES.model_copy(update={"limits": (), "options": RULES.options | {"auth": auth}})
    one_line = {"OKTA_PRIVATE_KEY": pem[0].replace("\n", "\\n")}
    app, held = house.connected(
        rules, {"Authorization": re.compile(r"Bearer \S{20,}")}, one_line, besides="POST /oauth2/v1/token"
    )

    _, id = app.create(ANA)

    assert app.read(id).key == ANA["login"] and held.calls["POST /api/v1/users"] == 1
    with pytest.raises(Refused, match="E0000006"):
        app.grant(id, "Sales")


def until(true: Any, patience: float = 10.0) -> None:
    """Look until it is so."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_account_is_one(house: House) -> None:
    assert isinstance(house.app.read(house.make()), Account)
