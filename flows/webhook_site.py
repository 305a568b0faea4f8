"""The installation as the receiver sees it, opened anew when the company's folder or its secrets have changed."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.hr.base import Signals
from connectors.hr.bearer import Bearer
from flows.settings import ENV_FILE, Settings, environment
from flows.site import Site
from mappings.folder import RulesError, read_folder

LOG = logging.getLogger("rollcall.webhook")


class Sites:
    """`sites.now()` is the site by today's rules; while new rules are wrong, the one before."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.Lock()
        self.stamp = stamp(settings.mappings_folder)
        self.site = Site.open(settings)

    def now(self) -> Site:
        """The site; a look at the folder costs less than a millisecond."""
        with self.lock:
            if (found := stamp(self.settings.mappings_folder)) != self.stamp:
                self.stamp = found
                self.reopen()
            return self.site

    def reopen(self) -> None:
        try:
            rules = read_folder(self.settings.mappings_folder)
            self.site = Site(self.settings, environment(), rules, self.site.db)
            LOG.info("the rules were read again")
        except (RulesError, ConnectorError, ValueError, OSError) as error:
            LOG.error("the rules that were read before stay in force: %s", error)

    def signals(self, name: str) -> Signals | None:
        """Who proves the calls to this name; None where there is nobody."""
        site = self.now()
        if name == "signals":
            return Bearer(site.rules.company.hr, self.settings.webhook_token)
        if name != site.rules.company.hr:
            return None
        try:
            return site.hr if isinstance(site.hr, Signals) else None
        except ConnectorError as error:
            LOG.error("%s", error)
            return None


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells whether any file of the folder, or .env, has changed."""
    files = [*folder.rglob("*.yaml"), ENV_FILE]
    found = []
    for file in sorted(files):
        if file.exists():
            seen = os.stat(file)
            found.append((str(file), seen.st_mtime_ns, seen.st_size))
    return tuple(found)
