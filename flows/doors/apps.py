"""Commands about apps: list, add, record, try."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from connectors.catalogue import variables
from flows import dummy, presets
from flows.doors.console import err, fail, out, plainly, show_json, show_table
from flows.doors.people import Json
from flows.doors.ready import copied, decisions, unset
from flows.doors.recorder import record
from flows.settings import load_settings
from flows.site import Site
from flows.trial import Finding, Trial, Verdict
from mappings.folder import read_folder
from mappings.rules import attributes_of, values_of
from mappings.vocabulary import PLACE
from mappings.words import suggest

PATIENCE = 20.0  # seconds an app may take to show what it was told, as in runs
app_app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Apps: list, add, try, record.")
app_app.command("record")(record)

Name = Annotated[str, typer.Argument(help="The app, as its file under apps/ is named.", show_default=False)]


@app_app.command("list")
@plainly
def list_apps(as_json: Json = False) -> None:
    """List the company's apps, and the vendors that a ready file can be added for.

    Example: rollcall app list
    """
    rules = read_folder(load_settings().mappings_folder)
    ready = [(name, presets.rules(name)) for name in presets.names()]
    own = [(name, app, "in use") for name, app in rules.apps.items()]
    both = own + [(name, app, "ready to add") for name, app in ready if name not in rules.apps]
    if as_json:
        show_json([{"app": n, "title": a.title, "tier": a.tier, "connector": a.connector, "is": w} for n, a, w in both])
    else:
        rows = [(name, app.title, app.tier, app.connector, what) for name, app, what in both]
        show_table("Apps", ("app", "title", "tier", "connector", ""), rows)


@app_app.command("add")
@plainly
def add(
    name: Annotated[str, typer.Argument(help="A vendor of `rollcall app list`.", show_default=False)],
    own_name: Annotated[str, typer.Option("--as", help="Another name for the file.", show_default=False)] = "",
) -> None:
    """Copy a vendor's ready file into the company's folder, and say what is to be set, decided and run next.

    Example: rollcall app add slack
    """
    path = copied("app", name, own_name, presets.names(), presets.text)
    next_steps(name, path)


def next_steps(name: str, path: Path) -> None:
    """What is left to do by hand."""
    if missing := unset(variables(presets.rules(name))):
        out.print(f"Set in .env: {', '.join(missing)}", markup=False, highlight=False)
    if lines := decisions(path):
        out.print("Decide:")
        for line in lines:
            out.print(f"  {line}", markup=False, highlight=False)
    what = path.stem
    then = f"Then: rollcall check, rollcall doctor, rollcall app try {what}; and name it in a playbook: give: [{what}]"
    out.print(then, markup=False, highlight=False)


@app_app.command("try")
@plainly
def try_app(
    name: Name,
    key: Annotated[str, typer.Option(help="The dummy's work address.", show_default=False)] = "",
    entitlement: Annotated[str, typer.Option(help="The group or role to try.", show_default=False)] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the dummy's account there.")] = False,
    patience: Annotated[float, typer.Option(help="Seconds an app may take to show a change.")] = PATIENCE,
    as_json: Json = False,
) -> None:
    """Walk a dummy account through create, read, update, groups, disable, enable and delete; say what really works.

    The dummy goes afterwards, also when this is interrupted. Nobody else's account is touched.

    Example: rollcall app try crm
    """
    site = Site.open(looking=True)
    if name not in site.rules.apps:
        fail(f"app try: there is no apps/{name}.yaml; {suggest(name, site.rules.apps)}", 2)
    found: list[Finding] = []
    try:
        with interruptible():
            for finding in trial(site, name, key, entitlement, patience).walk(keep):
                found.append(finding)
                err.print(f"[dim]{finding.what}: {finding.verdict}[/]", highlight=False)
    finally:  # what was found counts most where the dummy could not be cleaned up
        if as_json:
            show_json([asdict(finding) for finding in found])
        else:
            show_findings(site.rules.apps[name].title, found)
    if not all(finding.good for finding in found):
        raise typer.Exit(1)


def trial(site: Site, name: str, key: str, entitlement: str, patience: float) -> Trial:
    """The trial of one app with the company's dummy."""
    rules = site.rules.apps[name]
    someone = dummy.person(site.rules, key or dummy.address(site.rules), datetime.now(UTC).date())
    attributes = attributes_of(rules, values_of(someone))
    if rules.key not in attributes:
        fail(f"app try: apps/{name}.yaml gives no value for its key {rules.key!r}", 1)
    note = dummy.Note(site.settings.home, name)
    return Trial(site.app(name), rules, attributes, note, patience, entitlement or given(site, name))


def given(site: Site, name: str) -> str:
    """The first entitlement that a playbook gives at this app whatever the person is; empty where there is none."""
    pairs = (line.partition(":") for book in site.rules.playbooks.values() for line in book.give)
    return next((what for app, _, what in pairs if app == name and what and not PLACE.search(what)), "")


@contextmanager
def interruptible() -> Iterator[None]:
    """A signal to end is as Ctrl-C: what was begun is cleaned up first."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def show_findings(title: str, found: list[Finding]) -> None:
    """The table, and what to mend."""
    rows = [(f.what, f.verdict, "" if f.calls is None else f.calls, f.says) for f in found]
    show_table(title, ("what", "", "calls", "says"), rows)
    for finding in found:
        for mend in finding.mends:
            out.print(f"{finding.what}: {mend}", markup=False, highlight=False)
    bad = [f.what for f in found if not f.good]
    good = sum(f.verdict is Verdict.WORKS for f in found)
    out.print(f"{good} work, {len(bad)} do not{': ' + ', '.join(bad) if bad else ''}.", highlight=False)
