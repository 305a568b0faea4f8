"""Keeps secrets out of messages and logs: every value that is known to be one is shown as ***."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Shorter values are not masked: they would blot out half of every message."""
HEADERS = re.compile(
    r"""(b?['"][\w-]*(?:cookie|token|session|csrf|secret|auth)[\w-]*['"], b?)(['"]).*?\2""", re.IGNORECASE
)
"""Headers as httpcore logs them, before anybody could have learned what they give: a cookie, a token."""
LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")


class Redaction(logging.Filter):
    """Masks known secrets, by value and in the forms they take in a URL or a Basic header."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.names = tuple(secrets or {})
        self.values: frozenset[str] = frozenset()
        self.learn((secrets or {}).values())

    def __repr__(self) -> str:
        return f"Redaction({', '.join(self.names)})"

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these too."""
        self.values |= {form for secret in secrets for form in forms(secret)}

    def mask(self, text: str) -> str:
        """The text with every secret as ***, longest first so that no tail is left."""
        for value in sorted(self.values, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a log record of the HTTP libraries, which write URLs and headers."""
        if self.values:
            record.msg, record.args = HEADERS.sub(r"\1\2***\2", self.mask(record.getMessage())), None
        return True


EVERYWHERE = Redaction()
"""All secrets handed to connectors in this process, masked in the logs of httpx and httpcore."""


def guard_logs(secrets: Iterable[str]) -> None:
    """Keep these secrets out of the HTTP libraries' logs from now on."""
    EVERYWHERE.learn(secrets)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(EVERYWHERE)


def forms(secret: str) -> set[str]:
    """The secret as it is, and as a URL, Basic authentication, JSON and Python write it."""
    if len(secret) < SHORTEST:
        return set()
    raw = secret.encode()
    coded = base64.b64encode(raw).decode(), json.dumps(secret)[1:-1], repr(raw)[2:-1]
    return {secret, quote(secret, safe=""), quote_plus(secret), *coded}
