"""`rollcall app` as installed: what a trial says, what it leaves behind, and what it will not touch."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.base import Account
from connectors.catalogue import connect
from connectors.errors import NeedsHuman, OutOfDate
from connectors.manual import Manual
from connectors.sandbox import Sandbox
from flows import presets
from flows.doors.apps import app_app
from flows.dummy import Note
from flows.mends import differences
from flows.permissions import shortfalls
from flows.trial import Trial, Verdict
from mappings.folder import read_folder
from mappings.vocabulary import AppRules
from tests.stage import COMMAND, until

DUMMY = "rollcall.trial@juniperfinch.example"


class Place:
    """An installation with the sample company, and the sandbox. Commands run in this process but where it is said."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.company, self.sandbox = folder, folder / "mappings", sandbox
        with as_file(files("mappings") / "sample") as sample:
            shutil.copytree(sample, self.company)
        self.environment = sandbox.environment | {"ROLLCALL_HOME": str(folder / "home"), "COLUMNS": "200"}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.company / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def rules(self, name: str) -> AppRules:
        return read_folder(self.company).apps[name]

    def app(self, *words: str) -> Result:
        """`rollcall app …`."""
        told = CliRunner().invoke(app_app, words, env=self.environment)
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told

    def tried(self, name: str, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit status and the findings by name."""
        told = self.app("try", name, "--json", "--patience", "1", *words)
        return told.exit_code, {f["what"]: f for f in json.loads(told.stdout)} if told.stdout else {}

    def started(self, *words: str) -> subprocess.Popen[str]:
        """The installed command, left running."""
        pipe = subprocess.PIPE
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ROLLCALL_"))}
        return subprocess.Popen(
            [COMMAND, *words], cwd=self.folder, env=plain | self.environment, stdout=pipe, stderr=pipe, text=True
        )

    def accounts(self, app: str = "crm") -> list[str]:
        state = self.sandbox.control(app).state()
        return [str(row.get("email") or row.get("userName") or row.get("login")) for row in next(iter(state.values()))]


@pytest.fixture
def place(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    sandbox.reset()
    for name in ("sso", "crm", "desk"):
        sandbox.control(name).faults([])
        sandbox.control(name).latency(0)
        sandbox.control(name).limits(100_000)
    return Place(tmp_path, sandbox)


def test_a_trial_says_what_works_and_leaves_nothing(place: Place) -> None:
    status, found = place.tried("crm")

    assert status == 0 and place.accounts() == []
    works = {what for what, finding in found.items() if finding["verdict"] == "works"}
    assert works >= {"create", "create again", "read", "find", "list", "update", "grant", "revoke", "disable", "enable"}
    assert found["delete"]["verdict"] == "works" and found["delete"]["calls"] == 3
    assert found["end sessions"]["verdict"] == "–"
    assert not (place.folder / "home" / "apps" / "crm" / "trial.json").exists()


def test_an_app_that_cannot_delete_keeps_the_dummy_disabled_for_the_next_trial(place: Place) -> None:
    first, found = place.tried("desk")
    left = place.sandbox.control("desk").state()["agents"]
    second, again = place.tried("desk")

    assert (first, second) == (0, 0) and found["delete"]["verdict"] == "people"
    assert [(agent["login"], agent["active"]) for agent in left] == [(DUMMY, False)]
    assert again["create"]["verdict"] == "works" and place.accounts("desk") == [DUMMY]


def test_an_app_without_an_api_is_for_people(place: Place) -> None:
    status, found = place.tried("badges")

    assert status == 0 and found["all the rest"]["verdict"] == "people"


def test_somebody_elses_account_is_not_touched(place: Place) -> None:
    _, found = place.tried("crm", "--keep", "--key", "ann@juniperfinch.example")
    (place.folder / "home" / "apps" / "crm" / "trial.json").unlink()
    place.sandbox.control("crm").clear_log()

    told = place.app("try", "crm", "--key", "ANN@juniperfinch.example")

    assert found["create"]["verdict"] == "works" and told.exit_code == 1
    assert "no trial of this installation made it" in told.stderr and "--key" in told.stderr
    assert {line["method"] for line in place.sandbox.control("crm").log()} == {"GET"}
    assert place.accounts() == ["ann@juniperfinch.example"]


def test_what_is_kept_goes_with_the_next_trial(place: Place) -> None:
    place.tried("crm", "--keep")
    assert place.accounts() == [DUMMY]

    status, found = place.tried("crm")

    assert status == 0 and "removed" in found["nobody there yet"]["says"] and place.accounts() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_trial_that_is_interrupted_cleans_up(place: Place, number: signal.Signals) -> None:
    place.sandbox.control("crm").latency(150)
    process = place.started("app", "try", "crm")
    until(place.accounts, "the dummy is there")

    process.send_signal(number)
    process.communicate(timeout=60)

    assert process.returncode != 0 and place.accounts() == []


def test_a_trial_that_is_killed_is_cleaned_up_by_the_next(place: Place) -> None:
    place.sandbox.control("crm").latency(150)
    process = place.started("app", "try", "crm")
    until(place.accounts, "the dummy is there")
    process.kill()
    process.communicate(timeout=60)
    assert place.accounts() == [DUMMY]
    place.sandbox.control("crm").latency(0)

    status, found = place.tried("crm")

    assert status == 0 and found["create"]["verdict"] == "works" and place.accounts() == []


def test_a_write_that_does_nothing_is_seen_through(place: Place) -> None:
    place.sandbox.control("crm").faults([{"match": "^PATCH", "kind": "silent-noop"}])

    status, found = place.tried("crm")

    assert status == 1 and found["disable"]["verdict"] == "FAILS"
    assert "said yes" in found["disable"]["says"] and found["delete"]["verdict"] == "works"


Mend = Callable[[Place], None]


@pytest.mark.parametrize(
    ("spoil", "what", "mend"),
    [
        (lambda p: p.edit("apps/crm.yaml", "  title:", "  nickname:"), "create", "`nickname` is not shown"),
        (lambda p: p.edit("apps/crm.yaml", "off: deactivated", "off: gone"), "disable", ""),
        (lambda p: p.edit("apps/crm.yaml", "held: {field: role_ids}", "held: {field: roles}"), "grant", ""),
        (lambda p: p.edit("apps/crm.yaml", "item: data", "item: user"), "create", ""),
    ],
    ids=["attribute", "status", "roles", "envelope"],
)
def test_a_mistake_in_the_file_is_found(place: Place, spoil: Mend, what: str, mend: str) -> None:
    spoil(place)

    status, found = place.tried("crm")

    assert status == 1 and found[what]["verdict"] in ("FAILS", "differs")
    assert mend in " ".join(found[what]["mends"]) and place.accounts() == []


@pytest.mark.parametrize(
    ("shown", "matters", "mend"),
    [
        ("CLERK ONE", False, "upper case"),
        (None, True, "is not shown"),
        ("ClerkOne", True, "loses blanks"),
        ("Clerk", True, "cut off after 5"),
        ("7", True, "words of its own"),
    ],
)
def test_what_is_shown_otherwise_is_told_with_its_mend(shown: str | None, matters: bool, mend: str) -> None:
    found = differences({"title": "Clerk One", "name": "Ann"}, {"name": "Ann"} | ({"title": shown} if shown else {}))

    assert [(one.field, one.matters) for one in found] == [("title", matters)] and mend in found[0].mend()


def test_a_missing_permission_is_named(place: Place) -> None:
    place.edit("apps/crm.yaml", "options:\n", "permissions:\n  roles.write: [grant, revoke]\noptions:\n")
    place.sandbox.control("crm").faults([{"match": "^PUT .*/roles/", "kind": "403"}])

    status, found = place.tried("crm")

    assert status == 1 and found["grant"]["mends"] == ["grant needs roles.write"]
    assert found["disable"]["verdict"] == "works" and place.accounts() == []


def test_what_was_found_is_told_also_where_the_dummy_cannot_be_removed(place: Place) -> None:
    place.sandbox.control("crm").faults([{"match": "^DELETE .*/users/[^/]*$", "kind": "403"}])

    status, found = place.tried("crm")

    assert status == 1 and [found[what]["verdict"] for what in ("create", "delete")] == ["works", "FAILS"]


def test_a_list_that_shows_an_active_account_as_disabled_is_found(place: Place) -> None:
    app: Any = connect("crm", place.rules("crm"), place.environment)
    gone = Account(id="7", key=DUMMY, active=False, attributes={})
    trial = Trial(app, place.rules("crm"), {"email": DUMMY}, Note(place.folder, "crm"), patience=1)
    trial.id, app.find, app.accounts = "7", lambda key: gone if key == DUMMY.upper() else None, lambda: iter([gone])

    found = [trial.tried(what, "find", act) for what, act in (("find", trial.find), ("list", trial.listed))]

    assert [one.verdict for one in found] == [Verdict.FAILS] * 2
    assert all("shown as disabled" in one.says and "`active`" in one.mends[0] for one in found)


def test_a_look_up_that_shows_a_disabled_account_as_active_is_found(place: Place) -> None:
    app: Any = connect("crm", place.rules("crm"), place.environment)
    _, id = app.create({"email": DUMMY, "first_name": "A", "last_name": "B", "title": "C", "team": "Sales"})
    blind = Account(id=id, key=DUMMY, active=True, attributes={})
    trial = Trial(app, place.rules("crm"), {"email": DUMMY}, Note(place.folder, "crm"), patience=0.2)
    trial.id, app.find = id, lambda key: blind

    found = [trial.tried(verb, verb, lambda v=verb: trial.switched(v, v == "enable")) for verb in ("disable", "enable")]

    assert [one.verdict for one in found] == [Verdict.FAILS, Verdict.WORKS]
    assert "looked up by its key" in found[0].says


def test_a_recipe_that_does_not_fit_the_page_fails() -> None:
    rules = AppRules(title="Desk", tier="app", connector="manual", owner="it", key="mail", attributes={"mail": "x"})
    trial = Trial(Manual("desk", rules), rules, {"mail": "a@x.example"}, Note(Path(), "desk"), patience=1)
    trial.can = {"create", "update"}

    def missing(error: type[NeedsHuman]) -> str:
        raise error("desk", "create account", "there is no button 'Add'", "Do it by hand.")

    verdicts = [trial.tried("create", "create", lambda kind=kind: missing(kind)) for kind in (OutOfDate, NeedsHuman)]

    assert [(found.verdict, found.good, found.says) for found in verdicts] == [
        (Verdict.FAILS, False, "there is no button 'Add'"),
        (Verdict.PEOPLE, True, "Do it by hand."),
    ]


def test_an_app_that_is_not_there_is_a_wrong_usage(place: Place) -> None:
    told = place.app("try", "crn")

    assert told.exit_code == 2 and "did you mean 'crm'" in told.stderr


# add, list


def test_a_ready_file_is_copied_once(place: Place) -> None:
    name = presets.names()[0]

    first, again = place.app("add", name), place.app("add", name)
    other = place.app("add", name, "--as", "second")

    path = place.company / "apps" / f"{name}.yaml"
    assert (first.exit_code, again.exit_code, other.exit_code) == (0, 1, 0)
    assert path.read_text() == (place.company / "apps" / "second.yaml").read_text() == presets.text(name)
    assert "is there already" in again.stderr and f"give: [{name}]" in first.stdout
    assert name in read_folder(place.company).apps


def test_adding_says_what_to_set_and_to_decide(place: Place) -> None:
    name = next(n for n in presets.names() if "# decide" in presets.text(n))

    told = place.app("add", name, "--as", "mine")

    decided = [line.strip() for line in presets.text(name).splitlines() if "decide" in line.lower()]
    assert "Set in .env: " in told.stdout and all(line in told.stdout for line in decided)


def test_nobody_writes_into_the_package(place: Place) -> None:
    shutil.rmtree(place.company)

    told = place.app("add", presets.names()[0])

    assert told.exit_code == 1 and "rollcall init" in told.stderr


def test_a_vendor_that_is_not_known_is_a_wrong_usage(place: Place) -> None:
    assert place.app("add", "nosuch").exit_code == 2


def test_the_list_has_own_apps_and_ready_ones(place: Place) -> None:
    found = {row["app"]: row["is"] for row in json.loads(place.app("list", "--json").stdout)}

    assert found["crm"] == "in use" and all(found[name] == "ready to add" for name in presets.names())


# doctor


def test_the_doctor_names_the_permission_that_is_missing(place: Place) -> None:
    place.tried("sso", "--keep")
    rules = place.rules("sso").model_copy(update={"permissions": {"tokens.read": ("tokens",), "users.read": ("read",)}})
    place.sandbox.control("sso").faults([{"match": "/tokens", "kind": "403"}])

    says = shortfalls(connect("sso", rules, place.environment), rules)

    assert len(says) == 1 and says[0].endswith("'tokens' needs tokens.read.")


def test_the_doctor_has_nothing_to_say_where_all_can_be_read(place: Place) -> None:
    for name in ("sso", "crm", "desk", "badges"):
        rules = place.rules(name)

        assert shortfalls(connect(name, rules, place.environment), rules) == []
