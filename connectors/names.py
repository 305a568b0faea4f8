"""Names that people use and ids that an app uses, for whatever an app lists: groups, roles, departments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from connectors.fields import pick, text
from connectors.listing import Row


class Names:
    """A list of an app, name by name; read when a name or an id is not known yet. For all threads of an app."""

    def __init__(self, rows: Callable[[], Iterable[Row]], id: str, name: str) -> None:
        self.rows, self.id, self.name = rows, id, name
        self.lock = threading.Lock()
        self.ids: dict[str, Any] = {}
        """Name -> id, as last listed."""

    def all(self) -> dict[str, Any]:
        """Name -> id, read anew."""
        with self.lock:
            listed = [(text(pick(row, self.name)), pick(row, self.id)) for row in self.rows()]
            self.ids = {name: id for name, id in listed if name is not None and id is not None}
            return self.ids

    def id_of(self, name: str, anew: bool = False) -> Any:
        """The id for a name, exactly so or without case; None where there is none. `anew` lists again."""
        found = None if anew else folded(self.ids, name)
        return folded(self.all(), name) if found is None else found

    def learn(self, name: str, id: Any) -> None:
        """Take in what was just made."""
        with self.lock:
            self.ids = {**self.ids, name: id}

    def named(self, ids: Iterable[Any]) -> Iterator[str]:
        """The names for ids, listed again where one is not known; unknown ones stay ids."""
        wanted = [str(id) for id in ids]
        if not set(wanted) <= {str(id) for id in self.ids.values()} and wanted:
            self.all()
        names = {str(id): name for name, id in self.ids.items()}
        return (names.get(id, id) for id in wanted)


def folded(ids: dict[str, Any], name: str) -> Any:
    """The id of this name, or of one that differs only in case."""
    if name in ids:
        return ids[name]
    return next((id for known, id in ids.items() if known.casefold() == name.casefold()), None)
