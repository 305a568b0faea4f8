"""`rollcall plan` shows everything and changes nothing: not at the vendors, not in the record, not on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mappings.plan import Step
from tests.stage import DOMAIN, Stage, days_ago, find, rollcall


@pytest.fixture(scope="module")
def people(stage: Stage) -> dict[str, str]:
    """One who holds something already and is about to move, and one who is new and has no address."""
    holder = stage.hire("Olga", "Renn", "Finance")
    stage.play("zero_touch_onboarding", person_id=holder)
    stage.move(holder, "Sales")
    return {"holder": holder, "new": stage.hire("Pia", "Quist", "Sales", "Berlin", workEmail="")}


def everything(stage: Stage) -> dict[str, Any]:
    """All that a plan could have changed."""
    runs = {str(run.id): (run.name, run.state_name, run.run_count) for run in stage.runs()}
    return {"twins": stage.state(), "record": stage.record(), "files": stage.files(), "runs": runs}


@pytest.mark.parametrize("words", [["--json"], ["--on", days_ago(-30).isoformat()], ["--on", "2024-02-01", "--json"]])
def test_a_plan_changes_nothing_anywhere(stage: Stage, people: dict[str, str], words: list[str]) -> None:
    before, writes = everything(stage), stage.writes()
    told = stage.rollcall("plan", *words)
    assert told.status == 0, told.all
    assert people["new"] in told.out
    assert everything(stage) == before
    assert stage.writes() == writes


def test_the_json_has_every_step_with_its_reason(stage: Stage, people: dict[str, str]) -> None:
    told = json.loads(stage.rollcall("plan", "--json").out)
    new = find(told["people"], "person_id", people["new"])
    steps = {s.id: s for s in map(Step.model_validate, new["steps"])}
    assert set(told) == {"on", "people", "held"}
    assert (new["kind"], new["user_name"], len(new["hash"])) == ("joiner", "pia.quist", 64)
    assert list(steps) == [
        "hr assign e-mail",
        "sso create account",
        "sso grant All Staff",
        "sso grant Sales",
        "badges create account",
        "crm create account",
        "desk create account",
        "crm grant Sales Rep",
        "desk grant Support",
    ]
    assert steps["crm grant Sales Rep"].why == "Sales Onboarding Playbook: department = Sales"
    assert steps["sso create account"].attributes["userName"] == f"pia.quist@{DOMAIN}"


def test_a_mover_is_shown_with_what_goes(stage: Stage, people: dict[str, str]) -> None:
    told = stage.rollcall("plan", people["holder"])
    assert f"olga.renn ({people['holder']}): mover, active" in told.out
    assert "+ crm grant Sales Rep   Sales Onboarding Playbook: department = Sales" in told.out
    assert "- crm revoke Finance Viewer   no rule gives it any more; it came by Finance Playbook" in told.out
    assert told.out.rstrip().endswith("Nothing was changed.")


def test_a_date_before_the_first_day_shows_nobody(stage: Stage, people: dict[str, str]) -> None:
    told = stage.rollcall("plan", people["new"], "--on", "2023-12-31", "--json")
    assert find(json.loads(told.out)["people"], "person_id", people["new"])["steps"] == []


def test_the_plan_is_what_the_run_then_does(stage: Stage, people: dict[str, str]) -> None:
    planned = json.loads(stage.rollcall("plan", people["new"], "--json").out)["people"][0]
    stage.play("zero_touch_onboarding", person_id=people["new"])
    done = [row for row in stage.record()["plan"] if people["new"] in row]
    assert planned["hash"] in str(done)


def test_a_plan_on_a_fresh_machine_makes_no_file(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    own = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "ROLLCALL_HOME": str(tmp_path / "rollcall")}
    environment = stage.environment | own
    before = stage.state()
    told = rollcall("plan", "--json", folder=tmp_path, environment=environment)
    assert told.status == 0, told.all
    assert find(json.loads(told.out)["people"], "person_id", "101")["kind"] in ("joiner", "changed")
    assert list(tmp_path.rglob("*")) == [tmp_path / "tmp"]
    assert stage.state() == before
