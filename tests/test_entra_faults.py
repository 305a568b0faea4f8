"""Microsoft 365 when things go wrong: tokens that end, replicas that lag, batches that fail in part."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from connectors.apps.entra_attributes import new_user
from connectors.apps.entra_http import Ask, GraphHttp
from connectors.base import Outcome
from connectors.catalogue import connect
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.http import client
from connectors.sandbox.vendors import entra
from connectors.synced import Synced
from tests.entra_house import ANA, RULES, House, house, person

__all__ = ["house"]
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
USERS = "^POST /entra/v1.0/users$"


def tokens(house: House) -> int:
    """How often a token was asked for."""
    return sum("/oauth2/v2.0/token" in line["path"] for line in house.twin.log())


def test_one_token_serves_many_calls(house: House) -> None:
    house.app.create(ANA)
    list(house.app.accounts())

    assert tokens(house) == 1


def test_a_token_that_ended_is_renewed_once(house: House) -> None:
    house.app.check()
    house.twin.reset()  # no token of before is good any more

    outcome, id = house.app.create(ANA)

    assert outcome == DONE and tokens(house) == 1 and house.user(id)["jobTitle"] == "Buyer"


def test_a_token_that_is_never_good_is_refused_and_named(house: House) -> None:
    house.twin.options(lifetime=0)

    with pytest.raises(Refused, match="ENTRA_CLIENT_SECRET") as caught:
        house.app.check()
    assert caught.value.status == 401 and tokens(house) == 2


@pytest.mark.parametrize("variable", ["ENTRA_CLIENT_SECRET", "ENTRA_CLIENT_ID"])
def test_a_wrong_secret_is_refused_without_being_shown(house: House, variable: str) -> None:
    app = connect("entra", RULES, house.environment | {variable: "canary-in-a-secret"})

    with pytest.raises(Refused, match="AADSTS700016|AADSTS7000215") as caught:
        app.check()
    assert caught.value.status == 401 and "canary" not in str(caught.value).replace("'", "")


def test_the_check_names_the_permission_that_lacks(house: House) -> None:
    house.app.check()
    house.twin.faults([{"match": "/(subscribedSkus|groups)", "kind": "403"}])

    assert "Not permitted: groups (Group.Read.All), licences (LicenseAssignment.Read.All)" in house.app.check()
    house.twin.faults([{"match": "^GET .*/users", "kind": "403"}])
    with pytest.raises(Refused, match="User.Read.All"):
        house.app.check()


def test_who_may_not_see_licences_can_still_use_groups(house: House) -> None:
    _, id = house.again({"usageLocation": "GB"}).create(ANA | {"usageLocation": "GB"})
    house.app.grant(id, "licence:SPE_E3")
    app = house.again()
    house.twin.faults([{"match": "subscribedSkus", "kind": "403"}])

    assert app.grant(id, "Visio") == DONE and "Staff" in set(app.entitlements())
    assert app.read(id).entitlements == {"Visio", "licence:05e9a617-0261-4cee-bb44-138d3ef5d965"}
    with pytest.raises(Refused, match="not permitted"):
        app.grant(id, "licence:SPB")


def test_no_password_is_known_to_anybody(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    profiles = [new_user(ANA, "userPrincipalName")["passwordProfile"] for _ in range(2)]
    sent: list[str] = []
    house.app.http.client.event_hooks["request"].append(lambda request: sent.append(request.content.decode()))
    house.app.http.client.event_hooks = house.app.http.client.event_hooks

    _, id = house.app.create(ANA)

    (made,) = (text for text in sent if "passwordProfile" in text)
    password = made.partition('"password":"')[2].partition('"')[0]
    assert len(password) > 40 and password not in caplog.text and password not in str(vars(house.app))
    assert profiles[0]["password"] != profiles[1]["password"] and profiles[0]["forceChangePasswordNextSignIn"]
    assert "passwordProfile" not in house.user(id)


def test_an_account_that_replicas_do_not_know_yet_gets_its_manager(house: House) -> None:
    app = house.again({"manager": "{manager_email}"})
    _, boss = app.create(person(1))
    app.users.manager_id(person(1)["userPrincipalName"], "look")
    house.twin.options(lag=0.5)

    outcome, id = app.create(ANA | {"manager": person(1)["userPrincipalName"]})

    assert outcome == DONE and house.user(id)["manager"] == boss


def test_a_manager_who_was_made_a_moment_ago_is_known(house: House) -> None:
    app = house.again({"manager": "{manager_email}"})
    house.twin.options(lag=1)
    _, boss = app.create(person(1))

    outcome, id = app.create(ANA | {"manager": person(1)["userPrincipalName"].upper()})

    assert outcome == DONE and house.user(id)["manager"] == boss


def test_a_group_takes_in_whom_replicas_do_not_know_yet(house: House) -> None:
    house.twin.options(lag=0.5)
    _, id = house.app.create(ANA)

    assert house.app.grant(id, "Staff") == DONE and house.members("Staff") == {id}


def test_a_restored_account_is_brought_up_to_date_when_replicas_know_it(house: House) -> None:
    _, id = house.app.create(ANA)
    house.app.disable(id)
    house.app.delete(id)
    house.twin.options(lag=0.5)

    assert house.app.create(ANA | {"jobTitle": "Head"}) == (DONE, id)
    assert house.user(id)["accountEnabled"] and house.user(id)["jobTitle"] == "Head"


def test_a_lost_answer_makes_no_second_account_though_replicas_lag(house: House) -> None:
    house.app.check()
    house.twin.options(lag=1)
    house.twin.faults([{"match": USERS, "kind": "lost-answer", "times": 1}])

    outcome, id = house.app.create(ANA)
    again = house.again().create(ANA)

    assert (outcome, again) == (DONE, (ALREADY, id)) and len(house.named(ANA["userPrincipalName"])) == 1


def test_an_account_that_was_there_is_found_though_replicas_lag(house: House) -> None:
    house.twin.options(lag=1)
    _, id = house.app.create(ANA)

    assert house.again().create(ANA) == (ALREADY, id)


def test_a_lost_answer_that_cannot_be_cleared_up_is_handed_back(house: House) -> None:
    app = house.again(restore=False)
    app.check()
    app.http.sleep = lambda seconds: None
    stale = {"match": "^GET", "kind": "slow-replica", "seconds": 600}
    house.twin.faults([{"match": USERS, "kind": "lost-answer", "times": 1}, stale])

    with pytest.raises(Retryable, match="read back before trying again"):
        app.create(ANA)
    house.twin.faults([])
    assert app.create(ANA)[0] == ALREADY and len(house.named(ANA["userPrincipalName"])) == 1


def test_another_key_than_the_name_is_looked_for_before_anything_is_made(house: House) -> None:
    """Entra keeps employeeId not unique."""
    _, id = house.app.create(ANA)
    app = house.again(key="employeeId")

    assert app.create(ANA | {"userPrincipalName": "ana@juniperfinch.example"}) == (ALREADY, id)
    with pytest.raises(Refused, match="userPrincipalName already exists"):
        app.create(ANA | {"employeeId": "0999"})
    assert len(house.twin.state()["users"]) == 1


def test_an_alias_that_a_group_has_is_no_account(house: House) -> None:
    house.app.check()
    house.app.http.error = lambda method, response, doing: Refused(
        "entra", doing, "Another object with the same value for property proxyAddresses already exists", status=400
    )
    house.twin.faults([{"match": USERS, "kind": "400", "times": 1}])

    with pytest.raises(Refused, match="proxyAddresses"):
        house.app.create(ANA)


# batches


def asks(house: House, *ids: str) -> list[Ask]:
    return [Ask("PATCH", f"/users/{id}", f"change {id}", {"jobTitle": "Head"}) for id in ids]


def heads(house: House) -> int:
    return sum(user["jobTitle"] == "Head" for user in house.twin.state()["users"])


def test_one_throttled_request_of_a_batch_is_sent_again_alone(house: House) -> None:
    ids = [house.app.create(person(n))[1] for n in range(3)]
    house.twin.faults([{"match": f"^PATCH .*{ids[1]}", "kind": "429", "times": 1, "seconds": 0.01}])
    house.twin.clear_log()

    said = list(house.app.http.many(asks(house, *ids)))

    assert said == [None] * 3 and heads(house) == 3
    assert house.lines() == ["POST /$batch"] * 2


def test_a_write_that_met_another_is_sent_again(house: House) -> None:
    """Entra turns away (409) a write to what another one is changing."""
    ids = [house.app.create(person(n))[1] for n in range(3)]
    house.twin.faults([{"match": "^(PATCH|POST) .*(members|groups/)", "kind": "409", "times": 2}])

    assert house.app.grant(ids[0], "Staff") == DONE and house.members("Staff") == {ids[0]}
    house.twin.faults([{"match": f"^PATCH .*{ids[1]}", "kind": "409", "times": 1}])
    assert list(house.app.http.many(asks(house, *ids))) == [None] * 3 and heads(house) == 3


def test_each_request_of_a_batch_has_a_fate_of_its_own(house: House) -> None:
    ids = [house.app.create(person(n))[1] for n in range(2)]
    house.twin.faults([{"match": f"^PATCH .*{ids[1]}", "kind": "503", "times": 1}])

    said = list(house.app.http.many(asks(house, ids[0], ids[1], "nobody")))

    assert said[0] is None and heads(house) == 1
    assert isinstance(said[1], Retryable) and "read back" in said[1].todo
    assert isinstance(said[2], Refused) and said[2].status == 404 and "change nobody" in said[2].doing


def test_reads_of_a_batch_are_tried_again_and_writes_are_not(house: House) -> None:
    _, id = house.app.create(ANA)
    house.twin.faults([{"match": "^(GET|PATCH) .*/users/", "kind": "500", "times": 2}])

    said = list(house.app.http.many([Ask("GET", f"/users/{id}", "read"), *asks(house, id)]))

    assert said[0]["id"] == id and isinstance(said[1], Retryable) and heads(house) == 0


def test_of_a_batch_whose_answer_was_lost_nothing_is_believed(house: House) -> None:
    ids = [house.app.create(person(n))[1] for n in range(25)]
    house.twin.faults([{"match": "batch$", "kind": "lost-answer", "times": 1}])

    said = list(house.app.http.many(asks(house, *ids)))

    assert [isinstance(one, Retryable) for one in said] == [True] * 20 + [False] * 5
    assert heads(house) == 25


def test_every_request_of_a_batch_takes_a_turn(house: House) -> None:
    turns: list[str] = []

    class Counted(GraphHttp):
        def take_turn(self, call: str, doing: str) -> None:
            turns.append(call)
            super().take_turn(call, doing)

    app: Any = house.app
    http = Counted("entra", client(house.environment["ENTRA_URL"], app.options.auth))
    ids = [app.create(person(n))[1] for n in range(2)]

    list(http.many(asks(house, *ids)))

    assert turns == [*(f"PATCH /users/{id}" for id in ids), "POST /$batch"]


@pytest.mark.parametrize(
    ("method", "url", "allowed", "scope"),
    [("GET", "/subscribedSkus", 5000 // 3, "ReadWrite"), ("DELETE", "/users/nobody", 3000, "Write")],
)
def test_the_twin_keeps_to_the_published_quotas(house: House, method: str, url: str, allowed: int, scope: str) -> None:
    raw = httpx.Client(base_url=house.environment["ENTRA_URL"], auth=house.app.options.auth.flow(""))
    raw.get("/users")
    house.twin.faster(1)  # the limits as published, unused so far
    requests = [{"id": str(n), "method": method, "url": url} for n in range(20)]

    answers = [
        one
        for _ in range(allowed // 20 + 1)
        for one in raw.post("/$batch", json={"requests": requests}).json()["responses"]
    ]
    raw.close()

    over = [one for one in answers if one["status"] == 429]
    assert len(answers) - len(over) == allowed
    assert all(int(one["headers"]["Retry-After"]) >= 1 for one in over)
    assert over[0]["headers"]["x-ms-throttle-scope"].startswith(f"Tenant_Application/{scope}/{entra.CLIENT_ID}")


# hybrid


def hybrid(house: House, **more: Any) -> Any:
    words = {"created_by": "ad", "masters": ["jobTitle"], "mark": "onPremisesImmutableId", "wait": 0.2} | more
    return house.again({"onPremisesImmutableId": "x"}, synced=Synced.model_validate(words).model_dump())


def test_a_hybrid_account_is_waited_for_and_never_made(house: House) -> None:
    app = hybrid(house)
    with pytest.raises(Retryable, match="has not appeared"):
        app.create(ANA)
    assert house.twin.state()["users"] == []

    _, id = house.app.create(ANA)
    house.twin.give("onPremises", ANA["userPrincipalName"], {})

    assert app.create({"userPrincipalName": ANA["userPrincipalName"], "jobTitle": "Buyer"}) == (ALREADY, id)


def test_a_hybrid_account_is_disabled_by_the_sync(house: House) -> None:
    app = hybrid(house)
    _, id = house.app.create(ANA)
    house.app.disable(id)
    house.twin.give("onPremises", ANA["userPrincipalName"], {})

    assert app.disable(id) == ALREADY
    with pytest.raises(Retryable, match="must come by the sync from ad"):
        app.enable(id)


def test_an_error_travels_with_its_advice(house: House) -> None:
    _, id = house.app.create(ANA)

    with pytest.raises(ConnectorError) as caught:
        house.app.update(id, {"userPrincipalName": "ana@elsewhere.example"})
    assert isinstance(caught.value, Refused) and "company.yaml" in caught.value.todo
