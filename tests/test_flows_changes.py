"""Movers, leavers, people who come back, and people who must go at once."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling
from sqlalchemy import delete, update
from sqlmodel import col, select

from flows.record import chain, evidence, history, holdings, tasks
from flows.record.tables import LinkRow, StepRow
from tests.stage import DOMAIN, Stage, find, message, one, until, upstream

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MOVER, LEAVER, SACKED = (f"{name}@{DOMAIN}" for name in ("ines.moura", "rui.prata", "vera.lobo"))


class Life:
    """Three people and what became of them, each stage played for all at once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.mover = stage.hire("Ines", "Moura", "Finance")
        self.leaver = stage.hire("Rui", "Prata", "Sales")
        self.sacked = stage.hire("Vera", "Lobo", "Sales", "Berlin")
        self.joining = self.play({p: "zero_touch_onboarding" for p in (self.mover, self.leaver, self.sacked)})
        self.before = stage.state()
        stage.move(self.mover, "Sales")
        stage.leave(self.leaver)
        for user in (LEAVER, LEAVER, SACKED):
            stage.twin("sso").sign_in(user)
        for name in ("bamboohr", "sso", "crm", "desk"):
            stage.twin(name).clear_log()
        self.changing = self.play({self.mover: "change_access", self.leaver: "offboard_user"})
        self.sacking = stage.rollcall("offboard", self.sacked, "--now")
        self.writes = stage.writes("sso", "crm", "desk")
        self.calls = {name: stage.twin(name).log() for name in ("bamboohr", "sso", "crm")}
        self.after = stage.state()

    def play(self, flows: dict[str, str]) -> dict[str, FlowRun]:
        started = {person: self.stage.start(flow, person_id=person) for person, flow in flows.items()}
        return {person: self.stage.end(run) for person, run in started.items()}

    def wrote(self, *ids: str) -> list[str]:
        """Writes whose paths name one of these accounts, in the order of their ends."""
        lines = [f"{w['method']} {w['path']}" for w in self.writes]
        return [line for line in lines if any(f"/{i}/" in f"{line}/" for i in ids)]


@pytest.fixture(scope="module")
def life(stage: Stage) -> Life:
    return Life(stage)


def test_a_mover_has_the_new_and_not_the_old(stage: Stage, life: Life) -> None:
    assert life.changing[life.mover].name == "move ines.moura"
    assert life.changing[life.mover].state_name == "Completed"
    assert stage.sales(MOVER)["roles"] == ["Sales Rep"]
    assert sorted(stage.user(MOVER)["groups"]) == ["All Staff", "Sales"]
    assert stage.user(MOVER)[ENTERPRISE]["department"] == "Sales"
    assert agent(stage, MOVER)["active"] is True


def test_a_mover_gets_the_new_before_the_old_goes(stage: Stage, life: Life) -> None:
    account = stage.sales(MOVER)["id"]
    roles = {row["name"]: row["id"] for row in stage.twin("crm").state()["roles"]}
    wrote = life.wrote(f"users/{account}")
    new, old = (f"/crm/api/v2/users/{account}/roles/{roles[name]}" for name in ("Sales Rep", "Finance Viewer"))
    assert wrote.index(f"PUT {new}") < wrote.index(f"DELETE {old}")
    groups = [w["path"].rpartition("/")[2] for w in life.writes if "/Groups/" in w["path"]]
    ids = {g["displayName"]: g["id"] for g in stage.twin("sso").state()["groups"]}
    found = stage.tasks(life.changing[life.mover])
    assert ids["Sales"] in groups
    assert str(found["sso: grant Sales"].end_time) < str(found["sso: revoke Finance"].start_time)


def test_a_mover_keeps_the_accounts(life: Life) -> None:
    for twin, table, key in (("sso", "users", "userName"), ("crm", "users", "email")):
        before, after = (find(state[twin][table], key, MOVER) for state in (life.before, life.after))
        assert before["id"] == after["id"]


def test_a_leaver_can_go_nowhere(stage: Stage, life: Life) -> None:
    user = find(life.after["sso"]["users"], "userName", LEAVER)
    assert life.changing[life.leaver].state_name == "Completed"
    assert (user["active"], user["groups"]) == (False, [])
    assert [s for s in life.after["sso"]["sessions"] if s["userId"] == user["id"]] == []
    assert find(life.after["crm"]["users"], "email", LEAVER) | {"status": "deactivated", "role_ids": []} == find(
        life.after["crm"]["users"], "email", LEAVER
    )
    assert find(life.after["desk"]["agents"], "login", LEAVER)["active"] is False
    assert holdings.access(stage.db, person_id=life.leaver).empty


def test_a_leaver_loses_the_sso_and_its_sessions_first(life: Life) -> None:
    sso, crm = (find(life.after[t]["users"], k, LEAVER)["id"] for t, k in (("sso", "userName"), ("crm", "email")))
    desk = find(life.after["desk"]["agents"], "login", LEAVER)["id"]
    wrote = life.wrote(sso, f"users/{crm}", f"agents/{desk}")
    assert wrote[0] == f"PATCH /sso/scim/v2/Users/{sso}"
    apps = [n for n, line in enumerate(wrote) if f"/users/{crm}" in line or f"/agents/{desk}" in line]
    assert len(apps) == 4
    assert wrote.index(f"DELETE /sso/api/v1/users/{sso}/sessions") < min(apps)


@pytest.mark.parametrize("who", [LEAVER, SACKED])
def test_no_other_app_is_read_before_the_sso_is_cut_off(life: Life, who: str) -> None:
    sso, crm = (find(life.after[t]["users"], k, who)["id"] for t, k in (("sso", "userName"), ("crm", "email")))
    asked = [float(line["time"]) for line in life.calls["crm"] if line["path"].endswith(f"/users/{crm}")]
    (cut,) = [line for line in life.calls["sso"] if line["path"].endswith(f"/users/{sso}/sessions")]
    assert float(cut["time"]) + float(cut["duration"]) <= min(asked)


def test_the_graph_shows_that_the_rest_waited_for_the_sso(stage: Stage, life: Life) -> None:
    found = stage.tasks(life.changing[life.leaver])
    first = found["sso: disable account"]
    assert upstream(first) == {found["read HR and the SSO"].id}
    assert first.id in upstream(found["read HR and apps, plan"])


def test_hr_is_asked_once_about_a_leaver(stage: Stage, life: Life) -> None:
    assert [line["path"].endswith(f"/employees/{life.leaver}") for line in life.calls["bamboohr"]].count(True) == 1


def test_somebody_who_must_go_at_once_goes_whatever_hr_says(stage: Stage, life: Life) -> None:
    user = find(life.after["sso"]["users"], "userName", SACKED)
    assert life.sacking.status == 0, life.sacking.all
    assert "offboard vera.lobo: Completed" in life.sacking.out
    assert (user["active"], user["groups"]) == (False, [])
    assert find(life.after["crm"]["users"], "email", SACKED)["status"] == "deactivated"
    assert stage.shown(life.sacked)["terminationDate"] is None


def test_a_badge_is_not_printed_for_somebody_who_is_gone(stage: Stage, life: Life) -> None:
    assert tasks.open_tasks(stage.db, life.sacked) == []
    asked = one(tasks.tasks_of_run(stage.db, str(life.joining[life.sacked].id)))
    waiting = stage.end(one(stage.runs(f"task:{asked.id}")))
    assert asked.state == "void"
    assert waiting.state and waiting.state.is_final()


def test_somebody_who_was_sent_away_does_not_come_back_by_a_run(stage: Stage, life: Life) -> None:
    before = stage.user(SACKED)
    stage.edit(life.sacked, jobTitle="Senior Clerk")
    run = stage.play("zero_touch_onboarding", person_id=life.sacked)
    assert run.state_name == "Completed"
    assert stage.user(SACKED) == before
    assert "offboarded at once" in stage.artifact(run)


def test_an_offboarding_without_now_leaves_those_alone_who_work_here(stage: Stage, life: Life) -> None:
    before = stage.user(MOVER)
    run = stage.play("offboard_user", person_id=life.mover)
    assert run.state_name == "Failed"
    assert message(run).startswith(f"HR counts ines.moura ({life.mover}) as working here. Nothing was changed.")
    assert stage.user(MOVER) == before


def test_somebody_who_comes_back_has_the_same_accounts_again(stage: Stage, life: Life) -> None:
    stage.come_back(life.leaver)
    run = stage.play("zero_touch_onboarding", person_id=life.leaver)
    user, sales = stage.user(LEAVER), stage.sales(LEAVER)
    assert run.state_name == "Completed"
    assert (user["active"], sorted(user["groups"])) == (True, ["All Staff", "Sales"])
    assert user["id"] == find(life.before["sso"]["users"], "userName", LEAVER)["id"]
    assert (sales["status"], sales["roles"]) == ("active", ["Sales Rep"])
    assert sales["id"] == find(life.before["crm"]["users"], "email", LEAVER)["id"]
    assert agent(stage, LEAVER)["active"] is True
    assert ": rehire" in stage.artifact(run)


def test_what_a_run_did_before_it_was_ended_is_proved_by_the_next(stage: Stage, life: Life) -> None:
    person, email = stage.hire("Gil", "Reis", "Sales"), f"gil.reis@{DOMAIN}"
    stage.play("zero_touch_onboarding", person_id=person)
    stage.leave(person)
    before = proofs(stage, person)
    hangs = f"GET /crm/api/v2/users/{stage.sales(email)['id']}"
    stage.twin("crm").faults([{"match": hangs, "kind": "timeout", "seconds": 20}])
    first = stage.start("offboard_user", person_id=person)
    until(lambda: "sso: end sessions" in stage.task_names(first), "the SSO account was ended")
    stage.client.set_flow_run_state(first.id, Cancelling(), force=True)
    first = stage.end(first)
    stage.twin("crm").faults([])
    assert (first.state_name, stage.user(email)["active"], stage.sales(email)["status"]) == (
        "Cancelled",
        False,
        "active",
    )
    ended = stage.play("offboard_user", person_id=person)
    assert (ended.state_name, stage.sales(email)["status"]) == ("Completed", "deactivated")
    (proof,) = proofs(stage, person)[len(before) :]
    tried = {step.step_id for run in (first, ended) for step in history.steps(stage.db, str(run.id))}
    assert "sso disable account" in tried
    assert {step["id"] for step in proof["steps"]} == tried


def test_an_account_that_a_killed_run_made_is_known_to_be_its_before_it_is_disabled(stage: Stage) -> None:
    person = stage.hire("Ada", "Sousa", "Sales")
    run = stage.play("zero_touch_onboarding", person_id=person)
    made = (col(StepRow.run_id) == str(run.id), col(StepRow.step_id) == "sso create account")
    with stage.db.writing() as session:  # as a kill leaves it between the call and the note of its outcome
        session.execute(update(StepRow).where(*made).values(outcome=None, finished_at=None, after=None))
        session.execute(delete(LinkRow).where(col(LinkRow.person_id) == person, col(LinkRow.app) == "sso"))
    stage.leave(person)
    assert stage.play("offboard_user", person_id=person).state_name == "Completed"
    with stage.db.session() as session:
        assert session.exec(select(StepRow.outcome).where(*made)).one() == "done"


def proofs(stage: Stage, person: str) -> list[dict[str, Any]]:
    """The bodies of a person's packets."""
    bodies = [chain.payload_of(envelope)["body"] for envelope in evidence.packets(stage.db)]
    return [body for body in bodies if body["hr_event"]["person_id"] == person]


def agent(stage: Stage, login: str) -> dict[str, Any]:
    """The desk's agent; {} where there is none."""
    return find(stage.twin("desk").state()["agents"], "login", login)
