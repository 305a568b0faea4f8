"""The blast radius: who waits for a human when a sync would take too much away, and what the human is shown."""

from __future__ import annotations

import pandas as pd
import pytest

from mappings.policies import BlastRadius
from mappings.radius import Impact, effects, impact, weigh

LIMITS = BlastRadius()
APPS = [("sso", ""), ("sso", "Staff"), ("crm", ""), ("crm", "Seller")]


def due(*people: tuple[str, str]) -> pd.DataFrame:
    rows = [(key, flow, f"user.{key}") for key, flow in people]
    return pd.DataFrame(rows, columns=["person_id", "flow", "user_name"])


def grants(people: list[str], apps: list[tuple[str, str]]) -> pd.DataFrame:
    rows = [(key, app, name) for key in people for app, name in apps]
    return pd.DataFrame(rows, columns=["person_id", "app", "entitlement"], dtype="string")


def leavers(number: int) -> pd.DataFrame:
    return due(*((f"{n:05}", "offboard_user") for n in range(number)))


def movers(number: int, first: int = 50_000) -> pd.DataFrame:
    return due(*((str(first + n), "change_access") for n in range(number)))


def weighed(who: pd.DataFrame, wanted: pd.DataFrame, of: int, limits: BlastRadius = LIMITS) -> Impact:
    ids = who["person_id"].tolist()
    return weigh(who, effects(who, wanted, grants(ids, APPS)), of, limits, "r" * 64)


def test_each_kind_of_effect_is_told_apart() -> None:
    who = due(("1", "offboard_user"), ("2", "change_access"), ("3", "change_access"), ("4", "change_access"))
    wanted = pd.concat([grants(["2"], APPS[:2]), grants(["3"], [*APPS[:3], ("crm", "Lead")]), grants(["4"], APPS)])
    found = effects(who, wanted, grants(["1", "2", "3", "4", "5"], APPS), final=["crm"])
    assert sorted(map(tuple, found.to_numpy().tolist())) == [
        ("1", "deletes", "crm account"),
        ("1", "leavers", "leaves"),
        ("2", "deletes", "crm account"),
        ("2", "disables", "crm account"),
        ("3", "removals", "crm:Seller"),
        ("4", "changes", "attributes"),
    ]


@pytest.mark.parametrize(("of", "most"), [(20, 3), (300, 9), (20_000, 600)])
def test_leavers_beyond_the_limit_all_wait_and_the_rest_go_on(of: int, most: int) -> None:
    rest = pd.concat([movers(1), due(("90000", "zero_touch_onboarding"))])
    within = weighed(pd.concat([leavers(most), rest]), grants(["50000"], APPS), of)
    beyond = weighed(pd.concat([leavers(most + 1), rest]), grants(["50000"], APPS), of)
    assert (len(within.who), within.title, within.hash) == (0, "", "")
    assert set(beyond.who["person_id"]) == set(leavers(most + 1)["person_id"])
    assert beyond.title == f"{most + 1} people would lose everything (limit {most})"


def test_people_who_lose_an_account_and_stay_wait_too() -> None:
    who = movers(4)
    found = weighed(who, grants(who["person_id"].tolist(), APPS[:2]), 20)
    assert len(found.who) == 4
    assert found.title == "4 people would lose an account (limit 3)"


def test_a_monday_waits_for_nobody() -> None:
    for size in (20, 300, 20_000):
        gone, moving = leavers(max(1, size // 50)), movers(size // 20)
        who = pd.concat([gone, moving, due(*((f"n{n}", "zero_touch_onboarding") for n in range(size * 3 // 100)))])
        wanted = grants(moving["person_id"].tolist(), [*APPS[:3], ("crm", "Lead")])
        assert weighed(who, wanted, size).hash == ""


def test_the_yearly_promotions_wait_for_nobody() -> None:
    who = movers(120)
    assert weighed(who, grants(who["person_id"].tolist(), APPS), 300).hash == ""
    assert weighed(movers(151), grants(movers(151)["person_id"].tolist(), APPS), 300).title == (
        "151 people would get other attributes (limit 150)"
    )


def test_the_table_is_short_and_the_totals_are_whole() -> None:
    found = weighed(leavers(700), grants([], APPS), 300)
    lines = found.body.splitlines()
    assert "- 700 lose everything" in lines
    assert "| 00049 | user.00049 | offboard_user | leaves |" in lines
    assert not any("00050" in line for line in lines)
    assert "… and 650 people more." in lines
    assert len(found.body) < 5000


def test_the_hash_is_of_exactly_this() -> None:
    who, of = leavers(5), 20
    found = effects(who, grants([], APPS), grants(who["person_id"].tolist(), APPS))
    first = weigh(who, found, of, LIMITS, "r" * 64)
    shuffled = weigh(who.iloc[::-1], found.iloc[::-1], of, LIMITS, "r" * 64)
    again = impact(who, found, "r" * 64, "another title")
    assert first.hash == shuffled.hash == again.hash
    fewer, other = impact(who.head(4), found, "r" * 64, ""), impact(who, found, "s" * 64, "")
    more = impact(who, pd.concat([found, found.head(1).assign(what="crm account")]), "r" * 64, "")
    flow = impact(who.assign(flow="change_access"), found, "r" * 64, "")
    assert len({first.hash, fewer.hash, other.hash, more.hash, flow.hash}) == 5


def test_cells_cannot_break_the_table() -> None:
    who = leavers(1).assign(user_name="a|b\n<script>")
    assert "| a\\|b &lt;script> |" in impact(who, effects(who, grants([], APPS), grants([], APPS)), "", "t").body


def test_nobody_due_is_nobody_waiting() -> None:
    assert weighed(due(), grants([], APPS), 0).who.empty
