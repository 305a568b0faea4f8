"""Any other HR system: a database, a REST API declared in YAML (here SCIM)."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.errors import Refused
from connectors.hr.base import Changes, Source, WriteBack
from connectors.hr.catalogue import source
from connectors.sandbox import Sandbox
from mappings.feed import people_of
from mappings.vocabulary import HrSource

ROOT = Path(__file__).parents[1]
PEOPLE = [
    ("00042", "Marama", "Ngata", None, "Botany", "student", "2026-02-01", None, "2026-01-10 09:00:00"),
    ("00043", "Noé", "Perrin", "noe@mill.example", "Botany", "temp", "2026-03-01", "2026-12-31", "2026-05-01 09:00:00"),
]


def rules(name: str) -> HrSource:
    return HrSource.model_validate(YAML(typ="safe").load(ROOT / f"mappings/sample/hr/{name}.yaml"))


@pytest.fixture
def register(tmp_path) -> Iterator[Path]:
    file = tmp_path / "register.db"
    with sqlite3.connect(file) as database:
        database.execute(
            "CREATE TABLE people (person_no TEXT, first_name TEXT, last_name TEXT, mail TEXT, department TEXT,"
            " kind TEXT, begins TEXT, ends TEXT, changed_at TEXT)"
        )
        database.execute(
            "CREATE VIEW rollcall_people AS SELECT *, NULL AS private_mail, NULL AS title, NULL AS campus,"
            " NULL AS tutor_no FROM people"
        )
        database.executemany(f"INSERT INTO people VALUES ({','.join('?' * 9)})", PEOPLE)
    database.close()
    yield file


def database(file: Path, **options: object):
    read = rules("sql")
    read = read.model_copy(update={"options": read.options | options})
    return source("sql", read, {"HR_DATABASE_URL": f"sqlite:///{file}"}, ROOT)


def test_a_database_is_a_source(register):
    app = database(register)

    assert isinstance(app, Source) and isinstance(app, Changes) and isinstance(app, WriteBack)
    assert app.check() == "sqlite: 2 rows"
    people = people_of(app.read(), app.rules).people.set_index("employee_id")
    assert people.loc["00042", ["given_name", "worker_type"]].tolist() == ["Marama", "external"]
    assert str(people.loc["00043", "last_day"].date()) == "2026-12-31"
    assert app.read_one("00043")["first_name"].tolist() == ["Noé"] and app.read_one("42").empty


def test_a_database_can_do_only_what_is_declared(register):
    app = database(register, changed="", write="")

    assert not isinstance(app, Changes) and not isinstance(app, WriteBack)


def test_the_changed_are_asked_for(register):
    assert database(register).changed_since(datetime(2026, 4, 1, tzinfo=UTC))["person_no"].tolist() == ["00043"]


def test_the_work_email_is_written_once(register):
    app = database(register)

    outcomes = [app.write_work_email("00042", "marama@mill.example") for _ in range(2)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert app.read()["mail"].tolist() == ["marama@mill.example", "noe@mill.example"]
    with pytest.raises(Refused, match="there is already noe@mill.example"):
        app.write_work_email("00043", "n@mill.example")


def test_a_statement_that_hits_everybody_changes_nobody(register):
    app = database(register, write="UPDATE people SET mail = :address WHERE :id = :id")

    with pytest.raises(Refused, match="would change 2 rows; nothing was changed"):
        app.write_work_email("00042", "marama@mill.example")
    assert app.read()["mail"].isna().tolist() == [True, False]


def test_a_wrong_query_and_a_lost_database_are_told(register, tmp_path):
    with pytest.raises(Refused, match="syntax error.*Mend the query"):
        database(register, query="SELEKT 1").read()
    with pytest.raises(Refused, match="no such column.*Mend the query"):
        database(register, query="SELECT shoe_size FROM people").read()
    with pytest.raises(Refused, match="no database file .*x.db"):
        database(tmp_path / "x.db").read()
    assert not (tmp_path / "x.db").exists()
    with pytest.raises(Refused, match="readonly"):
        database(register, query="DELETE FROM people RETURNING *").read()
    with pytest.raises(Refused, match="the query has person_no twice"):
        database(register, query="SELECT person_no, person_no FROM people").read()
    with pytest.raises(Refused, match="finds nobody"):
        database(register, query="SELECT * FROM rollcall_people WHERE 1 = 0").read()


def test_a_url_that_is_none_does_not_show_its_password(tmp_path):
    with pytest.raises(Refused) as error:
        source("sql", rules("sql"), {"HR_DATABASE_URL": "postgresql//me:quite-secret@db"}, ROOT)
    assert "quite-secret" not in str(error.value)


CORE, ENTERPRISE = (f"urn:ietf:params:scim:schemas:{name}:2.0:User" for name in ("core", "extension:enterprise"))


@pytest.fixture
def scim(sandbox: Sandbox) -> Iterator[tuple[object, list[str]]]:
    """A SCIM server that is the source, with three people in it."""
    env = sandbox.environment
    ids = []
    with httpx.Client(headers={"Authorization": f"Bearer {env['SSO_TOKEN']}"}) as client:
        for name in ("Ana", "Bo", "Cy"):
            body = {"schemas": [CORE, ENTERPRISE], "userName": f"{name}@mill.example", "userType": "employee"}
            body |= {"name": {"givenName": name, "familyName": "Mill"}, ENTERPRISE: {"department": "Tea"}}
            ids.append(client.post(f"{env['SSO_URL']}/Users", json=body).raise_for_status().json()["id"])
    values = {"HR_REST_URL": env["SSO_URL"], "HR_REST_TOKEN": env["SSO_TOKEN"]}
    read = rules("rest")
    read = read.model_copy(
        update={"options": read.options | {"pages": {"offset": {**read.options["pages"]["offset"], "per": 2}}}}
    )
    yield source("rest", read, values, ROOT), ids
    sandbox.control("sso").reset()


def test_scim_is_a_source(scim):
    app, ids = scim

    feed = people_of(app.read(), app.rules)

    people = feed.people.set_index("employee_id").loc[ids]
    assert people["given_name"].tolist() == ["Ana", "Bo", "Cy"] and set(people["department"]) == {"Tea"}
    assert app.read_one(ids[1])["name.givenName"].tolist() == ["Bo"] and app.read_one("nobody").empty
    assert isinstance(app, Changes) and isinstance(app, WriteBack)


def test_a_rest_source_writes_the_work_email_once(scim):
    app, ids = scim

    outcomes = [app.write_work_email(ids[0], "ana@mill.example") for _ in range(2)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert app.read_one(ids[0])["emails.type=work.value"].tolist() == ["ana@mill.example"]
    with pytest.raises(Refused, match="there is already ana@mill.example"):
        app.write_work_email(ids[0], "a@mill.example")
    with pytest.raises(Refused, match="nobody with this id"):
        app.write_work_email("nobody", "a@mill.example")


def test_a_rest_source_asks_for_the_changed(scim):
    app, ids = scim

    assert set(app.changed_since(datetime.now(UTC) - timedelta(minutes=1))["id"]) >= set(ids)
    assert app.changed_since(datetime.now(UTC) + timedelta(minutes=1)).empty


def test_a_list_at_the_wrong_place_removes_nobody(scim, sandbox):
    app, _ = scim
    app.options = app.options.model_copy(
        update={"people": tuple(each.model_copy(update={"items": "People"}) for each in app.options.people)}
    )
    with pytest.raises(Refused):
        app.read()
