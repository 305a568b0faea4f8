"""The command that says what can be done at which app."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.capabilities import SHOWN, Able, markdown, shipped
from flows.doors.console import out, plainly, show_json, show_table
from flows.doors.people import Json


@plainly
def capabilities(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/capabilities.md.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a machine can do at which app, and the least permissions to grant for it. Calls nobody.

    Example: rollcall capabilities --markdown > docs/capabilities.md
    """
    found = shipped()
    if as_json:
        show_json([as_dict(one) for one in found])
    elif as_markdown:
        typer.echo(markdown(found), nl=False)
    else:
        rows = [(one.name, *map(one.says, SHOWN.values())) for one in found]
        show_table("What a machine can do", ("app", *SHOWN), rows)
        out.print("`for good` cannot be undone there; `people` becomes a manual task. --markdown has the permissions.")


def as_dict(one: Able) -> dict[str, object]:
    """One app for programs."""
    return {
        "app": one.name,
        "title": one.title,
        "connector": one.connector,
        "verbs": sorted(one.verbs),
        "people": sorted(one.people),
        "for_good": sorted(one.for_good),
        "permissions": one.permissions,
    }
