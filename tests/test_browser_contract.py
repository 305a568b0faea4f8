"""The contract of connectors.base, kept by a browser at Django's own admin; state is read from Django's database."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.base import App, Grants, Outcome
from connectors.browser_chromium import stop_all
from connectors.catalogue import capabilities, connect
from connectors.errors import ConnectorError, NeedsHuman, Refused, Retryable
from mappings.folder import plain
from mappings.vocabulary import AppRules
from tests.servers_django import PASSWORD, SEED, USER, DjangoAdmin, running

pytestmark = pytest.mark.timeout(120)
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY
CHANGE = r"^POST /admin/auth/user/\d+/change/"
ADD = r"^POST /admin/auth/user/add/"


class Rig:
    """An app, its server, and the folder with what it keeps."""

    def __init__(self, server: DjangoAdmin, keep: Path, patience: float = 6) -> None:
        self.server, self.keep = server, keep
        words = plain(YAML().load(server.rules_yaml))
        words["options"]["patience"] = patience
        self.words = words
        self.app: Any = self.again()

    def again(self, keep: Path | None = None, **options: Any) -> App:
        """The app in another process: nothing remembered but what is kept."""
        rules = AppRules.model_validate({**self.words, "options": self.words["options"] | options})
        return connect("django_admin", rules, self.server.environment, keep=keep or self.keep)

    def someone(self, number: int = 1) -> dict[str, str]:
        mail = f"person.{number}@juniperfinch.example"
        return {"username": mail, "first_name": "Person", "last_name": f"Number {number}", "email": mail}

    def make(self, number: int = 1) -> str:
        outcome, id = self.app.create(self.someone(number))
        assert outcome == DONE
        return str(id)

    def shown(self, number: int = 1) -> Any:
        return self.server.account(self.someone(number)["username"])

    def fault(self, match: str, kind: str, times: int = 1, **more: Any) -> None:
        self.server.faults({"match": match, "kind": kind, "times": times, **more})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoAdmin]:
    if why := DjangoAdmin().missing():
        pytest.skip(why)
    yield from running(tmp_path_factory.mktemp("django"))
    stop_all()


@pytest.fixture(scope="module")
def rig_of_all(server: DjangoAdmin, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(server, tmp_path_factory.mktemp("keep"))


@pytest.fixture
def rig(rig_of_all: Rig) -> Rig:
    rig_of_all.server.reset()
    rig_of_all.app.pictures()
    return rig_of_all


def test_creates_once_however_often_it_is_asked(rig: Rig) -> None:
    first = rig.app.create(rig.someone())
    second = rig.app.create(rig.someone())
    elsewhere = rig.again().create(rig.someone())

    assert first[0] == DONE and second == elsewhere == (ALREADY, first[1])
    assert rig.server.count() == 2  # the robot, too
    assert rig.shown().id == first[1]
    assert rig.shown().attributes == {
        "work_email": rig.someone()["email"],
        "given_name": "Person",
        "family_name": "Number 1",
    }


def test_an_account_made_has_no_password_that_works(rig: Rig) -> None:
    rig.make()

    (row,) = rig.server.rows("SELECT password, is_staff, is_superuser FROM auth_user WHERE username <> ?", USER)
    assert row["password"].startswith("!") and not row["is_staff"] and not row["is_superuser"]


def test_two_workers_at_once_make_one_account(rig: Rig) -> None:
    workers = [rig.app, rig.again()]

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda app: app.create(rig.someone()), workers))

    assert len({id for _, id in made}) == 1 and rig.server.count() == 2


def test_reads_back_what_it_wrote(rig: Rig) -> None:
    id = rig.make()

    account = rig.app.read(id)
    found = rig.app.find(rig.someone()["username"].upper())

    assert account.attributes == rig.someone() and account.active and account.id == id
    assert account.key == rig.someone()["username"] and account.entitlements == frozenset()
    assert found.id == id


def test_updates_what_is_named_and_nothing_else(rig: Rig) -> None:
    id = rig.make()
    rig.server.rows("UPDATE auth_user SET first_name = 'By hand' WHERE id = ?", id)

    assert [rig.app.update(id, {"last_name": "Changed"}), rig.app.update(id, {"last_name": "Changed"})] == [
        DONE,
        ALREADY,
    ]
    assert rig.shown().attributes["family_name"] == "Changed"
    assert rig.shown().attributes["given_name"] == "By hand"


def test_leaves_fields_alone_that_the_recipe_does_not_read(rig: Rig) -> None:
    id = rig.make()
    page = rig.words["options"]["account"]
    known = {name: page["fields"][name] for name in ("username", "last_name")}

    rig.again(account=page | {"fields": known}).update(id, {"last_name": "Changed"})

    assert rig.shown().attributes == {
        "work_email": rig.someone()["email"],
        "given_name": "Person",
        "family_name": "Changed",
    }


def test_disables_and_enables_twice(rig: Rig) -> None:
    id = rig.make()

    assert rig.app.enable(id) == ALREADY
    assert [rig.app.disable(id), rig.app.disable(id)] == [DONE, ALREADY]
    assert not rig.shown().active and not rig.app.read(id).active
    assert [rig.app.enable(id), rig.app.enable(id)] == [DONE, ALREADY]
    assert rig.shown().active and rig.app.read(id).active


def test_deletes_twice(rig: Rig) -> None:
    id = rig.make()

    assert [rig.app.delete(id), rig.app.delete(id)] == [DONE, ALREADY]
    assert rig.shown() is None and rig.server.count() == 1


def test_grants_and_revokes_twice(rig: Rig) -> None:
    id = rig.make()

    assert isinstance(rig.app, Grants)
    assert [rig.app.grant(id, "Sales"), rig.app.grant(id, "Sales")] == [DONE, ALREADY]
    assert rig.app.grant(id, "Staff") == DONE
    assert rig.shown().groups == {"Sales", "Staff"} == rig.again().read(id).entitlements  # type: ignore[union-attr]
    assert set(rig.app.entitlements()) == {"Staff", "Sales", "Engineering"}
    assert [rig.app.revoke(id, "Sales"), rig.app.revoke(id, "Sales")] == [DONE, ALREADY]
    assert rig.shown().groups == {"Staff"}
    with pytest.raises(Refused, match="there is no option 'Sailors'; there are 'Engineering', 'Sales'"):
        rig.app.grant(id, "Sailors")


def test_two_grants_at_once_do_not_undo_each_other(rig: Rig) -> None:
    id = rig.make()

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda name: rig.app.grant(id, name), ["Sales", "Staff", "Engineering"]))

    assert done == [DONE] * 3 and rig.shown().groups == {"Sales", "Staff", "Engineering"}


def test_a_wrong_id_changes_nothing(rig: Rig) -> None:
    rig.make()
    before = rig.server.rows("SELECT * FROM auth_user WHERE username <> ?", USER)

    for wrong in ("9999", "00000000-0000-4000-8000-00000000dead", "1/../../group/1"):
        assert rig.app.read(wrong) is None
        assert rig.app.disable(wrong) == rig.app.revoke(wrong, "Sales") == rig.app.delete(wrong) == ALREADY
        for verb, more in (("update", {"last_name": "X"}), ("grant", "Sales"), ("enable", None)):
            with pytest.raises(Refused) as caught:
                getattr(rig.app, verb)(wrong, *([more] if more else []))
            assert caught.value.status == 404

    assert rig.server.rows("SELECT * FROM auth_user WHERE username <> ?", USER) == before


def test_a_wrong_first_hit_is_not_believed(rig: Rig) -> None:
    rig.make(11)  # Django's search finds parts: person.1 is in person.11 only by chance of the domain
    rig.server.rows("UPDATE auth_user SET last_name = ? WHERE username <> ?", rig.someone(1)["username"], USER)

    assert rig.app.find(rig.someone(1)["username"]) is None
    assert rig.app.create(rig.someone(1))[0] == DONE
    assert rig.server.count() == 3


def test_lists_every_account_once_over_pages_and_who_is_not_active(rig: Rig) -> None:
    rig.server.fill(420)

    listed = list(rig.app.accounts())

    assert len(listed) == len({account.id for account in listed}) == 421
    inactive = {str(r["id"]) for r in rig.server.rows("SELECT id FROM auth_user WHERE NOT is_active")}
    assert {account.id for account in listed if not account.active} == inactive and len(inactive) == 60


@pytest.mark.parametrize(
    ("verb", "match", "after"), [("create", ADD, None), ("update", CHANGE, None), ("disable", CHANGE, 7)]
)
def test_a_server_error_is_handed_back_and_can_be_sent_again(
    rig: Rig, verb: str, match: str, after: float | None
) -> None:
    id = "" if verb == "create" else rig.make()
    arguments = {"create": [rig.someone()], "update": [id, {"last_name": "X"}], "disable": [id]}[verb]
    rig.fault(match, "status", status=429 if after else 500, **({"after": after} if after else {}))

    with pytest.raises(Retryable, match="read back before trying again") as caught:
        getattr(rig.app, verb)(*arguments)

    assert caught.value.after == after
    again = getattr(rig.app, verb)(*arguments)
    assert (again[0] if verb == "create" else again) == DONE


def test_a_failing_read_is_tried_again(rig: Rig) -> None:
    id = rig.make()
    rig.fault("^GET /admin/auth/user/", "status")

    assert rig.app.read(id).id == id


def test_a_slow_page_is_waited_for(rig: Rig) -> None:
    id = rig.make()
    rig.fault("change/$", "slow", times=99, seconds=1.2)

    assert rig.app.disable(id) == DONE and not rig.shown().active


def test_a_page_that_does_not_come_may_be_tried_later(rig: Rig) -> None:
    id = rig.make()
    rig.fault(CHANGE, "slow", seconds=60)

    with pytest.raises(Retryable):
        rig.again(patience=2).disable(id)


@pytest.mark.parametrize("verb", ["create", "update", "disable", "grant", "delete"])
def test_a_write_whose_answer_was_lost_is_read_back(rig: Rig, verb: str) -> None:
    id = "" if verb == "create" else rig.make()
    more = {"create": [rig.someone()], "update": [id, {"last_name": "X"}], "grant": [id, "Sales"]}
    rig.fault(r"^POST /admin/auth/user/(add|\d+/(change|delete))/", "lost-answer", times=1)

    outcome = getattr(rig.app, verb)(*more.get(verb, [id]))

    assert (outcome[0] if verb == "create" else outcome) in (DONE, ALREADY)  # Chromium itself sends a lost POST again
    now = rig.shown()
    assert rig.server.count() == (1 if verb == "delete" else 2)
    assert {
        "create": lambda: now.active,
        "update": lambda: now.attributes["family_name"] == "X",
        "disable": lambda: not now.active,
        "grant": lambda: now.groups == {"Sales"},
        "delete": lambda: now is None,
    }[verb]()


@pytest.mark.parametrize("verb", ["update", "disable", "grant"])
def test_a_write_that_did_nothing_shows_when_read(rig: Rig, verb: str) -> None:
    id = rig.make()
    before = rig.app.read(id)
    rig.fault(CHANGE, "silent-noop")

    getattr(rig.app, verb)(id, *{"update": [{"last_name": "X"}], "grant": ["Sales"]}.get(verb, []))

    assert rig.app.read(id) == before


def test_a_create_that_did_nothing_is_not_taken_for_one(rig: Rig) -> None:
    rig.fault(ADD, "silent-noop")

    with pytest.raises(ConnectorError):
        rig.app.create(rig.someone())

    assert rig.shown() is None
    assert rig.app.create(rig.someone())[0] == DONE


@pytest.mark.parametrize("match", ["^GET .*change/$", CHANGE, "^GET /admin/auth/user/$"])
def test_a_session_that_ends_in_the_middle_is_renewed(rig: Rig, match: str) -> None:
    id = rig.make()
    rig.server.log(clear=True)
    rig.fault(match, "signed-out")

    assert rig.app.disable(id) == DONE
    assert not rig.shown().active
    signed_in = sum("POST /admin/login/" in line for line in rig.server.log())
    assert signed_in == 2  # the password first, then the code


def test_a_session_is_kept_for_the_next_process(rig: Rig) -> None:
    id = rig.make()
    rig.server.log(clear=True)

    assert rig.again().read(id) is not None

    assert not [line for line in rig.server.log() if "login" in line]
    assert (rig.keep / "session.json").stat().st_mode & 0o077 == 0


def test_many_workers_share_the_pages(rig: Rig) -> None:
    with ThreadPoolExecutor(5) as pool:
        ids = list(pool.map(rig.make, range(1, 6)))
        assert set(pool.map(rig.app.disable, ids)) == {DONE}

    assert not any(rig.shown(number).active for number in range(1, 6))


def test_a_wrong_password_is_refused_and_named(rig: Rig, tmp_path: Path) -> None:
    wrong = rig.server.environment | {"DJANGO_ADMIN_PASSWORD": "canary-in-a-password"}
    app = connect("django_admin", AppRules.model_validate(rig.words), wrong, keep=tmp_path)

    with pytest.raises((Refused, NeedsHuman)) as caught:
        app.check()

    assert "canary" not in str(caught.value) and "DJANGO_ADMIN_PASSWORD" in str(caught.value)


def test_says_that_it_is_there_and_what_it_can(rig: Rig) -> None:
    assert "Django admin" in rig.app.check()
    assert isinstance(rig.app, App)
    assert {"create", "update", "enable", "disable", "delete", "grant", "revoke"} <= capabilities(rig.app)


def test_a_recipe_that_does_not_fit_asks_a_person_and_shows_the_page(rig: Rig) -> None:
    id = rig.make()
    steps = [{"open": "/admin/auth/user/{id}/change/"}, {"click": {"button": "Switch off"}}]
    app: Any = rig.again(disable=steps, patience=1)

    with pytest.raises(NeedsHuman, match=r"disable, step 2 \(click button 'Switch off'\)") as caught:
        app.disable(id)

    assert "untick Active" in caught.value.todo
    kept = {picture.shows: Path(picture.file) for picture in caught.value.pictures}
    assert {"before", "failure", "trace"} == set(kept)
    assert kept["failure"].read_bytes().startswith(b"\x89PNG") and zipfile.is_zipfile(kept["trace"])
    assert rig.shown().active


def test_secrets_are_nowhere(rig: Rig, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    keep = rig.keep.parent / "canaries"
    app: Any = rig.again(keep=keep, enable=[{"open": "/admin/"}, {"click": {"button": "No such"}}], patience=1)
    _, id = app.create(rig.someone())
    app.disable(id)
    rig.server.sign_everybody_out()
    said = []
    with pytest.raises(NeedsHuman) as caught:
        app.enable(id)
    said += [str(caught.value), repr(caught.value), repr(app), repr(app.pictures())]

    traces = list((keep / "pictures").glob("*.zip"))
    assert traces
    cookies = {row["session_key"] for row in rig.server.rows("SELECT session_key FROM django_session")}
    for trace in traces:
        with zipfile.ZipFile(trace) as content:
            said += [content.read(name).decode("latin-1") for name in content.namelist()]
    said += [caplog.text, *capfd.readouterr(), *os.listdir(keep / "pictures")]
    for secret in (PASSWORD, SEED, *cookies):
        assert not [text for text in said if secret in text], secret
    assert all(file.stat().st_mode & 0o077 == 0 for file in (keep / "pictures").iterdir())
