"""Commands about an installation: init, doctor, up."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from connectors.catalogue import variables
from connectors.errors import Refused
from flows import hr_files
from flows.doors.console import EXPECTED, fail, out, plainly, show_json
from flows.doors.people import Json
from flows.permissions import shortfalls
from flows.record import signals, signing
from flows.record.database import now
from flows.settings import load_settings
from flows.site import Site
from flows.stack import Stack
from mappings.words import suggest

LATE = timedelta(minutes=15)
"""After which a signal that was tried in vain is told by the doctor."""


@plainly
def init(
    folder: Annotated[Path, typer.Argument(help="Where the company's mappings go.")] = Path("mappings"),
    hr: Annotated[str, typer.Option(help="The HR system: bamboohr, workday, csv, … (docs/hr).")] = "bamboohr",
) -> None:
    """Make a mappings folder to start from (the sample company), a .env for its secrets, and a signing key.

    Example: rollcall init ./mappings --hr personio
    """
    if hr not in hr_files.names():
        fail(f"init: there is no HR system {hr!r}; {suggest(hr, hr_files.names())}", 2)
    if folder.exists() and any(folder.iterdir()):
        fail(f"{folder} is there already and is not empty; name another folder: rollcall init ./company")
    with as_file(files("mappings") / "sample") as sample:
        shutil.copytree(sample, folder, dirs_exist_ok=True)
    hr_files.choose(folder, hr)
    settings = load_settings().model_copy(update={"mappings": folder.absolute()})
    key = settings.signing_key_file
    made = [str(folder)]
    if not key.exists():
        signing.generate(key)
        made.append(str(key))
    made += env_file(Site.open(settings, looking=True), Path(".env"))
    out.print("Made " + ", ".join(made) + ".", highlight=False)
    out.print(f"Next: put your own company into {folder}, the secrets into .env, then `rollcall doctor`.")
    if folder.absolute() != Path("mappings").absolute():
        out.print(f"Set ROLLCALL_MAPPINGS={folder} so that it is found.")


def env_file(site: Site, path: Path) -> list[str]:
    """A .env with the names the apps need and no values, for its owner only."""
    if path.exists():
        return []
    names = sorted(
        {name for rules in site.rules.apps.values() for name in variables(rules)} | set(variables(site.rules.hr))
    )
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}=\n" for name in names))
    return [str(path)]


@plainly
def doctor(as_json: Json = False) -> None:
    """Check settings, rules, HR, every app, the record, the signing key and Prefect, and say how to mend each.

    Example: rollcall doctor
    """
    results = list(examined())
    if as_json:
        show_json([{"what": what, "ok": ok, "says": says} for what, ok, says in results])
    else:
        for what, ok, says in results:
            out.print(f"{'[green]ok[/]  ' if ok else '[red]BAD[/] '} {what}: ", end="")
            out.print(says, markup=False, highlight=False)
    if not all(ok for _, ok, _ in results):
        raise typer.Exit(1)


def examined() -> Iterator[tuple[str, bool, str]]:
    """(what, whether it is well, what was found) for each part."""
    settings = load_settings()
    yield "settings", True, f"home {settings.home}, mappings {settings.mappings_folder}"
    try:
        site = Site.open(settings, looking=True)
    except EXPECTED as error:
        yield "rules", False, str(error)
        return
    rules = site.rules
    yield "rules", True, f"{rules.company.name}: {len(rules.apps)} apps, {len(rules.playbooks)} playbooks"
    yield "record", True, site.db.url.render_as_string(hide_password=True)
    yield examine("signing key", lambda: f"key {signing.load(settings.signing_key_file, site.values).keyid[:16]}")
    yield examine(f"HR {rules.company.hr}", lambda: site.hr.check())
    for name in rules.apps:
        yield examine(f"app {name}", lambda name=name: well(site, name))  # type: ignore[misc]
    yield examine("Prefect", lambda: healthy(settings.api_url))
    yield heard(site)


def heard(site: Site) -> tuple[str, bool, str]:
    """Whether what HR signalled is done, but for what came just now."""
    late = signals.waiting_since(site.db)
    if late is None or now() - late.received_at < LATE:
        return "signals", True, f"{signals.number_open(site.db)} open"
    why = f"one of {late.received_at:%Y-%m-%d %H:%M} UTC is still open: {late.result}. `rollcall signals` shows all"
    return "signals", False, why


def well(site: Site, name: str) -> str:
    """What the app says of itself, once it has shown all that is read there."""
    app = site.app(name)
    said = app.check()
    if lacking := shortfalls(app, site.rules.apps[name]):
        raise Refused(name, "read all that is read there", "; ".join(lacking), "`rollcall app try` tries the writes.")
    return said


def examine(what: str, check: Callable[[], Any]) -> tuple[str, bool, str]:
    """One check, its error as the finding."""
    try:
        return what, True, str(check())
    except EXPECTED as error:
        return what, False, str(error)
    except httpx.HTTPError as error:
        return what, False, f"no answer ({error}); start it with `rollcall up`"


def healthy(api_url: str) -> str:
    """Ask Prefect's server for its health."""
    httpx.get(f"{api_url}/health", timeout=5).raise_for_status()
    return api_url


@plainly
def up() -> None:
    """Start Prefect's server and UI, a worker, the schedules and HR's webhooks; Ctrl-C stops them all.

    Example: rollcall up
    """
    settings = load_settings()
    site = Site.open(settings)
    _ = site.signer
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Stack(settings, lambda text: out.print(text, highlight=False), with_receiver=settings.webhooks) as stack:
        out.print(f"Rollcall is up for {site.rules.company.name}. UI: {settings.ui_url}  (Ctrl-C stops everything)")
        watch(stack, stop)
    out.print("Stopped.")


def watch(stack: Stack, stop: threading.Event) -> None:
    """Wait for the end, or for a part that died."""
    while not stop.wait(1.0):
        for part in stack.parts.values():
            part.require_alive()
