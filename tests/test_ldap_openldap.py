"""What directories do in ways of their own, at a real slapd; read back with ldapsearch."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from connectors.base import Outcome, Tokens
from connectors.errors import Refused, Retryable
from tests.ldap_faults import Door
from tests.ldap_ground import PASSWORD, Ground, ground
from tests.servers_ldap import SUFFIX, Slapd

DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
PEOPLE, LEAVERS, GROUPS = (f"ou={ou},{SUFFIX}" for ou in ("People", "Leavers", "Groups"))
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI nadia@laptop"


@pytest.fixture
def ldap() -> Ground:
    return ground(Slapd.name)


def change(ldap: Ground, id: str, lines: str) -> None:
    """As an administrator does it."""
    ldap.server.admin.modify(f"dn: {ldap.there(id)['dn'][0]}\nchangetype: modify\n{lines}")


# the connection


def test_ldap_means_starttls(ldap: Ground) -> None:
    port = ldap.server.plain_port  # type: ignore[attr-defined]
    app = ldap.again(LDAP_URL=f"ldap://127.0.0.1:{port}")

    outcome, id = app.create(ldap.someone())

    assert outcome == DONE and ldap.there(id)


def test_takes_the_first_server_that_answers(ldap: Ground) -> None:
    app = ldap.with_options(url=["ldaps://127.0.0.1:9", ldap.door.url])

    assert app.check()


def test_a_server_that_is_away_is_named(ldap: Ground) -> None:
    with pytest.raises(Retryable, match=r"cannot reach ldaps://127\.0\.0\.1:9.*Check the address"):
        ldap.again(LDAP_URL="ldaps://127.0.0.1:9").check()


@pytest.mark.parametrize("url", ["http://ldap.example", "ldap.example", "ldaps://"])
def test_what_is_no_address_is_refused(ldap: Ground, url: str) -> None:
    with pytest.raises(Refused, match="no address of a directory"):
        ldap.again(LDAP_URL=url).check()


def test_a_ca_file_that_is_not_there_is_named(ldap: Ground) -> None:
    with pytest.raises(Refused, match="there is no file /nowhere.pem"):
        ldap.again(LDAP_CA_FILE="/nowhere.pem").check()


def test_a_base_that_is_not_there_is_named(ldap: Ground) -> None:
    with pytest.raises(Refused, match="there is no ou=Peple"):
        ldap.with_options(base=f"ou=Peple,{SUFFIX}").check()


def test_a_list_cut_short_by_a_limit_is_no_list(ldap: Ground) -> None:
    for _ in range(60):
        ldap.make()
    limited = ldap.make()
    ldap.give_password(limited)
    app = ldap.again(LDAP_USER=ldap.there(limited)["dn"][0], LDAP_PASSWORD=PASSWORD)

    with pytest.raises(Refused, match="sizeLimitExceeded.*limits"):
        list(app.accounts())


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (3, Retryable, "timeLimitExceeded"),
        (80, Retryable, "other"),
        (10, Refused, "one that may be written into ldaps://"),
        (13, Refused, "StartTLS"),
        (50, Refused, "Give the account in LDAP_USER"),
        (19, Refused, "password policy"),
        (17, Refused, "schema"),
    ],
)
def test_what_the_server_says_becomes_what_to_do(ldap: Ground, code: int, kind: type[Exception], said: str) -> None:
    id = ldap.make()
    ldap.door.fault("modify", "code", code)

    with pytest.raises(kind, match=said) as caught:
        ldap.app.update(id, {"title": "Changed"})

    assert str(caught.value).startswith(f"openldap: update account {id}: the server said ")
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


def test_a_forked_process_takes_connections_of_its_own(ldap: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(ldap.server.authority, ldap.server.host, ldap.server.port)
    app = ldap.again(LDAP_URL=door.url)
    app.check()
    before = door.seen.count("bind")

    monkeypatch.setattr("connectors.ldap_wire.os.getpid", lambda: -1)
    app.check()

    assert (before, door.seen.count("bind")) == (1, 2) and "unbind" not in door.seen
    door.close()


def test_who_is_below_both_bases_is_listed_once(ldap: Ground) -> None:
    app = ldap.with_options(base=SUFFIX, disabled={"by": "place", "move_to": LEAVERS})
    id = ldap.make()
    app.disable(id)

    assert [account.id for account in app.accounts()].count(id) == 1 and app.read(id).active is False


# disabled


def test_a_locked_account_cannot_sign_in_and_a_new_password_unlocks_it(ldap: Ground) -> None:
    id = ldap.make()
    ldap.give_password(id)

    ldap.app.disable(id)
    locked = ldap.usable(id), ldap.app.read(id).active
    ldap.give_password(id)  # what docs/apps/openldap.md warns of

    assert locked == (False, False)
    assert ldap.app.read(id).active and ldap.usable(id)


def test_moves_to_the_leavers_and_back(ldap: Ground) -> None:
    app = ldap.with_options(disabled={"by": "place", "move_to": LEAVERS})
    id = ldap.make()
    app.grant(id, "Staff")
    here = ldap.there(id)["dn"][0]

    outcomes = [app.disable(id), app.disable(id)]
    away, shown = ldap.there(id)["dn"][0], app.read(id)
    back = [app.enable(id), app.enable(id)]

    assert outcomes == back == [DONE, ALREADY] and away.endswith(LEAVERS)
    assert not shown.active and shown.entitlements == {"Staff"} and shown.id in {a.id for a in app.accounts()}
    assert ldap.there(id)["dn"][0] == here and here in ldap.members("Staff") and away not in ldap.members("Staff")


def test_an_attribute_can_say_it(ldap: Ground) -> None:
    off = {"by": "attribute", "attribute": "employeeType", "value": "left", "otherwise": "staff"}
    app = ldap.with_options(disabled=off)
    _, id = app.create(ldap.someone())
    new = ldap.there(id)["employeetype"]

    app.disable(id)
    then = ldap.there(id)["employeetype"], app.read(id).active
    app.enable(id)

    assert new == ["staff"] and then == (["left"], False)
    assert ldap.there(id)["employeetype"] == ["staff"] and app.read(id).active


# values


def test_values_of_others_stay(ldap: Ground) -> None:
    id = ldap.make()
    change(ldap, id, "add: mail\nmail: press@juniperfinch.example\n-\nadd: title\ntitle: Chair of the choir\n")
    mine = ldap.app.read(id).attributes

    ldap.app.update(id, {"title": "Team Lead", "mail": f"new.{mine['mail']}"})

    there = ldap.there(id)
    assert there["title"] == ["Team Lead", "Chair of the choir"]
    assert there["mail"] == [f"new.{mine['mail']}", "press@juniperfinch.example"]
    assert ldap.app.read(id).attributes["title"] == "Team Lead"
    ldap.app.update(id, {"mail": mine["mail"]})
    change(ldap, id, "delete: mail\nmail: press@juniperfinch.example\n")


def test_a_value_that_must_be_unique_is_refused(ldap: Ground) -> None:
    taken = ldap.app.read(ldap.make()).attributes
    other = ldap.someone()

    with pytest.raises(Refused, match="constraintViolation"):
        ldap.app.update(ldap.make(), {"mail": taken["mail"]})
    with pytest.raises(Refused, match="all names are taken"):
        ldap.app.create(other | {"uid": taken["uid"]})


def test_two_accounts_with_one_key_are_not_chosen_from(ldap: Ground) -> None:
    ids = [ldap.make(), ldap.make()]
    for id in ids:
        change(ldap, id, "replace: employeeType\nemployeeType: both\n")
    rules = ldap.rules.model_copy(
        update={"attributes": {**ldap.rules.attributes, "employeeType": "x"}, "key": "employeeType"}
    )

    with pytest.raises(Refused, match="2 accounts have this employeeType"):
        ldap.again(rules).find("both")

    for id in ids:
        change(ldap, id, "delete: employeeType\n")


def test_dates_and_fixed_values(ldap: Ground) -> None:
    app: Any = ldap.with_options(
        more={"shadowExpire": "{last_day}"},
        object_classes=["inetOrgPerson", "posixAccount", "shadowAccount"],
        fixed={"homeDirectory": "/home/{uid}", "uidNumber": "4711", "gidNumber": "100"},
    )
    someone = ldap.someone() | {"shadowExpire": "2031-07-31"}
    _, id = app.create(someone)

    there = ldap.there(id)
    assert there["shadowexpire"] == ["22492"] and there["homedirectory"] == [f"/home/{someone['uid']}"]
    assert app.read(id).attributes["shadowExpire"] == "2031-07-31"


def test_a_random_password_keeps_the_policy(ldap: Ground) -> None:
    _, id = ldap.with_options(password="random").create(ldap.someone())
    _, bare = ldap.app.create(ldap.someone())

    assert ldap.there(id)["userpassword"][0].startswith("{SSHA}") and "userpassword" not in ldap.there(bare)


def test_ssh_keys_are_taken_away(ldap: Ground) -> None:
    app = ldap.with_options(object_classes=["inetOrgPerson", "ldapPublicKey"], tokens={"sshPublicKey": "ssh_key"})
    _, id = app.create(ldap.someone())
    change(ldap, id, f"add: sshPublicKey\nsshPublicKey: {SSH}\nsshPublicKey: {SSH}2\n")

    there = sorted((token.kind, token.name) for token in app.tokens(id))
    outcomes = [app.revoke_tokens(id), app.revoke_tokens(id)]

    assert isinstance(app, Tokens) and not isinstance(ldap.app, Tokens)
    assert there == [("ssh_key", "sshPublicKey nadia@laptop"), ("ssh_key", "sshPublicKey nadia@laptop2")]
    assert outcomes == [DONE, ALREADY] and "sshpublickey" not in ldap.there(id)


# groups


def test_a_group_keeps_its_placeholder_when_the_last_goes(ldap: Ground) -> None:
    id = ldap.make()
    name = f"Crew {id[:8]}"
    dn = ldap.there(id)["dn"][0]
    ldap.server.group(name, dn)  # type: ignore[attr-defined]
    nobody = f"cn=nobody,{SUFFIX}"

    with pytest.raises(Refused, match="must not be empty"):
        ldap.app.revoke(id, name)
    groups = {"base": GROUPS, "placeholder": nobody}
    outcome = ldap.with_options(groups=groups).revoke(id, name)

    assert outcome == DONE and ldap.members(name) == [nobody] and ldap.app.read(id).entitlements == set()


def test_whoever_gets_a_dn_does_not_inherit_its_groups(ldap: Ground) -> None:
    someone = ldap.someone()
    first = ldap.make(someone)
    ldap.app.grant(first, "Staff")
    dn = ldap.there(first)["dn"][0]
    ldap.server.admin.modify(f"dn: {dn}\nchangetype: delete\n")
    ldap.server.admin.modify(f"dn: cn=Sales,{GROUPS}\nchangetype: modify\nadd: member\nmember: {dn}\n")

    _, second = ldap.app.create(someone)

    assert ldap.app.read(second).entitlements == set() and dn not in ldap.members("Sales")


def test_who_is_deleted_leaves_the_groups(ldap: Ground) -> None:
    id = ldap.make()
    ldap.app.grant(id, "Staff")
    dn = ldap.there(id)["dn"][0]

    ldap.app.delete(id)

    assert dn not in ldap.members("Staff")


def test_groups_of_names_without_a_dn(ldap: Ground) -> None:
    groups = {"base": GROUPS, "object_class": "posixGroup", "member": "memberUid", "member_is": "uid"}
    app = ldap.with_options(groups=groups)
    someone = ldap.someone()
    id = ldap.make(someone)
    name = f"unix-{id[:8]}"
    ldap.server.admin.modify(f"dn: cn={name},{GROUPS}\nobjectClass: posixGroup\ncn: {name}\ngidNumber: 4711\n")

    outcomes = [app.grant(id, name), app.grant(id, name)]
    row = ldap.server.row(f"(cn={name})")

    assert outcomes == [DONE, ALREADY] and row is not None and row["memberuid"] == [someone["uid"]]
    assert app.read(id).entitlements == {name} == {a.id: a.entitlements for a in app.accounts()}[id]
    assert [app.revoke(id, name), app.revoke(id, name)] == [DONE, ALREADY]


def test_groups_are_read_where_accounts_show_them(ldap: Ground) -> None:
    app = ldap.with_options(groups={"base": GROUPS, "member_of": True})
    id = ldap.make()
    app.grant(id, "Staff")

    assert {a.id: a.entitlements for a in app.accounts()}[id] == {"Staff"} == app.read(id).entitlements


# rules that cannot be


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"disabled": None}, "say under `disabled`"),
        ({"disabled": {"by": "place"}}, "needs move_to"),
        ({"disabled": {"by": "attribute"}}, "needs attribute and value"),
        ({"restore": True}, "active_directory"),
        ({"pages": 5}, "unknown word 'pages'"),
    ],
)
def test_options_that_do_not_fit_are_refused(ldap: Ground, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        ldap.with_options(**options)


def test_may_not_write_where_nothing_was_permitted(ldap: Ground) -> None:
    app = ldap.with_options(base=f"ou=Vault,{SUFFIX}")

    with pytest.raises(Refused, match="Give the account in LDAP_USER, LDAP_PASSWORD the permission"):
        app.create(ldap.someone())


def test_somebody_without_a_name_is_refused_before_anything_is_sent(ldap: Ground) -> None:
    someone = ldap.someone()
    ldap.door.heal()

    with pytest.raises(Refused, match="uid is empty"):
        ldap.app.create({name: value for name, value in someone.items() if name != "uid"})

    assert "add" not in ldap.door.seen
