"""From a recording to steps. The lines are what Playwright 1.65's recorder wrote for a page made for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from connectors.browser_recording import Recording
from connectors.recipes import Step
from flows.doors.apps import app_app

HEAD = '{"browserName":"chromium","launchOptions":{"headless":false},"contextOptions":{}}'
RECORDED = [
    '{"name":"openPage","url":"about:blank","signals":[],"pageGuid":"page@1"}',
    '{"name":"navigate","url":"http://app.example/users","signals":[],"pageGuid":"page@1"}',
    r'{"name":"click","selector":"internal:role=textbox[name=\"E-mail\"i]","ref":"e4","button":"left","modifiers":0,'
    r'"clickCount":1,"signals":[],"pageGuid":"page@1","locator":{"kind":"role","body":"textbox",'
    r'"options":{"attrs":[],"exact":false,"name":"E-mail"}}}',
    r'{"name":"fill","ref":"e4","selector":"internal:role=textbox[name=\"E-mail\"i]","text":"ann@x.example",'
    r'"signals":[],"pageGuid":"page@1","locator":{"kind":"role","body":"textbox",'
    r'"options":{"attrs":[],"exact":false,"name":"E-mail"}}}',
    r'{"name":"select","selector":"internal:label=\"Site\"i","ref":"e5","options":["Lisbon"],"signals":[],'
    r'"pageGuid":"page@1","locator":{"kind":"label","body":"Site","options":{"exact":false}}}',
    r'{"name":"check","selector":"internal:role=checkbox[name=\"Active\"i]","ref":"e7","signals":[],'
    r'"pageGuid":"page@1","locator":{"kind":"role","body":"checkbox",'
    r'"options":{"attrs":[],"exact":false,"name":"Active"}}}',
    r'{"name":"press","selector":"internal:role=textbox[name=\"Search\"i]","ref":"e8","key":"Enter","modifiers":0,'
    r'"signals":[],"pageGuid":"page@1","locator":{"kind":"role","body":"textbox",'
    r'"options":{"attrs":[],"exact":false,"name":"Search"}}}',
    r'{"name":"click","selector":"internal:role=button[name=\"Save\"i]","ref":"e9","button":"left","modifiers":0,'
    r'"clickCount":0,"signals":[],"pageGuid":"page@1","locator":{"kind":"role","body":"button",'
    r'"options":{"attrs":[],"exact":false,"name":"Save"}}}',
    r'{"name":"click","selector":"internal:role=button[name=\"Delete\"i]","ref":"e11","button":"left","modifiers":0,'
    r'"clickCount":1,"signals":[{"name":"dialog","dialogAlias":""}],"pageGuid":"page@1","locator":{"kind":"role",'
    r'"body":"button","options":{"attrs":[],"exact":false,"name":"Delete"}}}',
    r'{"name":"click","selector":"internal:role=row[name=\"ann@x.example Edit\"i] >> internal:role=button","ref":"e24",'
    r'"button":"left","modifiers":0,"clickCount":1,"signals":[],"pageGuid":"page@1","locator":{"kind":"role",'
    r'"body":"row","options":{"attrs":[],"exact":false,"name":"ann@x.example Edit"},'
    r'"next":{"kind":"role","body":"button","options":{"attrs":[]}}}}',
    r'{"name":"click","selector":"iframe[title=\"Inner\"] >> internal:control=enter-frame >> internal:role=button",'
    r'"ref":"e2","button":"left","modifiers":0,"clickCount":1,"signals":[],"pageGuid":"page@1","locator":'
    r'{"kind":"default","body":"iframe[title=\"Inner\"]","options":{},"next":{"kind":"frame","body":"","options":{},'
    r'"next":{"kind":"role","body":"button","options":{"attrs":[],"exact":false,"name":"Inside"}}}}}',
    r'{"name":"click","selector":"internal:testid=[data-testid=\"tid\"s]","ref":"e26","button":"left","modifiers":0,'
    r'"clickCount":1,"signals":[],"pageGuid":"page@1","locator":{"kind":"test-id","body":"tid","options":{}}}',
    r'{"name":"click","selector":"internal:role=link[name=\"Open new\"i]","ref":"e10","button":"left","modifiers":0,'
    r'"clickCount":1,"signals":[{"name":"popup","popupPageGuid":"page@2"}],"pageGuid":"page@1","locator":'
    r'{"kind":"role","body":"link","options":{"attrs":[],"exact":false,"name":"Open new"}}}',
]
STEPS: list[dict[str, Any]] = [
    {"open": "/users"},
    {"fill": {"textbox": "E-mail"}, "with": "{email}"},
    {"select": {"label": "Site"}, "option": "Lisbon"},
    {"check": {"checkbox": "Active"}},
    {"press": "Enter", "on": {"textbox": "Search"}},
    {"click": {"button": "Delete"}, "confirm": True},
    {"click": {"role": "button", "within": {"row": "{email}"}}},
    {"click": {"button": "Inside", "frame": {"css": 'iframe[title="Inner"]'}}},
    {"click": {"test_id": "tid"}},
    {"click": {"link": "Open new"}, "tab": True},
]


def recording(*lines: str, **typed: str) -> Recording:
    return Recording([HEAD, *lines], "http://app.example", typed)


def line(name: str, locator: dict[str, Any] | None = None, **more: Any) -> str:
    found = {"locator": locator} if locator else {}
    return json.dumps({"name": name, "selector": "s", "signals": [], "pageGuid": "page@1", **found, **more})


def test_a_recording_becomes_steps_that_a_recipe_may_have() -> None:
    made = recording(*RECORDED, email="ann@x.example")

    assert made.steps() == STEPS and made.left_out == []
    for step in STEPS:
        Step.model_validate(step)


def test_a_typed_secret_is_not_written_down() -> None:
    field = {"kind": "label", "body": "Password", "options": {}}
    code = {"kind": "label", "body": "OTP Token", "options": {}}

    steps = recording(line("fill", field, text="canary-typed"), line("fill", code, text="123 456")).steps()

    assert [step["with"] for step in steps] == ["{password}", "{totp}"] and "canary" not in str(steps)


def test_says_what_it_has_no_words_for() -> None:
    made = recording(line("setInputFiles", {"kind": "label", "body": "Photo", "options": {}}, files=["a.png"]))

    assert made.steps() == [] and made.left_out == ["setInputFiles: s"]


@pytest.mark.parametrize(
    ("name", "more", "step"),
    [
        ("assertVisible", {}, {"expect": {"text": "Saved"}}),
        ("assertText", {"text": "Saved", "substring": False}, {"expect": {"text": "Saved"}, "reads": "Saved"}),
        ("assertChecked", {"checked": False}, {"expect": {"text": "Saved"}, "reads": "false"}),
    ],
)
def test_what_was_asserted_is_expected(name: str, more: dict[str, Any], step: dict[str, Any]) -> None:
    assert recording(line(name, {"kind": "text", "body": "Saved", "options": {}}, **more)).steps() == [step]


def test_the_command_prints_the_steps_for_the_apps_file(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_text("\n".join([HEAD, *RECORDED]))

    said = CliRunner().invoke(
        app_app, ["record", "desk", "http://app.example", "--typed", "email=ann@x.example", "--from", str(file)]
    )

    assert said.exit_code == 0, said.output
    assert YAML(typ="safe").load(said.stdout) == {"options": {"create": STEPS}}
    assert "apps/desk.yaml" in said.stderr


def test_the_command_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    for arguments, words in (
        (["x", "http://a.example", "--verb", "dance"], "unknown verb 'dance'"),
        (["x"], "set X_URL"),
        (["x", "http://a.example"], "there is no screen here"),
    ):
        said = CliRunner().invoke(app_app, ["record", *arguments])
        assert said.exit_code in (1, 2) and words in " ".join(said.stderr.split())
