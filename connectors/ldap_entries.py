"""Entries of a directory and their names: reading values, escaping (RFC 4514, RFC 4515), templates."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ldap3.utils.conv import escape_filter_chars

PLACE = re.compile(r"\{([\w-]+)\}")
SPECIAL = re.compile(r'([\\,+"<>;=])')
ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)")
FORBIDDEN = re.compile(r'["/\\\[\]:;|=,+*?<>@\x00-\x1f]')
"""What no sAMAccountName has (MS-SAMR 3.1.1.6; learn.microsoft.com, ad-schema, a-samaccountname)."""
NUMBERS = 50  # how far a name that is taken is counted up


@dataclass(frozen=True)
class Entry:
    """An entry as read: values as the bytes on the wire, attribute names in lower case."""

    dn: str
    values: Mapping[str, list[bytes]]

    def all(self, name: str) -> list[str]:
        """An attribute's values as text."""
        return [value.decode("utf-8", "replace") for value in self.values.get(name.lower(), ())]

    def first(self, name: str) -> str:
        """The first value, in the server's order; empty where there is none."""
        return next(iter(self.all(name)), "")

    def number(self, name: str) -> int:
        """The first value as a number; 0 where there is none."""
        return int(self.first(name) or 0)

    @property
    def rdn(self) -> str:
        return split(self.dn)[0]

    @property
    def parent(self) -> str:
        return ",".join(split(self.dn)[1:])


# filters


def equals(attribute: str, value: str | bytes) -> str:
    """A filter for exactly this value."""
    coded = "".join(f"\\{byte:02x}" for byte in value) if isinstance(value, bytes) else escape_filter_chars(value)
    return f"({attribute}={coded})"


def both(*filters: str) -> str:
    """A filter for what matches all of these."""
    return f"(&{''.join(filters)})"


# names


def escape(value: str) -> str:
    """A value inside an RDN (RFC 4514 §2.4)."""
    value = SPECIAL.sub(r"\\\1", value).replace("\x00", "\\00").replace("\n", "\\0A").replace("\r", "\\0D")
    if value.startswith(("#", " ")):
        value = "\\" + value
    return value[:-1] + "\\ " if value.endswith(" ") and not value.endswith("\\ ") else value


def unescape(value: str) -> str:
    """The value that stands in an RDN."""
    return ESCAPED.sub(
        lambda m: bytes.fromhex(m[1].replace("\\", "")).decode("utf-8", "replace") if m[1] else m[2], value
    )


def split(dn: str, at: str = ",") -> list[str]:
    """The parts of a DN, still escaped."""
    parts, begin, skip = [], 0, False
    for place, letter in enumerate(dn):
        if skip:
            skip = False
        elif letter == "\\":
            skip = True
        elif letter == at:
            parts.append(trimmed(dn[begin:place]))
            begin = place + 1
    return [*parts, trimmed(dn[begin:])]


def trimmed(part: str) -> str:
    """Without blanks around it, unless the last is escaped and belongs to the value."""
    part = part.lstrip()
    bare = part.rstrip()
    escaped = (len(bare) - len(bare.rstrip("\\"))) % 2 == 1
    return bare + " " if escaped and bare != part else bare


def normal(dn: str) -> str:
    """The DN in a form in which equal ones are equal: no case, one way of escaping."""
    return ",".join("+".join(sorted(plain(pair) for pair in split(rdn, "+"))) for rdn in split(dn) if rdn)


def plain(pair: str) -> str:
    """`cn=ada` for `CN = Ada`."""
    name, _, value = pair.partition("=")
    return f"{name.strip()}={escape(' '.join(unescape(trimmed(value)).split()))}".casefold()


def below(dn: str, base: str) -> bool:
    """Whether an entry is in the part of the tree that begins at `base`."""
    return f",{normal(dn)}".endswith(f",{normal(base)}")


def value_of(rdn: str) -> tuple[str, str]:
    """Attribute and value of an RDN's first pair."""
    name, _, value = split(rdn, "+")[0].partition("=")
    return name.strip(), unescape(trimmed(value))


def fields(template: str) -> list[str]:
    """The attributes that a template names."""
    return PLACE.findall(template)


def filled(template: str, values: Mapping[str, str], code: Callable[[str], str] = str) -> str | None:
    """The template with its places filled, without case; None where a value is lacking."""
    known = {name.lower(): value for name, value in values.items()}
    if not all(known.get(name.lower()) for name in fields(template)):
        return None
    return PLACE.sub(lambda m: code(known[m[1].lower()]), template)


def numbered(rdns: list[str]) -> Iterator[str]:
    """These RDNs, then the last one with 2, 3, …"""
    yield from rdns
    for number in range(2, NUMBERS):
        yield f"{rdns[-1]} {number}"


# ids


def id_text(attribute: str, value: bytes) -> str:
    """An id as text; Microsoft's GUID has its first three parts in little-endian order (MS-DTYP 2.3.4.2)."""
    return str(uuid.UUID(bytes_le=value)) if attribute.lower() == "objectguid" else value.decode("utf-8", "replace")


def id_filter(attribute: str, id: str) -> str | None:
    """The filter for an id; None where it can be none of this directory's."""
    if attribute.lower() not in ("objectguid", "entryuuid"):
        return equals(attribute, id)
    try:
        guid = uuid.UUID(id)
    except ValueError:
        return None
    return equals(attribute, guid.bytes_le) if attribute.lower() == "objectguid" else equals(attribute, str(guid))
