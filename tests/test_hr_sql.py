"""Databases as the HR system, on a PostgreSQL of our own: the student register of docs/hr/any-other.md."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.errors import Refused, Retryable
from connectors.hr.base import Changes, Source, WriteBack
from connectors.hr.catalogue import source
from mappings.feed import people_of
from mappings.vocabulary import HrSource
from tests.record_databases import postgres_socket

PAGE = Path(__file__).parents[1] / "docs" / "hr" / "any-other.md"
REGISTER = """
CREATE TABLE students (id integer PRIMARY KEY, first_name text, last_name text, mail text, tutor integer,
                       campus char(10), changed_at timestamptz NOT NULL);
CREATE TABLE enrolments (student integer REFERENCES students, programme text, from_day date, to_day date);
INSERT INTO students VALUES (42, 'Marama', 'Ngata', NULL, 43, 'Wellington', '2026-01-10 09:00+13'),
                            (43, 'Noé', 'Perrin', 'noe@mill.example', NULL, 'Lisbon', '2026-05-01 12:00+12');
INSERT INTO enrolments VALUES (42, 'Botany', '2024-02-01', '2025-12-19'), (42, 'Botany', '2026-02-01', NULL),
                              (43, 'Tea', '2026-03-01', '2026-12-31');
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Register:
    """A database of its own, with the view and the user of the page."""

    def __init__(self, socket: Path) -> None:
        self.socket, self.database, self.user = socket, f"register_{uuid4().hex}", f"reader_{uuid4().hex}"
        self.run(f"CREATE DATABASE {self.database}", "postgres")
        self.run(f"ALTER DATABASE {self.database} SET timezone = 'Pacific/Auckland'", "postgres")
        self.run(REGISTER + blocks("sql")[0].replace("rollcall_reader", self.user))

    def run(self, statement: str, database: str = "") -> list[Any]:
        """As the database's owner."""
        where = f"host={self.socket} user=rollcall dbname={database or self.database}"
        with psycopg.connect(where, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def source(self, **options: object) -> Any:
        words = YAML(typ="safe").load(blocks("yaml")[0])
        words["options"] = words["options"] | options
        url = f"postgresql+psycopg://{self.user}@/{self.database}?host={self.socket}"
        values = {"HR_DATABASE_URL": url, "HR_DATABASE_PASSWORD": "quite-a-secret"}
        return source("register", HrSource.model_validate(words), values, PAGE.parent)


@pytest.fixture
def register() -> Iterator[Register]:
    made = Register(postgres_socket())
    yield made
    made.run(f"DROP DATABASE {made.database}", "postgres")
    made.run(f"DROP ROLE {made.user}", "postgres")


def test_the_pages_student_register_is_a_source(register):
    app = register.source()

    assert isinstance(app, Source) and isinstance(app, Changes) and isinstance(app, WriteBack)
    feed = people_of(app.read(), app.rules)
    people = feed.people.set_index("employee_id")
    assert feed.held == () and people.index.tolist() == ["000042", "000043"]
    assert people.loc["000042", ["given_name", "department", "manager_id"]].tolist() == ["Marama", "Botany", "000043"]
    assert people.loc["000042", ["worker_type", "location"]].tolist() == ["external", "Wellington"]
    assert str(people.loc["000043", "last_day"].date()) == "2026-12-31"
    assert people.loc[["000042"], "last_day"].isna().all() and people.loc[["000042"], "work_email"].isna().all()


def test_one_person_is_asked_for_by_a_parameter(register):
    app = register.source()

    assert app.read_one("000043")["first_name"].tolist() == ["Noé"]
    for stranger in ("43", "000099", "' OR '1'='1", "000043'; DROP TABLE enrolments; --"):
        assert app.read_one(stranger).empty
    assert len(register.run("SELECT * FROM enrolments")) == 3


def test_the_changed_are_asked_for_by_utc_whatever_the_servers_zone(register):
    app = register.source()

    assert app.changed_since(datetime(2026, 4, 30, 23, 30, tzinfo=UTC))["person_no"].tolist() == ["000043"]
    assert app.changed_since(datetime(2026, 5, 1, 0, 30, tzinfo=UTC)).empty


def test_the_work_email_is_written_once_as_a_parameter(register):
    app, address = register.source(), "marama.o'ngata@mill.example"

    assert [app.write_work_email("000042", address) for _ in range(2)] == [Outcome.DONE, Outcome.ALREADY]
    assert register.run("SELECT id, mail FROM students ORDER BY id") == [(42, address), (43, "noe@mill.example")]
    with pytest.raises(Refused, match="nobody with this id"):
        app.write_work_email("' OR '1'='1", "all@mill.example")


def test_a_statement_that_hits_more_than_one_changes_nobody(register):
    app = register.source(write="UPDATE students SET mail = :address WHERE :id = :id")

    with pytest.raises(Refused, match="would change 2 rows; nothing was changed"):
        app.write_work_email("000042", "marama@mill.example")
    assert register.run("SELECT mail FROM students WHERE id = 42") == [(None,)]


def test_the_user_can_do_nothing_else(register):
    for query in ("SELECT * FROM students", "SELECT * FROM enrolments"):
        with pytest.raises(Refused, match="permission denied"):
            register.source(query=query).read()
    with pytest.raises(Refused, match="permission denied"):
        register.source(write="UPDATE students SET first_name = :address WHERE :id <> ''").write_work_email(
            "000042", "x@mill.example"
        )


def test_a_query_that_changes_something_is_refused_by_the_database(register):
    register.run("CREATE SEQUENCE turns")
    register.run(f"GRANT USAGE ON SEQUENCE turns TO {register.user}")

    with pytest.raises(Refused, match="read-only transaction"):
        register.source(query="SELECT nextval('turns') AS person_no").read()
    assert register.run("SELECT is_called FROM turns") == [(False,)]


def test_a_query_that_takes_too_long_ends(register):
    with pytest.raises(Retryable, match="statement timeout"):
        register.source(query="SELECT pg_sleep(50)", timeout_seconds=1).read()


def test_types_are_told_as_the_database_has_them(register):
    cells = {
        "00042": "'00042'::text",
        "42": "42::bigint",
        "1234567890123456789": "1234567890123456789::numeric(20)",
        "0.000000000100": "0.0000000001::numeric(20,12)",
        "true": "true",
        "2026-01-05": "'2026-01-05'::date",
        "2026-01-04T11:00:00+00:00": "'2026-01-05 00:00+13'::timestamptz",
        "2026-01-05T08:30:00": "'2026-01-05 08:30'::timestamp",
        "6f1c9a52-0000-4000-8000-000000000001": "'6f1c9a52-0000-4000-8000-000000000001'::uuid",
        "Žofie": r"'\xc5bd6f666965'::bytea",
        "ff00": r"'\xff00'::bytea",
    }
    query = "SELECT " + ", ".join(f"{sql} AS c{n}" for n, sql in enumerate(cells.values())) + ", NULL AS nothing"

    row = register.source(query=query).frame(query.replace(":", r"\:"), "try").iloc[0]

    assert row.tolist()[:-1] == list(cells) and str(row["nothing"]) == "<NA>"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql+psycopg://me:quite-a-secret@127.0.0.1:1/x?sslpassword=another-secret", Retryable),
        ("postgresql+psycopg://nobody_{socket}@/postgres?host={socket}", Refused),
        ("postgresql+psycopg://rollcall@/no_such_database?host={socket}", Refused),
    ],
    ids=["no server", "no role", "no database"],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(register, url, kind):
    app = register.source(url=url.replace("{socket}", str(register.socket)))

    with pytest.raises(kind) as error:
        app.read()
    for secret in ("quite-a-secret", "another-secret"):
        assert secret not in str(error.value)


def test_a_database_that_quotes_the_password_is_masked(register):
    url = f"postgresql+psycopg://{register.user}:inline-secret@/{register.database}?host={register.socket}"

    with pytest.raises(Refused, match=r"nowhere.*SELECT '\*\*\*' FROM") as error:
        register.source(url=url, password="", query="SELECT 'inline-secret' FROM nowhere").read()
    assert "inline-secret" not in str(error.value)
