"""Verified objects per second for a cohort: people whose accounts, groups and roles are made, read back and signed.

    python -m bench.cohort [--people 5000] [--json] [--profile]

A company of joiners on the sandbox without latency and without limits: one SSO account and three groups each, a CRM
account with a role, a desk account with a group. An object is an account, a group or a role that was written, read
back from its server, and stands in the record; a person counts when the packet is signed."""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.sandbox import Sandbox
from flows.many.together import bring_in_line
from flows.record import chain, evidence, snapshots
from flows.record.database import Database
from flows.settings import Settings
from flows.site import Site
from mappings.feed import people_of
from mappings.folder import read_folder

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample" / "apps"
APPS = ("sso", "crm", "desk")
GIVE = ["sso:All Staff", "sso:Sales", "sso:Lisbon", "crm:Sales Rep", "desk:Support"]
OBJECTS = len(GIVE) + len(APPS)


def write_people(folder: Path, people: int, domain: str) -> None:
    """A company whose everybody joins."""
    for name in ("hr", "apps", "playbooks"):
        (folder / name).mkdir(parents=True)
    (folder / "company.yaml").write_text("name: Bench\nhr: file\nemail: {domain: bench.example}\n")
    fields = (
        "{employee_id: id, given_name: given, family_name: family, work_email: mail, department: dept, title: title"
    )
    (folder / "hr" / "file.yaml").write_text(
        f"connector: csv\nfields: {fields}, hire_date: hired}}\noptions: {{path: people.csv}}\n"
    )
    rows = [f"{n},Given{n},Family{n},p{n}@{domain},Sales,Clerk,2020-01-01" for n in range(people)]
    (folder / "people.csv").write_text("id,given,family,mail,dept,title,hired\n" + "\n".join(rows) + "\n")


def write_company(folder: Path, people: int) -> None:
    """Everybody joins today and gets the same."""
    write_people(folder, people, "bench.example")
    for app in APPS:
        lines = (SAMPLE / f"{app}.yaml").read_text().splitlines(keepends=True)
        (folder / "apps" / f"{app}.yaml").write_text("".join(x for x in lines if not x.startswith("limits:")))
    (folder / "playbooks" / "everyone.yaml").write_text(f"title: Everyone\ngive: {json.dumps(GIVE)}\n")


def site_of(folder: Path, home: Path, sandbox: Sandbox) -> Site:
    """The company at work."""
    settings = Settings(home=home, mappings=folder)
    db = Database(settings.database_url)
    db.migrate()
    site = Site(settings, sandbox.environment, read_folder(folder), db)
    people = people_of(site.hr.read(), site.rules.hr).people
    snapshots.save(db, site.rules.company.hr, people, datetime.now(UTC))
    return site


def measure(people: int, home: Path, say: Any) -> dict[str, Any]:
    """One cohort; asserts that all is there."""
    with Sandbox() as sandbox:
        for app in APPS:
            sandbox.control(app).limits(10_000_000)
        write_company(home / "mappings", people)
        site = site_of(home / "mappings", home / "home", sandbox)
        began = time.perf_counter()
        outcome = bring_in_line(site, [str(n) for n in range(people)], datetime.now(UTC), "bench", say, lambda *_: None)
        took = time.perf_counter() - began
        there = {app: sandbox.control(app).state() for app in APPS}
        calls = {app: len(sandbox.control(app).log()) for app in APPS}
    assert not outcome.rest, f"left: {outcome.rest[:5]}"
    assert len(there["sso"]["users"]) == len(there["crm"]["users"]) == len(there["desk"]["agents"]) == people
    assert sum(len(group["members"]) for group in there["sso"]["groups"]) == 3 * people
    assert len(there["desk"]["members"]) == sum(len(u["role_ids"]) for u in there["crm"]["users"]) == people
    verdict = chain.verify(evidence.packets(site.db), [site.signer.public_key])
    assert verdict.ok and verdict.count == people
    objects = OBJECTS * people
    return {"people": people, "objects": objects, "seconds": took, "per_second": objects / took, "calls": calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true", help="the main thread's 40 dearest functions")
    asked = parser.parse_args()
    profile = cProfile.Profile()
    began = time.perf_counter()

    def say(what: str) -> None:
        if not asked.json:
            print(f"{time.perf_counter() - began:7.1f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory() as home:
        if asked.profile:
            profile.enable()
        found = measure(asked.people, Path(home), say)
        profile.disable()
    if asked.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{found['people']} people, {found['objects']} objects in {found['seconds']:.1f} s: ", end="")
    print(f"{found['per_second']:.0f} verified objects a second (target 400); calls {found['calls']}")


if __name__ == "__main__":
    main()
