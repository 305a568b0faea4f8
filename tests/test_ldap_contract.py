"""The contract of connectors.base at two real directories: slapd and a Samba Active Directory domain.

State is read back with ldapsearch, or by a connector that remembers nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.base import App, Grants, Outcome
from connectors.errors import Refused, Retryable
from tests.ldap_client import Authority
from tests.ldap_faults import SUCCESS, UNAVAILABLE, Door
from tests.ldap_ground import KINDS, Ground, ground

DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
NOBODY = "00000000-1111-2222-3333-444444444444"


@pytest.fixture(params=list(KINDS))
def here(request: pytest.FixtureRequest) -> Ground:
    return ground(request.param)


# writes


def test_keeps_the_contract(here: Ground) -> None:
    assert isinstance(here.app, App) and isinstance(here.app, Grants)
    assert here.rules.title in here.app.check()


def test_creates_once_however_often_it_is_asked(here: Ground) -> None:
    someone = here.someone()

    first = here.app.create(someone)
    second = here.app.create(someone)
    elsewhere = here.again().create(someone)
    unlooked = here.again().create(someone, looked=True)

    assert first[0] == DONE and second == elsewhere == unlooked == (ALREADY, first[1])
    assert here.count(someone) == 1


def test_two_workers_at_once_make_one_account(here: Ground) -> None:
    people = [here.someone() for _ in range(4)]
    workers = [here.app, here.again()]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda each: each[0].create(each[1]), [(w, p) for p in people for w in workers]))

    assert len({id for _, id in made}) == 4
    assert [here.count(someone) for someone in people] == [1, 1, 1, 1]


def test_makes_an_account_that_can_be_used_at_once(here: Ground) -> None:
    id = here.make()
    here.give_password(id)

    assert here.again().read(id).active and here.usable(id)


def test_reads_back_what_it_wrote(here: Ground) -> None:
    someone = here.someone(given_name="Zoë", display_name='Nadia "Zoë" Okafor, M.A. + <b> #1; \\ = (x) * ')
    id = here.make(someone)

    account = here.again().read(id)

    assert account.attributes == someone
    assert here.app.find(someone[here.rules.key].upper()).id == id


def test_updates_what_is_named_and_nothing_else(here: Ground) -> None:
    someone = here.someone()
    id = here.make(someone)
    before = here.there(id)

    outcomes = [here.app.update(id, {"title": "Team Lead"}) for _ in range(2)]

    moving = {"title", "whenchanged", "usnchanged", "modifytimestamp", "entrycsn"}
    after = here.there(id)
    assert outcomes == [DONE, ALREADY] and after["title"] == ["Team Lead"]
    assert {k: v for k, v in after.items() if k not in moving} == {k: v for k, v in before.items() if k not in moving}


def test_a_new_name_and_address_keep_the_account(here: Ground) -> None:
    person = here.person()
    id = here.make(here.attributes(person))
    here.app.grant(id, "Staff")
    new = person | {
        "family_name": "Okafor-Lindqvist",
        "display_name": f"Nadia Okafor-Lindqvist {id[:4]}",
        "work_email": f"nadia.lindqvist.{id[:8]}@juniperfinch.example",
        "user_name": f"nadia.lindqvist.{id[:8]}",
    }

    here.app.update(id, here.attributes(new))

    account = here.again().read(id)
    assert account.attributes == here.attributes(new) and account.entitlements == {"Staff"}
    assert here.members("Staff").count(here.there(id)["dn"][0]) == 1
    assert here.app.find(here.attributes(person)[here.rules.key]) is None


def test_disables_and_enables_twice(here: Ground) -> None:
    id = here.make()
    here.give_password(id)
    here.app.grant(id, "Staff")
    before = here.app.read(id)

    off = [here.app.disable(id), here.app.disable(id), here.again().disable(id)]
    shown_off, usable_off = here.again().read(id), here.usable(id)
    on = [here.app.enable(id), here.app.enable(id)]

    assert off == [DONE, ALREADY, ALREADY] and on == [DONE, ALREADY]
    assert not shown_off.active and not usable_off
    assert here.again().read(id) == before and here.usable(id)


def test_deletes_twice(here: Ground) -> None:
    id = here.make()

    outcomes = [here.app.delete(id), here.app.delete(id)]

    assert outcomes == [DONE, ALREADY]
    assert here.app.read(id) is None and here.row(id) is None


def test_grants_and_revokes_twice(here: Ground) -> None:
    id = here.make()
    dn = here.there(id)["dn"][0]

    given = [here.app.grant(id, "Sales"), here.app.grant(id, "Sales"), here.again().grant(id, "Sales", looked=True)]
    inside = dn in here.members("Sales"), here.again().read(id).entitlements
    taken = [here.app.revoke(id, "Sales"), here.app.revoke(id, "Sales")]

    assert given == [DONE, ALREADY, ALREADY] and inside == (True, {"Sales"})
    assert taken == [DONE, ALREADY] and dn not in here.members("Sales")


@pytest.mark.parametrize("id", [NOBODY, "nobody", "", "*)(objectClass=*", "-1"])
def test_a_wrong_id_harms_nobody(here: Ground, id: str) -> None:
    app = here.app

    assert app.read(id) is None
    assert [app.disable(id), app.delete(id), app.revoke(id, "Staff")] == [ALREADY, ALREADY, ALREADY]
    for verb in (lambda: app.update(id, {"title": "x"}), lambda: app.enable(id), lambda: app.grant(id, "Staff")):
        with pytest.raises(Refused) as caught:
            verb()
        assert caught.value.status == 404


def test_a_key_is_taken_to_the_letter(here: Ground) -> None:
    someone = here.someone()
    here.make(someone)
    key = someone[here.rules.key]

    found = [here.app.find(other) for other in (f"{key[:5]}*", "*", f"x{key}", key[:-1], f"{key})(uid=*", "\\2a", "ä")]

    assert found == [None] * 7


def test_a_group_that_is_not_there_is_refused_by_its_name(here: Ground) -> None:
    id = here.make()

    with pytest.raises(Refused, match="there is no group 'Choir'"):
        here.app.grant(id, "Choir")

    assert here.app.revoke(id, "Choir") == ALREADY


# reads


def test_lists_everybody_over_many_pages(here: Ground) -> None:
    made = {here.make() for _ in range(60 if here.name == "openldap" else 12)}
    one = min(made)
    here.app.grant(one, "Engineering")

    small = {a.id: a for a in here.with_options(page_size=5).accounts()}
    large = {a.id: a for a in here.app.accounts()}

    assert made <= set(small) and small == large
    assert small[one].entitlements == {"Engineering"} and small[one] == here.app.read(one)
    assert {"Staff", "Sales", "Engineering"} <= set(here.app.entitlements())


def test_finds_addresses_that_are_no_keys(here: Ground) -> None:
    someone = here.someone()
    here.make(someone)

    assert here.app.holds_address(someone["mail"].upper())
    assert not here.app.holds_address(f"x{someone['mail']}")


# trouble


@pytest.mark.parametrize("code", [51, UNAVAILABLE])
def test_is_patient_with_a_busy_server(here: Ground, code: int) -> None:
    someone = here.someone()
    here.door.fault("search", "code", code, times=2)
    here.door.fault("write", "code", code, times=2)

    id = here.make(someone)

    assert here.app.read(id) is not None and here.count(someone) == 1


def test_gives_a_server_that_stays_busy_back(here: Ground) -> None:
    here.door.fault("write", "code", times=100)
    someone = here.someone()

    with pytest.raises(Retryable, match="busy"):
        here.app.create(someone)

    here.door.heal()
    assert here.count(someone) == 0 and here.app.create(someone)[0] == DONE


def test_an_account_whose_answer_was_lost_is_found(here: Ground) -> None:
    someone = here.someone()
    here.door.fault("add", "lost")

    outcome, id = here.app.create(someone)

    assert outcome == DONE and here.count(someone) == 1
    assert here.again().read(id).attributes == someone


def test_an_account_that_never_arrived_is_made(here: Ground) -> None:
    someone = here.someone()
    here.door.fault("add", "cut")

    outcome, id = here.app.create(someone)

    assert outcome == DONE and here.count(someone) == 1 and here.again().read(id).active


VERBS = {
    "update": lambda app, id: app.update(id, {"title": "Changed"}),
    "rename": lambda app, id: app.update(id, {"uid" if app.name == "openldap" else "displayName": f"Renamed {id[:8]}"}),
    "disable": lambda app, id: app.disable(id),
    "enable": lambda app, id: app.enable(id),
    "grant": lambda app, id: app.grant(id, "Sales"),
    "revoke": lambda app, id: app.revoke(id, "Staff"),
    "delete": lambda app, id: app.delete(id),
}


@pytest.mark.parametrize("kind", ["lost", "cut"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_write_whose_answer_was_lost_is_done_once(here: Ground, verb: str, kind: str) -> None:
    twin, id = here.make(), here.make()
    for each in (twin, id):
        here.app.grant(each, "Staff")
        if verb == "enable":
            here.app.disable(each)
    here.door.heal()
    here.door.fault("write", kind)

    outcome = VERBS[verb](here.app, id)
    again = VERBS[verb](here.app, id)

    assert outcome == DONE and again == ALREADY
    VERBS[verb](here.app, twin)
    assert state(here, id) == state(here, twin)


def state(here: Ground, id: str) -> object:
    """What a write leaves, without what is each account's own."""
    account = here.again().read(id)
    return account and (account.active, account.entitlements, account.attributes.get("title"))


def test_a_server_that_does_not_answer_is_not_waited_for_long(here: Ground) -> None:
    app = here.with_options(timeout=1)
    here.door.fault("search", "hang", times=5)

    with pytest.raises(Retryable, match="no answer came in time"):
        app.check()


def test_a_write_that_did_nothing_shows_when_it_is_read(here: Ground) -> None:
    id = here.make()
    here.door.fault("modify", "code", SUCCESS)

    here.app.update(id, {"title": "Changed"})

    assert here.app.read(id).attributes["title"] == "Account Executive"


def test_goes_on_over_new_connections_after_a_restart(here: Ground) -> None:
    id, other = here.make(), here.make()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(here.app.read, [id] * 8))  # several connections, all of which will be dead

    def away() -> None:
        with pytest.raises(Retryable):
            here.app.update(id, {"title": "Away"})

    here.server.restart(away)

    assert here.app.disable(id) == DONE and here.app.read(other).active
    assert here.app.create(here.someone())[0] == DONE


def test_connections_that_a_firewall_cut_are_no_trouble(here: Ground) -> None:
    id = here.make()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(here.app.read, [id] * 8))

    here.door.cut()
    outcome = here.app.grant(id, "Staff")

    assert outcome == DONE and here.again().read(id).entitlements == {"Staff"}


def test_one_broken_connection_condemns_those_that_lie_idle(here: Ground) -> None:
    id = here.make()
    dn = here.there(id)["dn"][0]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(here.app.read, [id] * 12))
    assert len(here.app.wire.idle) > 1

    here.door.cut()
    title = {"title": [("MODIFY_REPLACE", ["Changed"])]}
    here.app.surely(lambda again: here.app.wire.modify(dn, title, "try"))

    assert here.there(id)["title"] == ["Changed"]


def test_many_threads_share_few_connections(here: Ground) -> None:
    door = Door(here.server.authority, here.server.host, here.server.port)
    options = {**here.rules.options, "connections": 3}
    app = here.again(here.rules.model_copy(update={"options": options}), **{f"{here.server.prefix}_URL": door.url})
    id = here.make()

    with ThreadPoolExecutor(16) as pool:
        titles = [f"Title {n}" for n in range(16)]
        done = list(pool.map(lambda title: app.update(id, {"title": title}), titles))
        read = list(pool.map(lambda _: app.read(id).id, range(16)))

    assert set(done) == {DONE} and set(read) == {id}
    assert here.there(id)["title"][0] in titles and 1 < door.most <= 3
    door.close()


# what the server does not allow


def test_a_value_that_the_server_refuses_names_what_to_do(here: Ground) -> None:
    id = here.make()
    long = "x" * 40_000

    with pytest.raises(Refused) as caught:
        here.app.update(id, {"title": long, "nonsuch": "y"})

    told = str(caught.value)
    assert told.startswith(f"{here.name}: update account {id}: the server said ") and "app's YAML" in told


def test_a_wrong_password_names_the_variable_and_not_the_value(here: Ground) -> None:
    prefix = here.server.prefix
    app = here.again(**{f"{prefix}_PASSWORD": "canary-Oolong-0815"})

    with pytest.raises(Refused) as caught:
        app.check()

    assert f"{prefix}_PASSWORD" in str(caught.value) and "canary" not in str(caught.value)


def test_no_password_travels_before_the_certificate_was_checked(here: Ground) -> None:
    prefix = here.server.prefix
    strangers = Authority(here.server.folder / "strangers")
    elsewhere = Door(strangers, here.server.host, here.server.port)
    misnamed = Door(here.server.authority, here.server.host, here.server.port, name="127.0.0.9")

    for variable, value in (("CA_FILE", str(strangers.file)), ("URL", elsewhere.url), ("URL", misnamed.url)):
        with pytest.raises(Refused, match="certificate is not trusted"):
            here.again(**{f"{prefix}_{variable}": value}).check()

    assert here.door.seen == elsewhere.seen == misnamed.seen == []
    elsewhere.close()
    misnamed.close()
