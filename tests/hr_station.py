"""An installation for one HR system beside others on one Prefect: its own rules, record, receiver and small company.

The receiver is the real one, served by uvicorn in a thread; the runs are Prefect's, whose deployments' variables tell
them which record, rules and vendors they are about.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterExpectedStartTime
from prefect.client.schemas.objects import FlowRun
from ruamel.yaml import YAML
from sqlmodel import col, select
from starlette.applications import Starlette

from bench.boundless import boundless
from connectors.hr.base import Changes
from connectors.sandbox import Sandbox, TwinControl, company
from flows.daily_sync import classify, keep
from flows.gate import believed, read
from flows.identities import resolve
from flows.record import marks, signals, tasks
from flows.record.tables import SignalRow, TaskRow
from flows.settings import Settings
from flows.site import Site
from flows.webhook_app import Door
from flows.webhook_dispatch import Dispatcher
from flows.webhook_inbox import Inbox
from flows.webhook_poll import Poll, mark
from flows.webhook_site import Sites
from tests import hr_story
from tests.drills.engine import free_port
from tests.stage import Stage, find, until

TOKEN = "token-of-the-station"
APPS = ("sso", "crm", "desk")
FLOWS = ("daily_sync", "zero_touch_onboarding", "change_access", "offboard_user", "manual_task")


class Station:
    """One HR system's installation at work."""

    def __init__(
        self, stage: Stage, sandbox: Sandbox, name: str, settings: Settings, values: Mapping[str, str]
    ) -> None:
        self.stage, self.sandbox, self.name, self.settings, self.values = stage, sandbox, name, settings, values
        self.sites, self.begun = Sites(settings), datetime.now(UTC)
        self.url = f"{settings.webhook_url}/webhooks/{name}"
        self.setup = settings.home / "webhooks" / f"{name}.setup"
        """Where the receiver leaves what the webhook's set-up needs."""

    @property
    def site(self) -> Site:
        return self.sites.now()

    # what happens

    def first_feed(self) -> None:
        """What the first daily sync does before it starts anybody's run."""
        site, now = self.site, datetime.now(UTC)
        feed = read(site, now.date())
        verdict = believed(site, feed, now)
        changed = classify(site, feed, now)
        resolve(site, feed.people, now)
        keep(site, feed, changed, verdict, now)

    def ask(self) -> int:
        """The poll's question, as it is put once the pace allows it again; how many signals come of it."""
        site, now, before = self.site, datetime.now(UTC), len(self.signals())
        assert isinstance(site.hr, Changes)
        marks.set(site.db, mark(site), (now - site.hr.pace).isoformat())
        Poll(self.sites, lambda: None).once(now)
        return len(self.signals()) - before

    def quiet(self) -> bool:
        """Whether every signal is done and every run has ended, or waits for a human."""
        if signals.number_open(self.site.db):
            return False
        return all(run.state and (run.state.is_final() or run.state.is_paused()) for run in self.runs())

    # what is there

    def signals(self) -> list[SignalRow]:
        with self.site.db.session() as session:
            return list(session.exec(select(SignalRow).order_by(col(SignalRow.id))))

    def runs(self) -> list[FlowRun]:
        """All runs made since this installation began; others' may be expected later than that."""
        since = FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=self.begun))
        found = self.stage.client.read_flow_runs(flow_run_filter=since, limit=200)
        return [run for run in found if run.created and run.created >= self.begun]

    def asked_of_hr(self, person: str) -> list[TaskRow]:
        return [row for row in tasks.open_tasks(self.site.db, person) if row.owner == "HR"]

    def user(self, address: str) -> dict[str, Any]:
        """The SSO's user, groups and all; {} where there is none."""
        return find(self.control("sso").state()["users"], "userName", address)

    def told(self) -> str:
        """What came of every signal and every run, for whoever looks for the reason of a failure."""
        heard = [f"signal {row.id} of {', '.join(row.people)}: {row.result}" for row in self.signals()]
        ran = [f"{run.name}: {run.state.name}, {run.state.message}" for run in self.runs() if run.state]
        return "\n".join([*heard, *ran])

    def control(self, name: str) -> TwinControl:
        return self.sandbox.control(name)

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """What HR holds; a file's rows as the story names them."""
        if self.name == "csv":
            return {"people": hr_story.rows(Path(self.values["HR_CSV"]))}
        return self.control(self.name.removesuffix("_report")).state()

    def asked_first(self) -> bool:
        """Whether the poll has had its first answer, if HR can be asked: what comes later, comes by other ways."""
        return not isinstance(self.site.hr, Changes) or bool(marks.get(self.site.db, mark(self.site)))

    # the receiver

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receiver, dispatcher and poll at work until the block ends; `rollcall up` gives them processes."""
        server = uvicorn.Server(uvicorn.Config(Starlette(), port=self.settings.webhook_port, log_config=None))
        inside = contextvars.copy_context()  # with Prefect's address
        thread = threading.Thread(target=inside.run, args=(asyncio.run, self.serve(server)), daemon=True)
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive(), "the receiver listens")
            until(self.asked_first, "HR was asked for the first time")
            yield
        finally:
            server.should_exit = True
            thread.join()

    async def serve(self, server: uvicorn.Server) -> None:
        """Until the server is told to exit."""
        dispatcher = Dispatcher(self.sites)
        poll = Poll(self.sites, dispatcher.wake.set)
        inbox = Inbox(self.site.db, dispatcher.wake.set)
        server.config.app = Door(self.sites.signals, inbox, self.settings.home).app()
        works = [asyncio.create_task(each.run()) for each in (dispatcher, poll)]
        try:
            await server.serve()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)


@contextmanager
def station(stage: Stage, sandbox: Sandbox, name: str, folder: Path, **values: str) -> Iterator[Station]:
    """Vendors as on the first day, rules whose HR is this one, an empty record; `values`: variables besides."""
    for twin in (*APPS, name.removesuffix("_report")):
        if twin != "csv":
            sandbox.control(twin).reset()
            sandbox.control(twin).faster(60)  # the vendors' own limits, but a life of years is lived in seconds
    home, rules, file = folder / "home", boundless(folder), folder / "people.csv"
    hr_story.write(file, company.population())
    given = sandbox.environment | {"HR_CSV": str(file)} | values
    chosen_hr(rules, name)
    settings = Settings(home=home, mappings=rules, webhook_port=free_port(), webhook_token=TOKEN)
    with variables(given), told(stage, settings, given):
        made = Station(stage, sandbox, name, settings, given)
        try:
            yield made
        except AssertionError as error:
            error.add_note(made.told())
            raise
        finally:
            made.sites.site.db.close()


def chosen_hr(rules: Path, name: str) -> None:
    """`hr: <name>` in company.yaml; Lisbon's day begins at midnight, so that who is hired today starts whatever the
    hour of the test is.
    """
    yaml, file = YAML(), rules / "company.yaml"
    words = yaml.load(file.read_text())
    words["hr"] = name
    words["locations"]["Lisbon"]["start_of_day"] = "00:00"
    with file.open("w") as out:
        yaml.dump(words, out)


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """This process's own environment, for the receiver in it."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def told(stage: Stage, settings: Settings, values: Mapping[str, str]) -> Iterator[None]:
    """Runs of the deployments are about this installation; what is no address is the same for all of them."""
    own = {
        "ROLLCALL_HOME": str(settings.home),
        "ROLLCALL_MAPPINGS": str(settings.mappings_folder),
        "ROLLCALL_DATABASE_URL": settings.database_url,
        "ROLLCALL_SIGNING_KEY_PATH": str(settings.signing_key_file),
    }
    places = {name: value for name, value in values.items() if value.startswith(("http://", "/"))}
    ids = [stage.client.read_deployment_by_name(f"{flow}/{flow}").id for flow in FLOWS]
    try:
        for each in ids:
            stage.client.update_deployment(each, DeploymentUpdate(job_variables={"env": own | places}))
        yield
    finally:
        for each in ids:
            stage.client.update_deployment(each, DeploymentUpdate(job_variables={}))
