"""A plan: the steps for one person, ordered, with a content hash. `mappings.draft` makes it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from mappings.rules import canonical


class Verb(StrEnum):
    """What a step does."""

    EMAIL = "assign e-mail"
    CREATE = "create account"
    ENABLE = "enable account"
    UPDATE = "update account"
    GRANT = "grant"
    REVOKE = "revoke"
    DISABLE = "disable account"
    END_SESSIONS = "end sessions"
    REVOKE_TOKENS = "revoke tokens"
    HAND_OVER = "hand over"
    DELETE = "delete account"


FAREWELL = (Verb.END_SESSIONS, Verb.REVOKE_TOKENS, Verb.HAND_OVER)
"""What ending an account brings with it."""
LOSING = (Verb.REVOKE, Verb.DISABLE, *FAREWELL, Verb.DELETE)


class Layer(StrEnum):
    """Whose turn it is: the work e-mail, the SSO account, groups, the department apps."""

    EMAIL = "email"
    SSO = "sso"
    IDP = "idp"
    APP = "app"


class Step(BaseModel):
    """One verb at one app for one person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """`app verb entitlement`: the same for the same step of the same person, always."""
    app: str
    verb: Verb
    layer: Layer
    entitlement: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    """For create and update: what to set. For the work e-mail: `work_email`."""
    entitlements: tuple[str, ...] = ()
    """For an account made by hand: what it should hold, said in one task."""
    before: dict[str, str] = Field(default_factory=dict)
    """For update: what stood there."""
    why: str
    needs: tuple[str, ...] = ()
    """Steps that must have succeeded; otherwise this one is blocked."""
    after: tuple[str, ...] = ()
    """Steps that must be over, well or badly."""
    approver: str = ""
    """Who must approve it first; nobody where it is empty."""


class Keep(BaseModel):
    """Something in place that ends by itself, or, without `until`, does so no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    entitlement: str = ""
    """'' for the account."""
    until: datetime | None


class Plan(BaseModel):
    """The steps that make the apps agree with HR for one person, in an order that may be carried out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person_id: str
    user_name: str
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    """What was seen and left alone, or could not be read."""
    keeps: tuple[Keep, ...] = ()
    """For the record alone: what grace days begin or end for."""
    next_look: datetime | None = None
    """When something changes although HR says nothing new."""

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical steps."""
        body = [s.model_dump(mode="json") for s in self.steps]
        return hashlib.sha256(canonical([self.person_id, body])).hexdigest()

    @property
    def gated(self) -> tuple[Step, ...]:
        """The steps that wait for an approval."""
        return tuple(s for s in self.steps if s.approver)

    @property
    def gated_hash(self) -> str:
        """SHA-256 of what an approver approves: the gated steps without their edges, which change meanwhile."""
        body = [s.model_dump(mode="json", exclude={"needs", "after"}) for s in self.gated]
        return hashlib.sha256(canonical([self.person_id, body])).hexdigest()
