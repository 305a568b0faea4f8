"""Any database as a source: a SQLAlchemy URL and a query. The driver of the database is yours to install.

Least permission: to select from one view made for this; for write-back, to update one column of one table.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from pydantic import Field, SecretStr

from connectors.base import Outcome
from connectors.errors import Refused
from connectors.hr.batches import numbered
from connectors.hr.sql_session import Session
from connectors.hr.write_back import Entry
from connectors.redaction import Redaction
from connectors.surroundings import Surroundings
from mappings.feed import columns_of
from mappings.vocabulary import HrSource
from mappings.words import Words

SECRET = re.compile("pass|secret|token|key", re.IGNORECASE)
"""Parameters of a url whose values are never shown."""


class Options(Words):
    """The words under `options` of a source with `connector: sql`."""

    url: str
    """SQLAlchemy's: `postgresql+psycopg://rollcall@db.example/students`, `sqlite:////data/staff.db`."""
    password: SecretStr = SecretStr("")
    """Of the url's user; it has no place in the url."""
    query: str = Field(min_length=1)
    """Selects everybody; its columns are the source's."""
    one: str = ""
    """As `query`, but of the person `:id`; left out: everybody is read and looked through."""
    changed: str = ""
    """As `query`, but of the people changed since `:since` (UTC)."""
    write: str = ""
    """Sets the work e-mail `:address` of the person `:id`."""
    pace_minutes: int = Field(default=10, gt=0)
    """How often `changed` may be asked."""
    timeout_seconds: int = Field(default=300, gt=0)
    """After which the database ends a statement, where it can (PostgreSQL, MySQL, MariaDB)."""


def connect(name: str, rules: HrSource, options: Options, around: Surroundings, folder: Path) -> SqlSource:
    """The source that these rules declare; nothing is called yet."""
    try:
        url = sa.make_url(options.url)
        if options.password.get_secret_value():
            url = url.set(password=options.password.get_secret_value())
        hidden = {name: str(value) for name, value in url.query.items() if SECRET.search(name)}
        redaction = Redaction({**around.secrets, "the password": url.password or "", **hidden})
        session = Session(name, url, options.timeout_seconds, redaction)
    except (sa.exc.ArgumentError, ImportError) as error:  # of a url that is none, only the kind of error is told
        why = str(error) if isinstance(error, ImportError) else "options.url is no SQLAlchemy URL"
        raise Refused(name, f"hr/{name}.yaml", why, "Install the database's driver, or mend the url.") from None
    kinds = [SqlSource, *([Changing] if options.changed else []), *([Writing] if options.write else [])]
    made: type[SqlSource] = type("SqlSource", tuple(reversed(kinds)), {})
    return made(name, rules, options, session)


class SqlSource:
    """One database; keeps Source."""

    def __init__(self, name: str, rules: HrSource, options: Options, session: Session) -> None:
        self.name, self.rules, self.options, self.session = name, rules, options, session

    def check(self) -> str:
        """1 query."""
        return f"{self.session.dialect}: {len(self.read())} rows"

    def read(self) -> pd.DataFrame:
        """1 query. Refused where it finds nobody."""
        frame = self.frame(self.options.query, "read people")
        if frame.empty:
            raise Refused(self.name, "read people", "the query finds nobody", "An empty table removes nobody.")
        return frame

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """1 query, by `one` or for everybody; either way the key is compared as text, whatever the column's type is."""
        doing, key = f"read person {employee_id}", self.rules.fields["employee_id"]
        one = self.options.one
        frame = self.frame(one, doing, id=employee_id) if one else self.frame(self.options.query, doing)
        return frame[frame[key].str.strip() == employee_id] if key in frame else frame

    def frame(self, query: str, doing: str, **said: Any) -> pd.DataFrame:
        """The rows of a query as text."""
        found = self.session.read(query, doing, **said)
        frame = pd.DataFrame(found.cells, columns=self.names(found.names, doing), dtype="string")
        return numbered(frame, "the database")

    def names(self, found: list[str], doing: str) -> list[str]:
        """Column names; one that the mapping uses may stand there only once."""
        wanted = set(columns_of(self.rules).values())
        if twice := [name for name, many in Counter(found).items() if many > 1 and name in wanted]:
            raise Refused(self.name, doing, f"the query has {', '.join(twice)} twice", "Name them apart with AS.")
        return [name if found.index(name) == at else f"{name} (column {at + 1})" for at, name in enumerate(found)]


class Changing(SqlSource):
    """Where `changed` is given; keeps Changes."""

    @property
    def pace(self) -> timedelta:
        """As declared."""
        return timedelta(minutes=self.options.pace_minutes)

    def changed_since(self, since: datetime) -> pd.DataFrame:
        """1 query."""
        return self.frame(self.options.changed, "read changes", since=since.astimezone(UTC).replace(tzinfo=None))


class Writing(SqlSource):
    """Where `write` is given; keeps WriteBack."""

    def write_work_email(self, employee_id: str, address: str, instead_of: str = "") -> Outcome:
        """2 or 3 queries."""
        entry = Entry(self.name, "the database", employee_id, address, instead_of)
        return entry.written(
            self.rules,
            lambda: entry.among(self.read_one(employee_id), self.rules),
            lambda: self.session.change(self.options.write, entry.doing, id=employee_id, address=address),
        )
