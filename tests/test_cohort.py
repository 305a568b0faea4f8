"""Many people in one run: who is in line afterwards, who is named, and what is signed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pandas as pd
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from sandbox_clients import clients, scim_user

from flows import due
from flows.record import chain, evidence
from tests.stage import DOMAIN, Stage, message

NAMES = ("Ada", "Ben", "Cleo", "Dirk", "Elsa", "Finn", "Gwen", "Hugo")


def address(given: str) -> str:
    return f"{given}.cohort@{DOMAIN}".lower()


@dataclass
class Cohort:
    """Twelve people: eight join, one moves, one leaves, one waits for an approval, one cannot be served."""

    run: FlowRun
    joiners: list[str]
    mover: str
    leaver: str
    waiting: str
    refused: str


def gated(stage: Stage, folder: Path) -> Path:
    """The stage's rules, but what Finance gets needs an approval."""
    copy = folder / "mappings"
    shutil.copytree(stage.settings.mappings_folder, copy)
    with (copy / "playbooks" / "finance.yaml").open("a") as file:
        file.write("\napprover: cfo@juniperfinch.example\n")
    return copy


@pytest.fixture(scope="module")
def cohort(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    joiners = [stage.hire(name, "Cohort", "Sales") for name in NAMES]
    mover, leaver, waiting, refused = (stage.hire(n, "Cohort", "Sales") for n in ("Mia", "Lou", "Walt", "Rex"))
    for person in (mover, leaver):
        stage.play("zero_touch_onboarding", person_id=person)
    stage.move(mover, "Finance")
    stage.leave(leaver)
    stage.move(waiting, "Finance")
    with clients(stage.sandbox) as web:  # somebody else has Rex's address at the SSO
        enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        body = scim_user("rex.cohort") | {"externalId": "4711", enterprise: {"employeeNumber": "4711"}}
        other = web["sso"].post("/Users", json=body).raise_for_status().json()["id"]
    verbs = dict.fromkeys(joiners, "onboard") | {
        mover: "move",
        leaver: "offboard",
        waiting: "onboard",
        refused: "onboard",
    }
    rules = gated(stage, tmp_path_factory.mktemp("cohort"))
    alone = stage.start("offboard_user", person_id=leaver)  # the leaver has a run of their own under way
    run = stage.end(stage.start("cohort", {"ROLLCALL_MAPPINGS": str(rules)}, people=verbs))
    stage.end(alone)
    yield Cohort(run, joiners, mover, leaver, waiting, refused)
    with clients(stage.sandbox) as web:  # for the tests after these: Rex is served at last
        web["sso"].delete(f"/Users/{other}").raise_for_status()
    stage.play("zero_touch_onboarding", person_id=refused)


def test_the_state_says_how_many_and_names_who_is_not_in_line(cohort: Cohort) -> None:
    told = message(cohort.run)

    assert cohort.run.state_name == "Failed", told
    assert f"Not in line: {cohort.refused};" in told and "2 Waits for approval" in told
    assert not [person for person in cohort.joiners if f" {person}" in told.partition("Not in line")[2]]


def test_the_others_have_what_they_should(stage: Stage, cohort: Cohort) -> None:
    for name in NAMES:
        assert stage.user(address(name))["active"] and stage.sales(address(name))["roles"] == ["Sales Rep"]
    assert stage.user(address("Lou"))["active"] is False
    assert stage.sales(address("Lou"))["status"] == "deactivated"


def test_what_needs_an_approval_is_left_and_the_rest_is_done(stage: Stage, cohort: Cohort) -> None:
    assert "Finance" in stage.user(address("Walt"))["groups"]
    assert stage.sales(address("Walt")) == {}


def test_what_is_somebody_elses_was_not_touched(stage: Stage, cohort: Cohort) -> None:
    assert stage.user(address("Rex"))["externalId"] == "4711" and stage.sales(address("Rex")) == {}


def test_everybody_has_a_signed_packet(stage: Stage, cohort: Cohort, tmp_path: Path) -> None:
    packets = [chain.payload_of(row.envelope) for row in evidence.packets_of(stage.db, str(cohort.run.id))]
    signed = {str(person) for person in (*cohort.joiners, cohort.mover, cohort.waiting, cohort.refused)}
    told = stage.rollcall("evidence", "export", str(tmp_path / "out"))

    assert {who for who in signed if who in str(packets)} == signed
    assert {person_of(packet) for packet in packets} >= signed
    assert told.status == 0 and stage.rollcall("evidence", "verify", str(tmp_path / "out")).status == 0


def test_nobodys_packet_tells_of_others(stage: Stage, cohort: Cohort) -> None:
    bodies = [chain.payload_of(row.envelope)["body"] for row in evidence.packets_of(stage.db, str(cohort.run.id))]
    made = {b["hr_event"]["person_id"]: [step["id"] for step in b["steps"]].count("sso create account") for b in bodies}

    assert [made[person] for person in cohort.joiners] == [1] * len(cohort.joiners)


def person_of(packet: dict[str, object]) -> str:
    """Whom a packet is about, wherever the chain puts its body."""
    if isinstance(event := packet.get("hr_event"), dict):
        return str(event["person_id"])
    return next(person_of(part) for part in packet.values() if isinstance(part, dict) and "hr_event" in part)


def test_very_many_share_a_run_and_leavers_never_do(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "COHORT_FROM", 3)
    joiners = [stage.hire(name, "Together", "Sales") for name in ("Ina", "Jon", "Kai")]
    leaver = stage.hire("Leo", "Together", "Sales")
    stage.play("zero_touch_onboarding", person_id=leaver)
    stage.leave(leaver)
    rows = [(leaver, "offboard_user", "leo"), *((p, "zero_touch_onboarding", "x") for p in joiners)]
    who = pd.DataFrame(rows, columns=["person_id", "flow", "user_name"])
    once = str(uuid4())

    with temporary_settings({PREFECT_API_URL: stage.settings.api_url}):
        started = asyncio.run(due.start(who, None, "a test", once=once))
        again = asyncio.run(due.start(who, None, "a test", once=once))

    runs = {each.person_id: each.run_id for each in started}
    assert len({runs[p] for p in joiners}) == 1 and runs[leaver] not in (None, runs[joiners[0]])
    assert {each.run_id for each in again} <= {None, *runs.values()}
    together = stage.end(stage.client.read_flow_run(UUID(str(runs[joiners[0]]))))
    assert (together.name, together.state_name) == ("3 people together", "Completed")
    assert stage.user(f"ina.together@{DOMAIN}")["active"]
    assert stage.end(stage.client.read_flow_run(UUID(str(runs[leaver])))).state_name == "Completed"
    assert stage.user(f"leo.together@{DOMAIN}")["active"] is False
