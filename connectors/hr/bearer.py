"""Signals from anything that can send `Authorization: Bearer TOKEN`: a script beside a CSV, a database's trigger.

    curl -H "Authorization: Bearer $TOKEN" -d '{"ids": ["0042"]}' https://…/signals

With a header `Idempotency-Key` (at least 8 characters) the same call sent again counts once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr

from connectors.hr.base import Delivery, Reply
from connectors.hr.signatures import delivery, header, require_token

SHORTEST = 8  # characters of a key: shorter ones are chosen twice


class Bearer:
    """Keeps Signals for a source that has no webhooks of its own."""

    def __init__(self, name: str, token: SecretStr | None) -> None:
        self.name, self.token = name, token

    def handshake(self, headers: Mapping[str, str], body: bytes) -> Reply | None:
        return None

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The token proves the caller; nothing in the call tells a replay, which would only make us look again."""
        require_token(self.token, header(headers, "authorization"), "Bearer ")
        key = header(headers, "idempotency-key").strip()
        return delivery(self.name, key, body) if len(key) >= SHORTEST else Delivery("")

    def changed_ids(self, body: bytes) -> list[str]:
        """`{"ids": [...]}` or `{"id": ...}`; texts, since a number would have lost its zeros."""
        said = json.loads(body)
        ids = said.get("ids", [said["id"]] if "id" in said else None) if isinstance(said, dict) else None
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise ValueError('the body must be {"ids": ["…"]} with ids as texts')
        return ids
