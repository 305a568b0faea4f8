"""How HR systems prove that a webhook is theirs. Every comparison takes the same time whatever was sent.

    require_hmac(options.webhook_secret, header(headers, "x-vendor-signature"), body, "sha256", "hex")
    return delivery(self.name, body)

Headers have lower-case names. Each function raises NotBelieved in a sentence that holds nothing secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import SecretStr

from connectors.hr.base import Delivery, NotBelieved

WINDOW = timedelta(minutes=5)
"""How far a signed time may be from ours: enough for clocks that differ and for a slow network."""
MILLISECONDS = 100_000_000_000
"""Unix times from here on are milliseconds: as seconds it is the year 5138."""

HEX = re.compile(r"([0-9a-fA-F]{2})+")
Digest = Literal["sha1", "sha256", "sha512"]
Form = Literal["hex", "base64", "either"]


def require_hmac(
    secret: SecretStr | None,
    shown: str,
    message: bytes,
    digest: Digest = "sha256",
    form: Form = "hex",
    prefix: str = "",
) -> None:
    """Raise unless `shown` is `prefix` + the HMAC of the message, in hexadecimal of either case or in base64."""
    key = known(secret)
    if not shown:
        raise NotBelieved("the call has no signature")
    expected = hmac.new(key, message, digest).digest()
    if not shown.startswith(prefix) or not hmac.compare_digest(decoded(shown.removeprefix(prefix), form), expected):
        raise NotBelieved("the signature does not fit the body")


def require_token(secret: SecretStr | None, shown: str, prefix: str = "") -> None:
    """Raise unless `shown` is `prefix` + the secret word itself (`prefix` in any case, as `Bearer `)."""
    key = known(secret)
    if not shown:
        raise NotBelieved("the call has no token")
    begin, rest = shown[: len(prefix)], shown[len(prefix) :].strip()
    same = hmac.compare_digest(rest.encode("utf-8", "replace"), key)
    if begin.lower() != prefix.lower() or not same:
        raise NotBelieved("the token is not the one that was agreed")


def require_recent(text: str, now: datetime, window: timedelta = WINDOW) -> datetime:
    """The signed instant of a Unix time (seconds or milliseconds) or ISO 8601 text; raises where it is not near now."""
    at = instant(text)
    if at is None:
        raise NotBelieved("the call does not say when it was made")
    if abs(now - at) > window:
        raise NotBelieved(f"the call was made at {at:%Y-%m-%d %H:%M:%S} UTC, too far from now")
    return at


def known(secret: SecretStr | None) -> bytes:
    """The secret as bytes; without one nothing is believed, and an empty one is none."""
    value = secret.get_secret_value().strip() if secret else ""
    if not value:
        raise NotBelieved("no secret is set for this source's webhooks")
    return value.encode()


def decoded(text: str, form: Form) -> bytes:
    """The bytes of a signature; none where the text is no such thing."""
    text = text.strip()
    if form != "base64" and HEX.fullmatch(text):
        return bytes.fromhex(text)
    if form == "hex":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def instant(text: str) -> datetime | None:
    """An aware instant in UTC, or None where the text is none. A time without a zone is UTC."""
    text = text.strip()
    try:
        if text.isascii() and text.isdigit() and len(text) <= 13:
            number = int(text)
            return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS else number, UTC)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def delivery(source: str, *parts: str | bytes, at: datetime | None = None) -> Delivery:
    """A delivery whose duplicates have the same parts: the signed body, with the signed time where there is one.

    A delivery id that is not signed must not be a part: a replay could choose another.
    """
    digest = hashlib.sha256()
    for part in (source, *parts):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return Delivery(digest.hexdigest(), at)


def person_id(said: object) -> str:
    """An id as an event names it, a text or a whole number; ValueError for whatever else stands there."""
    if isinstance(said, bool) or not isinstance(said, str | int):
        raise ValueError("the event does not name anybody")
    return str(said)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value, '' where it is not sent."""
    return headers.get(name.lower(), "")
