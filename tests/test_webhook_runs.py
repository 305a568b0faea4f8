"""From BambooHR's own calls, sent by its twin, to the SSO: a joiner, a mover, a leaver and a rehire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.record import signals
from tests.stage import DOMAIN, Stage, until
from tests.webhook_door import PATH, Receiver, receiver


@pytest.fixture(scope="module")
def door(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver on the stage's record and Prefect, whom BambooHR calls."""
    stage.play("daily_sync")  # the first feed
    more = stage.stack.environment() | {"BAMBOOHR_WEBHOOK_KEY": stage.sandbox.environment["BAMBOOHR_WEBHOOK_KEY"]}
    names = ("ROLLCALL_DATABASE_URL", "PREFECT_API_URL", "PREFECT_HOME", "BAMBOOHR_WEBHOOK_KEY")
    folder = tmp_path_factory.mktemp("receiver")
    chosen = {name: more[name] for name in names}
    with receiver(folder, stage.sandbox.environment, stage.settings.mappings_folder, **chosen) as running:
        words = {"name": "Rollcall", "format": "json", "monitorFields": ["department", "terminationDate"]}
        events = ["employee.created", "employee.updated", "employee.deleted"]
        hook = stage.hr.post("/webhooks", json={"url": running.url + PATH, "events": events, **words})
        hook.raise_for_status()
        yield running
        stage.hr.delete(f"/webhooks/{hook.json()['id']}").raise_for_status()


def groups(stage: Stage, email: str) -> list[str]:
    """The groups of an active SSO user; nothing of one that is not."""
    user = stage.user(email)
    return sorted(user["groups"]) if user and user["active"] else []


def test_a_life_goes_from_hr_to_the_sso_by_itself(stage: Stage, door: Receiver) -> None:
    email = f"wim.hook@{DOMAIN}"
    person = stage.hire("Wim", "Hook", "Operations")
    until(lambda: "Operations" in groups(stage, email), "the joiner is in the SSO")

    stage.move(person, "Sales")
    until(lambda: "Sales" in groups(stage, email), "the mover has changed groups")

    stage.leave(person)
    until(lambda: stage.user(email)["active"] is False, "the leaver is out")

    stage.come_back(person)
    until(lambda: groups(stage, email), "the rehire is in again")


def test_a_leaver_told_of_while_the_receiver_is_killed_is_out(stage: Stage, door: Receiver) -> None:
    email = f"kit.hook@{DOMAIN}"
    person = stage.hire("Kit", "Hook", "Operations")
    until(lambda: groups(stage, email), "the joiner is in the SSO")

    door.kill()
    stage.leave(person)
    door.start()

    until(lambda: stage.user(email)["active"] is False, "the leaver is out")
    until(lambda: signals.number_open(stage.db) == 0, "all signals are done")
