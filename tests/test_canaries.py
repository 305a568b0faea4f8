"""No secret of any app is ever written down: after real runs that went well and that went wrong, with every log turned
on, all that the installation holds is searched."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.boundless import boundless
from connectors.catalogue import connect, secret_variables
from connectors.errors import ConnectorError
from connectors.sandbox import Sandbox
from connectors.sandbox.kinds import twins
from flows import presets
from flows.settings import Settings
from flows.stack import Stack
from mappings.folder import read_folder
from tests.canaries import leaks
from tests.connectors_servers import Asked, Said, Scripted
from tests.drills.engine import free_port
from tests.stage import Stage, empty_the_house, without_schedules

LOUD = {
    "PREFECT_LOGGING_LEVEL": "DEBUG",
    "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "httpx,httpcore,connectors",
}
PARROT = "canary-of-an-app-that-quotes-what-it-is-sent"
BROWSER = {"CANARY_PASSWORD": "canary-password-of-an-administrator", "CANARY_SEED": "JBSWY3DPEHPK3PXPCANARY7777777777"}
FORM = """\
title: Parrot
tier: app
connector: rest
owner: it@juniperfinch.example
key: email
attributes: {email: "{work_email}"}
options:
  url: ${PARROT_URL}
  auth: {header: {X-Api-Key: "${PARROT_KEY}"}}
  users:
    list: {path: /users, items: data, query: {key: "${PARROT_KEY}"}}
    read: /users/{id}
    create: {verb: POST, path: /users}
    update: {verb: PATCH, path: "/users/{id}"}
"""
GIVEN = """\
title: Canaries Playbook
who: {department: Sales}
give: [%s]
"""


def quoting(asked: Asked) -> Said:
    """A server that takes its key in the address too, and quotes it in what it says is wrong."""
    if asked.method == "GET":
        return Said(200, {"data": []})
    return Said(422, {"error": {"message": f"key {asked.headers['X-Api-Key']} may not do this"}})


class Ground:
    """A stage on which every vendor with a twin is in use, and all their secrets."""

    def __init__(self, stage: Stage, values: dict[str, str], secrets: dict[str, str], folder: Path) -> None:
        self.stage, self.values, self.secrets, self.folder = stage, values, secrets, folder

    def leaks(self) -> list[str]:
        return leaks([self.folder], self.secrets)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """The stage, with loud logs."""
    with Sandbox() as sandbox, Scripted(quoting) as parrot:
        mappings = boundless(folder)
        vendors = [name for name in presets.names() if name in twins()]
        for name in vendors:
            (mappings / "apps" / f"{name}.yaml").write_text(as_department_app(presets.text(name)))
        (mappings / "apps" / "parrot.yaml").write_text(FORM)
        (mappings / "playbooks" / "canaries.yaml").write_text(GIVEN % ", ".join([*vendors, "parrot"]))
        values = sandbox.environment | {"PARROT_URL": parrot.url, "PARROT_KEY": PARROT} | BROWSER
        rules = read_folder(mappings)
        secrets = {v: values[v] for app in rules.apps.values() for v in secret_variables(app) if not is_address(v)}
        settings = Settings(home=folder / "home", mappings=mappings, prefect_port=free_port(), worker_limit=4)
        for name in vendors:
            sandbox.control(name).limits(100_000)
        with Stack(settings, prefect_yaml=without_schedules(folder), extra=values | LOUD) as stack:
            stage = Stage(sandbox, stack, folder)
            try:
                empty_the_house(stage)
                yield Ground(stage, values, secrets | BROWSER, folder)
            finally:
                stage.close()


def as_department_app(text: str) -> str:
    """No vendor waits for another here, and whatever cannot be undone may be done."""
    tiers = ("tier: sso", "tier: idp")
    return "\n".join("tier: app" if line.startswith(tiers) else line for line in text.splitlines()) + "\n"


def is_address(variable: str) -> bool:
    """Whether a variable under `auth` is no secret but a place or a name."""
    return variable.endswith(("URL", "_ID", "EMAIL", "ADMIN", "USER", "SCOPE"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Somebody has joined and left: with apps that work, that fail, that say no and that quote the key."""
    with ground(tmp_path_factory.mktemp("canaries")) as ready:
        stage = ready.stage
        joiner = stage.hire("Rui", "Costa", "Sales")
        for name, kind in {"crm": "500", "okta": "timeout", "atlassian": "403", "zoom_scim": "lost-answer"}.items():
            stage.twin(name).faults([{"match": "^(POST|PUT|PATCH)", "kind": kind, "times": 1, "seconds": 0.1}])
        stage.play("zero_touch_onboarding", person_id=joiner)
        stage.leave(joiner)
        stage.play("offboard_user", person_id=joiner)
        stage.play("reconcile")
        for command in (["doctor"], ["app", "try", "parrot"], ["evidence", "export", "evidence"], ["adopt"]):
            told = stage.rollcall(*command, PARROT_URL="http://127.0.0.1:9", PARROT_KEY=PARROT, **BROWSER)
            (ready.folder / f"said-{command[0]}.txt").write_text(told.all)
        yield ready


def test_the_apps_were_really_used(lived: Ground) -> None:
    with_accounts = [name for name in twins() if "rui.costa" in json.dumps(lived.stage.twin(name).state()).lower()]

    assert len(with_accounts) > 5 and len(lived.secrets) > 8, with_accounts
    logged = (lived.folder / "home" / "logs" / "worker.log").read_text()
    assert "DEBUG" in logged and "httpx" in logged


def test_no_secret_is_in_logs_databases_artifacts_evidence_or_results(lived: Ground) -> None:
    assert lived.leaks() == []


def test_the_search_finds_what_prefect_logged(lived: Ground) -> None:
    """The same search, for a word that must be there: in Prefect's log table, in its artifacts and in the record."""
    found = lived.leaks() + leaks([lived.folder], {"name": "rui.costa"})

    places = {line.rpartition(": ")[0] for line in found}
    assert any("prefect.db, table flow_run" in place for place in places)
    assert any("record.db, table" in place for place in places)
    assert any("worker.log" in place for place in places)


def test_errors_tell_no_secret(lived: Ground) -> None:
    rules = read_folder(lived.stage.settings.mappings_folder)
    for name, app in rules.apps.items():
        wrong = {v: f"canary-{v.lower()}-that-is-wrong" for v in secret_variables(app) if not is_address(v)}
        for given in (lived.values, lived.values | wrong):
            told = failure(name, app, given)
            assert [v for v in (*wrong.values(), *lived.secrets.values()) if v in told] == [], name


def failure(name: str, app: Any, values: dict[str, str]) -> str:
    """All that can be said of an app and of the error that it ends in."""
    try:
        reached = connect(name, app, values)
        told = f"{reached!r} {vars(reached)!r} {getattr(reached, 'http', None)!r}"
        reached.create(dict.fromkeys(app.attributes, "canary@juniperfinch.example"))
        return told
    except ConnectorError as error:
        chain = "".join(traceback.format_exception(error))
        return chain + repr(error) + str(pickle.loads(pickle.dumps(error))) + repr(pickle.dumps(error))  # noqa: S301


@pytest.mark.parametrize("way", ["a log", "a database", "a result", "a header"])
def test_a_secret_that_is_written_down_is_found(tmp_path: Path, way: str) -> None:
    secrets = {"CRM_TOKEN": "crm-token-that-nobody-may-see"}
    token = secrets["CRM_TOKEN"]
    if way == "a log":
        logger = logging.Logger("leaky")
        logger.addHandler(handler := logging.FileHandler(tmp_path / "worker.log"))
        logger.warning("sent Authorization: %s", token)
        handler.close()
    elif way == "a database":
        with sqlite3.connect(tmp_path / "prefect.db") as db:
            db.execute("CREATE TABLE log (message TEXT)")
            db.execute("INSERT INTO log VALUES (?)", ("x" * 4070 + token + "y" * 4000,))
        db.close()
    elif way == "a result":
        packed = base64.b64encode(pickle.dumps({"headers": token})).decode()
        (tmp_path / "result.json").write_text(json.dumps({"result": packed}))
    else:
        (tmp_path / "trace.txt").write_text("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.issued-on-the-way")

    assert leaks([tmp_path], secrets) != []
