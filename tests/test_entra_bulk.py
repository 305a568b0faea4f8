"""Many writes to Microsoft 365 at once; requests inside batches are held to Graph's description too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from connectors.base import Bulk, Outcome, Write, Written
from connectors.errors import NeedsHuman, Refused, Retryable
from tests.entra_house import ANA, House, house, person

__all__ = ["house"]
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY


def write(house: House, writes: Sequence[Write]) -> list[Written]:
    """All of them, batch by batch."""
    return [one for batch in house.app.batches(writes) for one in house.app.write_many(batch)]


def made(house: House, count: int) -> list[str]:
    """Ids of so many accounts."""
    return [one.id for one in write(house, [Write("create", attributes=person(n)) for n in range(count)])]


def test_a_cohort_is_made_changed_grouped_and_ended(house: House) -> None:
    assert isinstance(house.app, Bulk)
    ids = made(house, 45)
    house.twin.clear_log()
    grants = [Write("grant", id, entitlement=name) for id in ids for name in ("Staff", "Sales Team")]

    granted = write(house, grants)
    updated = write(house, [Write("update", id, {"jobTitle": "Head"}) for id in ids])
    disabled = write(house, [Write("disable", id) for id in ids[:5]])
    revoked = write(house, [Write("revoke", id, entitlement="Staff") for id in ids[:30]])
    deleted = write(house, [Write("delete", id) for id in ids[40:]])

    users = house.twin.state()["users"]
    assert {one.outcome for part in (granted, updated, disabled, revoked, deleted) for one in part} == {DONE}
    assert len(set(ids)) == 45 and len(users) == 40 and {user["jobTitle"] for user in users} == {"Head"}
    assert sum(not user["accountEnabled"] for user in users) == 5
    assert len(house.members("Staff")) == 15 and len(house.members("Sales Team")) == 45
    assert Counter(house.lines())["POST /$batch"] == 1 + 3 + 1 + 2 + 1


def test_every_write_has_exactly_one_answer(house: House) -> None:
    (id,) = made(house, 1)
    writes = [
        Write("create", attributes=ANA),
        Write("create", attributes=person(0)),
        Write("enable", id),
        Write("grant", id, entitlement="All Company"),
        Write("grant", id, entitlement="role:User Administrator"),
        Write("grant", id, entitlement="licence:SPE_E3"),
        Write("revoke", id, entitlement="Staff"),
        Write("revoke", id, entitlement="licence:SPE_E3"),
        Write("disable", "nobody"),
        Write("update", "nobody", {"jobTitle": "x"}),
        Write("delete", "nobody"),
    ]

    answers = {writes.index(one.write): one for one in write(house, writes)}

    kinds = [a.outcome if isinstance(a.outcome, Outcome) else type(a.outcome) for _, a in sorted(answers.items())]
    assert kinds == [DONE, ALREADY, DONE, Refused, NeedsHuman, Refused, ALREADY, ALREADY, ALREADY, Refused, ALREADY]
    assert answers[1].id == id and answers[0].id not in ("", id)


def test_one_who_is_in_the_group_already_does_not_keep_the_others_out(house: House) -> None:
    ids = made(house, 20)
    house.app.grant(ids[7], "Staff")

    answers = write(house, [Write("grant", id, entitlement="Staff") for id in [*ids, "nobody"]])

    outcomes = {one.write.id: one.outcome for one in answers}
    assert outcomes.pop(ids[7]) == ALREADY and isinstance(outcomes.pop("nobody"), Refused)
    assert set(outcomes.values()) == {DONE} and house.members("Staff") == set(ids)


def test_licences_that_a_group_gives_are_counted_first(house: House) -> None:
    ids = made(house, 3)

    answers = write(house, [Write("grant", id, entitlement="Visio") for id in ids])

    refused = [one for one in answers if isinstance(one.outcome, Refused)]
    assert len(refused) == 2 and "VISIOCLIENT" in str(refused[0].outcome) and len(house.members("Visio")) == 1


def test_whoever_comes_back_in_a_cohort_gets_the_old_account(house: House) -> None:
    ids = made(house, 3)
    write(house, [Write("delete", id) for id in ids])

    again = write(house, [Write("create", attributes=person(n)) for n in range(5)])

    by_name = {one.write.attributes["userPrincipalName"]: one for one in again}
    assert {one.outcome for one in again} == {DONE} and len(house.twin.state()["users"]) == 5
    assert [by_name[person(n)["userPrincipalName"]].id for n in range(3)] == ids


def test_managers_of_a_cohort_may_be_of_the_cohort(house: House) -> None:
    house.app = house.again({"manager": "{manager_email}"})
    boss = person(0)["userPrincipalName"]

    answers = write(house, [Write("create", attributes=person(n) | {"manager": boss}) for n in range(3, 0, -1)])
    assert {type(one.outcome) for one in answers} == {Refused} and all(one.id for one in answers)
    answers = write(house, [Write("create", attributes=person(n) | ({"manager": boss} if n else {})) for n in range(6)])

    (chief,) = house.named(boss)
    others = [user for user in house.twin.state()["users"] if user["id"] != chief["id"]]
    assert {user["manager"] for user in others} == {chief["id"]} and {one.outcome for one in answers} == {DONE, ALREADY}

    house.twin.clear_log()
    gone = write(house, [Write("update", user["id"], {"manager": ""}) for user in others[:1]])
    again = write(house, [Write("update", user["id"], {"jobTitle": "x", "manager": boss}) for user in others])
    assert {one.outcome for one in (*gone, *again)} == {DONE} and Counter(house.lines())["POST /$batch"] == 2
    assert {house.user(user["id"])["manager"] for user in others} == {chief["id"]}


def test_managers_are_linked_though_replicas_lag(house: House) -> None:
    house.app = house.again({"manager": "{manager_email}"})
    house.app.create(person(0))
    house.twin.options(lag=0.5)
    boss = person(0)["userPrincipalName"]

    answers = write(house, [Write("create", attributes=person(n) | {"manager": boss}) for n in range(1, 4)])

    assert {one.outcome for one in answers} == {DONE}
    assert sum(user.get("manager") is not None for user in house.twin.state()["users"]) == 3


@pytest.mark.parametrize("kind", ["lost-answer", "500"])
def test_a_batch_that_was_not_answered_can_be_written_again(house: House, kind: str) -> None:
    house.app.check()
    house.twin.faults([{"match": "batch$", "kind": kind, "times": 1}])
    writes = [Write("create", attributes=person(n)) for n in range(3)]

    first = write(house, writes)
    second = write(house, writes)

    assert {type(one.outcome) for one in first} == ({Outcome} if kind == "lost-answer" else {Retryable})
    assert {one.outcome for one in second} == ({ALREADY} if kind == "lost-answer" else {DONE})
    assert len(house.twin.state()["users"]) == 3
