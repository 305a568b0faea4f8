"""A stage whose finance people need their boss's yes for the CRM; and what somebody does in the Prefect UI."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect
from prefect.client.schemas.objects import FlowRun

from connectors.sandbox import Sandbox
from flows.record import approvals, chain, evidence
from flows.record.decided import ApprovalRow
from flows.settings import Settings
from flows.stack import Stack, healthy
from tests.drills.engine import free_port
from tests.stage import TWINS, Stage, empty_the_house, one, until, without_schedules

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"
BOSS = "cfo@juniperfinch.example"


def gated_mappings(folder: Path) -> Path:
    """The sample company, where what the Finance Playbook gives must be approved."""
    copy = folder / "mappings"
    shutil.copytree(SAMPLE, copy)
    playbook = copy / "playbooks" / "finance.yaml"
    playbook.write_text(playbook.read_text() + f"approver: {BOSS}\n")
    return copy


@contextmanager
def gated_stage(folder: Path, **variables: str) -> Iterator[Stage]:
    """A sandbox and a stack of their own with these mappings, and further variables."""
    with Sandbox() as sandbox:
        for name in TWINS:
            sandbox.control(name).limits(100_000)
        settings = Settings(home=folder / "home", mappings=gated_mappings(folder), prefect_port=free_port())
        yaml = without_schedules(folder)
        with Stack(settings, prefect_yaml=yaml, extra=sandbox.environment | variables) as stack:
            stage = Stage(sandbox, stack, folder)
            try:
                empty_the_house(stage)
                yield stage
            finally:
                stage.close()


def restart(stage: Stage) -> None:
    """Stop server and worker, and start them again."""
    stage.stack.stop_worker()
    stage.stack.stop_server()
    stage.stack.start_server()
    stage.stack.start_worker()
    until(lambda: healthy(stage.settings.api_url), "the server answers again")


def asked(stage: Stage, person: str) -> ApprovalRow:
    """The one open question about a person."""
    return one(approvals.open_ones(stage.db, person))


def answer_in_ui(stage: Stage, page: Page, run: FlowRun, decision: str, reason: str, by: str) -> None:
    """Open the run's page, press Resume, fill in the form and send it."""
    page.goto(f"{stage.settings.ui_url}/runs/flow-run/{run.id}")
    page.get_by_role("button", name="Resume", exact=True).first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_text("if it changes meanwhile, you are asked again")).to_be_visible()
    field(form, "Decision").locator("button.p-select-button__control").press("ArrowDown")
    page.get_by_role("option", name=decision, exact=True).click()
    field(form, "Reason").locator("textarea").fill(reason)
    field(form, "By").locator("textarea").fill(by)
    form.get_by_role("button", name="Submit").click()
    expect(form).to_be_hidden()


def gone_on(stage: Stage, run: FlowRun) -> FlowRun:
    """The run once it has ended, or waits for another answer than `run` did."""

    def over() -> FlowRun | None:
        found = stage.client.read_flow_run(run.id)
        new = found.state and run.state and found.state.id != run.state.id
        return found if new and found.state and (found.state.is_final() or found.state.is_paused()) else None

    return until(over, f"{run.name} has gone on")


def field(form: Locator, label: str) -> Locator:
    """A field of the form, by the label above it."""
    label_of_it = form.page.locator(".schema-form-property__label", has_text=re.compile(f"^{label}$"))
    return form.locator(".schema-form-property", has=label_of_it)


def approvals_in_evidence(stage: Stage, run: FlowRun) -> list[dict[str, Any]]:
    """The approvals in the run's packets, the oldest packet first."""
    packets = [chain.payload_of(p.envelope) for p in evidence.packets_of(stage.db, str(run.id))]
    return [each for packet in packets for each in packet["body"]["approvals"]]
