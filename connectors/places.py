"""Places in the texts of an app's YAML: `{id}` is the account's id, `{id|number}` the same as a number."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.fields import text
from mappings.words import suggest

PLACE = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
KNOWN = (
    "id",
    "key",
    "entitlement",
    "name",
    "entitlements",
    "membership",
    "token",
    "owned",
    "to",
    "job",
    "random",
    "now",
    "today",
    "yesterday",
    "page",
    "offset",
    "cursor",
    "per",
    "since",
    "address",
)
"""`name`: the entitlement's; `entitlements`: ids of all to be held; `random`: a password that nobody knows; `page`
to `per`: a parameter of `pages` of that name, for apps that want it inside another one; `since`,
`address`: of an HR source's changes and write-back."""


def number(value: Any) -> Any:
    """An id as a number; texts that are none stay texts, and the app will say so."""
    return int(value) if str(value).lstrip("-").isdigit() else value


AS: dict[str, Callable[[Any], Any]] = {
    "number": number,
    "text": str,
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
    "list": lambda value: [value],
    "numbers": lambda value: [number(one) for one in value],
    "comma": lambda value: ",".join(map(str, value)),
}
"""What may stand behind the bar."""


def check(template: str) -> None:
    """ValueError for a place that nobody will fill."""
    for name, form in PLACE.findall(template):
        if name not in KNOWN:
            blanks = "write { " + name + " } where braces are meant"
            raise ValueError(f"unknown place {{{name}}}; {suggest(name, KNOWN)}; {blanks}")
        if form and form not in AS:
            raise ValueError(f"unknown form {{{name}|{form}}}; {suggest(form, AS)}")


def check_all(tree: Any) -> Any:
    """The tree, whose texts have no place that nobody will fill."""
    if isinstance(tree, str):
        check(tree)
    for value in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, (list, tuple)) else ():
        check_all(value)
    return tree


def fill(template: str, at: Mapping[str, Any]) -> str:
    """The template with known places filled as text; others stay as they are."""
    return PLACE.sub(lambda m: text(formed(at[m[1]], m[2])) or "" if m[1] in at else m[0], template)


def filled(tree: Any, at: Mapping[str, Any]) -> Any:
    """A body with the places of its texts filled; a text that is one place becomes the value itself."""
    if isinstance(tree, Mapping):
        return {name: filled(value, at) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [filled(value, at) for value in tree]
    if not isinstance(tree, str):
        return tree
    whole = PLACE.fullmatch(tree)
    return formed(at[whole[1]], whole[2]) if whole and whole[1] in at else fill(tree, at)


def formed(value: Any, form: str | None) -> Any:
    """The value in the form that stands behind the bar."""
    return AS[form](value) if form else value


def moments() -> dict[str, str]:
    """What can always be filled: the time, by UTC, and a password nobody knows, with all that rules ask for."""
    now = datetime.now(UTC)
    days = {"today": now.date().isoformat(), "yesterday": (now.date() - timedelta(days=1)).isoformat()}
    return {"now": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "random": f"{secrets.token_urlsafe(24)}-aZ7", **days}
