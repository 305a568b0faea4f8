"""From each HR system to the SSO: a joiner, a mover, a leaver and a rehire, by the vendor's webhook or by the poll."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.hr.base import Changes, Signals, WriteBack
from connectors.sandbox import Sandbox
from tests.hr_calls import VENDORS
from tests.hr_desk import Desk, Hr, today, yesterday
from tests.hr_house import SAMPLE, connected
from tests.hr_station import TOKEN, Station, station
from tests.stage import Stage, until

ANY_OTHER = {"rest", "sql"}
"""Sources of no vendor: tests/test_hr_any_other.py."""
ADDRESS = "mia.schneider@juniperfinch.example"
HOOK, POLL, SIGNALS, SYNC = "its webhook", "the poll", "a script's signal", "the daily sync"
WAYS = {
    "bamboohr": HOOK,
    "csv": SIGNALS,
    "darwinbox": POLL,
    "greythr": POLL,
    "gusto": HOOK,
    "hibob": HOOK,
    "keka": POLL,
    "personio": HOOK,
    "rippling": POLL,
    "successfactors": POLL,
    "workday": POLL,
    "workday_report": SYNC,
    "zoho_people": HOOK,
}
"""How news comes: a report has neither webhook nor changes and is read whole, a file is told of by whoever makes it."""
SOURCES = sorted({file.stem for file in (SAMPLE / "hr").glob("*.yaml")} - ANY_OTHER)
HOOKS = sorted(name for name, way in WAYS.items() if way == HOOK)


class Life:
    """Mia in one HR system, and how news of her come to Rollcall."""

    def __init__(self, place: Station, hr: Hr, way: str, desk: Desk) -> None:
        self.place, self.hr, self.way, self.desk, self.key = place, hr, way, desk, ""

    def join(self) -> None:
        """Since a week; HR enters it late."""
        self.key = self.hr.hire(self.desk, (today() - timedelta(days=7)).isoformat())
        self.tell()

    def move(self) -> None:
        """To Sales; where nothing else can, HR enters the address that it was asked to."""
        if self.hr.enter:
            self.hr.enter(self.desk, self.key, ADDRESS)
        self.hr.move(self.desk, self.key)
        self.tell()

    def leave(self) -> None:
        self.hr.leave(self.desk, self.key, yesterday().isoformat())
        self.tell()

    def come_back(self) -> None:
        self.hr.come_back(self.desk, self.key, today().isoformat())
        self.tell()

    def tell(self) -> None:
        """Nothing is to be done where HR calls by itself."""
        if self.way == POLL:
            assert self.place.ask() == 1
        if self.way == SIGNALS:
            url, proof = self.place.url.replace("/webhooks/csv", "/signals"), {"Authorization": f"Bearer {TOKEN}"}
            assert httpx.post(url, json={"ids": [self.key]}, headers=proof).json() == {"stored": True}
        if self.way == SYNC:
            self.place.stage.started_by(self.place.stage.play("daily_sync"))

    # what came of it

    def held(self) -> list[str]:
        """Her groups at the SSO while she can sign in."""
        user = self.place.user(ADDRESS)
        return sorted(user["groups"]) if user and user["active"] else []

    def seen(self, *groups: str) -> dict[str, Any]:
        """Her account at the SSO, once she has these groups there and nothing more is under way."""
        until(lambda: self.held() == sorted(groups), f"Mia holds {', '.join(groups) or 'nothing'}")
        until(self.place.quiet, "all is done")
        assert self.held() == sorted(groups)
        return self.place.user(ADDRESS)

    def in_hr(self) -> str:
        """Her work e-mail as HR has it."""
        return self.hr.email(self.place.state(), self.key)


def department(user: dict[str, Any]) -> str:
    return str(user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"])


def row_of(name: str) -> tuple[Hr, str]:
    missing = f"mappings/sample/hr/{name}.yaml is new: add it to VENDORS in tests/hr_calls.py and to WAYS in {__file__}"
    assert name in VENDORS and name in WAYS, missing
    return VENDORS[name], WAYS[name]


@pytest.mark.parametrize("name", SOURCES)
def test_a_life_goes_from_hr_to_the_sso(stage: Stage, sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    hr, way = row_of(name)
    with station(stage, sandbox, name, tmp_path) as place, hr.desk(place.values) as desk:
        life = Life(place, hr, way, desk)
        if hr.empty:
            hr.empty(life.desk)
        place.first_feed()
        with place.listening():
            if hr.subscribe:
                hr.subscribe(life.desk, place.url, place.setup)
            if way == POLL:
                assert place.ask() == 0 and place.runs() == []

            life.join()
            joined = life.seen("All Staff", "Finance")
            assert department(joined) == "Finance" and joined["userName"] == ADDRESS
            if hr.enter is None:
                assert life.in_hr() == ADDRESS and place.asked_of_hr(life.key) == []
            else:
                (task,) = place.asked_of_hr(life.key)
                assert life.in_hr() == "" and task.instructions.startswith(f"Enter {ADDRESS} as the work e-mail of")

            life.move()
            moved = life.seen("All Staff", "Sales")
            assert department(moved) == "Sales"
            assert life.in_hr() == ADDRESS and place.asked_of_hr(life.key) == []

            life.leave()
            assert life.seen()["active"] is False

            life.come_back()
            back = life.seen("All Staff", "Sales")
            assert back["id"] == moved["id"] == joined["id"]
        assert {run.state.name for run in place.runs() if run.state} <= {"Completed", "Completed with open tasks"}


def test_every_way_is_what_the_source_can_do(sandbox: Sandbox, tmp_path: Path) -> None:
    """A source that learns to call, to be asked or to be written to must be lived through in that way."""
    for name in SOURCES:
        hr, way = row_of(name)
        source = connected(sandbox.environment | {"HR_CSV": str(tmp_path / "none.csv")}, name)
        assert isinstance(source, Signals) == (way == HOOK), name
        assert isinstance(source, Changes) or way != POLL, name
        written = isinstance(source, WriteBack) and "work_email" in source.rules.write_back
        assert written == (hr.enter is None), name


@pytest.mark.parametrize("name", HOOKS)
def test_a_call_proved_by_another_secret_starts_nothing(
    stage: Stage, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    hr = VENDORS[name]
    (secret,) = re.findall(r"webhook_\w+: \$\{(\w+)\}", (SAMPLE / "hr" / f"{name}.yaml").read_text())
    wrong = {secret: "another-secret-than-agreed"}
    with station(stage, sandbox, name, tmp_path, **wrong) as place, hr.desk(place.values) as desk:
        life = Life(place, hr, HOOK, desk)
        place.first_feed()
        with place.listening():
            hr.subscribe(life.desk, place.url, place.setup)  # type: ignore[misc]
            life.join()
            until(lambda: "a call was not believed" in caplog.text, "HR has called")

        assert place.signals() == [] and place.runs() == [] and place.user(ADDRESS) == {}
