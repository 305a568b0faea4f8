"""A working life at Microsoft 365, by the functions that the flows are made of, while Entra's replicas lag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.sandbox import Sandbox, TwinControl
from flows import presets
from tests.lives import Lives, edit, mappings

JOINED, MOVED, LEFT = (date(2026, 3, day) for day in (2, 9, 13))
DELETED, BACK = date(2030, 3, 1), date(2030, 3, 4)  # the account was disabled when the test ran, not in its story


@pytest.fixture
def twin(sandbox: Sandbox) -> TwinControl:
    twin = sandbox.control("entra")
    twin.reset()
    twin.faults([])
    return twin


@pytest.fixture
def lives(sandbox: Sandbox, twin: TwinControl, tmp_path: Path) -> Iterator[Lives]:
    """A company whose only app is Microsoft 365, by the preset with the manager and a deletion after three days."""
    folder = mappings(tmp_path)
    for old in [*folder.glob("apps/*.yaml"), *folder.glob("playbooks/*.yaml")]:
        old.unlink()
    (folder / "apps" / "entra.yaml").write_text(presets.text("entra"))
    rules = YAML().load(presets.text("entra"))
    edit(
        folder,
        "apps/entra.yaml",
        attributes=dict(rules["attributes"]) | {"manager": "{manager_email}"},
        leaving={"hand_over": "manager", "delete_after_days": 3},
    )
    playbooks: dict[str, Any] = {
        "everyone": {"title": "Everyone", "give": ["entra", "entra:Staff"]},
        "sales": {"title": "Sales", "who": {"department": "Sales"}, "give": ["entra:Sales Team"]},
        "office": {"title": "Office", "who": {"department": "Finance"}, "give": ["entra:Microsoft 365 E3"]},
    }
    for name, content in playbooks.items():
        with (folder / "playbooks" / f"{name}.yaml").open("w") as file:
            YAML().dump(content, file)
    yield Lives(sandbox, tmp_path, folder)


def test_joins_moves_leaves_and_comes_back_to_the_old_account(lives: Lives, twin: TwinControl) -> None:
    boss = lives.hire("1", "Olga", "Finch", manager="")
    ines = lives.hire("7", "Ines", "Duarte", JOINED)
    lives.write()
    assert lives.run("zero_touch_onboarding", "1", JOINED).good
    twin.options(lag=0.5)

    joined = lives.run("zero_touch_onboarding", "7", JOINED)

    account = user(twin, ines)
    assert joined.good and account["accountEnabled"] and account["employeeId"] == "7"
    assert account["manager"] == user(twin, boss)["id"] and groups(twin, ines) == {"Staff", "Sales Team"}

    lives.say("7", department="Finance")
    lives.write()
    moved = lives.run("change_access", "7", MOVED)

    assert moved.good and groups(twin, ines) == {"Staff", "Microsoft 365 E3"}
    assert user(twin, ines)["department"] == "Finance" and len(user(twin, ines)["assignedLicenses"]) == 1

    twin.sign_in(ines)
    twin.give("groups", ines, {"displayName": "Tea Tasters", "groupTypes": ["Unified"]})
    twin.give("oauth2PermissionGrants", ines, {"clientId": "00000000-0000-4000-8000-0000000000aa"})
    lives.say("7", last="2026-03-12")
    lives.write()
    left = lives.run("offboard_user", "7", LEFT)

    state = twin.state()
    owners = {row["user"] for row in state["owners"]}
    assert left.good and not user(twin, ines)["accountEnabled"]
    assert state["sessions"] == state["oauth2PermissionGrants"] == [] and owners == {user(twin, boss)["id"]}

    assert lives.run("offboard_user", "7", DELETED).good
    assert [row["id"] for row in twin.state()["deleted"]] == [account["id"]]

    lives.say("7", start=str(BACK), last="", department="Sales", title="Consultant")
    lives.write()
    back = lives.run("zero_touch_onboarding", "7", BACK)

    again = user(twin, ines)
    assert back.good and again["id"] == account["id"] and again["accountEnabled"]
    assert again["jobTitle"] == "Consultant" and {"Staff", "Sales Team"} <= groups(twin, ines)


def user(twin: TwinControl, name: str) -> dict[str, Any]:
    """The account with this name, read at the twin's own door."""
    return next(row for row in twin.state()["users"] if row["userPrincipalName"] == name)


def groups(twin: TwinControl, name: str) -> set[str]:
    """Names of the groups it is in."""
    state, id = twin.state(), user(twin, name)["id"]
    names = {group["id"]: group["displayName"] for group in state["groups"]}
    return {names[row["group"]] for row in state["members"] if row["user"] == id}
