"""A whole working life at servers that we did not write, by the real flows; each is read with another client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.catalogue import connect
from flows.settings import Settings
from flows.stack import Stack
from mappings.folder import plain
from mappings.rules import attributes_of
from mappings.vocabulary import AppRules
from tests.foreign import DOMAIN, Foreign, Hr, Shown, company, servers
from tests.stage import Told, days_ago, free_port, rollcall, until, without_schedules

EMAIL = f"ines.duarte@{DOMAIN}"
INES = {"given_name": "Inês", "family_name": "Duarte", "department": "Sales", "title": "Account Executive"}
HUGO = {
    "employee_id": "8",
    "given_name": "Hugo",
    "family_name": "Falk",
    "display_name": "Hugo Falk",
    "work_email": f"hugo.falk@{DOMAIN}",
    "user_name": "hugo.falk",
    "department": "Sales",
    "title": "Clerk",
    "location": "Lisbon",
    "country": "Portugal",
}
ENGINEER = {"department": "Engineering", "title": "Sales Engineer"}
KINDS: dict[str, Foreign] = {server.name: server for server in servers()}


class Look(NamedTuple):
    """What there was to see after one event of the life."""

    run: FlowRun
    said: str
    """What the run's state and its artifact say."""
    shown: Mapping[str, Shown | None]
    """App -> Inês's account there."""


class Lived(NamedTuple):
    """A life, and what the record says of it."""

    looks: dict[str, Look]
    """joiner, mover, leaver, rehire."""
    evidence: Told
    """Of `rollcall evidence verify`."""


class Life:
    """Inês at Juniper & Finch: what HR enters, and the run that answers it."""

    def __init__(self, stack: Stack, hr: Hr, there: Mapping[str, Foreign]) -> None:
        self.hr, self.there = hr, there
        self.client = SyncPrefectClient(stack.settings.api_url)

    def live(self) -> dict[str, Look]:
        """Joiner, mover, leaver, rehire."""
        self.hr.say("1", **INES | {"given_name": "Olga", "family_name": "Finch", "hire_date": str(days_ago(900))})
        found = {"joiner": self.event("zero_touch_onboarding", **INES, hire_date=str(days_ago(30)))}
        found["mover"] = self.event("change_access", **ENGINEER)
        found["leaver"] = self.event("offboard_user", last_day=str(days_ago(2)))
        found["rehire"] = self.event("zero_touch_onboarding", **INES, hire_date=str(days_ago(1)), last_day="")
        return found

    def event(self, flow: str, **fields: str) -> Look:
        """HR enters this, and the flow runs."""
        self.hr.say("7", **fields)
        deployment = self.client.read_deployment_by_name(f"{flow}/{flow}")
        run = self.client.create_flow_run_from_deployment(deployment.id, parameters={"person_id": "7"}, name=flow)

        def ended() -> FlowRun | None:
            seen = self.client.read_flow_run(run.id)
            return seen if seen.state and (seen.state.is_final() or seen.state.is_paused()) else None

        run = until(ended, f"{flow} has ended")
        shown = {name: server.account(EMAIL) for name, server in self.there.items()}
        return Look(run, f"{run.state_name}: {run.state.message if run.state else ''}", shown)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """The servers that could be started, with their variables."""
    with ExitStack() as running:
        found = dict[str, dict[str, str]]()
        for name, server in KINDS.items():
            if not server.missing():
                running.callback(server.stop)
                found[name] = server.start(tmp_path_factory.mktemp(name))
        yield found


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, there: dict[str, dict[str, str]]) -> Lived:
    """The whole life, lived once at all of them side by side."""
    folder: Path = tmp_path_factory.mktemp("lives")
    hr = Hr(folder / "people.csv")
    apps = {name: KINDS[name] for name in there}
    settings = Settings(
        home=folder / "home",
        mappings=company(folder / "mappings", list(apps.values()), hr.path),
        prefect_port=free_port(),
    )
    variables = {name: value for values in there.values() for name, value in values.items()}
    with Stack(settings, prefect_yaml=without_schedules(folder), extra=variables) as stack:
        life = Life(stack, hr, apps)
        try:
            looks = life.live()
        finally:
            life.client.__exit__(None, None, None)
    where = {"ROLLCALL_HOME": str(settings.home), "ROLLCALL_MAPPINGS": str(settings.mappings)}
    return Lived(looks, rollcall("evidence", "verify", folder=folder, environment=variables | where))


@pytest.fixture(scope="module")
def looks(lived: Lived) -> dict[str, Look]:
    return lived.looks


@pytest.fixture(params=sorted(KINDS))
def seen(request: pytest.FixtureRequest) -> tuple[str, dict[str, Look]]:
    """An app and the life as lived there; skipped where its server cannot be started."""
    if why := KINDS[request.param].missing():
        pytest.skip(f"{request.param}: {why}")
    return request.param, request.getfixturevalue("looks")


def account(seen: tuple[str, dict[str, Look]], event: str) -> Shown:
    """Inês's account after an event."""
    app, looks = seen
    found = looks[event].shown[app]
    assert found is not None, looks[event].said
    return found


def as_hr_says(shown: Shown, **fields: str) -> None:
    """Whether the app holds what HR says, as far as it holds it."""
    expected = INES | {"work_email": EMAIL} | fields
    assert dict(shown.attributes) == {name: expected[name] for name in shown.attributes}


@pytest.mark.parametrize("event", ["joiner", "mover", "leaver", "rehire"])
def test_every_run_of_the_life_completes(looks: dict[str, Look], event: str) -> None:
    assert looks[event].said.startswith("Completed"), looks[event].said


def test_the_record_of_the_life_is_signed_and_whole(lived: Lived) -> None:
    assert "4 packets, chain intact" in lived.evidence.out, lived.evidence.all


def test_a_joiner_has_an_account_and_the_departments_groups(seen: tuple[str, dict[str, Look]]) -> None:
    shown = account(seen, "joiner")

    assert shown.active and shown.groups == {"Staff", "Sales"}
    as_hr_says(shown)


def test_a_mover_has_the_new_departments_groups_and_no_longer_the_old(seen: tuple[str, dict[str, Look]]) -> None:
    shown = account(seen, "mover")

    assert shown.active and shown.groups == {"Staff", "Engineering"}
    as_hr_says(shown, **ENGINEER)


def test_a_leaver_cannot_sign_in_and_is_in_no_group(seen: tuple[str, dict[str, Look]]) -> None:
    shown = account(seen, "leaver")

    assert not shown.active and shown.groups == frozenset()


def test_a_rehire_has_the_same_account_again(seen: tuple[str, dict[str, Look]]) -> None:
    shown = account(seen, "rehire")

    assert shown.id == account(seen, "joiner").id
    assert shown.active and shown.groups == {"Staff", "Sales"}
    as_hr_says(shown)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_of_two_writes_to_one_account_at_once_none_undoes_the_other(
    there: dict[str, dict[str, str]], name: str
) -> None:
    if why := KINDS[name].missing():
        pytest.skip(f"{name}: {why}")
    rules = AppRules.model_validate(plain(YAML().load(KINDS[name].rules_yaml)))
    app: Any = connect(name, rules, there[name])
    _, id = app.create(attributes_of(rules, HUGO))
    for group in ("Staff", "Sales"):
        app.grant(id, group)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda group: app.revoke(id, group), ("Staff", "Sales")))

    shown = KINDS[name].account(HUGO["work_email"])
    assert outcomes == [Outcome.DONE] * 2
    assert shown is not None and shown.active and shown.groups == frozenset()
