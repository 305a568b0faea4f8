"""Tokens and Owns of connectors.base, for every sample app that keeps them, at the twins; state is read back there."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from connectors_servers import Asked, Said, Scripted

from connectors.base import Outcome, Owns, Sessions, Tokens
from connectors.catalogue import capabilities, connect
from connectors.errors import Refused, Retryable
from connectors.sandbox import Sandbox
from mappings.access import Token
from tests.contract_rig import SAMPLES, Rig

WRONG = "00000000-0000-4000-8000-00000000dead"
BELONGINGS = {
    "sso": {"service_accounts": ("service account", "name")},
    "crm": {"deals": ("deal", "title"), "api_keys": ("api key", "name")},
    "desk": {"tickets": ("ticket", "subject"), "macros": ("macro", "title")},
}
"""App -> table of the twin -> the kind, and the field with the name."""
OWNERS = ("ownerId", "owner_id", "assignee_id", "agent_id")


def rig_of(name: str, sandbox: Sandbox) -> Rig:
    twin = sandbox.control(name)
    twin.reset()
    twin.limits(100_000)
    return Rig(name, sandbox)


@pytest.fixture
def sso(sandbox: Sandbox) -> Rig:
    return rig_of("sso", sandbox)


@pytest.fixture(params=sorted(BELONGINGS))
def rig(request: pytest.FixtureRequest, sandbox: Sandbox) -> Rig:
    return rig_of(request.param, sandbox)


def give_tokens(rig: Rig, grants: int = 2, tokens: int = 2, number: int = 1) -> None:
    user = rig.someone(number)["userName"]
    kinds = ("api", "app-password")
    rig.twin.give("grants", user, *({"app": f"Notely {n}"} for n in range(grants)))
    rig.twin.give("tokens", user, *({"type": kinds[n % 2], "label": f"laptop {n}"} for n in range(tokens)))


def left(rig: Rig, id: str) -> int:
    """How many tokens of the account there are at the twin."""
    state = rig.twin.state()
    return sum(row["userId"] == id for table in ("grants", "tokens") for row in state[table])


def give_things(rig: Rig, each: int = 2, number: int = 1) -> None:
    for table, (_, field) in BELONGINGS[rig.name].items():
        key = rig.someone(number)[rig.rules.key]
        rig.twin.give(table, key, *({field: f"{table} {n}"} for n in range(each)))


def owners(rig: Rig) -> Counter[str]:
    """Owner's id -> how many things, at the twin."""
    state = rig.twin.state()
    rows = [row for table in BELONGINGS[rig.name] for row in state[table]]
    return Counter(str(row[field]) for row in rows for field in OWNERS if field in row)


def writes(rig: Rig) -> list[str]:
    """The writes in the twin's log."""
    return [f"{seen['method']} {seen['path']}" for seen in rig.twin.log() if seen["method"] != "GET"]


# tokens


def test_tells_every_token_with_its_kind_over_pages(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso, grants=45, tokens=43)

    found = list(sso.app.tokens(id))

    assert len({token.id for token in found}) == 88
    assert Counter(token.kind for token in found) == {"oauth": 45, "api_key": 22, "app_password": 21}
    assert {token.name for token in found if token.kind == "oauth"} == {f"Notely {n}" for n in range(45)}
    assert all(isinstance(token, Token) for token in found)


def test_revokes_all_tokens_of_one_account_twice(sso: Rig) -> None:
    id, other = sso.make(1), sso.make(2)
    give_tokens(sso, grants=23, tokens=25)
    give_tokens(sso, number=2)

    outcomes = [sso.app.revoke_tokens(id), sso.app.revoke_tokens(id)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert left(sso, id) == 0 and left(sso, other) == 4


def test_tokens_outlive_the_account_being_disabled(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso)
    sso.app.disable(id)

    assert left(sso, id) == 4 and sso.app.revoke_tokens(id) == Outcome.DONE
    assert left(sso, id) == 0


def test_an_account_that_is_gone_has_no_tokens(sso: Rig) -> None:
    sso.make()
    give_tokens(sso)

    assert list(sso.app.tokens(WRONG)) == [] and sso.app.revoke_tokens(WRONG) == Outcome.ALREADY
    assert len(sso.twin.state()["grants"]) == 2


@pytest.mark.parametrize("match", ["^DELETE .*/grants/", "^DELETE .*/tokens"])
def test_revoking_whose_answer_was_lost_can_be_sent_again(sso: Rig, match: str) -> None:
    id = sso.make()
    give_tokens(sso, grants=1, tokens=1)
    sso.fault(match, "lost-answer")

    with pytest.raises(Retryable):
        sso.app.revoke_tokens(id)
    sso.app.revoke_tokens(id)

    assert left(sso, id) == 0 and sso.app.revoke_tokens(id) == Outcome.ALREADY


@pytest.mark.parametrize("kind", ["429", "429-no-retry-after"])
def test_revoking_is_patient_with_a_busy_app(sso: Rig, kind: str) -> None:
    id = sso.make()
    give_tokens(sso)
    sso.fault("", kind, times=2)

    assert sso.app.revoke_tokens(id) == Outcome.DONE and left(sso, id) == 0


def test_a_token_that_cannot_be_revoked_does_not_save_the_others(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso, grants=3, tokens=2)
    sso.fault("^DELETE .*/grants/", "403")

    with pytest.raises(Refused, match=f"revoke tokens of {id}"):
        sso.app.revoke_tokens(id)

    assert left(sso, id) == 1


def test_a_token_at_which_the_app_breaks_does_not_save_the_others(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso, grants=4, tokens=2)
    sso.twin.faults([{"match": "^DELETE .*/grants/", "kind": kind, "times": 1} for kind in ("403", "500")])

    with pytest.raises(Retryable):
        sso.app.revoke_tokens(id)
    after = left(sso, id)

    assert after == 2 and sso.app.revoke_tokens(id) == Outcome.DONE and left(sso, id) == 0


def test_an_app_that_is_down_is_not_asked_for_every_token(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso, grants=9, tokens=0)
    sso.fault("^DELETE", "500", times=None)
    sso.twin.clear_log()

    with pytest.raises(Retryable):
        sso.app.revoke_tokens(id)

    assert len(writes(sso)) == 3 and left(sso, id) == 9


def test_a_token_that_went_in_between_is_no_failure(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso, grants=2, tokens=0)
    sso.fault("^DELETE .*/grants/", "404")

    assert sso.app.revoke_tokens(id) == Outcome.DONE and left(sso, id) == 1


def test_revoking_that_did_nothing_shows_when_read(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso, grants=1, tokens=0)
    sso.fault("^DELETE", "silent-noop")

    sso.app.revoke_tokens(id)

    assert [token.kind for token in sso.app.tokens(id)] == ["oauth"]


def test_speaks_to_google_workspace_as_its_reference_says(sso: Rig) -> None:
    """Lists in `items`, absent when empty, ids of other names and types: Directory API v1, `tokens` and `asps`."""
    state = {"tokens": {"client-1": "Notely", "client-2": "Paperboat"}, "asps": {"7": "Phone"}}
    fields = {"tokens": ("clientId", "displayText"), "asps": ("codeId", "name")}

    def google(asked: Asked) -> Said:
        *_, user, kind = asked.path.split("/") if asked.method == "GET" else asked.path.rpartition("/")[0].split("/")
        if user != "ann":
            return Said(404, {"error": {"code": 404, "message": "Resource Not Found: userKey"}})
        if asked.method == "DELETE":
            del state[kind][asked.path.rpartition("/")[2]]
            return Said(204)
        id, name = fields[kind]
        items = [{id: int(i) if i.isdigit() else i, name: n} for i, n in state[kind].items()]
        return Said(200, {"kind": f"admin#directory#{kind}"} | ({"items": items} if items else {}))

    with Scripted(google) as server:
        base = f"{server.url}/admin/directory/v1/users/{{id}}"
        tokens = [
            {
                "kind": kind,
                "list": {"path": f"{base}/{name}", "items": "items"},
                "id": fields[name][0],
                "name": fields[name][1],
                "revoke": {"verb": "DELETE", "path": f"{base}/{name}/{{token}}"},
            }
            for name, kind in (("tokens", "oauth"), ("asps", "app_password"))
        ]
        rules = sso.rules.model_copy(update={"options": sso.rules.options | {"tokens": tokens}})
        app: Any = connect("sso", rules, sso.environment)
        before = [(token.kind, token.id, token.name) for token in app.tokens("ann")]
        outcomes = [app.revoke_tokens(who) for who in ("ann", "ann", "gone")]

    assert before == [
        ("oauth", "client-1", "Notely"),
        ("oauth", "client-2", "Paperboat"),
        ("app_password", "7", "Phone"),
    ]
    assert outcomes == [Outcome.DONE, Outcome.ALREADY, Outcome.ALREADY] and state == {"tokens": {}, "asps": {}}


# what an account owns


def test_tells_what_an_account_owns_over_pages(rig: Rig) -> None:
    id = rig.make(1)
    rig.make(2)
    give_things(rig, each=57)
    give_things(rig, each=3, number=2)

    found = list(rig.app.owned(id))

    assert Counter(thing.kind for thing in found) == {kind: 57 for kind, _ in BELONGINGS[rig.name].values()}
    assert len({(thing.kind, thing.id) for thing in found}) == len(found)
    assert {thing.name for thing in found} == {f"{table} {n}" for table in BELONGINGS[rig.name] for n in range(57)}


def test_hands_everything_over_twice(rig: Rig) -> None:
    id, boss = rig.make(1), rig.make(2)
    give_things(rig, each=43)
    whole = 43 * len(BELONGINGS[rig.name])

    outcomes = [rig.app.hand_over(id, boss), rig.app.hand_over(id, boss)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert owners(rig) == {boss: whole} and list(rig.app.owned(id)) == []


def test_handing_over_nothing_writes_nothing(rig: Rig) -> None:
    id, boss = rig.make(1), rig.make(2)
    rig.twin.clear_log()

    assert rig.app.hand_over(id, boss) == Outcome.ALREADY and writes(rig) == []


def test_things_never_go_to_an_account_that_is_not_there(rig: Rig) -> None:
    id = rig.make()
    give_things(rig)

    for receiver in (WRONG, id, ""):
        with pytest.raises(Refused):
            rig.app.hand_over(id, receiver)

    assert set(owners(rig)) == {id}


def test_no_such_account_said_while_giving_is_no_success(rig: Rig) -> None:
    """Whether the thing or its new owner is meant, the app does not say."""
    id, boss = rig.make(1), rig.make(2)
    give_things(rig)
    rig.fault("^(POST|PATCH)", "404", times=None)

    with pytest.raises(Refused):
        rig.app.hand_over(id, boss)

    assert set(owners(rig)) == {id}


def test_an_account_that_is_gone_owns_nothing(rig: Rig) -> None:
    boss = rig.make(2)
    give_things(rig, number=2)

    assert list(rig.app.owned(WRONG)) == [] and rig.app.hand_over(WRONG, boss) == Outcome.ALREADY
    assert set(owners(rig)) == {boss}


def test_handing_over_whose_answer_was_lost_can_be_sent_again(rig: Rig) -> None:
    id, boss = rig.make(1), rig.make(2)
    give_things(rig)
    rig.fault("^(POST|PATCH)", "lost-answer")

    with pytest.raises(Retryable):
        rig.app.hand_over(id, boss)
    rig.app.hand_over(id, boss)

    assert set(owners(rig)) == {boss} and rig.app.hand_over(id, boss) == Outcome.ALREADY


@pytest.mark.parametrize("kind", ["429", "429-no-retry-after"])
def test_handing_over_is_patient_with_a_busy_app(rig: Rig, kind: str) -> None:
    id, boss = rig.make(1), rig.make(2)
    give_things(rig)
    rig.fault("", kind, times=2)

    assert rig.app.hand_over(id, boss) == Outcome.DONE and set(owners(rig)) == {boss}


@pytest.mark.parametrize("name", ["sso", "crm"])
def test_one_thing_that_is_refused_does_not_keep_the_others(sandbox: Sandbox, name: str) -> None:
    rig = rig_of(name, sandbox)
    id, boss = rig.make(1), rig.make(2)
    give_things(rig, each=3)
    rig.fault("^PATCH", "422")

    with pytest.raises(Refused, match=f"hand over what {id} owns to {boss}"):
        rig.app.hand_over(id, boss)

    assert owners(rig) == {id: 1, boss: 3 * len(BELONGINGS[name]) - 1}


def test_the_desk_moves_nothing_from_a_suspended_agent(sandbox: Sandbox) -> None:
    desk = rig_of("desk", sandbox)
    id, boss = desk.make(1), desk.make(2)
    give_things(desk)
    desk.app.disable(id)

    with pytest.raises(Refused, match="suspended agent's work cannot be transferred") as caught:
        desk.app.hand_over(id, boss)

    assert caught.value.status == 409 and set(owners(desk)) == {id}
    assert desk.rules.leaving.hand_over_first


@pytest.mark.parametrize("name", ["sso", "crm"])
def test_elsewhere_a_disabled_account_can_still_be_handed_over(sandbox: Sandbox, name: str) -> None:
    rig = rig_of(name, sandbox)
    id, boss = rig.make(1), rig.make(2)
    give_things(rig)
    rig.app.disable(id)

    assert rig.app.hand_over(id, boss) == Outcome.DONE and set(owners(rig)) == {boss}


@pytest.mark.parametrize("name", ["sso", "crm"])
def test_what_is_not_handed_over_is_lost_with_the_account(sandbox: Sandbox, name: str) -> None:
    rig = rig_of(name, sandbox)
    id, boss = rig.make(1), rig.make(2)
    give_things(rig)

    rig.app.delete(id)

    assert rig.app.hand_over(id, boss) == Outcome.ALREADY and boss not in owners(rig)


# who has which capability


def test_a_capability_is_there_only_where_it_is_declared(sandbox: Sandbox) -> None:
    apps = {name: Rig(name, sandbox).app for name in SAMPLES}

    assert {name for name, app in apps.items() if isinstance(app, Tokens)} == {"sso"}
    assert {name for name, app in apps.items() if isinstance(app, Owns)} == {"sso", "crm", "desk"}
    assert {name for name, app in apps.items() if isinstance(app, Sessions)} == {"sso"}
    assert {"tokens", "revoke_tokens", "owned", "hand_over"} <= capabilities(apps["sso"])


def refusal(rig: Rig, **options: Any) -> str:
    """What is said to the app's YAML with these options."""
    rules = rig.rules.model_copy(update={"options": rig.rules.options | options})
    with pytest.raises(Refused) as caught:
        connect(rig.name, rules, rig.environment)
    return str(caught.value)


def test_words_that_cannot_work_are_told(sso: Rig) -> None:
    listed = {"path": "/keys"}
    call = {"verb": "DELETE", "path": "/keys/{token}"}

    assert "give one of revoke, revoke_all" in refusal(sso, tokens={"list": listed})
    assert "give one of revoke, revoke_all" in refusal(sso, tokens={"list": listed, "revoke": call, "revoke_all": call})
    assert "owned (key): say how it is given" in refusal(sso, owned={"kind": "key", "list": listed})
    assert "hand_over needs owned: without a list" in refusal(sso, owned=[], hand_over=call)
    assert "unknown word 'revok' under options.tokens.0" in refusal(sso, tokens={"list": listed, "revok": call})


def test_an_item_without_the_named_id_is_not_guessed_at(sso: Rig) -> None:
    id = sso.make()
    give_tokens(sso)
    kept = [sso.rules.options["tokens"][0] | {"id": "uuid"}]
    rules = sso.rules.model_copy(update={"options": sso.rules.options | {"tokens": kept}})
    app: Any = connect("sso", rules, sso.environment)

    with pytest.raises(Refused, match="an item has no field 'uuid'"):
        app.revoke_tokens(id)

    assert left(sso, id) == 4


# every account, for `rollcall adopt`


def test_a_thousand_accounts_are_listed_with_their_values_and_whether_they_work(rig: Rig) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(rig.make, range(1000, 2000)))
        list(pool.map(rig.app.disable, ids[::50]))

    listed = {account.id: account for account in rig.app.accounts()}

    assert sorted(listed) == sorted(ids)
    assert [listed[id].attributes for id in ids] == [rig.someone(number) for number in range(1000, 2000)]
    assert [listed[id].key for id in ids] == [rig.someone(number)[rig.rules.key] for number in range(1000, 2000)]
    assert {id for id, account in listed.items() if not account.active} == set(ids[::50])


def test_the_listing_tells_what_each_account_holds(rig: Rig) -> None:
    names = rig.rules.entitlements or ("Staff", "Sales")
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(rig.make, range(1, 121)))
    for id in ids[:90]:
        rig.app.grant(id, names[0])
    for id in ids[80:100]:
        rig.app.grant(id, names[1])

    app: Any = rig.again()
    listed = {account.id: account.entitlements for account in app.accounts()}

    assert app.lists_entitlements
    assert {id for id, held in listed.items() if names[0] in held} == set(ids[:90])
    assert {id for id, held in listed.items() if names[1] in held} == set(ids[80:100])
    assert listed == {id: app.read(id).entitlements for id in ids}


def test_a_thousand_accounts_cost_no_call_more_than_their_pages(rig: Rig) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rig.make, range(1000, 2000)))
    app: Any = rig.again()
    rig.twin.clear_log()

    list(app.accounts())

    # a full last page is not believed to be the last; the desk is asked for its groups and who is in them
    pages, more = {"sso": (10, 1), "crm": (20, 1), "desk": (25, 4)}[rig.name]
    assert len(rig.twin.log()) == pages + more
