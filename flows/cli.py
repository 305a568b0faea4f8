"""The `rollcall` command: every door of the house."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from flows.settings import UnreadableEnvFile, load_settings, passing_folder


def point_prefect_here() -> None:
    """Talk to this installation's Prefect server unless told otherwise. Must come before Prefect is imported."""
    try:
        settings = load_settings()
    except UnreadableEnvFile as error:
        sys.exit(str(error))  # Prefect reads the file too, and cannot even be imported
    except Exception:  # the command itself will say what is wrong
        os.environ.setdefault("PREFECT_HOME", passing_folder())
        return
    os.environ.setdefault("PREFECT_API_URL", settings.api_url)
    home = str(settings.home / "prefect") if settings.home.is_dir() else passing_folder()  # looking makes no home
    os.environ.setdefault("PREFECT_HOME", home)
    os.environ.setdefault("PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


point_prefect_here()

import typer  # noqa: E402
from typer.core import TyperGroup  # noqa: E402

DOORS = {
    "init": "installation:init",
    "doctor": "installation:doctor",
    "check": "rules:check",
    "plan": "plans:plan",
    "forecast": "rules:forecast",
    "sync": "people:sync",
    "onboard": "people:onboard",
    "move": "people:move",
    "offboard": "leavers:offboard",
    "reconcile": "reconcile:reconcile",
    "grant": "exceptions:grant",
    "override": "exceptions:override_app",
    "legal-hold": "exceptions:legal_hold",
    "held": "held:held_app",
    "signals": "signals:signals",
    "link": "identity:link",
    "adopt": "identity:adopt",
    "hr": "hr:hr_app",
    "app": "apps:app_app",
    "capabilities": "capabilities:capabilities",
    "test-drive": "drive:test_drive",
    "access": "record:access",
    "history": "exceptions:history",
    "task": "record:task_app",
    "approve": "approvals:approve",
    "evidence": "record:evidence_app",
    "demo": "demo:demo",
    "up": "installation:up",
}
"""Command -> module of flows.doors and what stands for the command there. Loaded when asked for: whoever offboards
somebody at once does not wait for what the demo needs."""


class Doors(TyperGroup):
    """All commands by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(DOORS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in DOORS:
            return None
        module, _, name = DOORS[cmd_name].partition(":")
        return as_command(cmd_name, getattr(import_module(f"flows.doors.{module}"), name))


def as_command(name: str, door: Any) -> Any:
    """A function or a group of them as a command of this name."""
    if not isinstance(door, typer.Typer):
        function, door = door, typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        door.command(name)(function)
    command = typer.main.get_command(door)
    command.name = name
    return command


app = typer.Typer(
    cls=Doors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Makes every app agree with the HR system about who works here.",
    epilog="Start with `rollcall demo`, or `rollcall init` and `rollcall doctor`.",
)


@app.callback()
def rollcall() -> None:
    """Makes every app agree with the HR system about who works here."""


if __name__ == "__main__":
    app()
