"""A cohort under published quotas: wall time ÷ quota floor, with time gone faster at the apps and here alike.

    python -m bench.quota [--people 5000] [--faster 8] [--json]

Everybody gets an account and a group at Okta, Microsoft 365, Google Workspace and Slack, whose twins enforce what the
vendors publish. The floor is the time that the writes which cannot be saved take at the whole published rate, at the
app that takes longest: an account each, and a membership each where the app takes no list of members. Refused counts
answers 429, and Google's 403 for quotas."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cohort import site_of, write_people
from connectors import quota
from connectors.sandbox import Sandbox
from flows.many.together import bring_in_line
from flows.site import Site

DOMAIN = "juniperfinch.example"  # which the sandbox's tenants have verified
PRESETS = Path(__file__).parents[1] / "connectors" / "presets"
APPS = ("okta", "entra", "google", "slack_scim")
GIVE = ["okta:Staff", "entra:Staff", "google:Staff", "slack_scim:Staff"]
NEEDED = {
    "okta": ("POST /api/v1/users", "PUT /api/v1/groups/g/users/u"),
    "entra": ("POST /users", "POST /groups/g/members/$ref"),
    "google": ("POST /admin/directory/v1/users", "POST /admin/directory/v1/groups/g/members"),
    "slack_scim": ("POST /Users",),
}
"""Writes for each person."""


def write_company(folder: Path, people: int) -> None:
    """Everybody joins, with the presets as they are."""
    write_people(folder, people, DOMAIN)
    for app in APPS:
        (folder / "apps" / f"{app}.yaml").write_text((PRESETS / f"{app}.yaml").read_text())
    (folder / "playbooks" / "everyone.yaml").write_text(f"title: Everyone\ngive: {json.dumps(GIVE)}\n")


def floors(site: Site, people: int) -> dict[str, float]:
    """For each app the seconds that the needed writes take at its published rate."""
    found = {}
    for app, calls in NEEDED.items():
        limits = site.rules.apps[app].limits
        windows = [quota.window(app, number, limit) for number, limit in enumerate(limits)]
        loads = [(sum(bool(w.which.search(call)) for call in calls), w.calls / w.seconds) for w in windows]
        found[app] = max(count * people / rate for count, rate in loads)
    return found


def measure(people: int, faster: float, home: Path, say: Any) -> dict[str, Any]:
    """One cohort."""
    quota.PERIODS.update({unit: seconds / faster for unit, seconds in quota.PERIODS.items()})
    with Sandbox() as sandbox:
        for app in APPS:
            sandbox.control(app).faster(faster)
        write_company(home / "mappings", people)
        site = site_of(home / "mappings", home / "home", sandbox)
        began = time.perf_counter()
        outcome = bring_in_line(site, [str(n) for n in range(people)], datetime.now(UTC), "bench", say, progress(say))
        took = time.perf_counter() - began
        logs = {app: sandbox.control(app).log() for app in APPS}
    refused = {app: sum(call["status"] in (429, 403) for call in log) for app, log in logs.items()}
    calls = {app: len(log) for app, log in logs.items()}
    floor = max(floors(site, people).values())
    return {
        "people": people,
        "left": len(outcome.rest),
        "seconds": took,
        "floors": floors(site, people),
        "ratio": took / floor,
        "calls": calls,
        "refused": refused,
        "refused_per_thousand": 1000 * sum(refused.values()) / sum(calls.values()),
    }


def progress(say: Any) -> Any:
    """Says each tenth."""
    said = [0]

    def tell(done: int, of: int) -> None:
        if of and done * 10 // of > said[0]:
            said[0] = done * 10 // of
            say(f"{done} of {of} steps")

    return tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--faster", type=float, default=4)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began = time.perf_counter()

    def say(what: str) -> None:
        if not asked.json:
            print(f"{time.perf_counter() - began:7.1f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory() as home:
        found = measure(asked.people, asked.faster, Path(home), say)
    if asked.json:
        print(json.dumps(found))
        return
    rounded = {app: round(seconds, 1) for app, seconds in found["floors"].items()}
    print(f"{found['people']} people in {found['seconds']:.1f} s, time {asked.faster:g} × faster; {found['left']} left")
    print(f"floors {rounded}: ratio {found['ratio']:.2f} (target 1.2)")
    print(f"calls {found['calls']}, refused {found['refused']}: {found['refused_per_thousand']:.2f} in 1000 (target 1)")


if __name__ == "__main__":
    main()
