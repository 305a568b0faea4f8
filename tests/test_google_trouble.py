"""Google Workspace when it says no, is busy, is behind, or takes its time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.apps.google import connect as connect_google
from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.sandbox import Sandbox
from tests.google_house import PHONES, PLUS, RULES, STANDARD, VAULT, House, house, person, signing

__all__ = ["house"]
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
DRIVE, CALENDAR = "Drive and Docs", "Calendar"


def other_key() -> str:
    """A private key that is not the service account's, in one line."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return rsa.generate_private_key(65537, 2048).private_bytes(*form).decode().replace("\n", "\\n")


# signing in


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GOOGLE_PRIVATE_KEY", "", "Invalid JWT Signature"),
        ("GOOGLE_CLIENT_EMAIL", "somebody@else.example", "account not found"),
        ("GOOGLE_ADMIN", "nobody@juniperfinch.example", "Invalid email or User ID"),
    ],
)
def test_a_wrong_assertion_is_refused_with_googles_words(house: House, variable: str, value: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        house.connected({variable: value or other_key()}).check()

    assert caught.value.status == 401 and variable in str(caught.value)


def test_a_scope_that_was_not_delegated_is_refused(house: House) -> None:
    app = house.connected(auth=signing("https://www.googleapis.com/auth/gmail.modify"))

    with pytest.raises(Refused, match="Client is unauthorized to retrieve access tokens"):
        app.check()


def test_somebody_who_is_no_administrator_cannot_be_acted_for(house: House) -> None:
    house.make()

    with pytest.raises(Refused, match="Not Authorized to access this resource/api") as caught:
        house.connected({"GOOGLE_ADMIN": "person.1@juniperfinch.example"}).check()
    assert caught.value.status == 403


def test_a_scope_that_was_not_asked_for_is_missed_where_it_is_needed(house: House) -> None:
    id = house.make()

    with pytest.raises(Refused, match="insufficient authentication scopes"):
        list(house.connected(devices="account_wipe").tokens(id))


# busy


@pytest.mark.parametrize("kind", ["over", "429", "429-no-retry-after"])
@pytest.mark.parametrize("call", ["^POST .*/users$", "^PATCH .*/users/", "^POST .*/members$"])
def test_quota_is_waited_out_whatever_its_status(house: House, kind: str, call: str) -> None:
    id = house.make(9)
    house.app.grant(id, "Staff")
    house.fault(call, kind, times=2)

    made = house.make()
    house.app.disable(made)
    house.app.grant(made, "Staff")

    account = house.app.read(made)
    assert not account.active and account.entitlements == {"Staff"}


def test_a_permission_that_is_missing_is_not_taken_for_quota(house: House) -> None:
    house.fault("^GET .*/users", "403", times=None)

    with pytest.raises(Refused, match="not permitted"):
        house.app.check()
    assert len([line for line in house.twin.log() if line["status"] == 403]) == 1


@pytest.mark.parametrize("kind", ["409", "412"])
def test_edits_of_a_group_that_meet_are_tried_again(house: House, kind: str) -> None:
    ids = [house.make(1), house.make(2)]
    house.app.grant(ids[0], "Staff")
    house.fault("^(POST|DELETE) .*/members", kind)

    assert house.app.grant(ids[1], "Staff") == DONE
    house.fault("^(POST|DELETE) .*/members", kind)
    assert house.app.revoke(ids[1], "Staff") == DONE

    assert [house.app.read(id).entitlements for id in ids] == [{"Staff"}, set()]


def test_many_at_once_meet_in_one_group(house: House) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(house.make, range(1, 17)))
        list(pool.map(lambda id: house.app.grant(id, "Staff"), ids))

    groups = [row for row in house.twin.state()["groups"] if row["name"] == "Staff"]
    assert len(groups) == 1 and len(house.twin.state()["members"]) == 16


# behind


def test_a_new_user_is_found_before_the_lists_show_it(house: House) -> None:
    house.twin.options(propagation=3600)

    id = house.make()

    assert house.app.find(person()["primaryEmail"]).id == id and house.app.read(id).active
    assert house.connected().create(person()) == (ALREADY, id)
    assert id not in [account.id for account in house.app.accounts()]


def test_an_address_whose_account_cannot_be_seen_yet_is_tried_again_later(house: House) -> None:
    house.fault("^GET", "slow-replica", times=None, seconds=3600)
    house.make()

    with pytest.raises(Retryable, match="nobody can be seen who has it"):
        house.connected().create(person())


def test_a_deleted_account_comes_back_for_twenty_days(house: House, sandbox: Sandbox) -> None:
    today = date(2026, 6, 1)
    try:
        sandbox.today(today)
        ids = [house.make(1), house.make(2)]
        for id in ids:
            house.app.delete(id)
        sandbox.today(today + timedelta(days=20))
        back = house.connected().create(person(1))[1]
        sandbox.today(today + timedelta(days=21))
        new = house.connected().create(person(2))[1]
    finally:
        sandbox.today(None)

    assert back == ids[0] and new != ids[1]


def test_a_restored_account_that_cannot_be_seen_yet_is_tried_again_later(house: House) -> None:
    id = house.make()
    house.app.delete(id)
    app = house.connected()
    house.fault("^PATCH", "404")

    with pytest.raises(Retryable, match="bringing the account back"):
        app.create(person())

    assert app.create(person()) == (ALREADY, id)


@pytest.mark.parametrize("kind", ["403", "404"])
def test_a_new_account_that_google_does_not_know_everywhere_is_waited_for(house: House, kind: str) -> None:
    app, old = house.connected(), house.make(2)
    house.app.grant(old, "Staff")
    id = app.create(person())[1]

    house.fault("^GET .*/users/", kind)
    assert app.read(id) is None
    for call, arguments in {
        "^POST .*/members": (app.grant, "Staff"),
        "^PATCH": (app.update, {"name.givenName": "A"}),
    }.items():
        house.fault(call, kind, times=None)
        with pytest.raises(Retryable, match="does not know the new account everywhere yet"):
            arguments[0](id, arguments[1])
        with pytest.raises(Refused):
            arguments[0](old, arguments[1])  # which is no new one


# groups and licences


def test_a_membership_through_another_group_is_for_people_to_undo(house: House) -> None:
    id = house.make()
    house.app.grant(id, "Buyers")
    outer = house.raw("POST", "/groups", {"email": "everyone@juniperfinch.example", "name": "Everyone"})
    house.raw("POST", f"/groups/{outer['id']}/members", {"email": "buyers@juniperfinch.example"})

    with pytest.raises(Refused, match="the membership in 'Everyone' comes through another group"):
        house.app.revoke(id, "Everyone")
    assert house.app.read(id).entitlements == {"Buyers"}


def test_a_group_that_follows_a_query_says_so(house: House) -> None:
    id = house.make()

    for verb in (house.app.grant, house.app.revoke):
        with pytest.raises(Refused, match="The members of 'Everyone in Sales' follow its query"):
            verb(id, "Everyone in Sales")


def test_two_groups_of_one_name_are_not_guessed_between(house: House) -> None:
    id = house.make()
    for address in ("sales-de@juniperfinch.example", "sales-nz@juniperfinch.example"):
        house.raw("POST", "/groups", {"email": address, "name": "Sales"})

    with pytest.raises(Refused, match=r"2 groups are called 'Sales' \(sales-de@.*groups_by: email"):
        house.app.grant(id, "Sales")
    by_email = house.connected(groups_by="email")
    assert by_email.grant(id, "sales-nz@juniperfinch.example") == DONE
    assert by_email.read(id).entitlements == {"sales-nz@juniperfinch.example"}


def test_licences_run_out_and_say_what_to_do(house: House) -> None:
    ids = [house.make(number) for number in (1, 2, 3)]
    for id in ids[:2]:
        house.app.grant(id, VAULT)

    with pytest.raises(Refused, match="Buy more of licence:Google-Vault/Google-Vault, or take it from somebody"):
        house.app.grant(ids[2], VAULT)
    with pytest.raises(Refused, match="Add Google-Meet/1 to `options.licences`"):
        house.app.grant(ids[2], "licence:Google-Meet/1")
    listed = {account.id: account.entitlements for account in house.app.accounts()}
    assert [listed[id] for id in ids] == [{VAULT}, {VAULT}, set()]


def test_a_licence_that_google_gives_by_itself_is_not_fought_over(house: House) -> None:
    house.twin.options(auto_licensing=True)
    id = house.make()
    house.app.grant(id, STANDARD)

    with pytest.raises(Refused, match="Turn off automatic licensing"):
        house.app.revoke(id, STANDARD)
    assert house.app.grant(id, PLUS) == DONE and house.app.read(id).entitlements == {PLUS}


# leaving


def gone(house: House) -> tuple[str, str]:
    """A leaver who has signed in and owns files, and the manager."""
    id, manager = house.make(1), house.make(2)
    house.twin.sign_in(person()["primaryEmail"])
    house.twin.give("files", person()["primaryEmail"], {"title": "Plan"}, {"title": "Diary", "shared": False})
    house.twin.give("events", person()["primaryEmail"], {"title": "Fair"})
    return id, manager


def owners(house: House) -> list[str]:
    state = house.twin.state()
    return [row["userKey"] for row in (*state["files"], *state["events"])]


def test_files_that_nobody_else_can_see_are_handed_over_too(house: House) -> None:
    id, manager = gone(house)
    house.app.disable(id)

    assert [each.name for each in house.app.owned(id)] == [DRIVE, CALENDAR]
    assert house.app.hand_over(id, manager) == DONE

    assert owners(house) == [manager] * 3 and list(house.app.owned(id)) == []
    assert [each.name for each in house.app.owned(manager)] == [DRIVE, CALENDAR]  # what was received is owned


def test_a_transfer_that_takes_hours_is_asked_for_once(house: House) -> None:
    id, manager = gone(house)
    house.twin.options(transfer_seconds=3600)
    app = house.connected(transfer_patience=0.2)

    for _ in range(2):
        with pytest.raises(Retryable, match="Google is at it") as caught:
            app.hand_over(id, manager)

    assert caught.value.after == 300 and len(house.twin.state()["transfers"]) == 1
    assert len(list(app.owned(id))) == 2 and set(owners(house)) == {id}


def test_a_transfer_that_fails_is_for_people(house: House) -> None:
    id, manager = gone(house)
    house.twin.options(transfers_fail=True)

    with pytest.raises(Refused, match="could not carry out the transfer.*hand over by hand"):
        house.app.hand_over(id, manager)
    assert set(owners(house)) == {id}


def test_who_signs_in_after_a_transfer_owns_things_again(house: House) -> None:
    id, manager = gone(house)
    house.app.hand_over(id, manager)
    asked = house.twin.state()["transfers"][0]["requestTime"]

    while house.user(id)["lastLoginTime"] <= asked:  # the same millisecond
        house.twin.sign_in(person()["primaryEmail"])

    assert len(list(house.app.owned(id))) == 2


def test_what_lets_somebody_in_goes_and_phones_only_where_the_yaml_says_so(house: House) -> None:
    id, address = house.make(), person()["primaryEmail"]
    for what in ("tokens", "asps", "codes", "devices"):
        house.twin.give(what, address, {})
    wiping = house.connected(devices="account_wipe", auth=signing(PHONES))

    kinds = [token.kind for token in house.app.tokens(id)]
    assert house.app.revoke_tokens(id) == DONE
    kept = house.twin.state()["devices"][0]["status"]
    assert wiping.revoke_tokens(id) == DONE and wiping.revoke_tokens(id) == ALREADY

    state = house.twin.state()
    assert kinds == ["oauth", "app_password"] and kept == "APPROVED"
    assert state["tokens"] == state["asps"] == state["codes"] == []
    assert state["devices"][0]["status"] == "ACCOUNT_WIPED"


def test_a_yaml_without_what_google_needs_is_refused() -> None:
    rules = RULES.model_copy(update={"attributes": {"primaryEmail": "{work_email}"}})

    with pytest.raises(Refused, match="attributes lack name.givenName, name.familyName"):
        connect_google("google", rules, None, None)  # type: ignore[arg-type]
