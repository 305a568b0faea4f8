"""Whether an app lets Rollcall read all that it reads, and what to grant where it does not. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from connectors.base import App
from connectors.catalogue import capabilities
from connectors.errors import ConnectorError
from mappings.vocabulary import AppRules

ALL = "all"


def shortfalls(app: App, rules: AppRules) -> list[str]:
    """A sentence for each kind of thing that cannot be read; none where all can. About one call for each."""
    found = [refusal(app, rules, verb, act) for verb, act in readings(app)]
    return [says for says in found if says]


def readings(app: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each reading verb that the app has, with the smallest use of it."""
    can = capabilities(app)
    if "entitlements" in can and "grant" in can:
        yield "entitlements", lambda: next(iter(app.entitlements()), None)
    account = first_account(app) if "accounts" in can else None
    if account is not None:
        yield "read", lambda: app.read(account)
        for verb in ("tokens", "owned"):
            if verb in can:
                yield verb, lambda verb=verb: next(iter(getattr(app, verb)(account)), None)  # type: ignore[misc]


def first_account(app: App) -> str | None:
    """Somebody to ask about; None where there is nobody, or where the list cannot be read, which `check` tells."""
    try:
        return next((account.id for account in app.accounts()), None)
    except ConnectorError:
        return None


def refusal(app: App, rules: AppRules, verb: str, act: Callable[[], object]) -> str:
    """What goes wrong with one of them, and what may be missing."""
    try:
        act()
        return ""
    except ConnectorError as error:
        return f"{error}{missing(rules, verb)}" if getattr(error, "status", None) in (401, 403) else str(error)


def missing(rules: AppRules, verb: str) -> str:
    """What the verb needs by the app's file."""
    wanted = [what for what, verbs in rules.permissions.items() if verb in verbs or ALL in verbs]
    return f" {verb!r} needs {' and '.join(wanted)}." if wanted else ""
