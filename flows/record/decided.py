"""The tables of what humans were asked and decided: approvals, overrides, who is the same human as whom."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Text
from sqlalchemy import text as sql
from sqlmodel import Field

from flows.record.tables import Row, UtcTime


class Decision(StrEnum):
    """Where a question stands."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    """Nobody answered in time, which counts as refused."""
    WITHDRAWN = "withdrawn"
    """Nothing asks for it any more, or another plan was asked about instead."""


class Effect(StrEnum):
    """What an override does."""

    GIVE = "give"
    DENY = "deny"
    SET = "set"


class ApprovalRow(Row, table=True):
    """A question about one exact plan."""

    __tablename__ = "approval"
    __table_args__ = (
        Index(
            "uq_approval_open",
            "person_id",
            "plan_hash",
            unique=True,
            sqlite_where=sql("state = 'open'"),
            postgresql_where=sql("state = 'open'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: str = Field(index=True)
    """'' where it is about a batch of people."""
    plan_hash: str = Field(index=True)
    """Of the steps, or of the batch, that wait."""
    fingerprint: str
    """Of the person when it was asked; see mappings.rules.fingerprints. '' for a batch."""
    approver: str
    title: str
    body: str = Field(sa_type=Text)
    """Markdown: what would be done, to whom and why."""
    run_id: str
    asked_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime)
    state: str = Decision.OPEN.value
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)
    by: str = ""
    reason: str = ""


class OverrideRow(Row, table=True):
    """An exception from the rules or from HR's word, with a reason and an end."""

    __tablename__ = "override"

    id: int | None = Field(default=None, primary_key=True)
    person_id: str = Field(index=True)
    effect: str
    """An Effect."""
    name: str
    """`app`, `app:entitlement`, or for `set` a person's attribute."""
    value: str = ""
    """For `set`: what counts instead of HR's value."""
    why: str
    by: str
    since: datetime = Field(sa_type=UtcTime)
    until: datetime = Field(sa_type=UtcTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)
    ended_why: str = ""


class IdentityRow(Row, table=True):
    """Whether a new HR record is a human whom an older record meant."""

    __tablename__ = "identity"

    person_id: str = Field(primary_key=True)
    """The newer record's employee_id."""
    same_as: str = Field(primary_key=True)
    """The older record's."""
    state: str
    """question, same or different."""
    how: str
    """What they have in common."""
    asked_at: datetime = Field(sa_type=UtcTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)
    by: str = ""
