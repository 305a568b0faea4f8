"""What the contract tests stand on: every app of the sample company and every preset, each with the twin of its name.

What an app cannot do is told by the app: by the protocols it keeps, by `undeclared`, by `leaving.disable_deletes` in
its YAML. No test knows an app by name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import mappings.sample
from connectors.base import App, Outcome
from connectors.catalogue import capabilities, connect, connector
from connectors.sandbox import Sandbox
from connectors.sandbox.kinds import twins
from flows import presets
from mappings.folder import plain
from mappings.rules import attributes_of
from mappings.vocabulary import AppRules

SAMPLE = Path(next(iter(mappings.sample.__path__))) / "apps"
ACCOUNT_TABLES = ("users", "agents", "members", "people", "accounts")
MANY = 105  # accounts that take more than one page
PLENTY = 100_000
WRITES = "^(POST|PUT|PATCH|DELETE)"
CHANGEABLE = ("{title}", "{department}", "{display_name}", "{family_name}", "{given_name}")
VALUES = {
    "given_name": "Given",
    "family_name": "Family",
    "display_name": "Given Family",
    "title": "Clerk",
    "department": "Sales",
    "location": "Berlin",
    "country": "DE",
    "time_zone": "Europe/Berlin",
    "cost_center": "4711",
    "company": "Juniper & Finch",
    "worker_type": "employee",
    "hire_date": "2026-03-02",
}


def sample(name: str) -> AppRules:
    """An app of the sample company."""
    return AppRules.model_validate(plain(YAML().load((SAMPLE / f"{name}.yaml").read_text())))


def everything() -> dict[str, AppRules]:
    """All apps by name, without their client-side limits, which have a test of their own."""
    found = {path.stem: sample(path.stem) for path in sorted(SAMPLE.glob("*.yaml"))}
    found |= {name: presets.rules(name) for name in presets.names()}
    return {name: rules.model_copy(update={"limits": ()}) for name, rules in found.items()}


RULES = everything()
TWINS = twins()


def proved_elsewhere(rules: AppRules) -> str:
    """The test file that proves the connector on a real server, where it names one."""
    return str(getattr(connector("", rules.connector), "PROVED", ""))


MANUAL = [name for name, rules in RULES.items() if rules.connector == "manual"]
ELSEWHERE = [name for name, rules in RULES.items() if proved_elsewhere(rules) and name not in TWINS]
HERE = [name for name in RULES if name not in (*MANUAL, *ELSEWHERE)]
"""Apps that the suite is for."""
REACHED = [name for name in HERE if name in TWINS]
SAMPLES = [name for name in REACHED if (SAMPLE / f"{name}.yaml").is_file()]


class Rig:
    """An app, its rules, and the twin behind it."""

    def __init__(self, name: str, sandbox: Sandbox) -> None:
        self.name, self.rules, self.twin = name, RULES[name], sandbox.control(name)
        self.environment: dict[str, str] = TWINS[name].environment(f"{sandbox.url}/{name}")
        self.kind = TWINS[name].TWIN
        self.app: Any = self.again()
        self.can = capabilities(self.app)

    def again(self) -> App:
        """The app in another process: nothing remembered."""
        return connect(self.name, self.rules, self.environment)

    # people

    def someone(self, number: int = 1) -> dict[str, str]:
        """Attributes of a made-up person, all different where they must be. HR names no manager."""
        own = {
            "work_email": f"person.{number}@juniperfinch.example",
            "personal_email": f"private.{number}@home.example",
            "user_name": f"person.{number}",
            "employee_id": f"{number:04}",
        }
        return attributes_of(self.rules, VALUES | own)

    def key(self, number: int = 1) -> str:
        return self.someone(number)[self.rules.key]

    def make(self, number: int = 1) -> str:
        outcome, id = self.app.create(self.someone(number))
        assert outcome == Outcome.DONE
        return str(id)

    def change(self) -> dict[str, str]:
        """One attribute, changed."""
        return {changeable(self.rules): "Changed"}

    # the twin

    def fault(self, match: str, kind: str, times: int | None = 1, seconds: float = 0.02, after: int = 0) -> None:
        """Signing in comes first, so that it is not what the fault hits."""
        self.app.check()
        self.twin.faults([{"match": match, "kind": kind, "times": times, "seconds": seconds, "after": after}])

    def creating(self) -> str:
        """The call that makes an account, as an expression: what creating sends and looking does not."""
        app: Any = self.again()
        app.check()
        looking = self.lines(lambda: app.find(self.key(900)))
        sent = self.lines(lambda: app.create(self.someone(900)))
        writes = [line for line in sent if re.search(WRITES, line) and line not in looking]
        return f"^{re.escape(writes[0])}"

    def lines(self, act: Any) -> list[str]:
        """`VERB /path` of each call that something makes."""
        self.twin.clear_log()
        act()
        return [f"{line['method']} {line['path']}" for line in self.twin.log()]

    def rows(self) -> list[dict[str, Any]]:
        """The accounts in the twin."""
        state = self.twin.state()
        named = getattr(self.kind, "accounts", None)
        table = named if isinstance(named, str) else next(name for name in ACCOUNT_TABLES if name in state)
        return state[table]

    def count(self, number: int = 1) -> int:
        """How many accounts of this person there are."""
        return sum(self.key(number).lower() in str(row).lower() for row in self.rows())

    def many(self) -> int:
        """How many accounts take more than one page at this vendor."""
        return int(getattr(self.kind, "pages", MANY))

    # entitlements

    def entitlement(self) -> str:
        """One that can be granted."""
        return (self.rules.entitlements or ("Staff",))[0]

    def wrong(self, id: str) -> str:
        """An id of the same shape that nobody has."""
        if id.isdigit():
            return "9" * max(len(id), 6)
        return id[0] + "".join("9" if c.isdigit() else "f" if c.isalpha() else c for c in id[1:])


def able(name: str) -> set[str]:
    """The verbs that a machine does at an app."""
    return capabilities(connect(name, RULES[name], TWINS[name].environment("http://127.0.0.1:9/x")))


ABLE = {name: able(name) for name in REACHED}


def needs(*verbs: str, changes: bool = False, without: str = "", **settable: bool) -> pytest.MarkDecorator:
    """Only the apps at which a machine does these verbs; with `changes` those with an attribute to change; `without`
    this option in their file; by name those whose twin can be set so."""
    found = [
        name
        for name in REACHED
        if set(verbs) <= ABLE[name]
        and (not changes or changeable(RULES[name]))
        and not RULES[name].options.get(without)
        and all(word in TWINS[name].TWIN.settable for word in settable)
    ]
    return pytest.mark.parametrize("rig", found, indirect=True)


def keeps(protocol: type) -> pytest.MarkDecorator:
    """Only the apps that keep this protocol."""
    found = [
        name
        for name in REACHED
        if isinstance(connect(name, RULES[name], TWINS[name].environment("http://127.0.0.1:9/x")), protocol)
    ]
    return pytest.mark.parametrize("rig", found, indirect=True)


def changeable(rules: AppRules) -> str:
    """An attribute that is not the key and may be anything; empty where there is none."""
    fields = {template: field for field, template in rules.attributes.items() if field != rules.key}
    return next((fields[template] for template in CHANGEABLE if template in fields), "")


@pytest.fixture(params=REACHED)
def rig(request: pytest.FixtureRequest, sandbox: Sandbox) -> Rig:
    """Each app in turn, at a twin as on its first day and without a limit."""
    twin = sandbox.control(request.param)
    twin.reset()
    twin.faults([])
    twin.limits(PLENTY)
    return Rig(request.param, sandbox)
