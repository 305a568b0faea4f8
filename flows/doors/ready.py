"""Ready files that a company copies into its own folder and decides about: an app's, an HR system's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from flows.doors.console import fail, out
from flows.settings import default_mappings, environment, load_settings
from mappings.words import suggest

DECIDE = "decide"


def copied(kind: str, name: str, own_name: str, ready: Iterable[str], text: Callable[[str], str]) -> Path:
    """Copy the ready file of this name and say where to; whatever is there already stays. `kind`: `app`, `hr`."""
    settings, known = load_settings(), list(ready)
    if name not in known:
        fail(f"{kind} add: there is no file for {name!r}; {suggest(name, known)}", 2)
    if settings.mappings_folder == packaged():
        fail(f"{kind} add: there is no mappings folder of your own yet; make one with `rollcall init`")
    path = settings.mappings_folder / FOLDERS[kind] / f"{own_name or name}.yaml"
    if path.exists():
        fail(f"{kind} add: {path} is there already and stays as it is; `--as` takes another name")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(name), encoding="utf-8")
    out.print(f"Made {path}.", highlight=False)
    return path


FOLDERS = {"app": "apps", "hr": "hr"}
"""Kind -> the folder of its files."""


def packaged() -> Path:
    """The sample company in the package, which is nobody's own."""
    found = default_mappings()
    return found if found != Path("mappings").absolute() else Path()


def unset(variables: Iterable[str]) -> list[str]:
    """The variables that have no value yet."""
    return [name for name in variables if not environment().get(name)]


def decisions(path: Path) -> list[str]:
    """The lines of a file that a person must decide about, with its name and their numbers."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{path.name}:{at}: {line.strip()}" for at, line in enumerate(lines, 1) if DECIDE in line.lower()]
