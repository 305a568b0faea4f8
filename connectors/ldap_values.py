"""What stands in an entry, and what of it is Rollcall's: values in and out, and changes that keep those of others.

proxyAddresses.SMTP  the value that begins with SMTP:, in an attribute with several; the prefix counts with its case
mail                 the first value, in the server's order; further ones are others'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import ldap3

from connectors.ldap_entries import Entry
from connectors.ldap_options import Options

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
DAYS = date(1970, 1, 1)
NEVER = ("0", "9223372036854775807")
"""accountExpires of an account that never does (learn.microsoft.com, ad-schema, a-accountexpires)."""

Change = tuple[str, list[str | bytes]]


class Named(NamedTuple):
    """One attribute as YAML names it."""

    attribute: str
    prefix: str
    """With its colon; empty where the whole value is meant."""


def parse(name: str) -> Named:
    """`proxyAddresses.SMTP` is what begins with SMTP: in proxyAddresses."""
    attribute, _, prefix = name.partition(".")
    return Named(attribute, f"{prefix}:" if prefix else "")


def attributes_of(names: Iterable[str]) -> list[str]:
    """The attributes to ask for."""
    return list(dict.fromkeys(parse(name).attribute for name in names))


# dates


def filetime(day: str, zone: str) -> str:
    """The end of that day there, in 100 ns since 1601; empty means never."""
    if not day:
        return NEVER[1]
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), ZoneInfo(zone))
    return str(int((end - EPOCH) / timedelta(microseconds=1)) * 10)


def day_of(value: str, zone: str) -> str:
    """The last day before that time; empty for never."""
    if value in ("", *NEVER):
        return ""
    end = EPOCH + timedelta(microseconds=int(value) // 10)
    return (end.astimezone(ZoneInfo(zone)) - timedelta(microseconds=1)).date().isoformat()


def written(options: Options, attribute: str, value: str) -> str:
    """A value as the directory wants it; DNs are looked up elsewhere."""
    form = options.form(attribute)
    if form == "filetime":
        return filetime(value, options.time_zone)
    if form == "days" and value:
        return str((date.fromisoformat(value) - DAYS).days + 1)  # the first day without access
    return value


def shown(options: Options, attribute: str, value: str) -> str:
    """A value of the directory as YAML's templates write it."""
    form = options.form(attribute)
    if form == "filetime":
        return day_of(value, options.time_zone)
    if form == "days" and value.lstrip("-").isdigit():
        return (DAYS + timedelta(days=int(value) - 1)).isoformat() if int(value) > 0 else ""
    return value


# reading


def held(entry: Entry, name: str) -> str:
    """Rollcall's value, as it stands there; empty where there is none."""
    attribute, prefix = parse(name)
    if not prefix:
        return entry.first(attribute)
    return next((v.removeprefix(prefix) for v in entry.all(attribute) if v.startswith(prefix)), "")


# writing


def first_values(wanted: Mapping[str, str]) -> dict[str, list[str | bytes]]:
    """Attribute -> values of a new entry."""
    found: dict[str, list[str | bytes]] = {}
    for name, value in wanted.items():
        attribute, prefix = parse(name)
        if value:
            found.setdefault(attribute, []).append(prefix + value)
    return found


def changes(entry: Entry, wanted: Mapping[str, str], demote: Mapping[str, str]) -> dict[str, list[Change]]:
    """What to modify so that these values stand there; nothing for those that do. Values are as the directory's."""
    found: dict[str, list[Change]] = {}
    for name, value in wanted.items():
        attribute, prefix = parse(name)
        if prefix:
            new = list(prefixed(entry.all(attribute), prefix, value, demote.get(prefix[:-1], "")))
        else:
            new = list(whole(entry.all(attribute), value))
        if new:
            found.setdefault(attribute, []).extend(new)
    return found


def whole(there: list[str], value: str) -> Iterator[Change]:
    """Put the value in the place of the first; the others stay as they are."""
    if there[:1] == [value] or not (there or value):
        return
    rest: list[str | bytes] = [other for other in there[1:] if other.casefold() != value.casefold()]
    if value or rest:
        yield ldap3.MODIFY_REPLACE, [value, *rest] if value else rest
    else:
        yield ldap3.MODIFY_DELETE, []


def prefixed(there: list[str], prefix: str, value: str, demoted: str) -> Iterator[Change]:
    """Make it the only value with this prefix; an old one goes on under the `demoted` prefix, where there is one."""
    new = prefix + value if value else ""
    if [v for v in there if v.startswith(prefix)] == [new] or not (value or any(v.startswith(prefix) for v in there)):
        return
    old = [v for v in there if v.startswith(prefix) and v != new]
    aliases = [f"{demoted}:{v.removeprefix(prefix)}" for v in old] if demoted else []
    again = [v for v in there if new and v != new and v not in old and v.casefold() == new.casefold()]
    if gone := [*old, *again]:
        yield ldap3.MODIFY_DELETE, list(gone)
    if come := [v for v in (new, *aliases) if v and v not in there]:
        yield ldap3.MODIFY_ADD, list(come)
