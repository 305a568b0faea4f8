"""What only Active Directory does, at a real Samba domain; read back with ldapsearch."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Outcome, Sessions, Tokens
from connectors.errors import Refused
from connectors.ldap_values import day_of, filetime
from tests.ldap_ground import PASSWORD, Ground, ground
from tests.servers_ldap import DOMAIN, SambaDomain

DONE, ALREADY = Outcome.DONE, Outcome.ALREADY


@pytest.fixture
def ad() -> Ground:
    return ground(SambaDomain.name)


def change(ad: Ground, id: str, lines: str) -> None:
    """As an administrator does it."""
    ad.server.admin.modify(f"dn: {ad.there(id)['dn'][0]}\nchangetype: modify\n{lines}")


def test_the_check_tells_what_may_be_done(ad: Ground) -> None:
    places = [f"OU={{department}},OU=Staff,{DOMAIN}", f"CN=Users,{DOMAIN}"]

    assert "OU=Staff" in ad.app.check() and ad.with_options(place=places[:1], base=DOMAIN).check()
    with pytest.raises(Refused, match="users may not be made in CN=Users.*Delegate it"):
        ad.with_options(place=places).check()


# names


def test_makes_a_logon_name_that_fits_and_is_unique(ad: Ground) -> None:
    names = [f"Bartholomew-Maximilian.Featherstonehaugh.{c}" for c in "ab"]
    made = [ad.make(ad.someone(work_email=f"{name}@juniperfinch.example")) for name in names]
    odd = ad.make(ad.someone(work_email="o'neil+x/y@juniperfinch.example"))

    logons = [ad.there(id)["samaccountname"][0] for id in (*made, odd)]

    assert logons == ["Bartholomew-Maximili", "Bartholomew-Maximil2", "o'neilxy"]


def test_a_logon_name_that_does_not_fit_is_refused_before_it_is_sent(ad: Ground) -> None:
    app = ad.with_options(more={"sAMAccountName": "{user_name}"})
    someone = ad.someone() | {"sAMAccountName": "a.name.that.is.far.too.long"}
    ad.door.heal()

    with pytest.raises(Refused, match="longer than 20"):
        app.create(someone)

    assert "add" not in ad.door.seen and ad.count(someone) == 0


def test_people_of_one_name_get_another_rdn(ad: Ground) -> None:
    people = [ad.someone(display_name="Ama Mensah, (Lady)") for _ in range(3)]
    options = {"names": ["CN={displayName}"]}
    app = ad.with_options(**options)

    made = [app.create(someone)[1] for someone in people]
    by_preset = ad.make(ad.someone(display_name="Ama Mensah, (Lady)"))

    names = [ad.there(id)["cn"][0] for id in (*made, by_preset)]
    assert names[:3] == ["Ama Mensah, (Lady)", "Ama Mensah, (Lady) 2", "Ama Mensah, (Lady) 3"]
    assert names[3].startswith("Ama Mensah, (Lady) (nadia.okafor")
    assert app.update(made[1], {"title": "x"}) == DONE and ad.there(made[1])["cn"] == ["Ama Mensah, (Lady) 2"]


def test_an_address_that_somebody_has_is_refused(ad: Ground) -> None:
    first, second = ad.make(), ad.make()
    taken = ad.app.read(first).key

    with pytest.raises(Refused):
        ad.app.update(second, {"userPrincipalName": taken})

    assert ad.app.find(taken).id == first


# attributes


def test_a_new_address_keeps_the_old_one_and_those_of_others(ad: Ground) -> None:
    person = ad.person()
    id, old = ad.make(ad.attributes(person)), person["work_email"]
    change(ad, id, "add: proxyAddresses\nproxyAddresses: x500:/o=Juniper/cn=1\nproxyAddresses: smtp:info@jf.example\n")
    new = f"new.{old}"

    ad.app.update(id, {"proxyAddresses.SMTP": new})
    there = sorted(ad.there(id)["proxyaddresses"])
    ad.app.update(id, {"proxyAddresses.SMTP": old})

    others = ["smtp:info@jf.example", "x500:/o=Juniper/cn=1"]
    assert there == sorted([f"SMTP:{new}", f"smtp:{old}", *others])
    assert sorted(ad.there(id)["proxyaddresses"]) == sorted([f"SMTP:{old}", f"smtp:{new}", *others])
    assert ad.app.holds_address(new)


def test_keeps_the_bits_that_are_not_its_own(ad: Ground) -> None:
    id = ad.make()
    change(ad, id, "replace: userAccountControl\nuserAccountControl: 66048\n")  # the password does not expire

    ad.app.disable(id)
    off = ad.there(id)["useraccountcontrol"]
    ad.app.enable(id)

    assert off == ["66050"] and ad.there(id)["useraccountcontrol"] == ["66048"]


def test_the_last_day_is_the_end_of_that_day(ad: Ground) -> None:
    app = ad.with_options(more={"accountExpires": "{last_day}"}, time_zone="Europe/Lisbon")
    _, id = app.create(ad.someone() | {"accountExpires": "2031-07-31"})

    assert ad.there(id)["accountexpires"] == ["135877788000000000"]  # 2031-07-31 23:00 UTC
    assert app.read(id).attributes["accountExpires"] == "2031-07-31"
    assert app.update(id, {"accountExpires": ""}) == DONE and "accountExpires" not in app.read(id).attributes
    assert [day_of(filetime(day, "America/Lima"), "America/Lima") for day in ("2024-02-29", "")] == ["2024-02-29", ""]


def test_whoever_comes_back_is_not_shut_out_by_an_old_last_day(ad: Ground) -> None:
    app = ad.with_options(more={"accountExpires": "{last_day}"})
    _, id = app.create(ad.someone() | {"accountExpires": "2024-05-31"})
    ad.give_password(id)
    app.disable(id)

    app.enable(id)

    assert ad.usable(id) and "accountExpires" not in app.read(id).attributes


def test_a_manager_is_named_by_an_address(ad: Ground) -> None:
    app = ad.with_options(more={"manager": "{manager_email}"})
    boss, other = ad.someone(display_name="Boss, (the)"), ad.someone(display_name="Other Boss")
    someone = ad.someone() | {"manager": boss["mail"]}
    _, early = app.create(someone)
    without = app.read(early).attributes

    boss_id, _ = ad.make(boss), ad.make(other)
    with pytest.raises(Refused, match="no account has the mail nobody@juniperfinch.example"):
        app.update(early, {"manager": "nobody@juniperfinch.example"})
    app.update(early, {"manager": boss["mail"]})

    assert "manager" not in without
    assert ad.there(early)["manager"] == ad.there(boss_id)["dn"]
    assert app.read(early).attributes == someone
    assert {a.id: a.attributes for a in ad.with_options(more={"manager": "x"}).accounts()}[early] == someone


# places


def test_moves_with_the_department_and_away_when_disabled(ad: Ground) -> None:
    id = ad.make(ad.someone(department="Facilities"))
    where = [ad.there(id)["dn"][0]]

    for act in (
        lambda: ad.app.update(id, {"department": "Sales"}),
        lambda: ad.app.disable(id),
        lambda: ad.app.update(id, {"department": "Facilities"}),
        lambda: ad.app.enable(id),
    ):
        act()
        where.append(ad.there(id)["dn"][0])

    parents = [dn.partition(",")[2].removesuffix(f",{DOMAIN}") for dn in where]
    assert parents == ["OU=Staff", "OU=Sales,OU=Staff", "OU=Leavers", "OU=Leavers", "OU=Staff"]


def test_makes_the_ou_where_it_may(ad: Ground) -> None:
    place = [f"OU={{department}},OU=Staff,{DOMAIN}"]
    someone = ad.someone(department="R&D, Lisbon")

    with pytest.raises(Refused, match="there is no OU=R&D"):
        ad.with_options(place=place).create(someone)
    _, id = ad.with_options(place=place, create_place=True).create(someone)

    assert ad.there(id)["dn"][0].endswith(f"OU=R&D\\, Lisbon,OU=Staff,{DOMAIN}")


# passwords


def test_a_password_is_random_and_told_to_nobody(ad: Ground, caplog: pytest.LogCaptureFixture) -> None:
    first = ad.make()
    ad.give_password(first)

    assert isinstance(ad.app, Sessions) and ad.usable(first)
    assert ad.app.end_sessions(first) == DONE and not ad.usable(first)
    assert ad.app.end_sessions("11111111-1111-1111-1111-111111111111") == ALREADY
    assert PASSWORD not in caplog.text


def test_the_domains_password_policy_holds(ad: Ground) -> None:
    id = ad.make()
    dn = ad.there(id)["dn"][0]

    with pytest.raises(AssertionError, match="0000052D"):
        ad.server.set_password(dn, "short")


def test_a_password_may_have_to_be_changed_at_first(ad: Ground) -> None:
    _, id = ad.with_options(must_change_password=True).create(ad.someone())

    assert ad.there(id)["pwdlastset"] == ["0"]


def test_keys_that_sign_in_are_taken_away(ad: Ground) -> None:
    id = ad.make()
    assert ad.app.revoke_tokens(id) == ALREADY
    change(ad, id, "add: altSecurityIdentities\naltSecurityIdentities: X509:<I>CN=Old CA<S>CN=Nadia\n")

    there = [(token.kind, token.name) for token in ad.app.tokens(id)]
    outcome = ad.app.revoke_tokens(id)

    assert isinstance(ad.app, Tokens) and len(there) == 1 and there[0][0] == "device"
    assert outcome == DONE and list(ad.app.tokens(id)) == [] and "altsecurityidentities" not in ad.there(id)


# groups


def test_what_comes_through_another_group_is_told_apart(ad: Ground) -> None:
    id = ad.make()
    dn, tag = ad.there(id)["dn"][0], id[:8]
    inner = ad.server.group(f"Inner {tag}", dn)  # type: ignore[attr-defined]
    middle = ad.server.group(f"Middle {tag}", inner)  # type: ignore[attr-defined]
    outer = ad.server.group(f"Outer {tag}", middle)  # type: ignore[attr-defined]
    ad.server.admin.modify(f"dn: {inner}\nchangetype: modify\nadd: member\nmember: {outer}\n")  # and round again

    assert ad.app.read(id).entitlements == {f"Inner {tag}"}
    assert ad.app.indirect(id) == {
        f"Middle {tag}": [f"Inner {tag}", f"Middle {tag}"],
        f"Outer {tag}": [f"Inner {tag}", f"Middle {tag}", f"Outer {tag}"],
    }
    with pytest.raises(Refused, match=f"through Inner {tag} > Middle {tag} > Outer {tag}"):
        ad.app.revoke(id, f"Outer {tag}")
    assert ad.app.grant(id, f"Outer {tag}") == DONE and dn in ad.members(f"Outer {tag}")
    assert ad.app.revoke(id, f"Outer {tag}") == DONE


def test_the_primary_group_is_shown_where_it_is_named(ad: Ground) -> None:
    id = ad.make()
    users = f"CN=Domain Users,CN=Users,{DOMAIN}"
    named = ad.again(ad.rules.model_copy(update={"entitlements": ("Staff", users)}))

    assert ad.app.read(id).entitlements == set()
    assert named.read(id).entitlements == {users}
    assert ad.app.grant(id, users) == ALREADY and ad.app.read(id).entitlements == {users}
    with pytest.raises(Refused, match="primary group"):
        ad.app.revoke(id, users)


def test_groups_of_one_name_go_by_their_dn(ad: Ground) -> None:
    id = ad.make()
    name = f"Readers {id[:8]}"
    ad.server.admin.modify(f"dn: OU={id[:8]},OU=Groups,{DOMAIN}\nobjectClass: organizationalUnit\n")
    dns = [ad.server.group(name, below=below) for below in ("OU=Groups", f"OU={id[:8]},OU=Groups")]  # type: ignore[attr-defined]

    with pytest.raises(Refused, match="2 groups are called"):
        ad.app.grant(id, name)
    outcome = ad.app.grant(id, dns[1])

    assert outcome == DONE and ad.app.read(id).entitlements == {dns[1]}
    assert set(dns) <= set(ad.app.entitlements())
    assert {a.id: a.entitlements for a in ad.app.accounts()}[id] == {dns[1]}


def test_makes_a_group_where_it_may(ad: Ground) -> None:
    id = ad.make()
    name = f"Made, (here) {id[:8]}"
    app = ad.with_options(groups={"base": f"OU=Groups,{DOMAIN}", "create": True})

    outcomes = [app.grant(id, name), app.grant(id, name)]

    assert outcomes == [DONE, ALREADY] and ad.members(name) == ad.there(id)["dn"]


# those who come back


def test_a_deleted_account_comes_back_with_its_identity(ad: Ground) -> None:
    someone = ad.someone()
    id = ad.make(someone)
    sid = ad.there(id)["objectsid"]
    ad.app.grant(id, "Staff")
    ad.app.delete(id)
    assert ad.again().read(id) is None

    outcome, again = ad.app.create(someone | {"title": "Boomerang"})

    account = ad.again().read(again)
    assert outcome == DONE and again == id and ad.there(id)["objectsid"] == sid
    assert account.active and account.attributes == someone | {"title": "Boomerang"}
    assert account.entitlements == set()  # today's rights only
    ad.give_password(id)
    assert ad.usable(id)


def test_somebody_elses_deleted_account_stays_deleted(ad: Ground) -> None:
    someone = ad.someone()
    id = ad.make(someone)
    ad.app.delete(id)

    _, other = ad.app.create(someone | {"employeeID": "99999"})

    assert other != id and ad.row(id) is None


@pytest.mark.parametrize("kind", ["lost", "cut"])
@pytest.mark.parametrize("skip", [0, 1])
def test_a_return_that_was_interrupted_is_finished(ad: Ground, kind: str, skip: int) -> None:
    someone = ad.someone()
    id = ad.make(someone)
    ad.app.disable(id)
    ad.app.delete(id)
    ad.door.heal()
    ad.door.fault("modify", kind, skip=skip)

    _, again = ad.app.create(someone)
    if (account := ad.app.read(again)) and not account.active:
        ad.app.enable(again)
        ad.app.update(again, someone)

    assert again == id
    assert ad.again().read(id).active and ad.again().read(id).attributes == someone


def test_may_not_write_where_nothing_was_delegated(ad: Ground) -> None:
    app: Any = ad.with_options(place=[f"CN=Users,{DOMAIN}"])

    with pytest.raises(Refused, match="Give the account in AD_USER, AD_PASSWORD the permission") as caught:
        app.create(ad.someone())

    assert caught.value.status == 403
