"""Shadow IT: apps that somebody uses and that Rollcall does not manage, as other systems' tables show them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Literal

import pandas as pd
from cleanco import basename
from pydantic import BaseModel, ConfigDict
from rapidfuzz import fuzz

from mappings.people import Person
from mappings.policies import ShadowSource
from mappings.vocabulary import AppRules

ALIKE = 92  # of 100; a managed app that is not recognised costs a look, one wrongly recognised stays open
SEPARATORS = re.compile(r"[\W_]+")
NUMBERS = re.compile(r"\b\d{4,}\b")  # card statements put references after the merchant


class ShadowUse(BaseModel):
    """One person uses an app that has no file under apps/."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    """Its name as the source has it."""
    source: str
    """The file under shadow/ without its ending; or the app that told of an OAuth grant."""
    owner: str
    """Who gets the manual task."""
    last_seen: date | None = None
    via: Literal["table", "oauth"] = "table"


def uses(
    tables: Mapping[str, pd.DataFrame],
    sources: Mapping[str, ShadowSource],
    who: Collection[str],
    apps: Mapping[str, AppRules],
) -> list[ShadowUse]:
    """The unmanaged apps that one person uses, each once per source. `who`: see `called`; tables that are missing
    are passed over."""
    return [
        use
        for name, source in sources.items()
        if name in tables
        for use in used(name, source, rows_of(tables[name], source, who), apps)
    ]


def called(person: Person, addresses: Collection[str] = ()) -> frozenset[str]:
    """What tables may call a person: the employee_id, the work e-mail and these (former) addresses, folded."""
    words = {person.employee_id, person.work_email or "", *addresses}
    return frozenset(word.strip().casefold() for word in words if word.strip())


def rows_of(table: pd.DataFrame, source: ShadowSource, who: Collection[str]) -> pd.DataFrame:
    """The table's rows about this person."""
    return table[table[source.person].astype("string").str.strip().str.casefold().isin(list(who))]


def used(name: str, source: ShadowSource, rows: pd.DataFrame, apps: Mapping[str, AppRules]) -> Iterator[ShadowUse]:
    """The unmanaged apps in these rows, in their order, each by its shortest spelling and with its latest day."""
    ignored = [folded(word) for word in source.ignore]
    words = rows[source.app].dropna().astype("string").str.strip()
    words = words[words != ""]
    days = seen(source, rows)
    for _, same in words.groupby(words.map(folded), sort=False):
        app = min(same[::-1], key=len)  # the others carry the number of a receipt, or the legal form
        if not is_one_of(app, ignored) and not is_managed(app, apps):
            last = days[same.index].max()
            yield ShadowUse(
                app=app,
                source=name,
                owner=source.owner,
                last_seen=None if pd.isna(last) else last.date(),
            )


def seen(source: ShadowSource, rows: pd.DataFrame) -> pd.Series:
    """The day of each row; NaT where there is none or it cannot be read."""
    days = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[s]")
    for form in source.dates if source.seen else ():
        read = pd.to_datetime(rows[source.seen].astype("string").str.strip(), format=form, errors="coerce")
        days = days.fillna(read)
    return days


def is_managed(name: str, apps: Mapping[str, AppRules]) -> bool:
    """Whether a name is an app's title, give or take a letter and the order of words, or its file's name to the
    letter: file names are short, and short words are alike by chance."""
    titles = [folded(rules.title) for rules in apps.values()]
    return is_one_of(name, titles) or folded(name) in {folded(file) for file in apps}


def is_one_of(name: str, known: Collection[str]) -> bool:
    """Whether a name is, give or take a letter and the order of words, one of these folded names."""
    own = folded(name)
    return any(fuzz.token_sort_ratio(own, other, score_cutoff=ALIKE) for other in known)


def folded(name: str) -> str:
    """A name without case, punctuation, legal form and long numbers: `LEDGERLINE CRM, GmbH` is `ledgerline crm`."""
    plain = unicodedata.normalize("NFKC", name)
    short = NUMBERS.sub(" ", SEPARATORS.sub(" ", basename(NUMBERS.sub(" ", plain)))).casefold().strip()
    return " ".join(short.split()) or plain.casefold().strip()


def lacking(source: ShadowSource, columns: Collection[str]) -> list[tuple[str, str]]:
    """(word of the YAML, column) for the columns that a table ought to have and has not."""
    wanted = {"person": source.person, "app": source.app, "seen": source.seen}
    return [(word, column) for word, column in wanted.items() if column and column not in columns]
