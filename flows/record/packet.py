"""What an evidence packet says. Every time is aware and written in UTC."""

from __future__ import annotations

from datetime import UTC, date
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from flows.record.tables import StepOutcome, TaskState

Instant = Annotated[AwareDatetime, AfterValidator(lambda instant: instant.astimezone(UTC))]


class Said(BaseModel):
    """A part of a packet: frozen, and nothing in it that is not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HrEvent(Said):
    """What HR said that led to the run."""

    kind: str
    """joiner, mover, leaver, …"""
    person_id: str
    user_name: str
    snapshot_hash: str | None = None
    """Of the snapshot it was read from."""
    known_since: Instant | None = None
    """When HR's latest word about the person was first read."""
    effective: date | None = None
    """HR's own date: the last day of a leaver, else the hire date."""


class StepDone(Said):
    """One attempt at one step."""

    id: str
    app: str
    verb: str
    entitlement: str | None = None
    why: str
    """The rule that asked for it."""
    intended_at: Instant
    finished_at: Instant | None = None
    outcome: StepOutcome | None = None
    """None: the process ended before the outcome was known."""
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None
    """As read back from the app."""
    error: str | None = None


class Approval(Said):
    """A human's answer about this very plan."""

    plan_hash: str
    by: str
    at: Instant
    decision: str
    reason: str = ""


class Task(Said):
    """A step that a human was asked to do."""

    id: int
    app: str
    verb: str
    entitlement: str | None = None
    owner: str
    state: TaskState
    opened_at: Instant
    closed_at: Instant | None = None
    closed_by: str | None = None
    statement: str | None = None
    proof: dict[str, JsonValue] | None = None


class NothingFound(Said):
    """An app that was searched for the person, in vain."""

    app: str
    looked_for: str
    checked_at: Instant


class Evidence(Said):
    """The body of a packet: one plan carried out."""

    run_id: str
    hr_event: HrEvent | None = None
    """None where no single person's HR record led to the run."""
    plan_hash: str
    rules_hash: str
    started_at: Instant
    finished_at: Instant
    steps: tuple[StepDone, ...] = ()
    approvals: tuple[Approval, ...] = ()
    tasks: tuple[Task, ...] = ()
    """Opened or closed by this run."""
    nothing_found: tuple[NothingFound, ...] = ()
    controls: tuple[str, ...]
    """See `controls_for`."""
    product_version: str = Field(default_factory=lambda: product_version())


def product_version() -> str:
    """`rollcall 0.1.0`."""
    try:
        return f"rollcall {version('rollcall')}"
    except PackageNotFoundError:
        return "rollcall, not installed"


# SOC 2: AICPA Trust Services Criteria 2017 (points of focus revised 2022). CC6.1 logical access security;
# CC6.2 users registered and authorised before, credentials removed after; CC6.3 access changed and removed by role.
# ISO/IEC 27001:2022 Annex A: 5.15 access control, 5.16 identity management, 5.18 access rights. 5.17 (authentication
# information) is not claimed: no password passes through here.
# NIST CSF 2.0: PR.AA-01 identities and credentials are managed; PR.AA-05 access permissions are defined in a policy,
# managed, enforced and reviewed.
GIVES = ("SOC2:CC6.1", "SOC2:CC6.2", "ISO27001:A.5.15", "ISO27001:A.5.16", "ISO27001:A.5.18")
ALTERS = ("SOC2:CC6.1", "SOC2:CC6.3", "ISO27001:A.5.15", "ISO27001:A.5.18", "NIST-CSF:PR.AA-05")
ENDS = ("SOC2:CC6.2", "SOC2:CC6.3", "ISO27001:A.5.16", "ISO27001:A.5.18")
IDENTITY = ("NIST-CSF:PR.AA-01", "NIST-CSF:PR.AA-05")

CONTROLS: dict[str, tuple[str, ...]] = (
    dict.fromkeys(("joiner", "upcoming", "rehire", "onboard"), GIVES + IDENTITY)
    | dict.fromkeys(("leaver", "cancelled", "offboard"), ENDS + IDENTITY)
    | dict.fromkeys(("mover", "conversion", "leave", "return", "changed", "same", "move", "reconcile"), ALTERS)
)


def controls_for(kind: str) -> tuple[str, ...]:
    """The controls a run of this kind serves; for a kind that is not known, what every run serves."""
    return CONTROLS.get(str(kind), ("ISO27001:A.5.18", "NIST-CSF:PR.AA-05"))
