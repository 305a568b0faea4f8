"""`rollcall app record`: a recipe for a browser app, begun by doing it once in Playwright's recorder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from connectors.browser_chromium import executable
from connectors.browser_recording import Recording
from connectors.browser_session import SESSION
from flows.doors.console import err, fail, out, plainly
from flows.settings import environment, load_settings

VERBS = ("login", "create", "update", "enable", "disable", "delete", "grant", "revoke", "find", "account", "accounts")
WAYS = ("find", "account", "accounts")
UNDER_ENTITLEMENTS = ("grant", "revoke")


@plainly
def record(
    name: Annotated[str, typer.Argument(help="The app, as its file under apps/ is (to be) named.", show_default=False)],
    url: Annotated[str, typer.Argument(help="The app's address; else its variable.", show_default=False)] = "",
    verb: Annotated[str, typer.Option(help=f"What you will do: {', '.join(VERBS)}.")] = "create",
    typed: Annotated[
        list[str] | None, typer.Option(help="PLACE=TEXT: what you will type for it, such as email=ann@example.com.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--from", help="A recording made elsewhere with `playwright codegen --target jsonl`.")
    ] = None,
    session: Annotated[bool, typer.Option("--session", help="Only sign in; the session is kept for Rollcall.")] = False,
) -> None:
    """Do a task once in a browser window, and get its steps as YAML for the app's recipe.

    Example: rollcall app record badges https://badges.example.com --verb create --typed email=test@example.com
    """
    if verb not in VERBS:
        fail(f"app record: unknown verb {verb!r}; known are {', '.join(VERBS)}", 2)
    address = url or environment().get(f"{name.upper()}_URL", "")
    if not address:
        fail(f"app record: say the app's address, or set {name.upper()}_URL", 2)
    if session:
        keep_session(name, address)
        return
    lines = (recording.read_text(encoding="utf-8") if recording else recorded(address)).splitlines()
    made = Recording(lines, address, pairs(typed or []))
    steps = made.steps()
    if not steps:
        fail("app record: nothing was recorded")
    out.print(snippet(verb, steps), highlight=False, markup=False, soft_wrap=True)
    for each in made.left_out:
        err.print(f"Left out, since a recipe has no words for it: {each}", highlight=False, markup=False)
    advise(name, verb)


def pairs(typed: list[str]) -> dict[str, str]:
    """PLACE=TEXT as a table; a usage error where one has no `=`."""
    if wrong := [each for each in typed if "=" not in each]:
        fail(f"app record: --typed {wrong[0]} is not PLACE=TEXT", 2)
    return {place: text for place, _, text in (each.partition("=") for each in typed)}


def recorded(address: str) -> str:
    """What the recorder wrote down until its window was closed. The file holds what was typed: it is not kept."""
    with tempfile.TemporaryDirectory(prefix="rollcall-") as folder:
        file = Path(folder) / "recording.jsonl"
        open_recorder(address, ["--target", "jsonl", "--output", str(file)])
        return file.read_text(encoding="utf-8") if file.exists() else ""


def keep_session(name: str, address: str) -> None:
    """Where the browser app looks for a session that a person made."""
    folder = load_settings().home / "apps" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / SESSION
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    open_recorder(address, ["--save-storage", str(file)])
    out.print(f"The session is kept in {file}. Anybody who has the file is signed in: keep it to yourself.")


def open_recorder(address: str, options: list[str]) -> None:
    """Playwright's recorder in a window, until it is closed. It needs a screen."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        fail(
            "app record: there is no screen here. Record on a computer that has one (`playwright codegen --target "
            "jsonl -o FILE URL`) and come back with --from FILE"
        )
    channel = executable("").get("channel")
    command = [sys.executable, "-m", "playwright", "codegen", *options, *(["--channel", channel] if channel else [])]
    ended = subprocess.run([*command, address], check=False)
    if ended.returncode:
        fail("app record: the recorder could not be started; `playwright install chromium` gives it a browser")


def snippet(verb: str, steps: list[dict[str, Any]]) -> str:
    """The steps where they stand in an app's file."""
    tree: Mapping[str, Any] = {verb: {"steps": steps}} if verb in (*WAYS, "login") else {verb: steps}
    if verb in UNDER_ENTITLEMENTS:
        tree = {"entitlements": tree}
    yaml, text = YAML(), StringIO()
    yaml.default_flow_style = None
    yaml.width = 110
    yaml.dump({"options": tree}, text)
    return text.getvalue()


def advise(name: str, verb: str) -> None:
    """What a recording cannot know."""
    if verb in WAYS:
        err.print(f"Put this into apps/{name}.yaml and say below it what the page shows; see docs/browser.md.")
    elif verb == "login":
        err.print(f"Put this into apps/{name}.yaml; write {{user}} where the user name was typed; see docs/browser.md.")
    else:
        err.print(f"Put this into apps/{name}.yaml, with an `expect` at its end that shows that it was done.")
