"""What somebody sees in the Prefect UI of an onboarding run, in a real browser; screenshots go to tests/pictures."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Error, Page, Playwright, expect, sync_playwright

from tests.stage import TWINS, Stage

PICTURES = Path(os.environ.get("ROLLCALL_PICTURES", Path(__file__).parents[1] / ".rollcall" / "pictures"))
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SOFTWARE_GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


def start_browser(playwright: Playwright) -> Any:
    """The system's Chromium or Chrome, else Playwright's own; skipped where there is none."""
    system = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        return playwright.chromium.launch(executable_path=system, args=[*QUIET, *SOFTWARE_GL])
    except Error as error:
        pytest.skip(f"no Chromium to look with ({error.message.splitlines()[0]}); `playwright install chromium`")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = start_browser(playwright)
        yield browser.new_page(viewport={"width": 1500, "height": 1150}, color_scheme="light")
        browser.close()


@pytest.fixture(scope="module")
def onboarded(stage: Stage) -> Any:
    for name in TWINS:
        stage.twin(name).faults([])
        stage.twin(name).latency(100)  # so that the layers stand apart on the graph's axis of time
    person = stage.hire("Pippa", "Pictured", "Sales", "Berlin")
    run = stage.play("zero_touch_onboarding", person_id=person)
    stage.tasks(run)
    for name in TWINS:
        stage.twin(name).latency(0)
    return run


def layers_of(stage: Stage, run: Any) -> dict[str, set[str]]:
    """Task -> names of all tasks before it, from the graph that the UI draws."""
    graph = httpx.get(f"{stage.settings.api_url}/flow_runs/{run.id}/graph-v2").raise_for_status().json()
    nodes = {key: node for key, node in graph["nodes"]}
    names = {key: node["label"] for key, node in nodes.items()}

    def before(key: str) -> set[str]:
        parents = {p["id"] for p in nodes[key]["parents"]}
        return {names[p] for p in parents}.union(*(before(p) for p in parents))

    return {names[key]: before(key) for key in nodes}


def test_the_graph_that_the_ui_draws_has_three_layers(stage: Stage, onboarded: Any) -> None:
    before = layers_of(stage, onboarded)

    assert before["sso: create account"] == {"read HR and apps, plan"}
    assert "sso: create account" in before["sso: grant Sales"]
    assert {"sso: create account", "sso: grant All Staff", "sso: grant Sales"} <= before["crm: create account"]
    assert "crm: create account" in before["crm: grant Sales Rep"]
    assert {"crm: grant Sales Rep", "badges: create account"} <= before["verify"]
    assert "verify" in before["evidence"]


def test_the_run_page_shows_name_state_tasks_and_graph(stage: Stage, onboarded: Any, page: Page) -> None:
    page.goto(f"{stage.settings.ui_url}/runs/flow-run/{onboarded.id}")

    expect(page.get_by_text("onboard pippa.pictured").first).to_be_visible()
    expect(page.get_by_text("Completed with open tasks").first).to_be_visible()
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    page.get_by_text("Task Runs", exact=True).first.click()
    for name in ("sso: create account", "sso: grant Sales", "crm: create account"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    picture(page, "onboarding-run")
    assert colours(canvas.screenshot()) > 8, "the graph's canvas is blank"


def test_the_artifact_page_shows_plan_reasons_and_what_is_open(stage: Stage, onboarded: Any, page: Page) -> None:
    page.goto(f"{stage.settings.ui_url}/runs/flow-run/{onboarded.id}")
    page.get_by_text("Artifacts", exact=True).last.click()
    page.get_by_text(re.compile("person-")).first.click()

    expect(page.get_by_role("heading", name="Planned and done")).to_be_visible()
    expect(page.get_by_text("Sales Onboarding Playbook", exact=False).first).to_be_visible()
    expect(page.get_by_text("crm create account").first).to_be_visible()
    expect(page.get_by_role("heading", name="Open", exact=True)).to_be_visible()
    expect(page.get_by_text("Badge Office: create account for pippa.pictured").first).to_be_visible()
    picture(page, "onboarding-artifact")


def picture(page: Page, name: str) -> None:
    """Keep a screenshot."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def colours(png: bytes) -> int:
    """How many different colours a picture has."""
    from io import BytesIO

    from PIL import Image

    found = Image.open(BytesIO(png)).convert("RGB").getcolors(1 << 24)
    return len(found or [])
