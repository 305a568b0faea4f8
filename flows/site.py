"""One installation at work: its rules, its record, its HR source and its apps."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from connectors.base import App, Owns, Sessions, Tokens
from connectors.catalogue import connect
from connectors.hr.base import Source
from connectors.hr.catalogue import source
from connectors.quota import Shelf
from flows.quota import shelf
from flows.record import signing
from flows.record.database import Database, exists
from flows.settings import Settings, environment, load_settings, passing_folder
from mappings.folder import Rules, read_folder
from mappings.plan import Verb


class Site:
    """Opened once per process. Connections are made when first asked for."""

    def __init__(
        self,
        settings: Settings,
        values: Mapping[str, str],
        rules: Rules,
        db: Database,
        urgent: bool = False,
        looking: bool = False,
    ) -> None:
        self.settings, self.values, self.rules, self.db = settings, values, rules, db
        self.urgent, self.looking = urgent, looking
        self._apps: dict[str, App] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings | None = None, looking: bool = False, urgent: bool = False) -> Site:
        """Read settings and rules, and bring the record's tables to this version.

        `looking`: where there is no record yet, none is made; an empty one in a temporary place stands in for it.
        `urgent`: for leavers, who may use the whole of each app's rate limit; others leave a share of it free.
        """
        settings = settings or load_settings()
        rules = read_folder(settings.mappings_folder)
        url = settings.database_url
        if looking and not exists(url):
            url = f"sqlite:///{passing_folder()}/empty.db"
        db = Database(url)
        db.migrate()
        return cls(settings, environment(), rules, db, urgent, looking)

    @cached_property
    def hr(self) -> Source:
        """The source of truth."""
        name = self.rules.company.hr
        keep = self.settings.home / "hr" / name  # also when only looking: a token that was renewed must not be lost
        return source(name, self.rules.hr, self.values, self.rules.folder, self.shelf, self.urgent, keep, self.looking)

    @cached_property
    def signer(self) -> signing.Signer:
        """What signs evidence; a key is made in home at the first use, where none was given."""
        path = self.settings.signing_key_file
        if not self.values.get(signing.VARIABLE) and not path.exists():
            return make_key(path)
        return signing.load(path, self.values, head_file=path.with_suffix(".head"))

    @cached_property
    def shelf(self) -> Shelf:
        """Where all workers keep the apps' rate limits."""
        return shelf(self.settings, self.db, self.looking)

    def app(self, name: str) -> App:
        """The connector of an app; RulesError where a variable is missing."""
        with self._lock:
            if name not in self._apps:
                keep = self.settings.home / "apps" / name
                rules = self.rules.apps[name]
                self._apps[name] = connect(name, rules, self.values, self.shelf, self.urgent, keep)
            return self._apps[name]

    @cached_property
    def can(self) -> dict[Verb, frozenset[str]]:
        """Verb -> apps whose connectors can do it, for those that not all can."""
        asked = {Verb.END_SESSIONS: Sessions, Verb.REVOKE_TOKENS: Tokens, Verb.HAND_OVER: Owns}
        found = {verb: frozenset(n for n in self.rules.apps if isinstance(self.app(n), a)) for verb, a in asked.items()}
        resting = frozenset(n for n in self.rules.apps if "disable" not in getattr(self.app(n), "undeclared", ()))
        return found | {Verb.DISABLE: resting}


def make_key(path: Path) -> signing.Signer:
    """A new key, or the one that another process made at the same moment."""
    try:
        return signing.generate(path)
    except FileExistsError:
        return signing.load(path)
