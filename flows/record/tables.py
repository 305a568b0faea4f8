"""The tables. Each row's class is named after what one row is; no entitlement is written as ''."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, Index, LargeBinary, MetaData, Text, TypeDecorator, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
Json = JSON(none_as_null=True)


class UtcTime(TypeDecorator[datetime]):
    """An aware instant. SQLite keeps no zone: it is written as UTC and comes back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; the record keeps aware times only")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Row(SQLModel):
    """What all tables share: metadata of their own, apart from other users of SQLModel in the process."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMES)


class StepOutcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    ALREADY = "already"
    FAILED = "failed"
    BLOCKED = "blocked"
    TASK = "task"


class TaskState(StrEnum):
    """Where a manual task stands."""

    OPEN = "open"
    DONE = "done"
    DECLINED = "declined"
    VOID = "void"


class SnapshotRow(Row, table=True):
    """What HR said, from `read_at` on; unchanged when it was last looked at, at `seen_at`."""

    __tablename__ = "snapshot"
    __table_args__ = (Index(None, "source", "read_at"),)

    id: int | None = Field(default=None, primary_key=True)
    source: str
    read_at: datetime = Field(sa_type=UtcTime)
    seen_at: datetime = Field(sa_type=UtcTime)
    hash: str
    """sha256 of the people as CSV; see snapshots.content_hash."""
    count: int
    filled: dict[str, int] = Field(sa_type=Json)
    """Column -> number of people who have a value there."""
    people: bytes = Field(sa_type=LargeBinary)
    """Parquet, zstd."""


class FactRow(Row, table=True):
    """From `valid_from` on HR says this of a person; we know it since `known_since`."""

    __tablename__ = "fact"
    __table_args__ = (UniqueConstraint("source", "person_id", "valid_from", "known_since"),)

    id: int | None = Field(default=None, primary_key=True)
    source: str
    person_id: str = Field(index=True)
    valid_from: date
    known_since: datetime = Field(sa_type=UtcTime)
    body: dict[str, str] | None = Field(default=None, sa_type=Json)
    """Column of a frame of people -> value as text; nothing where HR took the fact back."""


class PlanRow(Row, table=True):
    """A plan taken up by a run."""

    __tablename__ = "plan"
    __table_args__ = (UniqueConstraint("plan_hash", "run_id"), Index(None, "run_id"), Index(None, "person_id"))

    id: int | None = Field(default=None, primary_key=True)
    plan_hash: str
    run_id: str
    person_id: str
    user_name: str
    kind: str
    on: date
    body: dict[str, Any] = Field(sa_type=Json)
    opened_at: datetime = Field(sa_type=UtcTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    result: str | None = None


class StepRow(Row, table=True):
    """One attempt at one step: written before the call, completed after it."""

    __tablename__ = "step"
    __table_args__ = (
        Index(None, "plan_id"),
        Index(None, "plan_hash", "step_id"),
        Index(
            "ix_step_unfinished",
            "person_id",
            sqlite_where=sql("outcome IS NULL"),
            postgresql_where=sql("outcome IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    plan_id: int = Field(foreign_key="plan.id")
    plan_hash: str
    run_id: str
    person_id: str
    step_id: str
    app: str
    verb: str
    entitlement: str = ""
    attempt: int
    """1 for the first time this step of this plan was tried, by whichever run."""
    intended_at: datetime = Field(sa_type=UtcTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcTime)
    outcome: str | None = None
    """A StepOutcome; nothing when the process ended between intent and outcome."""
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json)
    error: str | None = Field(default=None, sa_type=Text)


class LinkRow(Row, table=True):
    """Which account in an app is a person's, and what was last written to it."""

    __tablename__ = "link"
    __table_args__ = (
        Index(
            "uq_link_account",
            "app",
            "external_id",
            unique=True,
            sqlite_where=sql("external_id <> ''"),
            postgresql_where=sql("external_id <> ''"),
        ),
    )

    person_id: str = Field(primary_key=True)
    app: str = Field(primary_key=True)
    external_id: str
    """The app's own id; '' where the app has none that can be known."""
    key: str
    active: bool
    attributes: dict[str, str] = Field(sa_type=Json)
    attributes_hash: str
    linked_at: datetime = Field(sa_type=UtcTime)
    updated_at: datetime = Field(sa_type=UtcTime)


class HeldRow(Row, table=True):
    """An account (entitlement '') or an entitlement held for one reason, since then and until then."""

    __tablename__ = "held"
    __table_args__ = (
        Index(
            "uq_held_open",
            "person_id",
            "app",
            "entitlement",
            unique=True,
            sqlite_where=sql("ended IS NULL"),
            postgresql_where=sql("ended IS NULL"),
        ),
        Index(None, "person_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: str
    app: str
    entitlement: str = ""
    why: str
    plan_hash: str
    since: datetime = Field(sa_type=UtcTime)
    until: datetime | None = Field(default=None, sa_type=UtcTime)
    """When it ends by itself: grace days, or a grant for a time."""
    ended: datetime | None = Field(default=None, sa_type=UtcTime)
    ended_why: str | None = None
    ended_plan_hash: str | None = None


class EmailRow(Row, table=True):
    """A work address that is somebody's for good."""

    __tablename__ = "email"

    address: str = Field(primary_key=True)
    """Casefolded."""
    spelling: str
    person_id: str = Field(index=True)
    reserved_at: datetime = Field(sa_type=UtcTime)


class TaskRow(Row, table=True):
    """A step for a human."""

    __tablename__ = "task"
    __table_args__ = (
        Index(
            "uq_task_open",
            "person_id",
            "app",
            "verb",
            "entitlement",
            unique=True,
            sqlite_where=sql("state = 'open'"),
            postgresql_where=sql("state = 'open'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: str
    app: str
    verb: str
    entitlement: str = ""
    title: str
    instructions: str = Field(sa_type=Text)
    owner: str
    plan_hash: str
    run_id: str
    due: datetime | None = Field(default=None, sa_type=UtcTime)
    state: str = TaskState.OPEN.value
    opened_at: datetime = Field(sa_type=UtcTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_by: str | None = None
    statement: str | None = Field(default=None, sa_type=Text)
    proof: dict[str, Any] | None = Field(default=None, sa_type=Json)
    """What was read back from the app, or where the attachment is kept."""


class HoldRow(Row, table=True):
    """A person for whom nothing is done, and why."""

    __tablename__ = "hold"
    __table_args__ = (
        Index(
            "uq_hold_open",
            "person_id",
            "source",
            unique=True,
            sqlite_where=sql("lifted_at IS NULL"),
            postgresql_where=sql("lifted_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: str
    source: str
    """What placed it: the trust gate of an HR source, a human, …"""
    reason: str
    placed_at: datetime = Field(sa_type=UtcTime)
    lifted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    lifted_why: str | None = None


class LeaseRow(Row, table=True):
    """Who works on a person now."""

    __tablename__ = "lease"

    person_id: str = Field(primary_key=True)
    holder: str
    token: str
    host: str
    pid: int
    process_started: float
    """Seconds since the epoch: a pid alone may have been given to another process."""
    taken_at: datetime = Field(sa_type=UtcTime)
    until: datetime = Field(sa_type=UtcTime)


class SettledRow(Row, table=True):
    """A person whose apps all agreed with HR when the last run ended."""

    __tablename__ = "settled"

    person_id: str = Field(primary_key=True)
    fingerprint: str
    """Hexadecimal; see mappings.rules.fingerprints."""
    at: datetime = Field(sa_type=UtcTime)
    next_look: datetime | None = Field(default=None, sa_type=UtcTime)
    """When something changes although HR says nothing new: grace is over, an override ends, an account is deleted."""


class MarkRow(Row, table=True):
    """A small named value."""

    __tablename__ = "mark"

    name: str = Field(primary_key=True)
    value: str = Field(sa_type=Text)
    """Canonical JSON, so that equal values are equal texts."""
    updated_at: datetime = Field(sa_type=UtcTime)


class RingRow(Row, table=True):
    """The moments of an app's last calls; see connectors.quota."""

    __tablename__ = "ring"

    name: str = Field(primary_key=True)
    ring: bytes


class PacketRow(Row, table=True):
    """A signed evidence packet. The columns beside the envelope are for finding it; only the envelope counts."""

    __tablename__ = "packet"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    person_id: str = Field(index=True)
    run_id: str = Field(index=True)
    plan_hash: str
    recorded_at: datetime = Field(sa_type=UtcTime)
    envelope: str = Field(sa_type=Text)
    """DSSE, as canonical JSON."""


class SignalRow(Row, table=True):
    """HR said that something is new of these people; nothing else of what it said is kept."""

    __tablename__ = "signal"
    __table_args__ = (
        UniqueConstraint("source", "key"),
        Index(
            "ix_signal_open", "next_try", sqlite_where=sql("done_at IS NULL"), postgresql_where=sql("done_at IS NULL")
        ),
        Index(None, "done_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    key: str
    """What duplicates share; see connectors.hr.base.Delivery."""
    people: list[str] = Field(sa_type=Json)
    """Ids as HR writes them."""
    at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When HR says that it was, where that is signed."""
    received_at: datetime = Field(sa_type=UtcTime)
    tries: int = 0
    next_try: datetime = Field(sa_type=UtcTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcTime)
    result: str | None = Field(default=None, sa_type=Text)
    """What came of it, or why it is still open."""
    effects: list[list[str]] = Field(default_factory=list, sa_type=Json)
    """What the runs started for it would take away: rows of mappings.radius.effects."""
