"""Apps that a leaver uses and Rollcall does not manage: from exported tables, and from OAuth grants at the apps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from connectors.base import Tokens
from connectors.catalogue import PLACE, filled
from connectors.errors import ConnectorError, Refused
from connectors.tables import read_table
from flows.record import emails, holdings
from flows.site import Site
from mappings import shadow
from mappings.folder import first_line
from mappings.people import Person
from mappings.policies import ShadowSource
from mappings.shadow import ShadowUse
from mappings.words import suggest


class Uses(NamedTuple):
    """What was found, and a sentence for each place where nothing could be found out."""

    found: list[ShadowUse]
    notes: list[str]


def uses(site: Site, person: Person, ids: Mapping[str, str] | None = None) -> Uses:
    """The unmanaged apps of a person. Nothing that cannot be read stops it; ask before tokens are revoked.

    `ids`: app -> the person's account there; left out, those that the record knows.
    """
    links = holdings.links(site.db, person.employee_id)
    accounts = {name: link.external_id for name, link in links.items()} if ids is None else ids
    addresses = [*emails.of_person(site.db, person.employee_id), *(link.key for link in links.values())]
    tables, notes = tables_of(site)
    listed = shadow.uses(tables, site.rules.shadow, shadow.called(person, addresses), site.rules.apps)
    granted, more = grants(site, accounts)
    return Uses(listed + granted, notes + more)


def problems(site: Site) -> list[str]:
    """A sentence for each table that cannot be used, for `doctor`."""
    return tables_of(site)[1]


def tables_of(site: Site) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The tables by the names of their files under shadow/, and what is wrong with the rest."""
    found: dict[str, pd.DataFrame] = {}
    wrong: list[str] = []
    for name, source in site.rules.shadow.items():
        try:
            found[name] = table_of(site, name, source)
        except ConnectorError as error:
            wrong.append(str(error))
    return found, wrong


def table_of(site: Site, name: str, source: ShadowSource) -> pd.DataFrame:
    """The table of shadow/<name>.yaml; Refused where it is not there or lacks a column."""
    path = path_of(site, name, source)
    wanted = tuple(column for column in (source.person, source.app, source.seen) if column)
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    table = remembered(where(site.rules.folder, name, "path"), path, wanted, stamp)
    for word, column in shadow.lacking(source, list(table.columns)):
        why = f"{path.name} has no column {column!r}; {suggest(column, table.attrs['header'])}"
        raise Refused(where(site.rules.folder, name, word), word, why, "Name the column as the header has it.")
    return table


@lru_cache(maxsize=32)
def remembered(file: str, path: Path, wanted: tuple[str, ...], stamp: int) -> pd.DataFrame:
    """The table, read once per change of the file: a cohort of leavers asks for it again and again."""
    return read_table(file, path, wanted)


def path_of(site: Site, name: str, source: ShadowSource) -> Path:
    """The file, relative to the mappings folder, with `${NAME}` filled."""
    missing = [word for word in PLACE.findall(source.path) if not site.values.get(word, "").strip()]
    if missing:
        why = f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no value"
        raise Refused(where(site.rules.folder, name, "path"), "path", why, "Set it in the environment or in .env.")
    return site.rules.folder / Path(filled(source.path, site.values)).expanduser()


def where(folder: Path, name: str, word: str) -> str:
    """`shadow/<name>.yaml:line` of a word."""
    file = folder / "shadow" / f"{name}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return f"shadow/{name}.yaml{first_line(lines, word)}"


def grants(site: Site, ids: Mapping[str, str]) -> tuple[list[ShadowUse], list[str]]:
    """Third-party apps that the accounts let in, and what is wrong with apps that could not tell."""
    found: list[ShadowUse] = []
    wrong: list[str] = []
    for name, ident in ids.items():
        if name not in site.rules.apps:
            continue
        try:
            found += let_in(site, name, ident)
        except ConnectorError as error:
            wrong.append(str(error))
    return found, wrong


def let_in(site: Site, name: str, ident: str) -> Iterator[ShadowUse]:
    """The unmanaged apps with an OAuth grant of one account, each once."""
    app = site.app(name)
    if not isinstance(app, Tokens):
        return
    names = {shadow.folded(token.name): token.name for token in app.tokens(ident) if token.kind == "oauth"}
    for each in names.values():
        if not shadow.is_managed(each, site.rules.apps):
            yield ShadowUse(app=each, source=name, owner=site.rules.apps[name].owner, via="oauth")
