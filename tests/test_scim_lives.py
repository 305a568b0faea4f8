"""A working life at all SCIM vendors at once, by the ready files as a company copies them: what disabling destroys is
treated as deleted, what it only puts to sleep comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox import Sandbox
from flows import presets
from flows.record import holds
from tests.lives import Lives, company, edit

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
WIDE = {"count": 200, "percent": 100}
INES = "ines.duarte@juniperfinch.example"
SLEEP = ("slack_scim", "atlassian", "aws_identity_center", "zoom_scim", "datadog_scim", "github_emu")
DESTROY = ("pagerduty_scim", "notion", "github_org_scim", "sentry")
GROUPED = {name: "Staff" for name in (*SLEEP[:4], "github_emu", "notion")} | {"sentry": "engineering"}
Seen = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    """A company that uses all of them, each with its group where it has groups."""
    limits = {"trust": dict.fromkeys(("vanished", "leavers", "emptied", "changed", "identity", "held", "new"), WIDE)}
    limits["blast_radius"] = dict.fromkeys(("leavers", "disables", "deletes", "removals", "changes"), WIDE)
    for name in (*SLEEP, *DESTROY):
        sandbox.control(name).reset()
        sandbox.control(name).limits(100_000)
    with company(sandbox, tmp_path, **limits) as made:
        folder = made.site.rules.folder
        for name in (*SLEEP, *DESTROY):
            (folder / "apps" / f"{name}.yaml").write_text(presets.text(name), encoding="utf-8")
            edit(folder, f"apps/{name}.yaml", limits=[])
        given = [*SLEEP, *DESTROY, *(f"{name}:{group}" for name, group in GROUPED.items())]
        edit(folder, "playbooks/everyone.yaml", give=["sso", *given])
        made.reload()
        made.hire("7", "Ines", "Duarte")
        yield made


def seen(lives: Lives) -> Seen:
    """Vendor -> Ines's account there with the names of the groups; without those who have none of her."""
    found = Seen()
    for name in (*SLEEP, *DESTROY):
        for user in lives.state(name)["users"]:
            if user["userName"] in (INES, INES.partition("@")[0]):
                found[name] = user
    return found


def active(lives: Lives) -> set[str]:
    return {name for name, user in seen(lives).items() if user["active"]}


def test_a_life_at_every_vendor(lives: Lives) -> None:
    ended = lives.sync(NOON)
    joined = seen(lives)
    assert all(each.good for each in ended), [each.message for each in ended]
    assert set(joined) == active(lives) == {*SLEEP, *DESTROY}
    assert {name: user["groups"] for name, user in joined.items() if user["groups"]} == {
        name: [group] for name, group in GROUPED.items()
    }

    lives.say("7", title="Head of Tea", family="Falk")
    lives.sync(NOON + timedelta(days=1))
    assert seen(lives)["slack_scim"]["title"] == "Head of Tea" and seen(lives)["atlassian"]["title"] == "Head of Tea"
    assert seen(lives)["aws_identity_center"]["name"]["familyName"] == "Falk"

    lives.say("7", last="2026-11-05")
    left = lives.sync(NOON + timedelta(days=4))
    assert [each.good for each in left] == [True], [each.message for each in left]
    assert set(seen(lives)) == set(SLEEP) and active(lives) == set()
    assert not any(user["groups"] for user in seen(lives).values())

    lives.say("7", last="", start="2026-11-09")
    back = lives.sync(NOON + timedelta(days=8))
    again = seen(lives)
    assert all(each.good for each in back), [each.message for each in back]
    assert active(lives) == {*SLEEP, *DESTROY}
    assert {name for name in again if again[name]["id"] == joined[name]["id"]} == set(SLEEP)


def test_what_disabling_would_destroy_stays_under_a_legal_hold(lives: Lives) -> None:
    lives.sync(NOON)
    holds.place(lives.site.db, "7", holds.LEGAL, "legal hold: case 12")

    lives.say("7", last="2026-11-03")
    lives.sync(NOON + timedelta(days=2))

    assert active(lives) == set(DESTROY) and set(seen(lives)) == {*SLEEP, *DESTROY}


def test_the_ready_files_say_which_vendors_destroy() -> None:
    found = {name for name in (*SLEEP, *DESTROY) if presets.rules(name).leaving.disable_deletes}

    assert found == set(DESTROY)
