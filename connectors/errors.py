"""What can go wrong at an app, by what to do next.

ConnectorError
├── Retryable    the same call may succeed later: timeout, 429, 5xx; carries the server's own delay
├── Refused      the same call will fail again: bad data, missing permission, no licence left, wrong token
├── Mismatch     the app said yes, but what it shows is not what was asked
└── NeedsHuman   no machine can do this step: it becomes a manual task
    └── OutOfDate    a recipe could, once it is mended
"""

from __future__ import annotations

import copyreg

from connectors.pictures import Picture


class ConnectorError(Exception):
    """An app did not do what was asked. The message reads: app: what, to whom: why. What to do now."""

    pictures: tuple[Picture, ...] = ()
    """What the app's pages showed, where it has pages."""

    def __init__(self, app: str, doing: str, why: str, todo: str = "") -> None:
        self.app, self.doing, self.why, self.todo = app, doing, why, todo
        super().__init__(f"{app}: {doing}: {why}." + (f" {todo}" if todo else ""))

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes whole."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class Retryable(ConnectorError):
    """Trying again can help, after `after` seconds where the server named a delay."""

    def __init__(self, app: str, doing: str, why: str, todo: str = "", after: float | None = None) -> None:
        super().__init__(app, doing, why, todo)
        self.after = after


class Refused(ConnectorError):
    """Trying again cannot help; `status` is the HTTP status where there was one."""

    def __init__(self, app: str, doing: str, why: str, todo: str = "", status: int | None = None) -> None:
        super().__init__(app, doing, why, todo)
        self.status = status


class Mismatch(ConnectorError):
    """The app answered that it did it; reading back shows that it did not."""


class NeedsHuman(ConnectorError):
    """The step is for a person; `todo` says exactly what to do."""


class OutOfDate(NeedsHuman):
    """The app is not as its recipe says; the step is for a person until the recipe is mended."""
