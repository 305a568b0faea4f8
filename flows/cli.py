"""The `rollcall` command: every door of the house."""

from __future__ import annotations

import os
import sys

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

from flows.doors import demo, held, installation, people, record  # noqa: E402

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Makes every app agree with the HR system about who works here.",
    epilog="Start with `rollcall demo`, or `rollcall init` and `rollcall doctor`.",
)
for command in (
    installation.init,
    installation.doctor,
    people.plan,
    people.sync,
    people.onboard,
    people.move,
    people.offboard,
    record.access,
    demo.demo,
    installation.up,
):
    app.command()(command)
app.add_typer(record.evidence_app, name="evidence")
app.add_typer(record.task_app, name="task")
app.add_typer(held.held_app, name="held")


if __name__ == "__main__":
    app()
