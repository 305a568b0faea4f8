"""Work e-mail addresses and user names: any script to ASCII, unique."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Container, Iterator

from anyascii import anyascii

from mappings.people import Person
from mappings.rules import fill, values_of
from mappings.vocabulary import Emails

LOCAL_PART_MAX = 64
"""Octets before the @ (RFC 5321, 4.5.3.1.1)."""
SYMBOLS = ("So", "Sk", "Cf", "Cn", "Co", "Cs")
"""Unicode's categories of pictures, of marks that stand alone, and of what has no shape."""


def fold(name: str) -> str:
    """`Sánchez-O'Neill Jr.` → `sanchez-oneilljr`: ASCII letters, digits and hyphens, in lower case."""
    return re.sub(r"[^a-z0-9-]", "", latin(name)).strip("-")


def latin(name: str) -> str:
    """The name in ASCII and lower case; pictures and other symbols, which no name is made of, are left out."""
    return anyascii("".join(c for c in name if unicodedata.category(c) not in SYMBOLS)).lower()


def called(person: Person) -> str:
    """The name that addresses are made of, as it is compared to tell whether it changed."""
    return f"{fold(person.preferred_name or person.given_name)} {fold(person.family_name)}".strip()


def follows(address: str, person: Person, emails: Emails) -> bool:
    """Whether the naming rule would make this address for the person, numbers aside."""
    local = address.casefold().partition("@")[0]
    first = itertools.islice(addresses(person, emails), len(emails.pattern))
    return any(re.fullmatch(re.escape(a.partition("@")[0]) + r"\d*", local) for a in first)


def addresses(person: Person, emails: Emails) -> Iterator[str]:
    """Addresses for a person in order of preference, without end: the patterns, then the first one numbered from 2."""
    folded = {k: fold(v) for k, v in values_of(person).items()}
    folded["given_name"] = fold(person.preferred_name or person.given_name) or fold(person.given_name)
    filled = [re.sub(r"\.{2,}", ".", fill(p, folded) or "").strip(".") for p in emails.pattern]
    local = [text.lower() for text in filled if text] or [fold(person.employee_id) or "user"]
    yield from (address(text, "", emails) for text in local)
    for number in itertools.count(2):
        yield address(local[0], str(number), emails)


def address(local: str, number: str, emails: Emails) -> str:
    """An address in lower case, whose local part is cut to what may stand before the @."""
    return f"{local[: LOCAL_PART_MAX - len(number)].rstrip('.')}{number}@{emails.domain.lower()}"


def work_email(person: Person, emails: Emails, taken: Container[str]) -> str:
    """The first address for a person that is neither reserved nor in `taken` (lower case)."""
    reserved = {word.lower() for word in emails.reserved}
    return next(a for a in addresses(person, emails) if a not in taken and a.partition("@")[0] not in reserved)
